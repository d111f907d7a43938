"""Sigmoid layers shrink the gradient; the others do not."""

import pytest

from gradus.lessons.images import load_images
from gradus.lessons.page import Page
from gradus.lessons.vanishing import KINDS, gradients, lesson, network, on_batch_norm

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
    # With batch normalization, it grows by √(π / (π − 1)) = 1.21 per layer (Yang et al. 2019).
    assert 1.1 < factor["ReLU, He, batch norm"] ** (-1 / (DEPTH - 1)) < 1.35


@pytest.mark.slow
def test_sigmoid_layers_learn_nothing():
    found = lesson(
        Page(quiet=True), depth=DEPTH, width=32, epochs=20, kinds=("sigmoid", "ReLU, He")
    )
    assert found["gradient_ratio_sigmoid"] > 100 * found["gradient_ratio_ReLU, He"]
    assert found["accuracy_sigmoid"] < 0.3
    assert found["accuracy_ReLU, He"] > 0.85


def test_what_is_said_of_batch_normalization_is_what_the_table_shows():
    he = {"network": "ReLU, He", "last / first": 0.9, "accuracy": 0.95}
    norm = {"network": "ReLU, He, batch norm", "last / first": 1 / 32, "accuracy": 0.8}
    assert on_batch_norm([he], 6) == ""
    assert on_batch_norm([he, norm], 6).endswith(
        "the gradient grows by a factor of 32 on its way back, 2.00 per layer, and the network "
        "gets less right than with He's weights alone: 80.0% against 95.0%."
    )
    better = on_batch_norm([he, norm | {"last / first": 32, "accuracy": 0.96}], 6)
    assert "shrinks by a factor of 32" in better
    assert "gets more right" in better
