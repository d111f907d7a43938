"""Metrics against scikit-learn: weighted, cut into unequal batches, and with padding rows."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st

import gradus as gr
from gradus.errors import GradusError, ShapeError
from gradus.nn.pytree import pytree
from gradus.objectives import losses, metrics

ROWS = 300
CUTS = (0, 7, 8, 150, ROWS)


@jax.jit
def update(metric, y_true, y_pred, weight):
    return metric.update(y_true, y_pred, weight)


@jax.jit
def compute(metric, sums):
    return metric.compute(sums)


def streamed(metric, y_true, y_pred, weight=None, cuts=CUTS):
    """The metric over batches of unequal sizes, padded with rows of NaN and weight zero."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred, np.float32)
    weight = np.ones(len(y_true)) if weight is None else weight
    size, total = len(y_true) + 1, None
    for start, stop in itertools.pairwise(cuts):
        rows = np.resize(np.arange(start, stop), size)
        y, p, w = y_true[rows], y_pred[rows], weight[rows].astype(np.float32)
        p[stop - start :], w[stop - start :] = np.nan, 0
        sums = update(metric, y, p, w)
        assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(sums))
        total = sums if total is None else jax.tree.map(np.add, total, sums)
    return np.asarray(compute(metric, total))


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    labels = rng.choice(4, ROWS, p=[0.5, 0.3, 0.15, 0.05])
    logits = rng.normal(size=(ROWS, 4)) + 1.5 * np.eye(4)[labels]
    flags = rng.integers(0, 2, (ROWS, 3))
    return {
        "labels": labels,
        "p": scipy.special.softmax(logits, axis=-1).astype(np.float32),
        "flags": flags,
        "q": scipy.special.expit(rng.normal(size=(ROWS, 3)) + flags).astype(np.float32),
        "w": rng.uniform(0, 3, ROWS).astype(np.float32),
    }


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("form", ["labels", "one-hot"])
def test_metrics_of_classes_are_those_of_scikit_learn(drawn, weighted, form):
    labels, p = drawn["labels"], drawn["p"]
    y = labels if form == "labels" else np.eye(4)[labels]
    w = drawn["w"] if weighted else np.ones(ROWS)
    guess = p.argmax(-1)
    kwargs = {"sample_weight": w}
    for metric, expected in [
        (metrics.Accuracy(), reference.accuracy_score(labels, guess, **kwargs)),
        (metrics.TopKAccuracy(2), reference.top_k_accuracy_score(labels, p, k=2, **kwargs)),
        (
            metrics.Precision(),
            reference.precision_score(labels, guess, average="macro", zero_division=0, **kwargs),
        ),
        (metrics.Recall(), reference.recall_score(labels, guess, average="macro", **kwargs)),
        (metrics.F1Score(), reference.f1_score(labels, guess, average="macro", **kwargs)),
        (
            metrics.F1Score(average="micro"),
            reference.f1_score(labels, guess, average="micro", **kwargs),
        ),
        (metrics.ConfusionMatrix(), reference.confusion_matrix(labels, guess, **kwargs)),
        (
            metrics.BalancedAccuracy(),
            reference.balanced_accuracy_score(labels, guess, **kwargs),
        ),
        (metrics.MatthewsCorrcoef(), reference.matthews_corrcoef(labels, guess, **kwargs)),
        (metrics.CohenKappa(), reference.cohen_kappa_score(labels, guess, **kwargs)),
    ]:
        np.testing.assert_allclose(streamed(metric, y, p, w), expected, rtol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_of_flags_are_those_of_scikit_learn(drawn, weighted):
    y, q = drawn["flags"], drawn["q"]
    kwargs = {"sample_weight": drawn["w"] if weighted else np.ones(ROWS)}
    w, guess, bce = kwargs["sample_weight"], q > 0.5, losses.BinaryCrossentropy()
    for column in (slice(0, 1), 0):  # (n, 1) and (n,)
        yes, said = y[:, 0], guess[:, 0]
        for name, expected in [
            ("accuracy", reference.accuracy_score(yes, said, **kwargs)),
            ("precision", reference.precision_score(yes, said, **kwargs)),
            ("recall", reference.recall_score(yes, said, **kwargs)),
            ("f1", reference.f1_score(yes, said, **kwargs)),
            ("confusion_matrix", reference.confusion_matrix(yes, said, **kwargs)),
            ("balanced_accuracy", reference.balanced_accuracy_score(yes, said, **kwargs)),
            ("matthews", reference.matthews_corrcoef(yes, said, **kwargs)),
            ("kappa", reference.cohen_kappa_score(yes, said, **kwargs)),
        ]:
            ours = streamed(metrics.get(name, bce), y[:, column], q[:, column], w)
            np.testing.assert_allclose(ours, expected, rtol=2e-5)
    for name, expected in [
        ("accuracy", np.average((guess == y).mean(-1), weights=w)),
        ("precision", reference.precision_score(y, guess, average="macro", **kwargs)),
        ("recall", reference.recall_score(y, guess, average="macro", **kwargs)),
        ("f1", reference.f1_score(y, guess, average="macro", **kwargs)),
    ]:
        ours = streamed(metrics.get(name, bce), y, q, w)
        np.testing.assert_allclose(ours, expected, rtol=2e-5)


def test_absent_classes_and_zero_denominators():
    labels, guess = np.array([0, 0, 2]), np.array([0, 2, 2])  # class 1 occurs nowhere
    p = np.eye(4, dtype=np.float32)[guess]
    expected = reference.f1_score(labels, guess, average="macro")
    np.testing.assert_allclose(streamed(metrics.F1Score(), labels, p, cuts=(0, 3)), expected, 1e-6)
    nothing = np.zeros((3, 1), np.float32)
    assert streamed(metrics.Precision(), np.ones((3, 1)), nothing, cuts=(0, 3)) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("offset", "spread"), [(0.0, 0.1), (0.0, 1.0), (0.0, 10.0), (-6.0, 0.3), (-6.0, 3.0)]
)
def test_auc_is_that_of_scikit_learn_for_confident_and_unconfident_models(offset, spread):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 20_000)
    logits = offset + spread * (rng.normal(size=len(y)) + 0.8 * y)
    p = scipy.special.expit(logits).astype(np.float32)
    w = rng.uniform(0, 2, len(y)).astype(np.float32)
    ours = streamed(metrics.AUC(), y[:, None], p[:, None], w, cuts=(0, 9_000, 20_000))
    expected = reference.roc_auc_score(y, p, sample_weight=w)
    np.testing.assert_allclose(ours, expected, atol=1e-3)


@pytest.mark.slow
def test_auc_of_classes_flags_and_scores(drawn):
    labels, p, y, q, w = (drawn[name] for name in ("labels", "p", "flags", "q", "w"))
    auc = metrics.get("roc_auc")
    expected = reference.roc_auc_score(labels, p, multi_class="ovr", average="macro")
    np.testing.assert_allclose(streamed(auc, labels, p), expected, atol=2e-3)
    np.testing.assert_allclose(streamed(auc, np.eye(4)[labels], p), expected, atol=2e-3)
    flags = metrics.get("auc", losses.BinaryCrossentropy())
    expected = reference.roc_auc_score(y, q, average="macro", sample_weight=w)
    np.testing.assert_allclose(streamed(flags, y, q, w), expected, atol=2e-3)
    scores = 3 * scipy.special.logit(q)
    hinge = metrics.get("auc", losses.Hinge())
    np.testing.assert_allclose(streamed(hinge, 2 * y - 1, scores, w), expected, atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
def test_average_precision_is_that_of_scikit_learn(spread):
    rng = np.random.default_rng(1)
    y = (rng.uniform(size=5_000) < 0.1).astype(int)
    logits = spread * (rng.normal(size=len(y)) + 1.5 * y) - 2
    p = scipy.special.expit(logits).astype(np.float32)
    w = rng.uniform(0, 2, len(y)).astype(np.float32)
    metric = metrics.get("pr_auc")
    ours = streamed(metric, y[:, None], p[:, None], w, cuts=(0, 9, 3_000, 5_000))
    expected = reference.average_precision_score(y, p, sample_weight=w)
    np.testing.assert_allclose(ours, expected, atol=2e-3)
    many = streamed(metrics.AveragePrecision(2**18), y[:, None], p[:, None], w, cuts=(0, 5_000))
    np.testing.assert_allclose(many, expected, atol=5e-5)


@pytest.mark.slow
def test_average_precision_of_classes_flags_and_scores(drawn):
    labels, p, y, q, w = (drawn[name] for name in ("labels", "p", "flags", "q", "w"))
    expected = reference.average_precision_score(np.eye(4)[labels], p, average="macro")
    for targets in (labels, np.eye(4)[labels]):
        ours = streamed(metrics.get("average_precision"), targets, p)
        np.testing.assert_allclose(ours, expected, atol=5e-3)
    flags = metrics.get("pr_auc", losses.BinaryCrossentropy())
    expected = reference.average_precision_score(y, q, average="macro", sample_weight=w)
    np.testing.assert_allclose(streamed(flags, y, q, w), expected, atol=5e-3)
    scores = 3 * scipy.special.logit(q)
    hinge = metrics.get("pr_auc", losses.Hinge())
    np.testing.assert_allclose(streamed(hinge, 2 * y - 1, scores, w), expected, atol=5e-3)


def test_average_precision_of_extreme_rankings():
    y, p = np.array([[0], [0], [1], [1]]), np.array([[0.1], [0.2], [0.8], [0.9]], np.float32)
    metric, cuts = metrics.AveragePrecision(), (0, 4)
    assert streamed(metric, y, p, cuts=cuts) == 1
    assert streamed(metric, y, 1 - p, cuts=cuts) == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert streamed(metric, y, np.full_like(p, 0.3), cuts=cuts) == 0.5  # the share of positives
    assert streamed(metric, np.ones_like(y), p, cuts=cuts) == 1
    assert np.isnan(streamed(metric, np.zeros_like(y), p, cuts=cuts))


def test_agreement_of_a_constant_guess_and_of_one_class():
    y, one = np.array([[0], [1], [1], [1]]), np.ones((4, 1), np.float32)
    for metric, of_guess, of_class in [
        (metrics.BalancedAccuracy(), 0.5, 1),
        (metrics.MatthewsCorrcoef(), 0, 0),
        (metrics.CohenKappa(), 0, np.nan),
    ]:
        np.testing.assert_array_equal(streamed(metric, y, one, cuts=(0, 4)), of_guess)
        np.testing.assert_array_equal(streamed(metric, np.ones_like(y), one, cuts=(0, 4)), of_class)
    assert metrics.needs_of("val_kappa") == "samples of both classes"
    assert metrics.needs_of("val_pr_auc") == "samples of the positive class"
    assert metrics.needs_of("val_auc") == "samples of both classes"


def test_agreement_is_exact_where_one_class_is_rare():
    counts = np.array([[999_000, 200], [300, 500]])  # by true and predicted class
    y, guess = np.repeat([0, 0, 1, 1], counts.ravel()), np.repeat([0, 1, 0, 1], counts.ravel())
    for metric, expected in [
        (metrics.MatthewsCorrcoef(), reference.matthews_corrcoef(y, guess)),
        (metrics.CohenKappa(), reference.cohen_kappa_score(y, guess)),
    ]:
        np.testing.assert_allclose(compute(metric, counts.astype(np.float32)), expected, rtol=1e-5)


def test_flags_of_their_own_have_no_common_confusion_matrix():
    for name in ("balanced_accuracy", "matthews_corrcoef", "cohen_kappa"):
        metric = metrics.get(name, losses.BinaryCrossentropy())
        with pytest.raises(ShapeError, match=f"{name} is of one yes or no.*use f1"):
            metric.update(np.ones((2, 3)), np.ones((2, 3)), np.ones(2))


def test_auc_of_extreme_rankings():
    y, p = np.array([[0], [0], [1], [1]]), np.array([[0.1], [0.2], [0.8], [0.9]], np.float32)
    auc, cuts = metrics.AUC(), (0, 4)
    assert streamed(auc, y, p, cuts=cuts) == 1
    assert streamed(auc, y, 1 - p, cuts=cuts) == 0
    assert streamed(auc, y, np.full_like(p, 0.3), cuts=cuts) == 0.5
    assert np.isnan(streamed(auc, np.ones_like(y), p, cuts=cuts))
    # A class that never occurs does not count in the mean.
    labels, q = np.array([0, 0, 1, 1]), np.array([[0.7, 0.2, 0.1]] * 2 + [[0.2, 0.7, 0.1]] * 2)
    assert streamed(auc, labels, q, cuts=cuts) == 1


@pytest.mark.slow
def test_errors_of_a_regression_are_those_of_scikit_learn(drawn):
    rng = np.random.default_rng(3)
    y = rng.normal(size=(ROWS, 2)).astype(np.float32)
    p = (y + 0.3 * rng.normal(size=y.shape)).astype(np.float32)
    w = drawn["w"]
    for name, score in [
        ("mae", reference.mean_absolute_error),
        ("mse", reference.mean_squared_error),
        ("r2", reference.r2_score),
    ]:
        expected = score(y, p, sample_weight=w)
        np.testing.assert_allclose(streamed(metrics.get(name), y, p, w), expected, rtol=1e-5)
    expected = np.sqrt(reference.mean_squared_error(y, p, sample_weight=w))
    np.testing.assert_allclose(streamed(metrics.get("rmse"), y, p, w), expected, rtol=1e-5)


@pytest.mark.parametrize("ordered", [False, True])
def test_r2_far_from_zero_stays_exact_over_many_batches(ordered):
    rng = np.random.default_rng(4)
    y = rng.normal(1e3, 1, 100_000).astype(np.float32)
    y = np.sort(y) if ordered else y
    p = (y + 0.5 * rng.normal(size=y.shape)).astype(np.float32)
    metric = metrics.R2Score().fit_targets(y)

    @jax.jit
    def run(metric, batches):
        def step(total, batch):
            return jax.tree.map(jnp.add, total, metric.update(*batch, jnp.ones(32))), None

        zero = jax.tree.map(jnp.zeros_like, metric.update(*(a[0] for a in batches), jnp.ones(32)))
        return metric.compute(jax.lax.scan(step, zero, batches)[0])

    ours = run(metric, (y.reshape(-1, 32), p.reshape(-1, 32)))
    expected = reference.r2_score(y.astype(float), p.astype(float))
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_r2_of_constant_targets_and_of_the_mean():
    y = np.array([[1.0, 5.0], [3.0, 5.0]], np.float32)
    metric = metrics.R2Score().fit_targets(y)
    cuts = (0, 2)
    assert streamed(metric, y, y, cuts=cuts) == 1
    assert streamed(metric, y, np.full_like(y, [2, 5]), cuts=cuts) == 0.5  # 0 and 1
    assert streamed(metric, y, np.full_like(y, [2, 4]), cuts=cuts) == 0  # 0 and 0


def test_sequences_count_each_step_at_its_samples_weight():
    labels, w = np.array([[0, 1, 1], [1, 1, 0]]), np.array([1.0, 3.0])
    p = np.eye(2)[[[0, 1, 0], [1, 1, 1]]]  # 2 of 3 right in each; the second counts three times
    ours = streamed(metrics.Accuracy(), labels, p, w, cuts=(0, 2))
    np.testing.assert_allclose(ours, 2 / 3, rtol=1e-6)
    p = np.eye(2)[[[0, 1, 0], [1, 1, 0]]]
    ours = streamed(metrics.Accuracy(), labels, p, w, cuts=(0, 2))
    np.testing.assert_allclose(ours, (2 + 9) / 12, rtol=1e-6)


@pytest.mark.slow
def test_top_k_breaks_ties_as_argmax_does_and_counts_nan_as_wrong():
    labels = np.array([0, 1, 2])
    flat = np.full((3, 3), 1 / 3, np.float32)
    one = jnp.ones(3)
    for k, expected in [(1, 1 / 3), (2, 2 / 3), (3, 1)]:
        metric = metrics.TopKAccuracy(k)
        np.testing.assert_allclose(
            metric.compute(update(metric, labels, flat, one)), expected, 1e-6
        )
    metric = metrics.TopKAccuracy(2)
    assert metric.compute(metric.update(labels, np.full_like(flat, np.nan), one)) == 0


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 11), min_size=1, max_size=3, unique=True).map(sorted))
def test_how_the_rows_are_cut_into_batches_changes_no_count(cuts):
    rng = np.random.default_rng(5)
    labels, p = rng.integers(0, 3, 12), rng.uniform(size=(12, 3)).astype(np.float32)
    metric = metrics.ConfusionMatrix()
    whole = metric.update(labels, p, np.ones(12, np.float32))
    np.testing.assert_array_equal(streamed(metric, labels, p, cuts=(0, *cuts, 12)), whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["accuracy", "f1", "auc", "r2", "mse", "confusion_matrix"])
def test_metrics_work_under_jit_and_vmap(name):
    rng = np.random.default_rng(6)
    y = rng.integers(0, 2, (8, 1)).astype(np.float32)
    p = rng.uniform(size=(3, 8, 1)).astype(np.float32)
    metric, weight = metrics.get(name), np.ones(8, np.float32)

    together = jax.jit(
        jax.vmap(lambda metric, p: metric.compute(metric.update(y, p, weight)), in_axes=(None, 0))
    )(metric, p)
    for ours, alone in zip(together, p, strict=True):
        np.testing.assert_allclose(ours, streamed(metric, y, alone, cuts=(0, 8)), rtol=1e-5)


def test_get_adapts_the_metric_to_the_loss(drawn):
    y, q = drawn["flags"], drawn["q"]
    categorical = losses.CategoricalCrossentropy()
    accuracy = metrics.get("accuracy", categorical)
    np.testing.assert_allclose(
        streamed(accuracy, y, q), (y.argmax(-1) == q.argmax(-1)).mean(), rtol=1e-6
    )
    assert metrics.get("accuracy", losses.BinaryCrossentropy()).flags
    assert metrics.get("binary_accuracy", categorical).flags
    hinge = metrics.get(metrics.Accuracy, losses.Hinge())
    signs, scores = np.array([[1], [-1], [1]]), np.array([[0.2], [-3.0], [-0.1]])
    np.testing.assert_allclose(streamed(hinge, signs, scores, cuts=(0, 3)), 2 / 3, rtol=1e-6)
    own = metrics.get(metrics.Accuracy(threshold=0.9), losses.Hinge())
    assert own.threshold == 0.9  # an explicit setting is kept
    assert metrics.get(metrics.Accuracy(), losses.Hinge()).threshold == 0
    assert metrics.get(metrics.Precision(average="micro"), losses.BinaryCrossentropy()).flags


def test_names():
    for given_name, name in [
        ("acc", "accuracy"),
        ("Precision", "precision"),
        ("AUC", "auc"),
        ("f1_score", "f1"),
        ("mae", "mae"),
        ("top_k_accuracy", "top_5_accuracy"),
        (metrics.TopKAccuracy(3), "top_3_accuracy"),
        (losses.Huber(2.0), "huber"),
        (losses.MeanSquaredError, "mean_squared_error"),
    ]:
        assert metrics.get(given_name).name == name
    assert [name for name in metrics.REGISTRY if not metrics.get(name).scalar] == [
        "confusion_matrix",
        "ConfusionMatrix",
    ]


def test_a_function_of_samples_is_averaged():
    def worst(y_true, y_pred):
        return jnp.max(jnp.abs(y_true - y_pred), axis=-1)

    metric = metrics.get(worst)
    assert metric.name == "worst"
    y, p = np.zeros((3, 2)), np.array([[1.0, 2.0], [0.0, 4.0], [9.0, 9.0]])
    assert streamed(metric, y, p, np.array([1.0, 3.0, 0.0]), cuts=(0, 3)) == 3.5  # (2 + 12) / 4
    with pytest.raises(ShapeError, match="one value for each of the 3 samples"):
        metrics.get(lambda y_true, y_pred: jnp.float32(1)).update(y, p, np.ones(3))


def test_errors_say_what_is_wrong():
    class Bare(metrics.Metric):
        def update(self, y_true, y_pred, weight):
            return weight

        def compute(self, sums):
            return sums

    for call, message in [
        (lambda: metrics.get("acuracy"), "Unknown metric 'acuracy'. Did you mean 'accuracy'"),
        (lambda: metrics.get(3), "not 3"),
        (lambda: metrics.get(Bare()), "Decorate the class Bare with @pytree"),
        (lambda: metrics.Recall(average="weighted"), "Unknown average 'weighted'"),
        (lambda: metrics.TopKAccuracy(0), r"k=0\): write a whole number of at least 1"),
        (
            lambda: metrics.Accuracy().update(np.zeros(3), np.zeros((3, 1)), np.ones(3)),
            r"y_true has shape \(3,\) and y_pred \(3, 1\)",
        ),
        (
            lambda: metrics.TopKAccuracy(2).update(np.ones((3, 1)), np.ones((3, 1)), np.ones(3)),
            "needs several classes",
        ),
        (
            lambda: metrics.R2Score().update(np.zeros(3), np.zeros((3, 1)), np.ones(3)),
            r"y_true has shape \(3,\) and y_pred \(3, 1\)",
        ),
    ]:
        with pytest.raises(GradusError) as caught:
            call()
        assert re.search(message, str(caught.value))
    assert metrics.get(pytree(Bare)).name == "Bare"


@pytest.mark.parametrize("flags", [False, True])
def test_accuracy_is_that_of_the_predictions_though_it_looks_at_logits(flags):
    rng = np.random.default_rng(0)
    x = 30 * rng.normal(size=(100, 4)).astype(np.float32)
    y = np.eye(3)[rng.integers(0, 3, 100)]
    layers = [gr.Dense(3, "softmax", kernel_initializer="random_normal")]
    metric = metrics.Accuracy(0.4, flags=flags)
    model = gr.Model(gr.Sequential(layers), "categorical_crossentropy", metrics=[metric], seed=1)
    model.build(x)
    p = model.predict(x)
    chosen = p > 0.4 if flags else p.argmax(1)[:, None] == np.arange(3)
    agree = (chosen == (y > 0.5)).mean() if flags else (chosen == (y > 0.5)).all(1).mean()
    assert model.evaluate(x, y)["accuracy"] == pytest.approx(agree)
