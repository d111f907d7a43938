"""What the text of one cell of a table looks like: a missing value, a number, a date."""

from __future__ import annotations

import re

MISSING = (
    *("", "?", "nan", "null", "n/a", "#n/a", "<na>", "#ref!", "#value!", "#div/0!", "#name?"),
    *("#num!", "#null!", "#na", "#n/a n/a", "-nan", "1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind"),
)
"""Text that means a missing value in every column, in lower case."""

MISSING_IN_TYPED = (
    *MISSING,
    *("na", "none", "-", "--", "---", "–", "—", ".", "..", "...", "*", "n.a.", "n.a", "nil"),
    *("missing", "unknown", "undefined", "not available", "not applicable", "none given"),
)
"""Text that means a missing value in a column of numbers, dates, or booleans.

In a column of categories it is one of them: a class may be called "none" or "NA" (Namibia).
"""

MISSING_CLASS = tuple(word for word in MISSING if word not in ("nan", "null"))
"""Text that means a missing value in a target of classes: one may be called "nan" or "null"."""

CURRENCIES = "$€£¥₹₩₽"
CURRENCY_CODES = (
    "USD",
    "EUR",
    "GBP",
    "CHF",
    "JPY",
    "CNY",
    "INR",
    "CAD",
    "AUD",
    "BRL",
    "SEK",
    "RUB",
    *("US$", "CA$", "AU$", "A$", "C$", "HK$", "NZ$", "S$", "R$", "kr", "Rs.", "Rs", "Fr."),
)
SPACES = "\u00a0\u2009\u202f"  # no-break and thin spaces, which group digits
MINUS_SIGNS = "\u2212\u2013"
APOSTROPHES = "\u2019\u2018\u02bc\u00b4"  # which group digits as ' does

_NUMBER = re.compile(
    rf"\(?[+-]?[{CURRENCIES}]?\s?[+-]?(\d[\d.,' {SPACES}{APOSTROPHES}]*|[.,]\d+)"
    rf"([eEdD][+-]?\d+)?\s?[%{CURRENCIES}]?[)-]?"
)
_DATE = re.compile(
    r"(\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
    r"|\d{1,2}[- ]?[A-Za-z]{3,9}\.?[-, ]+\d{2,4}"
    r"|[A-Za-z]{3,9}\.? \d{1,2},? \d{2,4})"
    r"([T ].*)?"
    r"|\d{4}年\d{1,2}月\d{1,2}日"
)
_TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?")


def looks_missing(cell: str) -> bool:
    """Return whether a cell may mean a missing value."""
    return cell.strip().lower() in MISSING_IN_TYPED


def looks_typed(cell: str) -> bool:
    """Return whether a cell looks like a number, a date, or a time."""
    cell = cell.strip()
    return any(pattern.fullmatch(cell) for pattern in (_NUMBER, _DATE, _TIME))
