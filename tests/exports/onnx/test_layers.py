"""Every layer in onnxruntime predicts what it predicts here."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.exports.onnx.layers import CONVERTERS
from gradus.nn import activations
from gradus.nn.layer import Layer
from gradus.nn.network import forward, fresh

RNG = np.random.default_rng(1)


def floats(*shape):
    return RNG.normal(size=shape).astype(np.float32)


ROWS, IMAGES, STEPS = floats(5, 6), floats(3, 9, 8, 4), floats(3, 7, 4)
VOLUMES = floats(2, 5, 6, 7, 4)
BYTES = RNG.integers(0, 256, (2, 6, 5, 3)).astype(np.uint8)
CODES = np.array([[3, 1, 0, 2, 0], [1, 2, 3, 0, 0], [0, 0, 0, 0, 0]])  # the last is all padding
PADDED = STEPS.copy()
PADDED[0, 4:] = PADDED[1, 2] = PADDED[2] = 0  # a gap in the middle, and nothing but padding
S = gr.Sequential
MASKED_CODES = gr.Embedding(4, 6, mask_zero=True)

NETWORKS = {
    "dense": (ROWS, lambda: [gr.Dense(4, "tanh"), gr.Dense(3, use_bias=False)]),
    "maxout, prelu": (ROWS, lambda: [gr.Maxout(5, 3), gr.PReLU(), gr.Dense(4, gr.PReLU())]),
    "layers as activations": (
        STEPS,
        lambda: [
            *(gr.Conv1D(4, 2, activation=gr.ReLU(0.5, 0.1)), gr.Dense(3, gr.LeakyReLU())),
            *(gr.Dense(3, gr.ELU(0.5)), gr.Dense(3, gr.Softmax())),
        ],
    ),
    "slopes": (
        ROWS,
        lambda: [gr.Activation("leaky_relu", alpha=0.3), gr.Activation("elu", alpha=2.0)],
    ),
    "rectifiers": (
        2 * ROWS,
        lambda: [
            gr.Parallel(
                [
                    *(gr.ReLU(), gr.ReLU(6.0), gr.ReLU(negative_slope=0.5), gr.ELU(), gr.ELU(2.0)),
                    *(gr.ReLU(1.0, 0.3, 0.5), gr.ReLU(threshold=1.0), gr.ReLU(0.2, threshold=1.0)),
                    *(gr.LeakyReLU(), gr.Identity(), gr.Lambda(gr.activations.mish)),
                    *(gr.Softmax(), gr.Lambda(gr.activations.linear)),
                ],
                merge="concatenate",
            )
        ],
    ),
    "softmax": (
        IMAGES,
        lambda: [
            gr.Parallel(
                [gr.Softmax(1), gr.Softmax(-2), gr.Softmax(3), gr.Softmax(-1)], merge="concatenate"
            ),
        ],
    ),
    "normalization": (
        ROWS,
        lambda: [
            *(gr.BatchNormalization(), gr.LayerNormalization(epsilon=0.1)),
            *(gr.BatchNormalization(scale=False), gr.LayerNormalization(center=False)),
            *(gr.BatchNormalization(center=False), gr.LayerNormalization(scale=False)),
        ],
    ),
    "groups": (
        ROWS,
        lambda: [
            *(gr.GroupNormalization(2), gr.GroupNormalization(3, epsilon=0.5, center=False)),
            *(gr.RMSNormalization(epsilon=0.1), gr.GroupNormalization(1, scale=False)),
        ],
    ),
    "groups of sequences": (
        STEPS,
        lambda: [gr.GroupNormalization(2), gr.UnitNormalization(), gr.UnitNormalization(1)],
    ),
    "groups of images": (
        IMAGES,
        lambda: [gr.GroupNormalization(2), gr.GroupNormalization(-1), gr.UnitNormalization(2)],
    ),
    "masked groups": (
        PADDED,
        lambda: [
            gr.Masking(),
            gr.GroupNormalization(2),
            gr.UnitNormalization(1),
            gr.Softmax(1),
            gr.GroupNormalization(-1),
            gr.RMSNormalization(),
        ],
    ),
    "given statistics": (
        ROWS,
        lambda: [
            gr.Normalization().adapt(floats(9, 6)),
            gr.Normalization(1.0, 4.0),
            gr.Normalization([1.0] * 6, [0.0] + [2.0] * 5),
        ],
    ),
    "only in training": (
        ROWS,
        lambda: [
            *(gr.Dropout(0.5), gr.GaussianNoise(1.0), gr.MaskingNoise(0.5), gr.Sparsity(0.1)),
            *(gr.SaltAndPepperNoise(0.5), gr.AlphaDropout(0.5), gr.GaussianDropout(0.5)),
            *(gr.ActivityRegularization(0.1), gr.Dense(2)),
        ],
    ),
    "channels only in training": (
        IMAGES,
        lambda: [gr.SpatialDropout2D(0.5), gr.Reshape((72, 4)), gr.SpatialDropout1D(0.5)],
    ),
    "augmentation": (
        BYTES,
        lambda: [
            *(gr.RandomFlip("horizontal"), gr.RandomTranslation(0.1, 0.1), gr.RandomCrop(4, 4)),
            *(gr.RandomRotation(0.1), gr.RandomZoom(0.1), gr.RandomBrightness(0.1)),
            *(gr.RandomContrast(0.1), gr.Rescaling((1 / 255, 1.0, 0.5), 0.1), gr.Flatten()),
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
    "merging layers": (
        ROWS,
        lambda: [
            gr.Parallel({"b": gr.Dense(4), "a": gr.Dense(4), "c": gr.Dense(1)}),
            gr.Parallel(
                [
                    *(gr.Add(), gr.Multiply(), gr.Average(), gr.Maximum(), gr.Minimum()),
                    gr.Concatenate(),
                ],
                merge="concatenate",
            ),
            gr.Parallel([gr.Dense(3), gr.Dense(3, "relu")]),
            gr.Subtract(),
            gr.Parallel([gr.Dense(3), gr.Dense(3)], merge="subtract"),
            gr.Parallel([gr.Dense(3), gr.Dense(3), gr.Dense(3)], merge="average"),
            gr.Parallel([gr.Dense(3), gr.Dense(3)], merge="maximum"),
            gr.Parallel([gr.Dense(3), gr.Dense(3)], merge="minimum"),
        ],
    ),
    "masks that are merged": (
        {"a": PADDED, "b": PADDED[::-1], "c": STEPS},
        lambda: [
            gr.Parallel({"a": gr.Masking(), "b": gr.Masking(), "c": gr.Identity()}),
            gr.Parallel(
                [
                    S([gr.Concatenate(1), gr.LSTM(3)]),
                    S([gr.Add(), gr.GlobalMaxPooling1D(), gr.Dense(3)]),
                    S([gr.Concatenate(), gr.LSTM(3)]),
                ],
                merge="add",
            ),
        ],
    ),
    "one mask of two": (
        {"a": PADDED, "b": PADDED[::-1]},
        lambda: [
            gr.Parallel({"a": gr.Masking(), "b": gr.Masking()}),
            gr.Parallel(
                [
                    S([gr.Average(), gr.LSTM(3)]),
                    S([gr.Concatenate(), gr.LSTM(3)]),
                    S([gr.Concatenate(1), gr.LSTM(3)]),
                ],
                merge="multiply",
            ),
        ],
    ),
    "a functional network": (
        {"b": floats(3, 5, 4), "a": PADDED},
        lambda: [
            gr.Functional(
                {
                    "mask": gr.Masking(),
                    "twin": gr.Dense(4, "tanh"),
                    "sum": gr.Add(),
                    "attend": gr.MultiHeadAttention(2, causal=True),
                    "end": gr.GRU(3),
                },
                {
                    "real": ("mask", "a"),
                    "left": ("twin", "real"),
                    "right": ("twin", "b"),
                    "both": ("attend", "left", "right"),
                    "again": ("sum", "both", "left"),
                    "y": ("end", "again"),
                },
                ("a", "b"),
            ),
        ],
    ),
    "codes and numbers": (
        {"codes": np.array([[3, 1], [0, 2]]), "flags": np.array([[7, 8], [9, 6]], np.uint8)},
        lambda: [gr.Concatenate(), gr.Embedding(10, 3), gr.Flatten()],
    ),
    "every step": (
        floats(3, 4, 5, 6, 2),
        lambda: [
            gr.TimeDistributed(gr.Sequential([gr.Conv2D(3, 3), gr.GlobalMaxPooling2D()])),
            gr.TimeDistributed(gr.Parallel([gr.Dense(3), gr.Dense(2)])),
            gr.Concatenate(),
            gr.TimeDistributed(gr.Softmax()),
        ],
    ),
    "every masked step": (
        PADDED,
        lambda: [gr.Masking(), gr.TimeDistributed(gr.Dense(3, "tanh")), gr.GRU(2)],
    ),
    "shapes": (
        IMAGES,
        lambda: [
            *(gr.Permute((3, 1, 2)), gr.Permute((1, 3, 2)), gr.Flatten(), gr.Dense(4)),
            *(gr.RepeatVector(5), gr.UpSampling1D(3), gr.ZeroPadding1D((1, 2)), gr.Cropping1D(2)),
            *(gr.LSTM(3), gr.RepeatVector(2)),
        ],
    ),
    "shapes of codes": (
        CODES,
        lambda: [gr.RepeatVector(3), gr.Permute((2, 1)), gr.Flatten(), gr.Embedding(4, 2)],
    ),
    "masked shapes": (
        PADDED,
        lambda: [
            *(gr.Masking(), gr.UpSampling1D(2), gr.ZeroPadding1D((1, 2)), gr.Cropping1D((2, 3))),
            *(gr.Permute((1, 2)), gr.LSTM(3, return_sequences=True), gr.Permute((2, 1))),
            *(gr.GRU(3, return_sequences=True), gr.GlobalAveragePooling1D()),
        ],
    ),
    "sizes of images": (
        IMAGES,
        lambda: [
            *(gr.Resizing(5, 11), gr.Resizing(12, 6, "bicubic"), gr.ZeroPadding2D((1, 2))),
            *(gr.Cropping2D(((0, 1), (2, 1))), gr.Resizing(7, 9, "lanczos3"), gr.CenterCrop(5, 8)),
            *(gr.Resizing(13, 4, "nearest"), gr.Resizing(6, 6, "lanczos5"), gr.Cropping2D(1)),
        ],
    ),
    "sizes of bytes": (
        BYTES,
        lambda: [gr.Cropping2D(1), gr.CenterCrop(3, 2), gr.ZeroPadding2D(1), gr.Resizing(4, 9)],
    ),
    "volumes": (
        VOLUMES,
        lambda: [
            gr.Conv3D(6, (2, 3, 1), padding="same", strides=(1, 2, 1), activation="relu"),
            gr.Conv3D(4, 2, groups=2),
            gr.Parallel(
                [
                    gr.MaxPooling3D((1, 2, 3), strides=(1, 1, 2), padding="same"),
                    gr.AveragePooling3D((1, 2, 3), strides=(1, 1, 2), padding="same"),
                ],
                merge="concatenate",
            ),
            gr.Conv3D(3, 2, dilation_rate=(2, 1, 1), use_bias=False, padding="same"),
            gr.Parallel(
                [gr.GlobalMaxPooling3D(keepdims=True), gr.GlobalAveragePooling3D(keepdims=True)],
                merge="add",
            ),
        ],
    ),
    "pooled volumes": (
        VOLUMES,
        lambda: [
            gr.Parallel([gr.GlobalMaxPooling3D(), gr.GlobalAveragePooling3D()], merge="add"),
        ],
    ),
    "separable convolution": (
        IMAGES,
        lambda: [
            gr.SeparableConv2D(5, 3, strides=2, padding="same", activation="relu"),
            gr.SeparableConv2D(3, (2, 1), depth_multiplier=2, use_bias=False),
            gr.SeparableConv2D(3, 2, dilation_rate=2, padding="same"),
        ],
    ),
    "masked separable convolution": (
        PADDED,
        lambda: [
            gr.Masking(),
            gr.SeparableConv1D(4, 3, padding="same"),
            gr.SeparableConv1D(3, 2, strides=2, depth_multiplier=2),
            gr.GRU(2),
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


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_traced_for_any_number_of_samples(name):
    """As StableHLO needs it, which has no converters."""
    x, layers = NETWORKS[name]
    model = gr.Model(S(layers()), "mse").build(x)
    (batch,) = jax.export.symbolic_shape("batch")
    samples = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct((batch, *a.shape[1:]), a.dtype), model.example
    )
    output = jax.eval_shape(lambda x: model.task.predict(forward(fresh(model.net), x)), samples)
    assert output.shape[0] == batch


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


def test_a_function_of_the_user_is_an_error_that_names_it(tmp_path):
    model = gr.Model(S(gr.Dense(2), gr.Lambda(jnp.sin).named("wave")), "mse").build(ROWS)
    with pytest.raises(GradusError, match=r"'wave' is a Lambda, .* its function is Python code"):
        gr.export(model, tmp_path / "model.onnx")


@pytest.mark.parametrize("layer", [gr.Softmax(axis=1), gr.LayerNormalization()])
def test_a_layer_that_is_an_activation_must_not_depend_on_a_shape(layer, tmp_path):
    model = gr.Model(S(gr.Conv1D(4, 2, activation=layer)), "mse").build(STEPS)
    with pytest.raises(GradusError, match=r"'conv1d' is a Conv1D.*a layer of its own after it"):
        gr.export(model, tmp_path / "model.onnx")


@pytest.mark.parametrize("axis", [1, -1])
def test_a_softmax_layer_ends_a_classifier_where_it_is_along_the_last_axis(predictions, axis):
    x = STEPS if axis == 1 else ROWS
    net = S([gr.Dense(3), gr.Softmax(axis)])
    ours, theirs = predictions(net, x, "categorical_crossentropy")
    np.testing.assert_allclose(theirs, ours, atol=1e-6)


def test_a_code_without_a_vector_gives_nan_as_in_prediction(predictions):
    net = S([gr.Embedding(3, 2), gr.Flatten()])
    with pytest.warns(RuntimeWarning, match="code"):
        ours, theirs = predictions(net, np.array([[0, 1], [2, 7], [-1, 0]]))
    np.testing.assert_allclose(theirs, ours, rtol=1e-6)
    assert np.isnan(theirs).any()
