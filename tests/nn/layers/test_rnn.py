"""Recurrent layers against Keras on its JAX backend, by hand, and against finite differences."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from jax.test_util import check_grads

import gradus as gr
from gradus.errors import GradusError, ShapeError
from gradus.nn.network import weights, with_weights
from gradus.serialization import deserialize, serialize
from gradus.train.tasks.base import penalty_loss

KERAS = keras.layers
SHAPE = (4, 5, 3)
NAMES = ("kernel", "recurrent_kernel", "bias")
# A full sequence, one with a gap, one that starts late, and one without real steps.
MASK = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0]], bool)


def draw(shape, seed=0):
    return np.random.default_rng(seed).normal(0, 0.7, shape).astype(np.float32)


def variables(theirs):
    """Return the weights of a Keras layer by the paths that they have in ours."""
    if isinstance(theirs, KERAS.Bidirectional):
        parts = {"layer/": theirs.forward_layer, "backward/": theirs.backward_layer}
        return {p + n: v for p, part in parts.items() for n, v in variables(part).items()}
    if isinstance(theirs, keras.Sequential):
        parts = [part for part in theirs.layers if part.weights]
        return {f"{part.name}/{n}": v for part in parts for n, v in variables(part).items()}
    return {name: getattr(theirs.cell, name) for name in NAMES if hasattr(theirs.cell, name)}


def twins(ours, theirs, x):
    """Return our layer with random weights, and a Keras layer with the same weights."""
    net = gr.init(ours, 0, x)
    theirs.build(x.shape)
    known = {path: v for path, v in variables(theirs).items() if v is not None}
    drawn = {path: draw(v.shape, i) for i, (path, v) in enumerate(weights(net).items())}
    assert drawn.keys() == known.keys()
    for path, value in drawn.items():
        known[path].assign(value)
    return with_weights(net, drawn), theirs, [id(v) for v in known.values()], list(known)


def assert_equal_keras(ours, theirs, x, mask=None):
    """Compare outputs, and the gradients of all weights and of the input."""
    net, theirs, order, paths = twins(ours, theirs, x)
    cotangent = [draw(part.shape, 9 + i) for i, part in enumerate(jax.tree.leaves(net(x)))]
    options = {} if mask is None else {"mask": mask}

    def total(y):
        y = jax.tree.leaves(y)
        return sum(jnp.sum(a * b) for a, b in zip(y, cotangent, strict=True)), y

    def our_loss(params, x):
        return total(with_weights(net, params)(x, **options))

    def their_loss(trained, x):
        return total(theirs.stateless_call(trained, fixed, x, **options)[0])

    trained = [v.value for v in theirs.trainable_variables]
    fixed = [v.value for v in theirs.non_trainable_variables]
    (_, y), (got, dx) = jax.jit(jax.value_and_grad(our_loss, (0, 1), has_aux=True))(weights(net), x)
    (_, expected), (grads, expected_dx) = jax.jit(
        jax.value_and_grad(their_loss, (0, 1), has_aux=True)
    )(trained, x)
    for a, b in zip(y, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    for variable, gradient in zip(theirs.trainable_variables, grads, strict=True):
        path = paths[order.index(id(variable))]
        np.testing.assert_allclose(got[path], gradient, rtol=1e-3, atol=1e-4, err_msg=path)
    np.testing.assert_allclose(dx, expected_dx, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "shape", "mask"),
    [
        ("SimpleRNN", {"return_sequences": True}, SHAPE, MASK),
        ("SimpleRNN", {"activation": "relu", "use_bias": False}, SHAPE, None),
        ("LSTM", {"return_sequences": True, "go_backwards": True}, SHAPE, MASK),
        ("LSTM", {"recurrent_activation": "hard_sigmoid", "use_bias": False}, (2, 1, 1), None),
        ("GRU", {"return_sequences": True}, SHAPE, MASK),
        ("GRU", {"activation": "softsign", "use_bias": False}, (2, 1, 1), None),
        ("GRU", {"reset_after": False, "go_backwards": True}, SHAPE, MASK),
    ],
)
def test_values_and_gradients_equal_keras(name, options, shape, mask):
    ours, theirs = (getattr(home, name)(4, **options) for home in (gr, KERAS))
    assert_equal_keras(ours, theirs, draw(shape), mask)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "every", "mask"), [("concat", True, MASK), ("mul", False, None)])
def test_both_directions_equal_keras(mode, every, mask):
    ours = gr.Bidirectional(gr.SimpleRNN(2, return_sequences=every), mode)
    theirs = KERAS.Bidirectional(KERAS.SimpleRNN(2, return_sequences=every), mode)
    assert_equal_keras(ours, theirs, draw(SHAPE), mask)


def test_both_directions_are_merged_as_they_are_told():
    ahead, back = merged = [
        np.asarray(part) for part in gr.init(both(None), 0, draw(SHAPE))(draw(SHAPE), mask=MASK)
    ]
    assert ahead.shape == back.shape == (4, 5, 2)
    expected = {
        "concat": np.concatenate(merged, -1),
        "sum": ahead + back,
        "mul": ahead * back,
        "ave": (ahead + back) / 2,
    }
    for mode, value in expected.items():
        y = gr.init(both(mode), 0, draw(SHAPE))(draw(SHAPE), mask=MASK)
        np.testing.assert_allclose(y, value, rtol=1e-6)


def both(mode):
    return gr.Bidirectional(gr.SimpleRNN(2, return_sequences=True), mode)


@pytest.mark.slow
def test_a_stack_on_padded_sequences_equals_keras():
    x = draw(SHAPE) * MASK[..., None]
    parts = ((4, True), (2, False))
    ours, theirs = (
        home.Sequential(
            [
                layers.Masking(),
                *(layers.SimpleRNN(units, return_sequences=every) for units, every in parts),
            ]
        )
        for home, layers in ((gr, gr), (keras, KERAS))
    )
    for layer, name in zip(theirs.layers[1:], ("simple_rnn", "simple_rnn_1"), strict=True):
        layer.name = name
    assert_equal_keras(ours, theirs, x)


@pytest.mark.parametrize("layer", [gr.SimpleRNN(3), gr.LSTM(3), gr.GRU(3)])
def test_padding_changes_nothing_and_no_steps_give_zeros(layer):
    x = draw((2, 5, 3))
    x[0, 3:], x[1] = 1e6, 0  # a padded step may have any finite value
    net = gr.init(layer, 0, x)
    mask = np.array([[True] * 3 + [False] * 2, [False] * 5])
    y = net(x, mask=mask)
    np.testing.assert_allclose(y[0], net(x[:1, :3])[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(y[1], 0)


@pytest.mark.slow
def test_the_gradient_equals_finite_differences():
    x = draw((2, 3, 2))
    mask = MASK[1:3, :3]
    net = gr.init(gr.LSTM(2, return_sequences=True), 0, x)

    def outputs(params, x):
        return with_weights(net, params)(x, mask=mask)

    check_grads(outputs, (weights(net), x), 1, ["rev"], atol=1e-2, rtol=1e-2, eps=1e-2)


@pytest.mark.slow
def test_a_population_equals_its_members():
    nets = [gr.init(gr.GRU(4, return_sequences=True), seed, draw(SHAPE)) for seed in range(2)]
    x = jnp.asarray(draw(SHAPE))

    def gradient(net):
        return jax.grad(lambda net: jnp.sum(net(x, mask=MASK) ** 2))(net)

    together = jax.jit(jax.vmap(gradient))(jax.tree.map(lambda *a: jnp.stack(a), *nets))
    for index, net in enumerate(nets):
        alone = jax.jit(gradient)(net)
        for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a[index], b, rtol=1e-4, atol=1e-5)


def test_weights_are_drawn_as_keras_draws_them():
    drawn = weights(gr.init(gr.LSTM(3), 0, draw(SHAPE)))
    np.testing.assert_array_equal(drawn["bias"], [0] * 3 + [1] * 3 + [0] * 6)
    recurrent = drawn["recurrent_kernel"]  # orthonormal rows
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(3), atol=1e-6)
    plain = gr.init(gr.LSTM(3, unit_forget_bias=False), 0, draw(SHAPE))
    np.testing.assert_array_equal(plain.bias, 0)
    both = weights(gr.init(gr.Bidirectional(gr.GRU(3).named("reader")), 0, draw(SHAPE)))
    assert set(both) == {f"{part}/{name}" for part in ("reader", "backward") for name in NAMES}
    assert not np.array_equal(both["reader/kernel"], both["backward/kernel"])


def test_dropout_drops_the_same_inputs_in_all_steps():
    x = np.ones((6, 4, 5), np.float32)
    eye, none = (lambda _, shape: np.eye(*shape)), "zeros"
    layer = gr.SimpleRNN(
        5, "linear", False, eye, none, dropout=0.5, return_sequences=True
    )  # so that the outputs are the inputs
    net = gr.init(layer, 0, x)
    y = np.asarray(gr.fresh(net, jax.random.key(0), training=True)(x))
    assert set(np.unique(y)) == {0.0, 2.0}
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1], y.shape))
    assert len(np.unique(y[:, 0], axis=0)) > 1  # each sequence has its own
    np.testing.assert_array_equal(net(x), x)
    without = gr.init(gr.LSTM(2), 0, x)
    np.testing.assert_array_equal(gr.fresh(without, training=True)(x), without(x))


def test_penalties_on_each_weight_count():
    layer = gr.SimpleRNN(
        2, kernel_regularizer=gr.L2(0.1), recurrent_regularizer=gr.L1(0.2), bias_initializer="ones",
        bias_regularizer=gr.L2(3.0),
    )  # fmt: skip
    net = gr.init(layer, 0, draw(SHAPE))
    expected = 0.1 * np.sum(net.kernel**2) + 0.2 * np.sum(np.abs(net.recurrent_kernel)) + 3.0 * 2
    np.testing.assert_allclose(penalty_loss(net), expected, rtol=1e-5)


def test_layers_survive_being_described():
    layer = gr.Bidirectional(gr.GRU(3, dropout=0.2, return_sequences=True), "ave")
    built = gr.init(layer, 0, draw(SHAPE))
    again = deserialize(serialize(built))
    assert serialize(again) == serialize(layer)
    np.testing.assert_array_equal(gr.init(again, 0, draw(SHAPE))(draw(SHAPE)), built(draw(SHAPE)))


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: gr.LSTM(2), (4, 5), r"\(batch, steps, features\).*\(4, 5\).*x\[\.\.\., None\]"),
        (lambda: gr.LSTM(2), (4, 5, 3, 2), r"\(4, 5, 3, 2\)"),
        (lambda: gr.GRU(2), (4, 0, 3), "at least one step"),
        (lambda: gr.LSTM(2, "tahn"), SHAPE, "tanh"),
        (lambda: gr.LSTM(2, recurrent_activation="sigmod"), SHAPE, "sigmoid"),
        (lambda: gr.LSTM(2, gr.PReLU()), SHAPE, "PReLU"),
        (lambda: gr.SimpleRNN(0), SHAPE, r"SimpleRNN\(units=0\)"),
    ],
)
def test_what_cannot_be_is_refused(make, shape, message):
    with pytest.raises(GradusError, match=message):
        gr.init(make(), 0, np.zeros(shape, np.float32))


def test_wrong_calls_are_refused():
    net = gr.init(gr.Sequential([gr.LSTM(2)]), 0, draw(SHAPE)).layers[0]
    with pytest.raises(ShapeError, match=r"LSTM.*built for 3 features.*\(4, 5, 2\)"):
        net(draw((4, 5, 2)))
    with pytest.raises(ShapeError, match=r"lstm.*mask of shape \(4, 3\).*\(4, 5, 3\)"):
        net(draw(SHAPE), mask=MASK[:, :3])
    with pytest.raises(GradusError, match=r"dropout=1.5"):
        gr.LSTM(2, dropout=1.5)
    with pytest.raises(GradusError, match="recurrent layer"):
        gr.Bidirectional(gr.Dense(2))
    with pytest.raises(GradusError, match="leave out go_backwards"):
        gr.Bidirectional(gr.LSTM(2, go_backwards=True))
    with pytest.raises(GradusError, match="'concat'"):
        gr.Bidirectional(gr.LSTM(2), "concatenate")
