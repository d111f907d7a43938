"""The lesson's point: with few labels, layers pre-trained without any beat random ones."""

import numpy as np
import pytest

from gradus.lessons.catalog import run_lesson
from gradus.lessons.pictures import pictures
from gradus.lessons.stacked_autoencoder import labelled

SIZES = {"quiet": True, "widths": [60, 60, 60], "seeds": 2, "rounds": 20, "epochs": 250}


@pytest.mark.parametrize("seed", [0])
def test_pre_training_beats_training_from_scratch(seed):
    _, page, found = run_lesson("stacked-autoencoder", seed=seed, **SIZES)
    assert found["mean_gain"] > 0.02
    assert found["least_gain"] > 0
    assert found["pretrained_accuracy"] > 0.78
    assert found["pretrained_accuracy"] - found["scratch_accuracy"] == pytest.approx(
        found["mean_gain"], abs=1e-6
    )
    assert found["most_error_left_in_a_phase"] < 0.5
    assert len(page.blocks) >= 5


def test_as_many_of_each_class_are_labelled():
    y = pictures().y
    rows = labelled(y, 3, 0)
    assert len(set(rows)) == 30
    assert (np.bincount(y[rows]) == 3).all()
    assert set(rows) != set(labelled(y, 3, 1))
