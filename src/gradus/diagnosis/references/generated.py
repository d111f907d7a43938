"""How far generated samples are from the data, and those of a normal distribution.

The distance is the energy distance, 2 E‖a − b‖ − E‖a − a′‖ − E‖b − b′‖, which is 0 only between
equal distributions. Source: Székely & Rizzo, "Energy statistics" (2013).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradus.diagnosis.record_entries import GeneratedRecord
from gradus.rng import host_rng

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped

SAMPLES, FEWEST = 500, 30  # at most, and at least, of each kind
WIDTH = 256  # numbers of a sample at most, evenly spread


def generated_record(
    x: Shaped[np.ndarray, "samples ..."],
    made: Shaped[np.ndarray, "count ..."],
    rows: Int[np.ndarray, "rows"] | None = None,
) -> GeneratedRecord | None:
    """Return the distances from the data as shares of that of their mean, repeated.

    None where there are few samples, or where they do not differ.

    Args:
        x: the data.
        made: as many generated samples as shall be compared, all finite.
        rows: the samples that were trained on; None for all.
    """
    rng = host_rng(0, "generated")
    known = np.arange(len(x)) if rows is None else rows
    if len(known) < FEWEST or not np.isfinite(made).all():
        return None
    data, samples = _columns(x[rng.permutation(known)[:SAMPLES]]), _columns(made)
    mean, covariance = data.mean(axis=0), np.atleast_2d(np.cov(data.T))
    normal = rng.multivariate_normal(mean, covariance, len(samples), method="eigh")
    farthest = _distance(data, mean[None])
    if not farthest > 0:
        return None
    return GeneratedRecord(*(_distance(data, each) / farthest for each in (samples, normal)))


def _columns(x: np.ndarray) -> Float[np.ndarray, "rows columns"]:
    flat = x.reshape(len(x), -1).astype(np.float64)
    return flat[:, np.linspace(0, flat.shape[1] - 1, min(WIDTH, flat.shape[1])).astype(int)]


def _distance(
    a: Float[np.ndarray, "rows columns"], b: Float[np.ndarray, "others columns"]
) -> float:
    """Return the energy distance, estimated without bias."""
    between = _norms(a, b).mean()
    within = [_norms(each, each).sum() / max(len(each) * (len(each) - 1), 1) for each in (a, b)]
    return float(2 * between - sum(within))


def _norms(a: np.ndarray, b: np.ndarray) -> Float[np.ndarray, "rows others"]:
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0))
