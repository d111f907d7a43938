"""What the nearest samples tell of labels: how many they contradict, and how many they get wrong.

Source: Northcutt, Jiang & Chuang, "Confident learning: estimating uncertainty in dataset labels"
(2021), with the nearest neighbors in place of a classifier.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradus.data.splitting.strata import class_labels
from gradus.diagnosis.references.features import draw_rows, make_columns, standardize

if TYPE_CHECKING:
    from jaxtyping import Int, PyTree, Shaped

NEIGHBORS = 10
TELLS = 2.0
AGREED, ALONE = 4, 1  # neighbors with the same label at least, and with the sample's own at most
CLASSES = 100  # at most


class Neighbors(NamedTuple):
    """What the `NEIGHBORS` nearest samples tell of a sample's label.

    Attributes:
        error: the share of samples whose label most of them do not have.
        contradicted: the share of samples whose neighbors agree on another label: at least `AGREED`
            have one label, and at most `ALONE` has its own. Where classes overlap, neighbors
            disagree, so that this share is small. None where neighbors do not tell: they share a
            label less than `TELLS` times as often as any two samples.
    """

    error: float
    contradicted: float | None


def ask_neighbors(
    x: PyTree[Shaped[np.ndarray, "samples ..."]],
    y: Shaped[np.ndarray, "samples ..."],
    rows: Int[np.ndarray, "rows"] | None = None,
    codes: Collection[str] = (),
) -> Neighbors | None:
    """Return what neighbors tell of labels; None for other targets, and where samples are few.

    Args:
        x: all inputs.
        y: the label of each, or one-hot rows.
        rows: the samples that are trained on; None for all.
        codes: the names of the inputs that are codes, as in `make_columns`.
    """
    drawn = draw_rows(len(y) if rows is None else len(rows))
    labels: Any = class_labels(y) if drawn is not None and y.ndim <= 2 else None
    if drawn is None or labels is None:
        return None
    drawn = drawn if rows is None else rows[drawn]
    kinds, own = np.unique(labels[drawn], return_inverse=True)
    if not 1 < len(kinds) <= CLASSES:
        return None
    columns = standardize(make_columns(x, drawn, codes), np.ones(len(drawn), bool)).astype(
        np.float32
    )
    squares = np.square(columns).sum(axis=1)
    distances = squares - 2 * columns @ columns.T  # and of each row's own, which is no matter
    np.fill_diagonal(distances, np.inf)
    nearest = np.argpartition(distances, NEIGHBORS, axis=1)[:, :NEIGHBORS]
    votes = np.eye(len(kinds), dtype=np.int32)[own[nearest]].sum(axis=1)
    same = votes[np.arange(len(own)), own]
    error = float((votes.argmax(axis=1) != own).mean())
    if same.mean() / NEIGHBORS < TELLS * np.square(np.bincount(own) / len(own)).sum():
        return Neighbors(error, None)
    contradicted = (same <= ALONE) & (votes.max(axis=1) >= AGREED)
    return Neighbors(error, float(contradicted.mean()))
