"""With few samples, reusing what another task taught pays off."""

import pytest

from gradus.lessons.catalog import run_lesson

SMALL = {"samples": 5000, "few": (5,), "epochs": 40, "members": 3}


@pytest.mark.slow
def test_an_old_body_beats_a_new_one_where_samples_are_few():
    for seed in [0]:
        numbers = run_lesson("fine-tuning", quiet=True, seed=seed, **SMALL)[2]
        from_scratch = numbers["accuracy_from_scratch_few"]
        assert numbers["accuracy_frozen_few"] > from_scratch + 0.05
        assert numbers["accuracy_fine_tuned_few"] > from_scratch + 0.05
