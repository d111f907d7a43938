"""Symptoms of layers, initial weights, inputs, targets, and settings; and what gathers them."""

import dataclasses
import json
import pkgutil
import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus.diagnosis import symptoms
from gradus.diagnosis.findings import Diagnosis, Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import OutputRecord, SettingsRecord, TargetRecord
from gradus.diagnosis.recording import make_record
from gradus.diagnosis.symptoms.data import imbalance
from gradus.diagnosis.training import make_training_record
from gradus.errors import DataError, FaultError, GradusError
from gradus.models.supervised import make_supervised
from gradus.train.history import History

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 6)).astype(np.float32)
LABELS = np.arange(80) % 2
VALUES = X[:, :1] + X[:, 1:2]
LOSS = "sparse_categorical_crossentropy"


def check(*layers, x=X, y=LABELS, loss=LOSS, optimizer="adam", **data):
    return gr.Model(gr.Sequential(list(layers)), loss, optimizer).check(x, y, **data)


def found(diagnosis):
    return [(finding.severity, finding.code, finding.layer) for finding in diagnosis]


def mlp(units=8, activation="relu", initializer="glorot_uniform", last="glorot_uniform"):
    return (
        gr.Dense(units, activation, kernel_initializer=initializer),
        gr.Dense(2, "softmax", kernel_initializer=last),
    )


def test_a_sound_network_has_no_finding():
    assert found(check(*mlp())) == []
    conv = (
        gr.Conv2D(4, 3, activation="relu"),
        gr.MaxPooling2D(2),
        gr.Flatten(),
        gr.Dense(2, "softmax"),
    )
    assert found(check(*conv, x=X[:, :1, None, None] * np.ones((80, 8, 8, 1), "f4"))) == []
    lstm = gr.Embedding(9, 4), gr.LSTM(5), gr.Dense(2, "softmax")
    assert found(check(*lstm, x=RNG.integers(0, 9, (80, 7)))) == []


def test_hidden_softmax_and_hidden_linear_layers_are_noted():
    assert found(check(*mlp(activation="softmax"))) == [("note", "hidden-softmax", "dense")]
    assert found(check(*mlp(activation=None))) == [("note", "hidden-linear", "dense")]
    # The code of an autoencoder is meant; a norm or an activation between is none of this.
    code = gr.Dense(8, "relu"), gr.Dense(2), gr.Dense(8, "relu"), gr.Dense(6)
    assert found(check(*code, y=X, loss="mse")) == []
    apart = gr.Dense(8), gr.BatchNormalization(), gr.Activation("relu"), gr.Dense(2, "softmax")
    assert found(check(*apart)) == []


@pytest.mark.parametrize(
    ("activation", "initializer", "last", "faults"),
    [
        ("relu", "zeros", "glorot_uniform", 1),  # blocked: the derivative at zero is zero
        ("tanh", "zeros", "glorot_uniform", 0),  # the outgoing weights break the symmetry
        ("tanh", gr.initializers.Constant(0.3), gr.initializers.Constant(0.1), 1),
        ("tanh", gr.initializers.Constant(0.3), "glorot_uniform", 0),
        ("tanh", "glorot_uniform", "zeros", 0),
    ],
)
def test_units_that_start_and_stay_alike_are_a_fault(activation, initializer, last, faults):
    diagnosis = check(*mlp(8, activation, initializer, last))
    expected = [("fault", "symmetric-weights", "dense")] * faults
    assert found(diagnosis) == expected
    model = gr.Model(gr.Sequential(list(mlp(8, activation, initializer, last))), LOSS, "sgd")
    model.fit(X, LABELS, epochs=3, verbose=False)
    kernel = model.weights["dense/kernel"]
    alike = np.ptp(kernel, axis=1).max() < 1e-5
    assert alike == bool(faults)


def test_no_symmetry_is_claimed_of_one_unit_or_of_a_single_layer():
    assert found(check(*mlp(1, "tanh", "ones", "ones"))) == []
    assert found(check(gr.Dense(2, "softmax", kernel_initializer="zeros"))) == []


def test_large_inputs_are_noted_unless_something_scales_them():
    assert found(check(*mlp(), x=100 * X)) == [("note", "inputs-unscaled", "dense")]
    assert found(check(*mlp(), x=X + 40)) == [("note", "inputs-unscaled", "dense")]
    assert found(check(gr.BatchNormalization(), *mlp(), x=100 * X)) == []
    assert found(check(gr.Embedding(500, 4), gr.Flatten(), *mlp(), x=(X + 400).astype(int))) == []


def test_the_advice_for_large_inputs_divides_by_no_zero():
    flat = (gr.Flatten(), *mlp())
    images = np.zeros((80, 4, 4, 1), np.uint8)
    images[:, 1:3, 1:3] = np.random.default_rng(1).integers(0, 256, (80, 2, 2, 1))
    assert "x / 255" in check(*flat, x=images)[0].remedy
    columns = 100 * X
    columns[:, 2] = 7.0
    for x in (columns, 1.0 * images + 1):
        remedy = check(*flat, x=x)[0].remedy
        formula = remedy.partition(": ")[2].rstrip(".")
        assert np.isfinite(eval(formula, {"x": x})).all()  # noqa: S307


PIXELS = RNG.uniform(size=(80, 4, 4, 1)).astype(np.float32)  # from 0 to 1


@pytest.mark.parametrize(
    ("layers", "x", "expected"),
    [
        ([gr.RandomBrightness(0.2)], PIXELS, ["random_brightness"]),
        ([gr.RandomBrightness(0.2)], 255 * PIXELS, []),
        ([gr.Rescaling(1 / 255), gr.RandomBrightness(0.2)], 255 * PIXELS, ["random_brightness"]),
        ([gr.RandomBrightness(0.2, (0, 1)), gr.RandomContrast(0.2)], PIXELS, []),
        ([gr.RandomContrast(0.2)], PIXELS - 0.5, ["random_contrast"]),  # cuts off half of them
    ],
)
def test_pixels_outside_the_range_of_an_augmentation_are_a_fault(layers, x, expected):
    diagnosis = check(*layers, gr.Flatten(), gr.Dense(2, "softmax"), x=x)
    faults = [("fault", "augmentation-range", layer) for layer in expected]
    assert [each for each in found(diagnosis) if each[1] != "inputs-unscaled"] == faults


@pytest.mark.parametrize(
    ("layers", "x", "severity"),
    [
        ([gr.Rescaling(1 / 255)], PIXELS, "fault"),
        ([gr.RandomFlip(), gr.Rescaling(1 / 127.5, -1)], PIXELS, "fault"),  # all nearly -1
        ([gr.Rescaling(1 / 65_535)], 255 * PIXELS, "note"),  # bytes for words
        ([gr.Rescaling(1 / 255)], 255 * PIXELS, None),
        ([gr.Rescaling(1 / 255), gr.BatchNormalization()], PIXELS, "fault"),
        ([gr.Rescaling(255.0)], PIXELS / 255, None),
        ([gr.Normalization(0.0, 1e-6)], PIXELS / 255, None),
        ([], PIXELS / 255, "note"),
    ],
)
def test_inputs_that_a_rescaling_makes_small_are_told(layers, x, severity):
    diagnosis = check(*layers, gr.Conv2D(2, 3), gr.Flatten(), gr.Dense(2, "softmax"), x=x)
    tiny = [each for each in diagnosis if each.code == "inputs-tiny"]
    assert [each.severity for each in tiny] == [severity] * (severity is not None)


def test_the_range_that_a_rescaling_gives_is_named():
    layers, bits = (gr.Rescaling(1 / 255), gr.Flatten(), gr.Dense(2, "softmax")), np.rint(PIXELS)
    (finding,) = check(*layers, x=bits)
    assert "from 0 to 1, and layer 'rescaling' rescales them to between 0 and 0.00392" in str(
        finding
    )
    deviation = bits.reshape(80, -1).std(axis=0).max() / 255
    assert finding.evidence["largest deviation of a column"]["value"] == pytest.approx(deviation)


@pytest.mark.parametrize(
    ("shape", "layers", "is_found"),
    [
        ((3, 8, 8), [gr.Conv2D(2, 3)], True),
        ((1, 8, 8), [gr.Conv2D(2, 3, padding="same")], True),
        ((3, 8, 12), [gr.Rescaling(0.5), gr.MaxPooling2D(2)], True),
        ((3, 8, 8), [gr.Permute((2, 3, 1)), gr.Conv2D(2, 3)], False),
        ((3, 8, 8), [gr.Flatten()], False),
        ((1, 12, 8), [gr.Conv2D(2, (1, 3))], False),  # a series of 12 steps
        ((8, 8, 3), [gr.Conv2D(2, 3)], False),
        ((3, 3, 8), [gr.Conv2D(2, 3)], False),
    ],
)
def test_channels_that_seem_to_come_first_are_noted(shape, layers, is_found):
    x = RNG.normal(size=(80, *shape)).astype(np.float32)
    diagnosis = check(*layers, gr.Flatten(), gr.Dense(2, "softmax"), x=x)
    noted = [(each.severity, each.code) for each in diagnosis if each.code != "hidden-linear"]
    assert noted == [("note", "channels-first")] * is_found


def test_inputs_that_never_differ_are_a_fault_whatever_they_are():
    for value in (0.0, 0.01, 1.0, 400.0):
        diagnosis = check(*mlp(), x=np.full_like(X, value))
        assert found(diagnosis) == [("fault", "inputs-constant", None)]
        assert f"all 80 samples: {value:g} everywhere" in diagnosis[0].message
    assert found(check(*mlp(), x=X * 0 + X[:1])) == [("fault", "inputs-constant", None)]
    rare = np.zeros_like(X)
    rare[7, 3] = 1.0
    assert found(check(*mlp(), x=rare)) == []


def test_a_normalization_of_one_number_is_a_fault():
    end = gr.Dense(8, "relu"), gr.Dense(1), gr.LayerNormalization()
    expected = [("fault", "norm-of-one", "layer_normalization")]
    assert found(check(*end, y=VALUES, loss="mse")) == expected
    start = gr.LayerNormalization(), gr.Dense(8, "relu"), gr.Dense(1)
    assert found(check(*start, x=X[:, :1], y=VALUES, loss="mse")) == expected
    assert found(check(*start, y=VALUES, loss="mse")) == []
    model = gr.Model(gr.Sequential(list(end)), "mse")
    model.fit(X, VALUES, epochs=40, verbose=False)  # which was a narrow layer
    assert [finding.code for finding in model.diagnose()][:1] == ["norm-of-one"]
    assert "narrow-layer" not in str(model.diagnose())


def test_a_dropout_of_outputs_is_a_fault():
    expected = [("fault", "output-dropout", "dropout")]
    assert found(check(*mlp(), gr.Dropout(0.5))) == expected
    regression = check(gr.Dense(8, "relu"), gr.Dense(1), gr.Dropout(0.1), y=VALUES, loss="mse")
    assert found(regression) == expected
    assert found(check(gr.Dropout(0.1), gr.Dense(8, "relu"), gr.Dropout(0.5), *mlp()[1:])) == []


def test_large_targets_are_noted_where_the_output_is_linear():
    regression = gr.Dense(8, "relu"), gr.Dense(1)
    diagnosis = check(*regression, y=1e6 * VALUES, loss="mse")
    assert found(diagnosis) == [("note", "targets-unscaled", "dense_1")]
    code = re.search(r"target = .*?transform\(y\)", diagnosis[0].remedy)[0]
    names = {"gr": gr, "y": X[:, 0] + 11}
    exec(code, names)  # noqa: S102 - it is what the finding says to write
    assert names["y"].shape == (len(X), 1)
    assert abs(names["y"].mean()) < 1e-4
    assert found(check(*regression, y=VALUES, loss="mse")) == []


def test_a_constant_target_is_a_fault():
    assert found(check(*mlp(), y=np.ones(80, int))) == [("fault", "labels-constant", "dense_1")]
    network = gr.Dense(8, "relu"), gr.Dense(1)
    assert found(check(*network, y=VALUES * 0 + 3, loss="mse")) == [
        ("fault", "labels-constant", "dense_1")
    ]


@pytest.mark.parametrize(("weights", "advised"), [(None, True), ("balanced", False)])
def test_class_weights_are_advised_where_there_are_none(weights, advised):
    targets = TargetRecord(200, 0, 1, 0.5, 0.5, {}, (196, 4))
    output = OutputRecord("output", None, "softmax", "", (2,), "mean_squared_error", None,
                          "labels", {}, targets)  # fmt: skip
    settings = SettingsRecord("Adam", 0.01, 10, 200, class_weight=weights)
    (finding,) = imbalance.find(Record(outputs=(output,), settings=settings))
    assert ("class_weight" in finding.remedy) == advised


def test_uneven_classes_are_noted():
    y = (np.arange(80) >= 76).astype(int)  # 95% and 5%
    diagnosis = check(*mlp(), y=y)
    assert found(diagnosis) == [("note", "imbalance", None)]
    shares = np.array([0.95, 0.05])
    value = np.exp(-(shares * np.log(shares)).sum()) / 2
    evidence = diagnosis.findings[0].evidence["perplexity over classes"]
    assert evidence["value"] == pytest.approx(value)
    assert "95%" in str(diagnosis.findings[0])


def test_validation_that_says_little_is_noted():
    few = check(*mlp(), validation_data=(X[:4], LABELS[:4]))
    assert found(few) == [("note", "validation-too-small", None)]
    other = np.random.default_rng(1).normal(size=X.shape)
    for label in (0, 1):
        one_class = check(*mlp(), validation_data=(other[:30], np.full(30, label)))
        assert found(one_class) == [("note", "validation-too-small", None)]
        assert f"All 30 validation samples are of class {label}." in str(one_class)
    three = gr.Dense(8, "relu"), gr.Dense(3, "softmax")
    lacking = check(*three, y=np.arange(80) % 3, validation_data=(other, 1 + np.arange(80) % 2))
    assert "Validation has no sample of class 0, which training has." in str(lacking)
    assert found(check(*mlp(), validation_data=(other, LABELS))) == []


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (gr.SGD(0.0), [("fault", "rate-invalid", None)]),
        (gr.Adam(10.0), [("note", "rate-invalid", None)]),
        (gr.SGD(0.5), []),
        ("adadelta", []),
        (gr.SGD(gr.schedules.OneCycle(0.1, 50)), []),
    ],
)
def test_rates_that_train_nothing(optimizer, expected):
    assert found(check(*mlp(), optimizer=optimizer)) == expected


def test_what_fit_finds_is_in_its_notes_once():
    model = gr.Model(gr.Sequential(list(mlp())), LOSS, gr.Adam(10.0))
    for _ in range(2):
        model.fit(X, LABELS, epochs=1, verbose=False)
    notes = [note for note in model.history.notes if "learning rate of 10" in note]
    assert len(notes) == 1


def test_strict_refuses_a_fault_and_no_note():
    faulty = gr.Model(gr.Sequential([gr.Dense(2, "tanh")]), LOSS)
    with pytest.raises(FaultError, match=r"ends with tanh.*leave out strict=True") as refused:
        faulty.fit(X, LABELS, epochs=1, verbose=False, strict=True)
    assert refused.value.code == "output-loss"
    assert faulty.history.epochs == 0
    twice = gr.Model(gr.Sequential([gr.Dense(1, "softmax")]), "mse")
    with pytest.raises(FaultError, match=r"reached\..* Also softmax-of-one: The output is the"):
        twice.fit(X, VALUES, epochs=1, verbose=False, strict=True)
    odd = gr.Model(gr.Sequential(list(mlp(activation=None))), LOSS)
    history = odd.fit(X, LABELS, epochs=1, verbose=False, strict=True)
    assert found(history.findings) == [("note", "hidden-linear", "dense")]


def test_a_sweep_does_not_blame_the_rates_that_it_tries():
    model = gr.Model(gr.Sequential(list(mlp())), LOSS, gr.SGD(gr.choice(0.0, 10.0, 0.1)))
    sweep = gr.Sweep(model, search="grid").fit(X, LABELS, epochs=1, verbose=False)
    assert len(sweep.trials) == 3
    assert not any("learning rate" in note for note in sweep.best.history.notes)


def test_what_harms_only_where_nothing_is_learned_is_then_a_fault():
    net = gr.init(gr.Sequential(list(mlp())), 0, X)
    task = make_supervised(LOSS)
    for loss, severity in ((0.2, "note"), (np.log(2), "fault")):
        history = History()
        history.extend({"loss": np.full(200, loss)}, 200)
        record = make_record(net, task, gr.Adam(10.0), X, LABELS)
        record = dataclasses.replace(record, training=make_training_record(history))
        assert record.outputs[0].constant_loss == pytest.approx(np.log(2))
        assert found(symptoms.examine(record)) == [(severity, "rate-invalid", None)]


@pytest.mark.parametrize(
    ("optimizer", "count"),
    [
        (gr.Adam(epsilon=1.0), 1),
        (gr.SGD(0.01, global_clipnorm=1e-6), 1),
        (gr.Adam(epsilon=0.1, clipvalue=1e-4), 2),
        (gr.Adam(epsilon=1e-3, clipnorm=0.01, clipvalue=1.0), 0),
        (gr.SGD(0.01), 0),
    ],
)
def test_settings_that_shorten_all_steps_are_noted(optimizer, count):
    expected = [("note", "optimizer-setting", None)] * count
    assert found(check(*mlp(), optimizer=optimizer)) == expected


# --- what gathers them -------------------------------------------------------------------------


def test_remedies_name_what_exists():
    for path in Path(symptoms.__file__).parent.rglob("*.py"):
        for name in re.findall(r"\bgr(?:\.\w+)+", path.read_text()):
            value = gr
            for part in name.split(".")[1:]:
                value = getattr(value, part)


def test_a_frozen_layer_is_no_part_of_what_may_be_symmetric():
    first, last = mlp(8, "relu", "zeros")
    assert found(check(first, last)) == [("fault", "symmetric-weights", "dense")]
    first, last = mlp(8, "relu", "zeros")
    first.trainable = False
    assert found(check(first, last)) == []


def test_every_module_is_a_symptom_with_a_category_and_a_source():
    codes = [symptom.code for symptom in symptoms.symptoms()]
    modules = [m.name for m in pkgutil.walk_packages(symptoms.__path__) if not m.ispkg]
    assert len(codes) == len(set(codes)) >= 14
    assert len(modules) == 0  # all are in folders
    for symptom in symptoms.symptoms():
        assert symptom.find.__doc__, symptom.code
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", symptom.category), symptom.code


def test_codes_can_be_ignored():
    record_of = gr.Model(gr.Sequential(list(mlp(activation=None))), LOSS)
    diagnosis = record_of.check(X, LABELS)
    assert found(diagnosis) == [("note", "hidden-linear", "dense")]
    assert found(record_of.check(X, LABELS, ignore=["hidden-linear"])) == []
    assert found(record_of.check(X, LABELS, ignore="hidden-linear")) == []
    for odd in (None, 3):
        with pytest.raises(GradusError, match="write codes"):
            record_of.check(X, LABELS, ignore=odd)
    with pytest.raises(GradusError, match="Did you mean 'hidden-linear'"):
        record_of.check(X, LABELS, ignore=["hidden-linea"])


def test_causes_stand_before_what_follows_from_them_and_faults_before_notes():
    note = Finding("n", "", "", "note", code="b")
    effect = Finding("e", "", "", cause="c", code="a")
    cause = Finding("c", "", "", code="c")
    stray = Finding("s", "", "", cause="z", code="y")
    diagnosis = Diagnosis([note, effect, stray, cause])
    assert [finding.code for finding in diagnosis] == ["y", "c", "a", "b"]
    assert (len(diagnosis.faults), len(diagnosis.notes), diagnosis.healthy) == (3, 1, False)
    assert Diagnosis([note]).healthy


def test_a_diagnosis_is_shown_as_text_json_frame_and_html():
    diagnosis = check(*mlp(activation="softmax"), x=100 * X)
    saved = json.loads(diagnosis.to_json())
    assert (saved["version"], saved["healthy"], saved["limits"]) == (1, True, [])
    assert set(saved) == {"version", "healthy", "findings", "limits"}
    assert [finding["code"] for finding in saved["findings"]] == [f.code for f in diagnosis]
    assert diagnosis[0] is next(iter(diagnosis))
    assert set(saved["findings"][0]) == {
        "code", "category", "severity", "kind", "layer", "epoch", "message", "why", "remedy",
        "evidence", "cause", "proof",
    }  # fmt: skip
    frame = diagnosis.frame()
    assert frame["code"].to_list() == [finding.code for finding in diagnosis]
    assert "hidden-softmax" in repr(diagnosis)
    assert "<td>hidden-softmax</td>" in diagnosis._repr_html_()
    empty = Diagnosis()
    assert repr(empty) == "Diagnosis: no problems found."
    assert empty.frame().height == 0
    assert "No problems" in empty._repr_html_()


def test_a_softmax_of_each_step_is_of_the_output():
    x = np.random.default_rng(0).normal(size=(20, 5, 4)).astype(np.float32)
    y = np.random.default_rng(1).integers(0, 3, (20, 5))
    last = gr.TimeDistributed(gr.Sequential([gr.Dense(3), gr.Softmax()]))
    for net in (last, gr.Sequential([gr.Dense(4, "relu"), last])):
        found = gr.Model(net, "sparse_categorical_crossentropy").check(x, y)
        assert "hidden-softmax" not in [finding.code for finding in found]
    hidden = gr.Sequential([gr.TimeDistributed(gr.Dense(4, "softmax")), gr.Dense(3, "softmax")])
    found = gr.Model(hidden, "sparse_categorical_crossentropy").check(x, y)
    assert "hidden-softmax" in [finding.code for finding in found]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_whole_numbers_that_no_embedding_reads_are_numbers(dtype):
    counts = RNG.integers(0, 250, X.shape).astype(dtype)
    wanted = [("note", "inputs-unscaled", "dense")]
    assert found(check(*mlp(), x=counts)) == wanted
    assert found(check(*mlp(), x=counts.astype(np.float32))) == wanted
    codes = gr.Embedding(250, 2), gr.Flatten(), *mlp()
    assert found(check(*codes, x=counts.astype(np.int32))) == []


class WordsAndAge(gr.Layer):
    """Reads the codes of words, and an age in whole numbers, whose name comes before theirs."""

    def __init__(self):
        self.embed, self.dense = gr.Embedding(250, 2), gr.Dense(2, "softmax")

    def call(self, x):
        words = self.embed(x["words"]).mean(axis=1)
        return self.dense(jnp.concatenate([words, x["age"].astype(words.dtype)], axis=1))


def test_codes_are_what_an_embedding_reads_also_beside_other_inputs():
    words = RNG.integers(0, 250, (80, 4)).astype(np.int32)
    x = {"words": words, "age": RNG.integers(0, 900, (80, 1)).astype(np.int32)}
    net = gr.init(WordsAndAge(), 0, x)
    inputs = make_record(net, make_supervised(LOSS), gr.Adam(), x, LABELS).inputs
    assert {each.name: each.is_codes for each in inputs} == {"x['age']": False, "x['words']": True}
    assert inputs[0].maximum == x["age"].max()
    with pytest.raises(DataError, match=r"x\['words'\] has the code \d+ in row 0"):
        gr.Model(WordsAndAge(), LOSS).check(x | {"words": words + 250}, LABELS)
