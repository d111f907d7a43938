"""What the arguments of `pandas.read_csv` and `read_excel` are where gradus reads a table."""

from __future__ import annotations

TABLE_OPTIONS = {
    "delimiter": '`separator=";"`',
    "dtype": '`columns={"zip": "category"}`',
    "na_values": '`missing=["-"]`',
    "names": "`header=False`: the columns are then column_1, column_2, …",
    "parse_dates": '`columns={"day": "date"}`',
    "sep": '`separator=";"`',
    "sheet_name": '`sheet="2024"`',
}
LOAD = {
    name: f"`options=gr.data.TableOptions({setting})`"
    for name, setting in {
        "columns": 'columns={"zip": "category"}',
        "decimal": 'decimal=","',
        "delimiter": 'separator=";"',
        "dtype": 'columns={"zip": "category"}',
        "encoding": 'encoding="latin-1"',
        "header": "header=False",
        "missing": 'missing=["-"]',
        "na_values": 'missing=["-"]',
        "parse_dates": 'columns={"day": "date"}',
        "sep": 'separator=";"',
        "separator": 'separator=";"',
        "sheet": 'sheet="2024"',
        "sheet_name": 'sheet="2024"',
    }.items()
}
