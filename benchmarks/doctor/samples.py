"""The data of the healthy networks of `twins.py`: a part each to train, to validate, and to judge.

The seed draws the split or the samples themselves.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from pathlib import Path
from typing import Any

import numpy as np
from arrays import one_hot

from gradus.lessons.gan import CENTERS, DEVIATION, MODES
from gradus.lessons.rnn import recall

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common

KINDS_OF_LETTERS, STEPS = 4, 6
WORDS, TOPICS = 200, 4


@dataclasses.dataclass(frozen=True)
class Parts:
    """The samples that train, those that validate, and those that judge.

    Attributes:
        train: inputs and targets; targets are None where there are none.
        validation: inputs and targets.
        test: inputs and targets.
    """

    train: tuple[Any, Any]
    validation: tuple[Any, Any]
    test: tuple[Any, Any]


def cut(x: Any, y: Any, sizes: tuple[int, int], rng: np.random.Generator) -> Parts:
    """Return so many rows for training and validation, drawn at random, and the rest as test."""
    order = rng.permutation(len(x))
    chosen = order[: sizes[0]], order[sizes[0] : sum(sizes)], order[sum(sizes) :]

    def take(values: Any, rows: Any) -> Any:
        if isinstance(values, dict):
            return {name: part[rows] for name, part in values.items()}
        return None if values is None else values[rows]

    return Parts(*((take(x, rows), take(y, rows)) for rows in chosen))


def standardized(parts: Parts) -> Parts:
    """Return tables with columns of mean 0 and deviation 1 in the training part."""
    x = parts.train[0]
    mean, deviation = x.mean(0), x.std(0)
    scaled = (
        (((x - mean) / deviation).astype(np.float32), y)
        for x, y in (parts.train, parts.validation, parts.test)
    )
    return Parts(*scaled)


@functools.cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y.astype(np.int32)


def digits(seed: int, shape: tuple[int, ...] = (64,)) -> Parts:
    """Scikit-learn's handwritten digits, one-hot: 1,000 train and 300 validate of 1,797."""
    x, y = _digits()
    rng = np.random.default_rng(seed)
    return cut(x.reshape(-1, *shape), one_hot(y, 10), (1000, 300), rng)


def image(seed: int) -> Parts:
    """Digits as images."""
    return digits(seed, (8, 8, 1))


def strokes(seed: int) -> Parts:
    """Digits without a target."""
    return cut(_digits()[0], None, (1000, 300), np.random.default_rng(seed))


def digits_and_heights(seed: int) -> Parts:
    """Digits, and the height of the ink's center, standardized."""
    x, y = _digits()
    rows = x.reshape(-1, 8, 8).sum(2)
    height = (rows * np.arange(8)).sum(1) / rows.sum(1)
    height = ((height - height.mean()) / height.std()).astype(np.float32)
    targets = {"digit": y, "height": height[:, None]}
    return cut(x, targets, (1000, 300), np.random.default_rng(seed))


@functools.cache
def _houses() -> tuple[np.ndarray, np.ndarray]:
    import polars

    frame = polars.read_csv(common.DATA / "tabular" / "california_housing.csv").drop_nulls()
    frame = frame.select(name for name in frame.columns if frame[name].dtype.is_numeric())
    y = frame["median_house_value"].to_numpy()
    x = frame.drop("median_house_value").to_numpy()
    return x, ((y - y.mean()) / y.std()).astype(np.float32)[:, None]


def houses(seed: int) -> Parts:
    """Prices of Californian districts from eight numbers: 1,500 train, 500 validate, 1,000 test."""
    x, y = _houses()
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(x))[:3000]
    return standardized(cut(x[rows], y[rows], (1500, 500), rng))


def tumors(seed: int) -> Parts:
    """Scikit-learn's breast cancer table, benign or not: 340 train and 110 validate of 569."""
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    y = y.astype(np.float32)[:, None]
    return standardized(cut(x, y, (340, 110), np.random.default_rng(seed)))


def first_letters(seed: int, delay: int = 6) -> Parts:
    """The lesson's letters, the first of which is to be recalled, as its label."""
    rng = np.random.default_rng(seed)
    return cut(*recall(1800, delay, rng), (1000, 300), rng)


def looked_up(seed: int) -> Parts:
    """Letters and, last, the place of the one that is asked for; its label."""
    rng = np.random.default_rng(seed)
    letters = rng.integers(0, KINDS_OF_LETTERS, (1800, STEPS))
    places = rng.integers(0, STEPS, 1800)
    x = np.column_stack([letters, KINDS_OF_LETTERS + places]).astype(np.int32)
    return cut(x, letters[np.arange(1800), places].astype(np.int32), (1000, 300), rng)


def topics(seed: int) -> Parts:
    """Twelve of 200 words with Zipf's frequencies, and their topic, one of four, one-hot."""
    rng = np.random.default_rng(seed)
    leaning = np.random.default_rng(7).normal(0, 1, (TOPICS, WORDS))
    shares = np.exp(leaning) / (np.arange(WORDS) + 5.0)
    shares /= shares.sum(1, keepdims=True)
    labels = np.arange(1800) % TOPICS
    x = np.stack([rng.choice(WORDS, 12, p=shares[label]) for label in labels]).astype(np.int32)
    return cut(x, one_hot(labels, TOPICS), (1000, 300), rng)


def ring(seed: int) -> Parts:
    """The lesson's ring of eight clouds of points."""
    rng = np.random.default_rng(seed)
    x = CENTERS[rng.integers(MODES, size=1024)] + rng.normal(0, DEVIATION, (1024, 2))
    x = x.astype(np.float32)
    return Parts((x, None), (x[:0], None), (x, None))
