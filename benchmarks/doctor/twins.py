"""Healthy networks of eleven kinds that train in about a second: what mutants are made of.

A `Setup` holds all that an operator of `operators.py` may change. Its data have three parts: `fit`
sees the training and the validation part, and only the test part judges, so what the doctor looks
at and what says whether it should are not the same samples. The seed draws the split, or the data
themselves, the weights, and the order of the samples.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import samples
from samples import KINDS_OF_LETTERS, STEPS, TOPICS, WORDS, Parts

import gradus as gr
from gradus.lessons.gan import MODES, coverage
from gradus.lessons.rnn import LETTERS

WORST = 2.0  # an error is at most so large, and that of a training that diverged is


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
    start = [*convolutions, gr.MaxPooling2D(2), gr.Flatten()]
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
    start = [
        embedding,
        gr.PositionalEncoding(),
        block,
        gr.LayerNormalization(),
        gr.GlobalAveragePooling1D(),
    ]
    return model(s, seed, [*start, dense(s, KINDS_OF_LETTERS, s.end)])


def words(s: Setup, seed: int) -> gr.Model:
    """The mean of the words' vectors, and hidden dense layers."""
    start = [_embedding(s, WORDS, 16), gr.GlobalAveragePooling1D()]
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


# --- the healthy networks -----------------------------------------------------------------------

SOFTMAX, SPARSE = "categorical_crossentropy", "sparse_categorical_crossentropy"

TWINS = {
    "MLP, digits": Setup(
        *("classes", samples.digits, functools.partial(mlp, outputs=10), 32, 2, "relu", "softmax"),
        *(SOFTMAX, 3e-3, 32, 20),
    ),
    "MLP, house prices": Setup(
        *("values", samples.houses, functools.partial(mlp, outputs=1), 32, 2, "relu", None, "mse"),
        *(3e-3, 32, 30),
    ),
    "MLP, tumors": Setup(
        *("flags", samples.tumors, functools.partial(mlp, outputs=1), 16, 1, "relu", "sigmoid"),
        *("binary_crossentropy", 3e-3, 16, 20),
    ),
    "CNN, digits": Setup(
        *("classes", samples.image, cnn, 32, 1, "relu", "softmax", SOFTMAX, 3e-3, 32, 15),
    ),
    "GRU, letters": Setup(
        *("classes", samples.first_letters, functools.partial(recurrent, layer=gr.GRU), 16, None),
        *("tanh", "softmax", SPARSE, 1e-2, 32, 20),
    ),
    "LSTM, letters": Setup(
        *("classes", samples.first_letters, functools.partial(recurrent, layer=gr.LSTM), 16, None),
        *("tanh", "softmax", SPARSE, 1e-2, 32, 20),
    ),
    "attention, letters": Setup(
        *("classes", samples.looked_up, attention, 16, None, "relu", "softmax", SPARSE),
        *(5e-3, 32, 25),
    ),
    "embedding, words": Setup(
        *("classes", samples.topics, words, 32, 1, "relu", "softmax", SOFTMAX, 3e-3, 32, 12),
    ),
    "autoencoder, digits": Setup(
        *("copies", samples.strokes, autoencoder, 48, 1, "relu", "sigmoid", "mse", 3e-3, 32, 25),
    ),
    "two outputs, digits": Setup(
        *("several", samples.digits_and_heights, several, 32, 2, "relu", "softmax", SPARSE),
        *(3e-3, 32, 25),
    ),
    "GAN, ring": Setup(
        *("points", samples.ring, gan, 32, 2, "relu", None, "", 3e-3, 128, 150),
        options=(("beta_1", 0.5),),
    ),
}
