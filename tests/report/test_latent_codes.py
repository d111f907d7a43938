"""Codes are drawn where they are, or where scikit-learn's principal components put them."""

import itertools

import numpy as np
import pytest
from sklearn.decomposition import PCA

import gradus as gr
from gradus.drawing.labels import DOT, LETTER, LINE, SIZES, place_labels
from gradus.errors import DataError
from gradus.report.latent_codes import principal


def test_principal_components_are_scikit_learns(rng):
    rows = rng.normal(size=(30, 5)) @ rng.normal(size=(5, 5))
    truth = PCA(2).fit(rows)
    found, shares = principal(rows)
    expected = truth.transform(rows)
    signs = np.sign((found * expected).sum(axis=0))  # which are free
    np.testing.assert_allclose(found * signs, expected, atol=1e-10)
    np.testing.assert_allclose(shares, truth.explained_variance_ratio_)


def test_codes_in_a_plane_by_class(rng):
    plane, labels = rng.normal(size=(12, 2)), np.arange(12) % 3
    figure = gr.figures.codes(plane, labels, ["a", "b", "<c>"])
    assert [t.name for t in figure.data] == ["a", "b", "&lt;c&gt;"]
    for index, trace in enumerate(figure.data):
        np.testing.assert_array_equal(np.stack([trace.x, trace.y], 1), plane[labels == index])
    middle = figure.layout.annotations[1]
    np.testing.assert_allclose([middle.x, middle.y], np.median(plane[labels == 1], axis=0))


def test_codes_of_many_numbers_are_reduced(rng):
    rows = rng.normal(size=(9, 4))
    figure = gr.figures.codes(rows, words=list("abcdefghi"))
    (trace,) = figure.data
    np.testing.assert_array_equal(np.stack([trace.x, trace.y], 1), principal(rows)[0])
    assert trace.text[3] == "d"
    assert [label.text for label in figure.layout.annotations] == list("abcdefghi")
    np.testing.assert_array_equal([label.x for label in figure.layout.annotations], trace.x)


def test_labels_cover_neither_each_other_nor_points(rng):
    points = np.concatenate([rng.uniform(0.1, 0.9, (20, 2)), np.full((4, 2), 0.5)])
    words = ["word" * (1 + index % 3) for index in range(24)]
    offsets = place_labels(points, words)
    for width, height in SIZES:
        at = points * [width, height]
        dots = [(point, np.full(2, DOT / 2)) for point in at]
        boxes = [
            (point + offset, np.array([LETTER * len(word), LINE]) / 2)
            for point, offset, word in zip(at, offsets, words, strict=True)
            if offset is not None
        ]
        pairs = [*itertools.combinations(boxes, 2), *itertools.product(boxes, dots)]
        assert all((abs(a - b) >= half + other).any() for (a, half), (b, other) in pairs)
    assert sum(offset is None for offset in offsets) <= 2
    assert place_labels(np.full((120, 2), 0.5), ["word"] * 120).count(None) > 20


def test_ten_classes_can_be_told_apart():
    figure = gr.figures.codes(np.ones((14, 2)), np.arange(14))
    looks = {(t.marker.color, t.marker.symbol) for t in figure.data}
    assert len(looks) == 14


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(DataError, match="two or more numbers"):
        gr.figures.codes(np.ones((3, 1)))
    with pytest.raises(DataError, match="3 codes but 2 labels"):
        gr.figures.codes(np.ones((3, 2)), [0, 1])
