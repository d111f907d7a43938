"""Trees of arrays let go of them."""

import gc
import weakref

import numpy as np

from gradus.data.streaming.trees import join_rows, take_rows


def test_arrays_are_freed_with_the_trees_that_had_them():
    """Without the collection of garbage, which may come only after many large blocks."""
    gc.disable()
    try:
        array = np.arange(6).reshape(3, 2)
        tree = join_rows([({"a": array}, None), ({"a": array}, None)])
        taken = take_rows(tree, np.array([0, 4]))
        assert taken[0]["a"].tolist() == [[0, 1], [2, 3]]
        held = [weakref.ref(tree[0]["a"]), weakref.ref(taken[0]["a"])]
        del tree, taken
        assert [ref() for ref in held] == [None, None]
    finally:
        gc.enable()
