"""The data recipes of the cases: the arrays as each case's program saw them.

A recipe is a function of a seed and its options. The seed draws rows, splits, and whatever is
generated; data that the case generates itself with a fixed seed are the same for every seed.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import generated
import numpy as np
from arrays import Data, codes, in_order, one_hot, split, standardized

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common

STAND_INS = generated.STAND_INS
HELD_IMAGES = 2_000


class MissingDataError(Exception):
    """A file of the data folder is absent; the message says which."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A data recipe and its options; two that are equal give equal arrays for equal seeds.

    Attributes:
        name: a name of `RECIPES`.
        options: what the function is given.
        standardize: whether every column is then standardized, by the training part.
    """

    name: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    standardize: bool = False

    def but(self, standardize: bool | None = None, **options: Any) -> Recipe:
        """Return the recipe with other options."""
        scaled = self.standardize if standardize is None else standardize
        return Recipe(self.name, {**self.options, **options}, scaled)

    def load(self, seed: int) -> Data:
        """Return the arrays, which must not be changed: the latest are kept.

        Raises:
            MissingDataError: if the data folder lacks a file.
        """
        return _load(self.name, tuple(sorted(self.options.items())), self.standardize, seed)


@functools.lru_cache(maxsize=4)
def _load(name: str, options: tuple[tuple[str, Any], ...], scaled: bool, seed: int) -> Data:
    data = RECIPES[name](seed, **dict(options))
    return standardized(data) if scaled else data


# --- images -------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=2)
def _images(folder: str) -> tuple[np.ndarray, ...]:
    """Return a data set in MNIST's format as bytes: images and labels, to train and to test."""
    source = common.DATA / folder
    parts = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in _KINDS]
    for part in parts:
        if not (source / part).is_file():
            raise MissingDataError(f"{folder}/{part} is not in the folder of GRADUS_DATA.")
    return tuple(common.read_idx(source / part) for part in parts)


_KINDS = ("images-idx3", "labels-idx1")


def mnist(
    seed: int,
    rows: int,
    flat: bool = False,
    divide: float = 255,
    shuffled: bool = False,
    uneven: bool = False,
) -> Data:
    """MNIST, one-hot.

    Args:
        seed: draws the rows.
        rows: how many of the training set.
        flat: whether images are rows of 784 numbers.
        divide: what the bytes are divided by.
        shuffled: whether the images are shuffled without their labels.
        uneven: whether only 1% of the zeros are kept, and of each next digit 11% more.
    """
    rng = np.random.default_rng(seed)
    x, y, x_val, y_val = _images("mnist")
    chosen = rng.permutation(len(x))[:rows]
    if uneven:
        kept = rng.random(rows) < 0.01 + 0.11 * y[chosen]
        kept[np.flatnonzero(y[chosen] == 0)[:4]] = True  # at least a few zeros, as in the original
        chosen = chosen[kept]
    x, y = x[chosen], y[chosen]
    if shuffled:
        x = x[rng.permutation(len(x))]
    held = rng.permutation(len(x_val))[:HELD_IMAGES]
    parts = [part[..., None].astype(np.float32) / divide for part in (x, x_val[held])]
    if flat:
        parts = [part.reshape(len(part), -1) for part in parts]
    return Data(parts[0], one_hot(y, 10), parts[1], one_hot(y_val[held], 10))


def small_fashion(
    seed: int,
    rows: int,
    divide: float = 1,
    labels: bool = False,
    seen: int = 0,
) -> Data:
    """Fashion-MNIST averaged to 16×16, in place of CIFAR-10.

    Args:
        seed: draws the rows.
        rows: how many of the training set.
        divide: what the bytes are divided by.
        labels: whether targets are labels instead of one-hot rows.
        seen: so many training rows validate, as in a program that mistook them; 0 for held-out
            ones.
    """
    rng = np.random.default_rng(seed)
    x, y, x_val, y_val = _images("fashion-mnist")
    chosen, held = rng.permutation(len(x))[:rows], rng.permutation(len(x_val))[:HELD_IMAGES]
    parts = []
    for images in (x[chosen], x_val[held]):
        padded = np.pad(images.astype(np.float32), ((0, 0), (2, 2), (2, 2)))
        parts.append(padded.reshape(-1, 16, 2, 16, 2).mean((2, 4))[..., None] / divide)
    y, y_val = y[chosen].astype(np.int32), y_val[held].astype(np.int32)
    if not labels:
        y, y_val = one_hot(y, 10), one_hot(y_val, 10)
    if seen:
        parts[1], y_val = parts[0][:seen], y[:seen]
    return Data(parts[0], y, parts[1], y_val)


def three_garments(seed: int, rows: int, hot: bool = False) -> Data:
    """Trousers, sandals, and bags of Fashion-MNIST, in [0, 1], labeled 0, 1, 2 or one-hot."""
    rng = np.random.default_rng(seed)
    x, y, x_val, y_val = _images("fashion-mnist")
    parts = []
    for images, labels, count in ((x, y, rows), (x_val, y_val, 171)):
        chosen = rng.permutation(np.flatnonzero(np.isin(labels, (1, 5, 8))))[:count]
        target = np.searchsorted((1, 5, 8), labels[chosen]).astype(np.int32)
        pixels = images[chosen, :, :, None].astype(np.float32) / 255
        parts += [pixels, one_hot(target, 3) if hot else target]
    return Data(*parts)


def life(seed: int) -> Data:
    """Fields 3×3 of the Game of Life, padded around the edges to 5×5, and their next state."""
    rng = np.random.default_rng(seed)
    field = rng.integers(0, 2, (10_000, 3, 3))
    padded = np.pad(field, ((0, 0), (1, 1), (1, 1)), mode="wrap")
    around = sum(
        padded[:, i : i + 3, j : j + 3] for i in range(3) for j in range(3) if (i, j) != (1, 1)
    )
    after = (around == 3) | ((around == 2) & (field == 1))
    return in_order(padded[..., None], after[..., None].astype(np.float32), 2_000)


# --- tables -------------------------------------------------------------------------------------


def _table(name: str, **settings: Any) -> Any:
    """Return a table of the data folder as a frame."""
    import polars

    path = common.DATA / "tabular" / name
    if not path.is_file():
        raise MissingDataError(f"tabular/{name} is not in the folder of GRADUS_DATA.")
    return polars.read_csv(path, infer_schema_length=None, **settings)


def adult(seed: int, rows: int) -> Data:
    """UCI Adult with its words as codes, one-hot: who earns more than 50,000."""
    rng = np.random.default_rng(seed)
    frame = _table("adult_train.csv")
    y = codes(frame["income"])
    columns = [c if c.dtype.is_numeric() else codes(c) for c in frame.drop("income")]
    x = np.stack([np.asarray(column, np.float32) for column in columns], axis=1)
    chosen = rng.permutation(len(x))[: rows + 2_000]
    return in_order(x[chosen], one_hot(y[chosen], 2), 2_000)


def titanic(seed: int) -> Data:
    """The Titanic's passengers with ten raw columns, words as codes, one-hot; a fifth held out."""
    rng = np.random.default_rng(seed)
    frame = _table("titanic.csv")
    age, fare = (frame[name].to_numpy().astype(np.float32) for name in ("age", "fare"))
    age = np.where(np.isnan(age), np.nanmedian(age), age)
    port, sex, deck = (codes(frame[name].fill_null("")) for name in ("embarked", "sex", "deck"))
    # Passengers who paid the same in the same port shared a ticket more often than not.
    ticket = codes([f"{paid}{place}" for paid, place in zip(fare, port, strict=True)])
    name = rng.permutation(len(frame))
    numbers = (frame[column].to_numpy() for column in ("pclass", "sibsp", "parch"))
    rank, siblings, parents = numbers
    columns = [rank, name, sex, age, siblings, parents]
    columns += [rng.permutation(ticket.max() + 1)[ticket], fare, deck, port]
    y = one_hot(frame["survived"].to_numpy(), 2)
    return split(np.stack(columns, axis=1), y, 179, rng)


def pima(seed: int) -> Data:
    """Pima Indians: eight raw measurements and who has diabetes; a fifth is held out."""
    table = _table("pima.csv", has_header=False).to_numpy().astype(np.float32)
    rng = np.random.default_rng(seed)
    return split(table[:, :8], table[:, 8].astype(np.int32), 154, rng)


def mpg(seed: int, divisions: int = 1, target: str = "unit", column: bool = True) -> Data:
    """Consumption of 392 cars from nine features; a fifth is held out.

    Args:
        seed: draws the split.
        divisions: how often the features are divided by their range.
        target: "unit" for [0, 1], "tenfold" for ten times the miles per gallon.
        column: whether targets have shape `(n, 1)` rather than `(n,)`.
    """
    frame = _table("mpg.csv").drop_nulls()
    origin = one_hot(codes(frame["origin"]), 3)
    x = np.column_stack([frame.drop("mpg", "origin", "name").to_numpy(), origin])
    span = x.max(0) - x.min(0)
    x = (x - x.min(0)) / span**divisions
    y = frame["mpg"].to_numpy().astype(np.float32)
    y = 10 * y if target == "tenfold" else (y - y.min()) / (y.max() - y.min())
    return split(x, y[:, None] if column else y, 78, np.random.default_rng(seed))


# --- points -------------------------------------------------------------------------------------


def line(seed: int) -> Data:
    """Eight points beside a random line; 50 further ones validate."""
    rng = np.random.default_rng(seed)
    slope, offset = rng.uniform(-8, 8, 2)
    x = rng.uniform(-8, 8, 58)
    y = slope * x + offset + rng.uniform(-1, 1, 58)
    return in_order(x[:, None], y[:, None].astype(np.float32), 50)


def clouds(seed: int) -> Data:
    """14 features of 100 rows, of which two thirds are shifted by -1, 0, or 1; 200 further ones.

    Features are scaled to [0, 1]. The further rows validate: a few of so noisy ones say nothing.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.1, (300, 14))
    labels = (rng.random(300) >= 2 / 3).astype(np.int32)
    x += np.where(labels == 0, rng.integers(-1, 2, 300), 0)[:, None]
    low, high = x[:100].min(0), x[:100].max(0)
    return in_order((x - low) / (high - low), labels, 200)


def multiples(seed: int) -> Data:
    """100 points of y = 5x for x in [1, 2]; a fifth is held out."""
    x = np.linspace(1, 2, 100)[:, None]
    return split(x, (5 * x).astype(np.float32), 20, np.random.default_rng(seed))


def remainders(seed: int, rest: str = "bits") -> Data:
    """20 random bits and their number modulo 7, as 20 bits or as one-hot rows of 20."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (10_000, 20))
    modulo = (x @ 2 ** np.arange(20)) % 7
    bits = modulo[:, None] >> np.arange(20) & 1
    y = one_hot(modulo, 20) if rest == "classes" else bits.astype(np.float32)
    return in_order(x, y, 2_000)


def blobs(seed: int) -> Data:
    """Three blobs in the plane, one-hot; the first 700 of 1,000 points train, whatever the seed."""
    from sklearn.datasets import make_blobs

    x, y = make_blobs(n_samples=1000, centers=3, n_features=2, cluster_std=2, random_state=2)
    return in_order(x, one_hot(y, 3), 300)


def circles(seed: int) -> Data:
    """Two circles, one in the other; the first 700 of 1,000 points train, whatever the seed."""
    from sklearn.datasets import make_circles

    x, y = make_circles(n_samples=1000, noise=0.1, random_state=1)
    return in_order(x, y.astype(np.int32), 300)


RECIPES: dict[str, Callable[..., Data]] = {
    function.__name__: function
    for function in (
        *(mnist, small_fashion, three_garments, life, adult, titanic, pima, mpg),
        *(line, clouds, multiples, remainders, blobs, circles),
        *(generated.voting, generated.letters, generated.sine, generated.packets),
        *(generated.z_scores, generated.reviews, generated.topics, generated.faces),
        *(generated.heart, generated.higgs),
    )
}
