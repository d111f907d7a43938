"""Images as X: arrays of more than two axes."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_digits

import gradus as gr

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"epochs": 6, "random_state": 0, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def digits():
    data = load_digits(n_class=3)
    return data.images[:240, ..., None], data.target[:240]


@pytest.fixture(scope="module")
def convolutional(digits):
    net = gr.Sequential([gr.Conv2D(4, 3, activation="relu"), gr.Flatten(), gr.Dense(3, "softmax")])
    return gr.Classifier(network=net, **SMALL).fit(digits[0][:160], digits[1][:160])


def test_a_network_gets_images_as_they_are(digits, convolutional):
    x, y = digits
    assert convolutional.score(x[160:], y[160:]) > 0.9
    assert [type(each).__name__ for each in convolutional.model_.net.layers] == ["Sequential"]
    again = pickle.loads(pickle.dumps(convolutional))  # noqa: S301 - we made it
    np.testing.assert_array_equal(again.predict(x), convolutional.predict(x))


def test_the_recipe_takes_images_as_bytes_whatever_their_integers(digits):
    x, y = digits
    large = (x * 15).astype(np.int64)
    with pytest.warns(UserWarning, match="read as the bytes of images"):
        wide = gr.Classifier(**SMALL | {"epochs": 2}).fit(large, y)
    narrow = gr.Classifier(**SMALL | {"epochs": 2}).fit(large.astype(np.uint8), y)
    expected = narrow.predict_proba(large.astype(np.uint8))
    for images in (large, large.astype(float)):
        np.testing.assert_array_equal(wide.predict_proba(images), expected)


def test_images_of_another_shape_are_named(digits, convolutional):
    x, y = digits
    for images in (x[:, :4], x.reshape(240, 64)):
        with pytest.raises(ValueError, match=r"fitted to rows of shape \(8, 8, 1\)"):
            convolutional.predict(images)
    with pytest.raises(ValueError, match=r"write X\[None\]"):
        convolutional.predict(x[0])
    flat = gr.Regressor([], epochs=1, random_state=0).fit(x.reshape(240, 64), y)
    with pytest.raises(ValueError, match=r"fitted to columns, \(n, p\)"):
        flat.predict(x)


def test_convolutions_and_augmentation_of_the_recipe_are_arguments(digits):
    x, y = digits
    given = {"conv": (3,), "layers": (), "shift": 0.2, "flip": "horizontal"}
    fitted = gr.Classifier(**given, **SMALL | {"epochs": 1}).fit((x * 15).astype(np.uint8), y)
    kinds = [type(layer).__name__ for layer in fitted.model_.net.layers]
    assert kinds == [
        *("RandomFlip", "RandomTranslation", "Rescaling", "Conv2D", "MaxPooling2D", "Flatten"),
        "Dense",
    ]
    assert fitted.experiment_.network.conv == [3]
    with pytest.raises(ValueError, match="conv"):
        gr.Classifier(conv=(3,), network=gr.Dense(3, "softmax"), **SMALL).fit(x, y)
    with pytest.raises(ValueError, match="is for images"):
        gr.Classifier(conv=(3,), **SMALL).fit(x.reshape(240, 64), y)
