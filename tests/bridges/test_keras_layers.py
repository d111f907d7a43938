"""Each layer is carried from Keras and back with equal outputs, through a file that Keras saved."""

import inspect
import warnings

import keras
import numpy as np
import pytest
from keras import layers as k

import gradus as gr
from gradus.bridges.keras.masks import KNOW_MASKS

# Keras 3.15 does not know NumPy 2's protocol of copies yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

# A layer's name, what Keras computes with it, and the shape of a sample ("int" for codes).
EVERY = {
    "Activation": ([k.Activation("gelu")], (4,)),
    "AveragePooling1D": ([k.AveragePooling1D(2, padding="same")], (5, 3)),
    "AveragePooling2D": ([k.AveragePooling2D(3, strides=2, padding="same")], (5, 6, 2)),
    "BatchNormalization": ([k.BatchNormalization(momentum=0.9, epsilon=0.01)], (5, 3)),
    "Bidirectional": ([k.Bidirectional(k.LSTM(3, return_sequences=True), "sum")], (5, 3)),
    "Conv1D": ([k.Conv1D(4, 3, padding="causal", dilation_rate=2)], (7, 2)),
    "Conv1DTranspose": ([k.Conv1DTranspose(4, 3, strides=2, padding="same")], (5, 2)),
    "Conv2D": ([k.Conv2D(4, (3, 2), strides=2, padding="same", groups=2)], (6, 5, 2)),
    "Conv2DTranspose": ([k.Conv2DTranspose(3, 3, strides=2)], (4, 4, 2)),
    "Dense": ([k.Dense(3, "tanh", kernel_regularizer="l2", kernel_constraint="max_norm")], (4,)),
    "DepthwiseConv2D": ([k.DepthwiseConv2D(3, depth_multiplier=2, padding="same")], (5, 5, 3)),
    "Dropout": ([k.Dropout(0.3)], (4,)),
    "Embedding": ([k.Embedding(9, 3, mask_zero=True), k.LSTM(3)], ("int", 6)),
    "Flatten": ([k.Flatten(), k.Dense(3)], (3, 4, 2)),
    "GRU": ([k.GRU(3, return_sequences=True, go_backwards=True)], (5, 2)),
    "GaussianNoise": ([k.GaussianNoise(0.1)], (4,)),
    "GlobalAveragePooling1D": ([k.GlobalAveragePooling1D()], (5, 2)),
    "GlobalAveragePooling2D": ([k.GlobalAveragePooling2D(keepdims=True)], (5, 4, 2)),
    "GlobalMaxPooling1D": ([k.GlobalMaxPooling1D()], (5, 2)),
    "GlobalMaxPooling2D": ([k.GlobalMaxPooling2D()], (5, 4, 2)),
    "LSTM": ([k.LSTM(3, unit_forget_bias=False, dropout=0.1)], (5, 2)),
    "LayerNormalization": ([k.LayerNormalization(epsilon=0.01)], (5, 3)),
    "Masking": ([k.Masking(), k.SimpleRNN(3, return_sequences=True), k.GRU(2)], (5, 2)),
    "MaxPooling1D": ([k.MaxPooling1D(3, strides=1)], (5, 3)),
    "MaxPooling2D": ([k.MaxPooling2D((2, 3), padding="same")], (5, 6, 2)),
    "PReLU": ([k.PReLU(shared_axes=[1])], (5, 3)),
    "RandomFlip": ([k.RandomFlip("horizontal")], (5, 4, 2)),
    "RandomRotation": ([k.RandomRotation(0.1, fill_mode="constant")], (5, 4, 2)),
    "RandomTranslation": (
        [k.RandomTranslation(0.1, 0.2, fill_mode="constant", interpolation="nearest")],
        (5, 4, 2),
    ),
    "Rescaling": ([k.Rescaling([0.5, 2.0], offset=-1.0)], (5, 2)),
    "Reshape": ([k.Reshape((2, -1))], (6,)),
    "SimpleRNN": ([k.SimpleRNN(3, activation="relu")], (5, 2)),
    "UpSampling2D": (
        [k.UpSampling2D((2, 3)), k.UpSampling2D((3, 2), interpolation="bilinear")],
        (2, 3, 2),
    ),
    "ZeroPadding2D": ([k.ZeroPadding2D(((0, 1), (2, 0)))], (3, 3, 2)),
    "ActivityRegularization": ([k.ActivityRegularization(l1=0.1)], (4,)),
    "AlphaDropout": ([k.AlphaDropout(0.1)], (4,)),
    "AveragePooling3D": ([k.AveragePooling3D(2, padding="same")], (3, 4, 3, 2)),
    "CenterCrop": ([k.CenterCrop(2, 3)], (4, 5, 2)),
    "Conv3D": ([k.Conv3D(3, 2, strides=2)], (4, 4, 3, 2)),
    "Cropping1D": ([k.Cropping1D((1, 2))], (6, 2)),
    "Cropping2D": ([k.Cropping2D(((1, 0), (0, 2)))], (4, 5, 2)),
    "ELU": ([k.ELU(0.5)], (4,)),
    "GaussianDropout": ([k.GaussianDropout(0.1)], (4,)),
    "GlobalAveragePooling3D": ([k.GlobalAveragePooling3D()], (3, 2, 3, 2)),
    "GlobalMaxPooling3D": ([k.GlobalMaxPooling3D(keepdims=True)], (3, 2, 3, 2)),
    "GroupNormalization": ([k.GroupNormalization(2, epsilon=0.01)], (3, 2, 4)),
    "Identity": ([k.Identity()], (4,)),
    "LeakyReLU": ([k.LeakyReLU(0.1)], (4,)),
    "MaxPooling3D": ([k.MaxPooling3D(2, strides=1)], (3, 4, 3, 2)),
    "Permute": ([k.Permute((2, 1)), k.Dense(2)], (4, 3)),
    "RMSNormalization": ([k.RMSNormalization()], (4,)),
    "RandomBrightness": ([k.RandomBrightness(0.1)], (4, 4, 1)),
    "RandomContrast": ([k.RandomContrast(0.1)], (4, 4, 1)),
    "RandomZoom": ([k.RandomZoom(0.1, fill_mode="constant")], (4, 4, 1)),
    "ReLU": ([k.ReLU(6.0, 0.1, 0.2)], (4,)),
    "RepeatVector": ([k.RepeatVector(3)], (4,)),
    "Resizing": ([k.Resizing(5, 3, interpolation="nearest")], (4, 4, 1)),
    "SeparableConv1D": ([k.SeparableConv1D(4, 3, depth_multiplier=2)], (6, 2)),
    "SeparableConv2D": ([k.SeparableConv2D(4, 3, padding="same")], (5, 4, 2)),
    "Softmax": ([k.Softmax()], (4,)),
    "SpatialDropout1D": ([k.SpatialDropout1D(0.1)], (5, 2)),
    "SpatialDropout2D": ([k.SpatialDropout2D(0.1)], (5, 4, 2)),
    "TimeDistributed": ([k.TimeDistributed(k.Dense(3))], (5, 2)),
    "UnitNormalization": ([k.UnitNormalization()], (4,)),
    "UpSampling1D": ([k.UpSampling1D(2)], (5, 2)),
    "ZeroPadding1D": ([k.ZeroPadding1D((1, 2))], (5, 2)),
    # Variants of what has traps.
    "GRU, reset before": ([k.GRU(3, reset_after=False)], (5, 2)),
    "GRU, two directions": ([k.Bidirectional(k.GRU(3), merge_mode="mul")], (5, 2)),
    "Normalization": ([k.Normalization(mean=[2000.0, 3.0], variance=[0.5, 0.0])], (2,)),
    "no bias": ([k.Dense(3, use_bias=False), k.Conv1D(2, 3, use_bias=False)], (5, 3)),
    "BatchNormalization, bare": ([k.BatchNormalization(scale=False, center=False)], (4,)),
    "axis": ([k.BatchNormalization(axis=2), k.LayerNormalization(axis=[2])], (4, 3)),
    "a model within": ([keras.Sequential([k.Dense(4, "relu"), k.Dense(2)]), k.Dense(2)], (3,)),
}
# Layers of gradus that Keras does not have.
OURS_ALONE = {
    "ColumnEmbedding": gr.ColumnEmbedding((3, 4)),
    "Lambda": gr.Lambda(abs),
    "MaskingNoise": gr.MaskingNoise(0.1),
    "Maxout": gr.Maxout(3),
    "PositionalEmbedding": gr.PositionalEmbedding(8),
    "PositionalEncoding": gr.PositionalEncoding(),
    "RandomCrop": gr.RandomCrop(2, 2),
    "SaltAndPepperNoise": gr.SaltAndPepperNoise(0.1),
    "Sparsity": gr.Sparsity(0.1),
}
# Those that nest others, tested in test_keras_models.py, and the base class.
NESTED = {
    *("Layer", "Sequential", "Repeat", "Residual", "Parallel", "Functional"),
    *("MultiHeadAttention", "TransformerEncoder"),
    *("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"),
}


def test_no_layer_is_left_out():
    layers = {
        name
        for name in gr.__all__
        if inspect.isclass(cls := getattr(gr, name)) and issubclass(cls, gr.Layer)
    }
    assert layers <= {*EVERY, *OURS_ALONE, *NESTED}


def samples(shape, rng):
    if shape[0] == "int":
        codes = rng.integers(1, 9, (4, *shape[1:]), dtype=np.int32)
        codes[0, 3:] = 0
        return codes
    x = rng.normal(size=(4, *shape)).astype(np.float32)
    if len(shape) == 2:
        x[0, 3:] = 0
    return x


def with_other_weights(model, rng):
    """Give a Keras model weights that are nowhere zero or one."""
    model.set_weights([rng.uniform(0.2, 1, w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("name", EVERY)
def test_outputs_are_those_of_keras_and_back(name, rng, tmp_path):
    layers, shape = EVERY[name]
    x = samples(shape, rng)
    if name == "Normalization":
        x += np.float32([2000, 3])
    inputs = keras.Input(x.shape[1:], dtype=x.dtype.name)
    theirs = with_other_weights(keras.Sequential([inputs, *layers]), rng)
    theirs.compile("adam", "mse")
    theirs.save(tmp_path / "model.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = gr.from_keras(tmp_path / "model.keras")
        back = gr.to_keras(ours)
    expected = np.asarray(theirs(x, training=False))
    np.testing.assert_allclose(ours.predict(x), expected, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(back(x, training=False)), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", OURS_ALONE)
def test_a_layer_that_keras_lacks_is_named(name):
    x = {
        "ColumnEmbedding": {"numbers": np.zeros((2, 1)), "categories": np.zeros((2, 2), int)},
        "RandomCrop": np.zeros((2, 4, 4, 1)),
    }.get(name, np.zeros((2, 4, 4)))
    model = gr.Model(gr.Sequential([OURS_ALONE[name], gr.Dense(1)]), "mse").build(x)
    with pytest.raises(gr.GradusError, match=rf"Layer '\w+' \({name}\) cannot be carried"):
        gr.to_keras(model)


# --- masks ----------------------------------------------------------------------------------------


def test_the_layers_that_know_masks_are_those_of_keras():
    for layers, _ in EVERY.values():
        for layer in layers:
            assert (type(layer).__name__ in KNOW_MASKS) == layer.supports_masking, layer


# Layers that Keras drops a mask at, or gives other outputs for steps that are padding.
DROPPING = {
    "Conv1D": lambda layers: layers.Conv1D(3, 2),
    "MaxPooling1D": lambda layers: layers.MaxPooling1D(2),
    "GlobalMaxPooling1D": lambda layers: layers.GlobalMaxPooling1D(),
    "Cropping1D": lambda layers: layers.Cropping1D(1),
    "ZeroPadding1D": lambda layers: layers.ZeroPadding1D(1),
    "UpSampling1D": lambda layers: layers.UpSampling1D(2),
}


@pytest.mark.parametrize("name", DROPPING)
def test_a_layer_that_knows_masks_here_alone_is_named(name):
    codes, words = np.array([[1, 2, 3, 0]]), rf"\({name}\) cannot be carried: it gets a mask"
    ours = [gr.Embedding(5, 3, mask_zero=True), DROPPING[name](gr), gr.Flatten(), gr.Dense(1)]
    with pytest.raises(gr.GradusError, match=words):
        gr.to_keras(gr.Model(gr.Sequential(ours), "mse").build(codes))
    theirs = [k.Embedding(5, 3, mask_zero=True), DROPPING[name](k), k.Flatten(), k.Dense(1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras says that it drops the mask
        model = keras.Sequential([keras.Input((4,), dtype="int32"), *theirs])
    with pytest.raises(gr.GradusError, match=words):
        gr.from_keras(model)


def test_attention_whose_padding_is_read_is_named():
    ends = {"GlobalAveragePooling1D": gr.GlobalAveragePooling1D(), "Flatten": gr.Flatten()}
    codes = np.array([[1, 2, 3, 0], [4, 0, 0, 0], [1, 1, 1, 1]])
    for name, end in ends.items():
        layers = [gr.Embedding(5, 4, mask_zero=True), gr.MultiHeadAttention(2), end]
        model = gr.Model(gr.Sequential(layers), "mse").build(codes)
        if name == "Flatten":
            with pytest.raises(gr.GradusError, match=r"padded steps.*'flatten' \(Flatten\)"):
                gr.to_keras(model)
        else:
            np.testing.assert_allclose(gr.to_keras(model)(codes), model.predict(codes), atol=1e-5)
