"""A loss that is a function of the network."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import ShapeError

X = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
Y = X[:, :1] * 2


def squares(net, x, y):
    return ((net(x) - y) ** 2).mean(-1)


def made(loss, **options):
    return gr.Model(gr.Sequential([gr.Dense(3, "tanh"), gr.Dense(1)]), loss, gr.SGD(0.1), **options)


@pytest.mark.slow
def test_it_trains_as_the_loss_of_that_name_does():
    weight = np.linspace(0, 2, len(X))
    own = made(gr.FunctionTask(squares, gr.L2(0.01)))
    known = made("mse", penalty=gr.L2(0.01))
    for model in (own, known):
        model.fit(X, Y, batch_size=10, epochs=3, sample_weight=weight, probes=False, verbose=False)
    for path, value in known.weights.items():
        np.testing.assert_allclose(own.weights[path], value, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(own.history["loss"], known.history["loss"], rtol=1e-5)


def test_a_mean_over_the_samples_is_refused():
    def squares_mean(net, x, y):
        return squares(net, x, y).mean()

    model = made(gr.FunctionTask(squares_mean))
    with pytest.raises(ShapeError, match=r"squares_mean returned shape \(\) for 8 samples"):
        model.fit(X, Y, batch_size=8, verbose=False)
