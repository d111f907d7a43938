"""Tables: files of any format, pandas, Polars and dicts become a typed frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradus.data.columns.formats import ColumnFormat, parse_column
from gradus.data.columns.inference import Hints, infer_format, plain_format
from gradus.data.columns.labels import label_column, missing_labels
from gradus.data.columns.numbers import plain_numbers
from gradus.data.table_files import cells_in_memory
from gradus.data.table_options import AUTOMATIC_TABLE, TableOptions
from gradus.data.table_sources import read_source
from gradus.errors import DataError
from gradus.foreign_names.arguments import explain_arguments

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Table:
    """A table whose columns have types.

    Attributes:
        frame: the values; missing ones are null.
        formats: how each column is read.
        source: the cells as they were given, text as it was spelled.
        notes: what was inferred and may be wrong, in sentences.
        options: what was said about the table, and whether its file has a header.
    """

    frame: pl.DataFrame
    formats: Mapping[str, ColumnFormat]
    source: pl.DataFrame
    notes: tuple[str, ...] = ()
    options: TableOptions = AUTOMATIC_TABLE

    def format_of(self, name: str) -> ColumnFormat:
        """Return how a column was read; one whose format was not given has an empty one."""
        return self.formats.get(name, ColumnFormat())

    def label_column(
        self, name: str, task: str | None = None, classes: Sequence[str] = ()
    ) -> pl.Series:
        """Return a target column: numbers for a regression, else classes as they are spelled."""
        return label_column(
            self.frame[name], self.source[name], self.format_of(name), task, classes
        )

    def with_labels(self, name: str, task: str | None = None, classes: Sequence[str] = ()) -> Table:
        """Return this table with a target column as `label_column` returns it."""
        import polars as pl

        column, given = self.label_column(name, task, classes), self.format_of(name)
        if column.dtype != pl.String or self.source[name].dtype != pl.String:
            return self
        words = missing_labels(self.frame[name], given)
        labels = ColumnFormat("category", levels=given.levels, missing=words)
        formats = {**self.formats, name: labels}
        notes = tuple(note for note in self.notes if not note.startswith(f"column {name!r}"))
        frame = self.frame.with_columns(column)  # without what was told of the column as numbers
        return replace(self, frame=frame, formats=formats, notes=notes)

    def with_target(self, name: str) -> tuple[Table, list[str]]:
        """Return the rows in which a target column has a value, and a note if others have not."""
        missing = self.frame[name].null_count()
        if missing == 0:
            return self, []
        if missing == self.frame.height:
            raise DataError(f"The target column {name!r} is empty.")
        note = no_target_note(missing, [name])
        return replace(self, frame=self.frame.filter(self.frame[name].is_not_null())), [note]


def no_target_note(count: int, names: Sequence[str]) -> str:
    """Return the note on rows that lack a target, which is one of those named."""
    rows = "1 row has" if count == 1 else f"{count:,} rows have"
    targets = " or ".join(map(repr, names))
    return f"{rows} no target {targets} and {'is' if count == 1 else 'are'} not used"


@explain_arguments
def read_table(path: str | Path, options: TableOptions = AUTOMATIC_TABLE) -> pl.DataFrame:
    r"""Read the file of a table as a Polars frame with inferred types.

    The format is that of its ending: delimited text (.csv, .tsv, .txt), Parquet, Arrow (.arrow,
    .feather), JSON (.json, .jsonl), an array (.npy), or a spreadsheet (.xlsx, .ods), also packed
    (.gz, .bz2, .xz, .zst, .zip).

    In text files white space around values is stripped, and words such as "?" or "NaN" are missing.
    A column is one of numbers, dates or booleans if nearly all of its values are, else it is text.
    Separator, encoding and header are inferred too; `options` overrides.

    Args:
        path: of the file; or a pattern of several, an address, or "-", as in `read_source`.
        options: how to read it.

    Raises:
        DataError: if the file is absent, empty, not text or truncated, or has no rows, a duplicate
            column name, or rows of unequal length.

    Examples:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "people.csv")
        ...     _ = path.write_text("name;paid;born\nAda;1.036,50;10.12.1815\nAlan;?;23.6.1912\n")
        ...     frame = gr.data.read_table(path)
        >>> frame["paid"].to_list(), str(frame["born"].dtype)
        ([1036.5, None], 'Date')
    """
    return as_table(path, options).frame


def as_table(
    data: Any,
    options: TableOptions = AUTOMATIC_TABLE,
    formats: Mapping[str, ColumnFormat] | None = None,
    name: str = "the table",
) -> Table:
    """Return a table of typed columns.

    Args:
        data: a Polars or pandas frame, a dict of columns, or the path of a file.
        options: how to read it.
        formats: of columns, if they are known: they are imposed, and other columns stay as given.
        name: what errors call the table.

    Raises:
        DataError: if it is none of these, its columns differ in length or share a name, or a cell
            does not fit the known format of its column.
    """
    import polars as pl

    if not isinstance(options, TableOptions):
        raise DataError(f"options={options!r}: write gr.data.TableOptions(…).")
    values = formats.values() if isinstance(formats, Mapping) else [formats]
    if formats is not None and not all(isinstance(value, ColumnFormat) for value in values):
        raise DataError(
            f"formats={formats!r}: write the formats of another table, those of its preprocessor."
        )
    is_source = isinstance(data, str | Path)
    cells = (
        read_source(data, options, learned=formats is not None)
        if is_source
        else cells_in_memory(data, name, options)
    )
    source, options = cells.frame, cells.options
    if formats is not None:
        known = {column: formats[column] for column in source.columns if column in formats}
        columns = [
            parse_column(column, known[column.name]) if column.name in known else column
            for column in source.get_columns()
        ]
        frame = pl.DataFrame(columns)
        return Table(frame, known, source, cells.notes, options)
    options.check_columns(source.columns)
    free = [name for name in source.columns if options.format_of(name) == ColumnFormat()]
    plain = plain_numbers(source.select(free))
    inferred = {
        c.name: plain_format(plain[c.name], c)
        if c.name in plain
        else infer_format(c, options.format_of(c.name))
        for c in source.get_columns()
    }
    hints = _hints([found.hints for found in inferred.values()], cells.separator)
    for column, first in inferred.items():
        if first.depends_on(hints):
            inferred[column] = infer_format(source[column], options.format_of(column), hints)
    found = {column: inference.format for column, inference in inferred.items()}
    frame = pl.DataFrame(
        [
            plain[c.name] if c.name in plain else _typed(parse_column(c, found[c.name]))
            for c in source.get_columns()
        ]
    )
    told = [note for inference in inferred.values() for note in inference.notes]
    return Table(frame, found, source, (*cells.notes, *told), options)


def _typed(column: pl.Series) -> pl.Series:
    """Return a column that its format left as it was given, without types of one frame only."""
    import polars as pl

    return column.cast(pl.String) if column.dtype in (pl.Categorical, pl.Enum) else column


def _hints(hints: list[Hints], separator: str) -> Hints:
    """Return what the columns of a file say about each other.

    Semicolons between values make decimal commas likely.
    """
    marks = {hint.decimal for hint in hints if hint.decimal is not None}
    orders = {hint.day_first for hint in hints if hint.day_first is not None}
    is_guess = not marks and separator == ";"
    if is_guess:
        marks = {","}
    decimal = marks.pop() if len(marks) == 1 else None
    return Hints(decimal, orders.pop() if len(orders) == 1 else None, is_guess)
