"""With attention the network finds the step that matters; without it, it does not."""

import pytest

from gradus.lessons.catalog import run_lesson


@pytest.mark.slow
def test_attention_finds_the_answer_where_it_stands(optimized):
    for seed in range(1):
        numbers = run_lesson("attention", quiet=True, seed=seed, epochs=6)[2]
        assert numbers["accuracy_with_attention"] > 0.93
        assert numbers["accuracy_without"] < 0.6
        # Of 12 steps, so that attention given evenly would be below a fifth.
        assert numbers["share_on_the_previous_step"] > 0.35
        assert numbers["share_on_the_answer"] > 0.8
