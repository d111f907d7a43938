"""Which encoder a column of a table gets, or why the column is not used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradus.data.column_encoders import (
    BooleanEncoder,
    CategoryEncoder,
    ColumnEncoder,
    DateEncoder,
    NumberEncoder,
    TextEncoder,
)
from gradus.data.columns.conversions import to_numbers
from gradus.data.columns.formats import ColumnFormat
from gradus.data.columns.missing_codes import code_note
from gradus.data.columns.spellings import spelling_notes
from gradus.data.columns.unseen import unseen_levels
from gradus.data.columns.usefulness import determines, is_text, why_not_general, why_useless
from gradus.data.preprocessing import Preprocessing
from gradus.data.tables import Table
from gradus.data.targets import Target
from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl


def value_notes(series: pl.Series, encoder: ColumnEncoder, given: ColumnFormat) -> list[str]:
    """Return notes on values of a column that may mean something else than they say.

    These are levels that are spelled alike, cells that are none of the levels given, and a number
    that may stand for a missing value.
    """
    if isinstance(encoder, NumberEncoder):
        code = code_note(series.name, to_numbers(series))
        return [] if code is None else [code]
    if not isinstance(encoder, CategoryEncoder):
        return []
    unseen = unseen_levels(series, encoder.levels, "level") if given.levels else None
    notes = spelling_notes(encoder.levels, f"levels of column {series.name!r}")
    return notes if unseen is None else [*notes, unseen.note]


def leak_of(series: pl.Series, table: Table, target: Target) -> str | None:
    """Return that a column determines a target, if it does: predictions would prove nothing."""
    classes = dict.fromkeys(target.columns, 2 if target.task == "multilabel" else 0)
    classes |= {part.name: len(part.class_names) for part in target.parts or (target,)}
    names = target.column_names
    leaked = next((n for n in names if determines(series, table.frame[n], classes[n])), None)
    if leaked is None:
        return None
    return (
        f"determines the target {leaked!r}: a leak? It is dropped, because predictions from "
        f"it would prove nothing; if it is known before the target, write keep={[series.name]!r}"
    )


def check_readable(columns: Sequence[pl.Series]) -> None:
    """Check that columns have single values that a network can read.

    Raises:
        DataError: naming all that have lists, structs, or bytes, as the user must decide.
    """
    import polars as pl

    of_parts = [c for c in columns if c.dtype.is_nested() or c.dtype == pl.Binary]
    if not of_parts:
        return
    names = [column.name for column in of_parts]
    types = ", ".join(f"{column.name!r} has type {column.dtype}" for column in of_parts)
    many, them = ("s", "them") if len(names) > 1 else ("", "it")
    raise DataError(
        f"Column{many} {types}, which a network cannot read: convert {them} to numbers or "
        f"categories, or drop {them}: drop={names!r}."
    )


def fit_encoder(
    series: pl.Series, given: ColumnFormat, kept: bool, preprocessing: Preprocessing
) -> ColumnEncoder | str:
    """Fit the encoder of a column, or return why the column is dropped.

    Args:
        series: the training values.
        given: its format.
        kept: whether it is used even if it looks like an identifier or text.
        preprocessing: how it is encoded.

    """
    if given.kind == "identifier":
        return "is an identifier, and was dropped"
    reason = why_useless(series)
    if reason is None and given.kind == "text":
        return _fit_text(series, preprocessing)
    reason = reason or (None if kept else why_not_general(series))
    if reason is not None:
        return f"{reason}, and was dropped"
    distinct = series.drop_nulls().n_unique()
    if given.kind == "category" or (given.kind == "date" and distinct == 1):
        return CategoryEncoder.fit(series, preprocessing.one_hot_limit, given.levels)
    if given.kind == "boolean":
        return BooleanEncoder.fit(series, preprocessing)
    if given.kind == "date":
        return DateEncoder.fit(series, preprocessing)
    values = to_numbers(series)
    if distinct == 2 and set(np.unique(values[~np.isnan(values)])) == {0.0, 1.0}:
        return BooleanEncoder.fit(series, preprocessing)
    return NumberEncoder.fit(series.name, values, preprocessing)


def holds_texts(series: pl.Series, given: ColumnFormat) -> bool:
    """Return whether a column that was taken for categories holds texts."""
    return given.kind == "category" and not given.levels and is_text(series)


def _fit_text(series: pl.Series, preprocessing: Preprocessing) -> TextEncoder | str:
    """Fit the encoder of a text, or return why the column is dropped."""
    if not preprocessing.text_features:
        return "is text, and was dropped: text_features is 0"
    encoder = TextEncoder.fit(series, preprocessing)
    if not any(part.terms for part in encoder.parts):
        return "is text, but no word is in several rows and not in all: it was dropped"
    return encoder
