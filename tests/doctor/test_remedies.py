"""What remedies change, by hand; which of them apply."""

import dataclasses

import numpy as np
import pytest

import gradus as gr
from gradus.diagnosis.findings import Diagnosis, Finding
from gradus.diagnosis.record import Record
from gradus.doctor.candidate import make_candidate, make_data
from gradus.doctor.catalog import GENERAL, REMEDIES, candidates_for
from gradus.doctor.counterfactuals import Outcome
from gradus.doctor.network_edits import code
from gradus.doctor.optimizer_remedies import scaled_rate
from gradus.doctor.remedies import batches_of
from gradus.doctor.remedy import Remedy
from gradus.doctor.repair import Repair
from gradus.doctor.scores import Comparison

X = np.random.default_rng(0).normal(3, 5, (60, 4)).astype(np.float32)
LABELS = np.arange(60) % 3


@pytest.fixture(scope="module")
def trained():
    """A model of each kind of output, trained for an epoch."""

    def make(*layers, y, loss="mse", **settings):
        model = gr.Model(gr.Sequential(list(layers)), loss, **settings)
        model.fit(X, y, epochs=1, probes=False, verbose=False)
        return model, make_candidate(model, make_data(model, X, y, None, 0), 0)

    return make


def applied(model, candidate, remedy):
    return remedy.apply(candidate, model.record)


def by_name(name):
    every = [*GENERAL, *(each for several in REMEDIES.values() for each in several)]
    return next(each for each in every if each.name == name)


@pytest.fixture(scope="module")
def classifier(trained):
    return trained(
        gr.Dense(8, "sigmoid", kernel_initializer="zeros", kernel_regularizer=gr.L2(0.5)),
        gr.Dropout(0.9),
        gr.Dense(3, "relu"),
        y=LABELS,
        loss="sparse_categorical_crossentropy",
        optimizer=gr.SGD(2.0),
        penalty=gr.L2(0.1),
    )


CHANGES = {
    "learning rate × 0.1": ["optimizer.learning_rate: 2 → 0.2"],
    "the optimizer's usual rate": ["optimizer.learning_rate: 2 → 0.01"],
    "Adam": ["optimizer: SGD(learning_rate=2) → Adam()"],
    "gradients clipped at norm 1": ["optimizer.global_clipnorm: None → 1.0"],
    "scaled inputs": ["x: x → (x - x.mean(0)) / (x.std(0) + 1e-7)"],
    "relu, drawn by he_normal": [
        'dense.activation: "sigmoid" → "relu"',
        'dense.kernel_initializer: "zeros" → "he_normal"',
    ],
    "initial weights that fit the activations": [
        'dense.kernel_initializer: "zeros" → "glorot_uniform"'
    ],
    "the output and the loss that fit the targets": ['dense_1.activation: "relu" → "softmax"'],
    "no dropout": ["dropout.rate: 0.9 → 0"],
    "a hundredth of the penalties": [
        "dense.kernel_regularizer: L2(strength=0.5) → L2(strength=0.005)",
        "penalty: L2(strength=0.1) → L2(strength=0.001)",
    ],
    "hidden layers of a quarter of the width": ["dense.units: 8 → 2"],
    "batch normalization": ["before dense_1: nothing → BatchNormalization()"],
    "four times the epochs": ["epochs: 1 → 4"],
    "class weights": ['class_weight: None → "balanced"'],
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_remedy_changes_what_it_says(classifier, name):
    found = applied(*classifier, by_name(name))
    assert [str(change) for change in found.shown_changes] == CHANGES[name]
    found.make_model().build(X)  # what it makes is a network


def test_what_does_not_apply_changes_nothing(classifier, trained):
    model, candidate = classifier
    for name in ("scaled targets", "half of the hidden layers", "batches of 32"):
        assert applied(model, candidate, by_name(name)) is candidate, name
    codes = np.arange(60)[:, None] % 7
    model = gr.Model(gr.Sequential([gr.Embedding(7, 2), gr.Flatten(), gr.Dense(1)]), "mse")
    model.fit(codes, X[:, 0], epochs=1, probes=False, verbose=False)
    candidate = make_candidate(model, make_data(model, codes, X[:, 0], None, 0), 0)
    assert applied(model, candidate, by_name("scaled inputs")) is candidate
    assert applied(model, candidate, by_name("relu, drawn by he_normal")) is candidate


@pytest.fixture(scope="module")
def transformer():
    codes = np.arange(240).reshape(60, 4) % 7
    layers = gr.Embedding(7, 4), gr.TransformerEncoder(2, 8, pre_norm=False), gr.Flatten()
    net = gr.Sequential([*layers, gr.Dense(3, "softmax")])
    model = gr.Model(net, "sparse_categorical_crossentropy", gr.Adam(0.01))
    model.fit(codes, LABELS, epochs=5, batch_size=16, probes=False, verbose=False)
    return model, make_candidate(model, make_data(model, codes, LABELS, None, 0), 0)


ATTENTION = {
    "blocks that normalize first": ["transformer_encoder.pre_norm: False → True"],
    # 48 rows in 3 steps of each of 5 epochs
    "a rate that rises over the first tenth": ["optimizer.learning_rate: 0.01 → WarmUp(2, 0.01)"],
    "AdamW": ["optimizer: Adam(learning_rate=0.01) → AdamW(learning_rate=0.01)"],
}


@pytest.mark.parametrize("name", ATTENTION)
def test_what_attention_needs_is_tried_where_there_is_attention(name, transformer, classifier):
    found = applied(*transformer, by_name(name))
    assert [str(change) for change in found.shown_changes] == ATTENTION[name]
    again = applied(transformer[0], found, by_name(name))
    assert again is found or again.shown_changes == found.shown_changes
    found.make_model().build(transformer[1].x)
    model, candidate = classifier
    assert applied(model, candidate, by_name(name)) is candidate


def test_the_usual_settings_of_an_optimizer_are_its_defaults(trained):
    optimizer = gr.Adam(0.5, epsilon=1.0, clipnorm=1e-6, beta_1=0.8)
    model, candidate = trained(gr.Dense(1), y=X[:, 0], optimizer=optimizer)
    found = applied(model, candidate, by_name("the optimizer's usual settings"))
    assert {str(each) for each in found.changes} == {
        "optimizer.epsilon: 1 → 1e-07",
        "optimizer.clipnorm: 1e-06 → None",
    }
    assert found.settings["optimizer"] == gr.Adam(0.5, beta_1=0.8)
    assert applied(model, found, by_name("the optimizer's usual settings")) is found


def test_exponential_is_replaced_where_it_stands_and_no_remedy_is_tried_twice(trained):
    layers = gr.Dense(4, "exponential"), gr.Dense(4, "tanh"), gr.Dense(3, "softmax")
    model, candidate = trained(*layers, y=LABELS, loss="sparse_categorical_crossentropy")
    replaced = applied(model, candidate, by_name("relu in place of exponential"))
    assert [change.where for change in replaced.shown_changes] == [
        "dense.activation",
        "dense.kernel_initializer",
    ]
    exploded = Diagnosis([Finding("m", "w", "r", code="diverged")])
    names = [remedy.name for remedy, _ in candidates_for(candidate, model.record, exploded)]
    assert names[:2] == ["relu in place of exponential", "learning rate × 0.1"]
    loss = "sparse_categorical_crossentropy"
    alone, candidate = trained(layers[0], layers[2], y=LABELS, loss=loss)
    names = [remedy.name for remedy, _ in candidates_for(candidate, alone.record, exploded)]
    assert "relu in place of exponential" in names
    assert "relu, drawn by he_normal" not in names  # the same here


def test_a_network_with_weights_of_its_own_keeps_its_layers(trained):
    net = gr.init(gr.Sequential([gr.Dense(4, "relu"), gr.Dense(1)]), 0, X)
    model = gr.Model(net, "mse", gr.SGD(2.0))
    model.fit(X, X[:, 0], epochs=1, probes=False, verbose=False)
    candidate = make_candidate(model, make_data(model, X, X[:, 0], None, 0), 0)
    found = Diagnosis(Finding("m", "w", "r", code=code, kind="dynamic") for code in REMEDIES)
    made = [each for _, each in candidates_for(candidate, model.record, found)]
    assert made
    assert all(each.settings["net"] is net for each in made)


def test_scaled_inputs_have_mean_0_and_deviation_1(classifier):
    net = applied(*classifier, by_name("scaled inputs")).make_model().build(X).net
    scaled = np.asarray(net.layers[0](X[classifier[1].data.rows]))
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(0), 1, rtol=1e-5)


def test_scaled_inputs_take_the_place_of_another_scaling(trained):
    model, candidate = trained(gr.Rescaling(1 / 255), gr.Dense(1), y=X[:, 0])
    found = applied(model, candidate, by_name("scaled inputs"))
    assert [str(each) for each in found.changes] == [
        "x: x → (x - x.mean(0)) / (x.std(0) + 1e-7)",
        "rescaling: 0.003922 → left out",
    ]
    first, second = found.settings["net"].layers
    assert (type(first), type(second)) == (gr.Rescaling, gr.Dense)


def test_scaled_targets_return_in_their_units(trained):
    y = X[:, :1] * 100 + 700
    model, candidate = trained(gr.Dense(1), y=y)
    found = applied(model, candidate, by_name("scaled targets"))
    trained_on = found.data.samples.y[found.data.rows]
    np.testing.assert_allclose(trained_on.mean(), 0, atol=1e-5)
    np.testing.assert_allclose(trained_on.std(), 1, rtol=1e-5)
    np.testing.assert_allclose(found.y, candidate.y, rtol=1e-5)
    np.testing.assert_allclose(found.held_out[1], candidate.held_out[1], rtol=1e-5)


@pytest.mark.parametrize("loss", ["poisson", "mape", "msle"])
def test_targets_are_not_scaled_for_a_loss_of_their_size(trained, loss):
    y = np.abs(X[:, :1]) * 100 + 700
    model, candidate = trained(gr.Dense(1, kernel_constraint="non_neg"), y=y, loss=loss)
    assert applied(model, candidate, by_name("scaled targets")) is candidate


PAIRINGS = [
    (gr.Dense(1, "softmax"), LABELS % 2, "mse", (1, "sigmoid", "binary_crossentropy")),
    (gr.Dense(1, "sigmoid"), LABELS, "mse", (3, "softmax", "sparse_categorical_crossentropy")),
    (gr.Dense(3, "sigmoid"), np.eye(3)[LABELS], "mse", (3, "softmax", "categorical_crossentropy")),
    (gr.Dense(2, "relu"), X[:, :2] > 3, "mse", (2, "sigmoid", "binary_crossentropy")),
    (gr.Dense(1, "sigmoid"), X[:, 0] * 50, "mae", (1, None, "mean_squared_error")),
]


@pytest.mark.parametrize(("end", "y", "loss", "fitting"), PAIRINGS)
def test_output_and_loss_fit_the_targets(trained, end, y, loss, fitting):
    model, candidate = trained(gr.Dense(4, "tanh"), end, y=np.asarray(y, np.float32), loss=loss)
    found = applied(model, candidate, by_name("the output and the loss that fit the targets"))
    last = found.settings["net"].layers[-1]
    assert (last.units, last.activation, found.settings["loss"]) == fitting


def test_one_softmax_of_two_is_taken_away(trained):
    layers = gr.Dense(3, "softmax"), gr.Activation("softmax")
    model, candidate = trained(*layers, y=LABELS, loss="sparse_categorical_crossentropy")
    found = applied(model, candidate, by_name("the output and the loss that fit the targets"))
    assert [str(each) for each in found.shown_changes] == ['dense.activation: "softmax" → None']


@pytest.mark.parametrize(
    ("rate", "code"),
    [
        *((1e-5, "rate-low"), (5.0, "rate-high"), (0.001, None)),
        (gr.schedules.CosineDecay(1e-5, 100), "rate-low"),
        (gr.schedules.CosineDecay(5.0, 100), "rate-high"),
    ],
)
def test_the_usual_rate_proves_what_it_changes(classifier, rate, code):
    model, candidate = classifier
    at_rate = candidate.with_settings(optimizer=gr.Adam(rate))
    usual = [each for each in GENERAL if each.name == "the optimizer's usual rate"]
    assert {each.code for each in usual} == {"rate-low", "rate-high"}
    assert set(usual) <= {*REMEDIES["rate-low"], *REMEDIES["rate-high"]}
    assert [e.code for e in usual if e.apply(at_rate, model.record).changes] == (
        [code] if code else []
    )


COSINE = gr.schedules.CosineDecay(5.0, 100)
SETTINGS = {  # by the names of remedies, the learning rate that is tried, and what a run is told
    ("learning rate × 0.1",): (gr.schedules.CosineDecay(0.5, 100), {"learning_rate": 0.5}, None),
    ("the optimizer's usual rate",): (0.01, {"learning_rate": 0.01}, "none"),
    ("Adam",): (0.001, {"name": "adam", "learning_rate": 0.001}, "none"),
    ("Adam", "learning rate × 10"): (0.01, {"name": "adam", "learning_rate": 0.01}, "none"),
}


@pytest.mark.parametrize("names", SETTINGS)
def test_the_settings_of_a_run_are_those_of_what_was_tried(classifier, names):
    model, candidate = classifier
    candidate = candidate.with_settings(optimizer=gr.SGD(COSINE))
    for name in names:
        candidate = by_name(name).apply(candidate, model.record)
    rate, optimizer, schedule = SETTINGS[names]
    assert candidate.settings["optimizer"].learning_rate == rate
    outcome = Outcome(by_name("Adam"), candidate, Comparison(1.0, 0.5, 0.0), 3)
    for _ in range(2):  # reading them changes nothing
        settings = Repair(Diagnosis([]), (outcome,), model, 1.0, 1.0).settings
        assert settings.pop("optimizer") == optimizer
        assert settings == ({"schedule": {"name": schedule}} if schedule else {})


def test_a_schedule_that_ends_with_the_training_ends_with_a_longer_one(classifier):
    """As `gradus train` makes it: 48 samples, a step in each of 6 epochs, or two of 24 each."""
    model, candidate = classifier
    made = gr.schedules.CosineDecay
    warmed = gr.schedules.WarmUp(1, 0.1, made(0.1, 5))
    for remedy, before, after in (
        ("four times the epochs", made(0.1, 6), made(0.1, 24)),
        ("four times the epochs", warmed, gr.schedules.WarmUp(1, 0.1, made(0.1, 23))),
        ("four times the epochs", made(0.1, 7), made(0.1, 7)),  # it ends by itself
        ("batches of 24", made(0.1, 6), made(0.1, 12)),
        ("batches of 24", warmed, gr.schedules.WarmUp(2, 0.1, made(0.1, 10))),
    ):
        whole = candidate.with_settings(optimizer=gr.SGD(before)).with_fit(batch_size=48, epochs=6)
        apply = batches_of(24) if remedy == "batches of 24" else by_name(remedy).apply
        found = apply(whole, model.record)
        assert found.settings["optimizer"].learning_rate == after
        told = [change.where for change in found.shown_changes]
        assert ("optimizer.learning_rate" in told) == (before != after)


def test_a_schedule_is_scaled_as_a_whole():
    found = scaled_rate(gr.schedules.WarmUp(10, 0.1, gr.schedules.CosineDecay(0.1, 100)), 0.1)
    assert [round(float(found(step)), 6) for step in (10, 60)] == [0.01, 0.005]
    assert scaled_rate(0.5, 10) == 5


def test_each_is_tried_once_causes_first_and_then_together(classifier):
    model, candidate = classifier
    found = Diagnosis(
        Finding("m", "w", "r", code=code, cause=cause)
        for code, cause in (("vanishing-gradient", "inputs-unscaled"), ("inputs-unscaled", None),
                            ("rate-high", None))
    )  # fmt: skip
    made = candidates_for(candidate, model.record, found)
    names = [remedy.name for remedy, _ in made]
    both = "scaled inputs, learning rate × 0.1"
    assert names[:3] == ["scaled inputs", "learning rate × 0.1", both]
    assert len(set(names)) == len(names)
    assert {candidate.name for _, candidate in made} == set(names)
    assert [change.where for change in made[2][1].changes] == ["x", "optimizer.learning_rate"]
    assert candidates_for(candidate, model.record, Diagnosis([])) == []


def test_a_repair_tries_what_practice_does_where_much_is_left_that_nothing_explains(trained):
    layers = gr.Dense(4, "tanh"), gr.Dense(3, "softmax")
    model, candidate = trained(*layers, y=LABELS, loss="sparse_categorical_crossentropy")
    assert model.record.remaining > 0.3
    unexplained = candidates_for(candidate, model.record, Diagnosis([]), notes=True)
    assert {remedy for remedy, _ in unexplained} <= set(GENERAL)
    assert unexplained[0][0].name == "learning rate × 0.1"
    assert candidates_for(candidate, model.record, Diagnosis([])) == []
    assert candidates_for(candidate, Record(), Diagnosis([]), notes=True) == []  # nothing is known


def test_every_remedy_has_a_known_code():
    known = {remedy.code for several in REMEDIES.values() for remedy in several}
    assert known <= set(REMEDIES)
    assert all(isinstance(each, Remedy) for each in GENERAL)


def test_settings_are_shown_as_people_write_them():
    assert code(gr.Adam(0.01)) == "Adam(learning_rate=0.01)"
    assert code("relu") == '"relu"'
    assert code(0.00012345) == "0.0001234" or code(0.00012345) == "0.0001235"
    assert dataclasses.is_dataclass(gr.Adam)


@pytest.mark.parametrize(
    ("units", "end", "y"),
    [(1, gr.Softmax(), LABELS % 2), (1, gr.ReLU(), LABELS), (2, gr.ELU(), X[:, :2])],
)
def test_an_activation_layer_is_mended_as_an_activation_by_name(trained, units, end, y):
    nets = []
    for last in (end, gr.Activation(end.activation)):
        layers = gr.Dense(4, "tanh"), gr.Dense(units), last.named("end")
        model, candidate = trained(*layers, y=y)
        found = applied(model, candidate, by_name("the output and the loss that fit the targets"))
        nets.append((repr(found.settings["net"]), [str(each) for each in found.shown_changes]))
    assert nets[0] == nets[1]
    assert nets[0][1]
