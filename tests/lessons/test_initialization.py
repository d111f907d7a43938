"""Some initial weights keep the signal alive, others do not."""

import numpy as np
import pytest

from gradus.lessons.initialization import lesson, outline
from gradus.lessons.page import Page, TableBlock


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_the_signal_fades_explodes_or_lives(seed):
    page = Page(quiet=True)
    left = lesson(page, width=60, samples=50, seed=seed)
    for activation in ("sigmoid", "tanh", "relu"):
        assert left[f"{activation}_with_zeros"] == 0
        assert left[f"{activation}_with_N(0, 0.01²)"] < 1e-5
    assert left["tanh_with_N(0, 1)"] > 0.8  # saturated: its outputs are −1 and 1
    assert left["relu_with_N(0, 1)"] > 1e5
    assert 0.1 < left["tanh_with_Xavier"] < 0.6
    assert 0.1 < left["relu_with_He"] < 3
    assert left["relu_with_He"] > 5 * left["relu_with_LeCun"]
    assert left["sigmoid_with_Xavier"] < 1e-3
    tables = [block for block in page.blocks if isinstance(block, TableBlock)]
    assert [len(table.rows) for table in tables] == [10, 10, 10, 6]
    # By He's rule the mean square stays: E[h²] = 1 of inputs with E[x²] = 1, or σ² = 1 − 1/π.
    assert tables[2].rows[0]["He"] == pytest.approx((1 - 1 / np.pi) ** 0.5, rel=0.1)


def test_an_outline_is_as_wide_as_the_second_widest_bar():
    across, up = outline(np.array([0.0] * 50 + [1.0] * 10 + [40.0] * 5))
    assert across.max() == pytest.approx(0.9)
    assert across[-2] == pytest.approx(0.45)  # 5 of 10
    assert (up[0], up[-1]) == (0, 40)
