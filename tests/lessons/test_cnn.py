"""With the same number of weights, a CNN reads digits anywhere; an MLP does not."""

import pytest

from gradus.lessons.catalog import run_lesson


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_a_cnn_beats_an_mlp_with_the_same_number_of_weights(seed):
    _, page, found = run_lesson("cnn", quiet=True, samples=1000, epochs=12, seed=seed)
    assert abs(found["cnn_weights"] - found["mlp_weights"]) < 100
    assert found["cnn_accuracy"] > found["mlp_accuracy"] + 0.15
    assert found["cnn_accuracy"] > 0.7
    # The maps of a digit moved by a pixel are its maps, moved by a pixel.
    assert found["difference_of_shifted_maps"] == pytest.approx(0, abs=1e-5)
    assert len(page.blocks) >= 5
