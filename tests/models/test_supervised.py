"""How losses meet the ends of networks: recognized heads, refusals, notes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.models.supervised import check_supervised, make_supervised
from gradus.nn.activations import log_softmax
from gradus.nn.network import forward, weights
from gradus.train import inference

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3)).astype(np.float32)
Y = RNG.integers(0, 3, 12).astype(np.int32)
ONE_HOT = np.eye(3, dtype=np.float32)[Y]
FLAGS = (RNG.random((12, 3)) < 0.5).astype(np.float32)


class Custom(gr.Layer):
    """A user's network that ends in a function of its own."""

    def __init__(self, end, units=3):
        self.end, self.units = end, units

    def build(self, shape):
        self.dense = gr.Dense(self.units)

    def call(self, x):
        return self.end(self.dense(x))


class Quiet(gr.Layer):
    """A network of dropout, batch norm and rectifiers whose first outputs are all small."""

    def build(self, shape):
        self.hidden = gr.Dense(4, "relu", kernel_initializer="random_normal")
        self.norm, self.last = gr.BatchNormalization(), gr.Dense(1, kernel_initializer="ones")

    def call(self, x):
        return self.last(self.norm(self.hidden(x)))


def hidden_softmax(z):
    return jax.nn.softmax(z, axis=-1)


def naive_softmax(z):
    return jnp.exp(z) / jnp.exp(z).sum(-1, keepdims=True)


def hidden_sigmoid(z):
    return 1 / (1 + jnp.exp(-z))


def measured(net, loss, y):
    """Return what a network of the same weights is measured to lose, and its end."""
    net = gr.init(net, 0, X)
    dense = {path.split("/")[-1]: value for path, value in weights(net).items()}
    task = make_supervised(loss)
    check_supervised(net, task, X, y)
    value = inference.evaluate_batches(net, task, X, y, None)["loss"]
    return float(value), forward(net, X).activation, dense


@pytest.mark.parametrize(
    ("kind", "loss", "y", "end"),
    [
        ("softmax", "sparse_categorical_crossentropy", Y, gr.softmax),
        ("softmax", "categorical_crossentropy", ONE_HOT, gr.softmax),
        ("log_softmax", "sparse_categorical_crossentropy", Y, log_softmax),
        ("sigmoid", "binary_crossentropy", FLAGS, gr.sigmoid),
        ("linear", "sparse_categorical_crossentropy", Y, lambda z: z),
        ("linear", "binary_crossentropy", FLAGS, lambda z: z),
    ],
)
def test_an_end_is_recognized_however_it_is_written(kind, loss, y, end):
    nets = [
        gr.Sequential([gr.Dense(3, kind).named("dense")]),
        gr.Sequential([gr.Dense(3), gr.Activation(kind)]),
        Custom(end),
    ]
    found = []
    for net in nets:
        value, recognized, w = measured(net, loss, y)
        assert recognized == kind
        z = (X @ w["kernel"] + w["bias"]).astype(float)
        if y is FLAGS:
            expected = np.mean(np.logaddexp(0, z) - FLAGS * z)
        else:
            expected = np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(12), Y])
        assert value == pytest.approx(expected, rel=1e-5)
        found.append(recognized)


def test_fused_losses_are_finite_where_probabilities_are_not():
    net = gr.init(gr.Sequential([gr.Dense(3, "softmax")]), 0, X)
    loss = inference.evaluate_batches(
        net, make_supervised("sparse_categorical_crossentropy"), X * 1e4, Y, None
    )
    z = (X * 1e4) @ weights(net)["dense/kernel"]
    expected = np.mean(z.max(1) - z[np.arange(12), Y])
    assert loss["loss"] == pytest.approx(expected, rel=1e-3)
    assert expected > 100


@pytest.mark.parametrize(
    ("end", "loss", "y"),
    [
        (hidden_softmax, "sparse_categorical_crossentropy", Y),
        (naive_softmax, "categorical_crossentropy", ONE_HOT),
        (hidden_sigmoid, "binary_crossentropy", FLAGS),
        (jax.nn.sigmoid, "binary_crossentropy", FLAGS),
    ],
)
def test_a_hidden_softmax_or_sigmoid_is_refused_with_what_to_write(end, loss, y):
    with pytest.raises(GradusError, match=r"probabilities already.*gr\.(softmax|sigmoid)"):
        measured(Custom(end), loss, y)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "net",
    [
        gr.Sequential([gr.Dense(8, "sigmoid"), gr.Dense(1)]),
        gr.Sequential([gr.Dense(4, "relu"), gr.Dense(1)]),
        Quiet(),
    ],
)
def test_logits_that_happen_to_be_small_are_not_refused(net, seed):
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    net = gr.init(net, seed, x)
    check_supervised(
        net, make_supervised("binary_crossentropy"), x, np.array([[0.0], [1], [1], [0]], np.float32)
    )


def test_logits_of_whole_numbers_are_not_refused():
    x = np.zeros((4, 1), np.int32)
    net = gr.Sequential([gr.Embedding(3, 2, "ones"), gr.Flatten(), gr.Dense(1)])
    for seed in range(8):
        built = gr.init(net, seed, x)
        check_supervised(
            built, make_supervised("binary_crossentropy"), x, np.ones((4, 1), np.float32)
        )


@pytest.mark.parametrize("name", ["step", "sign"])
def test_an_activation_without_a_gradient_is_refused(name):
    net = gr.init(gr.Sequential([gr.Dense(4, name), gr.Dense(1)]), 0, X)
    with pytest.raises(GradusError, match=rf"'dense' \(Dense\).*'{name}'.*{name}_ste"):
        check_supervised(net, make_supervised("mse"), X, FLAGS[:, :1])


def test_an_odd_pair_trains_on_clipped_outputs():
    for kind, loss, y in (
        ("sigmoid", "categorical_crossentropy", ONE_HOT),
        ("softmax", "binary_crossentropy", FLAGS),
    ):
        value, _, w = measured(gr.Sequential([gr.Dense(3, kind)]), loss, y)
        z = X @ w["kernel"]
        p = 1 / (1 + np.exp(-z)) if kind == "sigmoid" else np.asarray(hidden_softmax(z))
        if loss == "categorical_crossentropy":
            expected = -np.log((p / p.sum(1, keepdims=True))[np.arange(12), Y]).mean()
        else:
            expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
        assert value == pytest.approx(expected, rel=1e-4)


def test_losses_and_outputs_must_match():
    two = gr.init(gr.Parallel({"a": gr.Dense(1), "b": gr.Dense(1)}), 0, X)
    y = {"a": FLAGS[:, :1], "b": FLAGS[:, :1]}
    with pytest.raises(GradusError, match="2 outputs but one loss"):
        check_supervised(two, make_supervised("mse"), X, y)
    with pytest.raises(GradusError, match=r"\['a', 'c'\]"):
        check_supervised(two, make_supervised({"a": "mse", "c": "mse"}), X, y)
    with pytest.raises(GradusError, match="targets y"):
        check_supervised(two, make_supervised({"a": "mse", "b": "mse"}), X, {"a": y["a"]})
    with pytest.raises(GradusError, match="metrics"):
        make_supervised(["mse", "mse"], [["mae"]])
    one = gr.init(gr.Dense(1), 0, X)
    with pytest.raises(GradusError, match="losses are for"):
        check_supervised(one, make_supervised({"a": "mse"}), X, {"a": y["a"]})
