"""Panels of images: which rows they show, what is written below, and their pixels."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from gradus.report.image_panels import mistake_panels, pictures, sample_panels

X = np.arange(4 * 8 * 8, dtype=np.uint8).reshape(4, 8, 8, 1)


def pixels(picture):
    kind, _, text = picture.source.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def test_mistakes_are_shown_where_the_network_is_surest_first():
    true, classes = np.array([0, 1, 1, 0]), ("cat", "dog")
    outputs = np.array([[0.4, 0.6], [0.1, 0.9], [0.98, 0.02], [1.0, 0.0]])
    (panel,) = mistake_panels(X, true, outputs, classes, ("a.png", "b.png", "c.png", "d.png"))
    labels = [(picture.label, picture.title) for picture in panel.pictures]
    assert labels == [("dog → cat, 98%", "c.png"), ("cat → dog, 60%", "a.png")]
    np.testing.assert_array_equal(pixels(panel.pictures[0]), X[2, ..., 0])
    (one,) = mistake_panels(X, true, outputs[:, 1:], classes)  # the second of two classes
    assert [picture.label for picture in one.pictures] == [label for label, _ in labels]
    assert mistake_panels(X, outputs.argmax(-1), outputs, classes) == []
    assert mistake_panels(X[..., 0], true, outputs, classes) == []


def test_samples_are_of_every_class_in_turn():
    class Net:
        net = None

    labels = ["a"] * 30 + ["b"] * 2 + ["c"]
    x = np.zeros((33, 8, 8, 3), np.uint8)
    (panel,) = sample_panels(Net(), x, labels)
    assert [picture.label for picture in panel.pictures] == ["a"] * 13 + ["b"] * 2 + ["c"]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_floats_are_shown_from_black_to_white_and_large_images_are_small(channels):
    x = np.linspace(-1, 1, 200 * 300 * channels).reshape(1, 200, 300, channels)
    (picture,) = pictures(x, [""], [""])
    assert pixels(picture).shape[:2] == (64, 96)
    dim = np.full((1, 8, 8, channels), 16, np.uint8)
    dim[0, 0] = 8  # of images of 16 gray levels
    shown = pixels(pictures(dim, [""], [""])[0]).reshape(8, 8, channels)
    assert (int(shown[0].min()), int(shown[1].min())) == (128, 255)
