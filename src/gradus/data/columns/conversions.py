"""Conversion of a table column to numbers, category names, or dates."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl

LARGEST = 1e100  # so that no square overflows


def is_constant(values: np.ndarray, axis: int | tuple[int, ...] | None = None) -> Any:
    """Return whether numbers differ by no more than rounding: `max - min ≤ 4 ε max|x|`."""
    low, high = values.min(axis).astype(np.float64), values.max(axis).astype(np.float64)
    largest = np.maximum(np.abs(low), np.abs(high))
    return high - low <= np.maximum(4 * np.finfo(np.float64).eps * largest, 1 / LARGEST)


def to_numbers(column: pl.Series) -> np.ndarray:
    """Convert a column to float64, missing values to NaN.

    Raises:
        DataError: naming a value that is not a number, or is infinite, and its row.
    """
    import polars as pl

    if column.dtype.is_temporal() or column.dtype.is_nested() or column.dtype == pl.Binary:
        raise DataError(f"Column {column.name!r} must be numbers, but is {column.dtype}.")
    numbers = column.cast(pl.Float64, strict=False)
    if numbers.null_count() > column.null_count():
        invalid = numbers.is_null() & column.is_not_null()
        row = invalid.arg_true()[0]
        raise DataError(
            f"Column {column.name!r} must be numbers, but is {column[row]!r} in row {row} "
            "(counted from 0)."
        )
    array = (numbers.fill_null(np.nan) if numbers.null_count() else numbers).to_numpy()
    low, high = np.fmin.reduce(array, initial=0.0), np.fmax.reduce(array, initial=0.0)
    if low >= -LARGEST and high <= LARGEST:
        return array
    if np.isinf(array).any():
        row = int(np.isinf(array).argmax())
        raise DataError(
            f"Column {column.name!r} is infinite in row {row} (counted from 0); "
            "remove the row, or leave the value empty to mark it as missing."
        )
    return np.clip(array, -LARGEST, LARGEST)


def to_names(column: pl.Series) -> pl.Series:
    """Convert a column to category names: text as it is, 3 and 3.0 to "3", True to "True".

    Raises:
        DataError: if its cells are no names, such as lists.
    """
    import polars as pl

    try:
        text = column.cast(pl.String)
    except pl.exceptions.PolarsError:
        raise DataError(f"Column {column.name!r} must be names, but is {column.dtype}.") from None
    if column.dtype.is_float():
        return text.str.strip_suffix(".0")
    return text.str.to_titlecase() if column.dtype == pl.Boolean else text


def match_names(column: pl.Series, names: Sequence[str]) -> np.ndarray:
    """Return the index of each value in a list of names, int32 (n,); -1 if it is not there.

    Text is compared as it is spelled, so "1.10" is not "1.1"; where no name is spelled so, "1.0" is
    "1", "true" is "True", and neither white space around it nor the Unicode form of its accents
    matters. Numbers and booleans are compared by value.
    """
    import polars as pl

    by_value = column.dtype.is_numeric() or column.dtype == pl.Boolean
    exact = {name: index for index, name in enumerate(names)}
    alike: list[dict[str, int]] = [{}, {}]  # as text, and by value
    for index, name in enumerate(names):
        for is_value, known in enumerate(alike[: 1 + by_value]):
            known.setdefault(plain_name(name, bool(is_value)), index)
    keys = to_names(column)
    index_of = {}
    for key in keys.unique().drop_nulls().to_list():
        same = alike[1].get(plain_name(key, by_value=True), -1)
        index_of[key] = exact.get(key, alike[0].get(plain_name(key, by_value=False), same))
    found = keys.replace_strict(index_of, default=-1, return_dtype=pl.Int32)
    return found.fill_null(-1).to_numpy()


def plain_name(name: str, by_value: bool) -> str:
    """Return the simplest spelling of the number or boolean that a name stands for."""
    if by_value:
        name = {"true": "1", "false": "0"}.get(name.lower(), name)
        try:
            return repr(float(name)).removesuffix(".0") if float(name) < 2**53 else name
        except ValueError:
            return name
    name = unicodedata.normalize("NFC", name.strip())
    if name.lower() in ("true", "false"):
        return name.title()
    whole, point, fraction = name.partition(".")
    return whole if point and fraction and not fraction.strip("0") else name


def to_dates(column: pl.Series) -> pl.Series:
    """Convert a column of dates, with or without a time, to Datetime in microseconds.

    Raises:
        DataError: if it holds anything else.
    """
    import polars as pl

    if column.null_count() == len(column):
        return pl.Series(column.name, [None] * len(column), pl.Datetime("us"))
    if not isinstance(column.dtype, pl.Datetime) and column.dtype != pl.Date:
        raise DataError(
            f"Column {column.name!r} must be dates such as 2024-03-31, but is {column.dtype} "
            f"({column.drop_nulls()[0]!r})."
        )
    return column.cast(pl.Datetime("us"))
