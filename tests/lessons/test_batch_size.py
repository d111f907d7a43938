"""Smaller batches take more and noisier steps, and get farther at the same rate."""

from itertools import pairwise

import pytest

from gradus.lessons.catalog import run_lesson


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_more_and_noisier_steps(seed):
    _, page, numbers = run_lesson("batch-size", quiet=True, samples=320, epochs=4, seed=seed)
    steps = [numbers[f"steps_{name}"] for name in ("online", "mini-batch", "full batch")]
    assert steps == [4 * 320, 4 * 10, 4]
    assert 2.5 < numbers["noise_of_1_over_16"] < 6
    assert numbers["accuracy_online"] > 0.8
    assert numbers["accuracy_online"] > numbers["accuracy_mini-batch"]
    assert numbers["accuracy_mini-batch"] > numbers["accuracy_full batch"] + 0.1
    online, _, full = (track for track in page.blocks[0].figure.data if track.type == "scatter")
    assert length(online) > 2 * length(full)


def length(track):
    """How long a path is, over how far it goes."""
    points = list(zip(track.x, track.y, strict=True))
    return sum(distance(a, b) for a, b in pairwise(points)) / distance(points[0], points[-1])


def distance(a, b):
    """Euclid's."""
    return ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5
