"""Healthy networks of ten kinds, small enough to train in about a second: what mutants are made of.

A `Setup` holds all that an operator of `operators.py` may change. Its data have three parts: `fit`
sees the training and the validation part, and only the test part judges, so what the doctor looks
at and what says whether it should are not the same samples. The seed draws the split, or the data
themselves, the weights, and the order of the samples.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from arrays import one_hot

import gradus as gr
from gradus.lessons.gan import CENTERS, DEVIATION, MODES, coverage
from gradus.lessons.rnn import LETTERS, recall

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common

WORST = 2.0  # an error is at most so large, and that of a training that diverged is


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


Edit = Callable[[Parts, np.random.Generator], Parts]


@dataclasses.dataclass(frozen=True)
class Setup:
    """A network, its data, and its training, as far as mutants differ in them.

    Attributes:
        task: "classes" (one-hot or labels), "flags", "values", "copies" (an autoencoder),
            "several" (a class and a value), or "points" (a GAN).
        data: the parts for a seed.
        build: the model for a seed, untrained.
        units: of a hidden layer.
        depth: how many hidden layers there are; None where it does not change.
        hidden: the activation of hidden layers.
        end: the activation of the output.
        loss: the loss; "" for a GAN.
        optimizer: the name of the class.
        rate: the learning rate.
        options: other arguments of the optimizer.
        batch: samples of a step.
        epochs: how many.
        fit: other arguments of `fit`.
        initializer: of every kernel and embedding.
        bias: whether layers have one.
        dropout: the rate after each hidden layer.
        penalty: of every kernel, or None.
        edits: what is done to the data, in this order.
    """

    task: str
    data: Callable[[int], Parts]
    build: Callable[[Setup, int], Any]
    units: int
    depth: int | None
    hidden: str | None
    end: str | None
    loss: str
    rate: float
    batch: int | None
    epochs: int
    optimizer: str = "Adam"
    options: tuple[tuple[str, Any], ...] = ()
    fit: tuple[tuple[str, Any], ...] = ()
    initializer: Any = "glorot_uniform"
    bias: bool = True
    dropout: float = 0.0
    penalty: Any = None
    edits: tuple[Edit, ...] = ()

    def but(self, **changes: Any) -> Setup:
        """Return the setup with some settings changed."""
        return dataclasses.replace(self, **changes)

    def parts(self, seed: int) -> Parts:
        """Return the data, edited."""
        parts = self.data(seed)
        for number, edit in enumerate(self.edits):
            parts = edit(parts, np.random.default_rng([seed, number]))
        return parts

    def train(self, parts: Parts, seed: int) -> Any:
        """Return a trained model.

        Raises:
            GradusError: if gradus refuses it.
        """
        model = self.build(self, seed)
        validation = {} if self.task == "points" else {"validation_data": parts.validation}
        if self.task == "copies":
            validation = {"validation_data": parts.validation[0]}
        model.fit(
            *parts.train,
            **validation,
            batch_size=self.batch,
            epochs=self.epochs,
            shuffle_seed=seed,
            verbose=False,
            **dict(self.fit),
        )
        return model

    def error(self, model: Any, parts: Parts) -> float:
        """Return the error on the test part, in [0, `WORST`].

        It is the share of wrong classes; the root of the mean squared error of values, relative to
        their deviation; the mean of both; or of a GAN, which part of the modes it misses.
        """
        if model.history.stopped == "diverged":
            return WORST
        x, y = parts.test
        with np.errstate(all="ignore"):
            if self.task == "points":
                found = _missed(model)
            else:
                found = _errors[self.task](x if y is None else y, _of(model, x))
        return min(float(found), WORST) if np.isfinite(found) else WORST


# --- errors -------------------------------------------------------------------------------------


def _of(model: Any, x: Any) -> Any:
    predicted = model.predict(x)
    if isinstance(predicted, dict):
        return {name: np.asarray(part, np.float64) for name, part in predicted.items()}
    return np.asarray(predicted, np.float64)


def _wrong(y: Any, p: Any) -> float:
    labels = y.argmax(-1) if y.shape == p.shape else y
    return float((p.argmax(-1) != labels).mean()) if np.isfinite(p).all() else WORST


def _wrong_flags(y: Any, p: Any) -> float:
    return float(((p.reshape(y.shape) > 0.5) != (y > 0.5)).mean())


def _distance(y: Any, p: Any) -> float:
    return float(np.sqrt(np.mean((y - p.reshape(y.shape)) ** 2) / np.mean((y - y.mean(0)) ** 2)))


def _both(y: Any, p: Any) -> float:
    distance = _distance(y["height"], p["height"])
    return (_wrong(y["digit"], p["digit"]) + min(distance, WORST)) / 2


def _missed(model: Any) -> float:
    modes, near = coverage(model.sample(1000))
    return 1 - modes / MODES * near


_errors: dict[str, Callable[[Any, Any], float]] = {
    "classes": _wrong,
    "flags": _wrong_flags,
    "values": _distance,
    "copies": _distance,
    "several": _both,
}

# --- networks -----------------------------------------------------------------------------------


def dense(s: Setup, units: int, activation: str | None) -> gr.Layer:
    """Return a dense layer with the setup's initializer, with a bias if it has them."""
    return gr.Dense(units, activation, s.bias, s.initializer)


def hidden(s: Setup, units: int | None = None) -> list[gr.Layer]:
    """Return the hidden dense layers, with their dropout."""
    layers: list[gr.Layer] = []
    for _ in range(s.depth or 0):
        layers.append(dense(s, units or s.units, s.hidden))
        layers += [gr.Dropout(s.dropout)] if s.dropout else []
    return layers


def optimizer(s: Setup) -> Any:
    """Return the optimizer."""
    return getattr(gr, s.optimizer)(s.rate, **dict(s.options))


def model(s: Setup, seed: int, layers: list[gr.Layer]) -> gr.Model:
    """Return the model of a network's layers."""
    metrics = ["accuracy"] if s.task in ("classes", "flags") else []
    net = gr.Sequential(layers)
    return gr.Model(net, s.loss, optimizer(s), metrics, penalty=s.penalty, seed=seed)


def mlp(s: Setup, seed: int, outputs: int) -> gr.Model:
    """Hidden dense layers and an output."""
    return model(s, seed, [*hidden(s), dense(s, outputs, s.end)])


def cnn(s: Setup, seed: int) -> gr.Model:
    """Two convolutions, pooling, hidden dense layers."""
    convolutions = [
        gr.Conv2D(8, 3, activation=s.hidden, use_bias=s.bias, kernel_initializer=s.initializer)
        for _ in range(2)
    ]
    start = [*convolutions, gr.MaxPool2D(2), gr.Flatten()]
    return model(s, seed, [*start, *hidden(s), dense(s, 10, s.end)])


def recurrent(s: Setup, seed: int, layer: Any) -> gr.Model:
    """A recurrent layer whose last state is read."""
    drawn = {} if s.initializer == "glorot_uniform" else {"recurrent_initializer": s.initializer}
    reader = layer(s.units, s.hidden, use_bias=s.bias, kernel_initializer=s.initializer, **drawn)
    drop = [gr.Dropout(s.dropout)] if s.dropout else []
    return model(s, seed, [reader, *drop, dense(s, LETTERS, s.end)])


def attention(s: Setup, seed: int) -> gr.Model:
    """Letters, their places, a Transformer block, and the mean of the steps."""
    embedding = _embedding(s, KINDS_OF_LETTERS + STEPS, s.units)
    block = gr.TransformerEncoder(2, 2 * s.units, s.dropout, s.hidden or "linear")
    start = [embedding, gr.PositionalEncoding(), block, gr.LayerNorm(), gr.GlobalAvgPool1D()]
    return model(s, seed, [*start, dense(s, KINDS_OF_LETTERS, s.end)])


def words(s: Setup, seed: int) -> gr.Model:
    """The mean of the words' vectors, and hidden dense layers."""
    start = [_embedding(s, WORDS, 16), gr.GlobalAvgPool1D()]
    return model(s, seed, [*start, *hidden(s), dense(s, TOPICS, s.end)])


def autoencoder(s: Setup, seed: int) -> gr.Autoencoder:
    """A code of 12 numbers between hidden dense layers."""
    encoder = gr.Sequential([*hidden(s), dense(s, 12, None)])
    decoder = gr.Sequential([*hidden(s), dense(s, 64, s.end)])
    return gr.Autoencoder(
        encoder, decoder, loss=s.loss, optimizer=optimizer(s), penalty=s.penalty, seed=seed
    )


def several(s: Setup, seed: int) -> gr.Model:
    """Hidden dense layers, a class, and a value; the class's end and loss are the setup's."""
    ends = gr.Parallel({"digit": dense(s, 10, s.end), "height": dense(s, 1, None)})
    return gr.Model(
        gr.Sequential([*hidden(s), ends]),
        {"digit": s.loss, "height": "mse"},
        optimizer(s),
        {"digit": ["accuracy"], "height": []},
        penalty=s.penalty,
        seed=seed,
    )


def gan(s: Setup, seed: int) -> gr.GAN:
    """The lesson's generator and discriminator."""
    leaky = s.but(hidden="leaky_relu") if s.hidden == "relu" else s
    return gr.GAN(
        gr.Sequential([*hidden(s), dense(s, 2, s.end)]),
        gr.Sequential([*hidden(leaky), dense(s, 1, None)]),
        code=4,
        optimizer=optimizer(s),
        seed=seed,
    )


def _embedding(s: Setup, count: int, width: int) -> gr.Layer:
    drawn = {} if s.initializer == "glorot_uniform" else {"embeddings_initializer": s.initializer}
    return gr.Embedding(count, width, **drawn)


# --- data ---------------------------------------------------------------------------------------

KINDS_OF_LETTERS, STEPS = 4, 6
WORDS, TOPICS = 200, 4


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


# --- the healthy networks -----------------------------------------------------------------------

SOFTMAX, SPARSE = "categorical_crossentropy", "sparse_categorical_crossentropy"


def image(seed: int) -> Parts:
    """Digits as images."""
    return digits(seed, (8, 8, 1))


TWINS = {
    "MLP, digits": Setup(
        *("classes", digits, functools.partial(mlp, outputs=10), 32, 2, "relu", "softmax"),
        *(SOFTMAX, 3e-3, 32, 20),
    ),
    "MLP, house prices": Setup(
        *("values", houses, functools.partial(mlp, outputs=1), 32, 2, "relu", None, "mse"),
        *(3e-3, 32, 30),
    ),
    "MLP, tumors": Setup(
        *("flags", tumors, functools.partial(mlp, outputs=1), 16, 1, "relu", "sigmoid"),
        *("binary_crossentropy", 3e-3, 16, 20),
    ),
    "CNN, digits": Setup(
        *("classes", image, cnn, 32, 1, "relu", "softmax", SOFTMAX, 3e-3, 32, 15),
    ),
    "GRU, letters": Setup(
        *("classes", first_letters, functools.partial(recurrent, layer=gr.GRU), 16, None),
        *("tanh", "softmax", SPARSE, 1e-2, 32, 20),
    ),
    "LSTM, letters": Setup(
        *("classes", first_letters, functools.partial(recurrent, layer=gr.LSTM), 16, None),
        *("tanh", "softmax", SPARSE, 1e-2, 32, 20),
    ),
    "attention, letters": Setup(
        *("classes", looked_up, attention, 16, None, "relu", "softmax", SPARSE, 5e-3, 32, 25),
    ),
    "embedding, words": Setup(
        *("classes", topics, words, 32, 1, "relu", "softmax", SOFTMAX, 3e-3, 32, 12),
    ),
    "autoencoder, digits": Setup(
        *("copies", strokes, autoencoder, 48, 1, "relu", "sigmoid", "mse", 3e-3, 32, 25),
    ),
    "two outputs, digits": Setup(
        *("several", digits_and_heights, several, 32, 2, "relu", "softmax", SPARSE),
        *(3e-3, 32, 25),
    ),
    "GAN, ring": Setup(
        *("points", ring, gan, 32, 2, "relu", None, "", 3e-3, 128, 150),
        options=(("beta_1", 0.5),),
    ),
}
