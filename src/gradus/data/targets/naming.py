"""Which columns of a table are its targets, as users name or number them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gradus.data.frames import column_name
from gradus.data.tables import Table
from gradus.errors import DataError, no_column

TargetName = str | int | Sequence[str | int]
"""The name or number of a target column, or those of several; "a,b" names several, too."""


def is_in_first_row(table: Table, target: TargetName | None) -> bool:
    """Return whether a file's first row, taken for data, names the target."""
    if target is None or table.options.header is not False or target in table.source.columns:
        return False
    if table.source.height < 2:
        return False
    first = table.source.row(0)
    return str(target) in first or all(str(part) in first for part in _target_parts(target))


def _target_parts(target: TargetName) -> list[str | int]:
    """Return the names or numbers of the several columns that a target may name."""
    if isinstance(target, str):
        return [part.strip() for part in target.split(",")]
    return list(target) if isinstance(target, Sequence) else [target]


def find_targets(target: TargetName, table: Table) -> tuple[str, ...]:
    """Return the names of the target columns; a column whose own name has a comma comes first.

    Raises:
        DataError: if there is no such column, or one is named twice.
    """
    if column_name(target) in table.source.columns:
        return (column_name(target),)
    found = tuple(_find_target(part, table) for part in _target_parts(target))
    if not found:
        raise DataError("target=[] names no column: leave it out, or name one.")
    for index, name in enumerate(found):
        if name in found[:index]:
            raise DataError(f"The target {name!r} is named twice: write each column once.")
    return found


def _find_target(target: str | int, table: Table) -> str:
    """Return the name of the target column, which may be given by its number.

    Raises:
        DataError: if there is no such column.
    """
    names = table.source.columns
    if column_name(target) in names:
        return column_name(target)
    if re.fullmatch(r"-?\d+", str(target)):
        number = int(target)
        if 1 <= abs(number) <= len(names):
            return names[number - 1 if number > 0 else number]
    error = no_column(target, names, "target column")
    index = next((note for note in table.notes if note.startswith(f"the index {target!r}")), None)
    if index is not None:
        raise DataError(f"{error} But {index}.")
    sheet = next((note for note in table.notes if note.startswith("the sheet ")), None)
    if sheet is not None:
        raise DataError(f"{error} Note that {sheet}.")
    if table.options.header is False:
        raise DataError(
            f"{error} The file has no header, so a column goes by its number: target={len(names)}, "
            "or -1 for the last."
        )
    if len(names) > 1 or table.options.header is None:
        raise error
    raise DataError(
        f"{error} The file is read as one column: if something else than a comma, semicolon, tab, "
        "or bar divides its values, say so: separator=…; a file of fixed widths must become a .csv."
    )
