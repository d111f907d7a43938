"""Checks of targets on the host, before compilation, with errors that say what to write."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from gradus.errors import DataError, ShapeError

Shape = tuple[int | None, ...]
BLOCK = 1 << 18  # numbers at a time, so that the second pass over them reads the cache


def extremes(values: np.ndarray) -> tuple[float, float]:
    """Return the least and the greatest number, in one pass over memory; NaN if one is NaN.

    Args:
        values: numbers, at least one.

    Examples:
        >>> extremes(np.array([[3, 1], [4, 1]]))
        (1.0, 4.0)
    """
    flat = values.reshape(-1)
    blocks = [flat[start : start + BLOCK] for start in range(0, flat.size, BLOCK)]
    pairs = np.array([(block.min(), block.max()) for block in blocks], np.float64)
    return float(pairs[:, 0].min()), float(pairs[:, 1].max())


def numeric(y_true: Any, where: str) -> np.ndarray:
    """Return `y_true` as an array of finite numbers, at least one of them.

    Raises:
        DataError: if it contains text or objects, is empty, or has a value that is not finite.
    """
    y = np.asarray(y_true)
    if not (jnp.issubdtype(y.dtype, np.number) or y.dtype == bool) or y.dtype.kind == "c":
        sample = ", ".join(repr(value) for value in y.reshape(-1)[:3].tolist())
        raise DataError(
            f"{where}: targets must be numbers, but these are {sample}, … ({y.dtype}). For class "
            "names write classes, y = np.unique(y, return_inverse=True)."
        )
    if not y.size or not y.ndim:
        raise DataError(
            f"{where}: targets of shape {y.shape} contain no samples; the first axis counts them."
        )
    # The extremes are finite only if all values are, and computing them needs no extra memory.
    if y.dtype.kind not in "biu" and not np.isfinite(extremes(y)).all():
        rows = np.flatnonzero(~np.isfinite(y).reshape(len(y), -1).all(axis=1))
        raise DataError(
            f"{where}: {len(rows)} of {len(y)} targets are NaN or infinite, the first in row "
            f"{rows[0]}. Drop those rows, or fill in the values."
        )
    return y


def same_shape(y_true: Any, output_shape: Shape, where: str) -> np.ndarray:
    """Return numeric targets whose shape is that of the output, except for the batch axis.

    Raises:
        DataError: if they are not finite numbers.
        ShapeError: naming both shapes, and the indexing that would make them equal.
    """
    y = numeric(y_true, where)
    shape, expected = y.shape[1:], tuple(output_shape[1:])
    if shape == expected:
        return y
    problem = _shape_mismatch("targets", y, output_shape, where)
    if (*shape, 1) == expected:
        raise ShapeError(problem + f"Write y[{'...' if shape else ':'}, None].")
    if shape == (*expected, 1):
        raise ShapeError(problem + f"Write y[{'...' if expected else ':'}, 0].")
    if shape == expected[:-1] and y.dtype.kind in "iub":
        raise ShapeError(
            problem + "For one label among the classes use softmax with "
            "sparse_categorical_crossentropy; for one number per sample end the network with "
            "Dense(1)."
        )
    fits = len(shape) == len(expected) and shape[:-1] == expected[:-1]
    units = f" End the network with Dense({shape[-1]})." if fits else ""
    hint = units or _flatten_hint(y, output_shape)
    raise ShapeError(problem + "This loss needs one target for each output." + hint)


def _flatten_hint(y: np.ndarray, output_shape: Shape) -> str:
    """Return what to write where an output for each pixel or step meets a target for each sample.

    It is empty where that is not so.
    """
    if y.ndim > 2 or len(output_shape) not in (3, 4):
        return ""
    of, rank = ("pixel", 2) if len(output_shape) == 4 else ("step", 1)
    return (
        f" The network has an output for each {of}: for one for each sample put Flatten() or "
        f"GlobalAveragePooling{rank}D() before its last layer."
    )


def classes(output_shape: Shape, where: str) -> int:
    """Return the number of classes, the size of the output's last axis.

    Raises:
        ShapeError: if there is no such axis, or only one class, whose softmax is always 1.
    """
    if len(output_shape) < 2 or output_shape[-1] is None:
        raise ShapeError(
            f"{where}: outputs of shape {_format_shape(output_shape)} have no axis of classes. End "
            'the network with Dense(K, "softmax") for K classes.'
        )
    if output_shape[-1] == 1:
        raise ShapeError(
            f"{where}: the output has only one class, and the softmax of one output is always 1. "
            'For two classes write Dense(1, "sigmoid") with binary_crossentropy, or '
            'Dense(2, "softmax").'
        )
    return output_shape[-1]


def labels(y_true: Any, output_shape: Shape, where: str) -> None:
    """Check that targets are whole numbers 0…K-1, with the output's shape without its last axis.

    Raises:
        DataError: if labels are not numbers, or are fractional, negative, or K or more.
        ShapeError: if they are one-hot, or their shape does not fit.
    """
    count = classes(output_shape, where)
    y = numeric(y_true, where)
    expected = tuple(output_shape[1:-1])
    if y.shape[1:] != expected:
        problem = _shape_mismatch("labels", y, output_shape, where)
        if y.shape[1:] == (*expected, count):
            raise ShapeError(
                problem + "These look like one-hot targets: use categorical_crossentropy, or write "
                "y.argmax(-1)."
            )
        if y.shape[1:] == (*expected, 1):
            raise ShapeError(problem + f"Write y[{'...' if expected else ':'}, 0].")
        raise ShapeError(
            problem + f"Labels must have shape {_format_shape((None, *expected))}: one for each "
            f"{count} outputs.{_flatten_hint(y, output_shape)}"
        )
    if y.dtype.kind not in "iub" and (y != np.floor(y)).any():
        value = y[y != np.floor(y)].reshape(-1)[0]
        raise DataError(
            f"{where}: labels must be whole numbers 0…{count - 1}, but {value:g} is among them. "
            "For regression use mean_squared_error; for soft targets categorical_crossentropy."
        )
    low, high = int(y.min()), int(y.max())
    if low >= 0 and high < count:
        return
    problem = f"{where}: labels run from {low} to {high} but the output has {count} classes"
    problem += f" 0…{count - 1}. "
    if low == 1 and high == count:
        raise DataError(problem + "Subtract 1: write y - 1.")
    if low == -1 and high == 1 and not (y == 0).any():
        raise DataError(problem + "For labels -1 and 1 write (y + 1) // 2.")
    if low < 0:
        raise DataError(
            problem
            + "Negative labels are not classes: drop those rows, or number the classes with "
            "classes, y = np.unique(y, return_inverse=True)."
        )
    raise DataError(
        problem + f"End the network with Dense({high + 1}), or number the classes with "
        "classes, y = np.unique(y, return_inverse=True)."
    )


def distribution(y_true: Any, output_shape: Shape, where: str) -> None:
    """Check that targets are one-hot, or probabilities that sum to 1 over the last axis.

    Raises:
        DataError: if a value is negative, or a row's sum differs from 1 by more than 0.001.
        ShapeError: if they are integer labels, or their shape is not the output's.
    """
    count = classes(output_shape, where)
    y = numeric(y_true, where)
    inner = tuple(output_shape[1:-1])
    if y.shape[1:] in (inner, (*inner, 1)):
        flat = "y" if y.shape[1:] == inner else "y[..., 0]"
        raise ShapeError(
            _shape_mismatch("targets", y, output_shape, where)
            + "For integer labels use sparse_categorical_crossentropy, or make them one-hot: write "
            f"np.eye({count}, dtype=np.float32)[{flat}]."
        )
    y = same_shape(y, output_shape, where)
    if (low := y.min()) < 0:
        raise DataError(
            f"{where}: one-hot targets or probabilities cannot be negative, but {low:g} is among "
            "them."
        )
    sums = y.sum(axis=-1, dtype=np.float64).reshape(len(y), -1)
    wrong = np.argwhere(np.abs(sums - 1) > 1e-3)
    if len(wrong):
        total = sums[tuple(wrong[0])]
        remedy = (
            "For several labels per sample end with sigmoid and use binary_crossentropy; to make "
            "them probabilities write y / y.sum(-1, keepdims=True)."
            if total > 0
            else "To exclude samples drop them, or give them a sample weight of zero."
        )
        raise DataError(
            f"{where}: the targets of each sample must sum to 1 over the {count} classes, but in "
            f"row {wrong[0][0]} they sum to {total:g}. {remedy}"
        )


def flags(y_true: Any, output_shape: Shape, where: str) -> None:
    """Check that targets lie in [0, 1] and have the output's shape.

    Raises:
        DataError: if a value lies outside.
        ShapeError: if the shape is not the output's.
    """
    y = same_shape(y_true, output_shape, where)
    low, high = extremes(y)
    if low >= 0 and high <= 1:
        return
    problem = f"{where}: targets run from {low:g} to {high:g}, but this loss needs them in [0, 1]. "
    if y.dtype.kind in "iu" and low == 0 and 1 < high <= 255 and high > 128:
        raise DataError(problem + "Scale bytes: write y / 255.")
    if low == -1 and high == 1 and np.isin(y, (-1, 1)).all():
        raise DataError(problem + "For labels -1 and 1 write (y + 1) / 2.")
    if low == 1 and high == 2:
        raise DataError(problem + "For labels 1 and 2 write y - 1.")
    raise DataError(
        problem + "For more than two classes use softmax with sparse_categorical_crossentropy; for "
        "other numbers scale them, or use mean_squared_error."
    )


def signs(y_true: Any, output_shape: Shape, where: str) -> None:
    """Check that targets are -1 and 1, or 0 and 1, and have the output's shape.

    Raises:
        DataError: if other values are among them, or both -1 and 0.
        ShapeError: if the shape is not the output's.
    """
    y = same_shape(y_true, output_shape, where)
    known = np.isin(y, (-1, 0, 1))
    if not known.all():
        value = y[~known].reshape(-1)[0]
        raise DataError(f"{where}: the hinge loss needs labels -1 and 1 or 0 and 1, not {value:g}.")
    if (y == -1).any() and (y == 0).any():
        raise DataError(
            f"{where}: the hinge loss needs labels -1 and 1 or 0 and 1, but -1, 0 and 1 are three "
            "classes: use categorical_hinge with one-hot targets."
        )


def counts(y_true: Any, output_shape: Shape, where: str) -> None:
    """Check that targets are not negative and have the output's shape.

    Raises:
        DataError: if a value is negative.
        ShapeError: if the shape is not the output's.
    """
    y = same_shape(y_true, output_shape, where)
    if (low := y.min()) < 0:
        raise DataError(
            f"{where}: this loss needs non-negative targets, but {low:g} is among them. For values "
            "of either sign use mean_squared_error."
        )


def _shape_mismatch(kind: str, y: np.ndarray, output_shape: Shape, where: str) -> str:
    """Return the start of an error: both shapes."""
    shapes = f"{_format_shape(y.shape)} but outputs {_format_shape(output_shape)}"
    return f"{where}: {kind} have shape {shapes}. "


def _format_shape(shape: Shape) -> str:
    """Return a shape with n for its batch axis: "(n, 10)"."""
    inner = ", ".join(str(size) for size in shape[1:])
    return f"(n, {inner})" if inner else "(n,)"
