"""Layers against Keras on its JAX backend, by hand, and against finite differences."""

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

KERAS = keras.layers
DENSE_SHAPES = [(1, 1), (1, 5), (7, 1), (4, 3), (2, 3, 4), (2, 3, 2, 5)]


def draw(shape, seed=0, scale=1.0):
    return np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32)


def twins(ours, theirs, x, seed=1):
    """Return our built layer with random weights, and a Keras layer with the same weights."""
    net = gr.init(ours, 0, x)
    theirs.build(x.shape)
    drawn = {}
    for name, value in weights(net).items():
        positive = name == "moving_variance"
        drawn[name] = abs(draw(value.shape, seed)) + 0.5 if positive else draw(value.shape, seed)
        seed += 1
        getattr(theirs, name).assign(drawn[name])
    return with_weights(net, drawn), theirs


def outputs_and_gradients_of_keras(theirs, x, cotangent):
    trained = [v.value for v in theirs.trainable_variables]
    fixed = [v.value for v in theirs.non_trainable_variables]

    def loss(trained, x):
        y = theirs.stateless_call(trained, fixed, x)[0]
        return jnp.sum(y * cotangent), y

    (_, y), (by_weight, by_input) = value_and_grad(loss)(trained, x)
    names = [v.path.split("/")[-1] for v in theirs.trainable_variables]
    return y, dict(zip(names, by_weight, strict=True)), by_input


def value_and_grad(loss):
    """One program; outside of one, every operation would compile its own."""
    return jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs", "shape"),
    [
        *[
            (gr.Dense(units, "tanh"), KERAS.Dense(units, "tanh"), shape)
            for shape in DENSE_SHAPES
            for units in (1, 3)
        ],
        (gr.Dense(3, use_bias=False), KERAS.Dense(3, use_bias=False), (4, 3)),
        (gr.LayerNormalization(), KERAS.LayerNormalization(), (4, 3)),
        (gr.LayerNormalization(), KERAS.LayerNormalization(), (1, 1)),
        (gr.LayerNormalization(1e-1), KERAS.LayerNormalization(epsilon=1e-1), (2, 3, 4)),
        (
            gr.LayerNormalization(center=False, scale=False),
            KERAS.LayerNormalization(center=False, scale=False),
            (2, 5),
        ),
        (gr.BatchNormalization(), KERAS.BatchNormalization(), (4, 3)),
        (gr.BatchNormalization(), KERAS.BatchNormalization(), (2, 3, 4)),
        (gr.GroupNormalization(2), KERAS.GroupNormalization(2), (4, 6)),
        (gr.GroupNormalization(3, 0.1), KERAS.GroupNormalization(3, epsilon=0.1), (2, 3, 2, 6)),
        (gr.GroupNormalization(-1), KERAS.GroupNormalization(-1), (2, 5, 4)),
        (
            gr.GroupNormalization(1, center=False, scale=False),
            KERAS.GroupNormalization(1, center=False, scale=False),
            (2, 3, 4),
        ),
        (gr.RMSNormalization(), KERAS.RMSNormalization(), (4, 3)),
        (gr.RMSNormalization(0.1), KERAS.RMSNormalization(epsilon=0.1), (2, 3, 4)),
        (gr.UnitNormalization(), KERAS.UnitNormalization(), (4, 3)),
        (gr.UnitNormalization(axis=1), KERAS.UnitNormalization(axis=1), (2, 3, 4)),
        (gr.PReLU(), KERAS.PReLU(), (4, 3)),
        (gr.PReLU(shared_axes=(1,)), KERAS.PReLU(shared_axes=[1]), (2, 3, 4)),
    ],
)
def test_values_and_gradients_equal_keras(ours, theirs, shape):
    x = draw(shape)
    net, theirs = twins(ours, theirs, x)
    cotangent = draw(jax.eval_shape(net, x).shape, 9)

    def loss(params, x):
        y = with_weights(net, params)(x)
        return jnp.sum(y * cotangent), y

    (_, y), (by_weight, by_input) = value_and_grad(loss)(weights(net, "param"), x)
    wanted, expected, expected_input = outputs_and_gradients_of_keras(theirs, x, cotangent)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)
    assert by_weight.keys() == expected.keys()
    for name, value in by_weight.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(by_input, expected_input, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(2,), (2, 3)])
def test_an_embedding_equals_keras_and_takes_whole_numbers_only(shape):
    x = np.random.default_rng(0).integers(0, 6, shape).astype(np.int32)
    net, theirs = twins(gr.Embedding(6, 4), KERAS.Embedding(6, 4), x)
    np.testing.assert_array_equal(net(x), theirs(x))
    assert net(x).shape == (*shape, 4)
    with pytest.raises(GradusError, match="whole numbers"):
        net(x.astype(np.float32))


def test_column_embeddings_stand_beside_the_numbers():
    x = {"numbers": draw((3, 2)), "categories": np.array([[0, 4], [1, 3], [2, 2]], np.int32)}
    net = gr.init(gr.ColumnEmbedding((3, 5)), 0, x)
    first, second = weights(net).values()
    assert (first.shape, second.shape) == ((3, 2), (5, 3))  # half the codes, rounded up
    expected = np.concatenate([x["numbers"], first[[0, 1, 2]], second[[4, 3, 2]]], axis=1)
    np.testing.assert_array_equal(net(x), expected)
    codes = {"categories": x["categories"]}
    np.testing.assert_array_equal(gr.init(net, 0, codes)(codes), expected[:, 2:])


@pytest.mark.slow
def test_batch_norm_equals_keras_over_several_steps_of_training():
    x = draw((8, 3), scale=4.0) + 2
    settings = {"momentum": 0.8, "epsilon": 0.01}
    net, theirs = twins(gr.BatchNormalization(**settings), KERAS.BatchNormalization(**settings), x)
    for step in range(4):
        x = draw((8, 3), step, 4.0) + 2
        copy = gr.fresh(net, training=True)
        np.testing.assert_allclose(copy(x), theirs(x, training=True), rtol=1e-4, atol=1e-4)
        net = with_weights(net, weights(copy, "state"))
        for name in ("moving_mean", "moving_variance"):
            expected = np.asarray(getattr(theirs, name))
            np.testing.assert_allclose(weights(net)[name], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(net(x), theirs(x, training=False), rtol=1e-5, atol=1e-5)


def test_batch_norm_in_a_frozen_network_keeps_its_statistics_and_uses_them():
    x = draw((8, 3)) + 5
    net = gr.init(gr.Sequential([gr.Sequential([gr.BatchNormalization()])]), 0, x)
    net.layers[0].freeze()
    copy = gr.fresh(net, training=True)
    np.testing.assert_array_equal(copy(x), net(x))
    after = weights(copy, "state")
    assert all(np.array_equal(after[path], value) for path, value in weights(net).items())
    assert weights(net, "param") == {}
    net.layers[0].unfreeze()
    assert gr.fresh(net, training=True)(x).mean() == pytest.approx(0, abs=1e-5)


@pytest.mark.slow
def test_gradients_in_training_equal_finite_differences():
    x = draw((5, 3))
    net = gr.init(
        gr.Sequential([gr.Dense(4, "tanh"), gr.BatchNormalization(), gr.LayerNormalization()]), 0, x
    )
    target = draw((5, 4), 3)

    def loss(params):
        return jnp.sum(gr.fresh(with_weights(net, params), training=True)(x) * target)

    check_grads(loss, (weights(net, "param"),), order=1, modes=["rev"], atol=2e-2, rtol=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "shape"),
    [(gr.Maxout(3, 2), (4, 2)), (gr.PReLU("ones"), (4, 2)), (gr.Dense(2), (3, 2))],
)
def test_gradients_of_layers_equal_finite_differences(layer, shape):
    x = draw(shape, 5)
    net = gr.init(layer, 0, x)
    check_grads(
        lambda params, x: jnp.sum(with_weights(net, params)(x) ** 2),
        (weights(net, "param"), jnp.asarray(x)),
        order=1, modes=["rev"], atol=2e-2, rtol=2e-2,
    )  # fmt: skip


def test_maxout_by_hand():
    net = gr.init(gr.Maxout(2, pieces=2), 0, np.zeros((1, 1), np.float32))
    # Units 0 and 1, two pieces each: max(x, -x) = |x| and max(2x, 1) with the biases 0, 0, 0, 1.
    net = with_weights(
        net, {"kernel": np.array([[1.0, -1, 2, 0]]), "bias": np.array([0.0, 0, 0, 1])}
    )
    np.testing.assert_array_equal(
        net(np.array([[-3.0], [0.25], [2.0]])), [[3, 1], [0.25, 1], [2, 4]]
    )


def test_dropout_drops_its_share_scales_the_rest_and_is_off_at_prediction():
    x = np.ones((200, 200), np.float32)
    net = gr.init(gr.Dropout(0.3), 0, x)
    np.testing.assert_array_equal(net(x), x)
    np.testing.assert_array_equal(gr.fresh(net)(x), x)
    y = np.asarray(gr.fresh(net, jax.random.key(0), training=True)(x))
    assert np.unique(y).tolist() == pytest.approx([0, 1 / 0.7])
    # 40,000 draws: the share's standard deviation is √(0.3 · 0.7 / 40000) = 0.0023.
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.012)
    again = gr.fresh(net, jax.random.key(1), training=True)(x)
    assert not np.array_equal(y, again)
    assert np.array_equal(y, gr.fresh(net, jax.random.key(0), training=True)(x))


def test_each_dropout_and_each_call_of_it_draws_anew():
    class Twice(gr.Layer):
        def build(self, shape):
            self.one, self.two = gr.Dropout(0.5), gr.Dropout(0.5)

        def call(self, x):
            return self.one(x), self.one(x), self.two(x)

    x = np.ones((50, 50), np.float32)
    parts = gr.fresh(gr.init(Twice(), 0, x), jax.random.key(0), training=True)(x)
    shares = [float((parts[i] == parts[j]).mean()) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert shares == pytest.approx([0.5] * 3, abs=0.05)


def test_noise_has_its_statistics_in_training_only():
    x = np.full((200, 200), 3, np.float32)
    noise = gr.init(gr.GaussianNoise(0.5), 0, x)
    y = np.asarray(gr.fresh(noise, jax.random.key(0), training=True)(x))
    assert y.mean() == pytest.approx(3, abs=0.0125)  # five standard errors, 0.5 / 200 each
    assert y.std() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(noise(x), x)
    masking = gr.init(gr.MaskingNoise(0.25), 0, x)
    y = np.asarray(gr.fresh(masking, jax.random.key(0), training=True)(x))
    assert set(np.unique(y)) == {0, 3}
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.012)
    np.testing.assert_array_equal(masking(x), x)


def test_shapes_and_scales():
    x = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(gr.init(gr.Flatten(), 0, x)(x), x.reshape(2, 12))
    np.testing.assert_array_equal(gr.init(gr.Reshape((4, -1)), 0, x)(x), x.reshape(2, 4, 3))
    scaled = gr.init(gr.Rescaling(0.5, (1, 2, 3, 4)), 0, x)(x)
    np.testing.assert_array_equal(scaled, x * 0.5 + [1, 2, 3, 4])
    with pytest.raises(ShapeError, match=r"\(5, 2\).*\(3, 4\)"):
        gr.init(gr.Reshape((5, 2)), 0, x)


def test_residual_adds_and_refuses_another_shape():
    x = draw((4, 3))
    net = gr.init(gr.Residual([gr.Dense(5, "relu"), gr.Dense(3)]), 0, x)
    w = weights(net)
    inner = np.maximum(x @ w["dense/kernel"] + w["dense/bias"], 0)
    expected = x + inner @ w["dense_1/kernel"] + w["dense_1/bias"]
    np.testing.assert_allclose(net(x), expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(ShapeError, match=r"\(4, 2\).*\(4, 3\)"):
        gr.init(gr.Residual([gr.Dense(2)]), 0, x)


@pytest.mark.parametrize(
    ("merge", "join"),
    [
        ("concatenate", lambda a, b: np.concatenate([a, b], -1)),
        ("add", np.add),
        ("multiply", np.multiply),
    ],
)
def test_parallel_merges_alike_directly_and_in_a_fresh_copy(merge, join):
    # The names are not in alphabetical order, in which JAX would put the keys of a dict.
    x = {"b": draw((4, 2)), "a": draw((4, 3), 1)}
    net = gr.init(gr.Parallel({"b": gr.Dense(2), "a": gr.Dense(2)}, merge), 0, x)
    w = weights(net)
    parts = [x[n] @ w[f"branches/{n}/kernel"] for n in ("b", "a")]
    for copy in (net, gr.fresh(net), jax.tree.map(jnp.asarray, net)):
        np.testing.assert_allclose(copy(x), join(*parts), rtol=1e-5, atol=1e-6)
    assert list(weights(gr.fresh(net))) == list(w)


def test_parallel_gives_its_outputs_by_name_or_in_order():
    x = draw((4, 2))
    named = gr.init(gr.Parallel({"z": gr.Dense(1), "a": gr.Dense(3)}), 0, x)(x)
    assert {name: value.shape for name, value in named.items()} == {"z": (4, 1), "a": (4, 3)}
    listed = gr.init(gr.Parallel([gr.Dense(1), gr.Dense(3)]), 0, x)(x)
    assert [value.shape for value in listed] == [(4, 1), (4, 3)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gr.Dropout(1.0), "not including, 1"),
        (lambda: gr.Dropout(-0.1), "Dropout"),
        (lambda: gr.GaussianNoise(-1), "at least 0"),
        (lambda: gr.Parallel([gr.Dense(1)], "concat"), "concatenate"),
        (lambda: gr.Residual(gr.Dense(1)), "list of layers"),
        (lambda: gr.Sequential([gr.Dense]), r"write Dense\(\.\.\.\)"),
        (lambda: gr.Sequential([gr.Dense(1), "relu"]), "item 1"),
        (lambda: gr.init(gr.Dense(0), 0, np.zeros((2, 2), "f")), "at least 1"),
        (lambda: gr.init(gr.Dense(2.5), 0, np.zeros((2, 2), "f")), "units=2.5"),
        (lambda: gr.init(gr.Dense(2, "rleu"), 0, np.zeros((2, 2), "f")), "relu"),
        (lambda: gr.init(gr.Dense(2), 0, np.zeros(2, "f")), r"x\[:, None\]"),
        (lambda: gr.init(gr.Activation("tanh", 0.1), 0, np.zeros((2, 2), "f")), "alpha"),
        (lambda: gr.init(gr.Reshape((-1, -1)), 0, np.zeros((2, 2), "f")), "more than one"),
    ],
)
def test_bad_arguments_get_clear_errors(make, message):
    with pytest.raises(GradusError, match=message):
        make()


def test_a_fraction_of_a_unit_is_told_of_spaces_of_whole_numbers():
    with pytest.raises(GradusError, match=r"units=17\.5\): .* at least 1 \(as a space: gr.int_un"):
        gr.init(gr.Dense(17.5), 0, draw((2, 3)))


def test_a_wrong_input_names_the_layer_and_both_shapes():
    net = gr.init(gr.Sequential([gr.Dense(4), gr.Dense(2)]), 0, draw((5, 3)))
    for copy in (net, gr.fresh(net)):
        with pytest.raises(ShapeError, match=r"'dense'.*\(3, 4\).*\(5, 6\)"):
            copy(draw((5, 6)))
    norm = gr.init(gr.Sequential([gr.BatchNormalization()]), 0, draw((5, 3)))
    with pytest.raises(ShapeError, match=r"'batch_normalization'.* 3 features .*\(5, 4\)"):
        norm(draw((5, 4)))


# --- axes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dims", [(2, 1, 3), (3, 1, 2), (1, 2, 3)])
def test_axes_are_permuted_as_in_keras(dims):
    x = draw((2, 3, 4, 5))
    np.testing.assert_array_equal(gr.init(gr.Permute(dims), 0, x)(x), KERAS.Permute(dims)(x))


def test_a_vector_is_repeated_as_in_keras():
    x = draw((2, 3))
    np.testing.assert_array_equal(gr.init(gr.RepeatVector(4), 0, x)(x), KERAS.RepeatVector(4)(x))


def test_a_mask_of_steps_is_none_of_features_that_take_their_place():
    x = jnp.ones((1, 3, 3)).at[0, 2].set(0)
    net = gr.Sequential([gr.Masking(), gr.Permute((2, 1)), gr.GlobalAveragePooling1D()])
    np.testing.assert_allclose(gr.init(net, 0, x)(x), [[1, 1, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gr.Permute((0, 1)), r"Permute\(\(0, 1\)\): .* counted from 1"),
        (lambda: gr.Permute((1, 3)), "counted from 1"),
        (lambda: gr.Permute(2), r"Permute\(2\)"),
        (lambda: gr.Permute(()), r"Permute\(\(\)\)"),
        (lambda: gr.init(gr.Permute((2, 1)), 0, draw((2, 3))), r"samples of shape \(3,\)"),
        (lambda: gr.RepeatVector(0), r"RepeatVector\(n=0\)"),
        (lambda: gr.init(gr.RepeatVector(2), 0, draw((2, 3, 4))), r"put Flatten\(\) before it"),
    ],
)
def test_axes_that_do_not_fit_are_told(make, message):
    with pytest.raises(GradusError, match=message):
        make()
