"""Tables: CSV, TSV and Parquet files, pandas, Polars and dicts become a typed frame."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data.columns.formats import (
    ColumnFormat,
    Hints,
    infer_format,
    parse_column,
    plain_format,
)
from gradus.data.columns.numbers import plain_numbers
from gradus.data.delimited_text import check_names, read_delimited
from gradus.data.files import existing_file, file_suffix, read_bytes
from gradus.data.parquet import read_parquet
from gradus.data.table_options import AUTOMATIC_TABLE, TableOptions
from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl

FIRST_DAY, LAST_DAY = -719_162, 2_932_896  # of the years 1 and 9999, since 1970

TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".data", ".dat", ".parquet")


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


def read_table(path: str | Path, options: TableOptions = AUTOMATIC_TABLE) -> pl.DataFrame:
    r"""Read a .csv, .tsv or .parquet file, also gzipped, as a Polars frame with inferred types.

    In text files white space around values is stripped, and words such as "?" or "NaN" are missing.
    A column is one of numbers, dates or booleans if nearly all of its values are, else it is text.
    Separator, encoding and header are inferred too; `options` overrides.

    Args:
        path: of the file.
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
    if not isinstance(formats, Mapping | None):
        raise DataError(
            f"formats={formats!r}: write the formats of another table, those of its preprocessor."
        )
    source, origin = _source(data, options, name)
    options = origin.options
    if formats is not None:
        known = {column: formats[column] for column in source.columns if column in formats}
        columns = [
            parse_column(column, known[column.name]) if column.name in known else column
            for column in source.get_columns()
        ]
        frame = pl.DataFrame(columns)
        return Table(frame, known, source, origin.notes, options)
    options.check_columns(source.columns)
    free = [name for name in source.columns if options.format_of(name) == ColumnFormat()]
    plain = plain_numbers(source.select(free))
    inferred = {
        c.name: plain_format(plain[c.name])
        if c.name in plain
        else infer_format(c, options.format_of(c.name))
        for c in source.get_columns()
    }
    hints = _hints([found.hints for found in inferred.values()], origin.separator)
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
    return Table(frame, found, source, (*origin.notes, *told), options)


@dataclass(frozen=True)
class _Origin:
    """What is known of a source of a table besides its cells."""

    notes: tuple[str, ...] = ()
    separator: str = ""
    options: TableOptions = AUTOMATIC_TABLE


def _source(data: Any, options: TableOptions, name: str) -> tuple[pl.DataFrame, _Origin]:
    """Return the cells of a source as they are given."""
    import polars as pl

    if isinstance(data, str | Path):
        return _read_file(Path(data), options)
    if isinstance(data, pl.LazyFrame):
        data = data.collect()
    if isinstance(data, pl.DataFrame):
        columns = data.get_columns()
    elif isinstance(data, Mapping):
        columns = [_series(str(key), values, name) for key, values in data.items()]
    elif hasattr(data, "columns") and hasattr(data, "iloc"):
        columns = [
            _from_pandas(str(key), data.iloc[:, index]) for index, key in enumerate(data.columns)
        ]
    else:
        raise DataError(
            f"{name} is given as {type(data).__name__}; pass a pandas or Polars frame, a dict of "
            "columns, or the path of a .csv, .tsv or .parquet file."
        )
    check_names([column.name for column in columns], name)
    lengths = {column.name: len(column) for column in columns}
    if len(set(lengths.values())) > 1:
        raise DataError(f"The columns of {name} differ in length: {lengths}.")
    return pl.DataFrame([_with_plain_type(column) for column in columns]), _Origin(options=options)


def _read_file(path: Path, options: TableOptions) -> tuple[pl.DataFrame, _Origin]:
    path = existing_file(path)
    suffix = file_suffix(path)
    if suffix not in TABLE_SUFFIXES:
        raise DataError(f"{str(path)!r} is not a table: its name must end in .csv, .tsv, .parquet.")
    content = read_bytes(path)
    if suffix == ".parquet":
        frame = read_parquet(content, repr(str(path)))
        return _source(frame, options, repr(str(path)))
    read = read_delimited(
        content,
        repr(str(path)),
        separator=options.separator,
        header=options.header,
        encoding=options.encoding,
        tabs=suffix in (".tsv", ".tab"),
    )
    return read.frame, _Origin(read.notes, read.separator, replace(options, header=read.header))


def _series(name: str, values: Any, table: str) -> pl.Series:
    import polars as pl

    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise DataError(f"Column {name!r} of {table} is a single value, not a column.")
    if hasattr(values, "iloc"):
        return _from_pandas(name, values)
    if getattr(values, "ndim", 1) != 1:
        raise DataError(f"Column {name!r} of {table} has {values.ndim} axes; a column has one.")
    try:
        if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
            wide = values.astype(np.float32) if values.dtype.name == "float16" else values
            return pl.Series(name, wide.astype(wide.dtype.newbyteorder("=")))
        return pl.Series(name, values, strict=True)
    except Exception:  # Polars rejects mixed Python objects in many ways.
        return _from_objects(name, list(values))


def _from_objects(name: str, values: list[Any]) -> pl.Series:
    """Return mixed numbers as floats, and other mixed values as text; None and NaN are null.

    Raises:
        DataError: naming the first value that is no cell of a table.
    """
    import polars as pl

    for row, value in enumerate(values):
        if isinstance(value, complex | np.complexfloating | Collection) and not _is_text(value):
            raise DataError(
                f"Column {name!r} has {value!r} ({type(value).__name__}) in row {row} (counted "
                "from 0): a cell is a number, text, a boolean, or a date. Write a column for each "
                "part."
            )
    present = [None if value is None or value != value else value for value in values]  # noqa: PLR0124
    if all(value is None or isinstance(value, int | float | np.number) for value in present):
        return pl.Series(name, [None if v is None else float(v) for v in present], pl.Float64)
    return pl.Series(name, [None if v is None else str(v) for v in present], pl.String)


def _is_text(value: Any) -> bool:
    return isinstance(value, str | bytes)


def _from_pandas(name: str, column: Any) -> pl.Series:
    """Return a column of pandas, which means what its dtype declares."""
    import polars as pl

    if hasattr(column, "cat"):
        levels = [str(level) for level in column.cat.categories]
        codes = column.cat.codes.to_numpy()
        return pl.Series(name, [levels[c] if c >= 0 else None for c in codes], pl.Enum(levels))
    if hasattr(column.dtype, "pyarrow_dtype"):
        return pl.Series(name, column.array.__arrow_array__())
    kind = getattr(column.dtype, "kind", "O")
    if type(column.dtype).__name__ == "PeriodDtype":
        column, kind = column.dt.to_timestamp(), "M"
    if kind == "M":
        zone = getattr(column.dtype, "tz", None)
        if zone is not None:
            column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        times = pl.Series(name, column.to_numpy().astype("datetime64[us]"))
        return (
            times
            if zone is None
            else times.dt.replace_time_zone("UTC").dt.convert_time_zone(str(zone))
        )
    if isinstance(column.dtype, np.dtype) and kind in "biuf":
        return _series(name, column.to_numpy(), name)
    present = column.notna().tolist()
    values = column.astype(object).tolist()
    pairs = zip(values, present, strict=True)
    return _series(name, [value if is_present else None for value, is_present in pairs], name)


def _with_plain_type(column: pl.Series) -> pl.Series:
    """Return a column as text, numbers, booleans, dates, or categories, whatever its exact type."""
    import polars as pl

    if column.dtype == pl.Object:  # mixed Python values
        return _from_objects(column.name, column.to_list())
    dtype = column.dtype
    if dtype == pl.Null:
        return column.cast(pl.String)
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        _check_years(column)
    if dtype.is_float():
        return column.cast(pl.Float64).fill_nan(None)
    if dtype.is_decimal():
        return column.cast(pl.Float64)
    if dtype == pl.Duration:
        return column.dt.total_microseconds().cast(pl.Float64) / 1e6  # seconds
    if dtype == pl.Time:
        return column.cast(pl.Int64).cast(pl.Float64) / 1e9  # seconds
    return column


def _check_years(column: pl.Series) -> None:
    """Check that dates are of the years 1 to 9999: Polars panics at others.

    Raises:
        DataError: naming the row of another.
    """
    import polars as pl

    days = column.cast(pl.Datetime("us"), strict=False).to_physical() // 86_400_000_000
    if column.dtype == pl.Date:
        days = column.to_physical()
    outside = (days < FIRST_DAY) | (days > LAST_DAY) | (days.is_null() & column.is_not_null())
    if outside.any():
        row = int(outside.arg_true()[0])
        raise DataError(
            f"Column {column.name!r} has a date beyond the years 1 to 9999 in row {row} (counted "
            "from 0): the file may be damaged; correct it, or leave it empty."
        )


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
    if not marks and separator == ";":
        marks = {","}
    decimal = marks.pop() if len(marks) == 1 else None
    return Hints(decimal, day_first=orders.pop() if len(orders) == 1 else None)
