"""How well a linear model does on the data of an experiment: a network should do no worse.

It is fitted to some of the samples and judged by others, so what it reaches can be learned: no
network that trains well ends far above it. For an autoencoder it is a principal component analysis
with as many components as the narrowest layer has units. Source: Karpathy, "A recipe for training
neural networks" (2019): "get dumb baselines".
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradus.data.array_trees import named_leaves
from gradus.data.splitting.strata import class_labels
from gradus.diagnosis.references.features import draw_rows, make_columns, standardize

if TYPE_CHECKING:
    from jaxtyping import Float, Int, PyTree, Shaped

HELD_OUT = 3  # every third sample judges
CLASSES = 100  # at most
STEPS = 60  # of the training of a logistic regression


class LinearFit(NamedTuple):
    """What a linear model reaches on samples that it was not fitted to.

    Attributes:
        share: its loss, as a share of that of the best constant prediction.
        error: the share of samples whose class it gets wrong; None for values.
        sure_error: the same of the half that it is surest of; None for values and several flags.
    """

    share: float
    error: float | None
    sure_error: float | None = None


def fit_linear(
    x: PyTree[Shaped[np.ndarray, "samples ..."]],
    y: Shaped[np.ndarray, "samples ..."],
    loss: str,
    rows: Int[np.ndarray, "rows"] | None = None,
    codes: Collection[str] = (),
) -> LinearFit | None:
    """Return what a linear model reaches.

    It is a ridge regression for errors of values, and a logistic regression for cross-entropies,
    of standardized columns, with a penalty of ½ ‖W‖² beside the sum of the losses. None where the
    loss is another one, there are few samples, or a sample has a sequence of targets.

    Args:
        x: all inputs: numbers as they are, codes as the counts of each in a sample.
        y: the target of each.
        loss: its name.
        rows: the samples that are trained on; None for all.
        codes: the names of the inputs that are codes, as in `make_columns`.
    """
    drawn = draw_rows(len(y) if rows is None else len(rows))
    if drawn is None or y.ndim > 2:
        return None
    drawn = drawn if rows is None else rows[drawn]
    targets, curvature, measure = _as_regression(y[drawn], loss)
    if targets is None or not 0 < targets.shape[1] <= CLASSES:
        return None
    judges = np.arange(len(drawn)) % HELD_OUT == 0
    columns = _with_ones(standardize(make_columns(x, drawn, codes), ~judges))
    fitted, others = columns[~judges], columns[judges]
    weights = _fit(fitted, targets[~judges], curvature)
    constant = _fit(fitted[:, -1:], targets[~judges], curvature)
    worst = measure(others[:, -1:] @ constant, targets[judges])
    if not worst > 0:
        return None
    predicted, right = others @ weights, targets[judges]
    share = float(measure(predicted, right) / worst)
    if curvature is None:
        return LinearFit(share, None)
    return LinearFit(share, _error(predicted, right), _sure_error(predicted, right))


def component_share(
    x: PyTree[Shaped[np.ndarray, "samples ..."]],
    count: int,
    rows: Int[np.ndarray, "rows"] | None = None,
) -> float | None:
    """Return the squared error of principal components, as a share of that of the mean.

    Args:
        x: all samples.
        count: how many components.
        rows: the samples that are trained on; None for all.
    """
    from scipy.linalg import eigh  # of some components: all take three times as long

    leaves = [leaf for _, leaf in named_leaves(x, "x")]
    drawn = draw_rows(len(leaves[0]) if rows is None else len(rows))
    if drawn is None or any(leaf.dtype.kind != "f" for leaf in leaves):
        return None
    columns = make_columns(x, drawn if rows is None else rows[drawn])
    judges = np.arange(len(drawn)) % HELD_OUT == 0
    centered = columns - columns[~judges].mean(axis=0)
    covariance = centered[~judges].T @ centered[~judges]
    size = len(covariance)
    _, components = eigh(covariance, subset_by_index=[max(size - count, 0), size - 1])
    kept = centered[judges] @ components
    total = float(np.square(centered[judges]).sum())
    return 1 - float(np.square(kept).sum()) / total if total > 0 else None


def _with_ones(columns: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows more"]:
    return np.column_stack([columns, np.ones(len(columns))])


def _as_regression(y: np.ndarray, loss: str) -> tuple[Any, Any, Any]:
    """Return targets as columns, the curve of the loss, and its measure; Nones for other losses.

    The curve is the function whose distance from the targets is the gradient, with a bound on its
    slope.
    """
    values = {
        "mean_squared_error": lambda z, t: np.square(z - t).mean(),
        "root_mean_squared_error": lambda z, t: np.sqrt(np.square(z - t).mean()),
        "mean_absolute_error": lambda z, t: np.abs(z - t).mean(),
    }
    if loss in values:
        return y.reshape(len(y), -1).astype(np.float64), None, values[loss]
    if loss == "binary_crossentropy" and np.isin(y, (0, 1)).all():
        return y.reshape(len(y), -1).astype(np.float64), (_sigmoid, 0.25), _binary
    labels = class_labels(y) if loss.endswith("categorical_crossentropy") else None
    if labels is None:
        return None, None, None
    _, labels = np.unique(labels, return_inverse=True)
    return np.eye(labels.max() + 1)[labels], (_softmax, 0.5), _categorical


def _fit(
    x: Float[np.ndarray, "rows columns"], targets: Float[np.ndarray, "rows outputs"], curve: Any
) -> Float[np.ndarray, "columns outputs"]:
    """Return the weights of a ridge or a logistic regression; the last column has no penalty.

    The steps of the latter are Newton's, with a bound in place of the curvature (Böhning, 1992),
    and with Nesterov's momentum.
    """
    penalty = np.ones(x.shape[1])
    penalty[-1] = 0
    if curve is None:
        return np.linalg.solve(x.T @ x + np.diag(penalty + 1e-9), x.T @ targets)
    predict, bound = curve
    inverse = np.linalg.inv(bound * (x.T @ x) + np.diag(penalty + 1e-9))
    weights = ahead = np.zeros((x.shape[1], targets.shape[1]))
    for step in range(STEPS):
        slope = x.T @ (predict(x @ ahead) - targets) + penalty[:, None] * ahead
        before, weights = weights, ahead - inverse @ slope
        ahead = weights + step / (step + 3) * (weights - before)
    return weights


def _error(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the share of wrong classes, or of wrong flags."""
    if logits.shape[1] > 1 and (targets.sum(axis=1) == 1).all():
        return float((logits.argmax(axis=1) != targets.argmax(axis=1)).mean())
    return float(((logits > 0) != (targets > 0.5)).mean())


def _sure_error(logits: np.ndarray, targets: np.ndarray) -> float | None:
    """Return the share of wrong classes among the half of the samples with the surest ones."""
    if logits.shape[1] == 1:
        surest = np.abs(logits[:, 0])
    elif (targets.sum(axis=1) == 1).all():
        surest = _softmax(logits).max(axis=1)
    else:
        return None
    chosen = np.argsort(-surest, kind="stable")[: len(surest) // 2]
    return _error(logits[chosen], targets[chosen])


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(z, -500, 500)))


def _softmax(z: np.ndarray) -> np.ndarray:
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _binary(z: np.ndarray, targets: np.ndarray) -> float:
    return float((np.logaddexp(0, z) - targets * z).mean())


def _categorical(z: np.ndarray, targets: np.ndarray) -> float:
    highest = z.max(axis=1, keepdims=True)
    normalizer = np.log(np.exp(z - highest).sum(axis=1)) + highest[:, 0]
    return float((normalizer - (targets * z).sum(axis=1)).mean())
