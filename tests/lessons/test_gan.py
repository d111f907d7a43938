"""The generator reaches nearly all modes on the ring."""

import re

import numpy as np
import pytest

from gradus.lessons.gan import CENTERS, coverage, lesson, plot_clouds
from gradus.lessons.page import Page


@pytest.mark.slow
def test_the_generator_reaches_the_ring():
    page = Page(quiet=True)
    found = lesson(page, samples=1024, epochs=60, seeds=6)
    rows = next(block.rows for block in page.blocks if hasattr(block, "rows"))
    assert sum(row["modes reached"] >= 7 for row in rows) >= 5
    assert found["mean_modes"] == np.mean([row["modes reached"] for row in rows])
    assert found["share_near_a_mode"] > 0.2
    # The GAN that is shown does as well as most, and the worst is shown where it does not.
    captions = [block.caption for block in page.blocks]
    reached = {row["GAN"]: row["modes reached"] for row in rows}
    number = int(re.search(r"what GAN (\d+) makes", captions[0])[1])
    shown = reached[number]
    assert shown == sorted(reached.values())[len(rows) // 2]
    assert f"It reaches {shown} of the 8 modes" in captions[0]
    assert f"as {sum(modes == shown for modes in reached.values())} of the 6" in captions[0]
    assert ("the worst" in captions[1]) == (min(reached.values()) < shown)
    losses = next(block for block in page.blocks if f"losses of GAN {number}" in block.caption)
    for curve in losses.figure.data:
        assert min(curve.y) > 0.1  # neither falls to zero


def test_coverage_counts_modes_and_samples_near_them():
    samples = np.concatenate([np.repeat(CENTERS[:3], 30, axis=0), np.zeros((10, 2))])
    assert coverage(samples) == (3, pytest.approx(0.9))
    assert coverage(CENTERS[:1].repeat(1000, axis=0) + 0.29 / 2**0.5) == (1, 1.0)
    assert coverage(CENTERS[:1].repeat(1000, axis=0) + 0.31 / 2**0.5) == (0, 0.0)


def test_the_ring_is_drawn_with_equal_scales():
    layout = plot_clouds({"data": CENTERS, "epoch 1": CENTERS}).layout
    assert (layout.yaxis.scaleanchor, layout.yaxis2.scaleanchor) == ("x", "x2")
    assert layout.xaxis.range == layout.yaxis.range
