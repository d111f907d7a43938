"""The generator reaches nearly all modes on the ring."""

import numpy as np
import pytest

from gradus.lessons.gan import CENTERS, coverage, lesson
from gradus.lessons.page import Page


@pytest.mark.slow
def test_the_generator_reaches_the_ring():
    page = Page(quiet=True)
    found = lesson(page, samples=1024, epochs=60, seeds=6)
    rows = next(block.rows for block in page.blocks if hasattr(block, "rows"))
    assert sum(row["modes reached"] >= 7 for row in rows) >= 5
    assert found["mean_modes"] == np.mean([row["modes reached"] for row in rows])
    assert found["share_near_a_mode"] > 0.2


def test_coverage_counts_modes_and_samples_near_them():
    samples = np.concatenate([np.repeat(CENTERS[:3], 30, axis=0), np.zeros((10, 2))])
    assert coverage(samples) == (3, pytest.approx(0.9))
    assert coverage(CENTERS[:1].repeat(1000, axis=0) + 0.29 / 2**0.5) == (1, 1.0)
    assert coverage(CENTERS[:1].repeat(1000, axis=0) + 0.31 / 2**0.5) == (0, 0.0)
