"""Tables of every format, several files, and standard input are trained on as the CSV file is."""

import io

import polars as pl
import pytest

from gradus.apps.usage import with_dash_as_data

SETTINGS = ("--target", "kind", "--epochs", 2, "--layers", "4", "--quiet")


@pytest.fixture
def piped(monkeypatch):
    """Pipe the bytes of a file into standard input."""

    def pipe(path):
        stdin = type("Stdin", (), {"buffer": io.BytesIO(path.read_bytes())})
        monkeypatch.setattr("sys.stdin", stdin)
        return "-"

    return pipe


@pytest.mark.slow
def test_every_source_gives_the_numbers_of_the_csv_file(gradus, gradus_json, work, flowers, piped):
    frame = pl.read_csv(flowers)
    frame.write_excel(work / "flowers.xlsx", "Rows")
    (work / "parts").mkdir()
    for name, rows in {"part-a": slice(None, 50), "part-b": slice(50, None)}.items():
        frame[rows].write_csv(work / "parts" / f"{name}.csv")
    expected = gradus_json("train", flowers, *SETTINGS)
    sheet = gradus_json("train", "flowers.xlsx", *SETTINGS, "--sheet", "Rows")
    parts = gradus_json("train", "parts/part-?.csv", *SETTINGS)
    stdin = gradus_json("train", piped(flowers), *SETTINGS)
    for made in (sheet, parts, stdin):
        assert made["metrics"] == expected["metrics"]
    pattern = str(work / "parts" / "part-?.csv")
    assert [made["data"] for made in (parts, stdin)] == [pattern, "-"]
    assert [made["run"] for made in (parts, stdin)] == ["runs/part-1", "runs/standard-input-1"]
    status, _, error = gradus("train", "flowers.xlsx", *SETTINGS, "--sheet", "rows")
    assert (status, "Did you mean 'Rows'?" in error) == (1, True)
    _check_use_of_a_run(gradus, gradus_json, work, flowers, piped, sheet["run"])


def _check_use_of_a_run(gradus, gradus_json, work, flowers, piped, run):
    """Whatever a run was trained on, it predicts from and is evaluated on every other format."""
    frame = pl.read_csv(flowers)
    frame.write_ipc(work / "new.feather")
    frame.write_ndjson(work / "new.jsonl")
    frame.write_excel(work / "other.xlsx", "Another name")  # its only sheet
    predicted = gradus("predict", run, flowers)
    assert predicted[0] == 0
    for source in ("new.feather", "other.xlsx", piped(work / "new.jsonl")):
        assert gradus("predict", run, source) == predicted
    metrics = gradus_json("evaluate", run, flowers)["metrics"]
    assert gradus_json("evaluate", run, "parts")["metrics"] == metrics
    assert gradus_json("evaluate", run, piped(work / "new.feather"))["metrics"] == metrics


def test_a_dash_is_data_unless_it_is_the_value_of_a_flag():
    moved = with_dash_as_data(["train", "--quiet", "-", "--missing", "-", "--target", "y"])
    assert moved == ["train", "--quiet", "--missing", "-", "--target", "y", "--", "-"]
    for unchanged in (["predict", "r", "t.csv", "--missing", "-"], ["train", "--", "-"]):
        assert with_dash_as_data(unchanged) == unchanged


def test_a_flag_that_there_is_not_is_not_data(gradus):
    status, _, error = gradus("evaluate", "runs/a", "--jsn")
    assert (status, "Did you mean --json?" in error) == (2, True)
