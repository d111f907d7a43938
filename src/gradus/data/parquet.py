"""Parquet files, read in a process of their own, which a damaged file can end."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl

# pandas' categories of numbers are numbers in the file; what pandas noted there says so.
_SCRIPT = """
import io, json, sys
import polars
try:
    content = sys.stdin.buffer.read()
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
    frame.write_ipc(sys.argv[1])
except Exception as error:
    sys.exit(str(error).split("\\n")[0])
"""


def read_parquet(content: bytes, name: str) -> pl.DataFrame:
    """Return the frame in the bytes of a Parquet file.

    Args:
        content: of the file.
        name: what errors call it.

    Raises:
        DataError: if it is no Parquet file, is damaged, or has no rows.
    """
    import polars as pl

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "frame.arrow")
        command = [sys.executable, "-I", "-c", _SCRIPT, str(path)]
        done = subprocess.run(command, input=content, capture_output=True, check=False)  # noqa: S603
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip().splitlines()
            reason = words[-1] if done.returncode == 1 and words else "reading it fails"
            raise DataError(f"{name} is not a Parquet file, or is damaged: {reason}.")
        frame = pl.read_ipc(io.BytesIO(path.read_bytes()))
    if frame.is_empty():
        raise DataError(f"{name} has no rows.")
    return frame
