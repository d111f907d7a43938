"""Tables in memory: frames of Polars, pandas, and Arrow, dicts, records, and structured arrays."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data.containers import in_memory, refuse_no_data
from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl

FIRST_DAY, LAST_DAY = -719_162, 2_932_896  # of the years 1 and 9999, since 1970
_TEXT_METHODS = ("__str__", "__repr__")


def frame_columns(data: Any, name: str) -> tuple[list[pl.Series], tuple[str, ...]]:
    """Return the columns of a table in memory, and notes.

    Args:
        data: a Polars, pandas, or Arrow table, a dict of columns, a list of dicts, or a structured
            array.
        name: what errors call it.

    Raises:
        DataError: if it is none of these.
    """
    import polars as pl

    refuse_no_data(data, name)
    data = in_memory(data, name)
    if isinstance(data, pl.DataFrame):
        return data.get_columns(), ()
    if isinstance(data, list) and data and all(isinstance(row, Mapping) for row in data):
        keys = dict.fromkeys(key for row in data for key in row)
        data = {key: [row.get(key) for row in data] for key in keys}
    if isinstance(data, np.ndarray) and data.dtype.names:
        data = {field: data[field] for field in data.dtype.names}
    if isinstance(data, Mapping):
        return [_series(column_name(key), values, name) for key, values in data.items()], ()
    if hasattr(data, "columns") and hasattr(data, "iloc"):
        names = [column_name(key) for key in data.columns]
        columns = [_from_pandas(key, data.iloc[:, index]) for index, key in enumerate(names)]
        return columns, _index_notes(data.index)
    if hasattr(data, "to_polars") and hasattr(data, "features"):
        return _from_hugging_face(data), ()
    advice = ""
    if isinstance(data, np.ndarray | list | tuple):
        advice = " Arrays of numbers need no table: gradus.data.ArrayPreprocessor.fit(x, y)."
    raise DataError(
        f"{name} is given as {type(data).__name__}; pass a frame of pandas, Polars, or Arrow, a "
        f"dict of columns, or the path of a file.{advice}"
    )


def _from_hugging_face(data: Any) -> list[pl.Series]:
    """Return the columns of a data set of Hugging Face, classes by their names."""
    import polars as pl

    def with_names(column: pl.Series) -> pl.Series:
        names = getattr(data.features[column.name], "names", None)
        if not names:
            return column
        labels = [None if code is None or code < 0 else names[code] for code in column]
        return pl.Series(column.name, labels, pl.Enum(names))

    return [with_names(column) for column in data.to_polars().get_columns()]


def column_name(key: Any) -> str:
    """Return the name of a column as text; that of a MultiIndex without its empty levels."""
    if isinstance(key, tuple):
        parts = tuple(part for part in key if part != "")
        key = parts[0] if len(parts) == 1 else key
    return str(key)


def _index_notes(index: Any) -> tuple[str, ...]:
    """Return a note on an index of pandas that holds data: it has a name, or is of dates."""
    names = [str(name) for name in index.names if name is not None]
    kind = getattr(index.dtype, "kind", "O")
    if not names and kind != "M":
        return ()
    shown = ", ".join(map(repr, names)) or "of dates"
    return (f"the index {shown} is not used; to use it, pass frame.reset_index()",)


def _series(name: str, values: Any, table: str) -> pl.Series:
    import polars as pl

    if isinstance(values, Iterator | Mapping | set | frozenset):
        kind = type(values).__name__
        advice = "list(column.values())" if isinstance(values, Mapping) else "list(column)"
        raise DataError(f"Column {name!r} of {table} is a {kind}: write a list, {advice}.")
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise DataError(f"Column {name!r} of {table} is a single value, not a column.")
    values = _single(values, name, table)
    if type(values).__module__.partition(".")[0] == "pandas":  # a series, an index, or an array
        return _from_pandas(name, sys.modules["pandas"].Series(values))
    speaks_arrow = hasattr(values, "__arrow_c_array__") or hasattr(values, "__arrow_c_stream__")
    if speaks_arrow and not hasattr(values, "dims"):  # an array of xarray would become a table
        return pl.Series(name, values)
    is_frame_column = type(values).__module__.startswith("polars")
    if hasattr(values, "__array__") and not (is_frame_column or isinstance(values, np.ndarray)):
        values = np.asarray(values)
    try:
        if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
            wide = values.astype(np.float32) if values.dtype.name == "float16" else values
            return pl.Series(name, wide.astype(wide.dtype.newbyteorder("=")))
        if isinstance(values, np.ndarray) and values.dtype.kind in "mM":
            kind = "datetime64[us]" if values.dtype.kind == "M" else "timedelta64[us]"
            days = values.dtype == "datetime64[D]"
            return pl.Series(name, values if days else values.astype(kind))
        if isinstance(values, np.ndarray) and values.dtype.kind == "O":
            values = values.tolist()
        return pl.Series(name, values, strict=True)
    except Exception:  # Polars rejects mixed Python objects in many ways.
        return _from_objects(name, list(values))


def _single(values: Any, name: str, table: str) -> Any:
    """Return the one column of a frame or an array.

    Raises:
        DataError: if it has several.
    """
    shape: tuple[int, ...] = getattr(values, "shape", (0,))
    if len(shape) == 2 and shape[1] == 1:
        if hasattr(values, "columns"):
            return values.iloc[:, 0] if hasattr(values, "iloc") else values.to_series()
        return values[:, 0]
    if len(shape) == 2 and hasattr(values, "columns"):
        raise DataError(
            f"Column {name!r} of {table} is a frame of {shape[1]} columns: write each of its own."
        )
    if len(shape) != 1:
        raise DataError(f"Column {name!r} of {table} has {len(shape)} axes; a column has one.")
    return values


def _from_objects(name: str, values: list[Any]) -> pl.Series:
    """Return mixed numbers as floats, and other mixed values as text; None and NaN are null.

    Raises:
        DataError: naming the first value that is no cell of a table.
    """
    import polars as pl

    for row, value in enumerate(values):
        if _is_no_cell(value):
            raise DataError(
                f"Column {name!r} has {value!r} ({type(value).__name__}) in row {row} (counted "
                "from 0): a cell is a number, text, a boolean, or a date. Write a column for each "
                "part."
            )
    present = [None if _is_missing(value) else value for value in values]
    if all(value is None or isinstance(value, bool | np.bool_) for value in present):
        return pl.Series(name, [None if v is None else bool(v) for v in present], pl.Boolean)
    if all(value is None or isinstance(value, int | float | np.number) for value in present):
        return pl.Series(name, [None if v is None else _as_float(v) for v in present], pl.Float64)
    return pl.Series(name, [None if v is None else str(v) for v in present], pl.String)


def _as_float(value: Any) -> float:
    """Return a number as a float; a whole number of more than 308 digits is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, or pandas' NA or NaT."""
    return value is None or type(value).__name__ == "NAType" or value != value  # noqa: PLR0124


def _is_no_cell(value: Any) -> bool:
    """Return whether a value is a container, complex, or an object that says nothing of itself."""
    if isinstance(value, str | bytes):
        return False
    if isinstance(value, complex | np.complexfloating | Collection | np.void):
        return True
    return all(getattr(type(value), word) is getattr(object, word) for word in _TEXT_METHODS)


def _from_pandas(name: str, column: Any) -> pl.Series:
    """Return a column of pandas, which means what its dtype declares."""
    import polars as pl

    if hasattr(column, "cat"):
        levels = [str(level) for level in column.cat.categories]
        codes = column.cat.codes.to_numpy()
        known = pl.Enum(list(dict.fromkeys(levels)))  # 1 and "1" are spelled alike
        return pl.Series(name, [levels[c] if c >= 0 else None for c in codes], known)
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


def with_plain_type(column: pl.Series) -> pl.Series:
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
