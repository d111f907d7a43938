"""A network as a file of Keras, loaded and called by Keras."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.exports.keras_model import keras_notes
from gradus.exports.trained import Trained

keras = pytest.importorskip("keras", reason="keras is not installed")
# Keras 3.15 does not know NumPy 2's protocol of copies yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
IMAGES = np.random.default_rng(5).normal(size=(3, 8, 8, 1)).astype(np.float32)


def test_a_network_predicts_the_same(tmp_path):
    layers = [
        *(gr.Conv2D(4, 3, activation="relu"), gr.BatchNormalization(), gr.MaxPooling2D(2)),
        *(gr.Flatten(), gr.Dropout(0.5), gr.Dense(3, "softmax")),
    ]
    model = gr.Model(gr.Sequential(layers), "categorical_crossentropy").build(IMAGES)
    loaded = keras.saving.load_model(gr.export(model, tmp_path / "model.keras"))
    theirs = loaded.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(theirs, model.predict(IMAGES), atol=1e-5)
    assert keras_notes(Trained(model)) == []
    assert [each.name for each in tmp_path.iterdir()] == ["model.keras"]


def test_what_is_said_of_logits(tmp_path):
    heads = gr.Parallel({"label": gr.Dense(2), "price": gr.Dense(1)})
    losses = {"label": "sparse_categorical_crossentropy", "price": "mse"}
    model = gr.Model(heads, losses).build(np.ones((2, 4)))
    with pytest.warns(UserWarning, match="export: the network ends in logits, so Keras predicts"):
        gr.export(model, tmp_path / "model.keras")


def test_what_keras_lacks_is_named(tmp_path):
    autoencoder = gr.Autoencoder([3, 2]).build(np.ones((2, 4)))
    with pytest.raises(GradusError, match=r"EncoderDecoder\) cannot be carried to Keras"):
        gr.export(autoencoder, tmp_path / "model.keras")
    model = gr.Model(gr.Sequential(gr.Maxout(2).named("wide")), "mse").build(np.ones((2, 4)))
    with pytest.raises(GradusError, match="wide"):
        gr.export(model, tmp_path / "model.keras")
    assert list(tmp_path.iterdir()) == []
