"""The probes' numbers against the same numbers by NumPy, and where they are taken."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus.models.supervised import make_supervised
from gradus.nn.network import weights, with_weights
from gradus.nn.prng import DerivedKey
from gradus.train import layer_statistics, training_program
from gradus.train.batches import Batch
from gradus.train.state import init_opt_states
from gradus.train.update import update_weights

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3)).astype(np.float32)
Y = RNG.normal(size=(8, 1)).astype(np.float32)


class Split(gr.Layer):
    """A user's layer with two outputs."""

    def build(self, shape):
        self.w = self.add_weight("w", (shape[-1],))

    def call(self, x):
        return x * self.w, x


class Whole(gr.Layer):
    """A network with a layer of two outputs and one that is never called."""

    def build(self, shape):
        self.split, self.end, self.unused = Split(), gr.Dense(1), gr.Dense(1)

    def call(self, x):
        return self.end(self.split(x)[0])


def look(net, optimizer, task=None):
    params = weights(net, "param")
    ones = jnp.ones(len(X), jnp.float32)
    task = task or make_supervised("mse")
    (updated, _, _), _, trace = update_weights(
        net, optimizer, task, Batch(X, Y, ones, ones), DerivedKey(jax.random.key(0)),
        jnp.float32(1),
        (params, weights(net, "state"), init_opt_states(optimizer, task, params)),
        keep_outputs=True,
    )  # fmt: skip
    vector = layer_statistics.layer_statistics(net, params, updated, trace)
    layers, trained = layer_statistics.recorded_paths(net)
    return (
        layer_statistics.unpack_statistics(np.asarray(vector), len(layers), len(trained)),
        layers,
        trained,
    )


@pytest.mark.slow
def test_probes_equal_numpy():
    net = gr.Sequential([gr.Dense(4), gr.Activation("relu"), gr.Dense(3, "sigmoid"), gr.Dense(1)])
    net = gr.init(net, 0, X)
    drawn = dict(weights(net))
    drawn["dense/bias"] = np.float32([-100, 0, 0, 0])  # the first unit is dead
    drawn["dense_1/kernel"] = drawn["dense_1/kernel"] * 20  # saturated
    net = with_weights(net, drawn)
    found, layers, trained = look(net, gr.SGD(0.5))
    assert layers == ["dense", "activation", "dense_1", "dense_2"]
    assert trained == sorted(drawn)

    z = X @ drawn["dense/kernel"] + drawn["dense/bias"]
    h = np.maximum(z, 0)
    s = 1 / (1 + np.exp(-(h @ drawn["dense_1/kernel"])))
    y = s @ drawn["dense_2/kernel"]
    outputs = [z, h, s, y]
    np.testing.assert_allclose(found["mean"], [o.mean() for o in outputs], rtol=1e-4)
    np.testing.assert_allclose(found["deviation"], [o.std() for o in outputs], rtol=1e-3)
    silent = [(o == 0).all(0).mean() for o in outputs]
    np.testing.assert_allclose(found["silent"], silent)
    assert silent[1] >= 0.25
    # Saturated: sigmoid beyond σ(±5); a linear layer and a rectifier never are.
    edge = 1 / (1 + np.exp(5))
    expected = [np.nan, np.nan, ((s <= edge) | (s >= 1 - edge)).mean(), np.nan]
    np.testing.assert_allclose(found["saturated"], expected, rtol=1e-5)

    error = 2 * (y - Y) / len(X)
    gradient = {"dense_2/kernel": s.T @ error, "dense_2/bias": error.sum(0)}
    for path, value in gradient.items():
        at = trained.index(path)
        np.testing.assert_allclose(found["gradient"][at], np.linalg.norm(value), rtol=1e-4)
        # What plain descent with rate ½ would do: half the gradient.
        np.testing.assert_allclose(found["update"][at], np.linalg.norm(value) / 2, rtol=1e-3)
    norms = [np.linalg.norm(drawn[path]) for path in trained]
    np.testing.assert_allclose(found["weight"], norms, rtol=1e-5)


@pytest.mark.slow
def test_a_layer_that_is_not_called_or_has_two_outputs_is_nan():
    found, layers, _ = look(gr.init(Whole(), 0, X), gr.Adam())
    assert layers == ["split", "end", "unused"]
    np.testing.assert_array_equal(np.isnan(found["mean"]), [True, False, True])


@pytest.mark.slow
def test_probes_change_nothing_and_are_few():
    net = gr.Sequential([gr.Dense(4, "relu"), gr.Dropout(0.3), gr.Dense(1)])
    x, y = np.tile(X, (15, 1)), np.tile(Y, (15, 1))  # 120 steps of one sample
    histories = []
    for on in (True, False):
        model = gr.Model(net, "mse", gr.Adam(0.01))
        histories.append(model.fit(x, y, batch_size=1, epochs=3, probes=on, verbose=False))
    np.testing.assert_array_equal(histories[0]["loss"], histories[1]["loss"])
    taken = histories[0].probes
    assert taken["mean"].shape == (3, 10, 2)  # epochs, segments of 12 steps, layers
    assert taken["gradient"].shape == (3, 10, 4)
    # All segments of the first epoch are recorded, then the fourth, the eighth, and the last.
    recorded = np.isfinite(taken["gradient"]).all(axis=-1)
    assert recorded.sum(axis=1).tolist() == [10, 3, 3]
    assert np.flatnonzero(recorded[1]).tolist() == [3, 7, 9]
    assert histories[1].probes == {}
    # The mean of the segments' losses is the epoch's.
    np.testing.assert_allclose(taken["loss"].mean(axis=1), histories[0]["loss"], rtol=1e-5)


@pytest.mark.parametrize(
    ("count", "batch", "epochs"),
    [(80, 16, 100), (60_000, 32, 1), (90, 3, 1), (25, 5, 4), (9, 1, 9)],
)
def test_any_training_has_ten_records_and_a_long_one_not_many(count, batch, epochs):
    config = training_program.FitConfig(epochs, batch, 0, 0)
    shape = training_program.program_shape(count, config, False)
    recorded = np.array(
        [[shape.is_recorded(e, s) for s in range(shape.segments)] for e in range(epochs)]
    )
    steps = shape.steps_per_epoch * epochs
    # In the first epoch ten, in the next nine one each, and one in about fifty steps.
    assert min(8, steps) <= recorded.sum() <= 20 + steps / 40
    assert recorded[:, -1][:10].all()
    silent = training_program.FitConfig(epochs, batch, 0, 0, probes=False)
    assert training_program.program_shape(count, silent, False).epochs_per_record == 0
