"""Model: training in parts, seeds, data of all kinds, predictions, and clear errors."""

import inspect

import jax
import numpy as np
import pandas
import polars
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, r2_score

import gradus as gr
from gradus.errors import DataError, GradusError, ShapeError
from gradus.nn.network import weights

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype(np.float32)
Y = (X @ RNG.normal(size=(3, 3))).argmax(1).astype(np.int32)
SPARSE = "sparse_categorical_crossentropy"


def net(*between):
    return gr.Sequential([gr.Dense(4, "relu"), *between, gr.Dense(3, "softmax")])


def model(network=None, loss=SPARSE, optimizer=None, metrics=("accuracy",), **options):
    return gr.Model(network or net(), loss, optimizer or gr.Adam(0.01), metrics, **options)


def fit(m, x=X, y=Y, epochs=2, **options):
    return m.fit(x, y, epochs=epochs, probes=False, verbose=False, **options)


def same(a, b):
    a, b = a.weights, b.weights
    return a.keys() == b.keys() and all(np.array_equal(a[path], b[path]) for path in a)


@pytest.mark.slow
def test_fit_twice_is_fit_once_bit_for_bit():
    once, twice = model(net(gr.Dropout(0.3))), model(net(gr.Dropout(0.3)))
    whole = fit(once, epochs=5, validation_split=0.25)
    fit(twice, epochs=2, validation_split=0.25)
    parts = fit(twice, epochs=3, validation_split=0.25)
    assert same(once, twice)
    for name in whole:
        np.testing.assert_array_equal(whole[name], parts[name])


@pytest.mark.slow
def test_seeds_make_a_training_what_it_is():
    def trained(**seeds):
        m = model(net(gr.Dropout(0.3)), seed=seeds.get("seed", 0))
        fit(m, shuffle_seed=seeds.get("shuffle_seed", 0))
        return m

    first = trained()
    assert same(first, trained())
    assert not same(first, trained(seed=1))
    assert not same(first, trained(shuffle_seed=1))


@pytest.mark.slow
def test_a_network_is_copied_never_changed():
    network = net()
    one, two = model(network), model(network)
    fit(one)
    fit(two)
    assert not network.built
    assert same(one, two)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 2, 1023, 1025])
def test_predictions_of_any_number_of_rows_equal_the_forward_pass(rows):
    m = model(net(gr.BatchNormalization(), gr.Dropout(0.5)))
    fit(m)
    x = np.random.default_rng(1).normal(size=(rows, 3)).astype(np.float32)
    predicted = m.predict(x)
    assert type(predicted) is np.ndarray
    np.testing.assert_allclose(predicted, m.net(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(predicted.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(m.predict_classes(x), np.asarray(m.net(x)).argmax(1))
    logits = m.predict(x, logits=True)
    np.testing.assert_allclose(jax.nn.softmax(logits), predicted, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_evaluation_is_exact_and_equals_scikit_learn_and_the_validation():
    m = model()
    x = RNG.normal(size=(1500, 3)).astype(np.float32)
    y = RNG.integers(0, 3, 1500)
    history = fit(m, validation_data=(x, y))
    found = m.evaluate(x, y)
    p = m.predict(x).astype(float)
    p /= p.sum(1, keepdims=True)
    assert found["loss"] == pytest.approx(log_loss(y, p), rel=1e-5)
    assert found["accuracy"] == pytest.approx(accuracy_score(y, p.argmax(1)))
    assert history["val_loss"][-1] == pytest.approx(found["loss"], rel=1e-5)
    assert history["val_accuracy"][-1] == pytest.approx(found["accuracy"])
    weight = RNG.uniform(0, 2, 1500)
    weighted = m.evaluate(x, y, sample_weight=weight)
    mean = log_loss(y, p, sample_weight=weight) * weight.mean()  # Keras divides by n, not by Σw
    assert weighted["loss"] == pytest.approx(mean, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [8, None])
def test_a_split_measures_rows_that_are_not_trained_on(batch):
    m = model(metrics=("accuracy",))
    history = fit(m, batch_size=batch, validation_split=0.25, shuffle_seed=3)
    from gradus.data.splitting.splits import split

    trained, held = split(Y, 0.25, 3)
    assert len(held) == 10
    found = m.evaluate(X[held], Y[held])
    assert history["val_loss"][-1] == pytest.approx(found["loss"], rel=1e-5)
    assert history["val_accuracy"][-1] == pytest.approx(found["accuracy"])
    if batch is None:  # the very training of those rows alone
        alone = model()
        fit(alone, X[trained], Y[trained], batch_size=None)
        for path, value in alone.weights.items():
            np.testing.assert_allclose(m.weights[path], value, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_class_weights_are_sample_weights_by_class():
    by_class, by_sample, balanced, by_hand = model(), model(), model(), model()
    share = {0: 1.0, 1: 5.0, 2: 0.5}
    a = fit(by_class, class_weight=share)
    b = fit(by_sample, sample_weight=np.array([share[int(label)] for label in Y]))
    np.testing.assert_array_equal(a["loss"], b["loss"])
    assert same(by_class, by_sample)
    counts = np.bincount(Y)
    fit(balanced, class_weight="balanced")
    fit(by_hand, sample_weight=(len(Y) / (3 * counts))[Y])
    assert same(balanced, by_hand)


@pytest.mark.slow
def test_patience_restores_the_best_epoch():
    m = model(optimizer=gr.Adam(0.1))
    held = X[:15], (Y[:15] + 1) % 3
    history = fit(m, epochs=40, validation_data=held, patience=2)
    best = int(history["val_loss"].argmin())
    assert history.stopped == "patience"
    assert history.best_epoch == best + 1
    assert history.epochs == best + 3
    assert m.evaluate(*held)["loss"] == pytest.approx(history["val_loss"].min(), rel=1e-5)
    last = model(optimizer=gr.Adam(0.1))
    fit(last, epochs=40, validation_data=held, patience=2, restore_best=False)
    assert last.evaluate(*held)["loss"] == pytest.approx(history["val_loss"][-1], rel=1e-5)
    assert fit(m).stopped == ""


@pytest.mark.slow
def test_a_target_stops_and_says_so():
    m = model(optimizer=gr.Adam(0.05))
    history = fit(m, epochs=60, target=0.6, monitor="accuracy")
    assert history.stopped == "target"
    assert history["accuracy"][-1] >= 0.6
    assert history["accuracy"][:-1].max(initial=0) < 0.6


@pytest.mark.slow
def test_divergence_stops_keeps_good_weights_and_says_so():
    m = model(gr.Sequential([gr.Dense(1)]), "mse", gr.SGD(100.0), ())
    history = fit(m, y=X[:, :1], epochs=20)
    assert history.stopped == "diverged"
    assert not np.isfinite(history["loss"][-1])
    assert all(np.isfinite(value).all() for value in m.weights.values())
    assert history.notes


def test_frames_lists_and_wide_types_train_alike():
    reference = model()
    fit(reference)
    names = ["a", "b", "c"]
    for x, y in [
        (pandas.DataFrame(X, columns=names), pandas.Series(Y)),
        (polars.DataFrame(X, schema=names), polars.Series(Y)),
        (X.tolist(), Y.tolist()),
        (X.astype(np.float64), Y.astype(np.int64)),
        (jax.numpy.asarray(X), jax.numpy.asarray(Y)),
    ]:
        m = model()
        fit(m, x, y)
        assert same(m, reference)
        np.testing.assert_array_equal(m.predict(x), reference.predict(X))


@pytest.mark.slow
def test_it_learns_what_logistic_regression_finds():
    y = (X @ [1.0, -1.0, 0.5] + 0.2 > 0).astype(np.float32)
    theirs = LogisticRegression(C=1.0, tol=1e-8).fit(X, y)
    # scikit-learn minimises Σ losses + ½ |w|² / C: per sample, a penalty of 1 / (2 n).
    ours = model(
        gr.Sequential([gr.Dense(1, "sigmoid")]), "binary_crossentropy", gr.LBFGS(), (),
        penalty=gr.L2(1 / (2 * len(X))),
    )  # fmt: skip
    fit(ours, y=y[:, None], epochs=50)
    np.testing.assert_allclose(ours.predict(X)[:, 0], theirs.predict_proba(X)[:, 1], atol=5e-3)
    np.testing.assert_array_equal(ours.predict_classes(X), theirs.predict(X))


@pytest.mark.slow
def test_regression_is_measured_in_its_own_units():
    y = X @ [3.0, -2.0, 1.0] + 50
    m = model(gr.Dense(1), "mse", gr.Adam(0.5), ["mae", "r2"])
    history = fit(m, y=y[:, None], epochs=60)
    found, predicted = m.evaluate(X, y[:, None]), m.predict(X)[:, 0]
    assert found["r2"] == pytest.approx(r2_score(y, predicted), abs=1e-4)
    mae = [value for name, value in found.items() if name in ("mae", "mean_absolute_error")]
    assert mae == [pytest.approx(np.abs(y - predicted).mean(), rel=1e-4)]
    assert history["loss"][-1] < history["loss"][0] / 10


def test_classes_of_every_kind_of_output():
    one = model(gr.Dense(1, "sigmoid"), "binary_crossentropy").build(X)
    np.testing.assert_array_equal(one.predict_classes(X), one.predict(X)[:, 0] > 0.5)
    several = model(gr.Dense(3, "sigmoid"), "binary_crossentropy").build(X)
    np.testing.assert_array_equal(several.predict_classes(X), several.predict(X) > 0.5)
    squared = model(gr.Dense(1, "sigmoid"), "mse", metrics=()).build(X)
    np.testing.assert_array_equal(squared.predict_classes(X), squared.predict(X)[:, 0] > 0.5)
    heads = gr.Parallel({"z": gr.Dense(1, "sigmoid"), "a": gr.Dense(3, "softmax")})
    both = model(heads, {"z": "binary_crossentropy", "a": SPARSE}, metrics=()).build(X)
    found, predicted = both.predict_classes(X), both.predict(X)
    np.testing.assert_array_equal(found["z"], predicted["z"][:, 0] > 0.5)
    np.testing.assert_array_equal(found["a"], predicted["a"].argmax(1))


@pytest.mark.slow
def test_weights_can_be_read_set_and_frozen():
    m = model().build(X)
    assert list(m.weights) == ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]
    m.set_weights({"dense/bias": [1, 2, 3, 4]})
    np.testing.assert_array_equal(m.weights["dense/bias"], [1, 2, 3, 4])
    with pytest.raises(GradusError, match="'dense/bias'"):
        m.set_weights({"dense/bais": 1})
    with pytest.raises(ShapeError, match=r"'dense/bias' has shape \(4,\).*\(3,\)"):
        m.set_weights({"dense/bias": [1, 2, 3]})
    fit(m)
    before = m.weights
    m.net.layers[0].freeze()
    history = fit(m)
    after = m.weights
    np.testing.assert_array_equal(after["dense/kernel"], before["dense/kernel"])
    assert not np.array_equal(after["dense_1/kernel"], before["dense_1/kernel"])
    assert history.epochs == 4
    m.net.layers[0].unfreeze()
    fit(m)
    assert not np.array_equal(m.weights["dense/kernel"], before["dense/kernel"])


@pytest.mark.slow
def test_set_weights_after_training_are_trained_on():
    one, two = model(optimizer=gr.SGD(0.1)), model(optimizer=gr.SGD(0.1))
    fit(one, epochs=3, batch_size=None)
    fit(two, epochs=2, batch_size=None)
    two.set_weights(two.weights)
    fit(two, epochs=1, batch_size=None)
    assert same(one, two)


def test_a_network_that_was_built_before_keeps_its_weights():
    built = gr.init(net(), 9, X)
    m = model(built)
    np.testing.assert_array_equal(m.weights["dense/kernel"], weights(built)["dense/kernel"])
    fit(m, epochs=1)
    with pytest.raises(ShapeError, match=r"\(3,\).*\(2,\)"):
        m.predict(X[:, :2])


NAN = np.where(np.arange(120).reshape(40, 3) == 50, np.nan, X)
BAD = [
    ({"y": Y + 1}, DataError, "1"),
    ({"y": np.eye(3)[Y]}, GradusError, "categorical_crossentropy"),
    ({"y": Y[:30]}, DataError, "x has 40, y has 30"),
    ({"y": None}, DataError, r"fit\(x, y\)"),
    ({"x": NAN}, DataError, "row 16, column 2"),
    ({"x": np.where(X[3, 1] == X, np.inf, X)}, DataError, "row 3, column 1"),
    ({"x": X.astype(str)}, DataError, "text"),
    ({"x": X[:0], "y": Y[:0]}, DataError, "no rows"),
    ({"batch_size": 41}, GradusError, "batch_size=41.*40 samples"),
    ({"batch_size": 0}, GradusError, "at least 1"),
    ({"batch_size": 2.5}, GradusError, r"batch_size=2\.5"),
    ({"epochs": -1}, GradusError, "epochs=-1"),
    ({"epochs": "ten"}, GradusError, "epochs='ten'"),
    ({"validation_split": 1.5}, GradusError, "between 0 and 1"),
    ({"validation_split": "0.2"}, GradusError, "between 0 and 1"),
    ({"validation_split": 0.2, "validation_data": (X, Y)}, GradusError, "not both"),
    ({"validation_data": (X, Y + 1)}, DataError, "validation y"),
    ({"validation_data": (X[:, :2], Y)}, ShapeError, r"\(2,\)"),
    ({"validation_data": (NAN, Y)}, DataError, "validation x"),
    ({"validation_data": X}, DataError, r"\(x, y\)"),
    ({"class_weight": {0: 1.0}}, GradusError, r"\[1, 2\]"),
    ({"class_weight": "even"}, GradusError, "balanced"),
    ({"sample_weight": -np.ones(40)}, DataError, "none negative"),
    ({"sample_weight": np.ones(39)}, DataError, "sample_weight has 39"),
    ({"patience": 0}, GradusError, "patience=0"),
    ({"patience": "3"}, GradusError, "patience='3'"),
    ({"monitor": "val_loss"}, GradusError, "'loss'"),
    ({"monitor": "acuracy"}, GradusError, "'accuracy'"),
    ({"target": "0.9"}, GradusError, r"target='0\.9'"),
    ({"min_delta": -1}, GradusError, "min_delta=-1"),
    ({"shuffle_seed": -1}, GradusError, "shuffle_seed=-1"),
]


@pytest.mark.parametrize(("given", "kind", "message"), BAD)
def test_what_fit_cannot_use_gets_a_clear_error(given, kind, message):
    with pytest.raises(kind, match=message):
        model().fit(**{"x": X, "y": Y, "epochs": 1, "verbose": False} | given)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: model(loss="sparse_crossentropy"), "sparse_categorical_crossentropy"),
        (lambda: model(loss="msee"), "'mse'"),
        (lambda: model(metrics=["acuracy"]), "'accuracy'"),
        (lambda: model(optimizer="adm"), "'adam'"),
        (lambda: model(optimizer=3), "optimizer=3"),
        (lambda: gr.Adam("fast"), "learning_rate='fast'"),
        (lambda: gr.Adam(-1), "learning_rate=-1"),
        (lambda: gr.Model([gr.Dense(1)], "mse"), r"Sequential\(\[\.\.\.\]\)"),
        (lambda: model(seed=-1), "seed=-1"),
        (lambda: fit(model(gr.Dense(3, "sofmax"))), "'softmax'"),
        (lambda: model().predict(X), "fit or build"),
        (lambda: model().weights, "fit or build"),
        (
            lambda: fit(model(gr.Dense(1, "sigmoid"), "binary_crossentropy"), y=Y[:, None]),
            r"0 to 2.*\[0, 1\]",
        ),
        (lambda: fit(model(optimizer=gr.LBFGS()), batch_size=8), "batch_size=None"),
        (lambda: fit(model(gr.Dense(3, "step"), "mse", metrics=()), y=np.eye(3)[Y]), "step_ste"),
    ],
)
def test_wrong_settings_get_a_clear_error(make, message):
    with pytest.raises(GradusError, match=message):
        make()


def test_a_layer_that_does_not_fit_is_named_with_both_shapes():
    class Wrong(gr.Layer):
        def build(self, shape):
            self.kernel = self.add_weight("kernel", (7, 3))

        def call(self, x):
            return x @ self.kernel

    with pytest.raises(ShapeError, match=r"'wrong' \(Wrong\).*4.*7"):
        fit(model(gr.Sequential([gr.Dense(4), Wrong()])))
    m = model().build(X)
    with pytest.raises(ShapeError, match=r"\(3,\).*\(5,\)"):
        fit(m, x=np.ones((40, 5)))


@pytest.mark.slow
def test_a_task_of_ones_own_trains():
    from gradus.nn.pytree import pytree
    from gradus.train.tasks.base import Task

    @pytree
    class Half(Task):
        """Bring the outputs to a half; no targets."""

        goal: float = 0.5

        def measure(self, network, batch):
            error = (network(batch.x) - self.goal) ** 2
            total = (batch.present * error.mean(-1)).sum()
            count = batch.present.sum()
            return total / count, {"total": total, "count": count}

        def compute(self, sums):
            return {"loss": sums["total"] / sums["count"]}

        def metric_names(self):
            return ["loss"]

    m = gr.Model(gr.Dense(2), Half(), gr.Adam(0.05))
    history = fit(m, y=None, epochs=40)
    assert history["loss"][-1] < history["loss"][0] / 5
    assert m.predict(X).shape == (40, 2)
    assert m.evaluate(X)["loss"] == pytest.approx(((m.predict(X) - 0.5) ** 2).mean(), rel=1e-5)
    with pytest.raises(GradusError, match="task of its own"):
        m.predict_classes(X)


def test_the_words_of_fit_are_documented():
    for name in inspect.signature(gr.Model.fit).parameters:
        assert name == "self" or f" {name}: " in gr.Model.fit.__doc__


@pytest.mark.parametrize("sweep", [False, True])
def test_a_shape_error_says_the_shape_of_x_not_of_a_probe(sweep):
    x = np.zeros((11, 5), np.float32)
    net = gr.Sequential([gr.Conv2D(4, 3), gr.Dense(1)])
    model = gr.Model(net, "mse", gr.Adam(gr.choice(0.1)) if sweep else "adam")
    with pytest.raises(GradusError, match=r"\(11, 5\)"):
        (gr.Sweep(model) if sweep else model).fit(x, x[:, :1], verbose=False)


@pytest.mark.parametrize("columns", [3, 10, 30])
def test_a_linear_model_predicts_a_row_alone_as_among_others(columns):
    """XLA adds up products of a few rows in another order."""
    x = np.random.default_rng(columns).normal(size=(40, columns)).astype(np.float32)
    model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse", seed=0)
    model.build(x)
    among = model.predict(x)
    for count in (1, 3):
        alone = [model.predict(x[i : i + count]) for i in range(0, 39, count)]
        np.testing.assert_array_equal(np.concatenate(alone), among[:39])
