"""Rows of Parquet files: one file, or all files of a folder, as one table."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gradus.data.files import existing_file, file_suffix
from gradus.data.reading.delimited_text import check_names
from gradus.data.reading.parquet_footer import RowGroup, row_groups
from gradus.data.streaming.row_source import Block, FileState, RowSource
from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl

CHECKED_ROWS = 131_072  # at once, unless a row group has more
COLUMN_BYTES = 1 << 26  # of a row group that are decoded at once, unless one column has more
# A damaged file can end the process that reads it, so all of them are read once in another one.
# What it prints is the columns that pandas declared categories.
_CHECK = """
import json, sys
import polars
declared = []
files, most = json.load(sys.stdin)
for path, parts in files:
    try:
        scan = polars.scan_parquet(path)
        names = list(polars.read_parquet_schema(path))
        for start, rows, size in parts:
            step = max(most * len(names) // max(size, 1), 1)
            for first in range(0, len(names), step):
                scan.select(names[first : first + step]).slice(start, rows).collect()
        try:
            noted = json.loads(polars.read_parquet_metadata(path)["pandas"])["columns"]
            declared += [c["field_name"] for c in noted if c["pandas_type"] == "categorical"]
        except Exception:
            pass
    except Exception as error:
        print(json.dumps({"path": path, "error": str(error).split("\\n")[0]}))
        sys.exit(1)
    print(json.dumps({"path": path}), flush=True)
print(json.dumps({"declared": sorted(set(declared))}))
"""


class _Decoded(NamedTuple):
    """Rows of a file that are cut into blocks, as long as one of these is still to come."""

    key: tuple[Block, tuple[str, ...]]
    frame: pl.DataFrame
    left: set[int]


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
        groups = [row_groups(path) for path in files]
        declared = _check_files(files, groups) if kept is None else []
        rows = [index for index, found in enumerate(groups) if found]
        if not rows:
            raise DataError(f"{name} has no rows.")
        if len(rows) < len(files):
            first = next(path for path, found in zip(files, groups, strict=True) if not found)
            self.notes += (
                f"{len(files) - len(rows)} of {len(files)} files have no rows, as {first.name}",
            )
        self._groups = [groups[index] for index in rows]
        self._files = [own[index] for index in rows]
        self._decoded: _Decoded | None = None
        self.counts = [sum(group.rows for group in found) for found in self._groups]
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
        self._declared = [c for c in declared if c in names and schemas[0][c].is_numeric()]

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self._schema)

    @property
    def largest_group(self) -> int:
        """The bytes of the largest row group, decoded, about."""
        return max(self._decoded_bytes(group) for groups in self._groups for group in groups)

    def blocks(self, rows: int) -> list[Block]:
        """Return all rows in blocks of at most so many: whole row groups, or parts of one."""
        found, first = list[Block](), 0
        for file, groups in enumerate(self._groups):
            for start, group in _joined(groups, rows):
                step = -(-group.rows // -(-group.rows // rows))  # parts of about one size
                parts = range(start, start + group.rows, step) if step < group.rows else None
                block = Block(file, start, step, first + start, parts)
                found += block.together
            first += self.counts[file]
        return found

    def read(self, block: Block, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the rows of a block; its row group is decoded once for all of its blocks."""
        import polars as pl

        state, wanted = self._files[block.file], self.names if columns is None else list(columns)
        state.check()
        try:
            frame = self._part_of_group(block, wanted)
        except (pl.exceptions.PolarsError, OSError) as error:
            state.check()  # says that the file is gone, or another one
            reason = str(error).split("\n", maxsplit=1)[0]
            raise DataError(f"{str(state.path)!r} cannot be read: {reason}.") from None
        state.check()
        others = {c: t for c, t in self._schema.items() if c in wanted and frame.schema[c] != t}
        as_names = pl.col(c for c in self._declared if c in wanted).cast(pl.String)
        return frame.cast(others).with_columns(as_names.cast(pl.Categorical))  # type: ignore[arg-type]

    def columns_at_once(self, block: Block, columns: Sequence[str]) -> list[Sequence[str]]:
        """Return columns in parts, whose row groups take little memory while they are decoded."""
        touched, first = 0, 0
        for group in self._groups[block.file]:
            if first < block.start + block.size and block.start < first + group.rows:
                touched += group.size
            first += group.rows
        step = max(COLUMN_BYTES * len(self.names) // max(touched, 1), 1)
        return [columns[index : index + step] for index in range(0, len(columns), step)]

    def _part_of_group(self, block: Block, columns: Sequence[str]) -> pl.DataFrame:
        """Return the rows of a block, which stay in memory until all of its row group are read."""
        if block.group is None:
            return self._decode(block, columns)
        key, decoded = (block.whole, tuple(columns)), self._decoded
        if decoded is None or decoded.key != key:
            decoded = self._decoded = None  # frees these before others are decoded
            frame = self._decode(block.whole, columns)
            decoded = self._decoded = _Decoded(key, frame, set(block.group))
        decoded.left.discard(block.start)
        if not decoded.left:
            self._decoded = None
        return decoded.frame.slice(block.start - block.group.start, block.size)

    def _decode(self, block: Block, columns: Sequence[str]) -> pl.DataFrame:
        """Return the rows of a block as their file has them."""
        import polars as pl

        scan = pl.scan_parquet(self._files[block.file].path).slice(block.start, block.size)
        parts = [scan.select(part).collect() for part in self.columns_at_once(block, columns)]
        return parts[0] if len(parts) == 1 else pl.concat(parts, how="horizontal")

    def _decoded_bytes(self, group: RowGroup) -> int:
        """Return the bytes of a row group in memory, about."""
        import polars as pl

        numbers = [dtype for dtype in self._schema.values() if dtype.is_numeric()]
        width = sum(pl.Series(dtype=dtype).to_numpy().itemsize for dtype in numbers)
        views = 16 * (len(self._schema) - len(numbers))  # of text and the like
        return max(group.size, width * group.rows) + views * group.rows


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


def _joined(groups: Sequence[RowGroup], rows: int) -> Iterator[tuple[int, RowGroup]]:
    """Yield row groups and where they start, several as one while they have at most so many rows.

    Examples:
        >>> list(_joined([RowGroup(2, 8), RowGroup(3, 12), RowGroup(9, 36)], 5))
        [(0, RowGroup(rows=5, size=20)), (5, RowGroup(rows=9, size=36))]
    """
    start, joined = 0, RowGroup(0, 0)
    for group in groups:
        if joined.rows and joined.rows + group.rows > rows:
            yield start, joined
            start, joined = start + joined.rows, RowGroup(0, 0)
        joined = RowGroup(joined.rows + group.rows, joined.size + group.size)
    if joined.rows:
        yield start, joined


def _check_files(files: Sequence[Path], groups: Sequence[Sequence[RowGroup]]) -> list[str]:
    """Read files once, in a process of their own; return columns that pandas declared categories.

    Raises:
        DataError: naming a file that is damaged.
    """
    parts = [
        (str(path), [(start, *group) for start, group in _joined(found, CHECKED_ROWS)])
        for path, found in zip(files, groups, strict=True)
    ]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-I", "-c", _CHECK],
        input=json.dumps((parts, COLUMN_BYTES)),
        capture_output=True,
        check=False,
        text=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode == 0 and lines:
        return list(lines[-1]["declared"])
    last = lines[-1] if lines and "error" in lines[-1] else {}
    path = last.get("path", str(files[min(len(lines), len(files) - 1)]))
    reason = str(last.get("error", "reading it fails")).rstrip(".")
    raise DataError(f"{path!r} is not a Parquet file, or is damaged: {reason}.")


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
