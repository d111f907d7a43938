"""Rows of Parquet files: one file, or all files of a folder, as one table."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradus.data.files import existing_file, file_suffix
from gradus.data.reading.delimited_text import check_names
from gradus.data.streaming.row_source import Block, FileState, RowSource
from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl

# A damaged file can end the process that reads it, so all of them are read once in another one.
# What it prints is the rows of each file, and the columns that pandas declared categories.
_CHECK = """
import json, sys
import polars
counts, declared = [], []
for path in json.load(sys.stdin):
    try:
        rows = polars.scan_parquet(path).select(polars.len()).collect().item()
        for start in range(0, rows, 131072):
            polars.scan_parquet(path).slice(start, 131072).collect()
        counts.append(rows)
        try:
            noted = json.loads(polars.read_parquet_metadata(path)["pandas"])["columns"]
            declared += [c["field_name"] for c in noted if c["pandas_type"] == "categorical"]
        except Exception:
            pass
    except Exception as error:
        print(json.dumps({"path": path, "error": str(error).split("\\n")[0]}))
        sys.exit(1)
    print(json.dumps({"path": path}), flush=True)
print(json.dumps({"counts": counts, "declared": sorted(set(declared))}))
"""


class ParquetRows(RowSource):
    """The rows of Parquet files of the same columns.

    Args:
        files: their paths, in the order of the rows.
        name: what errors call them.
        kept: the folder of files that this process wrote, which is removed when nothing refers to
            these rows any more; None for files of others, all of which are read once to check them.
        states: of the files that a user named; by default those of `files`.
        notes: what was observed before, in sentences.

    Raises:
        DataError: for a damaged file, columns that differ from those of the first file, or no rows.
    """

    def __init__(
        self,
        files: Sequence[Path],
        name: str,
        kept: Path | None = None,
        states: Sequence[FileState] | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        import polars as pl

        self.name, self.notes = name, notes
        if kept is not None:
            weakref.finalize(self, shutil.rmtree, kept, ignore_errors=True)
        own = [FileState.of(path) for path in files]
        found = _check_files(files) if kept is None else _count_rows(files)
        rows = [index for index, count in enumerate(found["counts"]) if count]
        if not rows:
            raise DataError(f"{name} has no rows.")
        if len(rows) < len(files):
            first = next(
                path for path, count in zip(files, found["counts"], strict=True) if not count
            )
            self.notes += (
                f"{len(files) - len(rows)} of {len(files)} files have no rows, as {first.name}",
            )
        self.counts = [found["counts"][index] for index in rows]
        self._files = [own[index] for index in rows]
        self.states = own if states is None else states
        schemas = [pl.read_parquet_schema(state.path) for state in self._files]
        check_names(list(schemas[0]), name)
        index = [column for column in schemas[0] if re.fullmatch(r"__index_level_\d+__", column)]
        if index:
            self.notes += (
                "the index that pandas saved is not used; to use it, save frame.reset_index()",
            )
        names = [column for column in schemas[0] if column not in index]
        self._schema = _common_schema(schemas, names, [state.path for state in self._files])
        self._declared = [c for c in found["declared"] if c in names and schemas[0][c].is_numeric()]

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self._schema)

    def read(self, block: Block, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the rows of a block."""
        import polars as pl

        state, wanted = self._files[block.file], self.names if columns is None else list(columns)
        state.check()
        scan = pl.scan_parquet(state.path).select(wanted).slice(block.start, block.size)
        try:
            frame = scan.collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            state.check()  # says that the file is gone, or another one
            reason = str(error).split("\n", maxsplit=1)[0]
            raise DataError(f"{str(state.path)!r} cannot be read: {reason}.") from None
        state.check()
        others = {c: t for c, t in self._schema.items() if c in wanted and frame.schema[c] != t}
        as_names = pl.col(c for c in self._declared if c in wanted).cast(pl.String)
        return frame.cast(others).with_columns(as_names.cast(pl.Categorical))  # type: ignore[arg-type]


def parquet_files(path: Path) -> list[Path]:
    """Return a Parquet file, or those of a folder in the order of their names.

    Raises:
        DataError: if a folder has none, or other tables beside them.
    """
    if not path.is_dir():
        return [existing_file(path)]
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith((".", "_")))
    files = [entry for entry in entries if entry.suffix.lower() == ".parquet" and entry.is_file()]
    others = [entry.name for entry in entries if entry not in files]
    if not files:
        raise DataError(f"{str(path)!r} has no .parquet files.")
    tables = [name for name in others if file_suffix(Path(name)) in (".csv", ".tsv", ".parquet")]
    if tables:
        raise DataError(
            f"{str(path)!r} has {tables[0]!r} beside its .parquet files: a folder is read as one "
            "table, so move it elsewhere."
        )
    return files


def _check_files(files: Sequence[Path]) -> dict[str, Any]:
    """Read files once, in a process of their own; return what it found.

    Raises:
        DataError: naming a file that is damaged.
    """
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-I", "-c", _CHECK],
        input=json.dumps([str(path) for path in files]),
        capture_output=True,
        check=False,
        text=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode == 0 and lines:
        return dict(lines[-1])
    last = lines[-1] if lines and "error" in lines[-1] else {}
    path = last.get("path", str(files[min(len(lines), len(files) - 1)]))
    reason = str(last.get("error", "reading it fails")).rstrip(".")
    raise DataError(f"{path!r} is not a Parquet file, or is damaged: {reason}.")


def _count_rows(files: Sequence[Path]) -> dict[str, Any]:
    """Return what `_check_files` returns, of files that this process wrote."""
    import polars as pl

    counts = [pl.scan_parquet(path).select(pl.len()).collect().item() for path in files]
    return {"counts": counts, "declared": []}


def _common_schema(
    schemas: Sequence[dict[str, Any]], names: Sequence[str], files: Sequence[Path]
) -> dict[str, Any]:
    """Return the types of columns that files share; whole numbers in one of them may be floats.

    Raises:
        DataError: naming a file with other columns, or a column of another kind.
    """
    import polars as pl

    common = {name: schemas[0][name] for name in names}
    for schema, path in zip(schemas[1:], files[1:], strict=True):
        lacking = [name for name in names if name not in schema]
        extra = [name for name in schema if name not in schemas[0]]
        if lacking or extra:
            what = f"lacks the column {lacking[0]!r}" if lacking else f"has a column {extra[0]!r}"
            raise DataError(
                f"{path.name} {what}, unlike {files[0].name}: the files of a folder are read as "
                "one table, so they must have the same columns."
            )
        for name, known in common.items():
            dtype = schema[name]
            if dtype == known:
                continue
            if known == pl.Null:
                common[name] = dtype
            elif known.is_numeric() and dtype.is_numeric():
                common[name] = pl.Int64 if known.is_integer() and dtype.is_integer() else pl.Float64
            elif dtype != pl.Null:
                raise DataError(
                    f"Column {name!r} is {dtype} in {path.name}, but {known} in {files[0].name}: "
                    "write the files with the same types."
                )
    return common
