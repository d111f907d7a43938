"""What the samples of validation have in common with those of training: rows, scale, and mean."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from gradus.data.array_trees import named_leaves
from gradus.rng import host_rng

if TYPE_CHECKING:
    from jaxtyping import Int, PyTree, Shaped

ROWS = 500  # at most so many rows of each part are looked for
AMONG = 20_000  # at most so many training rows
KEYS = 12, 64  # columns by which rows that may be equal are told: neighbors, then spread out
WIDTH = 1_024  # at most so many columns of these are then compared
NUMBERS = 2_000_000  # of these, above which it takes too long
VALUES = 150_000  # numbers from which moments are taken
FEWEST = 20  # rows of which moments say something


class Part(NamedTuple):
    """Some samples.

    Attributes:
        x: arrays of inputs.
        y: their targets, or None.
        rows: which of them; None for all.
    """

    x: PyTree[Shaped[np.ndarray, "samples ..."]]
    y: PyTree[Shaped[np.ndarray, "samples ..."]] | None = None
    rows: Int[np.ndarray, "rows"] | None = None

    @property
    def size(self) -> int:
        """How many samples."""
        return len(jax.tree.leaves(self.x)[0]) if self.rows is None else len(self.rows)

    def sample(self, count: int) -> Int[np.ndarray, "rows"]:
        """Return the numbers of at most so many rows, drawn whatever their order."""
        if self.size <= count:
            return np.arange(self.size) if self.rows is None else self.rows
        drawn = np.sort(host_rng(0, "comparison").choice(self.size, count, replace=False))
        return drawn if self.rows is None else self.rows[drawn]


@dataclasses.dataclass(frozen=True)
class Shift:
    """How an array of inputs differs in another part of the samples: medians over its columns.

    Attributes:
        name: what errors call the array, as "x".
        columns: how many columns vary in both parts, those of flags left out if there are others.
        scale: the mean absolute deviation, as a multiple of that of training.
        move: the distance of the means, as a multiple of the deviation of training.
        noise: the standard error of both in a single column, by the number of rows; of rows that
            are alike by that of as many independent ones as tell as much.
        likeness: the correlation of neighboring training rows, or if it is larger that of their
            distances from the mean, from 0 to 1.
        overlaps: whether the rows are windows of a series that share most of their values.
    """

    name: str
    columns: int
    scale: float
    move: float
    noise: float
    likeness: float = 0.0
    overlaps: bool = False


@dataclasses.dataclass(frozen=True)
class PartComparison:
    """Another part of the samples, compared with that of training.

    Attributes:
        part: its name: "validation" or "test".
        looked: how many of its rows were looked for in training.
        seen: the share of the training rows that was looked through.
        shared: how many of the rows that were looked for are there, with equal inputs and targets.
        repeated: the share of training rows that another one there equals.
        different: how many different rows there are, as a share of the training rows looked at.
        shifts: of its arrays of inputs.
    """

    part: str
    looked: int = 0
    seen: float = 1.0
    shared: int = 0
    repeated: float = 0.0
    different: float = 1.0
    shifts: tuple[Shift, ...] = ()


def compare_parts(training: Part, other: Part, part: str) -> PartComparison:
    """Return what another part of the samples has in common with that of training.

    Args:
        training: what is trained on.
        other: the other part, of the same inputs.
        part: the name of the other part.
    """
    shifts = []
    if min(training.size, other.size) >= FEWEST:
        others = dict(named_leaves(other.x, "x"))
        for name, before in named_leaves(training.x, "x"):
            if before.shape[1:] == others[name].shape[1:]:  # sequences may be shorter
                shift = _shift(name, training._replace(x=before), other._replace(x=others[name]))
                shifts += [shift] if shift is not None else []
    return PartComparison(part, *_shared_rows(training, other), tuple(shifts))


def _shift(name: str, training: Part, other: Part) -> Shift | None:
    """Return how an array differs; None if no column varies in both parts."""
    before, after = (part.sample(ROWS) for part in (training, other))
    width = training.x[0].size
    columns = _spread_out(width, max(1, VALUES // max(len(before), len(after))))
    parts = [
        _columns(part.x, rows, columns).astype(np.float64)
        for part, rows in ((training, before), (other, after))
    ]
    means = [part.mean(axis=0) for part in parts]
    distances = [np.abs(part - mean) for part, mean in zip(parts, means, strict=True)]
    deviations = [each.mean(axis=0) for each in distances]
    varies = np.logical_and(*(each > 0 for each in deviations))
    # The share of a flag may change; it is counted only where there is nothing else.
    amounts = varies & ~(
        (parts[0] == parts[0].min(axis=0)) | (parts[0] == parts[0].max(axis=0))
    ).all(axis=0)
    varies = amounts if amounts.any() else varies
    if not varies.any():
        return None
    trained, others = (each[varies] for each in deviations)
    likeness = _likeness(training, before, columns[varies])
    # The variance of a mean absolute deviation is that of the distances over the number of rows.
    # Rows of a series are alike, so later ones may differ more than as many independent ones.
    told = (1 - likeness) / (1 + likeness)
    errors = [
        each[:, varies].var(axis=0)
        / np.square(each[:, varies].mean(axis=0))
        / max(1.0, min(len(each), part.size * told))
        for each, part in zip(distances, (training, other), strict=True)
    ]
    return Shift(
        name=name,
        columns=int(varies.sum()),
        scale=float(np.median(others / trained)),
        move=float(np.median(np.abs(means[1] - means[0])[varies] / trained)),
        noise=float(np.median(np.sqrt(errors[0] + errors[1]))),
        likeness=likeness,
        overlaps=_overlaps(training.x),
    )


def _likeness(part: Part, rows: Int[np.ndarray, "rows"], columns: np.ndarray) -> float:
    """Return `Shift.likeness` of some rows and columns: the median over the columns."""
    rows = rows[rows < len(part.x) - 1]
    if len(rows) < FEWEST:
        return 0.0
    own, following = (
        _columns(part.x, each, columns).astype(np.float64) for each in (rows, rows + 1)
    )
    mean = own.mean(axis=0)
    found = [0.0]
    pairs = (own - mean, following - mean), (np.abs(own - mean), np.abs(following - mean))
    for pair in pairs:
        a, b = (each - each.mean(axis=0) for each in pair)
        total = np.sqrt(np.square(a).sum(axis=0) * np.square(b).sum(axis=0))
        known = total > 0
        if known.any():
            found.append(float(np.median((a * b).sum(axis=0)[known] / total[known])))
    return max(found)


def _overlaps(x: Shaped[np.ndarray, "samples ..."]) -> bool:
    """Whether each row continues the one before, some steps later, as windows of a series do."""
    if x.ndim not in (2, 3):
        return False
    steps, few = x.shape[1], x[: FEWEST + 1]
    return any(
        bool((few[1, 0] == few[0, step]).all())  # which is seldom so, and soon known
        and bool((few[1:, : steps - step] == few[:-1, step:]).all())
        and bool((few[1:] != few[:-1]).any())
        for step in range(1, steps // 2 + 1)
    )


def _shared_rows(training: Part, other: Part) -> tuple[int, float, int, float, float]:
    """Return what a comparison says of equal rows, and none if it takes too long."""
    leaves = _leaves(training), _leaves(other)
    if [leaf[0].size for leaf in leaves[0]] != [leaf[0].size for leaf in leaves[1]]:
        return 0, 1.0, 0, 0.0, 1.0
    among, others = training.sample(AMONG), other.sample(ROWS)
    own = among[:: math.ceil(len(among) / ROWS)]
    kept = [_spread_out(leaf.shape[1], WIDTH) for leaf in leaves[0]]
    near = (_telling_columns(leaf, own, KEYS[0]) for leaf in leaves[0])
    apart = (slice(None, None, max(1, math.ceil(leaf.shape[1] / KEYS[1]))) for leaf in leaves[0])
    for keys in (list(near), list(apart)):
        known = _hashes(leaves[0], among, keys)
        looked_for = _hashes(leaves[1], others, keys), _hashes(leaves[0], own, keys)
        wanted = np.sort(np.concatenate(looked_for))
        found = np.minimum(np.searchsorted(wanted, known), len(wanted) - 1)
        candidates = among[wanted[found] == known]
        if len(candidates) * sum(map(len, kept)) <= NUMBERS:
            times = Counter(_rows(leaves[0], candidates, kept))
            shared = sum(row in times for row in _rows(leaves[1], others, kept))
            looked_at = _rows(leaves[0], own, kept)
            repeated = sum(times[row] > 1 for row in looked_at) / len(own)
            different = len(set(looked_at)) / len(own)
            return len(others), len(among) / training.size, shared, repeated, different
    return 0, 1.0, 0, 0.0, 1.0


def _leaves(part: Part) -> list[np.ndarray]:
    """Return the arrays of a part: of inputs, and of targets if they are arrays."""
    leaves = [*jax.tree.leaves(part.x), *([] if part.y is None else jax.tree.leaves(part.y))]
    return [leaf.reshape(len(leaf), -1) for leaf in leaves]


def _telling_columns(
    array: Shaped[np.ndarray, "samples width"], rows: np.ndarray, count: int
) -> slice:
    """Return neighboring columns that vary most together: reading those of a row is fast."""
    width = array.shape[1]
    few = rows[: max(FEWEST, VALUES // max(1, width))]
    varies = array[few].astype(np.float64).var(axis=0)
    total = np.concatenate([[0.0], np.cumsum(varies)])
    start = int(np.argmax(total[count:] - total[:-count])) if width > count else 0
    return slice(start, start + count)


def _spread_out(width: int, count: int) -> Int[np.ndarray, "columns"]:
    """Return at most so many of the columns, evenly spread."""
    return np.unique(np.linspace(0, width - 1, min(width, count)).astype(int))


def _columns(
    array: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> Shaped[np.ndarray, "rows columns"]:
    """Return some columns of some rows."""
    flat = array.reshape(len(array), -1)[rows]
    return flat if len(columns) == flat.shape[1] else flat[:, columns]


def _hashes(
    leaves: list[np.ndarray], rows: np.ndarray, columns: list[slice]
) -> Int[np.ndarray, "rows"]:
    """Return a number for each row that equal rows have in common."""
    total = np.zeros(len(rows), np.uint32)
    for leaf, chosen in zip(leaves, columns, strict=True):
        numbers = (leaf[:, chosen][rows].astype(np.float32) + 0).T  # -0 is 0
        for bits in np.ascontiguousarray(numbers).view(np.uint32):
            total = (total ^ bits) * np.uint32(0x9E3779B1)
            total ^= total >> np.uint32(15)
    return total


def _rows(leaves: list[np.ndarray], rows: np.ndarray, columns: list[np.ndarray]) -> list[bytes]:
    """Return some columns of some rows as bytes."""
    parts = [
        _columns(leaf, rows, chosen).astype(np.float64) + 0  # exact, and -0 is 0
        for leaf, chosen in zip(leaves, columns, strict=True)
    ]
    return [row.tobytes() for row in np.concatenate(parts, axis=1)]
