"""`gradus train --stream yes`: tables that are read in parts, and their runs."""

import io
import json
import tomllib
import warnings
from datetime import datetime

import numpy as np
import polars as pl
import pytest

import gradus as gr
from gradus.apps import summaries
from gradus.apps.cli import main
from gradus.apps.output import Output
from gradus.apps.prediction_files import write_predictions
from gradus.data import ArrayPreprocessor, TablePreprocessor
from gradus.data.streaming import array_stream, parquet_rows, split_rows, table_stream
from gradus.experiments.preparation import prepare_streamed, reading_in_parts
from gradus.experiments.preparation.prepare import prepare_data
from gradus.experiments.settings.experiment import Experiment

QUICK = ("--epochs", "2", "--layers", "8", "--batch-size", "64", "--quiet")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A table of 1,500 rows with a rare class, as Parquet."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "cells.parquet"
    x, kind = rng.normal(size=(1500, 2)), rng.choice(["a", "b"], 1500)
    grown = np.where(x[:, 0] > -1, "yes", "no").astype(object)
    grown[1400] = "maybe"
    table = {"x": x[:, 0], "z": x[:, 1], "kind": kind, "grown": grown.tolist()}
    frame = pl.DataFrame(table)
    frame.write_parquet(path)
    later = frame.with_columns(
        id=pl.int_range(1500),
        grown=pl.when(pl.int_range(1500) == 7).then(None).otherwise("grown"),
        x=pl.when(pl.int_range(1500).is_in([5, 1200, 1201])).then(99.0).otherwise("x"),
        kind=pl.when(pl.int_range(1500) == 1300).then(pl.lit("new")).otherwise("kind"),
    )
    later.write_parquet(path.with_name("later.parquet"))
    later.write_csv(path.with_name("later.csv"))
    return path


@pytest.fixture(scope="module", autouse=True)
def small_parts():
    """A sample of 300 rows, of which 200 are scored, 50 rows held out, and no process to check."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split_rows, "SAMPLE_ROWS", 300)
        patch.setattr(prepare_streamed, "MOST_HELD_OUT", 50)
        patch.setattr(prepare_streamed, "SHOWN_ROWS", 200)
        patch.setattr(table_stream, "BLOCK_ROWS", (1, 400))
        patch.setattr(split_rows, "READ_ROWS", 128)
        patch.setattr(parquet_rows, "_check_files", lambda *_: [])  # faster
        yield


@pytest.fixture(scope="module")
def run(rows):
    """The folder of a run on it, whose test file is read in parts, too."""
    folder, balanced = rows.parent / "run", ("--class-weight", "balanced")
    given = ("--target", "grown", "--stream", "yes", *balanced, *QUICK, "--out", str(folder))
    test = ("--test", str(rows.with_name("later.parquet")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading_in_parts, "host_free_bytes", lambda: 1)
        assert main(["train", str(rows), *given, *test]) == 0
    return folder


@pytest.fixture
def few_rows(monkeypatch):
    """Have files be larger than memory; return a list of how many rows are encoded at once."""
    counts = []
    encode = TablePreprocessor.encode

    def counted(preprocessor, table):
        counts.append(table.height)
        return encode(preprocessor, table)

    monkeypatch.setattr(TablePreprocessor, "encode", counted)
    monkeypatch.setattr(reading_in_parts, "host_free_bytes", lambda: 1)
    return counts


def test_a_run_on_parts_is_one_as_any(run, rows, gradus):
    loaded = gr.load(run)
    table = pl.read_parquet(rows)
    assert loaded.classes == ("maybe", "no", "yes")
    rows_of = json.loads((run / "run.json").read_text())["rows"]
    assert rows_of["training"] + rows_of["validation"] == 1500
    assert rows_of["validation"] < 100
    assert loaded.predict(table).shape == (1500,)
    notes = "\n".join(loaded.notes)
    assert "validation = 0.1 would be 150 rows, but they stay in memory" in notes
    assert "the rows are read in parts in each epoch" in notes
    assert "medians, quantiles, and which columns are dropped are those of" in notes
    written = tomllib.loads((run / "experiment.toml").read_text())
    assert written["stream"] is True
    x = loaded.preprocessor.columns[0]
    assert x.mean == pytest.approx(table["x"].mean(), abs=0.02)
    status, out, err = gradus("evaluate", run, rows)
    assert (status, err) == (0, "")
    assert "accuracy" in out


@pytest.mark.parametrize("name", ["later.parquet", "later.csv"])
def test_predictions_in_parts_are_those_of_the_whole(run, rows, gradus, few_rows, name, work):
    loaded, data = gr.load(run), rows.with_name(name)
    with warnings.catch_warnings(record=True, action="always") as whole:
        expected = loaded.predict_proba(pl.read_parquet(rows.with_name("later.parquet")))
    assert few_rows == [1500]
    few_rows.clear()
    with warnings.catch_warnings(record=True, action="always") as parts:
        np.testing.assert_allclose(loaded.predict_proba(data), expected, atol=1e-6)
    assert max(few_rows) <= 400
    assert sum(few_rows) == 1500
    told = [str(warning.message) for warning in whole]
    assert told[-1] == "1 column is not used: id"  # which is said once
    assert any("99 in row 5 (counted from 0)" in n and "; 2 more cells are" in n for n in told)
    assert [str(warning.message) for warning in parts] == told[:-1]
    assert any("'new' in row 1300 (counted from 0) is no category" in note for note in told)
    flags = ("--out", "p.parquet") if data.suffix == ".parquet" else ()
    status, out, err = gradus("predict", run, data, "--keep", "id", *flags)
    assert status == 0
    assert f"note: {data} is read in parts, as it may not fit into memory" in err
    assert "99 in row 5 (counted from 0) is outside" in err
    written = pl.read_parquet(work / "p.parquet") if flags else pl.read_csv(io.StringIO(out))
    assert written["id"].to_list() == list(range(1500))
    named = [f"probability_{name}" for name in loaded.classes]
    np.testing.assert_allclose(written.select(named), expected, atol=1e-6)


def test_an_error_in_a_later_part_leaves_the_file_as_it_was(run, rows, gradus, few_rows, work):
    (work / "p.csv").write_text("mine")
    kept = ("--keep", "prediction", "--out", "p.csv")
    later = pl.read_parquet(rows.with_name("later.parquet")).with_columns(prediction=pl.lit(1))
    later.write_parquet("named.parquet")
    status, _, err = gradus("predict", run, "named.parquet", *kept)
    assert (status, few_rows[0]) == (1, 375)
    assert "--keep prediction: a column of the predictions has this name" in err
    assert [path.name for path in work.iterdir() if path.name != "named.parquet"] == ["p.csv"]
    assert (work / "p.csv").read_text() == "mine"
    parts = [pl.DataFrame({"prediction": [k]}) for k in range(3)]
    for name in ("p.csv", "p.tsv", "p.parquet"):
        assert write_predictions(parts, name) == ["prediction"]
        read = pl.read_parquet if name == "p.parquet" else pl.read_csv
        assert read(name)["prediction"].to_list() == [0, 1, 2]
    times = [datetime(2024, 3, 31, 6), datetime(2024, 3, 31, 6, 0, 0, 250_000)]
    write_predictions([pl.DataFrame({"day": times})], "p.csv")
    written = (work / "p.csv").read_text().split("\n")
    assert written[1:3] == ["2024-03-31 06:00:00", "2024-03-31 06:00:00.250"]


def test_an_evaluation_in_parts_is_that_of_the_whole(run, rows, few_rows):
    loaded, data = gr.load(run), rows.with_name("later.parquet")
    parts = loaded.evaluated_rows(data)
    assert max(few_rows) <= 400
    few_rows.clear()
    whole = loaded.evaluated_rows(pl.read_parquet(data))
    assert few_rows == [1499]
    assert whole.metrics.keys() == parts.metrics.keys() > {"balanced_accuracy"}
    assert parts.metrics == pytest.approx(whole.metrics, rel=1e-5)
    assert (parts.rows, parts.notes) == (1499, ["1 row has no target and is not used"])
    record = json.loads((run / "run.json").read_text())
    assert record["split"] == "test"
    assert record["rows"]["test"] == 1499
    assert record["metrics"] == pytest.approx(whole.metrics, rel=1e-5)
    assert record["constant"]["accuracy"] == pytest.approx(1 - 0.1587, abs=0.03)
    assert loaded.evaluated_part().metrics == pytest.approx(whole.metrics, rel=1e-5)
    note = "it is scored on all of its rows, and the report shows 192 of them"
    assert any(note in each for each in loaded.notes)
    pl.read_parquet(data).drop("grown").write_parquet(other := data.with_name("without.parquet"))
    with pytest.raises(gr.GradusError, match="has no target column 'grown'"):
        loaded.evaluate(other)


def test_a_training_that_cannot_be_resumed_is_told(run, rows, capsys):
    record = json.loads((run / "run.json").read_text()) | {"status": "interrupted"}
    summaries.print_training_summary(record | {"run": str(rows.parent / "none")}, Output(False))
    assert "cannot be resumed. To train it again: gradus train" in capsys.readouterr().out


@pytest.mark.usefixtures("pages")
def test_the_report_is_written_again_from_the_parts(run, gradus):
    (run / "report.html").unlink()
    status, _, err = gradus("report", run)
    assert (status, err) == (0, "")
    page = (run / "report.html").read_text()
    assert "read in parts" in page
    assert "Importance of columns" in page


def test_a_run_that_ended_is_resumed_to_nothing(run, gradus):
    before = json.loads((run / "run.json").read_text())["metrics"]
    status, out, err = gradus("train", "--resume", run, "--quiet")
    assert (status, err) == (0, "")
    assert "has ended after 2 epochs" in out
    after = json.loads((run / "run.json").read_text())["metrics"]
    assert after == pytest.approx(before, rel=1e-5)


def test_large_files_are_read_in_parts_by_themselves(rows, monkeypatch):
    experiment = Experiment(data=str(rows))
    assert not reading_in_parts.reads_in_parts(experiment)
    monkeypatch.setattr(reading_in_parts, "host_free_bytes", lambda: rows.stat().st_size)
    assert reading_in_parts.reads_in_parts(experiment)
    assert not reading_in_parts.reads_in_parts(Experiment(data="iris"))
    # What was trained in memory goes on there: in parts, other rows would be held out.
    assert not reading_in_parts.reads_in_parts(experiment, again=True)
    assert "as they were before" in reading_in_parts.reading_lines(experiment, again=True)[0]
    assert "in parts" in reading_in_parts.reading_lines(experiment)[0]


def test_rows_are_split_by_group_or_time(rows):

    def prepared(preprocessor=None, **given):
        data = str(rows.with_name("later.parquet"))
        experiment = Experiment(data=data, stream=True, **given)
        return prepare_data(experiment, preprocessor)

    split = prepared(target="grown", split_by_time="id", validation=0.03)
    assert split.raw["validation"].x["id"].min() == 1456
    told = "\n".join(split.notes)
    assert "rows are split by 'id': validation is later than 1455" in told
    assert "column 'id' stays an input, although its later values were never trained on" in told
    split = prepared(target="grown", split_by_time="id", validation=0.03, test=0.2)
    assert split.counts == {"training": 1165, "validation": 35, "test": 299}
    assert "'id': test is later than 1200, validation is later than 1165" in "\n".join(split.notes)
    assert split.raw["test"].x["id"].min() > 1200
    assert 150 < len(split.raw["test"]) < 250  # as many as are shown
    given = {"target": "z", "validation": 0.03, "test": 0.2}
    assert prepared(group="id", **given).counts["test"] == 300  # each row is a group
    split = prepared(**given)
    assert sum(split.counts.values()) == 1500
    assert 250 < split.counts["test"] < 350
    assert "1,500 rows" in split.summary_lines[0]
    again = prepared(split.preprocessor, **given)  # as a run finds its test rows
    assert again.row_counts == split.row_counts
    found = [next(each.streams["test"].batched(500, None).epoch(0)) for each in (split, again)]
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])
    assert len(found[0][1]) == split.counts["test"]
    split = prepared(target="x,z", group="kind", validation=0.5, validation_seed=1)
    assert split.target.columns == ("x", "z")
    assert split.counts["training"] + split.counts["validation"] == 1500
    kinds = [set(split.raw[part].x["kind"]) for part in ("training", "validation")]
    assert not kinds[0] & kinds[1]
    assert "kind" not in [name for name, *_ in split.columns]
    told = "\n".join(split.notes)
    assert "groups of 'kind' stay whole, drawn by a hash of their names; it is no input" in told
    with pytest.raises(gr.GradusError, match="rows are split by the one or the other"):
        prepared(target="x", group="kind", split_by_time="id")
    with pytest.raises(gr.GradusError, match="Did you mean 'kind'"):
        prepared(target="x", group="kin")


def test_a_test_file_alone_may_be_too_large(rows, monkeypatch):
    few = pl.read_parquet(rows).filter(pl.col("grown") != "maybe").head(40)
    few.write_parquet(small := rows.with_name("few.parquet"))
    test = rows.with_name("of-two.parquet")
    pl.read_parquet(rows).filter(pl.col("grown") != "maybe").write_parquet(test)
    monkeypatch.setattr(reading_in_parts, "host_free_bytes", lambda: 6 * small.stat().st_size)
    experiment = Experiment(data=str(small), target="grown", test=str(test))
    parts = prepare_data(experiment)
    assert dict(parts.row_counts) == {"training": 36, "validation": 4, "test": 1499}
    assert parts.summary_lines[-1] == "rows      36 training, 4 validation, 1,499 test"
    assert len(parts.parts["test"][1]) == 192
    assert sum(len(y) for _, y in parts.streams["test"].batched(None, None).epoch(0)) == 1499
    told = "the test part is read in parts: it is scored on all of its rows, and the report shows"
    assert any(told in note for note in parts.notes)
    x = parts.preprocessor.transform(pl.read_parquet(test))
    read = np.concatenate([x for x, _ in parts.streams["test"].batched(None, None).epoch(0)])
    np.testing.assert_allclose(read, x, atol=1e-6)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--batch-size", "all"), "--batch-size all needs all rows in memory"),
        (("--target", "growm"), "Did you mean 'grown'?"),
        ((), "name the column to predict, with --target COLUMN"),
    ],
)
def test_settings_that_parts_lack_are_named(rows, gradus, flags, message):
    target = () if not flags or "--target" in flags else ("--target", "grown")
    status, _, err = gradus("train", rows, "--stream", "yes", *target, *flags)
    assert status != 0
    assert message in err


def test_arrays_are_read_in_parts(gradus, monkeypatch, work):
    monkeypatch.setattr(array_stream, "BLOCK_BYTES", 100 * 3 * 8)
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, size=(900, 3))
    kinds = np.where(x[:, 0] > 4, "large", "small")
    np.savez("a.npz", x=x[:600], y=kinds[:600], x_test=x[600:], y_test=kinds[600:])
    np.savez_compressed("packed.npz", x=x, y=kinds)
    status, out, _ = gradus("train", "a.npz", "--stream", "yes", *QUICK, "--out", "of-arrays")
    assert status == 0
    assert "300 test, read in parts" in out
    loaded = gr.load("of-arrays")
    whole, metrics = loaded.predict_proba("a.npz"), loaded.evaluated_rows("a.npz")
    assert metrics.part == "its test part"
    assert loaded.record.metrics == pytest.approx(metrics.metrics, rel=1e-5)
    assert loaded.evaluated_part().metrics == pytest.approx(metrics.metrics, rel=1e-5)
    monkeypatch.setattr(reading_in_parts, "host_free_bytes", lambda: 1)
    counts, transform = [], ArrayPreprocessor.transform

    def counted(preprocessor, x):
        counts.append(len(x))
        return transform(preprocessor, x)

    monkeypatch.setattr(ArrayPreprocessor, "transform", counted)
    np.testing.assert_allclose(loaded.predict_proba("a.npz"), whole, atol=1e-6)
    assert counts == [100, 100, 100]
    parts = loaded.evaluated_rows("a.npz")
    assert max(counts) == 100
    assert parts.metrics == pytest.approx(metrics.metrics, rel=1e-5)
    assert (parts.rows, parts.part) == (300, "its test part")
    pl.DataFrame({"x": [1.0]}).write_parquet("table.parquet")
    with pytest.raises(gr.GradusError, match=r"trained on arrays, but 'table.parquet' is a table"):
        loaded.predict("table.parquet")
    status, _, err = gradus("train", "packed.npz", "--stream", "yes", *QUICK)
    assert (status, "save it with np.savez instead of" in err) == (1, True)
    assert not reading_in_parts.is_too_large(work / "packed.npz")  # it is read whole
    status, _, err = gradus("train", "a.npz", "--stream", "yes", "--test", "0.2")
    assert (status, "has a test part of its own, of 300 rows" in err) == (2, True)
    status, _, err = gradus("train", "a.npz", "--stream", "yes", "--target", "y")
    assert status == 2
    assert "--target y names columns of a table, but 'a.npz' is arrays" in err


def test_data_without_parts_are_named(gradus):
    status, _, err = gradus("train", "iris", "--stream", "yes")
    assert status == 1
    assert "--stream yes reads .parquet files" in err
    status, _, err = gradus("sweep", "iris", "--stream", "yes")
    assert (status, "--stream yes reads .parquet files" in err) == (1, True)


def test_a_sweep_reads_rows_once_for_all_trials(rows, gradus, work):
    given = ("--target", "grown", "--stream", "yes", "--layers", "none", "--trials", "2")
    given = (*given, "--class-weight", "balanced", *QUICK[:2], *QUICK[4:])
    given = (*given, "--patience", "0", "--refit", "yes", "--out", "swept")
    status, out, err = gradus("sweep", rows, *given)
    assert (status, err) == (0, "")
    assert "each batch is read once for all trials" in out
    assert "2 trials in" in out
    loaded = gr.load("swept")
    assert loaded.experiment.stream
    assert loaded.evaluated_part().metrics == pytest.approx(loaded.record.metrics, rel=1e-5)
    assert loaded.history.probes
    assert loaded.is_refitted
    assert int(loaded.model.train_state.epoch) == 2
    assert gradus("export", "swept", "--out", "swept.py")[0] == 0
    assert "This script loads all of them into memory" in (work / "swept.py").read_text()
    status, _, err = gradus("sweep", rows, *given[:-2], "--cv", "3")
    assert (status, "--cv 3 needs all rows in memory" in err) == (2, True)
    space = "[training]\nbatch_size = {choice = [32, 64]}\n"
    (work / "s.toml").write_text(f'data = "{rows}"\ntarget = "grown"\nstream = true\n{space}')
    status, _, err = gradus("sweep", "s.toml")
    assert (status, "batch_size in [training] has several values" in err) == (2, True)
