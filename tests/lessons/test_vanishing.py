"""Sigmoid layers shrink the gradient; the others do not."""

import pytest

from gradus.lessons.images import load_images
from gradus.lessons.page import Page
from gradus.lessons.vanishing import KINDS, gradients, lesson, network

DEPTH = 12


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_the_gradient_at_both_ends(seed):
    flat = load_images().flat
    factor = {}
    for name, kind in KINDS.items():
        model = network(*kind, DEPTH, 32, seed).build(flat.x)
        norms = gradients(model, flat.x[:256], flat.y[:256])
        assert len(norms) == DEPTH
        factor[name] = norms[-1] / norms[0]
    assert factor["sigmoid"] > 4 ** (DEPTH - 1)
    assert factor["tanh"] < 20
    assert 5 < factor["ReLU"] < 500  # √½ a layer: 2^5.5 = 45 in the mean
    assert 0.05 < factor["ReLU, He"] < 20
    assert factor["ReLU, He, batch norm"] < 1


@pytest.mark.slow
def test_sigmoid_layers_learn_nothing():
    found = lesson(
        Page(quiet=True), depth=DEPTH, width=32, epochs=20, kinds=("sigmoid", "ReLU, He")
    )
    assert found["gradient_ratio_sigmoid"] > 100 * found["gradient_ratio_ReLU, He"]
    assert found["accuracy_sigmoid"] < 0.3
    assert found["accuracy_ReLU, He"] > 0.85
