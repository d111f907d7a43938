"""The unit ends where the likelihood is highest, like scikit-learn's."""

import pytest

from gradus.lessons.catalog import run_lesson
from gradus.lessons.page import TableBlock


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_it_is_where_the_likelihood_is_highest(seed):
    _, page, numbers = run_lesson("logistic-regression", quiet=True, epochs=200, seed=seed)
    assert numbers["difference_from_scikit_learn"] < 0.02
    end = numbers["likelihood_after"]
    assert end == pytest.approx(numbers["likelihood_scikit_learn"], abs=1e-5)
    assert end > numbers["likelihood_before"]
    assert end > numbers["best_likelihood_nearby"]
    steps = [row["likelihood"] for row in page.blocks[1].rows if "step" in row[""]]
    assert isinstance(page.blocks[1], TableBlock)
    assert steps == sorted(steps)
