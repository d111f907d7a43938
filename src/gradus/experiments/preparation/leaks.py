"""The column of a table that alone tells the target, as it was read.

Encoded columns do not show it: numbers that are mapped to a normal distribution have no gaps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import numpy as np

from gradus.data import Dataset
from gradus.diagnosis.columns import TellingColumn, telling_column
from gradus.diagnosis.sampling import SAMPLES, drawn_rows


def telling_column_of(table: Dataset, used: Collection[str]) -> TellingColumn | None:
    """Return the numbers of a table that tell its only target best, by name.

    Args:
        table: the training rows.
        used: the names of the columns that are trained on.
    """
    if not isinstance(table.y, np.ndarray) or table.y.ndim > 1:  # several targets
        return None
    names = [name for name in table.feature_names if name in used]
    names = [name for name in names if table.x[name].dtype.is_numeric()]
    if not names:
        return None
    rows = drawn_rows(len(table), SAMPLES)
    numbers = table.x[rows].select(names).cast(float)
    columns = numbers.fill_nan(None).fill_null(strategy="mean").fill_null(0).to_numpy()
    are_classes = bool(table.class_names)
    found = telling_column(columns, table.y[rows], are_classes)
    if found is None:
        return None
    return dataclasses.replace(found, column=names[int(found.column)])
