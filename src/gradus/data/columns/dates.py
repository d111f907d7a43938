"""Dates and times in text: their order, names of months, times of day, and zones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl

ISO = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
DAY_FIRST = ("%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%y", "%d/%m/%y", "%d-%m-%y")
MONTH_FIRST = ("%m.%d.%Y", "%m/%d/%Y", "%m-%d-%Y", "%m.%d.%y", "%m/%d/%y", "%m-%d-%y")
NAMED = (
    *("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d %B %Y", "%d. %B %Y", "%d. %b %Y"),
    *("%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y", "%d %b %y", "%Y年%m月%d日"),
)
COMPACT = {8: "%Y%m%d", 14: "%Y%m%d%H%M%S", 15: "%Y%m%dT%H%M%S"}
PERIODS = {
    **dict.fromkeys(("%Y-%m", "%Y/%m", "%m/%Y", "%b %Y", "%B %Y", "%b-%Y", "%b-%y"), (" 1", " %d")),
    **dict.fromkeys(("%G-W%V", "%GW%V"), (" 1", " %u")),
    "%G-W%V-%u": ("", ""),
}
"""Months and weeks: what makes their first day of a cell, and of its pattern."""

TIME_ONLY = "%H:%M"
UNIX = "%s"  # or "%s3" for thousandths of a second, "%s6", "%s9"

_ZONES = {
    "Z": 0,
    "UTC": 0,
    "GMT": 0,
    "WET": 0,
    "BST": 1,
    "CET": 1,
    "WEST": 1,
    "CEST": 2,
    "EET": 2,
    "EEST": 3,
    "MSK": 3,
    "JST": 9,
    "EDT": -4,
    "EST": -5,
    "CDT": -5,
    "CST": -6,
    "MDT": -6,
    "MST": -7,
    "PDT": -7,
    "PST": -8,
}
_MONTHS = (  # how they begin in the languages of Western Europe
    *(("Jan", "jan|jän|ene|gen"), ("Feb", "feb|fév|fev"), ("Mar", "mar|mär|maa")),
    *(("Apr", "apr|avr|abr"), ("May", "ma[iyg]|mei"), ("Jun", "jui?n|giu"), ("Jul", "jui?l|lug")),
    *(("Aug", "aug|aoû|aou|ago"), ("Sep", "sep|set"), ("Oct", "oct|okt|ott|out")),
    *(("Nov", "nov"), ("Dec", "dec|déc|dez|dic")),
)
_IN_ENGLISH = (
    *((rf"(?i)\b({begin})\pL*", month) for month, begin in _MONTHS),
    *[(r"(?i)\bde\b ?", "")] * 2,  # 3 de enero de 2020
)
_REWRITTEN = (
    *((rf"(?i)^(\d{{4}})[- ]?Q{q}$", f"$1-{3 * q - 2:02}") for q in (1, 2, 3, 4)),
    *((rf"(?i)^Q{q}[-/ ]?(\d{{4}})$", f"$1-{3 * q - 2:02}") for q in (1, 2, 3, 4)),
    (r"(?i)^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+", ""),  # the day of the week
    (r"^([A-Za-z]{3,9})\s+(\d{1,2}) ([\d:]{4,8}(?: [A-Z]{3,4})?) (\d{4})$", "$1 $2 $4 $3"),
    (r"^(\d{1,2})/([A-Za-z]{3})/(\d{4}):(\d\d:)", "$1 $2 $3 $4"),  # of a web server's log
    (r"(\d{1,2})h(\d{2})$", "$1:$2"),
    (r"\b([A-Za-z]{3})t?\.(\s)", "$1$2"),  # Jan. 3, Sept. 3
)
_TIME = (
    r"(?:(?P<hour>\d{1,3}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d+)?))?"
    r"\s?(?P<half>[AaPp]\.?[Mm]\.?)?\s?(?P<zone>"
    + "|".join(sorted(_ZONES, key=len, reverse=True))
    + r"|[+-]\d{2}:?(?:\d{2})?)?)"
)
_DAYS = r"^(-?\d+) days?,? \+?"  # before the hours of a time span
_CELL = rf"^(?P<date>.*?)(?:[T ,]\s*{_TIME})?$"


@dataclass(frozen=True)
class DateStyle:
    """How dates are written.

    Attributes:
        pattern: of the date, without the time that may follow: "%d.%m.%Y", or `TIME_ONLY`.
        ambiguous: whether the cells may as well have day and month the other way round.
        other: the pattern with day and month the other way round, if they may.
    """

    pattern: str
    ambiguous: bool = False
    other: str = ""


def check_zone(zone: str) -> None:
    """Check that a time zone exists.

    Raises:
        DataError: if it does not.
    """
    import polars as pl

    try:
        pl.Series([0]).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(zone)
    except pl.exceptions.PolarsError:
        raise DataError(f"zone={zone!r} is no time zone: write one such as 'UTC'.") from None


def parse_dates(text: pl.Series, pattern: str, zone: str | None = None) -> pl.Series:
    """Return text as Date, or as Datetime in microseconds if a cell has a time; null if neither.

    A time may follow the date: 14:30, 2:30 PM, 14:30:15.5, with a zone such as Z or +02:00; then it
    is that of `zone`, by default UTC. With `TIME_ONLY` cells are times, of 1970-01-01. A pattern
    with %H is that of the whole cell.

    Raises:
        DataError: if the pattern is none.
    """
    import polars as pl

    if pattern.startswith(UNIX):
        return _unix_times(text, int(pattern[len(UNIX) :] or unix_exponent(text)))
    text = _rewritten(text)
    only_time = pattern == TIME_ONLY
    days = pl.repeat(0, len(text), eager=True)
    if only_time:
        days = text.str.extract(_DAYS).cast(pl.Int64, strict=False).fill_null(0)
        text = ("1970-01-01 " + text.str.replace(_DAYS, "")).alias(text.name)
        pattern = ISO[0]
    elif "%H" in pattern or "%I" in pattern:
        try:
            times = text.str.to_datetime(pattern, strict=False, time_unit="us")
        except pl.exceptions.PolarsError as error:
            raise _no_pattern(pattern, error) from None
        return _local(times, zone) if times.dtype.time_zone else times  # type: ignore[attr-defined]
    fields = text.str.extract_groups(_CELL).struct.unnest()
    dates = _dates(fields["date"], pattern)
    if fields["hour"].null_count() == len(text):
        return dates.alias(text.name)
    hour, half = fields["hour"].cast(pl.Int64), fields["half"].str.to_lowercase().str.slice(0, 1)
    afternoon = pl.Series((half == "p") & (hour < 12)).fill_null(False)
    midnight = pl.Series((half == "a") & (hour == 12)).fill_null(False)
    hour = hour + 12 * afternoon.cast(pl.Int64) - 12 * midnight.cast(pl.Int64)
    second = fields["second"].str.replace(",", ".", literal=True).cast(pl.Float64).fill_null(0.0)
    minutes = (
        days * 1440 + hour * 60 + fields["minute"].cast(pl.Int64) - _offset_minutes(fields["zone"])
    )
    minute = fields["minute"].cast(pl.Int64)
    valid = (((hour < 24) | only_time) & (minute < 60) & (second < 61)).fill_null(True)
    microseconds = (minutes * 60_000_000 + (second * 1e6).round().cast(pl.Int64)).fill_null(0)
    times = dates.cast(pl.Datetime("us")) + microseconds.cast(pl.Duration("us"))
    if zone is not None:
        has_zone = (fields["zone"].fill_null("") != "").fill_null(False)
        times = _local(times.dt.replace_time_zone("UTC"), zone).zip_with(has_zone, times)
    return times.to_frame("t").select(pl.when(valid).then("t").alias(text.name)).to_series()


def infer_date_style(text: pl.Series, day_first: bool | None = None) -> DateStyle | None:
    """Return the style that reads most cells; None if none reads any.

    Where both orders read all cells, "31.01.2010" is read with the day first, "1/2/2010" and
    "1-2-2010" with the month first, unless `day_first` says otherwise.

    Args:
        text: cells without missing ones.
        day_first: the order of the dates elsewhere in the file, if it is known.
    """
    sample = text.head(1000)
    if are_compact(text, few=1):
        return DateStyle(COMPACT[len(text[0])])
    date_like = sample.str.contains(r"\d[-/. ]|[-/. ,]\d|:\d\d|\d[WhQ]\d|\d年")
    if not date_like.mean() > 0.5:  # type: ignore[operator]
        return None
    text = _rewritten(text)
    sample = text.head(1000)
    if sample.str.replace(_DAYS, "").str.contains(f"^{_TIME}$").mean() > 0.9:  # type: ignore[operator]
        return DateStyle(TIME_ONLY)
    fields = text.str.extract_groups(_CELL).struct.unnest()
    counts: dict[str, int] = {}
    iso = ISO if fields["hour"].null_count() < len(text) else ISO[:3]  # only digits are a number
    for pattern in (*iso, *DAY_FIRST, *MONTH_FIRST, *NAMED, *PERIODS):
        if _dates(fields["date"].head(1000), pattern).null_count() < len(sample):
            dates = _dates(fields["date"], pattern)
            counts[pattern] = len(text) - dates.null_count()
    most = max(counts.values(), default=0)
    best = [pattern for pattern, count in counts.items() if count == most]
    if not best:
        return None
    days, months = ([p for p in best if p in order] for order in (DAY_FIRST, MONTH_FIRST))
    if not (days and months):
        return DateStyle(best[0], ambiguous=best[0] == "%b-%y")  # Jan-21 may be a day
    if day_first is not None:
        return DateStyle(days[0] if day_first else months[0])
    chosen = days[0] if days[0].startswith("%d.") else months[0]
    differ = _dates(fields["date"], days[0]) != _dates(fields["date"], months[0])
    other = months[0] if chosen == days[0] else days[0]
    return DateStyle(chosen, ambiguous=bool(differ.any()), other=other)


def are_compact(text: pl.Series, few: int = 8) -> bool:
    """Return whether cells are dates of digits only, such as 20240131, at least `few` of them."""
    if len(text[0]) not in COMPACT or text.n_unique() < few:
        return False
    day = r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
    time = r"([01]\d|2[0-3])[0-5]\d[0-5]\d"
    is_one = text.str.contains(f"^{day}(T?{time})?$") & (text.str.len_chars() == len(text[0]))
    return bool(is_one.all())


def are_unix_times(text: pl.Series) -> bool:
    """Return whether cells may be seconds since 1970, or their thousandths or finer ones."""
    return bool(text.str.contains(r"^\d{10}(\d{3}|\d{6}|\d{9})?(\.\d*)?$").all())


def _rewritten(text: pl.Series) -> pl.Series:
    """Return dates in words in English, without the day of the week, the year before the time."""
    for words, replacements in ((r"\pL{3}", _IN_ENGLISH), (r"\pL", _REWRITTEN)):
        if text.str.contains(words).any():
            for pattern, replacement in replacements:
                text = text.str.replace(pattern, replacement)
    return text


def unix_exponent(text: pl.Series) -> int:
    """Return 0 for seconds since 1970, 3 for their thousandths, 6 or 9 for finer ones."""
    import polars as pl

    largest = float(text.cast(pl.Float64, strict=False).abs().max() or 0)  # type: ignore[arg-type]
    return next((e for e in (0, 3, 6) if largest < 10 ** (11 + e)), 9)


def _unix_times(text: pl.Series, exponent: int) -> pl.Series:
    import polars as pl

    microseconds = (text.cast(pl.Float64, strict=False) * 10.0 ** (6 - exponent)).round()
    return microseconds.cast(pl.Int64, strict=False).cast(pl.Datetime("us"))


def _local(times: pl.Series, zone: str | None) -> pl.Series:
    """Return times with a zone as those of another, or of UTC, without it."""
    return times.dt.convert_time_zone(zone or "UTC").dt.replace_time_zone(None)


def _no_pattern(pattern: str, error: Exception) -> DataError:
    reason = str(error).split("\n")[0].strip().rstrip(".")
    return DataError(f"date={pattern!r} is no pattern of dates ({reason}): write '%d.%m.%Y'.")


def _dates(text: pl.Series, pattern: str) -> pl.Series:
    """Return text as Date; null if it is none, or its year has other digits than `%Y`."""
    import polars as pl

    first_day, field = PERIODS.get(pattern, ("", ""))
    text, pattern = (text + first_day).alias(text.name), pattern + field
    try:
        dates = text.str.to_date(pattern, strict=False)
    except pl.exceptions.PolarsError as error:
        raise _no_pattern(pattern, error) from None
    if "%Y" not in pattern:
        return dates
    valid = (dates.dt.year() >= 1000).fill_null(False)
    return dates.to_frame("d").select(pl.when(valid).then("d").alias(text.name)).to_series()


def _offset_minutes(zone: pl.Series) -> pl.Series:
    """Return what a zone such as +02:00 is ahead of UTC, in minutes; 0 without one."""
    import polars as pl

    digits = zone.str.replace(":", "", literal=True)
    named = zone.replace_strict(_ZONES, default=None, return_dtype=pl.Int64)
    hours = digits.str.slice(0, 3).cast(pl.Int64, strict=False).fill_null(0)
    minutes = digits.str.slice(3, 2).cast(pl.Int64, strict=False).fill_null(0)
    negative = digits.str.starts_with("-").fill_null(False).cast(pl.Int64)
    offset = hours * 60 + minutes * (1 - 2 * negative)
    return offset.zip_with(named.is_null(), named * 60)
