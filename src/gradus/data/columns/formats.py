"""The format of a column: how its cells are read, inferred once and imposed from then on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from gradus.checks import as_items, flag, is_word
from gradus.data.columns import dates, numbers
from gradus.data.columns.cells import MISSING, MISSING_IN_TYPED
from gradus.data.columns.numbers import NumberStyle
from gradus.errors import DataError, unknown
from gradus.foreign_names.arguments import explain_methods

if TYPE_CHECKING:
    import polars as pl

KINDS = ("number", "category", "date", "boolean", "text", "identifier")

PLURALS = {"boolean": "true or false", "number": "numbers", "date": "dates"}  # typed kinds
BOOLEANS = {"true": True, "false": False}
YES_OR_NO = {  # in a column that is known to be boolean
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1", "1.0"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0", "0.0"), False),
}

_NUMBER_WORD = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


def texts(name: str, words: Any) -> tuple[str, ...]:
    """Return a list of texts as a tuple; numbers in it are taken as they are written.

    Raises:
        DataError: for what is no list, naming the setting.
    """
    items = None if isinstance(words, str | bytes) else as_items(words)
    if items is None:
        example = [words] if isinstance(words, str) else ["?", "-1"]
        raise DataError(f"{name}={words!r}: write a list of texts, {example!r}.")
    return tuple(map(str, items))


@explain_methods
@dataclass(frozen=True)
class ColumnFormat:
    """How the cells of a column are read; what is None is inferred from the training data.

    Attributes:
        kind: "number", "category", "date", "boolean", "text" (whose words and characters are
            weighted) or "identifier" (of a row, which is not used).
        decimal: the decimal mark of numbers, "." or ",".
        thousands: the mark between groups of three digits, or "".
        percent: whether numbers may end in "%".
        unit: text before or behind numbers that is left out, such as "kg".
        date: the pattern of dates, such as "%d.%m.%Y"; a time may follow.
        zone: the time zone of dates with a zone, such as "Europe/Paris"; UTC by default for text.
        levels: the categories in their order; others count as unseen.
        missing: text that means a missing value, besides an empty cell.

    Raises:
        DataError: for an unknown kind, with the nearest, or an invalid setting.

    Examples:
        >>> table = {"zip": ["10115", "10117", "80331"] * 9, "rent": ["1.100,50", "900", "-"] * 9}
        >>> options = gr.data.TableOptions(columns={"zip": "category"})
        >>> fitted = gr.data.TablePreprocessor.fit(table, options=options)
        >>> fitted.formats["rent"].decimal, fitted.feature_names
        (',', ('zip=10115', 'zip=10117', 'zip=80331', 'rent', 'rent=missing'))
    """

    kind: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    percent: bool | None = None
    unit: str | None = None
    date: str | None = None
    zone: str | None = None
    levels: tuple[str, ...] | None = None
    missing: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.kind is not None and not is_word(self.kind, KINDS):
            raise unknown("kind of column", self.kind, KINDS)
        if self.decimal is not None and not is_word(self.decimal, (".", ",")):
            raise DataError(f"decimal={self.decimal!r}: write '.' or ','.")
        if not isinstance(self.thousands, str | None) or len(self.thousands or "") > 1:
            raise DataError(f"thousands={self.thousands!r}: write one character, or ''.")
        for name, example in (("date", "%d.%m.%Y"), ("zone", "Europe/Paris"), ("unit", "kg")):
            if not isinstance(getattr(self, name), str | None):
                raise DataError(f"{name}={getattr(self, name)!r}: write a text, {example!r}.")
        if self.percent is not None:
            flag("percent", self.percent)
        if self.thousands is not None and self.thousands == self.decimal:
            raise DataError(f"thousands={self.thousands!r} is the decimal mark too.")
        if self.zone is not None:
            dates.check_zone(self.zone)
        for name in ("levels", "missing"):
            words = getattr(self, name)
            if words is not None:
                object.__setattr__(self, name, texts(name, words))
        if self.levels and len(set(self.levels)) < len(self.levels):
            raise DataError(f"levels={list(self.levels)!r}: write each level once.")

    def missing_words(self, default: Sequence[str]) -> tuple[str, ...]:
        """Return the words that mean a missing value: those given, else default ones but levels."""
        if self.missing is not None:
            return self.missing
        levels = {level.strip().lower() for level in self.levels or ()}
        return tuple(word for word in default if word not in levels)

    @property
    def style(self) -> NumberStyle:
        """How numbers are written."""
        marks = self.decimal or ".", self.thousands or ""
        return NumberStyle(*marks, bool(self.percent), self.unit or "")

    @classmethod
    def of(cls, given: Any, column: str) -> ColumnFormat:
        """Return the format that a user wrote: a kind, a list of levels, a dict, or a format.

        Raises:
            DataError: if it is none of these, or holds an unknown setting.
        """
        if isinstance(given, ColumnFormat):
            return given
        if isinstance(given, str):
            return cls(kind=given)
        if isinstance(given, Mapping):
            known = [field.name for field in fields(cls)]
            for name in given:
                if name not in known:
                    raise unknown(f"setting of column {column!r}", str(name), known)
            return cls(**given)
        if isinstance(given, Sequence):
            return cls(kind="category", levels=tuple(given))
        raise DataError(
            f"columns[{column!r}] = {given!r}: write a kind ({', '.join(KINDS)}), the list of its "
            'levels in order, or settings such as {"kind": "date", "date": "%d.%m.%Y"}.'
        )


def parse_column(column: pl.Series, format: ColumnFormat) -> pl.Series:  # noqa: A002 - the field's
    """Return the typed values of a column of a known format, null where missing.

    Raises:
        DataError: naming a cell that does not fit, and its row.
    """
    import polars as pl

    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype.is_numeric():
        if format.kind != "date":
            return _without_numbers(column, format.missing)
        column = digits_of(column)
    if column.dtype == pl.String:
        return _parse_text(column, format)
    if format.kind == "date" and isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone:
        return column.dt.convert_time_zone(format.zone or "UTC").dt.replace_time_zone(None)
    return column


def _parse_text(column: pl.Series, format: ColumnFormat) -> pl.Series:  # noqa: A002
    """Return the typed values of a column of text."""
    if format.kind not in PLURALS:
        return without_missing(column, format.missing_words(MISSING))
    text, values = typed_values(column, format)
    misfits = values.is_null() & text.is_not_null()
    if misfits.any():
        row = int(misfits.arg_true()[0])
        kind = PLURALS[str(format.kind)]
        written = {
            "number": f", with the decimal mark {format.style.decimal!r}",
            "date": f", written {format.date}",
        }
        raise DataError(
            f"Column {column.name!r} is {kind}{written.get(str(format.kind), '')}, but "
            f"{text[row]!r} in row {row} (counted from 0) is none: correct it, or leave the cell "
            "empty if it is missing."
        )
    return values


def typed_values(column: pl.Series, format: ColumnFormat) -> tuple[pl.Series, pl.Series]:  # noqa: A002
    """Return text, null where missing, and its values, null for a cell that does not fit too."""
    words = format.missing_words(MISSING_IN_TYPED)
    text = without_missing(column, words).str.strip_chars()
    if format.kind == "date":
        return text, dates.parse_dates(text, format.date or dates.ISO[0], format.zone)
    if format.kind == "boolean":
        return text, text.str.to_lowercase().replace_strict(YES_OR_NO, default=None)
    values = numbers.parse_numbers(text, format.style)
    kept = _without_numbers(values, words)
    if kept is values:
        return text, values
    return text.zip_with(kept.is_not_null() | values.is_null(), text.clear(len(text))), kept


def digits_of(column: pl.Series) -> pl.Series:
    """Return numbers as text, whole ones without a point."""
    import polars as pl

    return column.cast(pl.String).str.strip_suffix(".0")


def _without_numbers(values: pl.Series, words: Sequence[str] | None) -> pl.Series:
    """Return numbers, null where they are one of the words that mean a missing value."""
    found = [float(word) for word in words or () if _NUMBER_WORD.fullmatch(word.strip())]
    if not found:
        return values
    is_missing = values.cast(float).is_in(found).fill_null(False)
    return values.zip_with(~is_missing, values.clear(len(values)))


def without_missing(column: pl.Series, words: Sequence[str]) -> pl.Series:
    """Return text as it is spelled; null where it is blank or one of the words."""
    known = ["", *(word.strip().lower() for word in words)]
    distinct = column.drop_nulls().unique()  # a category has few, however many rows there are
    blank = distinct.filter(distinct.str.strip_chars().str.to_lowercase().is_in(known))
    if not len(blank):
        return column
    return column.zip_with(~column.is_in(blank.implode()), column.clear(len(column)))
