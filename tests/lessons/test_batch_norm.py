"""Batch normalization: faster learning from almost any initial weights."""

import numpy as np
import pytest

from gradus.lessons.batch_norm import epochs_to, lesson, network, on_failures
from gradus.lessons.page import Page


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_with_it_more_scales_learn_and_they_learn_faster(seed):
    found = lesson(Page(quiet=True), scales=8, depth=4, width=32, epochs=15, seed=seed)
    assert found["share_of_scales_with"] >= 0.5
    assert found["share_of_scales_without"] <= 0.25
    assert found["epochs_to_90_percent_with"] < found["epochs_to_90_percent_without"]


def test_epochs_to_a_goal():
    assert epochs_to(0.9, np.array([0.5, 0.9, 0.8]), 3) == 2
    assert epochs_to(0.9, np.array([0.5]), 3) == 4


def test_what_the_caption_says_of_failures():
    deviations = np.array([0.001, 0.1, 1.0])
    x = np.array([[0.0, 1.0], [2.0, 3.0]])  # each column has variance 1
    accuracy = {"without": np.array([0.1, 0.9, 0.2]), "with": np.array([0.3, 0.9, 0.8])}
    said = on_failures(deviations, accuracy, {"without": [1], "with": []}, x)
    assert said == (
        "Without batch normalization, 1 of 3 networks exceed 75%, between 0.1 and 0.1. 1 diverged, "
        "and such a network keeps the weights from before the epoch in which it did: here the "
        "initial ones. With batch normalization, 2 of 3 networks exceed 75%, between 0.1 and 1. "
        "From σ = 0.001, it does not help: the sums in the first layer have a variance of 2e-06, "
        "and ε is 0.001."
    )
    accuracy["with"][0] = 0.8
    later = on_failures(deviations, accuracy, {"without": [3], "with": []}, x)
    assert "initial ones" not in later
    assert "does not help" not in later


def test_a_network_that_diverges_at_once_keeps_its_initial_weights():
    x = 1e5 * np.random.default_rng(0).normal(size=(32, 2)).astype(np.float32)
    y = np.arange(32) % 10
    model = network(False, 3.0, 5, 8, 0).build(x)
    before = model.weights
    model.fit(x, y, batch_size=4, epochs=1, probes=False, verbose=False)
    assert model.history.stopped == "diverged"
    for path, values in model.weights.items():
        np.testing.assert_array_equal(values, before[path])
