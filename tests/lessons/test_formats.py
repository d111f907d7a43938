"""Numbers are formatted the way people read them."""

import jax.numpy as jnp
import numpy as np
import pytest

from gradus.lessons import formats
from gradus.lessons.labels import format_label


@pytest.mark.parametrize(
    ("name", "values", "cells"),
    [
        ("epochs", [1000, 2.0], ["1,000", "2"]),
        ("test accuracy", [0.5, 0.97312], ["50.0%", "97.3%"]),
        ("accuracy", [97.3], ["97.3"]),  # not in [0, 1]
        ("loss", [1.2345, 22.1, -3], ["1.23", "22.10", "−3.00"]),
        ("rate", [1e-5, 0.1, 3], ["10⁻⁵", "0.1", "3"]),
        ("size", [157338.6, 1.185], ["157,339", "1.185"]),
        ("loss", [float("nan"), 1.5], ["not finite", "1.5"]),
        ("who", ["a", None, True, np.bool_(False)], ["a", "", "yes", "no"]),
        ("w", [np.float32(0.25), jnp.float32(-1)], ["0.25", "−1.00"]),
        ("w", [-0.0, 0.0], ["0", "0"]),
        ("λ", [435155991, -2.5e-5], ["4.352 × 10⁸", "−2.5 × 10⁻⁵"]),
        ("tiny", [1e-12, 0], ["10⁻¹²", "0"]),
    ],
)
def test_a_column(name, values, cells):
    assert formats.format_column(name, values) == cells


def test_a_table_has_all_columns_and_leaves_empty_what_a_row_lacks():
    rows = [{"": "raw", "κ": 3}, {"": "scaled", "κ": 2, "note": "ok"}]
    assert formats.format_table(rows) == {
        "": ["raw", "scaled"],
        "κ": ["3", "2"],
        "note": ["", "ok"],
    }
    assert formats.is_numeric(rows, "κ")
    assert formats.is_numeric([{"κ": jnp.float32(1)}], "κ")
    assert not formats.is_numeric(rows, "")
    assert not formats.is_numeric(rows, "note")


def test_numbers_in_text_are_written_as_people_do():
    text = "At most 9.5e-07, from σ = 1e-05 to 3.2e+02; conv2d and `1e5x` stay."
    wanted = "At most 9.5 × 10⁻⁷, from σ = 10⁻⁵ to 3.2 × 10²; conv2d and `1e5x` stay."
    assert formats.powers_of_ten(text) == wanted


def test_names_are_words():
    assert format_label("wrong_on_AND") == "wrong on AND"
    assert format_label("cnn_weights") == "weights, CNN"
    assert format_label("accuracy_LSTM_30") == "accuracy after 30 letters, LSTM"
    assert formats.format_lesson_number("test_accuracy", 0.5) == "50.0%"
