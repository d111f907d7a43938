"""Rows in the order of time that were held out at random, between rows of training.

The rows of a table stand in the order of a column of dates, and the targets of neighbors are alike
by more than `ALIKE` and by more than chance gives, 3 / √n. Such a validation is easier than what
comes after the last row; as only the past may be of interest, it is a note. Source: Kapoor &
Narayanan, "Leakage and the reproducibility crisis in machine-learning-based science" (2023),
"temporal leakage".
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "leak"
ALIKE = 0.3


def find(record: Record) -> Iterator[Finding]:
    """Yield a note if validation was drawn from between rows that are alike."""
    order = record.order
    if order is None or order.likeness <= max(ALIKE, 3 / math.sqrt(order.rows)):
        return
    yield Finding(
        message=(
            f"The rows are sorted by {order.column!r}, and validation was drawn at random from "
            "among them."
        ),
        why=(
            "Neighboring rows have similar targets, so training reveals them. The score says less "
            "about later rows."
        ),
        remedy=f"Hold out the latest rows instead: --split-by-time {shlex.quote(order.column)}.",
        severity="note",
        evidence={"likeness of neighbors": {"value": order.likeness, "threshold": ALIKE}},
    )
