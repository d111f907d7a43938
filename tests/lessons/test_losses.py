"""Outliers tilt the line of MSE but not that of MAE; classifiers need cross-entropy."""

import pytest

from gradus.lessons.catalog import run_lesson
from gradus.lessons.losses import on_rates


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_the_loss_decides_what_is_learned(seed):
    _, _, numbers = run_lesson("losses", quiet=True, samples=400, epochs=20, seed=seed)
    assert numbers["slope_error_MAE"] < 0.1
    assert numbers["slope_error_MSE"] > 1
    assert (
        numbers["slope_error_MAE"] < numbers["slope_error_Huber"] < numbers["slope_error_MSE"] / 3
    )
    # At z = −6 the slopes by z are 1 − σ and 2 (1 − σ) σ (1 − σ), with σ(−6) = 0.002473.
    assert numbers["gradient_cross_entropy"] == pytest.approx(0.997527, rel=1e-4)
    assert numbers["gradient_mse"] == pytest.approx(2 * 0.997527**2 * 0.002473, rel=1e-3)
    # At the same rate, MSE learns far less; its best rate is larger, and there it catches up.
    assert numbers["accuracy_cross_entropy_at_0.1"] > 0.6
    assert numbers["accuracy_mse_at_0.1"] < numbers["accuracy_cross_entropy_at_0.1"] - 0.3
    assert numbers["best_accuracy_mse"] > numbers["accuracy_mse_at_0.1"] + 0.3
    assert numbers["best_rate_mse"] > numbers["best_rate_cross_entropy"]


def test_each_loss_is_compared_at_its_best_rate():
    assert on_rates({"cross-entropy": (1.0, 0.951), "MSE": (10.0, 0.942)}) == (
        "At its best rate, 1, cross-entropy reaches 95.1%; MSE reaches 94.2% at its best, 10; "
        "MSE needs a rate 10 times as large."
    )
    assert "needs" not in on_rates({"cross-entropy": (1.0, 0.9), "MSE": (1.0, 0.9)})
