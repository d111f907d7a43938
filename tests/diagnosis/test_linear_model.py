"""A linear model reaches what scikit-learn's does, and a network that does worse is told."""

import dataclasses

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

import gradus as gr
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import LayerRecord, OutputRecord, SettingsRecord, TargetRecord
from gradus.diagnosis.references import linear_model
from gradus.diagnosis.references.features import draw_rows
from gradus.diagnosis.references.linear_model import component_share, fit_linear
from gradus.diagnosis.symptoms import examine
from gradus.diagnosis.training import TrainingRecord

RNG = np.random.default_rng(0)
DIGITS, LABELS = (a[:600] for a in load_digits(return_X_y=True))
TUMORS, BENIGN = load_breast_cancer(return_X_y=True)
FLIPPED = np.where(RNG.random(len(BENIGN)) < 0.25, 1 - BENIGN, BENIGN)
ONE_HOT = np.eye(10, dtype=np.float32)[LABELS]


def parts(*arrays):
    """The samples that the model is fitted to, and those that judge it."""
    order = draw_rows(len(arrays[0]))
    judges = np.arange(len(order)) % linear_model.HELD_OUT == 0
    return [(a[order[~judges]], a[order[judges]]) for a in arrays]


def logistic(x, y):
    (x, others), (y, theirs) = parts(x, y)
    scaler = StandardScaler().fit(x)
    model = LogisticRegression(max_iter=5000).fit(scaler.transform(x), y)
    shares = np.bincount(y) / len(y)
    predicted = model.predict_proba(scaler.transform(others))
    labels = np.arange(len(shares))
    constant = log_loss(theirs, np.tile(shares, (len(theirs), 1)), labels=labels)
    wrong = predicted.argmax(1) != theirs
    surest = wrong[np.argsort(-predicted.max(1))][: len(wrong) // 2]
    return log_loss(theirs, predicted, labels=labels) / constant, wrong.mean(), surest.mean()


@pytest.mark.parametrize(
    ("x", "y", "given", "loss"),
    [
        (DIGITS, LABELS, LABELS, "sparse_categorical_crossentropy"),
        (DIGITS.reshape(-1, 8, 8), LABELS, ONE_HOT, "categorical_crossentropy"),
        (TUMORS, BENIGN, None, "binary_crossentropy"),
        (TUMORS, FLIPPED, None, "binary_crossentropy"),
    ],
    ids=["labels", "one-hot images", "flags", "wrong flags"],
)
def test_classes_are_told_as_well_as_by_scikit_learn(x, y, given, loss):
    fit = fit_linear(x.astype(np.float32), y if given is None else given, loss)
    share, error, sure_error = logistic(x.reshape(len(x), -1), y)
    assert fit.share == pytest.approx(share, abs=0.02)
    assert fit.error == pytest.approx(error, abs=0.02)
    assert fit.sure_error == pytest.approx(sure_error, abs=0.02)


@pytest.mark.parametrize("loss", ["mean_squared_error", "mean_absolute_error"])
def test_values_are_told_as_well_as_by_scikit_learn(loss):
    x, y = load_diabetes(return_X_y=True)
    (fitted, others), (targets, theirs) = parts(x, y)
    scaler = StandardScaler().fit(fitted)
    model = Ridge(1.0).fit(scaler.transform(fitted), targets)
    power = 2 if loss == "mean_squared_error" else 1
    left, constant = (
        np.mean(np.abs(theirs - predicted) ** power)
        for predicted in (model.predict(scaler.transform(others)), targets.mean())
    )
    for fit in (fit_linear(x, y[:, None], loss), fit_linear(1e6 * x + 3, y, loss)):
        assert fit.share == pytest.approx(left / constant, rel=1e-6)
        assert fit.error is None


def test_components_leave_what_scikit_learn_says():
    fitted, others = parts(DIGITS)[0]
    pca = PCA(12).fit(fitted)
    left = np.square(others - pca.inverse_transform(pca.transform(others))).sum()
    wanted = left / np.square(others - fitted.mean(0)).sum()
    assert component_share(DIGITS.astype(np.float32), 12) == pytest.approx(wanted, rel=1e-6)
    assert component_share(DIGITS.astype(np.float32), 1000) == pytest.approx(0, abs=1e-9)


def test_codes_are_counted():
    codes = RNG.integers(0, 40, (400, 6))
    y = (codes < 10).sum(axis=1)
    assert fit_linear(codes, y, "mean_squared_error", codes=["x"]).share < 0.02
    assert fit_linear(codes, y, "mean_squared_error").share > 0.2  # as numbers


def test_the_place_of_a_code_tells_what_counts_do_not():
    codes = RNG.integers(0, 5, (400, 6))
    fit = fit_linear(codes, codes[:, 2], "sparse_categorical_crossentropy", codes=["x"])
    assert fit.error == 0
    assert fit.share < 0.1


@pytest.mark.parametrize(
    ("count", "y", "loss"),
    [
        (80, LABELS, "mean_squared_error"),
        (600, LABELS, "huber"),
        (600, np.zeros((600, 4, 2)), "mean_squared_error"),
        (600, np.zeros(600), "mean_squared_error"),
        (600, np.full(600, 0.3), "binary_crossentropy"),
    ],
)
def test_what_it_does_not_judge(count, y, loss):
    assert fit_linear(DIGITS[:count], y[:count], loss) is None


# --- a network that does worse -----------------------------------------------------------------


def trained(shares, validation=None, linear=0.2, stopped="", rates=None, classes=0, layers=()):
    """Return the record of a training by its losses, shares of a constant's loss of 1."""
    losses = np.asarray(shares, np.float64)
    targets = TargetRecord(100, 0, 1, 0.5, 0.5, {"mean_squared_error": 1.0}, (10,) * classes)
    output = OutputRecord("output", None, "linear", "", (1,), "mean_squared_error", None,
                          "values", {}, targets, linear=linear)  # fmt: skip
    metrics = {} if rates is None else {"learning_rate": np.asarray(rates)}
    training = TrainingRecord(
        len(losses), stopped, losses, validation, metrics, losses, np.zeros(0, int), {}, {}
    )
    settings = SettingsRecord("Adam", 0.01, 10, 100)
    return Record(outputs=(output,), layers=layers, settings=settings, training=training)


def codes(record):
    return [each.code for each in examine(record).faults]


def test_a_network_that_does_worse_than_a_linear_model_is_told():
    flat = np.full(20, 0.6)
    (fault,) = examine(trained(flat)).faults
    assert fault.code == "underfitting"
    assert fault.evidence["loss / constant's"] == {"value": 0.6, "threshold": pytest.approx(0.35)}
    assert codes(trained(np.full(20, 0.34))) == []  # 1.5 × 0.2 + 0.05
    assert codes(trained(flat, linear=0.4)) == []
    assert codes(trained(flat, linear=None)) == []
    assert codes(trained(flat, stopped="interrupted")) == []
    # Dropout is part of the training loss; validation samples may be learned all the same.
    assert codes(trained(flat, validation=np.full(20, 0.3))) == []
    assert codes(trained(flat, validation=np.full(20, 0.7))) == ["underfitting"]
    dropout = (LayerRecord("dropout", "Dropout", "", 8, 8, None, False, rate=0.3),)
    assert codes(trained(flat, layers=dropout)) == []


def test_a_network_that_is_as_accurate_is_not_told_of_its_loss():
    made = trained(np.full(20, 0.6))
    outputs = (dataclasses.replace(made.outputs[0], linear_error=0.04),)  # so that 0.08 is allowed
    for training, validation, found in (
        (0.93, 0.5, []),
        (0.5, 0.93, []),
        (0.9, 0.9, ["underfitting"]),
    ):
        metrics = {"accuracy": np.full(20, training), "val_accuracy": np.full(20, validation)}
        judged = dataclasses.replace(made.training, metrics=metrics)
        assert codes(dataclasses.replace(made, outputs=outputs, training=judged)) == found


def test_nothing_learned_is_not_underfitting_and_the_inputs_may_tell():
    (fault,) = examine(trained(np.full(20, 1.0))).faults
    assert fault.code == "not-learning"
    assert "a linear model leaves 20% of a constant's loss" in fault.why
    assert codes(trained(np.full(3, 1.0))) == ["underfitting"]  # too few steps for the former


def test_what_still_falls_had_too_few_epochs_however_few_and_whoever_ended_it():
    falls = np.linspace(1.0, 0.6, 20)
    for stopped in ("", "patience"):
        (fault,) = examine(trained(falls, stopped=stopped)).faults
        assert fault.code == "too-few-epochs"
        assert ("larger patience" in fault.remedy) == bool(stopped)
    assert codes(trained(falls, linear=0.5, stopped="patience")) == []


def test_what_is_left_is_compared_with_the_limit_that_found_it():
    for losses, linear, limit in ((1.0, 0.2, 0.3), (0.4, 0.02, None)):
        (fault,) = examine(trained(np.linspace(losses, 0.6 * losses, 20), linear=linear)).faults
        assert fault.code == "too-few-epochs"
        numbers = fault.evidence["loss / constant's"]
        assert numbers["value"] > numbers["threshold"]
        assert limit in (None, numbers["threshold"])
        assert ("A linear model leaves 2%." in fault.why) == (limit is None)


def test_the_patience_that_is_suggested_is_less_than_the_epochs():
    for epochs, words in ((2, "epochs=8, and patience=2"), (5, "=20, and patience=5"),
                          (20, "=80, and patience=10")):  # fmt: skip
        (fault,) = examine(trained(np.linspace(1.0, 0.6, epochs + 1)[1:])).faults
        assert words in fault.remedy


def test_a_rate_that_fell_too_early_is_low():
    flat = np.full(20, 0.6)
    rates = 0.01 * 0.5 ** np.arange(20)
    (fault,) = examine(trained(flat, rates=rates)).faults
    assert (fault.code, fault.epoch) == ("rate-low", 7)  # 0.5⁶ is less than 0.02
    assert codes(trained(flat, rates=np.linspace(0.01, 0, 20))) == ["underfitting"]
    assert codes(trained(np.full(20, 0.1), rates=rates)) == []
    # A cosine that ends with the training is at 0 there, however few epochs it has.
    for epochs in (1, 2, 4):
        rates = 0.005 * (1 + np.cos(np.pi * np.arange(1, epochs + 1) / epochs))
        assert codes(trained(np.full(epochs, 0.6), rates=rates)) == ["underfitting"]


@pytest.mark.parametrize(
    ("units", "classes", "found"),
    [
        (1, 0, "narrow-layer"),
        (2, 0, "underfitting"),
        (2, 10, "narrow-layer"),
        (3, 10, "underfitting"),
    ],
)
def test_a_layer_may_be_too_narrow(units, classes, found):
    layers = (LayerRecord("dense", "Dense", "relu", units, 8, None, False),)
    assert codes(trained(np.full(20, 0.6), classes=classes, layers=layers)) == [found]
    assert codes(trained(np.full(20, 0.1), classes=classes, layers=layers)) == []


def test_each_output_is_judged_by_its_own_loss():
    one = trained(np.full(20, 0.6)).outputs[0]
    outputs = tuple(dataclasses.replace(one, name=name) for name in "ab")
    made = trained(np.full(20, 0.7))
    for left, found in ((0.1, []), (0.6, ["underfitting"])):
        metrics = {"a_loss": np.full(20, 0.1), "b_loss": np.full(20, left)}
        training = dataclasses.replace(made.training, metrics=metrics)
        several = dataclasses.replace(made, outputs=outputs, training=training)
        assert several.remaining == pytest.approx(left)
        assert codes(several) == found


@pytest.mark.slow
def test_fit_compares_with_a_linear_model():
    x, y = (DIGITS / 16).astype(np.float32), LABELS

    def fitted(rate, **options):
        net = gr.mlp([16, 10], output_activation="softmax")
        model = gr.Model(net, "sparse_categorical_crossentropy", gr.Adam(rate))
        model.fit(x, y, epochs=30, batch_size=32, verbose=False, **options)
        return model

    slow = fitted(1e-4)
    output = slow.record.outputs[0]
    reached = output.linear, output.linear_error, output.sure_error
    assert reached == fit_linear(x, y, "sparse_categorical_crossentropy")
    assert [each.code for each in slow.diagnose().faults] == ["rate-low"]
    assert fitted(0.01).diagnose().healthy
    assert fitted(0.01).record.outputs[0].linear is None  # nobody would ask


@pytest.mark.slow
def test_weights_of_classes_count_in_the_loss_of_a_constant():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(600, 4)).astype(np.float32)
    y = (x[:, 0] + rng.normal(size=600) > 1.8).astype(int)  # a tenth
    model = gr.Model(gr.mlp([8, 2], "relu", "softmax"), "sparse_categorical_crossentropy")
    model.fit(x, y, class_weight="balanced", epochs=60, batch_size=32, verbose=False)
    assert model.record.constant == pytest.approx(np.log(2), rel=1e-6)  # both weigh the same
    assert model.record.remaining < 0.9
    assert model.diagnose().healthy
