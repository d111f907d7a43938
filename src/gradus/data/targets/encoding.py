"""The values of a target as a network learns them: labels, flags, and standardized numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data.arrays import as_numpy
from gradus.data.columns.conversions import match_names, to_names
from gradus.data.splitting.strata import class_labels
from gradus.data.targets.values import column_names_of
from gradus.errors import DataError, nearest

if TYPE_CHECKING:
    import polars as pl


def encode_labels(column: pl.Series, classes: Sequence[str], name: str) -> np.ndarray:
    """Return the number of the class of each row, int32 (n,).

    Raises:
        DataError: for a value that is missing, or no class (with the nearest one).
    """
    labels = match_names(column, classes)
    if (labels < 0).any():
        row = int(labels.argmin())
        raise _unknown_class(to_names(column)[row], row, classes, name)
    return labels


def encode_one_hot(values: Any, classes: Sequence[str], name: str) -> np.ndarray:
    """Return the number of the class of each one-hot row, int32 (n,).

    Args:
        values: shape (n, classes); the columns of a frame are classes by name, unless numbered.
        classes: their names.
        name: of the target.

    Raises:
        DataError: for rows that are not one-hot, or columns that are not the classes.
    """
    classes, names, rows = tuple(classes), column_names_of(values), as_numpy(values, name)
    labels = class_labels(rows)
    if labels is None or rows.shape[1] != len(classes):
        raise DataError(
            f"The target {name!r} has shape {rows.shape}: pass labels of shape (n,), or "
            f"one-hot rows of {len(classes)} classes."
        )
    numbered = tuple(map(str, range(rows.shape[1])))
    if not names or numbered in (names, classes):
        return labels.astype(np.int32)
    if sorted(names) != sorted(classes):
        raise DataError(
            f"The target {name!r} has the columns {', '.join(names)}, but its classes are "
            f"{', '.join(classes)}: name the columns so."
        )
    return np.array([classes.index(column) for column in names], np.int32)[labels]


def encode_flags(values: np.ndarray, labels: Sequence[str], name: str) -> np.ndarray:
    """Return flags (n, k) of several labels as int32.

    Raises:
        DataError: for another number of labels, or a value that is not 0 or 1.
    """
    if values.ndim != 2 or values.shape[1] != len(labels):
        raise DataError(
            f"The target {name!r} has shape {values.shape}, not one column of 0 and 1 "
            f"for each of the {len(labels)} labels {', '.join(labels)}."
        )
    known = (values == 0) | (values == 1)
    if not known.all():
        row, column = np.argwhere(~known)[0].tolist()
        raise DataError(
            f"The target {labels[column]!r} is {values[row, column]:g} in row {row} "
            "(counted from 0), not 0 or 1."
        )
    return values.astype(np.int32)


def encode_numbers(
    outputs: np.ndarray, mean: Sequence[float], std: Sequence[float], name: str
) -> np.ndarray:
    """Return the numbers (n, k) of a regression as (outputs - mean) / std, float32.

    Raises:
        DataError: for another number of columns, or a value that is missing or infinite.
    """
    if outputs.shape[1] != len(mean):
        raise DataError(f"The target {name!r} has {outputs.shape[1]} columns, not {len(mean)}.")
    if not np.isfinite(outputs).all():
        row = int(np.argmin(np.isfinite(outputs).all(axis=1)))
        raise DataError(f"The target {name!r} is missing or infinite in row {row}.")
    scaled = (outputs - np.asarray(mean)) / np.asarray(std)
    return np.clip(scaled, -1e30, 1e30).astype(np.float32)


def _unknown_class(key: str | None, row: int, classes: Sequence[str], name: str) -> DataError:
    if key is None:
        return DataError(f"The target {name!r} is missing in row {row} (counted from 0).")
    close = nearest(key, classes)
    hint = f" Did you mean {close!r}?" if close else ""
    return DataError(
        f"The target {name!r} is {key!r} in row {row} (counted from 0), which is none of "
        f"the classes {', '.join(classes)}.{hint}"
    )
