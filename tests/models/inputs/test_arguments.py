"""What `fit` is given, checked: weights of classes, what is watched, names of numbers."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.models.inputs import arguments
from gradus.models.inputs.training_data import apply_class_weight

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype(np.float32)
Y = (X.sum(1) > 0).astype(np.int32)


def model(metrics=(), **settings):
    net = gr.Dense(2, "softmax")
    return gr.Model(net, "sparse_categorical_crossentropy", gr.SGD(0.1), metrics, **settings)


def test_class_weights_are_those_of_each_sample():
    labels = np.array([0, 2, 2, 5])
    weights = {0: 1.0, 2: 3.0, 5: 0.5}
    np.testing.assert_array_equal(apply_class_weight(None, labels, weights), [1, 3, 3, 0.5])
    one_hot = np.eye(6)[labels]
    np.testing.assert_array_equal(apply_class_weight(None, one_hot, weights), [1, 3, 3, 0.5])
    given = np.array([2, 1, 0, 4], np.float32)
    np.testing.assert_array_equal(apply_class_weight(given, labels, weights), [2, 3, 0, 2])
    balanced = apply_class_weight(None, np.array([0, 0, 0, 1]), "balanced")
    np.testing.assert_allclose(balanced, [2 / 3, 2 / 3, 2 / 3, 2])


@pytest.mark.parametrize(
    ("targets", "weights", "message"),
    [
        (np.array([[0, 1, 1], [0, 0, 0]]), {0: 1, 1: 5, 2: 9}, "one-hot row"),
        (np.array([[0, 1], [1, 1]]), {0: 1, 1: 5}, "one-hot row"),
        (np.array([0, 1]), {0: -1, 1: 1}, "of at least 0"),
        (np.array([0, 1]), {0: 0, 1: 0}, "not all zero"),
        (np.array([0, 1]), {0: "a", 1: 1}, "write a number"),
        (np.array([0, 1]), {0: np.nan, 1: 1}, "write a number"),
        (np.array([0, 1]), {0: 1}, "no entry for the classes"),
    ],
)
def test_class_weights_that_mean_nothing_are_refused(targets, weights, message):
    with pytest.raises(GradusError, match=message):
        apply_class_weight(None, targets, weights)


@pytest.mark.slow
def test_class_weights_matter_online_and_leave_validation_alone():
    trained = {}
    for weights in (None, {0: 1.0, 1: 20.0}):
        m = model()
        history = m.fit(
            X,
            Y,
            batch_size=1,
            epochs=2,
            validation_split=0.25,
            class_weight=weights,
            probes=False,
            verbose=False,
        )
        trained[weights is None] = m.predict(X)[:, 1].mean()
        held = gr.data.split(Y, 0.25, 0)[1]
        found = m.evaluate(X[held], Y[held])["loss"]
        assert history["val_loss"][-1] == pytest.approx(found, rel=1e-5)
    assert trained[False] > trained[True] + 0.1


@pytest.mark.slow
def test_what_is_watched_has_a_direction():
    def gain(y_true, y_pred):
        return y_pred[:, 0]

    names = ["loss", "accuracy", "val_top_5_accuracy", "auction_price_loss", "price_r2", "mae"]
    names += ["val_pr_auc", "cohen_kappa", "matthews_corrcoef", "mape", "cosine_similarity"]
    modes = [arguments.early_stopping(names, False, 3, name, None, 0, None).mode for name in names]
    assert modes == ["min", "max", "max", "min", "max", "min", "max", "max", "max", "min", "min"]
    m = model(metrics=[gain])
    with pytest.raises(GradusError, match="mode='max' or mode='min'"):
        m.fit(X, Y, monitor="gain", patience=2, verbose=False)
    m.fit(X, Y, monitor="gain", mode="max", patience=2, epochs=3, probes=False, verbose=False)
    with pytest.raises(GradusError, match="Unknown monitor 'confusion_matrix'"):
        model(["confusion_matrix"]).fit(X, Y, monitor="confusion_matrix", verbose=False)


def test_two_numbers_of_one_name_are_refused():
    def loss(y_true, y_pred):
        return y_pred[:, 0]

    for metrics in ([gr.metrics.Precision(), gr.metrics.Precision(average="micro")], [loss]):
        with pytest.raises(GradusError, match="Two numbers would be called"):
            model(metrics)


@pytest.mark.slow
def test_a_callback_sees_and_saves_the_whole_state(tmp_path):
    def save(m, epoch, logs):
        m.save(tmp_path / "kept")

    m = model()
    m.fit(X, Y, epochs=3, callbacks=[save], probes=False, verbose=False)
    m.fit(X, Y, epochs=2, probes=False, verbose=False)
    again = gr.Model.load(tmp_path / "kept")
    again.fit(X, Y, epochs=2, probes=False, verbose=False)
    np.testing.assert_array_equal(again.predict(X), m.predict(X))


@pytest.mark.slow
def test_a_plateau_forgets_what_was_best_of_another_number():
    rate = gr.schedules.ReduceOnPlateau(0.05, patience=2)
    net = gr.Dense(2, "softmax")
    m = gr.Model(net, "sparse_categorical_crossentropy", gr.SGD(rate), ["accuracy"])
    m.fit(X, Y, epochs=3, monitor="accuracy", probes=False, verbose=False)
    before = m.history["learning_rate"][-1]
    history = m.fit(X, Y, epochs=6, probes=False, verbose=False)
    assert (np.diff(history["loss"]) < 0).all()
    assert history["learning_rate"][-1] == before


def test_decisions_have_one_entry_for_each_row():
    from gradus.objectives import losses

    flags, values = losses.get("bce"), losses.get("mse")
    np.testing.assert_array_equal(arguments.classes_of(np.array([0.7]), flags), [1])
    np.testing.assert_array_equal(
        arguments.classes_of(np.array([0.7, 0.1, 0.9]), values), [1, 0, 1]
    )
    np.testing.assert_array_equal(arguments.classes_of(np.array([[0.7], [0.1]]), flags), [1, 0])


def test_a_seed_beyond_the_device_is_refused():
    with pytest.raises(GradusError, match="at most 2147483647"):
        model(seed=2**64)


@pytest.mark.parametrize(
    "name", ["batch_size", "epochs", "patience", "validation_split", "monitor"]
)
def test_a_set_of_values_is_for_a_sweep(name):
    with pytest.raises(GradusError, match=rf"^{name}=choice\(1, 2\) is a set .*gr\.Sweep"):
        model().fit(X, Y, **{name: gr.choice(1, 2)})


def test_a_single_sample_needs_an_axis():
    m = model().build(X)
    with pytest.raises(GradusError, match=r"For a single sample write x\[None\]"):
        m.predict(X[0])
    with pytest.raises(GradusError, match=r"but validation x has samples of shape"):
        m.fit(X, Y, validation_data=(X[:, :1], Y), verbose=False)
