"""Losses against Keras, against arithmetic by hand, and by their invariances."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import scipy.special
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from gradus.errors import GradusError, ShapeError
from gradus.nn.pytree import canonicalize, pytree
from gradus.objectives import losses

SHAPES = [(5, 1), (4, 3), (2, 3, 4), (3,)]


def probabilities(rng, shape):
    return scipy.special.softmax(rng.normal(size=shape), axis=-1).astype(np.float32)


def one_hot(rng, shape):
    return np.eye(shape[-1], dtype=np.float32)[rng.integers(0, shape[-1], shape[:-1])]


REAL = (lambda rng, s: rng.normal(size=s), lambda rng, s: rng.normal(size=s))
COUNTS = (lambda rng, s: rng.poisson(3, s), lambda rng, s: rng.uniform(0.1, 4, s))
FLAGS = (lambda rng, s: rng.integers(0, 2, s), lambda rng, s: rng.uniform(0.02, 0.98, s))
SIGNS = (lambda rng, s: 2 * rng.integers(0, 2, s) - 1, lambda rng, s: rng.normal(size=s))
ONE_OF = (one_hot, probabilities)
SOFT = (probabilities, probabilities)

PAIRS = [
    (losses.MeanSquaredError(), keras.losses.MeanSquaredError, {}, REAL),
    (losses.MeanAbsoluteError(), keras.losses.MeanAbsoluteError, {}, REAL),
    (losses.Huber(0.7), keras.losses.Huber, {"delta": 0.7}, REAL),
    (losses.LogCosh(), keras.losses.LogCosh, {}, REAL),
    (losses.Poisson(), keras.losses.Poisson, {}, COUNTS),
    (losses.BinaryCrossentropy(), keras.losses.BinaryCrossentropy, {}, FLAGS),
    (
        losses.BinaryCrossentropy(0.2),
        keras.losses.BinaryCrossentropy,
        {"label_smoothing": 0.2},
        FLAGS,
    ),
    (losses.BinaryFocalCrossentropy(), keras.losses.BinaryFocalCrossentropy, {}, FLAGS),
    (
        losses.BinaryFocalCrossentropy(True, 0.3, 1.5, 0.1),
        keras.losses.BinaryFocalCrossentropy,
        {"apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5, "label_smoothing": 0.1},
        FLAGS,
    ),
    (losses.MeanAbsolutePercentageError(), keras.losses.MeanAbsolutePercentageError, {}, REAL),
    (losses.MeanSquaredLogarithmicError(), keras.losses.MeanSquaredLogarithmicError, {}, COUNTS),
    (losses.MeanSquaredLogarithmicError(), keras.losses.MeanSquaredLogarithmicError, {}, REAL),
    (losses.CosineSimilarity(), keras.losses.CosineSimilarity, {}, REAL),
    (losses.Hinge(), keras.losses.Hinge, {}, SIGNS),
    (losses.Hinge(), keras.losses.Hinge, {}, FLAGS),
    (losses.SquaredHinge(), keras.losses.SquaredHinge, {}, SIGNS),
    (losses.CategoricalHinge(), keras.losses.CategoricalHinge, {}, ONE_OF),
    (losses.CategoricalCrossentropy(), keras.losses.CategoricalCrossentropy, {}, ONE_OF),
    (
        losses.CategoricalCrossentropy(0.1),
        keras.losses.CategoricalCrossentropy,
        {"label_smoothing": 0.1},
        SOFT,
    ),
    (losses.CategoricalFocalCrossentropy(), keras.losses.CategoricalFocalCrossentropy, {}, ONE_OF),
    (
        losses.CategoricalFocalCrossentropy(0.4, 3.0, 0.1),
        keras.losses.CategoricalFocalCrossentropy,
        {"alpha": 0.4, "gamma": 3.0, "label_smoothing": 0.1},
        SOFT,
    ),
    (losses.KLDivergence(), keras.losses.KLDivergence, {}, SOFT),
    (losses.KLDivergence(), keras.losses.KLDivergence, {}, ONE_OF),
]


def draw(kind, shape, seed=0):
    rng = np.random.default_rng(seed)
    y_true, y_pred = (make(rng, shape) for make in kind)
    return y_true.astype(np.float32), y_pred.astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "theirs", "kwargs", "kind"), PAIRS)
def test_mean_and_gradient_are_those_of_keras(loss, theirs, kwargs, kind):
    y, p = draw(kind, (2, 3, 4))
    value, grad = jax.jit(jax.value_and_grad(lambda p: loss.finalize(loss(y, p).mean())))(p)
    expected, expected_grad = jax.jit(jax.value_and_grad(lambda p: theirs(**kwargs)(y, p)))(p)
    np.testing.assert_allclose(value, expected, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(grad, expected_grad, rtol=2e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 4)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_sparse_crossentropy_is_that_of_one_hot_targets_and_of_keras(shape, smoothing):
    rng = np.random.default_rng(1)
    labels, p = rng.integers(0, shape[-1], shape[:-1]), probabilities(rng, shape)
    loss = losses.SparseCategoricalCrossentropy(smoothing)
    dense = losses.CategoricalCrossentropy(smoothing)
    y = np.eye(shape[-1])[labels]
    np.testing.assert_allclose(loss(labels, p), dense(y, p), rtol=1e-6)
    np.testing.assert_allclose(
        loss.per_sample_from_logits(labels, p), dense.per_sample_from_logits(y, p), rtol=1e-6
    )
    if not smoothing:
        theirs = jax.jit(keras.losses.SparseCategoricalCrossentropy())(labels, p)
        np.testing.assert_allclose(loss(labels, p).mean(), theirs, rtol=1e-5)


LINKED = [
    (losses.BinaryCrossentropy(), "flags"),
    (losses.BinaryCrossentropy(0.3), "flags"),
    (losses.BinaryFocalCrossentropy(), "flags"),
    (losses.BinaryFocalCrossentropy(True, 0.3, 0.5, 0.1), "flags"),
    (losses.CategoricalCrossentropy(), "one-hot"),
    (losses.CategoricalCrossentropy(0.3), "one-hot"),
    (losses.SparseCategoricalCrossentropy(), "labels"),
    (losses.SparseCategoricalCrossentropy(0.3), "labels"),
    (losses.CategoricalFocalCrossentropy(), "one-hot"),
    (losses.CategoricalFocalCrossentropy(0.5, 0.5), "labels"),
    (losses.KLDivergence(), "one-hot"),
]


def draw_logits(kind, shape=(2, 3, 4), seed=2, scale=1.0):
    rng = np.random.default_rng(seed)
    z = (scale * rng.normal(size=shape)).astype(np.float32)
    if kind == "flags":
        return rng.integers(0, 2, shape), z
    labels = rng.integers(0, shape[-1], shape[:-1])
    return (labels if kind == "labels" else np.eye(shape[-1])[labels]), z


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "kind"), LINKED)
def test_logits_and_their_predictions_have_the_same_loss_and_gradient(loss, kind):
    y, z = draw_logits(kind)
    link = {"softmax": jax.nn.softmax, "sigmoid": jax.nn.sigmoid}[loss.link]
    values = jax.jit(lambda z: (loss.values_from_logits(y, z), loss.values(y, link(z))))
    np.testing.assert_allclose(*values(z), rtol=1e-4, atol=1e-6)
    sums = (
        lambda z: loss.per_sample_from_logits(y, z).sum(),
        lambda z: loss(y, link(z)).sum(),
    )
    gradients = jax.jit(lambda z: [jax.grad(each)(z) for each in sums])
    np.testing.assert_allclose(*gradients(z), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("loss", "kind"), [pair for pair in LINKED if pair[1] != "flags"])
@pytest.mark.parametrize("shift", [1e6, -1e6])
def test_a_shift_of_the_logits_by_a_million_changes_nothing(loss, kind, shift):
    y, z = draw_logits(kind)
    z = np.round(z * 16) / 16  # exact near a million, where float32 has steps of 1/16
    both = jax.jit(jax.value_and_grad(lambda z: loss.per_sample_from_logits(y, z).sum()))
    for ours, theirs in zip(both(z), both(z + np.float32(shift)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("loss", "kind"), LINKED)
def test_huge_logits_have_finite_losses_and_gradients(loss, kind):
    y, z = draw_logits(kind, scale=1e4)
    value, grad = jax.jit(jax.value_and_grad(lambda z: loss.values_from_logits(y, z).sum()))(z)
    assert np.isfinite(value)
    assert np.isfinite(grad).all()
    # Linear growth, not a clip: the gradient of a wrong answer does not vanish.
    assert np.abs(grad).max() > 0.1


@pytest.mark.slow
def test_crossentropies_by_hand():
    # −log softmax([0, log 3])[1] = −log(3/4); softplus(1) − 1 = log(1 + e) − 1.
    z = jnp.array([[0.0, np.log(3.0)]])
    by_hand = [np.log(4 / 3)]
    np.testing.assert_allclose(
        losses.SparseCategoricalCrossentropy().values_from_logits(np.array([1]), z), by_hand, 1e-6
    )
    np.testing.assert_allclose(
        losses.BinaryCrossentropy().values_from_logits(np.array([1.0]), np.array([1.0])),
        [np.log1p(np.e) - 1],
        rtol=1e-6,
    )


@pytest.mark.slow
def test_probabilities_are_clipped_and_normalized_as_keras_does():
    y, p = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [2.0, 6.0]], np.float32)
    expected = [-np.log(1e-7), np.log(4)]  # the second row is [¼, ¾] once it sums to 1
    np.testing.assert_allclose(losses.categorical_crossentropy(y, p), expected, rtol=1e-6)
    np.testing.assert_allclose(losses.sparse_categorical_crossentropy([1, 0], p), expected, 1e-6)
    np.testing.assert_allclose(
        losses.BinaryCrossentropy().values(np.array([1.0, 0.0]), np.array([0.0, 0.5])),
        [-np.log(1e-7), np.log(2)],
        rtol=1e-6,
    )
    assert np.isfinite(losses.categorical_crossentropy(y, np.zeros((2, 2), np.float32))).all()


def test_a_sample_is_the_mean_over_all_its_elements():
    p = np.array([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 2.0]]], np.float32)
    # (1 + 4 + 9 + 16) / 4 and 4 / 4
    np.testing.assert_array_equal(losses.mean_squared_error(np.zeros_like(p), p), [7.5, 1])


def test_focal_alpha_may_be_one_number_per_class():
    y, p = np.eye(2, dtype=np.float32), np.full((2, 2), 0.5, np.float32)
    loss = losses.CategoricalFocalCrossentropy(alpha=(1.0, 3.0), gamma=2.0)
    # α (1 − ½)² log 2, with α = 1 for the first sample and 3 for the second
    np.testing.assert_allclose(loss(y, p), [0.25 * np.log(2), 0.75 * np.log(2)], rtol=1e-6)


@pytest.mark.slow
def test_hinge_takes_zeros_for_minus_one_whatever_else_is_in_the_batch():
    p = np.array([[0.3], [0.4], [-2.0]], np.float32)
    # 1 + 0.3, 1 − 0.4, max(0, 1 − 2)
    np.testing.assert_allclose(losses.hinge([[0], [1], [0]], p), [1.3, 0.6, 0], rtol=1e-6)
    np.testing.assert_allclose(losses.hinge([[-1]], p[:1]), losses.hinge([[0]], p[:1]))


@pytest.mark.slow
def test_rmse_is_the_root_of_the_whole_mean_and_safe_at_zero():
    loss = losses.get("rmse")
    y, p = np.zeros((2, 2), np.float32), np.array([[1.0, 1.0], [3.0, 5.0]], np.float32)
    assert loss.finalize(loss(y, p).mean()) == 3.0  # √((1 + 1 + 9 + 25) / 4)
    grad = jax.grad(lambda p: loss.finalize(loss(y, p).mean()))
    np.testing.assert_allclose(grad(p), p / (4 * 3))
    np.testing.assert_array_equal(grad(y), np.zeros((2, 2)))


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "kind"), LINKED)
def test_gradients_from_logits_agree_with_finite_differences(loss, kind):
    y, z = draw_logits(kind)
    with jax.enable_x64(True):
        mean = jax.jit(lambda z: loss.per_sample_from_logits(y, z).mean())
        check_grads(mean, (jnp.asarray(z, jnp.float64),), order=1, modes=["rev"], eps=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "name",
    ["mse", "mae", "mape", "msle", "quantile", "huber", "log_cosh", "bce", "hinge", "poisson"],
)
def test_elementwise_losses_keep_the_shape_and_are_float32(name, shape):
    loss = losses.get(name)
    y, p = np.ones(shape, np.int32), np.full(shape, 0.25, np.float32)
    values = jax.eval_shape(loss.values, y, p)
    assert (values.shape, values.dtype) == (shape, jnp.float32)
    assert jax.eval_shape(loss, y, p).shape == shape[:1]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({losses.get(name).name for name in losses.REGISTRY}))
def test_no_type_is_promoted_by_accident_and_float16_is_summed_in_float32(name):
    loss = canonicalize(losses.get(name))
    sparse = loss.name.startswith("sparse")
    y = jnp.array([1, 0], jnp.uint8) if sparse else jnp.eye(2, dtype=jnp.int8)
    p = jnp.full((2, 2), 0.5, jnp.bfloat16)
    with jax.numpy_dtype_promotion("strict"):
        assert jax.eval_shape(loss, y, p).dtype == jnp.float32
        if loss.link:
            assert jax.eval_shape(loss.per_sample_from_logits, y, p).dtype == jnp.float32


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.int64, np.float32])
def test_labels_may_have_any_type(dtype):
    z = np.random.default_rng(0).normal(size=(4, 120)).astype(np.float32)
    labels = np.array([0, 7, 100, 119])
    expected = -scipy.special.log_softmax(z, axis=-1)[np.arange(4), labels]
    loss = losses.SparseCategoricalCrossentropy()
    np.testing.assert_allclose(loss.values_from_logits(labels.astype(dtype), z), expected, 1e-5)


def test_settings_are_leaves_so_that_values_neither_recompile_nor_differ_under_vmap():
    y, z = draw_logits("labels")
    traces = []

    @jax.jit
    def mean(loss):
        traces.append(loss)
        return loss.per_sample_from_logits(y, z).mean()

    rates = np.array([0.0, 0.1, 0.5], np.float32)
    alone = [mean(losses.SparseCategoricalCrossentropy(rate)) for rate in rates]
    assert len(traces) == 1
    together = jax.vmap(mean)(losses.SparseCategoricalCrossentropy(rates))
    np.testing.assert_allclose(together, alone, rtol=1e-6)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.permutations(range(2)), st.sampled_from(range(len(LINKED))))
def test_a_permutation_of_the_batch_permutes_the_losses(order, index):
    loss, kind = LINKED[index]
    y, z = draw_logits(kind)
    order = np.array(order)
    np.testing.assert_allclose(
        loss.per_sample_from_logits(y[order], z[order]),
        loss.per_sample_from_logits(y, z)[order],
        rtol=1e-6,
    )


@pytest.mark.parametrize("name", sorted(losses.REGISTRY))
def test_every_name_of_keras_finds_its_class(name):
    if name in ("rmse", "root_mean_squared_error", "RootMeanSquaredError"):
        return  # Keras has it as a metric only
    if name in ("focal", "cosine", "quantile", "pinball", "Quantile"):
        return  # names of our own, and of scikit-learn
    theirs = getattr(keras.losses, name, None) or keras.losses.get(name)
    assert type(losses.get(name)).__name__.lower() == theirs.__name__.replace("_", "").lower()


def test_get_takes_names_classes_objects_and_functions():
    assert isinstance(losses.get("MSE"), losses.MeanSquaredError)
    assert losses.get(losses.Huber) == losses.Huber()
    loss = losses.Huber(3.0)
    assert losses.get(loss) is loss
    assert loss.name == "huber"

    def cubed(y_true, y_pred):
        return jnp.abs(y_true - y_pred) ** 3

    own = losses.get(cubed)
    assert own.name == "cubed"
    np.testing.assert_allclose(own(np.zeros((2, 2)), np.array([[1.0, 2.0], [0.0, 4.0]])), [4.5, 32])


def test_get_says_what_is_wrong():
    with pytest.raises(
        GradusError, match=r"Unknown loss 'mean_square_error'.*Did you mean 'mean_sq"
    ):
        losses.get("mean_square_error")
    with pytest.raises(GradusError, match="not 3"):
        losses.get(3)

    class Bare(losses.Loss):
        def values(self, y_true, y_pred):
            return y_pred

    with pytest.raises(GradusError, match="Decorate the class Bare with @pytree"):
        losses.get(Bare)
    assert isinstance(losses.get(pytree(Bare)), Bare)

    mean = losses.get(lambda y_true, y_pred: jnp.mean(y_true - y_pred))
    with pytest.raises(ShapeError, match="leave out the mean"):
        mean(np.zeros((3, 1)), np.zeros((3, 1)))


def test_shapes_that_do_not_fit_are_never_broadcast():
    with pytest.raises(ShapeError, match=r"y_true has shape \(3,\) and y_pred \(3, 1\)"):
        losses.mean_squared_error(np.zeros(3), np.zeros((3, 1)))
    with pytest.raises(ShapeError, match="without its last axis"):
        losses.sparse_categorical_crossentropy(np.zeros((3, 1), int), np.zeros((3, 4)))
    with pytest.raises(GradusError, match="mean_squared_error is not a loss of logits"):
        losses.mean_squared_error.values_from_logits(np.zeros(3), np.zeros(3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.BinaryCrossentropy(1.5), r"label_smoothing must be between 0 and 1"),
        (lambda: losses.Huber(-1), r"Huber\(delta=-1\): delta must be at least 0"),
        (lambda: losses.CategoricalFocalCrossentropy(gamma=-0.1), "gamma must be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(GradusError, match=message):
        make()


# --- quantiles, percentages, and angles ------------------------------------------------------


@pytest.mark.parametrize("level", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_quantile_loss_is_that_of_scikit_learn_and_least_at_the_quantile(level):
    rng = np.random.default_rng(7)
    y, p = rng.normal(size=(2, 200)).astype(np.float32)
    loss = losses.Quantile(level)
    expected = sklearn.metrics.mean_pinball_loss(y, p, alpha=level)
    np.testing.assert_allclose(loss(y, p).mean(), expected, rtol=1e-5)
    grid = np.linspace(-3, 3, 601, dtype=np.float32)
    costs = np.asarray(jax.vmap(lambda guess: loss(y, jnp.full_like(y, guess)).mean())(grid))
    if 0 < level < 1:
        assert grid[costs.argmin()] == pytest.approx(np.quantile(y, level), abs=0.05)


def test_the_median_has_half_the_absolute_error_and_no_slope_where_it_is_exact():
    y, p = draw(REAL, (4, 3))
    half = losses.mean_absolute_error(y, p) / 2
    np.testing.assert_allclose(losses.quantile(y, p), half, rtol=1e-6)
    assert float(jax.grad(lambda p: losses.quantile(jnp.ones(1), p).sum())(jnp.ones(1))[0]) == 0


def test_percentages_are_of_the_target_and_a_level_is_no_other_program():
    y, p = np.array([[2.0, -4.0]]), np.array([[1.0, -4.0]])
    loss = losses.MeanAbsolutePercentageError()
    assert loss(y, p).tolist() == [25.0]
    reference = sklearn.metrics.mean_absolute_percentage_error(y, p)
    assert float(loss(y, p)[0]) == pytest.approx(100 * reference)
    one, other = (canonicalize(losses.Quantile(level)) for level in (0.1, 0.2))
    assert jax.tree.structure(one) == jax.tree.structure(other)


def test_zero_vectors_have_a_finite_cosine():
    y, p = jnp.array([[1.0, 0.0], [0.0, 0.0]]), jnp.zeros((2, 2))
    value, grad = jax.value_and_grad(lambda p: losses.cosine_similarity(y, p).sum())(p)
    assert value == 0
    assert np.isfinite(grad).all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: losses.Quantile(1.5), "level must be between 0 and 1"),
        (lambda: losses.Quantile((0.1, 0.9)), r"gr.choice\(0.1, 0.9\)"),
        (lambda: losses.Quantile("0.5"), "write one number"),
        (lambda: losses.get("mapee"), "mape"),
        (lambda: losses.CosineSimilarity().check(np.ones((3, 1)), (3, 1), "y"), "is 1 or -1"),
        (
            lambda: losses.get("msle").check(np.full((3, 1), -1.0), (3, 1), "y"),
            "non-negative targets, but -1 is among them",
        ),
    ],
)
def test_mistakes_say_what_to_write(make, words):
    with pytest.raises(GradusError, match=words):
        make()
