"""What other trainings prove: counterfactuals, and twins."""

import dataclasses
import json

import numpy as np
import pytest

import gradus as gr
from gradus.diagnosis.findings import Diagnosis, Finding
from gradus.doctor.candidate import Candidate, Change
from gradus.doctor.catalog import INPUTS, LOWER, OUTPUT, together
from gradus.doctor.counterfactuals import Outcome
from gradus.doctor.proving import with_outcomes
from gradus.doctor.scores import Comparison

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


def model(*layers, **settings):
    net = gr.Sequential([*layers, gr.Dense(2, "softmax")])
    settings = {"optimizer": gr.Adam(0.01), "metrics": ["accuracy"], **settings}
    return gr.Model(net, "sparse_categorical_crossentropy", **settings)


@pytest.mark.slow
def test_a_rate_that_is_too_high_is_proved_by_a_lower_one():
    broken = model(gr.Dense(8, "relu"), optimizer=gr.SGD(30.0))
    broken.fit(X, Y, epochs=12, validation_split=0.2, verbose=False)
    before = broken.weights
    diagnosis = broken.diagnose(X, Y, counterfactuals=True)
    root = diagnosis.faults[0]
    assert (root.category, root.kind, root.cause) == ("learning-rate-high", "proved", None)
    assert root.proof["helps"]
    assert root.proof["seeds"] == 3
    assert root.proof["error"] < 0.2 < root.proof["as_it_is"]
    assert root.proof["as_it_is"] - root.proof["error"] > 2 * root.proof["noise"]
    assert "optimizer.learning_rate: 30 →" in root.remedy
    assert sum(each.kind == "proved" for each in diagnosis) == 1
    json.loads(diagnosis.to_json())
    for path, value in before.items():  # the model itself is as it was
        np.testing.assert_array_equal(broken.weights[path], value)
    again = broken.diagnose(X, Y, counterfactuals=True)
    assert again.to_json() == diagnosis.to_json()


def test_nothing_is_trained_where_nothing_is_wrong(monkeypatch):
    sound = model(gr.Dense(8, "relu"))
    sound.fit(X, Y, epochs=12, validation_split=0.2, verbose=False)
    monkeypatch.setattr("gradus.doctor.proving.CandidateTraining", None)
    assert sound.diagnose(X, Y, counterfactuals=True).healthy


@pytest.mark.slow
def test_twins_tell_labels_without_signal_from_those_with_it():
    x = RNG.normal(size=(1500, 4)).astype(np.float32)
    y, shuffled = (x[:, 0] > 0).astype(int), RNG.integers(0, 2, 1500)
    lost = model(gr.Dense(64, "relu"))
    lost.fit(x, shuffled, epochs=60, validation_split=0.2, verbose=False)
    found = lost.diagnose(x, shuffled, twins=True)
    labels = next(each for each in found if each.code == "labels-shuffled")
    assert (labels.severity, labels.kind) == ("fault", "proved")
    assert labels.proof["tried"] == "shuffled targets"
    assert not labels.proof["helps"]
    assert f"is {labels.proof['as_it_is']:.3g}, with shuffled targets" in labels.why
    sound = model(gr.Dense(64, "relu"))
    sound.fit(x, y, epochs=20, validation_split=0.2, verbose=False)
    assert sound.diagnose(x, y, twins=True).healthy


def test_what_needs_data_says_so():
    trained = model(gr.Dense(4, "relu"))
    with pytest.raises(gr.GradusError, match="never trained"):
        trained.diagnose(X, Y)
    trained.fit(X, Y, epochs=1, verbose=False)
    with pytest.raises(gr.GradusError, match="give the data, x and y"):
        trained.diagnose(counterfactuals=True)
    with pytest.raises(gr.GradusError, match="counterfactuals"):
        trained.diagnose(X, Y, counterfactuals="yes")
    with pytest.raises(gr.GradusError, match="twins"):
        trained.diagnose(X, Y, twins="yes")


# --- what outcomes make of findings, without any training -----------------------------------------


def outcome(remedy, after, seeds=3, noise=0.01, before=0.5):
    change = Change("optimizer.learning_rate", "1", "0.1")
    candidate = Candidate(remedy.name, {}, {}, None, changes=(change,))
    return Outcome(remedy, candidate, Comparison(before, after, noise), seeds)


def finding(code, **fields):
    return Finding("m", "w", "r", code=code, category=code, **fields)


def test_a_finding_is_proved_by_its_remedy_and_stands_first():
    found = with_outcomes(
        Diagnosis([finding("inputs-unscaled"), finding("rate-high", kind="dynamic")]),
        [outcome(LOWER[0], 0.1), outcome(INPUTS, 0.495, seeds=1)],
    )
    first, second = found.faults
    assert (first.code, first.kind) == ("rate-high", "proved")
    assert first.remedy == "Change optimizer.learning_rate: 1 → 0.1."
    assert first.proof == {
        "tried": "learning rate × 0.1",
        "error": 0.1,
        "as_it_is": 0.5,
        "noise": 0.01,
        "seeds": 3,
        "helps": True,
        "changes": ["optimizer.learning_rate: 1 → 0.1"],
    }
    assert (second.code, second.proof["helps"]) == ("inputs-unscaled", False)


def test_several_remedies_together_prove_the_first_of_their_findings():
    both = together([INPUTS, LOWER[0]])
    diagnosis = Diagnosis([finding("rate-high", kind="dynamic"), finding("inputs-unscaled")])
    found = with_outcomes(diagnosis, [outcome(both, 0.1)])
    assert [(each.code, each.kind) for each in found.faults] == [
        ("inputs-unscaled", "proved"),
        ("rate-high", "dynamic"),
    ]


def test_of_several_remedies_together_the_one_that_helps_alone_proves_its_finding():
    both = together([INPUTS, OUTPUT])
    diagnosis = Diagnosis([finding("inputs-unscaled"), finding("softmax-of-one")])
    outcomes = [outcome(both, 0.1), outcome(INPUTS, 0.5, seeds=1), outcome(OUTPUT, 0.2, seeds=1)]
    found = with_outcomes(diagnosis, outcomes)
    assert [(each.code, each.kind, each.proof is None) for each in found.faults] == [
        ("softmax-of-one", "proved", False),
        ("inputs-unscaled", "static", True),  # it is needed, too, but is not what is proved
    ]


def test_what_nobody_suspected_is_a_finding_of_its_own():
    diagnosis = Diagnosis([finding("not-learning", kind="dynamic")])
    found = with_outcomes(diagnosis, [outcome(LOWER[0], 0.1)])
    assert next(each.code for each in found) == "rate-high"
    assert found.findings[0].category == "learning-rate-high"


def test_a_dynamic_finding_whose_remedy_failed_is_a_note_beside_what_is_proved():
    diagnosis = Diagnosis([finding("rate-high", kind="dynamic"), finding("inputs-unscaled")])
    outcomes = [outcome(INPUTS, 0.1), outcome(LOWER[0], 0.49, seeds=1)]
    found = with_outcomes(diagnosis, outcomes)
    assert [each.code for each in found.faults] == ["inputs-unscaled"]
    assert [each.code for each in found.notes] == ["rate-high"]


@pytest.mark.parametrize(
    "outcomes", [[], [outcome(LOWER[0], 0.1, seeds=1)], [outcome(LOWER[0], 0.49)]]
)
def test_without_a_clear_gain_nothing_is_proved(outcomes):
    diagnosis = Diagnosis([finding("rate-high", kind="dynamic")])
    found = with_outcomes(diagnosis, outcomes)
    assert [each.kind for each in found.faults] == ["dynamic"]
    assert dataclasses.replace(found.faults[0], proof=None) == diagnosis.faults[0]
