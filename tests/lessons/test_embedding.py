"""Words that are followed by the same words end up close together."""

import itertools

import numpy as np
import pytest

from gradus.lessons import embedding
from gradus.lessons.catalog import run_lesson


@pytest.mark.slow
def test_words_lie_close_to_words_of_their_kind():
    for seed in range(2):
        numbers = run_lesson("embedding", quiet=True, words=2000, epochs=30, seed=seed)[2]
        assert numbers["share_with_neighbor_of_same_kind_before"] < 0.35
        assert numbers["share_with_neighbor_of_same_kind_after"] > 0.95


def test_the_text_keeps_the_grammar():
    text, kinds = embedding.babble(3000, seed=0), list(embedding.KINDS)
    for now, after in itertools.pairwise(text):
        allowed = embedding.FOLLOWS[kinds[embedding.KIND_OF[now]]]
        assert embedding.WORDS[after] in allowed or kinds[embedding.KIND_OF[after]] in allowed
    followers = np.array([kinds[embedding.KIND_OF[code]] for code in text[1:]])
    people = followers[embedding.KIND_OF[text[:-1]] == kinds.index("people")]
    assert abs((people == "talking").mean() - 0.6) < 0.1


def test_the_nearest_is_the_nearest():
    places = np.array([[0.0, 0.0], [3.0, 0.0], [3.5, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(embedding.nearest_neighbors(places), [3, 2, 1, 0])
