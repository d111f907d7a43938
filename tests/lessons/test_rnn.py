"""With slow gates, an LSTM remembers for sixty steps; a simple RNN does not."""

import numpy as np
import pytest

from gradus.lessons import rnn
from gradus.lessons.catalog import run_lesson


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_slow_gates_hold_longer(seed):
    _, page, numbers = run_lesson("rnn", quiet=True, delays=(60,), epochs=12, seed=seed)
    assert numbers["accuracy_slow LSTM_60"] > 0.9
    assert numbers["accuracy_slow LSTM_60"] > numbers["accuracy_simple RNN_60"] + 0.4
    assert numbers["gradient_left_LSTM"] < 1e-4  # 0.73 to the 60th, and what goes around the cell
    assert numbers["gradient_left_slow LSTM"] > 100 * numbers["gradient_left_LSTM"]
    table, *figures = page.blocks
    assert len(table.rows) == 3
    for figure in figures:
        assert [len(curve.y) for curve in figure.figure.data] == [61] * 3


def test_the_flag_marks_the_letter_to_recall():
    x, y = rnn.recall(200, 3, np.random.default_rng(0))
    assert x.shape == (200, 4, 5)
    np.testing.assert_array_equal(x[:, 0, :4].argmax(1), y)
    np.testing.assert_array_equal(x[..., 4], np.eye(4)[:1].repeat(200, 0))
    np.testing.assert_array_equal(x[..., :4].sum(-1), 1)
