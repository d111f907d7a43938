"""What the curves of a training show, from records that are made by hand."""

import dataclasses

import numpy as np
import pytest

from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import (
    KernelRecord,
    LayerRecord,
    OutputRecord,
    SettingsRecord,
    TargetRecord,
)
from gradus.diagnosis.symptoms import examine
from gradus.diagnosis.targets import target_record
from gradus.diagnosis.training import LayerTraining, TrainingRecord, WeightTraining

LOSS = "sparse_categorical_crossentropy"


def output(counts=(50, 50), name="output", **facts):
    """Return an output of classes whose best constant prediction has a loss of 1."""
    targets = TargetRecord(sum(counts), 0, len(counts) - 1, 0.5, 0.5, {"categorical": 1.0}, counts)
    facts = {"validation": targets} | facts
    return OutputRecord(name, None, "softmax", "linear", (len(counts),), LOSS, "softmax",
                        "classes", {}, targets, **facts)  # fmt: skip


def record(loss, validation=None, segments=None, stopped="", outputs=None, **facts):
    """Return the record of a training; losses are shares of a constant's."""
    loss = np.asarray(loss, np.float64)
    parts = loss if segments is None else np.asarray(segments, np.float64)
    training = TrainingRecord(
        len(loss), stopped, loss, None if validation is None else np.asarray(validation),
        facts.pop("metrics", {}), parts, np.zeros(0, int), {}, facts.pop("weights", {}),
    )  # fmt: skip
    settings = SettingsRecord("Adam", 0.01, 32, 320, monitor="val_loss", **facts.pop("with_", {}))
    return Record(outputs=outputs or (output(),), settings=settings, training=training, **facts)


def codes(made):
    return [(each.severity, each.code) for each in examine(made)]


def of(code, made):
    (finding,) = [each for each in examine(made) if each.code == code]
    return {name: numbers["value"] for name, numbers in finding.evidence.items()}


# --- too few epochs ----------------------------------------------------------------------------


def test_patience_that_ended_a_training_at_its_best_epoch_was_too_small():
    ended = record([0.9, 0.7], [0.8, 0.6], stopped="patience")
    assert codes(ended) == [("fault", "too-few-epochs")]
    assert of("too-few-epochs", ended)["fall in the last epoch"] == pytest.approx(0.25)
    for loss, validation in (
        ([0.9, 0.7, 0.6], [0.8, 0.6, 0.59]),  # hardly better
        ([0.9] * 9 + [0.7], [0.8] * 9 + [0.77]),  # after 100 steps
        ([0.9, 0.7, 0.6], [0.8, 0.6, 0.65]),  # worse, as patience means it
        ([0.5, 0.2, 0.1], [0.5, 0.2, 0.1]),  # little is left
    ):
        assert codes(record(loss, validation, stopped="patience")) == []
    early = record([0.9, 0.7], [0.8, 0.77], stopped="patience")
    assert codes(early) == [("fault", "too-few-epochs")]  # after 20
    settings = dataclasses.replace(ended.settings, monitor="loss")
    of_training = dataclasses.replace(ended, settings=settings)
    assert of("too-few-epochs", of_training)["fall in the last epoch"] == pytest.approx(2 / 9)


def test_a_loss_that_falls_in_each_of_the_last_epochs_was_not_at_its_end():
    falls = np.linspace(0.7, 0.5, 40)
    assert of("too-few-epochs", record(falls, falls)) == pytest.approx(
        {"fall in the last half": 1 - falls[-1] / falls[20], "loss / constant's": 0.50769}, rel=1e-3
    )
    back = falls.copy()
    back[[30, 31]] = back[[31, 30]]
    assert codes(record(back, falls)) == []
    assert codes(record(falls, [*falls[:-1], falls[-2]])) == []  # validation fell no more
    assert codes(record(np.linspace(0.5, 0.47, 40))) == []  # 3% in the last half
    assert codes(record(0.5 * falls)) == []  # little is left
    rates = {"learning_rate": 0.01 * np.linspace(1, 0.05, 40)}
    assert codes(record(falls, falls, metrics=rates)) == []  # as its schedule means it


def test_few_steps_are_the_beginning_of_a_training():
    parts = [1.0, 0.95, 0.9, 0.85]
    assert codes(record([0.95, 0.88], segments=parts)) == [("fault", "too-few-epochs")]
    assert codes(record([0.95, 0.94], segments=[0.95, 0.95, 0.94, 0.95])) == []

    def one_epoch(validation, samples=640):  # 20 steps
        made = record([0.95], [validation], segments=[0.95, 0.95])
        settings = dataclasses.replace(made.settings, samples=samples)
        return codes(dataclasses.replace(made, settings=settings))

    assert one_epoch(0.8) == [("fault", "too-few-epochs")]  # judged after the last step
    assert one_epoch(0.95) == []
    assert one_epoch(0.8, samples=600) == []  # 19 steps are a trial


# --- steps that are too long --------------------------------------------------------------------


def restless(moved, jump, left=0.3, linear=None, falls=0.0):
    """Return a training whose steps move a kernel, and whose validation loss jumps up and down."""
    ones = np.ones(20)
    weights = {"dense/kernel": WeightTraining(ones, ones, moved * ones)}
    kernel = KernelRecord((4, 8), 0.0, 0.3, 1.0, 1.0, 1.0)
    layers = (LayerRecord("dense", "Dense", "relu", 8, 4, None, False, kernel),)
    loss = left * (1 + 0.05 * np.cos(np.pi * np.arange(40)) + np.linspace(falls, 0, 40))
    validation = left * np.where(np.arange(40) % 2, 1.5, 1.5 * (1 + jump))
    outputs = (output(linear=linear),)
    return record(loss, validation, weights=weights, layers=layers, outputs=outputs)


def test_long_steps_and_a_validation_loss_that_jumps_are_a_rate_that_is_too_high():
    found = restless(0.02, 0.3)
    assert codes(found) == [("fault", "rate-high")]
    assert of("rate-high", found) == pytest.approx(
        {"update / weight": 0.02, "change of the validation loss": 0.3 / 1.3}
    )
    assert codes(restless(0.005, 0.3)) == []  # steps of a usual length
    assert codes(restless(0.02, 0.05)) == []  # the noise of batches
    assert codes(restless(0.02, 0.3, left=0.05)) == []  # learned
    assert codes(restless(0.02, 0.0, left=0.5)) == []
    assert codes(restless(0.04, 0.0, left=0.5)) == []  # of noisy data, much is left


def test_very_long_steps_to_a_loss_above_a_linear_models_are_a_rate_that_is_too_high():
    found = restless(0.04, 0.0, left=0.6, linear=0.5)
    assert codes(found) == [("fault", "rate-high")]
    assert of("rate-high", found)["loss / constant's"] == pytest.approx(0.6)
    assert codes(restless(0.02, 0.0, left=0.6, linear=0.5)) == []
    assert codes(restless(0.04, 0.0, left=0.6, linear=0.58)) == []  # data are noisy
    assert codes(restless(0.04, 0.0, left=0.6, linear=0.5, falls=0.2)) == []  # on the way


def slow(moved, start=1.2, left=0.95, silent=(0.0, 0.0)):
    """Return a training of 200 steps of one size, with the first and the last share of silence."""
    ones = np.ones(20)
    weights = {"dense/kernel": WeightTraining(ones, ones, moved * ones)}
    layer = dataclasses.replace(chain(1)[0], path="dense")
    made = record(np.linspace(start, left, 20), weights=weights, layers=(layer,))
    shares = np.linspace(*silent, 20)
    outputs = LayerTraining(ones, ones, np.full(20, np.nan), shares, ones)
    epoch = np.arange(1, 21)
    training = dataclasses.replace(made.training, layers={"dense": outputs}, epoch=epoch)
    return dataclasses.replace(made, training=training)


def test_steps_are_short_though_a_little_was_learned():
    assert codes(slow(1e-4)) == [("fault", "rate-low")]
    assert codes(slow(1e-4, left=0.25)) == []


@pytest.mark.parametrize(
    ("optimizer", "rate", "moved", "words"),
    [
        ("Adam", 1e-6, 3e-6, "a thousand times the rate, 0.001."),
        ("Adam", 3e-6, 3e-6, "a hundred times the rate, 0.0003."),  # 0.003 is above the usual
        ("Adam", 1e-5, 3e-4, "ten times the rate, 0.0001."),
        ("Adam", 1e-3, 3e-6, "ten times the rate, 0.01."),
        ("SGD", 1e-6, 3e-6, "a thousand times the rate, 0.001."),
        ("Mine", 1e-6, 3e-6, "ten times the rate, 1e-05."),
    ],
)
def test_a_rate_that_is_far_too_low_grows_by_what_the_steps_lack(optimizer, rate, moved, words):
    made = slow(moved)
    settings = dataclasses.replace(made.settings, optimizer=optimizer, learning_rate=rate)
    (fault,) = examine(dataclasses.replace(made, settings=settings)).faults
    assert fault.remedy == f"Use {words}"


def test_long_first_steps_explain_a_loss_that_stays_high():
    assert codes(slow(0.2, start=2.0, left=2.0)) == [("fault", "rate-high")]
    assert codes(slow(5e-3, start=2.0, left=2.0)) == [("fault", "not-learning")]


def test_units_that_were_silent_from_the_beginning_explain_nothing():
    def flat(moved, *silent):
        return codes(slow(moved, start=1.0, left=1.0, silent=silent))

    assert flat(1e-4, 0.7, 0.7) == [("fault", "rate-low")]
    assert flat(5e-3, 0.55, 0.6) == [("fault", "not-learning")]
    for silent in ((0.7, 0.7), (0.3, 0.7)):  # too many to be chance, or died in training
        assert flat(5e-3, *silent) == [("fault", "dead-relu")]


# --- few rows -----------------------------------------------------------------------------------


def test_validation_of_one_class_is_compared_with_the_constant_of_training():
    losses = [
        target_record(np.array(flags, np.float32), "flags") for flags in ([0, 1, 1, 0], [1] * 7)
    ]
    known = [each.constant_losses["binary_crossentropy"] for each in losses]
    assert known == [pytest.approx(np.log(2)), 0]


def test_few_rows_that_validation_does_not_follow_are_learned_by_heart():
    def few(samples, best, counts=(20, 20)):
        made = record(np.linspace(1, 0.05, 40), np.full(40, best), outputs=(output(counts),))
        settings = dataclasses.replace(made.settings, samples=samples, batch_size=8)
        return dataclasses.replace(made, settings=settings)

    assert codes(few(40, 0.6)) == [("fault", "overfitting")]
    assert of("overfitting", few(40, 0.6))["training rows"] == 40
    assert codes(few(40, 0.2)) == []
    assert codes(few(60, 0.6)) == []
    assert codes(few(60, 0.6, counts=(6,) * 10)) == [("fault", "overfitting")]  # 6 a class
    saturated = LayerRecord("dense", "Dense", "tanh", 8, 4, None, False)
    made = dataclasses.replace(few(40, 0.6), layers=(saturated,))
    ones, epoch = np.ones(40), np.arange(1, 41)
    layers = {"dense": LayerTraining(ones, ones, ones, 0 * ones, ones)}
    training = dataclasses.replace(made.training, layers=layers, epoch=epoch)
    found = examine(dataclasses.replace(made, training=training)).faults
    assert [(each.code, each.cause) for each in found] == [
        ("saturation", None),
        ("overfitting", "saturation"),
    ]


def test_what_holds_for_no_validation_sample_was_learned_by_heart():
    def memorized(best=1.1, right=0.55, left=0.0, linear=0.8, **settings):
        metrics = {} if right is None else {"val_accuracy": np.linspace(right, 0.5, 40)}
        made = record(
            np.linspace(1, left, 40), np.linspace(best, 3, 40), metrics=metrics,
            outputs=(output(linear=linear),), with_=settings,
        )  # fmt: skip
        return ("fault", "overfitting") in codes(made)

    assert memorized()
    assert not memorized(right=0.7)  # the loss alone is worse than a constant's
    assert not memorized(right=None)
    assert not memorized(best=0.9)
    assert not memorized(left=0.4)
    assert not memorized(class_weight="balanced")


def test_labels_that_no_linear_model_tells_either_belong_to_other_rows():
    def shuffled(linear=1.2, best=1.1, **metrics):
        return record(
            np.linspace(1, 0, 40), np.linspace(best, 3, 40),
            metrics=metrics, outputs=(output(linear=linear),),
        )  # fmt: skip

    causes = {
        each.code: each.cause for each in examine(shuffled(val_accuracy=np.full(40, 0.5))).faults
    }
    assert causes == {"labels-shuffled": None, "overfitting": "labels-shuffled"}
    assert [each.code for each in examine(shuffled()).faults] == ["labels-shuffled"]
    for made in (shuffled(linear=0.9), shuffled(best=0.9), shuffled(linear=None)):
        assert not examine(made).faults


# --- labels -------------------------------------------------------------------------------------


def test_sure_errors_that_are_as_many_as_others_are_wrong_labels():
    def noisy(sure, error=0.3, network=0.7, linear=0.8):
        facts = {"linear": linear, "linear_error": error, "sure_error": sure}
        metrics = {"accuracy": np.full(40, 0.8), "val_accuracy": np.full(40, network)}
        return record(
            np.full(40, 0.6), np.full(40, 0.8), metrics=metrics, outputs=(output(**facts),)
        )

    assert codes(noisy(0.25)) == [("fault", "labels-noisy")]
    assert of("labels-noisy", noisy(0.25)) == {"errors of the surest half": 0.25}
    assert codes(noisy(0.16)) == []  # classes overlap where it is not sure
    assert codes(noisy(0.18)) == []  # fewer than 0.65 × 0.3
    assert codes(noisy(0.4, error=0.45)) == []  # it has learned next to nothing itself
    assert codes(noisy(0.25, network=0.6)) == []  # nor has the network
    assert codes(noisy(0.25, network=0.8)) == []  # which knows better than a linear model


def test_each_output_may_have_labels_of_other_rows():
    constant = np.full(40, 0.5)
    metrics = {"a_loss": np.linspace(1, 0.1, 40), "val_a_loss": np.linspace(1, 1.5, 40),
               "b_loss": np.linspace(1, 0.1, 40), "val_b_loss": np.linspace(1, 0.1, 40),
               "val_a_accuracy": constant, "val_b_accuracy": constant + 0.45}  # fmt: skip
    both = output(name="a"), output(name="b")
    made = record(np.linspace(2, 0.2, 40), np.linspace(2, 1.6, 40), metrics=metrics, outputs=both)
    (finding,) = examine(made).faults
    assert finding.code == "labels-shuffled"
    assert "the output 'a' is right on 50% of the validation samples" in finding.message
    told = dataclasses.replace(both[0], linear=0.5, linear_error=0.1), both[1]
    assert codes(dataclasses.replace(made, outputs=told)) == []  # a linear model tells them


def test_classes_may_be_rare_in_the_training_of_any_output():
    rare = dataclasses.replace(output((970, 30)), name="b", validation=output((250, 250)).targets)
    metrics = {f"{name}_loss": np.full(40, 0.05) for name in "ab"}
    metrics |= {"b_accuracy": np.full(40, 0.98), "val_b_accuracy": np.full(40, 0.7)}
    made = record(np.full(40, 0.1), metrics=metrics, outputs=(output((500, 500), name="a"), rare))
    assert codes(made) == [("fault", "imbalance")]


# --- settings and layers --------------------------------------------------------------------------


def chain(count, norm=0):
    """Return a chain of dense layers, with a normalization behind the first `norm` of them."""
    kernel = KernelRecord((8, 8), 0.0, 0.3, 1.0, 1.0, 1.0)
    layers, before = [], None
    for index in range(count):
        path = f"dense_{index}"
        layers.append(LayerRecord(path, "Dense", "relu", 8, 8, before, False, kernel))
        before = path
        if norm == index + 1:
            before = "norm"
            layers.append(LayerRecord(before, "BatchNormalization", "linear", 8, 8, path, False))
    return tuple(layers)


def test_many_plain_layers_are_too_many_where_neighbors_tell_more():
    flat = np.full(40, 0.6)

    def deep(layers, left=1.0, right=0.7, neighbors=0.1):
        outputs = (output(neighbor_error=neighbors),)
        metrics = {} if right is None else {"accuracy": np.full(40, right)}
        return record(left * flat, layers=layers, outputs=outputs, metrics=metrics)

    assert codes(deep(chain(12))) == [("fault", "too-deep")]
    assert of("too-deep", deep(chain(12))) == {"layers in a row": 12}
    assert codes(deep(chain(11))) == []
    assert codes(deep(chain(14, norm=7))) == []
    assert codes(deep(chain(12), left=0.1)) == []
    assert codes(deep(chain(12), right=0.85)) == []
    assert codes(deep(chain(12), neighbors=0.25)) == []
    assert codes(deep(chain(12), neighbors=None)) == []
    assert codes(deep(chain(12), right=None)) == []
    values = output(neighbor_error=None, validation=None)
    values = dataclasses.replace(values, kind="values")
    assert codes(record(flat, layers=chain(12), outputs=(values,))) == [("fault", "too-deep")]
    nothing = deep(chain(12), left=1.66, right=0.5, neighbors=None)
    assert codes(nothing) == [("fault", "too-deep")]


@pytest.mark.parametrize(("left", "severity"), [(0.6, "fault"), (0.1, "note")])
def test_what_harms_is_a_fault_where_much_is_left(left, severity):
    flat = np.full(40, left)
    one, two = chain(2)
    linear = record(flat, layers=(dataclasses.replace(one, activation="linear"), two))
    assert codes(linear) == [(severity, "hidden-linear")]
    narrow = (dataclasses.replace(one, units=1), two)
    assert codes(record(flat, layers=narrow)) == [("fault", "narrow-layer")] * (left > 0.3)
    assert codes(record(flat, with_={"epsilon": 1.0})) == [(severity, "optimizer-setting")]


def test_nearly_all_units_dropped_is_too_much_though_validation_is_learned():
    def dropped(rate, unseen):
        layers = (LayerRecord("dropout", "Dropout", "", 8, 8, None, False, rate=rate),)
        return codes(record(np.full(40, 0.7), np.full(40, unseen), layers=layers))

    assert dropped(0.95, 0.2) == [("fault", "over-regularised")]
    assert dropped(0.95, 0.1) == []
    assert dropped(0.8, 0.2) == []
    assert dropped(0.8, 0.5) == [("fault", "over-regularised")]


def test_outputs_of_a_rectifier_that_are_zero_though_targets_differ_are_dead():
    def silent(share, left=0.5, activation="relu", constant=0.1):
        targets = TargetRecord(100, 0, 1, 0.5, 0.5, {"mean_squared_error": 1.0}, constant=constant)
        end = OutputRecord("output", "dense", activation, "linear", (8,), "mean_squared_error",
                           None, "values", {}, targets)  # fmt: skip
        ones = np.ones(40)
        layers = {"dense": LayerTraining(ones, ones, ones, share * ones, ones)}
        made = record(np.full(40, left), outputs=(end,))
        training = dataclasses.replace(made.training, layers=layers, epoch=np.arange(1, 41))
        return codes(dataclasses.replace(made, training=training))

    assert silent(0.4) == [("fault", "output-range")]
    assert silent(0.25) == []
    assert silent(0.4, constant=0.3) == []  # such as the edge of images
    assert silent(0.4, left=0.1) == []
    assert silent(0.4, activation="sigmoid") == []


def test_what_little_is_learned_counts_by_the_validation_samples():
    loss, above = np.linspace(1.0, 0.9, 30), np.linspace(1.01, 1.04, 30)

    def judged(validation, right):
        metrics = {} if right is None else {"val_accuracy": np.full(30, right)}
        outputs = (output(linear=0.92),)  # so labels are not shuffled
        return codes(record(loss, validation, metrics=metrics, outputs=outputs))

    assert judged(above, 0.51) == [("fault", "not-learning")]
    assert judged(above - 0.03, 0.51) == []  # its first epoch is better
    assert judged(above, 0.7) == []
    assert judged(above, None) == []
