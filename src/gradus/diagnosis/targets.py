"""Statistics of targets: their classes, and the loss of the best constant prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data.splitting.strata import class_labels
from gradus.diagnosis.record_entries import TargetRecord
from gradus.diagnosis.sampling import sampled
from gradus.objectives.targets import extremes

if TYPE_CHECKING:
    from jaxtyping import Float, Int

MOST_CLASSES = 100_000  # whose samples are counted


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
