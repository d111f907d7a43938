"""Shapes, weights and FLOPs of a summary against counts by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import gradus as gr
from gradus.models.summary import flops
from gradus.nn.network import init


def table(net, x):
    text = gr.Model(net, "mse").build(x).summary()
    rows = [line.split("  ") for line in text.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    return {row[0]: row[1:] for row in cells if len(row) > 1}


def test_counts_by_hand():
    net = gr.Sequential(
        [
            gr.Flatten(),
            gr.Dense(16, "relu"),
            gr.BatchNormalization(),
            gr.Residual([gr.Dense(16).named("inner").freeze()]),
            gr.Dense(3, "softmax", use_bias=False),
        ]
    )
    found = table(net, np.zeros((7, 6, 5), np.float32))
    assert found["flatten"] == ["Flatten", "(n, 30)", "0", "0", "0"]
    # 30·16 + 16 weights; 2·30·16 operations
    assert found["dense"] == ["Dense", "(n, 16)", "496", "0", "960"]
    # γ, β trained; mean, variance not
    assert found["batch_normalization"] == ["BatchNormalization", "(n, 16)", "32", "32", "0"]
    assert found["residual/inner"] == ["Dense", "(n, 16)", "0", "272", "512"]
    assert found["dense_1"] == ["Dense", "(n, 3)", "48", "0", "96"]
    assert found["total"] == ["576", "304", "1,568"]
    assert "residual" not in found


class Own(gr.Layer):
    """A product of its own, a shared layer called twice, a scan and a convolution."""

    def __init__(self):
        pass

    def build(self, shape):
        self.kernel = self.add_weight("kernel", (4, 4))
        self.shared = gr.Dense(4)

    def call(self, x):
        x = self.shared(self.shared(x @ self.kernel))
        x = jax.lax.scan(lambda c, _: (c @ self.kernel, None), x, None, length=5)[0]
        image = x[:, None, :, None] * jnp.ones((1, 6, 1, 2), jnp.float32)
        window = jnp.ones((3, 3, 2, 8), jnp.float32)
        return jax.lax.conv_general_dilated(
            image, window, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )


def test_loops_sharing_and_convolutions():
    found = table(Own(), np.zeros((3, 4), np.float32))
    assert found["shared"] == ["Dense", "(n, 4)", "20", "0", str(2 * 16)]
    # own product, twice the shared one, five turns of the loop; 6·4·8 outputs of 3·3·2 terms
    total = 2 * 16 * (1 + 2 + 5) + 2 * (6 * 4 * 8) * (3 * 3 * 2)
    assert found["(network)"] == ["Own", "(n, 6, 4, 8)", "16", "0", f"{total:,}"]
    assert found["total"] == ["36", "0", f"{total:,}"]


def test_of_two_branches_the_dearer_counts():
    class Either(gr.Layer):
        def __init__(self):
            pass

        def call(self, x):
            big, small = jnp.ones((4, 9), jnp.float32), jnp.ones((4, 1), jnp.float32)
            return jax.lax.cond(
                x.sum() > 0,
                lambda: (x @ big).max(-1),
                lambda: (x @ small).min(-1),
            )

    net = init(Either(), 0, np.zeros((1, 4), np.float32))
    assert flops(net, np.zeros((1, 4), np.float32)) == 2 * 4 * 9


def test_grouped_and_batched_products():
    class Grouped(gr.Layer):
        def __init__(self):
            pass

        def call(self, x):
            kernel = jnp.ones((3, 2, 6), jnp.float32)  # 4 channels in 2 groups
            y = jax.lax.conv_general_dilated(
                x,
                kernel,
                (1,),
                "VALID",
                dimension_numbers=("NWC", "WIO", "NWC"),
                feature_group_count=2,
            )
            return jnp.einsum("bij,bkj->bik", y, y)

    net = init(Grouped(), 0, np.zeros((1, 10, 4), np.float32))
    # 8 places of 6 channels with 3·2 terms; 8 × 8 products of 6 terms
    expected = 2 * 8 * 6 * 6 + 2 * 8 * 8 * 6
    assert flops(net, np.zeros((1, 10, 4), np.float32)) == expected


def test_several_inputs_and_outputs():
    net = gr.Parallel({"a": gr.Dense(2), "b": gr.Dense(3)})
    found = table(net, {"a": np.zeros((2, 4), np.float32), "b": np.zeros((2, 5), np.float32)})
    assert found["total"] == ["28", "0", str(2 * (4 * 2 + 5 * 3))]


def test_convolutions_by_hand():
    net = gr.Sequential(
        [
            gr.Conv2D(6, (3, 2), strides=2, groups=2),
            gr.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
            gr.Conv2DTranspose(5, 3, strides=2, padding="same"),
            gr.MaxPooling2D(),
            gr.Reshape((8, 10)),
            gr.Conv1D(3, 4, padding="causal"),
            gr.Conv1DTranspose(2, 3),
        ]
    )
    found = table(net, np.zeros((2, 9, 8, 4), np.float32))
    expected = {
        # 4 · 4 places of 6 filters with 3 · 2 pixels of 4 / 2 channels
        "conv2d": ("(n, 4, 4, 6)", 2 * (4 * 4 * 6) * (3 * 2 * 2)),
        # 12 filters with 3 · 3 pixels of one channel
        "depthwise_conv2d": ("(n, 4, 4, 12)", 2 * (4 * 4 * 12) * (3 * 3)),
        # each of 4 · 4 · 12 inputs meets 5 filters of 3 · 3 pixels
        "conv2d_transpose": ("(n, 8, 8, 5)", 2 * (4 * 4 * 12) * (3 * 3 * 5)),
        "conv1d": ("(n, 8, 3)", 2 * (8 * 3) * (4 * 10)),
        "conv1d_transpose": ("(n, 10, 2)", 2 * (8 * 3) * (3 * 2)),
    }
    for name, (shape, count) in expected.items():
        assert found[name][1:] == [shape, *found[name][2:4], f"{count:,}"]
    total = sum(count for _, count in expected.values())
    assert found["total"][-1] == f"{total:,}"


def test_a_transposed_convolution_of_jax_counts_no_zeros():
    class Spread(gr.Layer):
        def __init__(self):
            pass

        def call(self, x):
            return jax.lax.conv_transpose(x, jnp.ones((3, 2, 4), jnp.float32), (2,), "SAME")

    net = init(Spread(), 0, np.zeros((1, 5, 2), np.float32))
    assert flops(net, np.zeros((1, 5, 2), np.float32)) == 2 * (5 * 2) * (3 * 4)


def test_a_notebook_shows_the_lines_of_a_summary():
    summary = gr.Model(gr.Sequential([gr.Dense(1)]), "mse").build(np.zeros((2, 1))).summary()
    assert isinstance(summary, str)
    assert f">{summary.splitlines()[0]}\n" in summary._repr_html_()
