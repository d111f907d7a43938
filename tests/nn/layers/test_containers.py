"""Repeat applies its copies one after another, and their number can be swept."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32)


def test_it_is_its_copies_one_after_another():
    net = gr.init(gr.Repeat(gr.Dense(3, "tanh"), 2), 0, X)
    first, second = net.layers
    assert not np.array_equal(first.kernel, second.kernel)
    by_hand = np.tanh(np.tanh(X @ first.kernel) @ second.kernel)
    np.testing.assert_allclose(net(X), by_hand, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(gr.init(gr.Repeat(gr.Dense(3), 0), 0, X)(X), X)


def test_it_is_saved_and_loaded(tmp_path):
    net = gr.Sequential([gr.Repeat(gr.Dense(4, "relu"), 3), gr.Dense(2, "softmax")])
    model = gr.Model(net, "sparse_categorical_crossentropy").build(X)
    again = gr.Model.load(model.save(tmp_path / "m"))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.slow
def test_the_number_of_layers_is_a_hyperparameter():
    net = gr.Sequential([gr.Repeat(gr.Dense(4), gr.int_uniform(0, 2)), gr.Dense(2, "softmax")])
    model = gr.Model(net, "sparse_categorical_crossentropy")
    sweep = gr.Sweep(model, search="grid").fit(X, Y, epochs=1, verbose=False)
    assert [len(sweep.member_models(t)[0].net.layers[0].layers) for t in sweep.trials] == [0, 1, 2]
    whole = gr.Sequential(gr.choice([gr.Dense(2, "softmax")], [gr.Dense(3), gr.Dense(2)]))
    sweep = gr.Sweep(gr.Model(whole, "sparse_categorical_crossentropy"), search="grid")
    assert len(sweep.fit(X, Y, epochs=1, verbose=False).trials) == 2


def test_mistakes_say_what_to_write():
    with pytest.raises(
        GradusError, match=r"Repeat\(times=-1\): write a whole number of at least 0"
    ):
        gr.init(gr.Repeat(gr.Dense(3), -1), 0, X)
    for space, wrong in ((gr.int_uniform(-1, 1), "-1"), (gr.uniform(0.5, 2), "0.5")):
        with pytest.raises(GradusError, match=rf"Repeat\(times={wrong}\): .* at least 0"):
            gr.Repeat(gr.Dense(3), space)
    net = gr.Sequential([gr.Repeat(gr.Dense(3), gr.choice(-1)), gr.Dense(2, "softmax")])
    sweep = gr.Sweep(gr.Model(net, "sparse_categorical_crossentropy"), search="grid")
    with pytest.raises(GradusError, match=r"Repeat\(times=-1\)"):
        sweep.fit(X, Y, epochs=1, verbose=False)
    with pytest.raises(GradusError, match="write Dense"):
        gr.Repeat(gr.Dense, 2)
