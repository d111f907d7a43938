"""What people hand to `fit`, checked and made what training takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from gradus.data.arrays import as_array, as_tree, check_finite, check_same_length
from gradus.data.splits import split
from gradus.errors import DataError, GradusError, ShapeError, unknown
from gradus.nn.layer import Layer, walk
from gradus.nn.network import weights
from gradus.objectives.loss import Loss, registry
from gradus.train.program import Data
from gradus.train.stopping import Stopping

DEFAULT_BATCH = 32
MOST = 2**31 - 1  # of a whole number: the device counts in 32 bits
# How the names of numbers end of which more is better. Of losses less is.
GROWING = ("accuracy", "precision", "recall", "f1", "f1_score", "auc", "r2", "r2_score")


def arrays(
    x: Any, y: Any, sample_weight: Any, where: tuple[str, str] = ("x", "y")
) -> tuple[Any, Any, np.ndarray | None]:
    """Return inputs, targets and weights as NumPy arrays, all finite and of one length.

    Raises:
        DataError: saying which of them cannot be used, and why.
    """
    x = as_tree(x, where[0])
    y = None if y is None else as_tree(y, where[1])
    weight = None if sample_weight is None else as_array(sample_weight, "sample_weight")
    check_same_length(x, y, weight)
    check_finite(x, where[0])
    if y is not None:
        check_finite(y, where[1])
    if weight is not None:
        weight = weight.astype(np.float32)
        if weight.ndim != 1 or weight.min() < 0 or not weight.sum() > 0:
            raise DataError(
                f"sample_weight has shape {weight.shape} and its smallest value is "
                f"{weight.min():g}: write one number for each sample, none negative, not all zero."
            )
    return x, y, weight


def weighted(weight: np.ndarray | None, y: Any, class_weight: Any) -> np.ndarray | None:
    """Return the samples' weights times those of their classes.

    Args:
        weight: of the samples, or None for one each.
        y: their targets.
        class_weight: as in `Model.fit`, or None.

    Raises:
        GradusError: for targets that are no classes, or weights that are none.
    """
    if class_weight is None:
        return weight
    by_class = _class_weights(y, class_weight)
    return by_class if weight is None else weight * by_class


def _labels(y: Any) -> np.ndarray:
    """Return class labels, `(n,)`, from labels or from one-hot rows."""
    if isinstance(y, np.ndarray):
        if y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1):
            labels = y.reshape(-1)
            if (labels == np.rint(labels)).all():
                return labels.astype(int)
        elif y.ndim == 2 and np.isin(y, (0, 1)).all() and (y.sum(-1) == 1).all():
            return y.argmax(-1)
    raise GradusError(
        "class_weight needs one class for each sample, as a label or a one-hot row; for other "
        "targets use sample_weight."
    )


def _class_weights(y: Any, class_weight: Any) -> np.ndarray:
    """Return the weight of each sample from those of the classes."""
    labels = _labels(y)
    classes, counts = np.unique(labels, return_counts=True)
    if class_weight == "balanced":
        class_weight = {
            int(label): len(labels) / (len(classes) * count)
            for label, count in zip(classes, counts, strict=True)
        }
    if not isinstance(class_weight, Mapping):
        raise GradusError(
            f"class_weight={class_weight!r}: write a dict such as {{0: 1.0, 1: 5.0}}, or "
            "'balanced'."
        )
    missing = [int(label) for label in classes if label not in class_weight]
    if missing:
        raise GradusError(f"class_weight has no entry for the classes {missing}, which y has.")
    given = [class_weight[int(label)] for label in classes]
    weights = [number(f"class_weight[{c}]", w, 0) for c, w in zip(classes, given, strict=True)]
    if not 0 < sum(weights) < math.inf:
        raise GradusError(f"class_weight={class_weight!r}: write finite weights, not all zero.")
    return np.asarray(weights, np.float32)[np.searchsorted(classes, labels)]


def validation(
    x: Any, y: Any, share: Any, given: Any, seed: int
) -> tuple[np.ndarray | None, Data | np.ndarray | None]:
    """Return the rows to train on (None: all) and what to measure: other data, rows, or None.

    Raises:
        DataError: if the data given cannot be used.
        GradusError: for both data and a share, or a share outside (0, 1).
    """
    if given is not None:
        if share:
            raise GradusError("Give validation_split or validation_data, not both.")
        if not isinstance(given, tuple | list) or not 1 <= len(given) <= 3:
            raise DataError("validation_data is (x, y) or (x, y, weight).")
        held_x, held_y, weight = (*given, None, None)[:3]
        where = "validation x", "validation y"
        return None, Data(*arrays(held_x, held_y, weight, where))
    if not share and not isinstance(share, str):
        return None, None
    if not isinstance(share, int | float) or not 0 < share < 1:
        raise GradusError(f"validation_split={share!r}: write a share between 0 and 1.")
    labelled = isinstance(y, np.ndarray) and y.dtype.kind in "iub" and y.ndim == 1
    return split(y if labelled else len(jax.tree.leaves(x)[0]), share, seed)


def stopping(
    names: Sequence[str],
    validated: bool,
    patience: Any,
    monitor: Any,
    mode: Any,
    min_delta: Any,
    target: Any,
) -> Stopping:
    """Return when training stops.

    Args:
        names: the numbers that the task reports.
        validated: whether they are reported of validation data too.
        patience: as in `Model.fit`, like the rest.
        monitor: None for the validation's loss, or the training's if there is none.
        mode: "min", "max", or None to tell by the name.
        min_delta: a number of at least 0.
        target: a number, or None.

    Raises:
        GradusError: for a name that is not reported, or what is no number.
    """
    if mode not in (None, "min", "max"):
        raise GradusError(f"mode={mode!r}: write 'min', 'max', or leave it out.")
    known = [*names, *(f"val_{name}" for name in names if validated)]
    monitor = monitor or ("val_loss" if validated else "loss")
    if monitor not in known:
        raise unknown("monitor", monitor, known)
    return Stopping(
        monitor=monitor,
        mode=_mode(monitor) if mode is None else mode,
        patience=math.inf if patience is None else number("patience", patience, 1),
        min_delta=number("min_delta", min_delta, 0),
        target=math.nan if target is None else number("target", target),
    )


def _mode(monitor: str) -> str:
    """Return whether of the number of this name less is better ("min") or more ("max")."""
    name = monitor.removeprefix("val_")
    if any(name == end or name.endswith(f"_{end}") for end in GROWING):
        return "max"
    if any(name == end or name.endswith(f"_{end}") for end in ("loss", *registry)):
        return "min"
    raise GradusError(
        f"Is more or less of {monitor!r} better? Write mode='max' or mode='min' beside monitor."
    )


def number(name: str, value: Any, least: float = -math.inf) -> float:
    """Return `value` as a float.

    Raises:
        GradusError: naming the argument, if it is no number of at least `least`.
    """
    fits = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not fits or not value >= least:
        words = "" if least == -math.inf else f" of at least {least:g}"
        raise GradusError(f"{name}={value!r}: write a number{words}.")
    return float(value)


def batch_size(value: Any, count: int, full_batch: bool) -> int | None:
    """Return the samples of a step, None for all of them.

    Raises:
        GradusError: for no whole number of at least 1, one larger than the data, or mini-batches
            under an optimiser that needs the full batch.
    """
    if value is None or (full_batch and value == DEFAULT_BATCH):
        return None
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise GradusError(
            f"batch_size={value!r}: write a whole number of at least 1, or None for all samples."
        )
    if full_batch:
        raise GradusError(
            f"This optimiser needs all samples at once: write batch_size=None, not {value}."
        )
    if value > count and value != DEFAULT_BATCH:
        raise GradusError(
            f"batch_size={value} is more than the {count} samples to train on: write at most "
            f"{count}, or None for all."
        )
    return min(int(value), count)


def check_trainable(net: Layer, layer_rates: Mapping[str, Any] | None) -> None:
    """Refuse a built network in which nothing is left to train, or rates of layers it has not.

    Raises:
        GradusError: naming the frozen layers, or the layer that does not exist.
    """
    if not weights(net, "param"):
        frozen = [path or "the whole network" for path, layer in walk(net) if not layer.trainable]
        why = f"frozen: {', '.join(frozen)}; unfreeze() a layer" if frozen else "it has no weights"
        raise GradusError(f"Nothing in the network is left to train ({why}).")
    paths = [path for path, _ in walk(net) if path]
    for name in layer_rates or {}:
        if name not in paths:
            raise unknown("layer in layer_rates", name, paths)


def whole(name: str, value: Any, least: int = 0) -> int:
    """Return `value` as an int.

    Raises:
        GradusError: naming the argument, if it is no whole number of at least `least`.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise GradusError(f"{name}={value!r}: write a whole number of at least {least}.")
    if value > MOST:
        raise GradusError(f"{name}={value!r}: write a whole number of at most {MOST}.")
    return int(value)


def shapes_of(x: Any) -> Any:
    """Return what a network is built for: the shapes and types of two samples like those of `x`."""
    return jax.tree.map(
        lambda a: jax.ShapeDtypeStruct((2, *a.shape[1:]), jax.dtypes.canonicalize_dtype(a.dtype)), x
    )


def check_shapes(example: Any, x: Any) -> None:
    """Check that samples have the shapes that the network was built for.

    Raises:
        ShapeError: naming both, if they have not.
    """
    have, given = (jax.tree.map(lambda a: tuple(a.shape[1:]), tree) for tree in (example, x))
    if have != given:
        raise ShapeError(
            f"The network was built for samples of shape {have} but x has samples of shape {given}."
        )


def classes_of(predicted: np.ndarray, loss: Loss) -> np.ndarray:
    """Return the decisions that predictions amount to: the largest, or those above a threshold."""
    several = predicted.ndim > 1 and predicted.shape[-1] > 1
    if loss.kind != "flags" and several:
        return predicted.argmax(-1).astype(np.int32)
    decided = (predicted > loss.threshold).astype(np.int32)
    return decided if several or predicted.ndim == 1 else decided[..., 0]
