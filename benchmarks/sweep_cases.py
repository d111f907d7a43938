"""The sweeps under comparison: their spaces, networks and data, the same for all libraries."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import common
import numpy as np

SEEDS = 2**31 - 1
SGD_FACTOR = 30.0  # SGD's rates are this much higher than those of Adam and RMSprop


class Range(NamedTuple):
    """Numbers between two bounds, uniform or log-uniform."""

    low: float
    high: float
    log: bool = False

    @property
    def bounds(self) -> tuple[float, float]:
        """The lower and upper bound."""
        return self.low, self.high

    def times(self, factor: float) -> Range:
        """Return the range with both bounds multiplied by a factor."""
        return Range(self.low * factor, self.high * factor, self.log)


@dataclasses.dataclass(frozen=True)
class Case:
    """A sweep: a network, its search space, and how long each trial is trained.

    Attributes:
        ranges: of "rate", "momentum", "dropout" and "penalty", the λ of λ Σw² over the kernels;
            what is missing is not used, except a momentum of 0.9. In a choice of optimizers, the
            "rate" of SGD is multiplied by `SGD_FACTOR`.
        options: of "width", "activation" and "optimizer".
        widths: widths of the hidden layers; with the option "width" only their number counts.
        optimizer: the optimizer, if there is no choice.
        trials: the number of trials.
        epochs: the epochs of each trial.
        batch: the batch size.
        outputs: outputs of the network; 1 for a regression.
        picture: whether the network is a small CNN instead.
    """

    ranges: Mapping[str, Range]
    options: Mapping[str, tuple[Any, ...]] = dataclasses.field(default_factory=dict)
    widths: tuple[int, ...] = (64,)
    optimizer: str = "adam"
    trials: int = 256
    epochs: int = 30
    batch: int = 32
    outputs: int = 10
    picture: bool = False

    @property
    def rates_alone(self) -> bool:
        """Whether trials differ only in rates and seeds."""
        return not self.options and list(self.ranges) == ["rate"]

    @property
    def metric(self) -> str:
        """The metric of the trials: "accuracy" or "r2"."""
        return "accuracy" if self.outputs > 1 else "r2"


RATE = Range(1e-4, 1e-2, log=True)
DROPOUT = Range(0.0, 0.5)
PENALTY = Range(1e-6, 1e-2, log=True)
TABLE = {"rate": Range(1e-4, 3e-2, log=True), "dropout": DROPOUT, "penalty": PENALTY}
SIZES = {"width": (64, 128, 256)}

CASES = {
    "digits": Case(
        {
            "rate": Range(1e-3, 0.3, log=True),
            "momentum": Range(0.0, 0.9),
            "dropout": DROPOUT,
            "penalty": PENALTY,
        },
        optimizer="sgd",
    ),
    "mnist": Case({"rate": RATE}, widths=(128, 64), trials=16, epochs=3, batch=128),
    "mixed": Case(
        {"rate": RATE, "dropout": DROPOUT, "penalty": PENALTY},
        {
            "width": (32, 64, 128),
            "activation": ("relu", "tanh", "sigmoid"),
            "optimizer": ("sgd", "adam", "rmsprop"),
        },
        epochs=10,
    ),
    "cnn": Case({"rate": RATE}, trials=16, epochs=1, batch=64, picture=True),
    # Cases of `sweep_quality.py`: two hidden layers of one width.
    "digits, quality": Case(TABLE, SIZES, (0, 0), epochs=30, batch=32),
    "adult, quality": Case(TABLE, SIZES, (0, 0), epochs=10, batch=256, outputs=2),
    "california_housing, quality": Case(TABLE, SIZES, (0, 0), epochs=30, batch=64, outputs=1),
}


# --- values -------------------------------------------------------------------------------------


class Source(Protocol):
    """A sampler of values: `Draw`, or a trial of Optuna."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        """Return a number in a range."""

    def suggest_int(self, name: str, low: int, high: int) -> int:
        """Return an integer in a range."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Return one of the options."""


class Draw:
    """Random values, with the interface of an Optuna trial."""

    def __init__(self, *seeds: int) -> None:
        self.rng = np.random.default_rng(seeds)

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        """Return a random number in a range."""
        if log:
            return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))
        return float(self.rng.uniform(low, high))

    def suggest_int(self, name: str, low: int, high: int) -> int:
        """Return a random integer in a range."""
        return int(self.rng.integers(low, high, endpoint=True))

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Return a random option."""
        return choices[int(self.rng.integers(len(choices)))]


def drawn(case: Case, source: Source, seed: int | None = None) -> dict[str, Any]:
    """Return the settings of one trial: numbers and names; `seed` unless it is drawn."""
    values: dict[str, Any] = {"activation": "relu", "optimizer": case.optimizer, "momentum": 0.9}
    for name, options in case.options.items():
        values[name] = source.suggest_categorical(name, options)
    for name, range_ in case.ranges.items():
        values[name] = source.suggest_float(name, *range_.bounds, log=range_.log)
    if "optimizer" in case.options and values["optimizer"] == "sgd":
        values["rate"] *= SGD_FACTOR
    width = values.pop("width", None)
    values["widths"] = case.widths if width is None else (width,) * len(case.widths)
    values["seed"] = source.suggest_int("seed", 0, SEEDS) if seed is None else seed
    return values


def evenly(case: Case, trials: int, seed: int) -> list[dict[str, Any]]:
    """Return random settings of several trials, each option equally often.

    A few trials then represent many.
    """
    found = [Draw(seed, number) for number in range(trials)]
    order = np.random.default_rng(seed).permutation(trials)
    for place, draw in zip(order, found, strict=True):
        draw.suggest_categorical = _Turn(int(place))
    return [drawn(case, draw) for draw in found]


class _Turn:
    """Cycles through the options of several choices, like the digits of a number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, name: str, choices: Any) -> Any:
        self.number, place = divmod(self.number, len(choices))
        return choices[place]


# --- data ---------------------------------------------------------------------------------------


def write(folder: Path, **arrays: Any) -> Path:
    """Write arrays into a folder, as float32 and int32.

    `x_train` and `y_train` are the training set, `x_test` and `y_test` score the trials, and
    `x_final` and `y_final`, if there are any, are the test set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array.astype("f4" if array.dtype.kind == "f" else "i4"))
    return folder


def digits(folder: Path, final: bool = False, seed: int = 0) -> Path:
    """Write the 1,797 digits: a fifth held out, and with `final` another fifth as test set."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, order = x / 16, np.random.default_rng(seed).permutation(len(x))
    fifth = len(x) // 5
    parts = {"test": order[:fifth]}
    if final:
        parts["final"] = order[fifth : 2 * fifth]
    parts["train"] = order[len(parts) * fifth :]
    arrays = {f"x_{name}": x[rows] for name, rows in parts.items()}
    return write(folder, **arrays, **{f"y_{name}": y[rows] for name, rows in parts.items()})


def mnist(folder: Path, rows: int, held: int) -> Path:
    """Write the first `rows` of MNIST's training set, and the last `held` for validation."""
    source = common.DATA / "mnist"
    x = common.read_idx(source / "train-images-idx3-ubyte.gz")
    y = common.read_idx(source / "train-labels-idx1-ubyte.gz")
    x = x.reshape(len(x), -1).astype(np.float32) / 255
    return write(
        folder, x_train=x[:rows], y_train=y[:rows], x_test=x[-held:], y_test=y[-held:]
    )  # fmt: skip


def final(job: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the test samples, or None."""
    folder = Path(job["data"])
    if not (folder / "x_final.npy").exists():
        return None
    return np.load(folder / "x_final.npy"), np.load(folder / "y_final.npy")
