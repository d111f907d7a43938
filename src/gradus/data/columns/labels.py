"""Target columns: classes or numbers, and classes as they are spelled."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data.columns.cells import MISSING_CLASS, MISSING_IN_TYPED
from gradus.data.columns.conversions import plain_name, to_names, to_numbers
from gradus.data.columns.formats import ColumnFormat, without_missing
from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl

MAX_INTEGER_CLASSES = 20


def infer_task(column: pl.Series) -> str:
    """Return "regression" or "classification", from a column's type and distinct values."""
    present = column.drop_nulls()
    if not column.dtype.is_numeric():
        return "classification"
    distinct = present.n_unique()
    if column.dtype.is_float():
        whole = present.is_finite() & (present == present.round())
        is_binary = distinct == 2 and bool(whole.all())
        return "classification" if is_binary else "regression"
    few = distinct <= MAX_INTEGER_CLASSES and distinct <= max(2, len(present) / 2)
    return "classification" if few else "regression"


def regression_notes(values: np.ndarray, name: str) -> list[str]:
    """Return a note if a regression's targets, (n,) or (n, k), may as well be labels."""
    distinct = len(np.unique(values)) if values.ndim == 1 else len(values)
    if distinct > min(MAX_INTEGER_CLASSES, len(values) / 4):
        return []
    return [
        f"the target {name!r} has {distinct} different numbers, taken as a regression; if they are "
        "classes, write task='multiclass'"
    ]


def label_column(
    typed: pl.Series,
    source: pl.Series,
    given: ColumnFormat,
    task: str | None = None,
    classes: Sequence[str] = (),
) -> pl.Series:
    """Return a target: numbers for a regression, else classes as they are spelled.

    Where a whole number is spelled in two ways ("1" and "1.0"), classes are the numbers.

    Args:
        typed: the column with its type.
        source: the column as it was read.
        given: its format.
        task: as in `Target.fit`.
        classes: likewise.
    """
    import polars as pl

    if source.dtype != pl.String or task == "regression":
        return typed
    if task is None and not classes and infer_task(typed) == "regression":
        return typed
    if typed.dtype == pl.String:
        return without_missing(source, missing_labels(typed, given))
    spelled = pl.select(pl.when(typed.is_not_null()).then(source.str.strip_chars())).to_series()
    names = spelled.unique().drop_nulls().to_list()
    is_spelled_alike = len({plain_name(word, by_value=False) for word in names}) == len(names)
    return spelled.alias(typed.name) if is_spelled_alike else typed


def missing_labels(typed: pl.Series, given: ColumnFormat) -> tuple[str, ...]:
    """Return the text that means a missing value in a target column of classes."""
    import polars as pl

    return given.missing_words(MISSING_CLASS if typed.dtype == pl.String else MISSING_IN_TYPED)


def sorted_names(names: list[str], levels: Sequence[str] = ()) -> list[str]:
    """Sort class names: in the order of levels, then as numbers if all of them are."""
    try:
        ordered = sorted(sorted(names, key=lambda name: (len(name), name)), key=Decimal)
    except InvalidOperation:
        ordered = sorted(names)
    rank = {name: index for index, name in enumerate(levels)}
    return sorted(ordered, key=lambda name: rank.get(name, len(rank)))


def class_names(column: pl.Series, levels: Sequence[str] = ()) -> list[str]:
    """Return the names of the classes of a target column, in the order of `sorted_names`.

    Raises:
        DataError: if they are no classes: dates, all the same, or nearly all different.
    """
    import polars as pl

    if column.dtype.is_temporal() or column.dtype.is_nested():
        raise DataError(
            f"The target {column.name!r} is {column.dtype}; it must be classes or numbers."
        )
    names = sorted_names(to_names(column).drop_nulls().unique().to_list(), levels)
    if not names:
        raise DataError("The table has no rows.")
    if len(names) < 2:
        raise DataError(f"The target {column.name!r} has one class, {names}: nothing to learn.")
    if len(names) > MAX_INTEGER_CLASSES and len(names) > len(column) / 2:
        spelled = column.cast(pl.Float64, strict=False)
        numbers = "" if spelled.null_count() > column.null_count() else ", or task='regression'"
        raise DataError(
            f"The target {column.name!r} has {len(names)} distinct values in {len(column)} "
            f"rows, such as {names[0]!r}: too many for classes. Write another target{numbers}."
        )
    return names


def is_few_words(values: Any) -> bool:
    """Return whether values are an array or list of text with few distinct ones: classes."""
    kind = getattr(getattr(values, "dtype", None), "kind", "O")
    if not hasattr(values, "__len__") or kind not in "OUT":
        return False
    words = np.asarray(values).ravel().tolist()
    distinct = set(words) if all(isinstance(word, str) for word in words) else ()
    return 0 < len(distinct) <= min(MAX_INTEGER_CLASSES, max(2, len(words) / 2))


def regression_targets(column: pl.Series) -> np.ndarray:
    """Return the numbers of a target column, float64 (n,); they may all be the same.

    Raises:
        DataError: if it is not numbers.
    """
    if not is_numbers(column):
        raise DataError(f"The target {column.name!r} is not numbers, so it cannot be a regression.")
    return to_numbers(column)


def is_flags(column: pl.Series) -> bool:
    """Return whether a column has no other values than 0 and 1."""
    if not column.dtype.is_numeric():
        return is_numbers(column)
    present = column.drop_nulls()
    return bool(((present == 0) | (present == 1)).all())


def is_numbers(column: pl.Series) -> bool:
    """Return whether a column has numbers, or true and false, which are 1 and 0."""
    import polars as pl

    return column.dtype.is_numeric() or column.dtype == pl.Boolean
