"""Figures made of pictures hold the pictures' own numbers, each where it belongs."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import DataError, GradusError
from gradus.nn.layers.conv import Conv2D


def cut(figure, rows, columns):
    """Take a sheet apart again: its pictures `(n, h, w)`, in order."""
    sheet = figure.data[0].z
    down = np.split(sheet, np.flatnonzero(np.isnan(sheet).all(axis=1)))
    found = []
    for band in (part[~np.isnan(part).all(axis=1)] for part in down):
        if band.size:
            for part in np.split(band, np.flatnonzero(np.isnan(band).all(axis=0)), axis=1):
                picture = part[:, ~np.isnan(part).all(axis=0)]
                if picture.size:
                    found.append(picture)
    assert len(found) == rows * columns
    return np.stack(found)


def test_pictures_stand_row_after_row(rng):
    pictures = rng.random((6, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(cut(gr.figures.images(pictures, 3), 2, 3), pictures)
    flat = rng.random((6, 16)).astype(np.float32)
    np.testing.assert_array_equal(cut(gr.figures.images(flat, 2), 3, 2), flat.reshape(6, 4, 4))


def test_a_row_that_is_not_full_ends_empty(rng):
    pictures = rng.random((3, 2, 2))
    sheet = gr.figures.images(pictures, 2).data[0].z
    assert sheet.shape == (5, 5)
    np.testing.assert_allclose(sheet[3:, :2], pictures[2])
    assert np.isnan(sheet[3:, 3:]).all()


def test_colors_reach_from_zero_or_symmetrically_around_it():
    gray = gr.figures.images(np.array([[[0.2, 0.8]]])).data[0]
    assert (gray.zmin, gray.zmax) == (0, pytest.approx(0.8))
    signed = gr.figures.images(np.array([[[-0.5, 0.25]]])).data[0]
    assert (signed.zmin, signed.zmax) == (-0.5, 0.5)
    own = gr.figures.images(np.array([[[1.0, 2.0]], [[0.0, -8.0]]]), 1, own_range=True)
    np.testing.assert_array_equal(own.data[0].z[[0, -1]], [[0.5, 1], [0, -1]])


@pytest.mark.parametrize("most", [1, 255])
def test_pictures_in_color(most):
    red = np.zeros((2, 3, 3, 3))
    red[..., 0] = most
    sheet = gr.figures.images(red, 2).data[0].z
    assert sheet.shape == (3, 7, 3)
    assert (sheet[:, :3] == [255, 0, 0]).all()
    assert (sheet[:, 3] == 255).all()  # paper between the two


def test_names_stand_above_their_pictures():
    figure = gr.figures.images(np.ones((3, 4, 4)), 2, names=["a", "<b>", "c"])
    said = {note.text: (note.x, note.y) for note in figure.layout.annotations}
    assert said["a"] == (1.5, -0.6)
    assert said["&lt;b&gt;"] == (6.5, -0.6)  # four wide, one between
    assert said["c"] == (1.5, 4 + 2 - 0.6)


def test_what_is_no_picture_is_refused():
    with pytest.raises(DataError, match=r"shape \(2, 3\) is not a batch of images"):
        gr.figures.images(np.ones((2, 3)))
    with pytest.raises(DataError, match="3 images but only 1 names"):
        gr.figures.images(np.ones((3, 4)), names=["one"])


def test_reconstructions_of_a_model_and_of_arrays(rng):
    x, noisy = rng.random((2, 5, 9)).astype(np.float32)
    half = gr.Model(gr.Sequential([gr.Rescaling(0.5)]), "mse").build(x)
    figure = gr.figures.reconstructions(half, x, noisy, count=4)
    parts = cut(figure, 3, 4).reshape(3, 4, 9)
    np.testing.assert_allclose(parts, [x[:4], noisy[:4], noisy[:4] / 2])
    assert figure.layout.yaxis.ticktext == ("input", "noisy", "output")
    plain = cut(gr.figures.reconstructions(noisy, x, count=2), 2, 2).reshape(2, 2, 9)
    np.testing.assert_allclose(plain, [x[:2], noisy[:2]])
    with pytest.raises(DataError, match="images of one shape"):
        gr.figures.reconstructions(noisy[:, :4], x)


def test_filters_of_a_dense_layer_and_of_convolutions(rng):
    net = gr.Sequential([Conv2D(3, 2), Conv2D(2, 2), gr.Flatten(), gr.Dense(4), gr.Dense(5)])
    model = gr.Model(net, "mse").build(rng.random((1, 5, 5, 1)).astype(np.float32))
    first, second = model.weights["conv2d/kernel"], model.weights["conv2d_1/kernel"]
    shown = cut(gr.figures.filters(model), 1, 3)
    np.testing.assert_array_equal(shown, first[:, :, 0].transpose(2, 0, 1))
    shown = cut(gr.figures.filters(model, "conv2d_1"), 3, 2).reshape(3, 2, 2, 2)
    np.testing.assert_array_equal(shown, second.transpose(2, 3, 0, 1))  # channels down
    shown = cut(gr.figures.filters(model, "dense_1"), 1, 5)
    np.testing.assert_array_equal(shown, model.weights["dense_1/kernel"].T.reshape(5, 2, 2))
    with pytest.raises(GradusError, match="Did you mean 'dense_1'"):
        gr.figures.filters(model, "dense_2")


@pytest.mark.slow
def test_feature_maps_are_the_layers_outputs(rng):
    x = rng.random((2, 4, 4, 1)).astype(np.float32)
    model = gr.Model(gr.Sequential([Conv2D(3, 2, activation="relu")]), "mse").build(x)
    maps = np.moveaxis(model.predict(x), -1, 1)  # (2, 3, 3, 3)
    most = maps.max(axis=(2, 3), keepdims=True)
    expected = maps / np.where(most > 0, most, 1)
    shown = cut(gr.figures.feature_maps(model, x), 2, 3).reshape(2, 3, 3, 3)
    np.testing.assert_allclose(shown, expected, rtol=1e-6)
    alone = cut(gr.figures.feature_maps(model, x[:1], "conv2d"), 1, 3)
    np.testing.assert_allclose(alone, expected[0], rtol=1e-6)
    with pytest.raises(GradusError, match="no weights yet"):
        gr.figures.feature_maps(gr.Model(gr.Dense(1), "mse"), x)
