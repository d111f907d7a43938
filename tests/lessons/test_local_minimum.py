"""Plain descent stops in the local minimum; momentum rolls through it."""

import numpy as np
import pytest

from gradus.lessons.catalog import run_lesson


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_momentum_rolls_through(seed):
    _, _, numbers = run_lesson("local-minimum", quiet=True, starts=100, seed=seed)
    lowest, _, local = np.sort(np.roots([1, 0, -2, 0.25]).real)  # where the slope is zero
    assert numbers["plain_ends_at"] == pytest.approx(local, abs=1e-3)
    assert numbers["plain_slope"] < 1e-3
    assert numbers["momentum_ends_at"] == pytest.approx(lowest, abs=1e-2)
    assert numbers["momentum_height"] < numbers["plain_height"] - 0.5
    assert numbers["share_plain"] == 0
    assert numbers["share_momentum"] > 0.15
