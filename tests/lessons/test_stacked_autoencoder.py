"""With few labels, layers pre-trained without any beat random ones."""

import numpy as np
import pytest

from gradus.lessons.catalog import run_lesson
from gradus.lessons.images import load_images
from gradus.lessons.stacked_autoencoder import labeled_rows

SIZES = {"quiet": True, "widths": [40, 40, 40], "seeds": 2, "rounds": 20, "epochs": 150}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_pre_training_beats_training_from_scratch(seed):
    _, page, found = run_lesson("stacked-autoencoder", seed=seed, **SIZES)
    assert found["mean_gain"] > 0.02
    assert found["smallest_gain"] > 0
    assert found["pretrained_accuracy"] > 0.78
    assert found["pretrained_accuracy"] - found["scratch_accuracy"] == pytest.approx(
        found["mean_gain"], abs=1e-6
    )
    assert found["largest_error_ratio_of_a_phase"] < 0.5
    assert len(page.blocks) >= 5


def test_the_same_number_of_each_class_is_labeled():
    y = load_images().y
    rows = labeled_rows(y, 3, 0)
    assert len(set(rows)) == 30
    assert (np.bincount(y[rows]) == 3).all()
    assert set(rows) != set(labeled_rows(y, 3, 1))
