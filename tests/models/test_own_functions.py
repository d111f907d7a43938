"""Losses, metrics and tasks of the user's own: what they are given, and what they may return."""

import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError, SavedError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = 2 * X[:, 0] + X[:, 1]
SILENT = {"epochs": 1, "probes": False, "verbose": False}


def squared(y, p):
    return (y - p) ** 2


def twice(y, p):
    return (1 - y - 2 * y - p) ** 2


TWICE = gr.FunctionTask(lambda net, x, y: twice(y, net(x))[:, 0])


@pytest.mark.parametrize(
    "model",
    [
        lambda: gr.Model(gr.Dense(1), squared),
        lambda: gr.Model(gr.Dense(1), lambda y, p: jnp.mean((y - p) ** 2, axis=-1)),
        lambda: gr.Model(gr.Sequential([gr.Dense(1), gr.Reshape((1,))]), squared),
    ],
)
def test_targets_that_would_be_compared_with_every_output_are_refused(model):
    with pytest.raises(
        ShapeError, match=r"every sample with every other, since y has shape \(60,\)"
    ):
        model().fit(X, Y, **SILENT)
    model().fit(X, Y[:, None], **SILENT)
    with pytest.raises(ShapeError, match="validation y"):
        model().fit(X, Y[:, None], validation_data=(X, Y), **SILENT)


def test_shapes_that_a_function_cannot_compare_are_those_of_a_sample():
    with pytest.raises(
        ShapeError, match=r"squared .* of shape \(\) with an output of shape \(2,\)"
    ):
        gr.Model(gr.Dense(2), squared).fit(X, Y, **SILENT)


def test_a_metric_of_ones_own_is_checked_too():
    net = gr.Sequential([gr.Dense(1), gr.Flatten()])
    model = gr.Model(net, lambda y, p: (y - p[:, 0]) ** 2, metrics=[squared])
    with pytest.raises(ShapeError, match="squared compares every sample"):
        model.fit(X, Y, **SILENT)


def test_a_loss_that_compares_samples_on_purpose_is_left_alone():
    def spread(y, p):
        return jnp.abs(p - p.mean(0)).sum(-1) + (y - p[:, 0]) ** 2

    gr.Model(gr.Dense(1), spread).fit(X, Y, **SILENT)


def test_targets_have_a_type_in_which_arithmetic_is_what_it_says():
    y = (Y > 1)[:, None]
    losses = []
    for dtype in (np.float32, bool, np.uint8, np.int8, np.int32):
        for task in (twice, TWICE):
            model = gr.Model(gr.Dense(1, "sigmoid"), task, seed=1)
            losses.append(model.fit(X, y.astype(dtype), **SILENT)["loss"][0])
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)


def test_a_loss_that_cannot_be_saved_is_said_before_training(capsys, tmp_path):
    model = gr.Model(gr.Dense(1), squared)
    history = model.fit(X, Y[:, None], epochs=2, probes=False)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Note: the model cannot be saved: The function 'squared' at loss")
    assert sum("cannot be saved" in line for line in lines) == 1
    assert "cannot be saved" in history.notes[0]
    with pytest.raises(SavedError, match="squared"):
        model.save(tmp_path / "m")
    assert gr.Model(gr.Dense(1), "mse").fit(X, Y[:, None], **SILENT).notes == []


def test_pairs_of_samples_that_a_function_makes_itself_are_refused():
    def pairs(y, p):
        return (y[:, 0] - p) ** 2

    for model in (gr.Model(gr.Dense(1), pairs), gr.Model(gr.Dense(1), "mse", metrics=[pairs])):
        with pytest.raises(
            ShapeError, match=r"pairs compares .* it returns \(n, n\) .* index both alike"
        ):
            model.fit(X, Y[:, None], **SILENT)
    several = gr.Model(gr.Dense(1), lambda y, p: jnp.concatenate([(y - p) ** 2] * 3, axis=1))
    several.fit(X, Y[:, None], **SILENT)


@pytest.mark.parametrize(
    ("function", "word"),
    [
        (lambda y, p: None, "returned nothing"),
        (lambda y, p: "mse", "returned the text 'mse'"),
        (lambda y, p: jnp.where("mse", y, p), "gives JAX a str .*numbers alone"),
        (lambda y, p: (y - p) * 1j, "complex"),
        (lambda y, p: np.abs(np.asarray(y) - np.asarray(p)), "NumPy .*jax.numpy"),
        (lambda y, p: y - p if (p > 0).all() else p - y, "jnp.where"),
    ],
)
def test_what_a_function_may_not_return_or_do_is_told(function, word):
    for model in (
        gr.Model(gr.Dense(1), function),
        gr.Model(gr.Dense(1), "mse", metrics=[function]),
    ):
        with pytest.raises(GradusError, match=word):
            model.fit(X, Y[:, None], **SILENT)
