"""A small code of a nonlinear network preserves more than as many components."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from gradus.lessons.catalog import run_lesson
from gradus.lessons.images import load_images

SIZES = {"quiet": True, "codes": [2], "hidden": [64], "epochs": 150}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_two_numbers_of_an_autoencoder_say_more_than_two_components(seed):
    _, page, found = run_lesson("autoencoder", seed=seed, **SIZES)
    assert found["autoencoder_error_2"] < 0.85 * found["components_error_2"]
    better = found["autoencoder_neighbors_accuracy"] - found["components_neighbors_accuracy"]
    assert better > 0.03
    if seed == 0:
        digits = load_images().flat
        pca = PCA(2).fit(digits.x)
        rest = digits.x_test - pca.inverse_transform(pca.transform(digits.x_test))
        assert found["components_error_2"] == pytest.approx(np.mean(rest**2), rel=1e-4)
        assert len(page.blocks) >= 5
