"""Inference of a column's format from its cells, and of what they say about other columns."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gradus.data.columns import dates, numbers
from gradus.data.columns.cells import MISSING, MISSING_IN_TYPED
from gradus.data.columns.formats import (
    BOOLEANS,
    PLURALS,
    YES_OR_NO,
    ColumnFormat,
    digits_of,
    typed_values,
    without_missing,
)
from gradus.data.columns.numbers import NumberStyle
from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl

MISFITS = 0.05  # the largest share of cells that do not fit the kind of the others
NEARLY_ALL = 0.9  # of the cells of a column
FEW_CODES = 20  # as many whole numbers, or fewer, may be codes of categories


@dataclass(frozen=True)
class Hints:
    """What the other columns of a file say about one of them.

    Attributes:
        decimal: their decimal mark, or None.
        day_first: whether their dates have the day before the month, or None.
        guessed: whether no column says what the decimal mark is.
    """

    decimal: str | None = None
    day_first: bool | None = None
    guessed: bool = False


@dataclass(frozen=True)
class Inferred:
    """A complete format, and what the user may want to know about it.

    Attributes:
        format: of the column.
        notes: sentences.
        hints: what the column says about others.
    """

    format: ColumnFormat
    notes: tuple[str, ...] = ()
    hints: Hints = Hints()

    def depends_on(self, hints: Hints) -> bool:
        """Return whether hints of other columns may change what was inferred."""
        if self.format.kind == "number":
            return hints.decimal is not None and hints.decimal != self.hints.decimal
        return self.format.kind == "date" and hints.day_first != self.hints.day_first


def infer_format(column: pl.Series, given: ColumnFormat, hints: Hints = Hints()) -> Inferred:
    """Infer what is None in the format of a column.

    A column of text is one of numbers, dates or booleans if at least 95 % of its cells are, without
    those that mean a missing value; the others become missing, and a note names them.

    Args:
        column: text, or values of a type.
        given: what the user wrote.
        hints: of other columns.

    Raises:
        DataError: if the cells are not of the given kind.
    """
    import polars as pl

    given = replace(given, kind=given.kind or _implied_kind(given))
    if column.dtype.is_numeric() and given.kind == "date":
        column = digits_of(column)
    if column.dtype.is_numeric() and given.kind == "boolean":
        other = column.filter(~column.is_in([0, 1]))
        if len(other):
            raise DataError(f"Column {column.name!r} is not of the kind 'boolean': {other[0]!r}.")
    if column.dtype != pl.String:
        return Inferred(_declared(column, given))
    cells = without_missing(column, given.missing_words(MISSING)).drop_nulls()
    typed = without_missing(column, given.missing_words(MISSING_IN_TYPED)).drop_nulls()
    typed = typed.str.strip_chars()
    if given.kind in ("category", "text", "identifier") or given.levels or not len(cells):
        return Inferred(replace(given, kind=given.kind or "category"))
    for kind, infer in _TYPED.items():
        if given.kind in (None, kind) and len(typed):
            found = infer(typed, given, hints)
            if found is not None and found.format.kind == kind:
                return _with_misfits(found, column)
            if found is not None:
                notes = tuple(f"column {column.name!r}: {note}" for note in found.notes)
                return replace(found, notes=notes)
    if given.kind is not None:
        raise DataError(f"Column {column.name!r} is not of the kind {given.kind!r}: {cells[0]!r}.")
    return Inferred(replace(given, kind="category"))


def _implied_kind(given: ColumnFormat) -> str | None:
    """Return the kind of the columns that some of the settings are for."""
    if given.unit or given.percent or given.thousands is not None:
        return "number"
    return "date" if given.date is not None else None


def plain_format(numbers: pl.Series, cells: pl.Series | None = None) -> Inferred:
    """Return the format of text that is nothing but plain numbers (`plain_numbers`).

    Args:
        numbers: what the text means.
        cells: the text, for notes on it.
    """
    style = NumberStyle()
    found = ColumnFormat("number", style.decimal, style.thousands, style.percent)
    if numbers.dtype.is_integer():
        return Inferred(found)
    told = () if cells is None else _notes_on_names(cells.head(1000))
    notes = tuple(f"column {numbers.name!r}: {note}" for note in told)
    return Inferred(found, notes, Hints(decimal="."))


def _declared(column: pl.Series, given: ColumnFormat) -> ColumnFormat:
    """Return the format of a column whose type says what it is."""
    import polars as pl

    if column.dtype in (pl.Categorical, pl.Enum) and given.kind in (None, "category"):
        levels = given.levels
        if isinstance(column.dtype, pl.Enum) and levels is None:
            levels = tuple(column.dtype.categories.to_list())
        return replace(given, kind="category", levels=levels)
    if isinstance(column.dtype, pl.Datetime | pl.Date) and given.kind in (None, "date"):
        zone = given.zone or getattr(column.dtype, "time_zone", None)
        return replace(given, kind="date", date=given.date or dates.ISO[0], zone=zone)
    if given.kind is not None:
        return given
    if column.dtype == pl.Boolean:
        return replace(given, kind="boolean")
    return replace(given, kind="number" if column.dtype.is_numeric() else "category")


def _infer_boolean(cells: pl.Series, given: ColumnFormat, _: Hints) -> Inferred | None:
    known = YES_OR_NO if given.kind == "boolean" else BOOLEANS
    fits = int(cells.str.to_lowercase().is_in(list(known)).sum())
    return Inferred(replace(given, kind="boolean")) if _enough(fits, len(cells)) else None


def _infer_number(cells: pl.Series, given: ColumnFormat, hints: Hints) -> Inferred | None:
    is_code = numbers.are_codes(cells) and not _are_time_stamps(cells)
    if given.kind is None and (is_code or dates.are_compact(cells)):
        return None
    if given.kind is None and not cells.str.contains(r"\d").any():
        return None
    known = given.decimal or hints.decimal
    style, ambiguous = numbers.infer_number_style(cells, known, given.unit or "")
    values = numbers.parse_numbers(cells, style)
    if given.unit is None and values.null_count() > len(cells) / 2:
        unit = numbers.common_unit(cells.filter(values.is_null()))
        if unit:
            style, ambiguous = numbers.infer_number_style(cells, known, unit)
            values = numbers.parse_numbers(cells, style)
    fits = len(cells) - values.null_count()
    if given.kind is None and _has_codes(cells, values):
        return _beside_one_word(cells.filter(values.is_null()), given)
    if given.kind is None and style.unit and not _is_measured(values):
        return None  # such as "36 months" and "60 months"
    if given.kind is None and not _enough(fits, len(cells)):
        return _mostly_numbers(cells, values, given)
    found = replace(
        given,
        kind="number",
        decimal=style.decimal,
        thousands=style.thousands if given.thousands is None else given.thousands,
        percent=style.percent if given.percent is None else given.percent,
        unit=style.unit or None,
    )
    notes = (*_notes_on_signs(cells, style), *_notes_on_names(cells))
    if ambiguous and given.decimal is None and (known is None or hints.guessed):
        mark = style.thousands
        groups = cells.filter(cells.str.contains(mark or "no mark", literal=True)).head(1)
        if len(groups):
            value, name = numbers.parse_numbers(groups, style)[0], _MARKS.get(mark, mark)
            remedy = f"if its {name} is decimal, say so: decimal={mark!r}"
            notes += (f"{groups[0]!r} is read as {value}; {remedy}",)
    if given.decimal not in (None, style.decimal):
        notes += _notes_on_mark(cells, style, given)
    decided = bool(cells.str.contains(style.decimal, literal=True).any()) and not ambiguous
    return Inferred(found, notes, Hints(decimal=style.decimal if decided else None))


def _notes_on_mark(
    cells: pl.Series, style: numbers.NumberStyle, given: ColumnFormat
) -> tuple[str, ...]:
    """Return a note if cells can only be read with another decimal mark than the one given."""
    examples = cells.filter(cells.str.contains(style.decimal, literal=True)).head(1)
    if not len(examples):
        return ()
    value = numbers.parse_numbers(examples, style)[0]
    return (f"{examples[0]!r} is read as {value}, although decimal={given.decimal!r} is given",)


def _are_time_stamps(cells: pl.Series) -> bool:
    """Return whether long digits that hardly ever repeat may be Unix times in fine units."""
    of_this_age = bool(cells.str.contains(r"^(1\d|2[01])").all())  # of the years 2001 to 2039
    is_time = of_this_age and dates.are_unix_times(cells)
    return is_time and cells.n_unique() > NEARLY_ALL * len(cells)


def _notes_on_names(cells: pl.Series) -> tuple[str, ...]:
    """Return a note if versions such as "1.10" and "1.1" become one number."""
    longer = cells.filter(cells.str.contains(r"[.,]\d*[1-9]0+$"))
    for name in longer.unique(maintain_order=True).head(FEW_CODES).to_list():
        if (cells == name.rstrip("0")).any():
            same = name.rstrip("0")
            return (f"{same!r} and {name!r} are one number; if names, say so: kind='category'",)
    return ()


_MARKS = {",": "comma", ".": "point"}


def _is_measured(values: pl.Series) -> bool:
    """Return whether numbers are measurements, not a few whole numbers."""
    return values.dtype.is_float() or values.n_unique() > FEW_CODES


def _mostly_numbers(cells: pl.Series, values: pl.Series, given: ColumnFormat) -> Inferred | None:
    """Return a category, and a note, if more than half of the cells are numbers."""
    misfits = cells.filter(values.is_null())
    if 2 * len(misfits) >= len(cells) or not _is_measured(values):
        return None
    note = (
        f"{len(misfits)} of {len(cells)} cells are not numbers, such as {misfits[0]!r}, so it is a "
        "category; if they are missing, say so: kind='number'"
    )
    return Inferred(replace(given, kind="category"), (note,))


def _beside_one_word(misfits: pl.Series, given: ColumnFormat) -> Inferred | None:
    """Return a category, and a note, if all cells but a few whole numbers are the same word."""
    if misfits.n_unique() > 1 or misfits.str.contains(r"\d")[0]:
        return None
    word = misfits[0]
    note = (
        f"{word!r} stands {len(misfits)} times beside whole numbers, so it is a category; if it "
        f"means a missing value, say so: missing=[{word!r}]"
    )
    return Inferred(replace(given, kind="category"), (note,))


def _notes_on_signs(cells: pl.Series, style: NumberStyle) -> tuple[str, ...]:
    """Return a note on a unit, or a percent sign that some numbers lack."""
    if style.unit:
        bare = numbers.parse_numbers(cells, replace(style, unit="")).drop_nulls()
        which = f", which {len(bare)} of {len(cells)} lack," if len(bare) else ""
        return (f"the unit {style.unit!r} of its numbers{which} is left out",)
    if style.percent and cells.str.ends_with("%").mean() <= 1 - MISFITS:  # type: ignore[operator]
        return ("some of its numbers have a percent sign, and some have not: it is left out",)
    return ()


def _infer_date(cells: pl.Series, given: ColumnFormat, hints: Hints) -> Inferred | None:
    style = dates.infer_date_style(cells, hints.day_first)
    if given.kind == "date" and dates.are_unix_times(cells):
        style = dates.DateStyle(dates.UNIX)
    pattern = given.date or (style.pattern if style is not None else None)
    if pattern is None:
        return None
    if pattern == dates.UNIX:
        pattern += str(dates.unix_exponent(cells))  # a row alone may be of another size
    values = dates.parse_dates(cells, pattern)
    if given.kind is None and not _enough(len(cells) - values.null_count(), len(cells)):
        return None
    notes = _notes_on_century(cells, values, pattern)
    if style is not None and style.ambiguous and given.date is None:
        meaning = f"{values.drop_nulls()[0]:%d %B %Y}"
        remedy = f"give its pattern: date={style.other!r}" if style.other else "say kind='category'"
        notes += (f"{cells[0]!r} is read as {meaning}; if not, {remedy}",)
    decided = style is not None and not style.ambiguous
    order = {
        **dict.fromkeys(dates.DAY_FIRST, True),
        **dict.fromkeys(dates.MONTH_FIRST, False),
    }
    day_first = order.get(pattern) if decided else None
    return Inferred(replace(given, kind="date", date=pattern), notes, Hints(day_first=day_first))


def _notes_on_century(cells: pl.Series, values: pl.Series, pattern: str) -> tuple[str, ...]:
    """Return a note if years of two digits lie in the future."""
    if "%y" not in pattern:
        return ()
    later = (values.dt.year() > datetime.now(UTC).year).fill_null(False)
    if not later.any():
        return ()
    row = int(later.arg_true()[0])
    return (
        f"{cells[row]!r} is read as a day of {values[row].year}; if it is of the last century, "
        "write years of four digits",
    )


_TYPED = {"boolean": _infer_boolean, "number": _infer_number, "date": _infer_date}


def _enough(fits: int, cells: int) -> bool:
    """Return whether so many of some cells fit that the others are exceptions."""
    allowed = max(math.floor(MISFITS * cells), 1 if cells >= 8 else 0)
    return fits > 0 and cells - fits <= allowed


def _has_codes(cells: pl.Series, values: pl.Series) -> bool:
    """Return whether the cells that are no numbers are categories beside a few whole numbers."""
    misfits = cells.filter(values.is_null())
    repeated = len(misfits) > misfits.n_unique()
    return repeated and values.dtype.is_integer() and values.n_unique() <= FEW_CODES + 1


def _with_misfits(found: Inferred, column: pl.Series) -> Inferred:
    """Return what was inferred, with the cells that do not fit as missing, and a note on them."""
    words = found.format.missing_words(MISSING_IN_TYPED)
    text, values = typed_values(column, found.format)
    misfits = values.is_null() & text.is_not_null()
    if misfits.any() and values.null_count() == len(values):
        pattern = f" {found.format.date!r}" if found.format.kind == "date" else ""
        raise DataError(
            f"Column {column.name!r} is not of the kind {found.format.kind!r}{pattern}: "
            f"{text.drop_nulls()[0]!r}."
        )
    notes = tuple(f"column {column.name!r}: {note}" for note in found.notes)
    if not misfits.any():
        return replace(found, notes=notes)
    rows = misfits.arg_true()
    some = [f"{text[row]!r} in row {row}" for row in rows.head(3)]
    more = ", …" if len(rows) > 3 else ""
    count = "a cell that is" if len(rows) == 1 else f"{len(rows)} cells that are"
    kind = PLURALS[str(found.format.kind)]
    note = (
        f"column {column.name!r} is {kind}, but has {count} not ({', '.join(some)}{more}; rows are "
        "counted from 0): taken as missing"
    )
    unreadable = text.filter(misfits).str.to_lowercase().unique(maintain_order=True).to_list()
    missing = (*words, *unreadable)
    return replace(found, format=replace(found.format, missing=missing), notes=(*notes, note))
