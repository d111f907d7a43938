"""Numbers in text: decimal points and commas, thousands, currencies, and percent."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradus.data.columns.cells import APOSTROPHES, CURRENCIES, CURRENCY_CODES, MINUS_SIGNS, SPACES

if TYPE_CHECKING:
    import polars as pl

SOME = 0.05  # a share of the cells that is no exception
SAMPLE = 1_000  # cells from which a style is inferred
EXACT_DIGITS = 16  # whole numbers of that many digits and more are not exact in float64


@dataclass(frozen=True)
class NumberStyle:
    """How numbers are written.

    Attributes:
        decimal: the mark before the fraction, "." or ",".
        thousands: the mark between groups of three digits, or "".
        percent: whether numbers may end in "%", which is left out: 5 % is 5.
        unit: text that may stand before or behind numbers and is left out: "kg", "EUR".
    """

    decimal: str = "."
    thousands: str = ""
    percent: bool = False
    unit: str = ""


PLURAL = r"^(\w\w+)s$"  # of a unit
PLAIN = NumberStyle()
# In the order in which they are preferred if several read the same cells.
STYLES = tuple(NumberStyle(*marks) for marks in (".", ".,", ",.", ". ", ", ", ".'", ",'", ","))


def parse_numbers(text: pl.Series, style: NumberStyle = PLAIN) -> pl.Series:
    """Return text as Int64 if all of its numbers are whole, else Float64; null if not a number.

    Currency signs are left out, "(5)" and "5-" are -5, "1D+3" is 1000, and no-break spaces are
    spaces.
    """
    import polars as pl

    plain = text if style.decimal == "." else _with_decimal_points(text, style.decimal)
    numbers = plain.cast(pl.Float64, strict=False)
    unread = (numbers.is_null() & text.is_not_null()).arg_true()
    if len(unread):
        plain = plain.clone().scatter(unread, _cleaned(text.gather(unread), style))
        numbers = plain.cast(pl.Float64, strict=False)
    whole = plain.cast(pl.Int64, strict=False)
    return whole if whole.null_count() == numbers.null_count() else numbers


def infer_number_style(
    text: pl.Series, decimal: str | None = None, unit: str = ""
) -> tuple[NumberStyle, bool]:
    """Return the style that reads most cells, and whether another one reads them otherwise.

    "1,234" may be 1234 or 1.234. Without a `decimal`, the comma before three digits divides
    thousands. Of many cells a sample decides, and those that the style of the sample cannot read.

    Args:
        text: cells without missing ones.
        decimal: the decimal mark of the rest of the file, if it is known.
        unit: of the numbers.
    """
    sample = text.gather_every(math.ceil(len(text) / SAMPLE)) if len(text) > SAMPLE else text
    style, others = _best_style(sample, decimal, unit)
    if len(sample) < len(text):
        unread = text.filter(parse_numbers(text, style).is_null()).head(SAMPLE)
        if len(unread):
            style, others = _best_style(sample.append(unread), decimal, unit)
    if not others:
        return style, False
    numbers = parse_numbers(text, style)
    alternatives = [parse_numbers(text, other) for other in others]
    return style, any(
        other.null_count() == numbers.null_count() and not other.equals(numbers)
        for other in alternatives
    )


def _best_style(
    text: pl.Series, decimal: str | None, unit: str
) -> tuple[NumberStyle, list[NumberStyle]]:
    """Return the style that reads most cells, and those of another decimal mark that do so too."""
    percent = bool(text.str.ends_with("%").mean() > SOME)  # type: ignore[operator]
    styles = [NumberStyle(style.decimal, style.thousands, percent, unit) for style in STYLES]
    counts = {style: len(text) - parse_numbers(text, style).null_count() for style in styles}
    most = max(counts.values())
    best = [style for style in styles if counts[style] == most]
    known = [style for style in best if style.decimal == decimal] or best
    others = [style for style in best if style.decimal != known[0].decimal]
    return known[0], others if most else []


def plain_numbers(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of text that are nothing but numbers such as "12" and "-0.5", as numbers.

    They are found for all columns at once, which takes a hundredth of the time. Left out are those
    whose numbers may be codes or dates, or whose points may divide thousands.
    """
    import polars as pl

    texts = [column for column, dtype in frame.schema.items() if dtype == pl.String]
    if not texts:
        return frame.select()
    cells = pl.col(texts)
    missing = cells.is_null() | (cells == "")
    numbers = cells.cast(pl.Float64, strict=False)
    has_point = cells.str.contains(".", literal=True)
    decimal = has_point & ~cells.str.contains(r"^[+-]?\d{1,3}(\.\d{3})+$")
    codes = cells.str.contains(rf"^(0\d{{2,}}|\d{{{EXACT_DIGITS},}})$")
    compact = cells.str.contains(r"^(19|20)\d{6}(\d{6})?$")  # dates such as 20240131
    facts = [
        (~compact & ~missing).any(),
        (missing | numbers.is_finite().fill_null(False)).all() & ~missing.all(),
        (~codes | missing).all(),
        decimal.any() | ~has_point.any(),
    ]
    plain = [frame.select(fact).row(0) for fact in facts]
    names = [name for name, *known in zip(texts, *plain, strict=True) if all(known)]
    found = pl.col(names)
    numbers, whole = found.cast(pl.Float64, strict=False), found.cast(pl.Int64, strict=False)
    is_whole = frame.select(whole.null_count() == numbers.null_count()).row(0) if names else ()
    return frame.select(
        pl.col(name).cast(pl.Int64 if integer else pl.Float64, strict=False)
        for name, integer in zip(names, is_whole, strict=True)
    )


def common_unit(text: pl.Series) -> str:
    """Return the letters that stand before, or behind, all numbers but exceptions; or ""."""
    behind = r"^[^\p{L}°]*\d\s?([\p{L}°][\p{L}0-9°²³/·^]*)$"
    before = rf"^({'|'.join(map(re.escape, CURRENCY_CODES))})\s?[+-]?\d"
    for pattern in (behind, before):
        found = text.str.extract(pattern).str.replace(PLURAL, "$1")
        units = found.value_counts(name="count").drop_nulls()
        most = units.filter(units["count"] >= (1 - SOME) * len(text))
        if most.height:
            return str(most[text.name][0])
    return ""


def _singular(unit: str) -> str:
    """Return a unit without the s of its plural: "day" for "days", but "ms" for "ms"."""
    return re.sub(PLURAL, r"\1", unit)


def are_codes(text: pl.Series) -> bool:
    """Return whether digits are codes, not numbers, since a number would not spell them.

    This holds if all cells are digits and one of them has three or more with a zero in front
    ("007"), or more than float64 keeps.
    """
    codes = text.str.contains(rf"^(0\d{{2,}}|\d{{{EXACT_DIGITS},}})$").any()
    return bool(codes and text.str.contains(r"^\d+$").all())


def _with_decimal_points(text: pl.Series, decimal: str) -> pl.Series:
    """Return numbers with a point for the decimal mark; null for cells that have a point."""
    import polars as pl

    cell = pl.col(text.name)
    has_point = cell.str.contains(".", literal=True)
    pointed = cell.str.replace(decimal, ".", literal=True)
    return text.to_frame().select(pl.when(~has_point).then(pointed).alias(text.name)).to_series()


def _cleaned(text: pl.Series, style: NumberStyle) -> pl.Series:
    """Return the numbers in text as Polars reads them; null for what is no number."""
    import polars as pl

    decimal, thousands = re.escape(style.decimal), re.escape(style.thousands)
    digits = r"\d+"
    if thousands:  # by three, or by two before the last three, as in India
        digits += rf"|[1-9]\d{{0,2}}({thousands}\d{{3}})+"
        digits += rf"|[1-9]\d?({thousands}\d{{2}})+{thousands}\d{{3}}"
    cell = (
        pl.col(text.name)
        .str.replace_all(f"[{SPACES}]", " ")
        .str.replace_all(f"[{MINUS_SIGNS}]", "-")
        .str.replace_all(f"[{APOSTROPHES}]", "'")
        .str.replace(r"^\((.*)\)$", "-$1")
        .str.replace(rf"^([+-]?)\s?[{CURRENCIES}]\s?", "$1")
        .str.replace(rf"\s?[{CURRENCIES}]$", "")
    )
    if text.str.ends_with("-").any():
        cell = cell.str.replace(r"^([^+-].*)-$", "-$1")
    if text.str.contains(r"\d[dD][+-]\d").any():
        cell = cell.str.replace(r"(\d)[dD]([+-]\d+)$", "${1}e$2")
    if style.unit:
        unit = re.escape(_singular(style.unit)) + "s?" * (len(_singular(style.unit)) > 1)
        cell = cell.str.replace(rf"^{unit}\s?", "").str.replace(rf"\s?{unit}$", "")
    if style.percent:
        cell = cell.str.replace(r"\s?%$", "")
    valid = cell.str.contains(rf"^[+-]?(({digits})({decimal}\d*)?|{decimal}\d+)([eE][+-]?\d+)?$")
    if style.thousands:
        cell = cell.str.replace_all(style.thousands, "", literal=True)
    if style.decimal != ".":
        cell = cell.str.replace(style.decimal, ".", literal=True)
    return text.to_frame().select(pl.when(valid).then(cell).alias(text.name)).to_series()
