"""The adversarial network: the generator reaches nearly all places of the ring."""

import numpy as np
import pytest

from gradus.lessons.gan import CENTRES, coverage, lesson
from gradus.lessons.page import Page


def test_the_generator_reaches_the_ring():
    page = Page(quiet=True)
    found = lesson(page, samples=1024, epochs=60, seeds=6)
    places = next(block.rows for block in page.blocks if hasattr(block, "rows"))
    assert sum(row["places of 8"] >= 7 for row in places) >= 5
    assert found["mean_places"] == np.mean([row["places of 8"] for row in places])
    assert found["share_near_a_place"] > 0.2


def test_coverage_counts_places_and_what_lies_near():
    made = np.concatenate([np.repeat(CENTRES[:3], 30, axis=0), np.zeros((10, 2))])
    assert coverage(made) == (3, pytest.approx(0.9))
    assert coverage(CENTRES[:1].repeat(1000, axis=0) + 0.29 / 2**0.5) == (1, 1.0)
    assert coverage(CENTRES[:1].repeat(1000, axis=0) + 0.31 / 2**0.5) == (0, 0.0)
