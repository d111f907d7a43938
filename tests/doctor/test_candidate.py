"""The training as it is: the arguments that `fit` had, so that only the remedy differs."""

import numpy as np
import pytest

import gradus as gr
from gradus.diagnosis.record import Record
from gradus.doctor.candidate import (
    Candidate,
    make_candidate,
    make_data,
    unweighted_note,
    with_class_weights,
)
from gradus.doctor.candidate_training import CandidateTraining
from gradus.doctor.twins import shuffled_twin

RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 3)).astype(np.float32)
Y = (X[:, 0] + 0.5 * RNG.normal(size=60) > 0.8).astype(int)
HELD = X[:20] + 0.1, Y[:20]
WEIGHTS = {0: 1.0, 1: 3.0}
FIT = {
    "batch_size": 16, "epochs": 4, "patience": 1, "monitor": "val_accuracy", "shuffle": False,
    "restore_best": False, "min_delta": 0.5,
}  # fmt: skip


@pytest.fixture(scope="module")
def fitted() -> gr.Model:
    net = gr.Sequential([gr.Dense(2, "softmax")])
    model = gr.Model(net, "sparse_categorical_crossentropy", gr.Adam(0.05), ["accuracy"])
    model.fit(X, Y, validation_data=HELD, class_weight=WEIGHTS, verbose=False, **FIT)
    return model


@pytest.fixture(scope="module")
def original(fitted: gr.Model) -> Candidate:
    return make_candidate(fitted, make_data(fitted, X, Y, HELD, 0), 0)


def test_it_has_the_arguments_of_fit(original):
    assert {name: original.fit[name] for name in FIT} == FIT
    np.testing.assert_array_equal(original.data.samples.weight, np.where(Y == 1, 3.0, 1.0))


def test_it_is_the_same_training_bit_for_bit(fitted, original):
    training = CandidateTraining(original, fitted.record or Record())
    training.train([(original, 0)])
    model = training.model(original, 0)
    assert model.history.epochs == fitted.history.epochs < 4
    for path, weight in fitted.weights.items():
        np.testing.assert_array_equal(model.weights[path], weight)
    assert model.record.settings == fitted.record.settings


def test_a_batch_of_all_samples_is_one_of_those_that_are_left(fitted):
    model = gr.Model(gr.Sequential([gr.Dense(2, "softmax")]), "sparse_categorical_crossentropy")
    model.fit(X, Y, epochs=1, batch_size=60, verbose=False, probes=False)
    whole = make_candidate(model, make_data(model, X, Y, None, 0), 0)
    training = CandidateTraining(whole, model.record)
    training.train([(whole, 0)])
    assert whole.data.count < whole.fit["batch_size"] == 60
    assert training.failure(whole) == ""
    assert np.isfinite(training.errors(whole, 0)).all()


def test_where_the_training_cannot_be_repeated_nothing_is_compared(fitted, original):
    lost = original.with_settings(metrics=())  # but val_accuracy ends it
    training = CandidateTraining(lost, fitted.record)
    with pytest.raises(gr.GradusError, match=r"cannot be repeated on these data.*val_accuracy"):
        training.train([(lost, 0)])
    beside = CandidateTraining(original, fitted.record)
    beside.train([(lost, 0)], 0.25)  # a remedy of which this is so is told, not an error
    assert "val_accuracy" in beside.failure(lost)


def test_balanced_weights_are_no_remedy_where_they_are_there(original):
    balanced = with_class_weights(original)
    assert str(balanced.changes[0]) == 'class_weight: {0: 1.0, 1: 3.0} → "balanced"'
    assert with_class_weights(balanced) is balanced


def test_weights_of_samples_are_those_of_training_and_of_the_comparison(fitted):
    weight = np.arange(60) % 4 / 2
    given = np.arange(20) % 3
    data = make_data(fitted, X, Y, (*HELD, given), 0, weight)
    np.testing.assert_array_equal(data.samples.weight, weight * np.where(Y == 1, 3.0, 1.0))
    weighted = make_candidate(fitted, data, 0)
    training = CandidateTraining(weighted, fitted.record)
    training.train([(weighted, 0)])
    wrong = training.model(weighted, 0).predict_classes(HELD[0]) != HELD[1]
    errors = training.errors(weighted, 0)
    assert 0 < errors.mean() == pytest.approx(np.average(wrong, weights=given))
    split = make_candidate(fitted, make_data(fitted, X, Y, None, 0, weight), 0)
    np.testing.assert_array_equal(split.held_out_weight, weight[split.data.validation])


def test_trainings_without_the_weights_of_samples_are_told(original):
    model = gr.Model(gr.Sequential([gr.Dense(2, "softmax")]), "sparse_categorical_crossentropy")
    weight = np.full(60, 0.5)
    model.fit(X, Y, epochs=1, sample_weight=weight, verbose=False, probes=False)
    found = gr.repair(model, X, Y, budget=1, seeds=2)
    (note,) = found.notes
    assert "was trained with sample_weight" in note
    assert repr(found).endswith(note)
    assert found.to_plain()["notes"] == [note]
    data = make_data(model, X, Y, None, 0, weight)
    assert unweighted_note(model, data) is None


def test_a_number_that_ends_a_training_is_the_loss_where_its_metric_is_gone(fitted, original):
    gone = original.with_settings(metrics=()).with_known_monitor
    assert [str(change) for change in gone.changes] == ['monitor: "val_accuracy" → "val_loss"']
    assert (gone.fit["monitor"], gone.fit["mode"]) == ("val_loss", "min")
    assert original.with_known_monitor is original
    with_target = original.with_fit(target=0.9).with_settings(metrics=()).with_known_monitor
    assert [change.where for change in with_target.changes] == ["monitor", "target"]
    CandidateTraining(original, fitted.record).train([(with_target, 0)], 0.25)
    endless = original.with_fit(patience=None).with_settings(metrics=()).with_known_monitor
    assert (endless.changes, endless.fit["monitor"]) == ((), "val_loss")  # it ended nothing


def test_weights_of_classes_go_with_shuffled_targets(original):
    twin = shuffled_twin(original, 0).data.samples
    assert not np.array_equal(twin.y, Y)
    np.testing.assert_array_equal(twin.weight, np.where(twin.y == 1, 3.0, 1.0))
