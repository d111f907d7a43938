"""Conversion of a table column to numbers, category names, or dates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl

LARGEST = 1e100  # so that no square overflows


def to_numbers(column: pl.Series) -> np.ndarray:
    """Convert a column to float64, missing values to NaN.

    Raises:
        DataError: naming a value that is not a number, or is infinite, and its row.
    """
    import polars as pl

    if column.dtype.is_temporal() or column.dtype.is_nested() or column.dtype == pl.Binary:
        raise DataError(f"Column {column.name!r} must be numbers, but is {column.dtype}.")
    numbers = column.cast(pl.Float64, strict=False)
    invalid = numbers.is_null() & column.is_not_null()
    if invalid.any():
        row = invalid.arg_true()[0]
        raise DataError(
            f"Column {column.name!r} must be numbers, but is {column[row]!r} in row {row} "
            "(counted from 0)."
        )
    array = numbers.fill_null(np.nan).to_numpy()
    if np.isinf(array).any():
        row = int(np.isinf(array).argmax())
        raise DataError(
            f"Column {column.name!r} is infinite in row {row} (counted from 0); "
            "remove the row, or leave the value empty to mark it as missing."
        )
    return np.clip(array, -LARGEST, LARGEST)


def to_keys(column: pl.Series) -> pl.Series:
    """Convert a column to category names: one name per value, whatever its type.

    The same category may be text, integer or float, depending on the other rows of a file: "1", 1
    and 1.0 are all "1"; "true" and True are "True".
    """
    import polars as pl

    text = column.cast(pl.String).alias("key")
    key, number = pl.col("key"), pl.col("key").cast(pl.Float64, strict=False) + 0.0
    lowered = key.str.to_lowercase()
    expression = (
        pl.when(column.dtype.is_integer())
        .then(key)
        .when(number.is_finite())
        .then(number.cast(pl.String).str.strip_suffix(".0"))
        .when(lowered.is_in(["true", "false"]))
        .then(lowered.str.to_titlecase())
        .otherwise(key)
    )
    return text.to_frame().select(expression).to_series().rename(column.name)


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
