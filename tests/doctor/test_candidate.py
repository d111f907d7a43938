"""The training as it is: the arguments that `fit` had, so that only the remedy differs."""

import numpy as np
import pytest

import gradus as gr
from gradus.diagnosis.record import Record
from gradus.doctor.candidate import Candidate, make_candidate, make_data, with_class_weights
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


def test_balanced_weights_are_no_remedy_where_they_are_there(original):
    balanced = with_class_weights(original)
    assert str(balanced.changes[0]) == 'class_weight: {0: 1.0, 1: 3.0} → "balanced"'
    assert with_class_weights(balanced) is balanced


def test_weights_of_classes_go_with_shuffled_targets(original):
    twin = shuffled_twin(original, 0).data.samples
    assert not np.array_equal(twin.y, Y)
    np.testing.assert_array_equal(twin.weight, np.where(twin.y == 1, 3.0, 1.0))
