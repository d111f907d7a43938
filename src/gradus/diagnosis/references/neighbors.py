"""How many samples have a label that the samples nearest to them contradict.

Source: Northcutt, Jiang & Chuang, "Confident learning: estimating uncertainty in dataset labels"
(2021), with the nearest neighbors in place of a classifier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data.splitting.strata import class_labels
from gradus.diagnosis.references.features import draw_rows, make_columns, standardize

if TYPE_CHECKING:
    from jaxtyping import Int, PyTree, Shaped

NEIGHBORS = 10
TELLS = 2.0
AGREED, ALONE = 4, 1  # neighbors with the same label at least, and with the sample's own at most
CLASSES = 100  # at most


def contradicted_share(
    x: PyTree[Shaped[np.ndarray, "samples ..."]],
    y: Shaped[np.ndarray, "samples ..."],
    rows: Int[np.ndarray, "rows"] | None = None,
) -> float | None:
    """Return the share of samples whose neighbors agree on another label than theirs.

    At least `AGREED` of a sample's `NEIGHBORS` nearest ones have one label, and at most `ALONE` has
    its own. Where classes overlap, neighbors disagree, so that this share is small. None for
    targets that are no classes, where there are few samples, and where neighbors do not tell: they
    share a label less than `TELLS` times as often as any two samples.

    Args:
        x: all inputs.
        y: the label of each, or one-hot rows.
        rows: the samples that are trained on; None for all.
    """
    drawn = draw_rows(len(y) if rows is None else len(rows))
    labels: Any = class_labels(y) if drawn is not None and y.ndim <= 2 else None
    if drawn is None or labels is None:
        return None
    drawn = drawn if rows is None else rows[drawn]
    kinds, own = np.unique(labels[drawn], return_inverse=True)
    if not 1 < len(kinds) <= CLASSES:
        return None
    columns = standardize(make_columns(x, drawn), np.ones(len(drawn), bool)).astype(np.float32)
    squares = np.square(columns).sum(axis=1)
    distances = squares - 2 * columns @ columns.T  # and of each row's own, which is no matter
    np.fill_diagonal(distances, np.inf)
    nearest = np.argpartition(distances, NEIGHBORS, axis=1)[:, :NEIGHBORS]
    votes = np.eye(len(kinds), dtype=np.int32)[own[nearest]].sum(axis=1)
    same = votes[np.arange(len(own)), own]
    if same.mean() / NEIGHBORS < TELLS * np.square(np.bincount(own) / len(own)).sum():
        return None
    alone = same <= ALONE
    return float((alone & (votes.max(axis=1) >= AGREED)).mean())
