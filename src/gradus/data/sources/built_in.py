"""The built-in data sets: those of scikit-learn, and generators of points of the plane."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gradus.checks import MAX_INT, as_index, is_number, number
from gradus.data.array_preprocessor import Scaling
from gradus.data.arrays import as_array
from gradus.data.datasets import Dataset
from gradus.errors import DataError
from gradus.foreign_names.arguments import explain_arguments
from gradus.registry import Registry
from gradus.rng import seeded_rng

BUILT_IN = Registry("built-in data set")


def _from_sklearn(name: str, **fields: Any) -> Dataset:
    import sklearn.datasets

    bunch = getattr(sklearn.datasets, f"load_{name}")()
    names = [str(label) for label in getattr(bunch, "target_names", ())]
    x = as_array(bunch.data)
    features = tuple(str(feature) for feature in bunch.feature_names)
    if not names:
        y = bunch.target.astype(np.float64)
        return Dataset(x, y, "regression", feature_names=features, name=name, **fields)
    task = "binary" if len(names) == 2 else "multiclass"
    return Dataset(x, bunch.target.astype(np.int32), task, tuple(names), features, name, **fields)


@BUILT_IN.add("digits")
def digits() -> Dataset:
    """Return scikit-learn's 1,797 handwritten digits: uint8 images (8, 8, 1) of 0…16."""
    data = _from_sklearn("digits", scaling=Scaling((0.0,), (16.0,)))
    return replace(data, x=data.x.reshape(-1, 8, 8, 1).astype(np.uint8), feature_names=())


@BUILT_IN.add("iris")
def iris() -> Dataset:
    """Return Fisher's iris: 150 flowers, 4 measurements, 3 species."""
    return _from_sklearn("iris")


@BUILT_IN.add("wine")
def wine() -> Dataset:
    """Return 178 wines, 13 measurements, 3 growers."""
    return _from_sklearn("wine")


@BUILT_IN.add("breast_cancer")
def breast_cancer() -> Dataset:
    """Return 569 tumors, 30 measurements, malignant or benign."""
    return _from_sklearn("breast_cancer")


@BUILT_IN.add("diabetes")
def diabetes() -> Dataset:
    """Return 442 patients, 10 measurements, and the disease's progression in a year (a number)."""
    return _from_sklearn("diabetes")


LARGEST = 1e6  # noise, or turns of a spiral: float32 keeps no more digits


def _points(name: str, x: np.ndarray, y: np.ndarray, noise: float, seed: int) -> Dataset:
    """Return points of the plane as a data set, with Gaussian noise of deviation `noise`."""
    if not is_number(noise) or not 0 <= noise <= LARGEST:
        raise DataError(f"noise must be a standard deviation, 0 or more, not {noise!r}.")
    x = x + noise * seeded_rng(seed).standard_normal(x.shape)
    classes = tuple(str(label) for label in range(int(y.max()) + 1))
    task = "binary" if len(classes) == 2 else "multiclass"
    features = tuple(f"x{index + 1}" for index in range(x.shape[1]))
    return Dataset(x.astype(np.float32), y.astype(np.int32), task, classes, features, name)


def _balanced_labels(n: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return n labels 0, 1, …, 0, 1, … and the position of each in its class, in [0, 1]."""
    if (as_index(n) or 0) < classes or n > MAX_INT:
        raise DataError(f"n must be a number of points, at least {classes}, not {n!r}.")
    rows = np.arange(n)
    y = rows % classes
    last = np.maximum(np.bincount(y) - 1, 1)
    return y, (rows // classes) / last[y]


@BUILT_IN.add("two_moons")
@explain_arguments
def two_moons(n: int = 500, noise: float = 0.1, seed: int = 0) -> Dataset:
    """Return two interleaving half circles: (cos t, sin t) and (1 - cos t, ½ - sin t).

    Examples:
        >>> data = gr.data.two_moons(200, noise=0.1)
        >>> data.x.shape, np.bincount(data.y).tolist()
        ((200, 2), [100, 100])
    """
    y, position = _balanced_labels(n, 2)
    t = np.pi * position
    lower = np.stack([1 - np.cos(t), 0.5 - np.sin(t)], axis=1)
    x = np.where(y[:, None] == 1, lower, np.stack([np.cos(t), np.sin(t)], axis=1))
    return _points("two_moons", x, y, noise, seed)


@BUILT_IN.add("circles")
@explain_arguments
def circles(n: int = 500, noise: float = 0.05, seed: int = 0, factor: float = 0.5) -> Dataset:
    """Return a circle of radius 1 (class 0) around one of radius `factor` (class 1).

    Examples:
        >>> data = gr.data.circles(4, noise=0, factor=0.5)
        >>> np.abs(data.x[:, 0]).round(2).tolist(), data.y.tolist()
        ([1.0, 0.5, 1.0, 0.5], [0, 1, 0, 1])
    """
    if not is_number(factor) or not 0 < factor < 1:
        raise DataError(f"factor must be the inner radius, between 0 and 1, not {factor!r}.")
    y, _ = _balanced_labels(n, 2)
    t = 2 * np.pi * (np.arange(n) // 2) / np.bincount(y)[y]
    radius = np.where(y == 1, factor, 1.0)
    x = radius[:, None] * np.stack([np.cos(t), np.sin(t)], axis=1)
    return _points("circles", x, y, noise, seed)


@BUILT_IN.add("spirals")
@explain_arguments
def spirals(
    n: int = 500, noise: float = 0.02, seed: int = 0, classes: int = 2, turns: float = 1.5
) -> Dataset:
    """Return spiral arms from the origin to radius 1, each turned by 2π / `classes`.

    Examples:
        >>> data = gr.data.spirals(90, classes=3)
        >>> data.class_names, np.bincount(data.y).tolist()
        (('0', '1', '2'), [30, 30, 30])
    """
    if not abs(number("turns", turns)) <= LARGEST:
        raise DataError(f"turns={turns!r}: write a number of at most {LARGEST:g}.")
    if (as_index(classes) or 0) < 2:
        raise DataError(f"classes must be at least 2, not {classes!r}.")
    y, position = _balanced_labels(n, classes)
    t = 2 * np.pi * (turns * position + y / classes)
    x = position[:, None] * np.stack([np.cos(t), np.sin(t)], axis=1)
    return _points("spirals", x, y, noise, seed)


@BUILT_IN.add("xor")
@explain_arguments
def xor(n: int = 400, noise: float = 0.1, seed: int = 0) -> Dataset:
    """Return points at the corners of the unit square, with y = x₁ xor x₂.

    Examples:
        >>> data = gr.data.xor(4, noise=0)
        >>> data.x.tolist(), data.y.tolist()
        ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    corner, _ = _balanced_labels(n, 4)
    bits = np.stack([corner // 2, corner % 2], axis=1)
    return _points("xor", bits, bits[:, 0] ^ bits[:, 1], noise, seed)


@BUILT_IN.add("blobs")
@explain_arguments
def blobs(
    n: int = 500, noise: float = 1.0, seed: int = 0, classes: int = 3, features: int = 2
) -> Dataset:
    """Return Gaussian clouds of deviation `noise` around centers drawn from U(-5, 5).

    Examples:
        >>> gr.data.blobs(100, classes=5, features=10).x.shape
        (100, 10)
    """
    if (as_index(classes) or 0) < 2 or not 1 <= (as_index(features) or 0) <= MAX_INT:
        raise DataError("blobs needs at least 2 classes and 1 feature.")
    y, _ = _balanced_labels(n, classes)
    seeded_rng(seed)  # refuses what is no seed
    centers = seeded_rng(seed + 1).uniform(-5, 5, (classes, features))
    return _points("blobs", centers[y], y, noise, seed)
