"""The record of a training is kept and saved, examined anew, and what it cannot tell is said."""

import dataclasses
import functools
import json
import math
import os
import signal

import numpy as np
import pytest

import gradus as gr
from gradus import files, manifests
from gradus.diagnosis import symptoms
from gradus.diagnosis.examination import CURVES_ALONE, FOUND_THEN, NO_EPOCH, examine_checkpoint
from gradus.diagnosis.limits import limits_of
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import KernelRecord, OutputRecord, SettingsRecord, TargetRecord
from gradus.diagnosis.record_files import FILE, RecordManifest, read_record, write_record
from gradus.diagnosis.recording import make_record
from gradus.diagnosis.symptoms import examine
from gradus.diagnosis.training import TrainingRecord
from gradus.errors import GradusError
from gradus.train.history import History

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
VALUES = X[:, :1] + X[:, 1:2] ** 2
CLASSES = "sparse_categorical_crossentropy"
DEAD = gr.initializers.Constant(-50.0)


def fitted(net, loss="mse", optimizer=None, x=X, y=VALUES, epochs=14, metrics=(), **options):
    model = gr.Model(net, loss, optimizer or gr.SGD(0.01), metrics)
    model.fit(x, y, **{"epochs": epochs, "verbose": False} | options)
    return model


def regression(rate=0.01, **options):
    return fitted(gr.mlp([4, 1]), optimizer=gr.SGD(rate), **options)


@functools.cache  # it is only looked at
def dead():
    net = gr.Sequential([gr.Dense(8, "relu", bias_initializer=DEAD), gr.Dense(2, "softmax")])
    return fitted(
        net, CLASSES, gr.Adam(0.01), y=Y, metrics=["accuracy"], validation_split=0.2, epochs=20
    )


def several():
    outputs = gr.Parallel({"a": gr.Dense(1), "b": gr.Dense(2, "softmax")})
    x, y = {"a": 1e3 * X, "b": X}, {"a": VALUES, "b": Y}
    return fitted(outputs, {"a": "mse", "b": CLASSES}, x=x, y=y, epochs=2)


def autoencoder():
    model = gr.Autoencoder([3], optimizer=gr.SGD(1e-4))
    model.fit(X, epochs=14, verbose=False)
    return model


def without_statistics():
    return regression(1e-4, probes=False)


TRAINED = {
    "dead-relu": dead,
    "diverged": lambda: regression(2.5),
    "inputs-unscaled": several,
    "rate-low": autoencoder,
    "not-learning": without_statistics,
}


def assert_same(record, other):
    assert dataclasses.replace(other, training=None) == dataclasses.replace(record, training=None)
    for field in dataclasses.fields(TrainingRecord):
        one, two = (getattr(each.training, field.name) for each in (record, other))
        if field.name in ("layers", "weights", "metrics"):
            assert one.keys() == two.keys()
            one, two = (json.dumps(each, default=listed, sort_keys=True) for each in (one, two))
        np.testing.assert_equal(one, two)


def listed(value):
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value.tolist()


# --- saved with the model ----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("code", TRAINED)
def test_a_loaded_model_is_examined_anew_and_says_the_same(code, tmp_path):
    model = TRAINED[code]()
    found = model.diagnose()
    assert found.findings[0].code == code, repr(found)
    assert found.to_json() == model.history.findings.to_json()
    loaded = gr.Model.load(model.save(tmp_path))
    assert loaded.diagnose().to_json() == found.to_json()
    assert_same(model.record, loaded.record)
    assert (tmp_path / FILE).stat().st_size < 8_000


@pytest.mark.slow
def test_the_record_says_how_much_was_trained_and_where_it_began(tmp_path):
    model = regression(epochs=2, validation_split=0.25)
    before = model.record
    rate = pytest.approx(0.01)
    assert before.settings == SettingsRecord(
        "SGD", rate, 32, 180, 2, monitor="val_loss", mode="min"
    )
    assert before.training.epochs == 2
    # A training that goes on began with the weights that the first one began with.
    again = gr.Model.load(model.save(tmp_path))
    again.fit(X, VALUES, epochs=1, verbose=False)
    assert again.record.settings == SettingsRecord(
        "SGD", rate, 32, 240, 3, monitor="loss", mode="min"
    )
    assert again.record.layers == before.layers
    fresh = make_record(again.net, again.task, again.optimizer, X, VALUES)
    assert fresh.layers != before.layers
    found = again.diagnose().to_json()
    assert gr.Model.load(again.save(tmp_path)).diagnose().to_json() == found


@pytest.mark.slow
def test_another_rule_examines_an_old_run(tmp_path, monkeypatch):
    folder = dead().save(tmp_path)
    kept = tuple(each for each in symptoms.symptoms() if each.code == "not-learning")
    monkeypatch.setattr(symptoms, "symptoms", lambda: kept)
    loaded = gr.Model.load(folder)
    assert [finding.code for finding in loaded.diagnose()] == ["not-learning"]
    assert "not-learning" not in [finding.code for finding in loaded.history.findings]


@pytest.mark.slow
def test_what_is_ignored_explains_nothing_and_causes_nothing():
    model = fitted(gr.mlp([4, 1]), x=1e4 * X, optimizer=gr.SGD(1e-3))
    by_code = {finding.code: finding for finding in model.diagnose()}
    assert by_code["diverged"].cause == "inputs-unscaled"
    alone = {finding.code: finding for finding in model.diagnose(ignore="inputs-unscaled")}
    assert alone["diverged"].cause is None
    # Without what explains it, it is found that nothing was learned.
    left = {finding.code for finding in dead().diagnose(ignore=["dead-relu", "vanishing-gradient"])}
    assert left & {"not-learning", "rate-low", "too-few-epochs"}


# --- the file ----------------------------------------------------------------------------------


def test_a_kernel_is_summarized():
    kernel = np.array([[3.0, 1.0], [-4.0, 2.0], [0.0, 2.0]], np.float32)
    model = gr.Model(gr.Sequential([gr.Dense(2)]), "mse").build(X[:, :3])
    model.set_weights({"dense/kernel": kernel})
    (layer,) = make_record(model.net, model.task, model.optimizer, X[:, :3], X[:, :2]).layers
    rms = math.sqrt((9 + 1 + 16 + 4 + 4) / 6)
    assert layer.kernel == KernelRecord((3, 2), pytest.approx(4 / 6), pytest.approx(rms), 4, 6, 7)
    assert layer.kernel.count == 6


def test_numbers_that_are_not_finite_are_kept(tmp_path):
    with files.replacing(tmp_path) as new:
        write_record(new, Record(settings=SettingsRecord("SGD", math.inf), penalty=math.nan))
    read = read_record(tmp_path, History())
    assert (read.settings.learning_rate, math.isnan(read.penalty)) == (math.inf, True)
    assert json.loads((tmp_path / FILE).read_text())["record"]["penalty"] == "nan"


# As the first version wrote it. A later version may add entries with a default, and no others.
FIRST = {
    "inputs": [
        {"name": "x", "count": 9, "is_codes": False, "mean": 0.1, "deviation": 1.2,
         "least_deviation": 0.9, "constant": 0.0}
    ],
    "outputs": [
        {"name": "output", "layer": "dense", "activation": "linear", "before": "", "shape": [1],
         "loss": "mean_squared_error", "link": None, "kind": "values", "metrics": {},
         "targets": {"count": 9, "minimum": -2.0, "maximum": 2.0, "mean": 0.0, "deviation": 1.0,
                     "constant_losses": {"mean_squared_error": 1.0}, "counts": [],
                     "one_hot": False, "several": False},
         "validation": None, "batch_factor": None, "best_for_all": None}
    ],
    "layers": [
        {"path": "dense", "kind": "Dense", "activation": "linear", "units": 1, "inputs": 6,
         "takes": None, "is_output": True, "rate": 0.0,
         "kernel": {"shape": [6, 1], "mean": 0.1, "rms": 0.4, "largest": 0.8,
                    "between_units": 0.0, "between_inputs": 1.1}}
    ],
    "settings": {"optimizer": "SGD", "learning_rate": 0.1, "batch_size": 3, "samples": 9,
                 "epochs": 1},
    "penalty": 0.0,
}  # fmt: skip


def test_a_record_of_the_first_version_is_read(tmp_path):
    content = {"record": FIRST, "training": {"penalty": 0.5, "silent": {}, "divergence": None}}
    with files.replacing(tmp_path) as new:
        manifests.write_manifest(new, FILE, RecordManifest, content)
    read = read_record(tmp_path, History())
    assert (read.outputs[0].constant_loss, read.layers[0].kernel.count) == (1.0, 6)
    assert (read.training.epochs, read.training.penalty) == (0, 0.5)


# --- what cannot be told -----------------------------------------------------------------------

TARGETS = TargetRecord(100, 0, 1, 0.5, 0.5, {"mean_squared_error": 1.0})
OUTPUT = OutputRecord("output", None, "linear", "", (1,), "mean_squared_error", None, "values", {},
                      TARGETS)  # fmt: skip
LONG = SettingsRecord("SGD", 0.1, 2, 100)  # 50 steps an epoch


def said(epochs=40, stopped="", records=10, outputs=(OUTPUT,), settings=LONG, loss=0.5,
         validated=True, **metrics):  # fmt: skip
    losses, recorded = np.full(epochs, loss), np.ones(records, int)
    validation = losses if validated else None
    training = TrainingRecord(
        epochs, stopped, losses, validation, metrics, np.zeros(0), recorded, {}, {}
    )  # fmt: skip
    return limits_of(Record(outputs=outputs, settings=settings, training=training))


def test_a_sound_training_has_no_limits():
    assert said() == []
    assert said(epochs=1) == []  # it has learned, however short it was
    assert limits_of(Record(outputs=(OUTPUT,), settings=LONG)) == []  # before a training


@pytest.mark.parametrize(
    ("limit", "training"),
    [
        ("this covers only 3 epochs. Resume it", {"epochs": 3, "stopped": "interrupted"}),
        ("1 × 50 steps are too few to say whether anything was learned: train for 2 epochs",
         {"epochs": 1, "loss": 1.0}),
        ("2 × 1 step are too few", {"epochs": 2, "loss": 1, "settings": SettingsRecord("SGD", 1)}),
        ("train with probes=True", {"records": 0}),
        ("no validation samples, so overfitting, shuffled labels", {"validated": False}),
        ("a custom task has learned is unknown", {"outputs": ()}),
        ("under the loss mine of the output 'b' is unknown",
         {"outputs": (OUTPUT, dataclasses.replace(OUTPUT, name="b", loss="mine"))}),
        ("under the loss mine is unknown",
         {"outputs": (dataclasses.replace(OUTPUT, loss="mine"),)}),
    ],
)  # fmt: skip
def test_what_is_not_known_is_said_once(limit, training):
    (sentence,) = said(**training)
    assert limit in sentence


def test_a_training_that_diverged_at_once_had_no_time_for_statistics():
    for probes, words in ((True, "remedy of the divergence."), (False, "probes=True.")):
        model = regression(1e30, epochs=1, probes=probes, batch_size=4)
        (limit,) = model.diagnose().limits
        assert limit.endswith(words)


def test_an_accuracy_tells_what_a_loss_of_ones_own_does_not():
    own = dataclasses.replace(OUTPUT, loss="mine")
    assert said(outputs=(own,), accuracy=np.full(40, 0.9)) == []


def test_limits_are_shown_with_the_findings():
    model = regression(epochs=2, probes=False, y=RNG.normal(size=(240, 1)))
    found = model.diagnose()
    too_few, unrecorded, unvalidated = found.limits
    assert too_few.endswith("13 epochs or more.")
    assert unrecorded.endswith("probes=True.")
    assert unvalidated.endswith("validation_split=0.2.")
    assert repr(found).splitlines() == ["Diagnosis: no problems found.", *found.limits]
    assert found._repr_html_().count("<p>") == 4
    assert found.without(["imbalance"]).limits == found.limits


# --- without a whole record --------------------------------------------------------------------


def test_a_model_without_a_record_tells_what_is_left(tmp_path):
    model = regression(1e-4)
    model.record = None  # as in the file of an earlier version
    loaded = gr.Model.load(model.save(tmp_path))
    assert loaded.record is None
    assert loaded.diagnose().limits == (FOUND_THEN,)
    assert loaded.diagnose().findings == model.history.findings.findings
    assert loaded.diagnose(ignore="rate-low").findings == ()
    with pytest.raises(GradusError, match="Did you mean 'rate-low'"):
        loaded.diagnose(ignore="rate-lo")
    loaded.history.findings = None  # as in the file of a still earlier one
    assert loaded.diagnose().limits == (CURVES_ALONE,)
    assert [finding.code for finding in loaded.diagnose()] == []


def test_a_model_built_and_not_trained_says_so(tmp_path):
    model = gr.Model(gr.mlp([4, 1]), "mse").build(X)
    for each in (model, gr.Model.load(model.save(tmp_path))):
        with pytest.raises(GradusError, match=r"never trained. model.check\(x, y\)"):
            each.diagnose()


@pytest.mark.slow
def test_ctrl_c_leaves_what_the_epochs_until_then_tell(tmp_path):
    def interrupt(model, epoch, logs):
        if epoch == 12:
            os.kill(os.getpid(), signal.SIGINT)

    net, total = gr.Sequential([gr.Dense(1)]), X.sum(axis=1, keepdims=True)
    model = fitted(net, y=total, optimizer=gr.SGD(2.7e-3), epochs=30, callbacks=interrupt)
    assert model.history.stopped == "interrupted"
    found = model.diagnose()
    assert f"this covers only {model.history.epochs} epochs" in found.limits[0]
    assert found.findings == ()  # neither too few epochs nor too short steps
    ended = dataclasses.replace(model.record.training, stopped="")
    whole = examine(dataclasses.replace(model.record, training=ended))
    assert [finding.code for finding in whole] == ["too-few-epochs"]
    assert gr.Model.load(model.save(tmp_path)).diagnose().to_json() == found.to_json()


class KilledError(Exception):
    """Ends a training as no exception of gradus does."""


@pytest.mark.slow
def test_a_checkpoint_of_a_killed_training_is_examined(tmp_path):
    def kill(model, epoch, logs):
        if epoch == 8:
            raise KilledError

    net = gr.Sequential([gr.Dense(8, "relu", bias_initializer=DEAD), gr.Dense(2, "softmax")])
    model = gr.Model(net, CLASSES, gr.Adam(0.01), ["accuracy"])
    options = {"epochs": 30, "batch_size": 16, "checkpoint_every": 0, "verbose": False}
    with pytest.raises(KilledError):
        model.fit(X, Y, callbacks=kill, checkpoint=tmp_path / "saved", **options)
    for found, epochs in ((model.diagnose(), 8), (examine_checkpoint(tmp_path / "saved"), 7)):
        assert found.findings[0].code == "dead-relu"
        assert f"this covers only {epochs} epochs" in found.limits[0]
    ignored = examine_checkpoint(tmp_path / "saved", ["dead-relu"])
    assert "dead-relu" not in [finding.code for finding in ignored]
    (tmp_path / "saved" / FILE).unlink()  # as an earlier version wrote it
    assert examine_checkpoint(tmp_path / "saved").limits == (CURVES_ALONE,)


def test_a_training_without_an_epoch_has_been_checked():
    model = gr.Model(gr.mlp([4, 1]), "mse")
    model.fit(1e3 * X, VALUES, epochs=0, verbose=False)
    found = model.diagnose()
    assert ([finding.code for finding in found], found.limits) == (["inputs-unscaled"], (NO_EPOCH,))
