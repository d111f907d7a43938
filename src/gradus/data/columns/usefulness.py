"""Whether a network can learn from a column, and whether it ought to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from gradus.data.columns.conversions import is_constant, to_numbers

if TYPE_CHECKING:
    import polars as pl

TEXT_WORDS = 5  # words of a cell on average, from which a column is text
NAME_WORDS, NAME_ROWS = 2, 500  # and from which, and from how many rows, it may be
# Two characters of a script that has no spaces between words.
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]{2}"
FEW_ROWS = 20  # fewer rows are too few to tell an identifier or a leak
NUMBERS_ROWS = r"(.*_)?id|index|level_\d|unnamed[_:].*|row_?(id|names?|number)?"  # names of columns
CHANCE = 10.0  # pairs of equal numbers that chance would give, had a column any
LEAK = 0.9999  # the correlation with the target from which a column leaks it
DATE = r"^(\d{4}[./-]\d{1,2}[./-]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2}))([ T].*)?$"
YEAR = r"(^|[./-])\d{4}([./-]|[ T]|$)"
DATES = 0.9  # the share of the cells from which a column of text holds dates


def why_useless(series: pl.Series) -> str | None:
    """Return why nothing can be learned from a column, as "is empty", or None."""
    present = series.drop_nulls()
    if len(present) == 0:
        return "is empty"
    if present.n_unique() > 1 and series.dtype.is_integer() and _is_always_one(series):
        return (
            f"has whole numbers near {present[0]}, so large that float64 cannot tell them apart: "
            "subtract a constant"
        )
    if series.n_unique() == 1 or (series.dtype.is_numeric() and _is_always_one(series)):
        return f"is always {present[0]!r}"
    return None


def why_not_general(series: pl.Series) -> str | None:
    """Return why a column says nothing about other rows, or None.

    It numbers the rows, differs in nearly every one like an identifier, has names in few rows, or
    dates in several spellings. Whole numbers number the rows if no two are equal, though by chance
    at least `CHANCE` pairs would be: n² / 2R among n numbers drawn from R different ones.
    """
    import polars as pl

    present = series.drop_nulls()
    rows, distinct = len(present), present.n_unique()
    if rows < FEW_ROWS:
        return None
    if series.dtype.is_integer():
        named = re.fullmatch(NUMBERS_ROWS, series.name, re.IGNORECASE) is not None
        span = int(present.max()) - int(present.min()) + 1  # type: ignore[arg-type]
        is_unlikely = rows**2 >= 2 * CHANCE * span
        return "numbers the rows" if distinct == rows and (is_unlikely or named) else None
    if series.dtype != pl.String:
        return None
    spellings = _dates_by_spelling(present)
    if len(spellings) > 1:
        return (
            f"holds dates in {len(spellings)} spellings ({', '.join(map(repr, spellings[:3]))}), "
            "not in one such as 2024-03-31"
        )
    if _word_count(present) >= NAME_WORDS and _seldom_repeats(present):
        return (
            f"has texts of a few words, such as {present[0][:40]!r}, in too few rows to learn from "
            "(to use them, say kind='text')"
        )
    return "differs in nearly every row, like an identifier" if distinct > 0.9 * rows else None


def _dates_by_spelling(texts: pl.Series) -> list[str]:
    """Return a date of each spelling, the most frequent first, if a column of text holds dates."""
    import polars as pl

    dates = texts.filter(texts.str.contains(DATE)).rename("date").to_frame()
    if dates.height < DATES * len(texts) or not texts.str.contains(YEAR).any():
        return []
    shape = pl.col("date").str.replace_all(r"\d", "0").alias("shape")
    shapes = dates.group_by(shape, maintain_order=True).agg(pl.first("date"), pl.len())
    return shapes.sort("len", descending=True, maintain_order=True)["date"].to_list()


def is_text(series: pl.Series) -> bool:
    """Return whether a column holds texts that a network may learn from.

    These are sentences, or in many rows also texts of a few words, such as names and titles, if
    most of them occur once. Two characters of a script without spaces, such as Chinese, count as a
    word.

    Args:
        series: the training values.
    """
    import polars as pl

    present = series.drop_nulls()
    rows = len(present)
    if series.dtype != pl.String or rows < FEW_ROWS:
        return False
    words = _word_count(present)
    if words >= TEXT_WORDS and present.n_unique() >= max(FEW_ROWS, rows / 5):
        return True
    return rows >= NAME_ROWS and words >= NAME_WORDS and _seldom_repeats(present)


def _word_count(texts: pl.Series) -> float:
    """Return the words of a text on average."""
    spaces = texts.str.strip_chars().str.count_matches(r"\s+")
    return 1 + float((spaces + texts.str.count_matches(UNSPACED)).mean())  # type: ignore[arg-type]


def _seldom_repeats(texts: pl.Series) -> bool:
    """Return whether texts that occur once are more than 40 % of the rows."""
    once = int((texts.value_counts(name="count")["count"] == 1).sum())
    return once > 0.4 * len(texts)


def determines(series: pl.Series, target: pl.Series, classes: int) -> bool:
    """Return whether a column determines the target, so that predictions from it prove nothing.

    Its values are one to one with the classes, or with the values of a number that has few; or its
    correlation with numbers is above 0.9999.

    Args:
        series: the column.
        target: the target of the same rows.
        classes: how many classes the target has; 0 for numbers.
    """
    import polars as pl

    if len(series) < FEW_ROWS or series.dtype.is_nested():
        return False
    if classes or not series.dtype.is_numeric():
        distinct, values = series.n_unique(), target.n_unique()
        if distinct != values or (distinct != classes if classes else distinct > len(series) / 4):
            return False
        return pl.DataFrame({"column": series, "target": target}).n_unique() == distinct
    x, y = to_numbers(series), to_numbers(target)
    present = ~np.isnan(x)
    x, y = x[present], y[present]
    if len(x) < FEW_ROWS or is_constant(x) or is_constant(y):
        return False
    x, y = (x - x.mean()) / np.ptp(x), (y - y.mean()) / np.ptp(y)
    return bool(abs(x @ y) > LEAK * np.sqrt((x @ x) * (y @ y)))


def _is_always_one(series: pl.Series) -> bool:
    """Return whether a column without missing values is one number, up to rounding."""
    return series.null_count() == 0 and bool(is_constant(to_numbers(series)))
