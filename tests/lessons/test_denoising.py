"""Training with noise gives clean images and better codes."""

import pytest

from gradus.lessons.catalog import run_lesson


@pytest.mark.slow
def test_noisy_digits_become_clean_and_codes_are_better():
    sizes = {"units": 150, "seeds": 1, "draws": 4, "epochs": 30}
    _, page, found = run_lesson("denoising", quiet=True, **sizes)
    assert found["error_noisy"] == pytest.approx(0.25, rel=0.05)  # σ = ½
    assert found["error_denoising"] < 0.25 * found["error_noisy"]
    assert found["error_denoising"] < 0.5 * found["error_plain"]
    assert found["denoising_accuracy"] > found["plain_accuracy"] + 0.015
    assert found["denoising_accuracy"] > found["pixels_accuracy"]
    assert len(page.blocks) >= 5
