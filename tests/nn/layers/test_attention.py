"""Attention against Keras on its JAX backend, by hand, and by its invariances."""

import functools
import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError, ShapeError
from gradus.nn import mask_tracking
from gradus.nn.network import weights, with_weights

BATCH, STEPS, OTHERS, WIDTH = 3, 4, 5, 6
REAL = np.arange(OTHERS) < np.array([[OTHERS], [2], [0]])  # sequences of lengths 5, 2 and 0


def draw(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def drawn(layer, *examples):
    """Return the built layer with random weights, including the biases."""
    net = gr.init(layer, 0, examples[0]) if len(examples) == 1 else _of_two(layer, examples)
    return with_weights(net, {n: draw(w.shape, i) for i, (n, w) in enumerate(weights(net).items())})


class Two(gr.Layer):
    """A layer that attends from one input to another."""

    def __init__(self, layer):
        self.layer = layer

    def call(self, inputs):
        return self.layer(*inputs)


def _of_two(layer, examples):
    return gr.init(Two(layer), 0, tuple(examples)).layer


def twin_of(net, query, value):
    """Return Keras's layer with the weights of ours, as a function of (weights, query, value)."""
    heads, width = net.num_heads, query.shape[-1]
    size = net.query.kernel.shape[1] // heads
    options = {"use_bias": net.use_bias, "kernel_initializer": "zeros"}  # replaced by ours
    theirs = keras.layers.MultiHeadAttention(heads, size, **options)
    theirs.build(query.shape, value.shape)
    given = []
    for name in ("query", "key", "value", "output"):
        own = getattr(net, name)
        shape = (heads, size, width) if name == "output" else (own.kernel.shape[0], heads, size)
        given.append(own.kernel.reshape(shape))
        if net.use_bias:
            given.append(own.bias if name == "output" else own.bias.reshape(heads, size))

    def call(trained, query, value, mask):
        fixed = [v.value for v in theirs.non_trainable_variables]
        options = {"attention_mask": mask, "use_causal_mask": net.causal}
        return theirs.stateless_call(trained, fixed, query, value, **options)[0]

    return given, call


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "steps", "others", "masked"),
    [
        ({"num_heads": 2}, STEPS, None, None),
        ({"num_heads": 3, "key_dim": 5, "use_bias": False}, STEPS, None, None),
        ({"num_heads": 1}, 1, None, None),
        ({"num_heads": 2, "causal": True}, OTHERS, None, "padding"),
        ({"num_heads": 2}, STEPS, OTHERS, "padding"),
        ({"num_heads": 2, "causal": True}, STEPS, OTHERS, "pairs"),
    ],
)
def test_values_and_gradients_equal_keras(settings, steps, others, masked):
    query = draw((BATCH, steps, WIDTH), 1)
    value = query if others is None else draw((BATCH, others, WIDTH + 1), 2)
    mask = REAL[:2] if masked == "padding" else None
    if masked == "pairs":
        mask = np.random.default_rng(3).random((2, steps, others)) < 0.5
        mask[..., 0] = True  # so that each step has something to attend to
    if masked:  # sequences of length zero, which Keras treats differently, have a separate test
        query, value = query[:2], value[:2]
    net = drawn(gr.MultiHeadAttention(**settings), *([query] if others is None else [query, value]))
    given, theirs = twin_of(net, query, value)
    cotangent = draw(query.shape, 4)

    def ours(net, query, value):
        y = net(query, mask=mask) if others is None else net(query, value, mask)
        return jnp.sum(y * cotangent), y

    def expected(given, query, value):
        pairs = mask[:, None] if masked == "padding" else mask
        y = theirs(given, query, query if others is None else value, pairs)
        return jnp.sum(y * cotangent), y

    @jax.jit
    def both(net, given, query, value):
        differentiate = functools.partial(jax.grad, argnums=(0, 1, 2), has_aux=True)
        return differentiate(ours)(net, query, value), differentiate(expected)(given, query, value)

    (by_ours, y), (by_theirs, y_theirs) = both(net, given, query, value)
    np.testing.assert_allclose(y, y_theirs, rtol=1e-4, atol=1e-4)
    for one, other in zip(by_ours[1:], by_theirs[1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-4)
    by_weight = weights(by_ours[0])
    order = [n for k in ("query", "key", "value", "output") for n in (f"{k}/kernel", f"{k}/bias")]
    order = [name for name in order if name in by_weight]
    assert len(order) == len(given)
    for name, other in zip(order, by_theirs[0], strict=True):
        np.testing.assert_allclose(by_weight[name].reshape(-1), other.reshape(-1), 1e-3, 2e-4)


@pytest.mark.slow
def test_padding_has_no_weight_and_an_empty_sequence_gives_zeros():
    x = draw((BATCH, OTHERS, WIDTH))
    net = drawn(gr.MultiHeadAttention(2), x)
    other = np.where(REAL[..., None], x, 1e3)  # other values in the padding
    call = jax.jit(lambda net, x, mask=None: net(x, mask=mask))
    y, y_other = call(net, x, REAL), call(net, other.astype(np.float32), REAL)
    np.testing.assert_allclose(y[REAL], y_other[REAL], rtol=1e-5, atol=1e-5)
    # A sequence of length zero gives zeros, so only the last map's bias remains.
    np.testing.assert_allclose(y[2], np.broadcast_to(net.output.bias, y[2].shape), atol=1e-6)
    np.testing.assert_allclose(net(x, None, REAL), y, rtol=1e-5, atol=1e-5)
    back = np.broadcast_to(np.tri(OTHERS, dtype=bool), (BATCH, OTHERS, OTHERS))
    causal = with_weights(gr.init(gr.MultiHeadAttention(2, causal=True), 0, x), weights(net))
    both = np.asarray(call(causal, x, REAL))  # a mask and the causal mask apply together
    np.testing.assert_allclose(net(x, None, back, mask=REAL), both, rtol=1e-5, atol=1e-5)
    alone = call(net, x[1:2, :2])  # the second sequence without its padding
    np.testing.assert_allclose(y[1:2, :2], alone, rtol=1e-5, atol=1e-5)
    gradients = jax.jit(jax.grad(lambda net: jnp.sum(net(x, mask=REAL) ** 2)))(net)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))


class Real(gr.Layer):
    """Masks the steps of zeros."""

    def __init__(self):
        pass

    def call(self, x):
        y = x + 0.0
        mask_tracking.set_mask(y, (x != 0).any(-1))
        return y


class Seen(gr.Layer):
    """Keeps the mask that it receives."""

    def __init__(self):
        pass

    def call(self, x, mask):
        return mask


def filled(lengths_reversed=False, seed=0):
    real = REAL[::-1] if lengths_reversed else REAL
    return np.where(real[..., None], draw((BATCH, OTHERS, WIDTH), seed), 0), real


@pytest.mark.slow
def test_a_mask_passes_through_a_block():
    x, real = filled()
    net = gr.init(gr.Sequential([Real(), gr.TransformerEncoder(2, 8, 0), Seen()]), 0, x)
    np.testing.assert_array_equal(net(x), real)
    (maps,) = gr.attention_weights(net, x).values()
    np.testing.assert_array_equal(maps.sum((1, 2)) > 0, real)
    np.testing.assert_allclose(maps.sum(-1)[:2], 1, rtol=1e-5)


class Crossing(gr.Layer):
    """Attends from one sequence to another, with whatever masks they have."""

    def __init__(self, first, second):
        self.first, self.second = first, second

    def build(self, shapes):
        self.attend, self.seen = gr.MultiHeadAttention(2), Seen()

    def call(self, inputs):
        return self.seen(self.attend(self.first(inputs[0]), self.second(inputs[1])))


@pytest.mark.parametrize("first", [Real(), gr.Activation("linear")])
def test_in_cross_attention_values_mask_the_weights_and_the_query_the_output(first):
    (query, steps), (value, others) = filled(lengths_reversed=True), filled(seed=1)
    net = gr.init(Crossing(first, Real()), 0, (query, value))
    np.testing.assert_array_equal(net((query, value)), steps if isinstance(first, Real) else True)
    maps = gr.attention_weights(net, (query, value))["attend"]
    assert maps.shape == (BATCH, 2, OTHERS, OTHERS)
    np.testing.assert_array_equal(maps.sum((1, 2)) > 0, others)


@pytest.mark.parametrize("pre_norm", [True, False])
def test_a_causal_block_ignores_later_steps(pre_norm):
    x = draw((2, STEPS, WIDTH))
    net = drawn(gr.TransformerEncoder(2, 8, 0.1, "gelu", pre_norm, causal=True), x)
    later = x.copy()
    later[:, 2:] += 1
    call = jax.jit(net.__call__)
    np.testing.assert_allclose(call(x)[:, :2], call(later)[:, :2], rtol=1e-5, atol=1e-5)
    assert not np.allclose(call(x)[:, 2:], call(later)[:, 2:], atol=1e-2)


@pytest.mark.slow
def test_without_positions_the_order_does_not_matter():
    x, order = draw((2, STEPS, WIDTH)), np.array([2, 0, 3, 1])
    net = drawn(gr.TransformerEncoder(2, 8), x)
    np.testing.assert_allclose(net(x)[:, order], net(x[:, order]), rtol=1e-4, atol=1e-5)
    placed = drawn(gr.Sequential([gr.PositionalEncoding(), gr.TransformerEncoder(2, 8)]), x)
    assert not np.allclose(placed(x)[:, order], placed(x[:, order]), atol=1e-2)


def test_the_block_by_its_formula():
    x = draw((2, STEPS, WIDTH))
    for pre_norm in (True, False):
        net = drawn(gr.TransformerEncoder(2, 8, 0, "relu", pre_norm), x)
        if pre_norm:
            one, two = net.layers
            norm, attend = one.layers
            norm_2, inside, out = two.layers
            y = x + attend(norm(x))
            expected = y + out(inside(norm_2(y)))
        else:
            one, norm, two, norm_2 = net.layers
            (attend,), (inside, out) = one.layers, two.layers
            y = norm(x + attend(x))
            expected = norm_2(y + out(inside(y)))
        np.testing.assert_allclose(net(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_dropout_of_weights_keeps_their_mean_and_zero_draws_nothing():
    x = draw((1, STEPS, WIDTH))
    net = drawn(gr.MultiHeadAttention(2, dropout=0.5), x)
    noisy = jax.jit(gr.fresh(net, jax.random.key(0), training=True).__call__)
    made = noisy(np.repeat(x, 4000, axis=0))
    np.testing.assert_allclose(
        made.mean(0), net(x)[0], atol=5 * float(made.std(0).max()) / 4000**0.5
    )
    assert float(made.std(0).min()) > 0
    plain = drawn(gr.MultiHeadAttention(2), x)
    gr.fresh(plain, training=True)(x)  # no key


def test_positional_encoding_is_the_formula_of_the_paper():
    x = draw((2, 7, 5))
    added = gr.init(gr.PositionalEncoding(), 0, x)(x) - x
    for t in range(7):
        for i in range(5):
            angle = t / 10000 ** (2 * (i // 2) / 5)
            np.testing.assert_allclose(
                added[:, t, i], np.cos(angle) if i % 2 else np.sin(angle), atol=1e-5
            )


def test_positional_embedding_adds_a_vector_to_each_step():
    x = draw((2, 3, 4))
    net = drawn(gr.PositionalEmbedding(5), x)
    np.testing.assert_allclose(net(x), x + weights(net)["embeddings"][:3], rtol=1e-6)
    with pytest.raises(ShapeError, match=r"\(5, 4\).*\(2, 6, 4\)"):
        net(draw((2, 6, 4)))


@pytest.mark.slow
def test_a_population_is_its_members():
    x = draw((2, STEPS, WIDTH))
    nets = [gr.init(gr.TransformerEncoder(2, 8), seed, x) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *nets)
    together = jax.jit(jax.vmap(lambda net: net(x)))(stacked)
    for net, y in zip(nets, together, strict=True):
        np.testing.assert_allclose(net(x), y, rtol=1e-5, atol=1e-5)
    assert together.dtype == jnp.float32


def test_a_model_with_attention_is_saved_and_loaded(tmp_path):
    codes = np.random.default_rng(0).integers(0, 4, (3, STEPS)).astype(np.int32)
    block = gr.TransformerEncoder(2, 8, 0.25, "gelu", pre_norm=False, causal=True)
    net = gr.Sequential([gr.Embedding(4, WIDTH), gr.PositionalEmbedding(5), block])
    model = gr.Model(net, "mse", seed=3).build(codes)
    again = gr.Model.load(model.save(tmp_path / "model"))
    assert jax.tree.structure(again.net) == jax.tree.structure(model.net)
    assert repr(again.settings["net"]) == repr(net)
    for one, other in zip(jax.tree.leaves(again.net), jax.tree.leaves(model.net), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("make", "shape", "words"),
    [
        (lambda: gr.MultiHeadAttention(4), (2, 3, 6), r"4 heads, but was given shape \(2, 3, 6\)"),
        (
            lambda: gr.MultiHeadAttention(2),
            (2, 6),
            r"The network \(Multi.*\(2, 6\): for integer codes",
        ),
        (lambda: gr.MultiHeadAttention(2), (2, 0, 6), r"at least one step.*\(2, 0, 6\)"),
        (lambda: gr.MultiHeadAttention(0), (2, 3, 6), "num_heads=0"),
        (lambda: gr.MultiHeadAttention(2, key_dim=0), (2, 3, 6), "key_dim=0"),
        (lambda: gr.TransformerEncoder(2, 2.5), (2, 3, 6), "hidden=2.5"),
        (lambda: gr.TransformerEncoder(2, 8), (2, 3, 4, 6), r"\(2, 3, 4, 6\)"),
        (gr.PositionalEncoding, (2, 6), r"PositionalEncoding.*\(2, 6\)"),
        (lambda: gr.PositionalEmbedding(0), (2, 3, 6), "length=0"),
    ],
)
def test_invalid_sizes_and_inputs_get_clear_errors(make, shape, words):
    with pytest.raises(GradusError, match=words):
        gr.init(make(), 0, np.zeros(shape, np.float32))


def test_masks_and_batches_that_do_not_fit_are_refused():
    x = draw((2, STEPS, WIDTH))
    net = drawn(gr.MultiHeadAttention(2), x)
    with pytest.raises(ShapeError, match=r"mask of shape \(2, 3\) for values of shape \(2, 4, 6\)"):
        net(x, mask=np.ones((2, 3), bool))
    with pytest.raises(ShapeError, match=r"mask of shape \(4, 4\).*\(2, 4\) or \(2, 4, 4\)"):
        net(x, x, np.ones((4, 4), bool))
    with pytest.raises(ShapeError, match=r"\(2, 4, 6\).*\(1, 4, 6\)"):
        net(x, x[:1])
    with pytest.raises(ShapeError, match=r"built for 6 inputs.*\(2, 4, 5\)"):
        net(x[..., :5])
    with pytest.raises(GradusError, match="dropout=1"):
        gr.TransformerEncoder(2, 8, dropout=1.0)
