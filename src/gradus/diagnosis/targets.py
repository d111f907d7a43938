"""Statistics of targets: their classes, the loss of a constant, and what a loss makes of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradus.data.splitting.strata import class_labels
from gradus.diagnosis.record_entries import TargetRecord
from gradus.diagnosis.sampling import sampled
from gradus.objectives.loss import Loss
from gradus.objectives.targets import extremes
from gradus.rng import host_rng

if TYPE_CHECKING:
    from jaxtyping import Float, Int

MOST_CLASSES = 100_000  # whose samples are counted
TRIED, GRID = 5, 41  # samples and predictions that a custom loss is tried on
SAME = 1e-6  # of the spread of losses: they are the same


def target_record(
    values: Any, kind: str, weight: Float[np.ndarray, "samples"] | None = None
) -> TargetRecord | None:
    """Return the statistics of the targets of an output, or None where they are no array.

    Args:
        values: the targets.
        kind: what the loss takes them for: "values", "classes", or "flags".
        weight: of each in the loss; None for 1.
    """
    if not isinstance(values, np.ndarray) or not values.size or values.dtype.kind not in "biuf":
        return None
    count, sample = len(values), sampled(values)
    least, greatest = extremes(values)
    weight = np.ones(count) if weight is None else weight
    numbers = sample.reshape(len(sample), -1).astype(np.float64)
    is_flags = bool(np.isin(numbers, (0, 1)).all())
    one_hot = is_flags and numbers.shape[1] > 1 and bool((numbers.sum(axis=1) == 1).all())
    labels = class_indices(values) if kind != "values" or one_hot else None
    counts = () if labels is None else tuple(np.bincount(labels).tolist())
    return TargetRecord(
        count=count,
        minimum=least,
        maximum=greatest,
        mean=float(numbers.mean()),
        deviation=float(numbers.std(axis=0).max()),
        constant_losses=_constant_losses(numbers, is_flags, sampled(weight))
        | ({} if labels is None else {"categorical": _constant_entropy(labels, weight)}),
        counts=counts,
        one_hot=one_hot,
        several=is_flags and numbers.shape[1] > 1 and not one_hot,
        constant=float((np.ptp(numbers, axis=0) == 0).mean()),
    )


def class_indices(values: np.ndarray) -> np.ndarray | None:
    """Return the labels of targets that are classes, as they are if they may count from 0."""
    labels = class_labels(values)
    if labels is None or (values.ndim == 2 and values.shape[1] > 1):
        return labels
    given = values.reshape(-1)
    is_index = given.min() >= 0 and given.max() < MOST_CLASSES
    return given.astype(int) if is_index else labels


def _constant_losses(
    numbers: Float[np.ndarray, "samples columns"],
    is_flags: bool,
    weight: Float[np.ndarray, "samples"],
) -> dict[str, float]:
    """Return by the name of a loss that of the best constant for each column."""
    total = weight.sum()
    if not total > 0:
        return {}

    def mean(of: np.ndarray) -> np.ndarray:
        return weight @ of / total

    variance = float(mean(np.square(numbers - mean(numbers))).mean())
    absolute = float(mean(np.abs(numbers - _medians(numbers, weight))).mean())
    scale = float(total / len(weight))
    losses = {
        "mean_squared_error": scale * variance,
        "root_mean_squared_error": (scale * variance) ** 0.5,
        "mean_absolute_error": scale * absolute,
    }
    if is_flags:
        from scipy.special import entr

        # Rounded, as the loss of a constant is exactly 0 where one flag is never seen.
        shares = np.clip(mean(numbers), 0, 1).round(12)
        losses["binary_crossentropy"] = scale * float((entr(shares) + entr(1 - shares)).mean())
    return losses


def _medians(
    numbers: Float[np.ndarray, "samples columns"], weight: Float[np.ndarray, "samples"]
) -> Float[np.ndarray, "columns"]:
    """Return the number of each column below which half of the weight lies."""
    if (weight == weight[0]).all():
        middle = (len(numbers) - 1) // 2
        return np.partition(numbers.T, middle)[:, middle]  # of rows side by side, the fastest
    order = np.argsort(numbers, axis=0)
    below = np.cumsum(weight[order], axis=0) < weight.sum() / 2
    return np.take_along_axis(numbers, np.take_along_axis(order, below.sum(0)[None], 0), 0)[0]


def _constant_entropy(
    labels: Int[np.ndarray, "samples"], weight: Float[np.ndarray, "samples"]
) -> float:
    """Return the cross-entropy of the best constant prediction of classes."""
    sums = np.bincount(labels, weight)
    shares = sums[sums > 0] / sums.sum()
    return float(-(shares * np.log(shares)).sum() * sums.sum() / len(labels))


class TriedLoss(NamedTuple):
    """What trying a loss of the user's own tells: entries of its `OutputRecord`."""

    batch_factor: float | None = None
    best_for_all: float | None = None
    is_largest_at_target: bool = False


def try_loss(loss: Loss, y: Any, shape: tuple[int, ...]) -> TriedLoss:
    """Return what some samples and predictions tell of a loss of the user's own.

    Args:
        loss: the loss.
        y: its targets.
        shape: of one sample's output.
    """
    if not isinstance(y, np.ndarray) or len(y) < 2 * TRIED:
        return TriedLoss()
    rows = y[host_rng(0, "loss").choice(len(y), 2 * TRIED, replace=False)]
    # All of the targets' range, and the ends of probabilities.
    low, high = float(rows.min()), float(rows.max())
    grid = np.union1d(np.linspace(low - (high - low), high + (high - low), GRID), [1e-3, 0.999, 1])
    guesses = host_rng(0, "guesses").uniform(0.05, 0.95, (TRIED, *shape)).astype(np.float32)
    try:
        once, twice = (
            loss(np.concatenate([rows[:TRIED]] * times), np.concatenate([guesses] * times))
            for times in (1, 2)
        )
        many = np.repeat(grid, len(rows)).reshape(-1, *[1] * len(shape)).astype(np.float32)
        constants = np.broadcast_to(many, (len(many), *shape))
        costs = np.asarray(loss(np.tile(rows, (len(grid), *[1] * (rows.ndim - 1))), constants))
        exact = None
        if rows[0].size == math.prod(shape):
            exact = np.asarray(loss(rows, rows.reshape(len(rows), *shape).astype(np.float32)))
    except Exception:  # what is wrong with it is said where it is trained with
        return TriedLoss()
    with np.errstate(all="ignore"):
        ratios = np.asarray(twice)[:TRIED] / np.asarray(once)
    factor = float(np.median(ratios[np.isfinite(ratios)])) if np.isfinite(ratios).any() else None
    costs = costs.reshape(len(grid), len(rows)).astype(np.float64)
    spread = np.ptp(costs[np.isfinite(costs)]) if np.isfinite(costs).any() else 0.0
    varied = len(np.unique(rows, axis=0)) > 1 and spread > 0
    costs = np.nan_to_num(costs, nan=np.inf, posinf=np.inf)
    always = (costs <= costs.min(axis=0) + SAME * spread).all(axis=1)
    return TriedLoss(
        factor,
        float(grid[always][0]) if varied and always.any() else None,
        bool(varied and exact is not None and _is_largest(exact, costs, SAME * spread)),
    )


def _is_largest(
    exact: Float[np.ndarray, "rows"], costs: Float[np.ndarray, "grid rows"], margin: float
) -> bool:
    """Whether no prediction of a grid costs any sample more than its target does, and most less."""
    highest = np.where(np.isfinite(costs), costs, -np.inf).max(axis=0)
    typical = np.median(costs, axis=0)
    return bool((exact >= highest - margin).all() and (exact > typical + margin).all())
