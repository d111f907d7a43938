"""It takes a nonlinearity between the layers to solve XOR."""

import numpy as np
import pytest

import gradus as gr
from gradus.lessons.page import Page
from gradus.lessons.xor import X, lesson, network, on_band, on_dead


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_a_nonlinearity_solves_xor_for_nearly_every_seed_and_a_linear_network_for_none(seed):
    found = lesson(Page(quiet=True), seeds=40, epochs=200, seed=seed)
    assert found["share_solved_tanh"] >= 0.95
    assert found["share_solved_relu"] >= 0.75
    assert found["share_solved_linear"] == 0
    assert found["difference_from_one_matrix"] < 1e-6


def test_the_caption_names_the_class_in_the_band():
    # Two tanh units whose sum is near 2 where ½ < x₁ + x₂ < 1½ and near 0 elsewhere.
    model = network("tanh", 2, 0).build(X)
    band = {
        "dense/kernel": np.array([[10.0, -10.0], [10.0, -10.0]]),
        "dense/bias": np.array([-5.0, 15.0]),
        "dense_1/kernel": np.array([[10.0], [10.0]]),
        "dense_1/bias": np.array([-10.0]),
    }
    model.set_weights(band)
    assert model.predict_classes(X).tolist() == [0, 1, 1, 0]
    assert on_band(model) == ": the ones lie in a band, with a zero on either side"
    # The other solution: x₁ − x₂ between −½ and ½ gives 0.
    model.set_weights(
        band
        | {
            "dense/kernel": np.array([[10.0, -10.0], [-10.0, 10.0]]),
            "dense/bias": np.array([5.0, 5.0]),
            "dense_1/kernel": np.array([[-10.0], [-10.0]]),
            "dense_1/bias": np.array([10.0]),
        }
    )
    assert model.predict_classes(X).tolist() == [0, 1, 1, 0]
    assert on_band(model) == ": the zeros lie in a band, with a one on either side"


def test_dead_units_are_counted():
    assert on_dead([]) == ""
    model = gr.Model(gr.mlp([2, 1], "relu", "sigmoid"), "binary_crossentropy").build(X)
    model.set_weights({"dense/kernel": [[1, -1], [1, -1]], "dense/bias": [0, 0]})
    assert "1.0 of the 2 hidden units are dead" in on_dead([model])
