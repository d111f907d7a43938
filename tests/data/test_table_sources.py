import io
import json
import shutil

import polars as pl
import pytest

from gradus.data import TableOptions, load, read_table
from gradus.data.table_files import suffix_of_content
from gradus.data.table_sources import source_name
from gradus.data.tables import as_table
from gradus.errors import DataError

FRAME = pl.DataFrame({"size": [1.5, 2.5, 3.5, 4.5], "kind": ["u", "v", "u", "v"]})


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content)
    return folder


@pytest.fixture
def parts(tmp_path):
    """Three files of one table, the second with its columns in another order."""
    return write(
        tmp_path / "parts",
        c_csv="size,kind\n4.5,v\n",
        a_csv="size,kind\n1.5,u\n2.5,v\n",
        b_csv="kind,size\nu,3.5\n",
    )


@pytest.mark.parametrize("pattern", ["parts", "parts/*.csv", "pa*s/[abc].csv", "**/?.csv"])
def test_several_files_are_one_table_by_name(parts, pattern):
    table = as_table(parts.parent / pattern)
    assert table.frame.equals(FRAME)
    assert table.notes == ("3 files are one table, in this order: a.csv, b.csv, c.csv",)
    data = load(str(parts.parent / pattern), "kind")
    assert (len(data), data.class_names) == (4, ("u", "v"))


def test_later_parts_of_a_split_file_have_no_header(tmp_path):
    folder = write(tmp_path / "t", a_csv="size,kind\n1.5,u\n2.5,v\n", b_csv="3.5,u\n4.5,v\n")
    table = as_table(folder)
    assert table.frame.equals(FRAME)
    assert table.notes[1] == "b.csv: it has no header, and its columns are named as those of a.csv"
    (folder / "a.csv").write_text("1.5,u\n2.5,v\n")
    assert as_table(folder).frame.columns == ["column_1", "column_2"]
    assert as_table(folder).frame.height == 4


def test_files_with_other_columns_or_types_are_named(parts):
    (parts / "c.csv").write_text("size,sort\n4.5,v\n")
    with pytest.raises(DataError, match=r"c.csv' lacks 'kind' and has 'sort', too.*with .*a.csv'"):
        read_table(parts)
    (parts / "c.csv").write_text("kind\nv\n")
    with pytest.raises(DataError, match=r"c.csv' lacks 'size', so"):
        read_table(parts)
    lines = write(parts.parent / "lines", a_jsonl='{"a": 1}', b_jsonl='{"a": "x"}')
    with pytest.raises(DataError, match=r"'a' is string in .*b.jsonl', but numbers in .*a.jsonl'"):
        read_table(lines)
    (lines / "b.jsonl").write_text('{"a": 2.5}\n{"a": null}')
    assert read_table(lines)["a"].to_list() == [1.0, 2.5, None]


def test_a_folder_of_several_kinds_or_parts_is_refused(parts):
    (parts / "d.txt").write_text("size,kind\n1,u\n")
    with pytest.raises(DataError, match=r"a folder of .csv and .txt files.*parts/\*.csv'"):
        load(parts, "kind")
    write(parts.parent / "set", train_csv="a\n1\n", test_csv="a\n1\n")
    with pytest.raises(DataError, match=r"train.csv and test.csv.*as --test"):
        load(parts.parent / "set", "a")


def test_a_folder_without_tables_says_what_there_is(parts, tmp_path):
    with pytest.raises(DataError, match=r"has tables in its folders: write '.*/\*/\*\.csv'"):
        load(parts.parent, "kind")
    for year in ("year=2020", "year=2021"):
        (tmp_path / "all" / year).mkdir(parents=True)
        shutil.copy(parts / "a.csv", tmp_path / "all" / year)
    note = load(tmp_path / "all/*/*.csv", "kind").notes[1]
    assert note == "what folders such as 'year=2020' name is no column of the table"
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="is an empty folder"):
        load(tmp_path / "none", "kind")


def test_a_pattern_without_files_says_what_there_is(parts):
    with pytest.raises(DataError, match=r"No file is named like .* has a.csv, b.csv, c.csv"):
        load(str(parts / "x*.csv"))
    with pytest.raises(DataError, match="There is no folder"):
        load(str(parts / "none" / "*.csv"))
    (parts / "[1].csv").write_text("size,kind\n9,u\n8,v\n")  # a name, not a pattern
    assert len(load(parts / "[1].csv")) == 2


@pytest.mark.parametrize(
    "content",
    [
        FRAME.write_csv().encode(),
        FRAME.write_csv(separator="\t").encode(),
        FRAME.write_ndjson().encode(),
        ("\ufeff " + FRAME.write_json()).encode(),
    ],
)
def test_standard_input_is_of_any_format(monkeypatch, content):
    class Stdin:
        buffer = io.BytesIO(content)

    monkeypatch.setattr("sys.stdin", Stdin)
    assert read_table("-").equals(FRAME)
    with pytest.raises(DataError, match="standard input is empty"):
        read_table("-")


def test_a_terminal_is_no_standard_input(monkeypatch):
    class Stdin:
        class buffer:  # noqa: N801
            closed = False

            @staticmethod
            def isatty():
                return True

    monkeypatch.setattr("sys.stdin", Stdin)
    with pytest.raises(DataError, match="Nothing is piped into standard input"):
        load("-", "kind")


def test_formats_are_known_by_their_content():
    kinds = {".parquet": FRAME.write_parquet, ".arrow": FRAME.write_ipc, ".xlsx": FRAME.write_excel}
    for suffix, writer in kinds.items():
        writer(made := io.BytesIO())
        assert suffix_of_content(made.getvalue()) == suffix
    FRAME.write_ipc_stream(made := io.BytesIO())
    assert suffix_of_content(made.getvalue()) == ".arrow"
    for text in (b"[1] a,b", b'"a","b"', b"{a},b", b""):
        assert suffix_of_content(text) == ".csv"
    assert suffix_of_content(json.dumps([{"a": 1}]).encode()) == ".json"


def test_a_source_has_a_short_name():
    names = {"x/part-*.csv": "part", "x/*.csv": "x", "*": "tables", "http://h.org:80/": "h.org"}
    for source, name in names.items():
        assert source_name(source) == name


def test_a_target_of_a_file_without_a_header_goes_by_its_number(tmp_path):
    path = write(tmp_path, t_csv="1.5,u\n2.5,v\n3.5,u\n") / "t.csv"
    with pytest.raises(DataError, match=r"no header, so a column goes by its number: target=2"):
        load(path, "kind")
    assert load(path, -1).y.tolist() == [0, 1, 0]
    with pytest.raises(DataError, match="sheet=3: write the name"):
        TableOptions(sheet=3)
