"""Outliers turn the line of MSE and not that of MAE; a classifier learns by cross-entropy."""

import pytest

from gradus.lessons.catalog import run_lesson


@pytest.mark.parametrize("seed", [0])
def test_the_loss_decides_what_is_learnt(seed):
    _, _, numbers = run_lesson("losses", quiet=True, samples=400, epochs=20, seed=seed)
    assert numbers["slope_off_MAE"] < 0.1
    assert numbers["slope_off_MSE"] > 1
    assert numbers["slope_off_MAE"] < numbers["slope_off_Huber"] < numbers["slope_off_MSE"] / 3
    # At z = −6 the slopes by z are 1 − σ and 2 (1 − σ) σ (1 − σ), with σ(−6) = 0.002473.
    assert numbers["gradient_cross_entropy"] == pytest.approx(0.997527, rel=1e-4)
    assert numbers["gradient_mse"] == pytest.approx(2 * 0.997527**2 * 0.002473, rel=1e-3)
    assert numbers["accuracy_cross_entropy"] > 0.6
    assert numbers["accuracy_mse"] < numbers["accuracy_cross_entropy"] - 0.3
