"""A population trained side by side is its members trained alone."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.sweep.population import fit_all

X = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int32)


def made(seed, rate, dropout, width=6):
    net = gr.Sequential([gr.Dense(width, "tanh"), gr.Dropout(dropout), gr.Dense(2, "softmax")])
    loss = "sparse_categorical_crossentropy"
    return gr.Model(net, loss, gr.Adam(rate), metrics=["accuracy"], seed=seed)


def test_members_equal_their_solo_runs():
    settings = [(0, 0.01, 0.1), (1, 0.01, 0.3), (2, 0.1, 0.1)]
    options = {"batch_size": 16, "epochs": 3, "validation_data": (X[:10], Y[:10])}
    together = fit_all([made(*one) for one in settings], X, Y, **options)
    for one, member in zip(settings, together, strict=True):
        alone = made(*one)
        alone.fit(X, Y, verbose=False, **options)
        for path, weight in alone.weights.items():
            np.testing.assert_allclose(member.weights[path], weight, rtol=1e-4, atol=1e-6)
        for name in ("loss", "val_accuracy"):
            np.testing.assert_allclose(member.history[name], alone.history[name], rtol=1e-4)
        np.testing.assert_allclose(member.predict(X), alone.predict(X), rtol=1e-3, atol=1e-5)


def test_other_structures_are_refused():
    with pytest.raises(GradusError, match="differ in structure"):
        fit_all([made(0, 0.1, 0.1), made(0, 0.1, 0.1, width=7)], X, Y)
