"""Parquet files, and Arrow files, which are also called Feather or IPC."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from gradus.data.reading.own_process import read_in_own_process
from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl

PARQUET_MAGIC, ARROW_MAGIC = b"PAR1", b"ARROW1"
_OLD_FEATHER = b"FEA1"
# pandas' categories of numbers are numbers in a Parquet file; what pandas noted there says so.
_READ_PARQUET = """
import polars
frame = polars.read_parquet(io.BytesIO(content))
try:
    noted = json.loads(polars.read_parquet_metadata(io.BytesIO(content))["pandas"])["columns"]
    declared = {c["field_name"] for c in noted if c["pandas_type"] == "categorical"}
except Exception:
    declared = set()
for name, dtype in frame.schema.items():
    if name in declared and dtype.is_numeric():
        names = polars.col(name).cast(polars.String).cast(polars.Categorical)
        frame = frame.with_columns(names)
frame.write_ipc(folder / "frame")
"""
_READ_ARROW = """
import polars
read = polars.read_ipc if content.startswith(b"ARROW1") else polars.read_ipc_stream
read(io.BytesIO(content)).write_ipc(folder / "frame")
"""


def read_parquet(content: bytes, name: str) -> pl.DataFrame:
    """Return the frame in the bytes of a Parquet file.

    Args:
        content: of the file.
        name: what errors call it.

    Raises:
        DataError: if it is no Parquet file, is damaged, or has no rows.
    """
    return _read(_READ_PARQUET, content, name, "a Parquet file")


def read_arrow(content: bytes, name: str) -> pl.DataFrame:
    """Return the frame in the bytes of an Arrow file (Feather 2, IPC), or an Arrow stream.

    Args:
        content: of the file.
        name: what errors call it.

    Raises:
        DataError: if it is no Arrow file, is damaged, or has no rows.
    """
    if content.startswith(_OLD_FEATHER):
        raise DataError(
            f"{name} is of the first version of Feather, which is no longer read: write it again "
            "with pandas.read_feather(path).to_feather(path)."
        )
    return _read(_READ_ARROW, content, name, "an Arrow file")


def _read(script: str, content: bytes, name: str, kind: str) -> pl.DataFrame:
    import polars as pl

    with read_in_own_process(script, content, name, kind) as folder:
        frame = pl.read_ipc(io.BytesIO((folder / "frame").read_bytes()))
    if frame.is_empty():
        raise DataError(f"{name} has no rows.")
    return frame
