"""An attention map shows the weights it was given."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import DataError


def test_one_head(rng):
    weights = rng.dirichlet(np.ones(3), size=3)
    figure = gr.figures.attention_map(weights, ["the", "<b>", "sat"])
    np.testing.assert_array_equal(figure.data[0].z, weights)
    assert figure.layout.xaxis.ticktext == figure.layout.yaxis.ticktext
    assert figure.layout.yaxis.ticktext[1] == "&lt;b&gt;"
    assert tuple(figure.data[0].customdata[2][0]) == ("sat", "the")


def test_several_heads_over_other_keys(rng):
    weights = rng.dirichlet(np.ones(4), size=(2, 3))
    figure = gr.figures.attention_map(weights, ["a", "b", "c"])
    for head, trace in zip(weights, figure.data, strict=True):
        np.testing.assert_array_equal(trace.z, head)
    assert figure.layout.xaxis.ticktext == ("1", "2", "3", "4")
    assert [note.text for note in figure.layout.annotations] == ["head 1", "head 2"]


def test_other_shapes_are_refused():
    with pytest.raises(DataError, match=r"write weights\[0\]"):
        gr.figures.attention_map(np.ones((2, 2, 3, 3)))
    with pytest.raises(DataError, match="3 steps but 2 names"):
        gr.figures.attention_map(np.eye(3), ["a", "b"])
