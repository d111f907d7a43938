"""Reading tables: CSV, TSV and Parquet files, pandas, Polars and dicts become a typed frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data.files import existing_file, read_bytes
from gradus.errors import DataError, nearest

if TYPE_CHECKING:
    import polars as pl

NULL_WORDS = ("", "?", "na", "n/a", "nan", "null", "none", "#n/a")
"""Texts that mean a missing value, in upper or lower case."""

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")

_DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d")
_TIME_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")


def read_table(path: str | Path) -> pl.DataFrame:
    r"""Read a .csv, .tsv or .parquet file, also gzipped, as a Polars frame with inferred types.

    In text files, white space around values is stripped, `NULL_WORDS` are missing, and a column is
    integers, floats, booleans or ISO dates if all its values are, else text. The separator of a
    .csv is a comma, semicolon or tab, the most frequent of them in the first line.

    Raises:
        DataError: if the file is absent, empty, not text or truncated, or has no header, no rows,
            a duplicate column name, or rows of unequal length.

    Examples:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "people.csv")
        ...     _ = path.write_text("name,age,born\nAda,36,1815-12-10\nAlan,?,1912-06-23\n")
        ...     frame = gr.data.read_table(path)
        >>> frame["age"].to_list(), str(frame["born"].dtype)
        ([36, None], 'Date')
    """
    path = existing_file(path)
    suffix = (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise DataError(f"{str(path)!r} is not a table: its name must end in .csv, .tsv, .parquet.")
    content = read_bytes(path)
    name = repr(str(path))
    frame = _parse_parquet(content, name) if suffix == ".parquet" else _parse_csv(content, name)
    return as_frame(frame, name)


def _parse_parquet(content: bytes, name: str) -> pl.DataFrame:
    import polars as pl

    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException) as error:
        raise DataError(f"{name} is not a Parquet file, or is damaged: {error}.") from None
    if frame.is_empty():
        raise DataError(f"{name} has no rows.")
    return frame


def _parse_csv(content: bytes, name: str) -> pl.DataFrame:
    """Read all fields as text; Python's csv checks them; Polars fills short rows silently."""
    import polars as pl

    text = _decode(content, name)
    first_line = text.split("\n", 1)[0]
    separator = max(",;\t", key=first_line.count)
    header, blanks, count = _check_rows(text, separator, name)
    try:
        frame = pl.read_csv(
            text.encode(),
            separator=separator,
            infer_schema=False,
            has_header=False,
            new_columns=[f"column_{index}" for index in range(len(header))],
        )
    except pl.exceptions.PolarsError as error:
        reason = str(error).split("\n", 1)[0]
        raise DataError(f"{name} cannot be read as a table: {reason}.") from None
    if blanks and frame.height > count + 1:
        kept = [row for row in range(count + 1 + len(blanks)) if row not in blanks]
        frame = frame[kept]
    if frame.shape != (count + 1, len(header)):
        raise DataError(f"{name} cannot be read as a table: a quotation mark is not closed.")
    frame = frame[1:]
    frame.columns = header
    return frame


def _decode(content: bytes, name: str) -> str:
    if b"\0" in content[:65536]:
        raise DataError(f"{name} is not a text file: it holds binary data.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name} is not UTF-8 text (byte {content[error.start]:#04x} in line {line}): it is "
            "binary, or was saved in another encoding; save it as UTF-8."
        ) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\n")
    if not text.strip():
        raise DataError(f"{name} is empty.")
    return text


def _check_rows(text: str, separator: str, name: str) -> tuple[list[str], set[int], int]:
    """Return the header, the positions of blank lines, and the number of rows."""
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    blanks: set[int] = set()
    count = 0
    try:
        header = _check_header(next(reader), name)
        for position, fields in enumerate(reader, start=1):
            if not fields:
                blanks.add(position)
                continue
            count += 1
            if len(fields) != len(header):
                raise DataError(
                    f"{name} has {len(fields)} values in line {reader.line_num}, but its header "
                    f"has {len(header)} columns. Quote values that contain {separator!r}."
                )
    except csv.Error as error:
        raise DataError(
            f"{name} cannot be read at line {reader.line_num}: {error} (is a quotation mark open?)."
        ) from None
    if count == 0:
        raise DataError(f"{name} has a header but no rows.")
    return header, blanks, count


def _check_header(fields: list[str], name: str) -> list[str]:
    header = [field.strip() or f"unnamed_{index}" for index, field in enumerate(fields)]
    if all(_is_number(field) for field in header):
        raise DataError(
            f"{name} has no header: its first line is numbers ({', '.join(header[:3])}, …). "
            "Write the column names into the first line."
        )
    _check_names(header, name)
    return header


def _check_names(names: list[str], table: str) -> None:
    duplicates = sorted({column for column in names if names.count(column) > 1})
    if duplicates:
        shown = ", ".join(map(repr, duplicates))
        raise DataError(f"{table} has more than one column named {shown}.")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def as_frame(data: Any, name: str = "the table") -> pl.DataFrame:
    """Convert a table to a Polars frame with inferred types; missing values are null.

    Args:
        data: a Polars or pandas frame, a dict of columns, or the path of a file.
        name: what errors call it.

    Raises:
        DataError: if it is none of these, or its columns differ in length or share a name.
    """
    import polars as pl

    if isinstance(data, str | Path):
        return read_table(data)
    if isinstance(data, pl.LazyFrame):
        data = data.collect()
    if isinstance(data, pl.DataFrame):
        columns = data.get_columns()
    elif isinstance(data, dict):
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
    _check_names([column.name for column in columns], name)
    lengths = {column.name: len(column) for column in columns}
    if len(set(lengths.values())) > 1:
        raise DataError(f"The columns of {name} differ in length: {lengths}.")
    return pl.DataFrame([_infer_type(column) for column in columns])


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
        return pl.Series(name, values, strict=False)
    except Exception:  # Polars rejects mixed Python objects in many ways; they become text.
        return pl.Series(name, [None if value is None else str(value) for value in values])


def _from_pandas(name: str, column: Any) -> pl.Series:
    import polars as pl

    kind = getattr(column.dtype, "kind", "O")
    if kind == "M":
        if getattr(column.dtype, "tz", None) is not None:
            column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return pl.Series(name, column.to_numpy().astype("datetime64[us]"))
    if isinstance(column.dtype, np.dtype) and kind in "biuf":
        return _series(name, column.to_numpy(), name)
    present = column.notna().tolist()
    values = column.astype(object).tolist()
    pairs = zip(values, present, strict=True)
    return _series(name, [value if is_present else None for value, is_present in pairs], name)


def _infer_type(column: pl.Series) -> pl.Series:
    """Convert a column to Int64, Float64, Boolean, Date, Datetime or String, if it fits one."""
    import polars as pl

    if column.dtype == pl.Object:  # mixed Python values
        texts = [None if value is None else str(value) for value in column.to_list()]
        column = pl.Series(column.name, texts)
    dtype = column.dtype
    if dtype in (pl.Categorical, pl.Enum):
        return clean_text(column.cast(pl.String))
    if dtype == pl.String:
        return _parse_text(clean_text(column))
    if dtype == pl.Null:
        return column.cast(pl.String)
    if dtype.is_float():
        return column.cast(pl.Float64).fill_nan(None)
    if dtype.is_decimal():
        return column.cast(pl.Float64)
    if dtype == pl.Duration:
        return column.dt.total_microseconds().cast(pl.Float64) / 1e6  # seconds
    if dtype == pl.Time:
        return column.cast(pl.Int64).cast(pl.Float64) / 1e9  # seconds
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column


def clean_text(column: pl.Series) -> pl.Series:
    """Strip white space from a text column and replace `NULL_WORDS` by null."""
    import polars as pl

    text = pl.col(column.name).str.strip_chars()
    is_null = text.str.to_lowercase().is_in(list(NULL_WORDS))
    return column.to_frame().select(pl.when(~is_null).then(text).alias(column.name)).to_series()


def _parse_text(text: pl.Series) -> pl.Series:
    """Convert a clean text column to the first type that all its values fit, else keep text."""
    import polars as pl

    missing = text.null_count()
    if missing == len(text):
        return text
    for dtype in (pl.Int64, pl.Float64):
        numbers = text.cast(dtype, strict=False)
        if numbers.null_count() == missing:
            return numbers
    lowered = text.str.to_lowercase()
    if lowered.is_in(["true", "false"]).sum() == len(text) - missing:
        return lowered == "true"
    for pattern in _DATE_FORMATS:
        dates = text.str.to_date(pattern, strict=False)
        if dates.null_count() == missing:
            return dates
    for pattern in _TIME_FORMATS:
        times = text.str.to_datetime(pattern, strict=False)
        if times.null_count() == missing:
            return times
    return text


def no_column(name: str, columns: Iterable[str], kind: str = "column") -> DataError:
    """Return the error for a column that a table lacks, with the nearest name."""
    columns = list(columns)
    close = nearest(name, columns)
    hint = f" Did you mean {close!r}?" if close else ""
    shown = ", ".join(columns[:30]) + (", …" if len(columns) > 30 else "")
    return DataError(f"The table has no {kind} {name!r}.{hint} Its columns: {shown}.")
