"""Targets `(n,)` are those of a network with one output, `(n, 1)`."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import ShapeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype(np.float32)
VALUES = X @ np.array([1.0, -2.0, 0.5], np.float32)
FLAGS = (VALUES > 0).astype(np.int32)
COUNTS = np.floor(np.abs(VALUES))


def trained(y, loss, metrics=(), activation=None, validation=None, **settings):
    net = gr.Sequential([gr.Dense(4, "tanh"), gr.Dense(1, activation)])
    model = gr.Model(net, loss, gr.Adam(0.01), list(metrics))
    settings = {"validation_data": (X[:9], validation)} if validation is not None else settings
    model.fit(X, y, epochs=3, batch_size=16, probes=False, verbose=False, **settings)
    return model


@pytest.mark.parametrize(
    ("y", "loss", "metrics", "activation"),
    [
        (VALUES, "mse", ["mae", "r2"], None),
        (VALUES, "huber", [lambda y, p: (y - p) ** 2], None),
        (VALUES, gr.losses.RootMeanSquaredError(), [], None),
        (COUNTS, "poisson", [], "exponential"),
        (COUNTS, "msle", ["mape", "quantile"], "softplus"),
        (FLAGS, "binary_crossentropy", ["accuracy", "auc", "f1", "confusion_matrix"], "sigmoid"),
        (
            FLAGS,
            "binary_crossentropy",
            ["balanced_accuracy", "matthews", "kappa", "pr_auc"],
            "sigmoid",
        ),
        (FLAGS == 1, "binary_crossentropy", ["accuracy"], None),
        (FLAGS, "hinge", ["accuracy"], None),
    ],
)
def test_both_shapes_of_targets_train_alike(y, loss, metrics, activation):
    flat = trained(y, loss, metrics, activation, y[:9])
    column = trained(y[:, None], loss, metrics, activation, y[:9, None])
    others = [column]
    if y is VALUES:  # targets and validation may differ in shape
        others.append(trained(y, loss, metrics, activation, y[:9, None]))
    for other in others:
        for name in flat.history.last():
            np.testing.assert_allclose(
                flat.history[name], other.history[name], rtol=1e-5, atol=1e-6, err_msg=name
            )
    logs = flat.evaluate(X, y), column.evaluate(X, y[:, None]), flat.evaluate(X, y[:, None])
    for name, value in logs[0].items():
        for other in logs[1:]:
            np.testing.assert_allclose(value, other[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_split_weights_and_full_batch_accept_them():
    trained(VALUES, "mse", validation_split=0.25, sample_weight=np.ones(40))
    trained(FLAGS, "binary_crossentropy", activation="sigmoid", class_weight="balanced")
    net = gr.Sequential([gr.Dense(1)])
    gr.Model(net, "mse", "lbfgs").fit(
        X, VALUES, epochs=2, batch_size=None, probes=False, verbose=False
    )


def test_each_output_of_several_and_each_step_of_a_sequence_may_be_one_number():
    heads = gr.Parallel({"a": gr.Dense(1), "b": gr.Dense(2, "softmax")})
    model = gr.Model(heads, {"a": "mse", "b": "sparse_categorical_crossentropy"})
    model.fit(X, {"a": VALUES, "b": FLAGS}, epochs=1, probes=False, verbose=False)
    steps = RNG.normal(size=(8, 5, 3)).astype(np.float32)
    model = gr.Model(gr.Sequential([gr.LSTM(2, return_sequences=True), gr.Dense(1)]), "mse")
    model.fit(steps, steps.sum(-1), epochs=1, probes=False, verbose=False)


def test_a_sweep_accepts_them():
    net = gr.Sequential([gr.Dense(gr.choice(2, 3)), gr.Dense(1)])
    sweep = gr.Sweep(gr.Model(net, "mse", metrics=["r2"]), search="grid")
    assert len(sweep.fit(X, VALUES, epochs=1, probes=False, verbose=False).trials) == 2


def test_what_else_does_not_fit_is_still_refused():
    for y in (VALUES[:, None, None], np.stack([VALUES, VALUES], 1)):
        with pytest.raises(ShapeError):
            trained(y, "mse")

    def squared(y, p):
        return (y - p) ** 2

    with pytest.raises(ShapeError, match=r"every sample with every other.*y\[\.\.\., None\]"):
        trained(VALUES, squared)
    with pytest.raises(ShapeError, match="validation y"):
        trained(VALUES[:, None], squared, validation=VALUES[:9])
