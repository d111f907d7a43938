"""The loss curves diverge, and each of the four remedies helps."""

import pytest

from gradus.lessons.overfitting import lesson
from gradus.lessons.page import Page, TableBlock


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1))
def test_the_curves_part_and_every_remedy_helps(seed):
    page = Page(quiet=True)
    found = lesson(page, width=64, epochs=200, seeds=1, seed=seed)
    # 200 epochs of 2 batches, of up to 32 of 60; with more data, 27 of 15, of up to 32 of 480.
    (table,) = (block for block in page.blocks if isinstance(block, TableBlock))
    assert (
        "All took 400 steps, except with early stopping and, with more data, 405" in table.caption
    )
    assert found["training_loss_none"] < 0.6 * found["lowest_loss_none"]
    assert found["loss_none"] > 1.5 * found["lowest_loss_none"]
    for remedy in ("dropout", "L2", "early_stopping", "more_data"):
        assert found[f"loss_{remedy}"] < 0.8 * found["loss_none"], remedy
