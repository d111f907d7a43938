"""Convolutional layers against Keras on its JAX backend, and convolution against XLA's."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError, ShapeError
from gradus.nn.initializers import fans
from gradus.nn.network import weights, with_weights
from gradus.nn.ops.conv import _convolve_with_xla, convolve, padding_sizes
from gradus.nn.ops.conv_transpose import convolve_transposed
from gradus.train.tasks.base import apply_constraints, penalty_loss


def draw(shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def both(name, shape, settings):
    """Return (value, gradients of x, kernel and bias) of our layer and of Keras's."""
    x = draw(shape)
    net = gr.init(getattr(gr, name)(**settings), 0, x)
    # Drawing a kernel that is not used would take Keras longer than everything else.
    drawn = {
        "DepthwiseConv2D": ["depthwise_initializer"],
        "SeparableConv1D": ["depthwise_initializer", "pointwise_initializer"],
        "SeparableConv2D": ["depthwise_initializer", "pointwise_initializer"],
    }.get(name, ["kernel_initializer"])
    theirs = getattr(keras.layers, name)(**settings, **dict.fromkeys(drawn, "zeros"))
    theirs.build(shape)
    names = list(weights(net))
    assert [tuple(v.shape) for v in theirs.variables] == [v.shape for v in weights(net).values()]
    params = [draw(value.shape, seed) for seed, value in enumerate(weights(net).values(), 1)]
    dy = draw(theirs.compute_output_shape(shape), 9)

    def ours(params, x):
        return with_weights(net, dict(zip(names, params, strict=True)))(x)

    def keras_layer(params, x):
        return theirs.stateless_call(params, [], x)[0]

    def differentiated(params, x, dy):
        for function, promotion in ((ours, "strict"), (keras_layer, "standard")):
            with jax.numpy_dtype_promotion(promotion):
                y, back = jax.vjp(function, params, x)
                yield (y, *jax.tree.leaves(back(dy)))

    return jax.jit(lambda *given: list(differentiated(*given)))(params, x, dy)


CASES = [
    ("Conv1D", (2, 7, 3), {"kernel_size": 3}),
    ("Conv1D", (2, 7, 3), {"kernel_size": 2, "strides": 3, "padding": "same"}),
    ("Conv1D", (1, 6, 1), {"kernel_size": 4, "padding": "same", "dilation_rate": 2}),
    ("Conv1D", (2, 5, 2), {"kernel_size": 3, "padding": "causal", "dilation_rate": 2}),
    ("Conv1D", (2, 1, 2), {"kernel_size": 1, "activation": "tanh", "use_bias": False}),
    ("Conv1D", (2, 6, 4), {"kernel_size": 3, "groups": 2, "padding": "causal"}),
    ("Conv2D", (2, 5, 6, 3), {"kernel_size": (3, 2), "activation": "tanh"}),
    ("Conv2D", (2, 5, 6, 1), {"kernel_size": 4, "padding": "same", "use_bias": False}),
    ("Conv2D", (1, 7, 5, 2), {"kernel_size": 2, "strides": (3, 4), "padding": "same"}),
    ("Conv2D", (1, 7, 8, 2), {"kernel_size": (1, 2), "strides": 3}),
    ("Conv2D", (1, 6, 7, 2), {"kernel_size": 3, "dilation_rate": (2, 3), "padding": "same"}),
    ("Conv2D", (2, 1, 1, 3), {"kernel_size": 3, "padding": "same"}),
    ("Conv2D", (2, 3, 2, 3), {"kernel_size": 1}),
    ("Conv2D", (1, 4, 5, 4), {"kernel_size": 2, "groups": 2, "strides": 2}),
    ("Conv2D", (1, 4, 5, 2), {"kernel_size": 3, "groups": 2, "padding": "same"}),
    ("Conv3D", (2, 4, 5, 3, 2), {"kernel_size": (2, 3, 1), "activation": "tanh"}),
    ("Conv3D", (1, 4, 5, 3, 2), {"kernel_size": 3, "strides": (1, 2, 2), "padding": "same"}),
    ("Conv3D", (1, 5, 4, 5, 2), {"kernel_size": 2, "dilation_rate": 2, "groups": 2}),
    ("SeparableConv1D", (2, 7, 3), {"kernel_size": 3, "strides": 2, "padding": "same"}),
    ("SeparableConv1D", (2, 7, 3), {"kernel_size": 3, "padding": "same", "dilation_rate": 2}),
    ("SeparableConv2D", (2, 5, 6, 3), {"kernel_size": (3, 2), "depth_multiplier": 2}),
    ("SeparableConv2D", (2, 5, 6, 2), {"kernel_size": 3, "use_bias": False, "padding": "same"}),
    ("DepthwiseConv2D", (2, 5, 4, 3), {"kernel_size": (3, 2), "depth_multiplier": 2}),
    ("DepthwiseConv2D", (1, 6, 5, 2), {"kernel_size": 2, "strides": 3, "padding": "same"}),
    ("DepthwiseConv2D", (1, 6, 5, 1), {"kernel_size": 3, "dilation_rate": 2, "padding": "same"}),
    ("Conv1DTranspose", (2, 4, 3), {"kernel_size": 3, "strides": 2, "padding": "same"}),
    ("Conv1DTranspose", (1, 1, 2), {"kernel_size": 2, "strides": 3}),
    ("Conv2DTranspose", (2, 3, 4, 2), {"kernel_size": (3, 2), "activation": "tanh"}),
    ("Conv2DTranspose", (1, 3, 4, 2), {"kernel_size": 4, "strides": 2, "padding": "same"}),
    ("Conv2DTranspose", (1, 2, 3, 2), {"kernel_size": (2, 1), "strides": 3, "padding": "same"}),
    ("Conv2DTranspose", (1, 2, 3, 2), {"kernel_size": (1, 2), "strides": 3, "use_bias": False}),
    ("Conv2DTranspose", (1, 3, 3, 1), {"kernel_size": 3, "dilation_rate": 2, "padding": "same"}),
    ("Conv2DTranspose", (2, 1, 1, 3), {"kernel_size": 5, "strides": (2, 1)}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape", "settings"), CASES)
def test_values_and_gradients_equal_keras(name, shape, settings):
    filters = {} if name == "DepthwiseConv2D" else {"filters": 4}
    ours, theirs = both(name, shape, filters | settings)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("kernel", "strides", "dilation", "mode", "groups"),
    [
        ((3, 2, 2, 3), (1, 1), (1, 1), "same", 1),
        ((2, 2, 2, 3), (2, 3), (1, 1), "valid", 1),
        ((3, 3, 1, 4), (2, 2), (1, 1), "same", 2),
    ],
)
def test_each_way_to_convolve_maps_over_kernels_as_xla_does(
    kernel, strides, dilation, mode, groups
):
    x, kernels = draw((2, 7, 6, 2)), draw((3, *kernel), 1)
    pads = padding_sizes(mode, x.shape[1:3], kernel[:2], strides, dilation)

    def mapped(function):
        def loss(kernels, x):
            one = lambda kernel: function(x, kernel, strides, pads, dilation, groups)  # noqa: E731
            return jnp.sum(jnp.square(jax.vmap(one)(kernels)))

        return jax.jit(jax.value_and_grad(loss, (0, 1)))(kernels, x)

    for mine, xla in zip(
        *(jax.tree.leaves(mapped(f)) for f in (convolve, _convolve_with_xla)), strict=True
    ):
        np.testing.assert_allclose(mine, xla, rtol=1e-4, atol=1e-3)


def test_transposed_convolution_is_the_transpose_of_convolution():
    # ⟨convolve(y, k), x⟩ = ⟨y, convolve_transposed(x, k)⟩ for all x, y and k.
    x, y, kernels = draw((2, 3, 3)), draw((2, 6, 2), 1), draw((2, 4, 2, 3), 2)
    pads = padding_sizes("same", (6,), (4,), (2,), (1,))

    @jax.jit
    @jax.vmap
    def products(kernel):
        backwards = convolve_transposed(x, kernel, (2,), "same", (1,))
        return jnp.vdot(convolve(y, kernel, (2,), pads, (1,)), x), jnp.vdot(y, backwards)

    np.testing.assert_allclose(*products(kernels), rtol=1e-4)


@pytest.mark.parametrize(("size", "strides", "mode"), [(3, 2, "same"), (2, 3, "valid")])
def test_other_devices_transpose_alike(monkeypatch, size, strides, mode):
    x, kernel = draw((2, 4, 3)), draw((size, 2, 3), 1)

    def differentiated():
        def loss(x, kernel):
            return jnp.sum(jnp.square(convolve_transposed(x, kernel, (strides,), mode, (1,))))

        return jax.jit(jax.value_and_grad(loss, (0, 1)))(x, kernel)

    here = differentiated()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    for mine, other in zip(*map(jax.tree.leaves, (here, differentiated())), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4)


def test_a_kernel_has_the_fans_of_keras():
    # A field of 3 × 5 pixels: 15 · 2 inputs of an output, 15 · 4 outputs of an input.
    assert fans((3, 5, 2, 4)) == (30, 60)
    kernel = gr.init(gr.Conv2D(64, (3, 5)), 0, np.zeros((1, 9, 9, 8), np.float32)).kernel
    limit = np.sqrt(6 / (15 * 8 + 15 * 64))
    assert 0.99 * limit < np.abs(kernel).max() <= limit


def small(make, *shape):
    return lambda: gr.init(gr.Sequential([make()]), 0, np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (small(lambda: gr.Conv2D(2, 3), 5, 8, 8), r"'conv2d' .*\(5, 8, 8\): .*x\[\.\.\., None\]"),
        (small(lambda: gr.Conv2D(2, 3), 5, 64), r"'conv2d' .*\(5, 64\): put Reshape"),
        (
            small(lambda: gr.Conv1D(2, 3), 5, 8),
            r"'conv1d' .*sequences.*\(5, 8\): .*x\[\.\.\., None\]",
        ),
        (small(lambda: gr.Conv1D(2, 3), 5, 8, 8, 1), r"batch, steps, channels.*\(5, 8, 8, 1\)\."),
        (small(lambda: gr.Conv2D(2, 5), 5, 4, 8, 1), r"5 × 5 .*\(5, 4, 8, 1\), 4 × 8 large.*same"),
        (small(lambda: gr.Conv1D(2, 3, dilation_rate=4), 5, 8, 1), r"window of 9 .*\(5, 8, 1\)"),
        (
            small(lambda: gr.Conv2D(4, 1, groups=2), 5, 4, 4, 3),
            r"groups=2.* 4 filters .* 3 channels",
        ),
        (
            small(lambda: gr.Conv2D(3, 1, groups=2), 5, 4, 4, 4),
            r"groups=2.* 3 filters .* 4 channels",
        ),
        (small(lambda: gr.Conv2D(3, 1, groups=0), 5, 4, 4, 4), r"groups=0"),
        (small(lambda: gr.Conv2D(0, 1), 5, 4, 4, 4), r"Conv2D\(filters=0\)"),
        (small(lambda: gr.Conv2D(2, 3, "relu"), 5, 4, 4, 4), r"strides='relu'.*whole number"),
        (
            small(lambda: gr.Conv2D(2, (3, 3, 3)), 5, 4, 4, 4),
            r"kernel_size=\(3, 3, 3\).*two of them",
        ),
        (
            small(lambda: gr.Conv2D(2, 2, 2, dilation_rate=2), 5, 4, 4, 4),
            r"strides=2, dilation_rate=2",
        ),
        (
            small(lambda: gr.Conv2DTranspose(2, 2, 2, "same", 2), 5, 4, 4, 4),
            r"strides=2, dilation_rate=2",
        ),
        (small(lambda: gr.Conv2D(2, 2, padding="smae"), 5, 4, 4, 4), r"Did you mean 'same'"),
        (small(lambda: gr.Conv2D(2, 2, padding="causal"), 5, 4, 4, 4), r"Known: same, valid"),
        (
            small(lambda: gr.DepthwiseConv2D(2, depth_multiplier=1.5), 5, 4, 4, 4),
            r"depth_multiplier=1.5",
        ),
        (small(lambda: gr.DepthwiseConv2D(6), 5, 4, 4, 4), r"6 × 6 .*4 × 4"),
        (small(lambda: gr.Conv2D(2, 2, activation="rleu"), 5, 4, 4, 4), "relu"),
        (small(lambda: gr.SeparableConv2D(0, 2), 5, 4, 4, 4), r"SeparableConv2D\(filters=0\)"),
        (small(lambda: gr.SeparableConv1D(2, 2, padding="causal"), 5, 4, 4), "Known: same, valid"),
        (small(lambda: gr.SeparableConv2D(2, 6), 5, 4, 4, 4), r"6 × 6 .*4 × 4"),
        (
            small(lambda: gr.SeparableConv2D(2, 2, depthwise_regularizer="l3"), 5, 4, 4, 4),
            "depthwise_regularizer='l3'",
        ),
        (small(lambda: gr.Conv3D(2, (2, 2)), 5, 4, 4, 4, 1), "three of them, for depth, height"),
        (small(lambda: gr.Conv3D(2, 2), 5, 4, 4, 4), r"for volumes of single numbers"),
    ],
)
def test_what_does_not_fit_gets_a_clear_error(make, message):
    with pytest.raises(GradusError, match=message):
        make()


@pytest.mark.parametrize(
    "layer", [gr.Conv2D(2, 2), gr.Conv2DTranspose(2, 2), gr.SeparableConv2D(2, 2)]
)
def test_other_channels_than_before_name_the_layer_and_both_shapes(layer):
    net = small(lambda: layer, 1, 4, 4, 3)()
    for copy in (net, gr.fresh(net)):
        with pytest.raises(ShapeError, match=r"conv2d.* 3 channels .*\(1, 4, 4, 2\)"):
            copy(np.zeros((1, 4, 4, 2), np.float32))
    # Images of another size are fine.
    assert net(np.zeros((2, 6, 3, 3), np.float32)).shape[-1] == 2


def test_integer_inputs_are_exact():
    x = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    net = gr.init(gr.Conv2D(1, 2, kernel_initializer="ones"), 0, x)
    # 0 + 1 + 4 + 5, and so on
    np.testing.assert_array_equal(net(x)[0, :, :, 0], [[10, 14, 18], [26, 30, 34], [42, 46, 50]])


def test_penalties_and_constraints_reach_a_kernel():
    settings = {"kernel_regularizer": gr.L2(0.5), "kernel_constraint": gr.MaxNorm(0.1, (0, 1, 2))}
    layers = [gr.Conv2D(3, 2, **settings), gr.DepthwiseConv2D(1, **settings)]
    net = gr.init(gr.Sequential(layers), 0, np.zeros((1, 4, 4, 2), np.float32))
    kernels = {path: w for path, w in weights(net).items() if path.endswith("kernel")}
    expected = 0.5 * sum(np.square(kernel).sum() for kernel in kernels.values())
    assert penalty_loss(net) == pytest.approx(expected, rel=1e-5)
    for kernel in apply_constraints(net, kernels).values():
        np.testing.assert_allclose(np.sqrt(np.square(kernel).sum((0, 1, 2))), 0.1, rtol=1e-5)


def test_penalties_and_constraints_reach_both_parts_of_a_separable_convolution():
    settings = {"depthwise_regularizer": gr.L2(0.5), "pointwise_regularizer": "l1"}
    layer = gr.SeparableConv2D(3, 2, **settings, pointwise_constraint=gr.MaxNorm(0.1, (0, 1, 2)))
    net = gr.init(layer, 0, np.zeros((1, 4, 4, 2), np.float32))
    expected = 0.5 * np.square(net.depthwise).sum() + gr.L1()(net.pointwise)
    assert penalty_loss(net) == pytest.approx(float(expected), rel=1e-5)
    projected = apply_constraints(net, weights(net))["pointwise"]
    assert np.sqrt(np.square(projected).sum((0, 1, 2))).max() == pytest.approx(0.1)


@pytest.mark.parametrize("groups", [1, 2])
def test_patches_over_three_axes_are_what_xla_convolves(groups):
    x, kernel = draw((2, 4, 5, 3, 2)), draw((2, 3, 2, 2 // groups, 4), 1)
    pads = padding_sizes("same", x.shape[1:4], kernel.shape[:3], (1, 2, 1), (1, 1, 1))
    given = x, kernel, (1, 2, 1), pads, (1, 1, 1), groups
    ours, xla = jax.jit(lambda: [f(*given) for f in (convolve, _convolve_with_xla)])()
    np.testing.assert_allclose(ours, xla, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_small_network_reads_digits():
    data = gr.data.load("digits")
    x, y = np.asarray(data.x, np.float32) / 16, np.asarray(data.y)
    rows, held = gr.data.split(y, 0.25, 0)
    net = gr.Sequential(
        [
            gr.Conv2D(16, 3, activation="relu"),
            gr.MaxPooling2D(),
            gr.Flatten(),
            gr.Dense(10, "softmax"),
        ]
    )
    model = gr.Model(net, "sparse_categorical_crossentropy", gr.Adam(1e-2), metrics=["accuracy"])
    model.fit(x[rows], y[rows], batch_size=32, epochs=6, probes=False, verbose=False)
    assert model.evaluate(x[held], y[held])["accuracy"] > 0.95
