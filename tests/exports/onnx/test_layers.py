"""Every layer in onnxruntime predicts what it predicts here."""

import numpy as np
import pytest

import gradus as gr
from gradus.exports.onnx.layers import CONVERTERS
from gradus.nn import activations
from gradus.nn.layer import Layer

RNG = np.random.default_rng(1)


def floats(*shape):
    return RNG.normal(size=shape).astype(np.float32)


ROWS, IMAGES, STEPS = floats(5, 6), floats(3, 9, 8, 4), floats(3, 7, 4)
BYTES = RNG.integers(0, 256, (2, 6, 5, 3)).astype(np.uint8)
CODES = np.array([[3, 1, 0, 2, 0], [1, 2, 3, 0, 0], [0, 0, 0, 0, 0]])  # the last is all padding
PADDED = STEPS.copy()
PADDED[0, 4:] = PADDED[1, 2] = PADDED[2] = 0  # a gap in the middle, and nothing but padding
S = gr.Sequential
MASKED_CODES = gr.Embedding(4, 6, mask_zero=True)

NETWORKS = {
    "dense": (ROWS, lambda: [gr.Dense(4, "tanh"), gr.Dense(3, use_bias=False)]),
    "maxout, prelu": (ROWS, lambda: [gr.Maxout(5, 3), gr.PReLU(), gr.Dense(4, gr.PReLU())]),
    "slopes": (
        ROWS,
        lambda: [gr.Activation("leaky_relu", alpha=0.3), gr.Activation("elu", alpha=2.0)],
    ),
    "normalization": (
        ROWS,
        lambda: [
            *(gr.BatchNormalization(), gr.LayerNormalization(epsilon=0.1)),
            *(gr.BatchNormalization(scale=False), gr.LayerNormalization(center=False)),
            *(gr.BatchNormalization(center=False), gr.LayerNormalization(scale=False)),
        ],
    ),
    "only in training": (
        ROWS,
        lambda: [
            *(gr.Dropout(0.5), gr.GaussianNoise(1.0), gr.MaskingNoise(0.5), gr.Sparsity(0.1)),
            *(gr.SaltAndPepperNoise(0.5), gr.Dense(2)),
        ],
    ),
    "augmentation": (
        BYTES,
        lambda: [
            *(gr.RandomFlip("horizontal"), gr.RandomTranslation(0.1, 0.1), gr.RandomCrop(4, 4)),
            *(gr.RandomRotation(0.1), gr.Rescaling((1 / 255, 1.0, 0.5), 0.1), gr.Flatten()),
        ],
    ),
    "residual, parallel": (
        ROWS,
        lambda: [
            gr.Residual([gr.Dense(6, "relu"), gr.Dense(6)]),
            gr.Parallel([gr.Dense(3), gr.Dense(3, "relu")], merge="add"),
            gr.Parallel([gr.Dense(3), gr.Dense(3)], merge="multiply"),
            gr.Parallel([gr.Dense(2), gr.Dense(3)], merge="concatenate"),
            gr.Repeat(gr.Dense(5, "tanh"), 2),
            gr.Repeat(gr.Dense(5), 0),
        ],
    ),
    "convolution": (
        IMAGES,
        lambda: [
            gr.Conv2D(6, 3, padding="same", strides=2, activation="relu"),
            gr.Conv2D(6, (2, 3), padding="same", groups=2),
            gr.DepthwiseConv2D(2, depth_multiplier=2),
            gr.ZeroPadding2D(((1, 0), (2, 1))),
            gr.Conv2D(3, 2, dilation_rate=2, use_bias=False),
        ],
    ),
    "transposed convolution": (
        IMAGES,
        lambda: [
            gr.Conv2DTranspose(3, 3, strides=2, padding="same", activation="tanh"),
            gr.Conv2DTranspose(2, 2, strides=3),
            gr.Conv2DTranspose(2, 3, dilation_rate=2, use_bias=False),
        ],
    ),
    "pooling": (
        IMAGES,
        lambda: [
            gr.Parallel(
                [
                    S([gr.MaxPooling2D(3, strides=2, padding="same"), gr.UpSampling2D((2, 1))]),
                    S([gr.AveragePooling2D(3, strides=2, padding="same"), gr.UpSampling2D((2, 1))]),
                ],
                merge="concatenate",
            ),
            gr.AveragePooling2D((2, 1)),
            gr.Parallel([gr.GlobalMaxPooling2D(), gr.GlobalAveragePooling2D()], merge="add"),
        ],
    ),
    "sequences": (
        STEPS,
        lambda: [
            gr.Conv1D(4, 3, padding="causal", activation="relu"),
            gr.Conv1DTranspose(4, 2, strides=2),
            gr.MaxPooling1D(2),
            gr.AveragePooling1D(3, strides=1, padding="same"),
            gr.Parallel(
                [gr.GlobalMaxPooling1D(keepdims=True), gr.GlobalAveragePooling1D(keepdims=True)],
                merge="concatenate",
            ),
            gr.Reshape((4, -1)),
        ],
    ),
    "masked sequences": (
        PADDED,
        lambda: [
            gr.Masking(),
            gr.Conv1D(4, 3, padding="same"),
            gr.MaxPooling1D(2, strides=1),
            gr.BatchNormalization(),
            gr.AveragePooling1D(2, strides=2, padding="same"),
            gr.Conv1D(3, 2),
            gr.Parallel([gr.GlobalMaxPooling1D(), gr.GlobalAveragePooling1D()], merge="add"),
        ],
    ),
    "lstm": (
        STEPS,
        lambda: [
            gr.LSTM(5, return_sequences=True),
            gr.LSTM(4, "softsign", use_bias=False, go_backwards=True, return_sequences=True),
            gr.LSTM(3, recurrent_activation="hard_sigmoid"),
        ],
    ),
    "gru, simple": (
        STEPS,
        lambda: [
            gr.GRU(5, return_sequences=True),
            gr.GRU(4, reset_after=False, return_sequences=True, go_backwards=True),
            gr.SimpleRNN(4, "relu", return_sequences=True),
            gr.GRU(3, "elu", return_sequences=True),
            gr.GRU(3, "elu", reset_after=False, use_bias=False, return_sequences=True),
            gr.SimpleRNN(3, "silu", go_backwards=True),
        ],
    ),
    "bidirectional": (
        STEPS,
        lambda: [
            gr.Bidirectional(gr.LSTM(3, return_sequences=True)),
            gr.Bidirectional(gr.GRU(3, return_sequences=True), merge_mode="ave"),
            gr.Bidirectional(gr.SimpleRNN(3, return_sequences=True), merge_mode="mul"),
            gr.Bidirectional(gr.SimpleRNN(3), merge_mode="sum"),
        ],
    ),
    "masked recurrence": (
        PADDED,
        lambda: [
            gr.Masking(),
            gr.LSTM(4, return_sequences=True),
            gr.Bidirectional(gr.GRU(3, return_sequences=True)),
            gr.SimpleRNN(4, return_sequences=True, go_backwards=True),
            gr.Bidirectional(gr.GRU(3, reset_after=False)),
        ],
    ),
    "transformer": (
        STEPS,
        lambda: [
            gr.PositionalEncoding(),
            gr.PositionalEmbedding(9),
            gr.TransformerEncoder(2, 8, activation="gelu", causal=True),
            gr.TransformerEncoder(1, 8, pre_norm=False, key_dim=3, dropout=0),
            gr.GlobalAveragePooling1D(),
        ],
    ),
    "masked transformer": (
        CODES,
        lambda: [
            gr.Embedding(4, 6, mask_zero=True),
            gr.PositionalEncoding(),
            gr.TransformerEncoder(2, 8),
            gr.MultiHeadAttention(3, causal=True, use_bias=False),
            gr.GlobalMaxPooling1D(),
        ],
    ),
    "table": (
        {"numbers": floats(4, 2), "categories": np.array([[0, 1], [2, 4], [1, 0], [2, 2]])},
        lambda: [gr.ColumnEmbedding((3, 5)), gr.Dense(2)],
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_predicts_the_same(predictions, name):
    x, layers = NETWORKS[name]
    ours, theirs = predictions(S(layers()), x)
    assert theirs.dtype == np.float32
    np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)


def test_every_layer_has_a_converter_that_is_tested():
    public = [getattr(gr, name) for name in gr.__all__]
    layers = {each for each in public if isinstance(each, type) and issubclass(each, Layer)}
    assert layers - {Layer} <= set(CONVERTERS)
    tested = {type(each) for _, make in NETWORKS.values() for each in all_layers(S(make()))}
    assert layers - {Layer} - tested == set()


def all_layers(layer):
    """The layers that a layer was made with, itself first."""
    yield layer
    for value in vars(layer).values():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Layer):
                yield from all_layers(each)


def test_every_activation_predicts_the_same(predictions):
    x = np.linspace(-6, 6, 40, dtype=np.float32).reshape(8, 5)
    names = {activations.REGISTRY.name_of(f) for f in map(gr.activations.get, activations.REGISTRY)}
    branches = [gr.Activation(name) for name in sorted(names)]
    ours, theirs = predictions(gr.Parallel(branches, merge="concatenate"), x)
    np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)


def test_a_code_without_a_vector_gives_nan_as_in_prediction(predictions):
    net = S([gr.Embedding(3, 2), gr.Flatten()])
    with pytest.warns(RuntimeWarning, match="code"):
        ours, theirs = predictions(net, np.array([[0, 1], [2, 7], [-1, 0]]))
    np.testing.assert_allclose(theirs, ours, rtol=1e-6)
    assert np.isnan(theirs).any()
