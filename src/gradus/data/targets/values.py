"""Raw values of a target as rows, columns, or numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.data.arrays import as_numpy
from gradus.data.columns.formats import ColumnFormat
from gradus.data.frames import column_name
from gradus.data.table_options import TableOptions
from gradus.data.tables import Table, as_table
from gradus.errors import DataError


def is_wide(values: Any) -> bool:
    """Return whether values are a matrix of another width than 1."""
    return _axes(values) == 2 and np.shape(values)[1] != 1


def as_rows(values: Any, name: str) -> Any:
    """Return target values, a list of rows or a sparse matrix as an array."""
    nested = isinstance(values, list | tuple) and len(values) > 0
    if hasattr(values, "toarray") or (nested and isinstance(values[0], list | tuple)):
        return as_numpy(values, name)
    return values


def column_names_of(values: Any) -> tuple[str, ...]:
    """Return the names of the columns of a frame; none for an array."""
    return tuple(map(column_name, getattr(values, "columns", ())))


def as_column(values: Any, name: str, as_classes: bool) -> Table:
    """Return target values as the column `name` of a table; its kind is inferred or classes.

    Raises:
        DataError: if they are not of shape (n,) or (n, 1), or there are none.
    """
    if _axes(values) == 2:
        values = np.asarray(values)[:, 0]
    if not hasattr(values, "__len__") or _axes(values) != 1:
        raise DataError(f"The target {name!r} must have shape (n,) or (n, 1).")
    if len(values) == 0:
        raise DataError(f"The target {name!r} has no rows.")
    if hasattr(values, "__array__") and not hasattr(values, "dtype"):
        values = np.asarray(values)
    columns = {name: ColumnFormat("category")} if as_classes else {}
    return as_table({name: values}, TableOptions(columns=columns))


def as_outputs(outputs: Any) -> np.ndarray:
    """Return the outputs of a network as an array of numbers.

    Raises:
        DataError: for what is not numbers, or only one.
    """
    array = as_numpy(outputs, "outputs")
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        raise DataError(
            f"{str(outputs)[:60]!r} is no output: write the numbers of a network, (n,)."
        )
    return array


def _axes(values: Any) -> int:
    return len(getattr(values, "shape", (0,)))
