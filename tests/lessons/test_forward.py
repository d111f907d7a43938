"""The numbers computed by hand are those that the library computes."""

import math

import numpy as np
import pytest

from gradus.lessons import forward
from gradus.lessons.page import Page, TableBlock, TextBlock


@pytest.mark.parametrize("seed", range(2))
def test_every_number_by_hand_equals_the_librarys(seed):
    page = Page(quiet=True)
    found = forward.lesson(page, seed=seed)
    assert found["largest_difference"] < 1e-6
    assert found["loss_by_hand"] == pytest.approx(found["loss_by_the_library"], abs=1e-6)
    rows = next(b.rows for b in page.blocks if isinstance(b, TableBlock) and "−ln p" in b.rows[0])
    losses = [-math.log(row["its p"]) for row in rows]
    assert found["loss_by_hand"] == pytest.approx(sum(losses) / 3, rel=1e-5)


def test_sums_are_written_out():
    assert forward.product([1, -2], np.float32([0.5, -1.25])) == "1 · 0.5 + (−2) · (−1.25)"
    page = Page(quiet=True)
    forward.lesson(page)
    sums = [block.markdown for block in page.blocks if isinstance(block, TextBlock)]
    assert len(sums) == 2
    for words in sums:
        written, value = words.partition(": ")[2].rstrip(".").split(" = ")
        plain = written.translate({ord("−"): "-", ord("("): "", ord(")"): ""})
        terms = [np.prod([float(n) for n in term.split(" · ")]) for term in plain.split(" + ")]
        assert sum(terms) == pytest.approx(float(value.replace("−", "-")), abs=1e-3)
