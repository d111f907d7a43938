import datetime
import io

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import feather

from gradus.data import load, read_table
from gradus.errors import DataError

TABLE = pa.table(
    {
        "size": [1.5, 2.5, None],
        "code": ["007", "8", "x"],
        "kind": pa.array(["u", "v", "u"]).dictionary_encode(),
        "born": [datetime.date(1815, 12, 10), None, datetime.date(1912, 6, 23)],
    }
)


def stream(path):
    with pa.ipc.new_stream(path, TABLE.schema) as writer:
        writer.write_table(TABLE)


WRITERS = {
    "t.feather": lambda path: feather.write_feather(TABLE, path, compression="lz4"),
    "t.arrow": stream,
}


@pytest.mark.parametrize("name", WRITERS)
def test_an_arrow_file_keeps_its_types(tmp_path, name):
    WRITERS[name](tmp_path / name)
    frame = load(tmp_path / name).x
    assert frame["size"].to_list() == [1.5, 2.5, None]
    assert frame["code"].to_list() == ["007", "8", "x"]
    assert frame["kind"].to_list() == ["u", "v", "u"]
    assert frame["born"].to_list() == [
        datetime.date(1815, 12, 10),
        None,
        datetime.date(1912, 6, 23),
    ]
    data = load(tmp_path / name, "kind")
    assert (data.task, data.class_names) == ("binary", ("u", "v"))


def test_what_is_no_arrow_file_is_refused(tmp_path):
    path = tmp_path / "t.arrow"
    pl.DataFrame(TABLE).write_ipc(path, compression="zstd")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="is not an Arrow file, or is damaged"):
        read_table(path)
    path.write_bytes(b"FEA1" + bytes(20))
    with pytest.raises(DataError, match=r"first version of Feather.*to_feather"):
        read_table(path)


def test_lists_in_cells_are_refused_unless_their_column_is_left_out(tmp_path):
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame({"a": ["p", "q"] * 3, "b": range(6), "tags": [["x"], ["y", "z"]] * 3})
    frame.write_parquet(path)
    data = load(path, "a")
    with pytest.raises(DataError, match=r"'tags'.*List"):
        data.preprocessor()
    assert data.preprocessor(drop=["tags"]) is not None


def test_a_reader_that_is_killed_ends_nothing_else():
    from gradus.data.reading.own_process import read_in_own_process

    content = io.BytesIO(np.arange(3).tobytes()).getvalue()
    with (
        pytest.raises(DataError, match="'t' is not a table, or is damaged: reading it fails"),
        read_in_own_process("import os\nos.abort()", content, "'t'", "a table"),
    ):
        pass
