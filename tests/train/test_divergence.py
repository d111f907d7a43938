"""Where a training diverged is reported: epoch, step, layer, and what to try."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus.nn.network import init
from gradus.rng import host_rng

RNG = np.random.default_rng(1)
X = RNG.normal(size=(40, 5)).astype(np.float32)
Y = (X.sum(1) > 0).astype(np.int32)


class Log(gr.Layer):
    """Fine while its inputs are positive."""

    def __init__(self):
        pass

    def call(self, x):
        return jnp.log(x)


class Root(gr.Layer):
    """Finite everywhere, but its derivative at zero is not a number."""

    def __init__(self):
        pass

    def call(self, x):
        return jnp.sqrt(jnp.maximum(x, 0) * 0 + jnp.square(x * 0))


class Late(gr.Layer):
    """Divides by zero from its fourth batch on; it counts them in its state."""

    def __init__(self):
        pass

    def build(self, shape):
        self.count = self.add_weight("count", (), "zeros", kind="state")

    def call(self, x, training):
        if training:
            self.count = self.count + 1
        return x / jnp.where(self.count < 4, 1.0, 0.0)


def broken(net, loss="sparse_categorical_crossentropy", optimizer=None, y=Y, **options):
    model = gr.Model(net, loss, optimizer or gr.SGD(0.01))
    history = model.fit(
        X, y, epochs=5, verbose=False, probes=False, **({"batch_size": 10} | options)
    )
    assert history.stopped == "diverged"
    for value in model.weights.values():
        assert np.isfinite(value).all()
    return model, divergence(model)


def divergence(model):
    """Return what was found of a divergence, after checking that the notes say it."""
    (finding,) = (each for each in model.diagnose().faults if each.code == "diverged")
    assert any(note.startswith(finding.message) for note in model.history.notes)
    return str(finding)


@pytest.mark.slow
def test_divergence_names_the_step_and_asks_for_a_smaller_rate():
    net = gr.Sequential([gr.Dense(8, "relu"), gr.Dense(8, "relu"), gr.Dense(1)])
    y = Y.astype(np.float32)[:, None]
    _, note = broken(net, "mse", gr.SGD(1e10), y)
    assert "in epoch 1, step " in note
    assert "below the 1e+10 of this step" in note
    assert "clipnorm=1.0" in note
    # The same descent, by hand in NumPy's float32, breaks at the same step.
    assert int(re.search(r"step (\d+) of 4", note)[1]) == step_by_hand(net, 1e10, y)


@pytest.mark.slow
def test_before_the_first_update_the_learning_rate_is_not_blamed():
    net = gr.Sequential([gr.Dense(8, "relu"), gr.Dense(1)])
    model = gr.Model(net, "mse", gr.SGD(1e-6))
    model.fit(1e25 * X, X[:, :1], epochs=1, batch_size=10, verbose=False)
    note = divergence(model)
    assert "in epoch 1, step 1 of 4" in note
    assert "the learning rate is not the cause: scale the inputs, up to" in note
    assert "try a learning rate" not in note
    size = re.search(r"inputs, up to ([^,]+),", note.rpartition("not the cause")[2])[1]
    assert 1e25 < float(size) <= 1.01e25 * np.abs(X).max()


def step_by_hand(net, rate, y):
    from gradus.nn.network import weights

    w = {name: np.asarray(v, np.float32) for name, v in weights(init(net, 0, X)).items()}
    order = host_rng(0, "order", "0").permutation(np.arange(len(X))).reshape(4, 10)
    with np.errstate(all="ignore"):
        for number, rows in enumerate(order, 1):
            hidden = [X[rows]]
            for name in ("dense", "dense_1"):
                z = hidden[-1] @ w[f"{name}/kernel"] + w[f"{name}/bias"]
                hidden.append(np.maximum(z, 0))
            error = hidden[2] @ w["dense_2/kernel"] + w["dense_2/bias"] - y[rows]
            back = 2 * error / len(rows)
            for i, name in ((2, "dense_2"), (1, "dense_1"), (0, "dense")):
                kernel = w[f"{name}/kernel"].copy()
                w[f"{name}/kernel"] -= np.float32(rate) * (hidden[i].T @ back)
                w[f"{name}/bias"] -= np.float32(rate) * back.sum(0)
                back = (back @ kernel.T) * (hidden[i] > 0)
            finite = all(np.isfinite(v).all() for v in w.values())
            if not finite or not np.isfinite(np.square(error).mean()):
                return number
    return None


@pytest.mark.slow
def test_a_layer_whose_output_breaks_is_named():
    net = gr.Sequential([gr.Dense(4), Log(), gr.Dense(2, "softmax")])
    _, note = broken(net)
    assert "epoch 1, step 1 of 4, in layer 'log' (Log): its output is not finite" in note
    assert "logarithm or root of a negative number" in note
    built = init(net, 0, X)
    order = host_rng(0, "order", "0").permutation(len(X))[:10]
    largest = np.abs(np.asarray(built.layers[0](X[order]))).max()
    assert f"up to {largest:.3g}" in note


@pytest.mark.slow
def test_a_later_epoch_and_step_are_found():
    # Of 10 rows in 4 batches the first epoch is 4 steps; the count passes 3 at the 4th.
    net = gr.Sequential([gr.Dense(4, "tanh"), Late().named("late"), gr.Dense(2, "softmax")])
    assert "epoch 1, step 4 of 4, in layer 'late'" in broken(net)[1]
    model, note = broken(net, batch_size=20)
    assert "epoch 2, step 2 of 2, in layer 'late'" in note
    assert int(model.train_state.epoch) == 1


@pytest.mark.slow
def test_a_derivative_that_breaks_is_named_even_without_weights():
    net = gr.Sequential([gr.Dense(4), Root(), gr.Dense(2, "softmax")])
    _, note = broken(net)
    assert "step 1 of 4, in the gradient of layer 'root' (Root)" in note
    assert "root or a norm at zero" in note


@pytest.mark.slow
def test_a_nested_layer_is_named_by_its_path():
    net = gr.Sequential([gr.Residual([gr.Dense(5), Log()]), gr.Dense(2, "softmax")])
    assert "in layer 'residual/log' (Log)" in broken(net)[1]


@pytest.mark.slow
def test_a_loss_that_breaks_is_named():
    net = gr.Sequential([gr.Dense(4, "tanh"), gr.Dropout(0.5), gr.Dense(1, "sigmoid")])
    _, note = broken(net, lambda y, p: jnp.log(p[:, 0] - 1), batch_size=None)
    assert "step 1 of 1, in the loss" in note
    assert "Check the loss and the targets" in note


@pytest.mark.slow
def test_an_update_that_breaks_is_named():
    net = gr.Sequential([gr.Dense(4, "tanh"), gr.Dense(2, "softmax")])
    _, note = broken(net, optimizer=gr.SGD(3e38, momentum=0.9), y=Y)
    assert "epoch 1, step" in note
    assert "learning rate below the 3e+38" in note


@pytest.mark.slow
def test_integer_inputs_and_several_inputs_are_no_obstacle():
    class Two(gr.Layer):
        def __init__(self):
            pass

        def build(self, shapes):
            self.embed = gr.Embedding(3, 4)
            self.root = Root()
            self.out = gr.Dense(2, "softmax")

        def call(self, x):
            return self.out(self.root(self.embed(x["code"])) + x["number"][:, :4])

    x = {"code": np.arange(40) % 3, "number": X}
    model = gr.Model(Two(), "sparse_categorical_crossentropy")
    model.fit(x, Y, epochs=2, verbose=False, probes=False)
    assert "in the gradient of layer 'root'" in divergence(model)


@pytest.mark.slow
@pytest.mark.parametrize("split", [0.0, 0.25])
def test_what_does_not_break_is_not_reported(split):
    model = gr.Model(gr.Dense(2, "softmax"), "sparse_categorical_crossentropy")
    history = model.fit(X, Y, epochs=3, validation_split=split, verbose=False, probes=False)
    assert history.stopped == ""
    assert not history.notes
    assert jax.tree.leaves(model.train_state.diverged) == [False]
