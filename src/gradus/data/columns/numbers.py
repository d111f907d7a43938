"""Numbers in text: decimal points and commas, thousands, currencies, and percent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradus.data.columns.cells import APOSTROPHES, CURRENCIES, CURRENCY_CODES, MINUS_SIGNS, SPACES

if TYPE_CHECKING:
    import polars as pl

SOME = 0.05  # a share of the cells that is no exception
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


PLAIN = NumberStyle()
# In the order in which they are preferred if several read the same cells.
STYLES = tuple(NumberStyle(*marks) for marks in (".", ".,", ",.", ". ", ", ", ".'", ",'", ","))


def parse_numbers(text: pl.Series, style: NumberStyle = PLAIN) -> pl.Series:
    """Return text as Int64 if all of its numbers are whole, else Float64; null if not a number.

    Currency signs are left out, "(5)" and "5-" are -5, "1D+3" is 1000, and no-break spaces are
    spaces.
    """
    import polars as pl

    numbers = text.cast(pl.Float64, strict=False)
    if style.decimal != "." or numbers.null_count() > text.null_count():
        cleaned = _cleaned(text, style)
        numbers, text = cleaned.cast(pl.Float64, strict=False), cleaned
    whole = text.cast(pl.Int64, strict=False)
    return whole if whole.null_count() == numbers.null_count() else numbers


def infer_number_style(
    text: pl.Series, decimal: str | None = None, unit: str = ""
) -> tuple[NumberStyle, bool]:
    """Return the style that reads most cells, and whether another one reads them otherwise.

    "1,234" may be 1234 or 1.234. Without a `decimal`, the comma before three digits divides
    thousands.

    Args:
        text: cells without missing ones.
        decimal: the decimal mark of the rest of the file, if it is known.
        unit: of the numbers.
    """
    import polars as pl

    if decimal != "," and not text.cast(pl.Float64, strict=False).null_count():
        grouped = text.str.contains(r"^[+-]?(\d+|[1-9]\d{0,2}(\.\d{3})+)$").all()
        return PLAIN, bool(grouped and text.str.contains(".", literal=True).any())
    percent = bool(text.str.ends_with("%").mean() > SOME)  # type: ignore[operator]
    styles = [NumberStyle(style.decimal, style.thousands, percent, unit) for style in STYLES]
    cells = text.value_counts(name="count", sort=True)
    text = cells[text.name]
    parsed = {style: parse_numbers(text, style) for style in styles}
    counts = {style: cells["count"].filter(parsed[style].is_not_null()).sum() for style in styles}
    most = max(counts.values())
    if not most:
        return styles[0], False
    best = [style for style in styles if counts[style] == most]
    if decimal is not None:
        best = [style for style in best if style.decimal == decimal] or best
    chosen = best[0]
    others = [
        style for style in styles if counts[style] == most and style.decimal != chosen.decimal
    ]
    return chosen, any(not parsed[chosen].equals(parsed[other]) for other in others)


def common_unit(text: pl.Series) -> str:
    """Return the letters that stand before, or behind, all numbers but exceptions; or ""."""
    behind = r"^[^A-Za-zµ°]*\d\s?([A-Za-zµ°][A-Za-z0-9µ°²³/·^]*)$"
    before = rf"^({'|'.join(CURRENCY_CODES)})\s?[+-]?\d"
    for pattern in (behind, before):
        units = text.str.extract(pattern).value_counts(name="count").drop_nulls()
        most = units.filter(units["count"] >= (1 - SOME) * len(text))
        if most.height:
            return str(most[text.name][0])
    return ""


def are_codes(text: pl.Series) -> bool:
    """Return whether digits are codes, not numbers, since a number would not spell them.

    So it is if all cells are digits and one of them has three or more with a zero in front
    ("007"), or more than float64 keeps.
    """
    codes = text.str.contains(rf"^(0\d{{2,}}|\d{{{EXACT_DIGITS},}})$").any()
    return bool(codes and text.str.contains(r"^\d+$").all())


def _cleaned(text: pl.Series, style: NumberStyle) -> pl.Series:
    """Return the numbers in text as Polars reads them; null for what is no number."""
    import polars as pl

    decimal, thousands = re.escape(style.decimal), re.escape(style.thousands)
    digits = rf"\d+|[1-9]\d{{0,2}}({thousands}\d{{3}})+" if thousands else r"\d+"
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
        unit = re.escape(style.unit)
        cell = cell.str.replace(rf"^{unit}\s?", "").str.replace(rf"\s?{unit}$", "")
    if style.percent:
        cell = cell.str.replace(r"\s?%$", "")
    valid = cell.str.contains(rf"^[+-]?(({digits})({decimal}\d*)?|{decimal}\d+)([eE][+-]?\d+)?$")
    if style.thousands:
        cell = cell.str.replace_all(style.thousands, "", literal=True)
    if style.decimal != ".":
        cell = cell.str.replace(style.decimal, ".", literal=True)
    return text.to_frame().select(pl.when(valid).then(cell).alias(text.name)).to_series()
