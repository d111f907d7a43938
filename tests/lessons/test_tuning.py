"""A search finds better hyperparameters than the defaults, mostly the learning rate."""

import pytest

from gradus.lessons.catalog import run_lesson

SMALL = {"trials": 32, "samples": 400, "epochs": 8, "alone": 4}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_a_search_pays_and_the_rate_matters_most(seed):
    _, page, numbers = run_lesson("tuning", quiet=True, seed=seed, **SMALL)
    assert numbers["accuracy_best"] > numbers["accuracy_default"] + 0.2
    assert numbers["accuracy_best"] > 0.8
    assert numbers["accuracy_best_five"] > numbers["accuracy_best"] - 0.02
    shares = {name: value for name, value in numbers.items() if name.startswith("share_of_")}
    assert max(shares, key=shares.get) == "share_of_learning rate"
    assert sum(shares.values()) <= 1 + 1e-9
    assert numbers["score_one_after_another"] <= numbers["score"]
    assert 1 <= numbers["trials_one_after_another"] <= SMALL["trials"]
    assert "extrapolated from 3 trials" in page.blocks[0].caption
