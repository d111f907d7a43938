"""Dates in text, against those that Python formats."""

from datetime import date, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradus.data import TableOptions, TablePreprocessor, load
from gradus.data.columns.dates import (
    DAY_FIRST,
    ISO,
    MONTH_FIRST,
    NAMED,
    infer_date_style,
    parse_dates,
)
from gradus.errors import DataError

# Every one has a day after the twelfth, so that their order can be told.
DAYS = st.lists(st.dates(date(1970, 1, 1), date(2037, 12, 31)), min_size=1, max_size=9).map(
    lambda days: [*days, date(1999, 1, 31)]
)


@given(DAYS, st.sampled_from([*ISO[:3], *DAY_FIRST, *MONTH_FIRST, *NAMED]))
def test_written_dates_are_read_again(days, pattern):
    text = pl.Series("a", [f"{day:{pattern}}" for day in days])
    style = infer_date_style(text)
    assert style is not None
    assert parse_dates(text, style.pattern).to_list() == days


@given(
    st.lists(st.datetimes(datetime(1980, 1, 1), datetime(2037, 1, 1)), min_size=1, max_size=9),
    st.sampled_from(
        ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %I:%M %p", "%Y/%m/%d %H:%M:%S.%f"]
    ),
)
def test_times_may_follow(times, pattern):
    text = pl.Series("a", [f"{time:{pattern}}" for time in times])
    expected = [datetime.strptime(cell, pattern) for cell in text]
    assert parse_dates(text, infer_date_style(text).pattern).to_list() == expected


def test_zones_are_of_utc_and_cells_may_differ():
    cells = ["2024-01-05 10:30", "2024-01-05T10:30:15.25Z", "2024-01-06 10:30+02:00",
             "2024-01-06 10:30-0330", "2024-01-05", "x", "2024-01-05 25:00"]  # fmt: skip
    assert parse_dates(pl.Series("a", cells), ISO[0]).to_list() == [
        datetime(2024, 1, 5, 10, 30), datetime(2024, 1, 5, 10, 30, 15, 250000),
        datetime(2024, 1, 6, 8, 30), datetime(2024, 1, 6, 14, 0), datetime(2024, 1, 5), None, None,
    ]  # fmt: skip
    times = parse_dates(pl.Series("a", ["10:30", "9:15 PM"]), "%H:%M").to_list()
    assert times == [datetime(1970, 1, 1, 10, 30), datetime(1970, 1, 1, 21, 15)]


@pytest.mark.parametrize(
    ("cells", "pattern", "ambiguous"),
    [
        (["1/2/2010", "2/3/2011"], "%m/%d/%Y", True),
        (["1/13/2010"], "%m/%d/%Y", False),
        (["13/1/2010"], "%d/%m/%Y", False),
        (["01.02.2010"], "%d.%m.%Y", True),
        (["1/1/2010", "2/2/2010"], "%m/%d/%Y", False),
    ],
)
def test_the_order_of_day_and_month(cells, pattern, ambiguous):
    style = infer_date_style(pl.Series("a", cells))
    assert (style.pattern, style.ambiguous) == (pattern, ambiguous)
    assert infer_date_style(pl.Series("a", ["1/2/2010"]), day_first=True).pattern == "%d/%m/%Y"


def test_words_and_numbers_are_no_dates():
    for cells in (["x", "y"], ["1", "20240105"], ["1.5", "2.25"], ["3-4", "x-y"]):
        assert infer_date_style(pl.Series("a", cells)) is None


@pytest.mark.parametrize(
    ("cell", "second", "expected"),
    [
        ("Mon Jan 13 08:25:07 2020", "Sun Jan 5 00:00:00 2020", datetime(2020, 1, 13, 8, 25, 7)),
        ("Mon, 13 Jan 2020 08:25:07 +0200", "5 Jan 2020", datetime(2020, 1, 13, 6, 25, 7)),
        (
            "13/Jan/2020:08:25:07 +0000",
            "05/Jan/2020:00:00:00 +0000",
            datetime(2020, 1, 13, 8, 25, 7),
        ),
        ("2020-01-13 08:25 EST", "2020-01-14 08:25 PDT", datetime(2020, 1, 13, 13, 25)),
        ("Monday, January 13, 2020", "Sunday, March 1, 2020", date(2020, 1, 13)),
        ("Sept. 3, 2020", "Jan. 30, 2020", date(2020, 9, 3)),
        ("2020-03", "2021-12", date(2020, 3, 1)),
        ("03/2020", "12/2021", date(2020, 3, 1)),
        ("Mar 2020", "Dec 2021", date(2020, 3, 1)),
        ("2020-W53", "2021-W01", date(2020, 12, 28)),
        ("2020-W53-7", "2021-W01-1", date(2021, 1, 3)),
        ("20200113", "20211231", date(2020, 1, 13)),
        ("20200113082507", "20211231000000", datetime(2020, 1, 13, 8, 25, 7)),
        ("08h25", "23h59", datetime(1970, 1, 1, 8, 25)),
        ("3. März 2020", "1. Mai 2021", date(2020, 3, 3)),
        ("14 août 2020", "2 févr. 2021", date(2020, 8, 14)),
        ("3 de enero de 2020", "15 de dic. de 2021", date(2020, 1, 3)),
        ("2 gennaio 2020", "9 luglio 2021", date(2020, 1, 2)),
        ("2020年1月31日", "2021年12月1日", date(2020, 1, 31)),
        ("2020Q3", "2021Q1", date(2020, 7, 1)),
        ("Q3 2020", "Q1 2021", date(2020, 7, 1)),
        ("2 days 01:30:00", "0 days 00:00:00.5", datetime(1970, 1, 3, 1, 30)),
        ("1 day, 1:30:00", "-1 days +23:00:00", datetime(1970, 1, 2, 1, 30)),
        ("125:10:00", "3:00:00", datetime(1970, 1, 6, 5, 10)),  # a duration
    ],
)
def test_dates_as_programs_write_them(cell, second, expected):
    text = pl.Series("a", [cell, second])
    values = parse_dates(text, infer_date_style(text).pattern)
    assert (values[0], values.null_count()) == (expected, 0)


@pytest.mark.parametrize("exponent", [0, 3, 6])
def test_unix_times(exponent):
    text = pl.Series("a", [str(1_700_000_000 * 10**exponent)])
    assert parse_dates(text, "%s").to_list() == [datetime(2023, 11, 14, 22, 13, 20)]


@pytest.mark.parametrize(
    ("cells", "other"), [(["05.01.2023", "06.02.2023"], "%m.%d.%Y"), (["5/1/2023"], "%d/%m/%Y")]
)
def test_the_other_order_of_an_ambiguous_date_reads_it_too(cells, other):
    style = infer_date_style(pl.Series("a", cells))
    assert style.other == other
    assert parse_dates(pl.Series("a", cells), style.other).null_count() == 0


def test_times_with_a_zone_are_of_the_zone_that_was_learned():
    times = pd.date_range("2024-02-01", periods=60, freq="41h", tz="Europe/Paris")
    fitted = TablePreprocessor.fit({"t": times})
    row = fitted.transform({"t": times})[30:31]
    for text in (times[30].isoformat(), str(times[30].tz_convert("UTC")), str(times[30])[:19]):
        assert (fitted.transform({"t": [text]}) == row).all()


def test_a_unix_time_alone_is_what_it_is_among_others():
    seconds = np.random.default_rng(0).integers(1_500_000_000, 1_700_000_000, 40)
    thousandths = [str(1000 * second) for second in seconds.tolist()]
    for pattern in ({}, {"date": "%s"}):
        options = TableOptions(columns={"t": {"kind": "date", **pattern}})
        fitted = TablePreprocessor.fit({"t": thousandths}, options=options)
        both = fitted.transform({"t": ["31536000000", thousandths[0]]})
        assert (fitted.transform({"t": ["31536000000"]}) == both[:1]).all()


def test_digits_with_a_time_are_dates():
    text = pl.Series("a", ["20240131 10:30:00Z", "20240201 00:00:00Z"])
    assert infer_date_style(text).pattern == "%Y%m%d"
    assert parse_dates(text, "%Y%m%d")[0] == datetime(2024, 1, 31, 10, 30)


@pytest.mark.parametrize("setting", [{"date": "%Y-%m-%d %H"}, {"date": "%Q"}, {"zone": "Mars/X"}])
def test_no_pattern_and_no_zone(setting):
    with pytest.raises(DataError, match=next(iter(setting))):
        load({"t": ["2024-01-31", "2024-02-01"]}, options=TableOptions(columns={"t": setting}))


@given(
    st.sampled_from(["%d. %B %Y", "%d %b %Y", "%B %d, %Y", "%d-%b-%Y"]),
    DAYS,
)
def test_months_in_english_are_what_they_were(pattern, days):
    text = pl.Series("a", [day.strftime(pattern) for day in days])
    assert parse_dates(text, infer_date_style(text).pattern).to_list() == days
    assert parse_dates(text, pattern).to_list() == days


def test_years_of_two_digits_in_the_future_are_told():
    cells = [
        f"{day:02}.{month:02}.{year}"
        for day, month, year in zip(range(13, 28), [5] * 15, range(50, 65), strict=True)
    ]
    assert "'13.05.50' is read as a day of 2050" in load({"a": cells}).notes[0]
    assert load({"a": [cell[:6] + "19" + cell[6:] for cell in cells]}).notes == ()
