"""Logs of other tools, written here as those write them, and what their curves alone can tell."""

import dataclasses
import json
import math
import sys
import types

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradus.diagnosis.logs import diagnose_log, read_log
from gradus.diagnosis.record import Record
from gradus.diagnosis.symptoms import examine, symptoms
from gradus.diagnosis.training import TrainingRecord
from gradus.errors import DataError, GradusError

FALLS = [*(0.2 + 2 * 0.7**epoch for epoch in range(20))]
NAN = float("nan")


def keras_history(path, **curves):
    """As `json.dump(history.history, file)` does."""
    path.write_text(json.dumps(curves))
    return path


def keras_csv(path, **curves):
    """As Keras's CSVLogger: sorted names, epochs from 0, and NA where there was no validation."""
    names = sorted(curves)
    rows = [
        [epoch, *("NA" if value is None else value for value in values)]
        for epoch, values in enumerate(zip(*(curves[name] for name in names), strict=True))
    ]
    lines = [["epoch", *names], *rows]
    path.write_text("\n".join(",".join(map(str, line)) for line in lines) + "\n")
    return path


def lightning(path, losses, validation=(), parts=1):
    """As Lightning's CSVLogger: a row for each call of the logger, with what that logged."""
    lines, step = ["epoch,step,train_loss,val_acc,val_loss"], -1
    for epoch, loss in enumerate(losses):
        for _ in range(parts):
            step += 50
            lines.append(f"{epoch},{step},{loss},,")
        if len(validation):
            lines.append(f"{epoch},{step},,0.5,{validation[epoch]}")
    path.write_text("\n".join(lines) + "\n")
    return path


def trainer_state(path, losses, validation=(), parts=2, **more):
    """As Hugging Face's Trainer: losses within epochs, evaluations, and a summary at the end."""
    history, step = [], 0
    for epoch, loss in enumerate(losses):
        for part in range(parts):
            step += 10
            history.append(
                {"epoch": round(epoch + (part + 1) / parts, 2), "grad_norm": 1.5, "loss": loss}
                | {"learning_rate": 5e-5, "step": step}
                | {name: values[epoch] for name, values in more.items()}
            )
        if len(validation):
            entry = {"epoch": epoch + 1.0, "eval_accuracy": 0.8, "eval_loss": validation[epoch]}
            history.append({**entry, "eval_runtime": 1.2, "step": step})
    end = {"epoch": float(len(losses)), "step": step, "total_flos": 1e9, "train_loss": 0.5}
    history.append(end)
    path.write_text(json.dumps({"best_metric": None, "epoch": 3.0, "log_history": history}))
    return path


def codes(diagnosis):
    return [(finding.severity, finding.code) for finding in diagnosis]


WRITERS = {
    "history.json": lambda path, loss, held: keras_history(path, loss=loss, val_loss=held),
    "log.csv": lambda path, loss, held: keras_csv(path, loss=loss, val_loss=held, accuracy=loss),
    "metrics.csv": lightning,
    "trainer_state.json": trainer_state,
}


@pytest.fixture(params=WRITERS)
def write(request, tmp_path):
    """Write curves of the loss and of the validation loss to a log of each format."""
    return lambda loss, held: WRITERS[request.param](tmp_path / request.param, loss, held)


# --- formats -----------------------------------------------------------------------------------


def test_curves_are_read_from_every_format(write):
    read = read_log(write(FALLS, [2 * loss for loss in FALLS]))
    np.testing.assert_allclose(read.loss, FALLS)
    np.testing.assert_allclose(read.validation_loss, 2 * np.array(FALLS))
    assert (read.epochs, read.stopped, read.layers, read.weights) == (20, "", {}, {})


def test_a_format_is_known_by_its_content(tmp_path):
    for name, writer in WRITERS.items():
        path = writer(tmp_path / name, FALLS, FALLS)
        renamed = path.rename(tmp_path / "what.txt")
        assert read_log(renamed).epochs == 20


def test_a_keras_log_has_metrics_and_gaps(tmp_path):
    held = [None, 0.6, None, 0.4]
    path = keras_csv(tmp_path / "log.csv", loss=[1, 0.8, 0.6, 0.5], val_loss=held, lr=[0.1] * 4)
    read = read_log(path)
    assert read.validation_loss.tolist() == [0.6, 0.6, 0.6, 0.4]
    assert read.metrics["lr"].tolist() == [0.1] * 4
    path = keras_history(tmp_path / "h.json", loss=[1, 0.8, 0.6, 0.5], val_loss=[0.6, 0.4])
    assert read_log(path).validation_loss.tolist() == [0.6, 0.6, 0.6, 0.4]  # validation_freq=2


@pytest.mark.slow
def test_what_keras_itself_writes(tmp_path):
    import keras

    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    path = tmp_path / "log.csv"
    logger = keras.callbacks.CSVLogger(str(path))
    data = {"x": x, "y": x[:, :1], "validation_split": 0.5, "validation_freq": 2}
    history = model.fit(**data, epochs=6, verbose=0, callbacks=[logger]).history
    read = read_log(path)
    np.testing.assert_allclose(read.loss, history["loss"])
    np.testing.assert_allclose(read.metrics["mae"], history["mae"])
    plain = {name: [float(value) for value in values] for name, values in history.items()}
    again = read_log(keras_history(tmp_path / "history.json", **plain))
    for made in (read, again):
        np.testing.assert_allclose(made.validation_loss[1::2], history["val_loss"])


def test_a_history_may_come_from_pandas_or_with_its_object(tmp_path):
    path = tmp_path / "history.json"
    path.write_text(json.dumps({"history": {"loss": FALLS}, "epoch": list(range(20))}))
    assert read_log(path).epochs == 20
    path.write_text(json.dumps({"loss": {str(i): loss for i, loss in enumerate(FALLS)}}))
    assert read_log(path).loss.tolist() == FALLS
    path.write_text(json.dumps([{"epoch": i, "loss": loss} for i, loss in enumerate(FALLS)]))
    assert read_log(path).loss.tolist() == FALLS
    path = tmp_path / "history.csv"  # frame.to_csv leaves NaN out
    path.write_text(",loss,val_loss\n0,1.0,1.0\n1,0.5,0.7\n2,,\n")
    assert codes(diagnose_log(path)) == [("fault", "diverged")]


def test_rows_of_an_epoch_are_averaged(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(
        "epoch,step,train_loss,val_loss,test_loss\n"
        "0,49,1.2,,\n0,99,1.0,,\n0,99,,1.1,\n1,149,0.8,,\n1,199,0.6,,\n1,199,,0.9,\n2,200,,,0.8\n"
    )
    read = read_log(path)
    np.testing.assert_allclose(read.loss, [1.1, 0.7])
    np.testing.assert_allclose(read.validation_loss, [1.1, 0.9])
    assert read.segments.tolist() == [1.2, 1.0, 0.8, 0.6]


def test_steps_and_epochs_of_one_loss_are_told_apart(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(
        "epoch,step,train_loss_epoch,train_loss_step\n"
        "0,0,,3.0\n0,1,,1.0\n0,1,1.5,\n1,2,,0.9\n1,3,,0.7\n1,3,0.8,\n"
    )
    read = read_log(path)
    assert read.loss.tolist() == [1.5, 0.8]
    assert read.segments.tolist() == [3.0, 1.0, 0.9, 0.7]


def test_one_epoch_of_many_steps_is_a_curve(tmp_path):
    path = trainer_state(tmp_path / "trainer_state.json", [1.0], parts=1)
    state = json.loads(path.read_text())
    losses = [0.5 + 1.5 * 0.9**step for step in range(40)]
    state["log_history"] = [
        {"epoch": step / 40, "step": step, "loss": loss} for step, loss in enumerate(losses)
    ]
    path.write_text(json.dumps(state))
    read = read_log(path)
    assert (read.epochs, read.curve.tolist()) == (1, losses)
    assert codes(diagnose_log(path)) == []


def test_only_the_last_of_appended_trainings_counts(tmp_path):
    first = keras_csv(tmp_path / "a.csv", loss=[9.0, 8.0, 7.0]).read_text()
    path = keras_csv(tmp_path / "b.csv", loss=[1.0, 0.5])
    path.write_text(first + path.read_text().partition("\n")[2])
    assert read_log(path).loss.tolist() == [1.0, 0.5]


def test_a_log_whose_last_epoch_comes_first_is_read_from_its_end(tmp_path):
    path = keras_csv(tmp_path / "log.csv", loss=[0.25, 0.5, 1.0])
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *(f"{2 - i}{row[1:]}" for i, row in enumerate(rows))]))
    assert read_log(path).loss.tolist() == [1.0, 0.5, 0.25]


def test_epochs_in_no_order_are_told(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n1,1\n3,0.5\n2,0.7\n")
    with pytest.raises(DataError, match=r"single loss from row 3 on.* sort its rows by epoch"):
        read_log(path)


# --- TensorBoard, whose package is replaced ------------------------------------------------------


class Accumulator:
    """The part of TensorBoard's EventAccumulator that is used; a file holds its scalars."""

    def __init__(self, path, size_guidance):
        self.path = path

    def Reload(self):  # noqa: N802
        from pathlib import Path

        path = Path(self.path)
        files = [path] if path.is_file() else sorted(path.glob("events.*"))
        text = "".join(file.read_text().partition("brain.Event:2")[2] for file in files)
        self.scalars = json.loads(text)
        return self

    def Tags(self):  # noqa: N802
        tensors = [tag for tag in self.scalars if tag.startswith("epoch_")]
        return {"scalars": [tag for tag in self.scalars if tag not in tensors], "tensors": tensors}

    def Scalars(self, tag):  # noqa: N802
        event = types.SimpleNamespace
        return [event(step=step, value=value) for step, value in self.scalars[tag]]

    def Tensors(self, tag):  # noqa: N802
        event = types.SimpleNamespace
        return [event(step=step, tensor_proto=value) for step, value in self.scalars[tag]]


@pytest.fixture
def tensorboard(monkeypatch):
    package = "tensorboard.backend.event_processing.event_accumulator"
    tensors = types.SimpleNamespace(make_ndarray=np.float32)
    monkeypatch.setitem(sys.modules, package, types.SimpleNamespace(EventAccumulator=Accumulator))
    monkeypatch.setitem(sys.modules, "tensorboard.util.tensor_util", tensors)
    for name in ("tensorboard", "tensorboard.backend", "tensorboard.backend.event_processing"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "tensorboard.util", types.ModuleType("tensorboard.util"))


def events(folder, **scalars):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "events.out.tfevents.1700000000.host.1.0"
    path.write_text("brain.Event:2" + json.dumps(scalars))
    return path


@pytest.mark.usefixtures("tensorboard")
def test_tensorboard_events_of_keras_are_epochs_in_two_folders(tmp_path):
    events(tmp_path / "train", epoch_loss=list(enumerate(FALLS)))
    events(tmp_path / "validation", epoch_loss=list(enumerate([*FALLS[:-1], 0.5])))
    read = read_log(tmp_path)
    np.testing.assert_allclose(read.loss, FALLS, rtol=1e-6)
    assert read.validation_loss[-1] == 0.5


@pytest.mark.usefixtures("tensorboard")
def test_tensorboard_events_of_others_are_steps(tmp_path):
    steps = [(10 * step, loss) for step, loss in enumerate(FALLS)]
    path = events(tmp_path, **{"train/loss": steps})
    assert read_log(tmp_path).curve.tolist() == FALLS == read_log(path).curve.tolist()
    epochs = [(10 * step, step // 2) for step in range(20)]
    events(tmp_path, train_loss=steps, epoch=epochs)
    assert read_log(tmp_path).epochs == 10


def test_tensorboard_is_asked_for(tmp_path, monkeypatch):
    reader = "tensorboard.backend.event_processing.event_accumulator"
    monkeypatch.setitem(sys.modules, reader, None)
    path = events(tmp_path, loss=[(0, 1.0)])
    with pytest.raises(GradusError, match="pip install tensorboard, or give a log as CSV or JSON"):
        read_log(path)


# --- what curves tell --------------------------------------------------------------------------


def test_nothing_is_wrong_with_a_sound_curve(write):
    assert codes(diagnose_log(write(FALLS, [1.05 * loss for loss in FALLS]))) == []


@pytest.mark.parametrize("bad", [NAN, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_diverged(write, bad):
    losses = [1.0, 0.9, 0.8, *[bad] * 3]
    (finding,) = diagnose_log(write(losses, losses))
    assert (finding.severity, finding.code, finding.epoch) == ("fault", "diverged", 4)
    assert finding.message == "The loss is not finite from epoch 4 of 6 onward."
    assert "kept" not in finding.why


def test_a_loss_that_diverged_at_once(tmp_path):
    path = keras_history(tmp_path / "h.json", loss=[NAN])
    assert codes(diagnose_log(path)) == [("fault", "diverged")]


def test_hugging_face_tells_a_divergence_by_the_gradient(tmp_path):
    path = tmp_path / "trainer_state.json"
    norms = [1.0, 2.0, *[NAN] * 4]
    trainer_state(path, [1.0, 0.8, 0, 0, 0, 0], grad_norm=norms)
    (finding,) = diagnose_log(path)
    assert (finding.code, finding.epoch) == ("diverged", 3)
    assert finding.message.startswith("The gradient is not finite from epoch 3")
    skipped = [1.0, 2.0, NAN, 1.0, 1.0, NAN]  # as mixed precision skips steps
    trainer_state(path, FALLS[:6], grad_norm=skipped)
    assert "diverged" not in [code for _, code in codes(diagnose_log(path))]


def test_a_loss_that_is_finite_again_is_a_note(tmp_path):
    losses = [*FALLS[:5], NAN, *FALLS[6:]]
    (finding,) = diagnose_log(keras_history(tmp_path / "h.json", loss=losses))
    assert (finding.severity, finding.code, finding.epoch) == ("note", "diverged", 6)


def test_a_validation_loss_that_rises_is_overfitting(write):
    held = [*np.linspace(0.9, 0.5, 8).tolist(), *np.linspace(0.5, 0.9, 12).tolist()]
    (finding,) = diagnose_log(write(FALLS, held))
    assert (finding.severity, finding.code, finding.epoch) == ("note", "overfitting", 8)
    assert "patience" not in finding.remedy


@pytest.mark.parametrize(
    "losses", [[0.7] * 8, [0.69, 0.68, 0.7, 0.69, 0.71], [1.0, 0.5, 0.6, 0.9, 1.1]]
)
def test_a_loss_that_does_not_fall_is_a_fault(write, losses):
    assert codes(diagnose_log(write(losses, losses))) == [("fault", "not-learning")]


def test_a_loss_that_hardly_falls_or_has_few_epochs_is_a_note(tmp_path):
    for losses in (np.linspace(0.7, 0.699, 9).tolist(), [0.7, 0.7, 0.7]):
        path = keras_history(tmp_path / "h.json", loss=losses)
        assert codes(diagnose_log(path)) == [("note", "not-learning")]


def test_noise_of_batches_is_no_fault(tmp_path):
    rng = np.random.default_rng(0)
    losses = np.linspace(2, 1.4, 40) + rng.normal(0, 0.3, 40)
    losses[:3], losses[-3:] = 1.3, 1.6  # the mean falls all the same
    path = tmp_path / "metrics.csv"
    lines = [f"{step // 20},{step},{loss}" for step, loss in enumerate(losses)]
    path.write_text("\n".join(["epoch,step,train_loss", *lines]))
    assert diagnose_log(path).healthy


@pytest.mark.parametrize("losses", [[1, 9, 8, 8.5, 9], [0.5, 1, 2, 4, 8, 16]])
def test_a_loss_that_jumps_and_stays_is_a_rate_that_is_too_high(write, losses):
    found = diagnose_log(write(losses, losses))
    assert codes(found) == [("fault", "rate-high")]
    assert codes(diagnose_log(write([1, 9, 0.8, 0.7, 0.6], [1] * 5))) == []


def test_the_rate_is_named_where_the_log_has_it(tmp_path):
    found = diagnose_log(trainer_state(tmp_path / "trainer_state.json", [1, 9, 8, 9]))
    assert "a tenth of the learning rate, 5e-06," in found.findings[0].remedy


def test_a_loss_that_rises_from_its_minimum_is_a_note(tmp_path):
    losses = [1.0, 0.5, 0.1, 0.1, 0.7, 0.8, 0.8]
    path = keras_history(tmp_path / "h.json", loss=losses)
    assert codes(diagnose_log(path)) == [("note", "rate-high")]


def test_a_loss_that_still_falls_is_a_note(write, tmp_path):
    falls = np.linspace(2.0, 0.9, 16).tolist()
    assert codes(diagnose_log(write(falls, falls))) == [("note", "too-few-epochs")]
    short = keras_history(tmp_path / "short.json", loss=[2.3, 2.0, 1.7, 1.4, 1.1])
    (finding,) = diagnose_log(short)
    assert "by 21% at its last value" in finding.message
    risen = [0.5, *np.linspace(0.55, 0.6, 15).tolist()]  # more epochs would not help
    assert codes(diagnose_log(write(falls, risen))) == []


def test_negative_losses_are_judged_by_their_ends(tmp_path):
    path = keras_history(tmp_path / "h.json", loss=np.linspace(-1, -50, 12).tolist())
    assert codes(diagnose_log(path)) == []
    path = keras_history(tmp_path / "h.json", loss=np.linspace(-1, 50, 12).tolist())
    assert codes(diagnose_log(path)) == [("fault", "not-learning")]


curves = st.builds(
    lambda start, share, rate, epochs: [
        start * (share + (1 - share) * math.exp(-rate * epoch)) for epoch in range(epochs)
    ],
    st.floats(1e-6, 1e6),
    st.floats(0, 0.9),
    st.floats(0.01, 3),
    st.integers(2, 150),
)


@given(curves, st.floats(0, 0.3), st.integers(0, 10**6), st.sampled_from(list(WRITERS)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_curves_that_fall_have_no_fault(tmp_path, falls, noise, seed, name):
    drawn = np.random.default_rng(seed).uniform(0, noise, len(falls))
    # Noise lifts no later loss above the first one.
    losses = [falls[0], *np.minimum(falls[1:] * (1 + drawn[1:]), 0.999 * falls[0]).tolist()]
    held = (1.2 * np.array(losses)).tolist()
    for curve in (
        falls,
        losses if len(losses) < 12 or max(losses[-3:]) < min(losses[:3]) else falls,
    ):
        assert diagnose_log(WRITERS[name](tmp_path / name, curve, held)).healthy


@given(st.lists(st.floats(allow_nan=True), min_size=1, max_size=40), st.booleans())
def test_no_symptom_fails_on_curves_alone(losses, diverged):
    array = np.clip(np.array(losses), -1e38, 1e38)
    empty = TrainingRecord(
        len(array), "diverged" * diverged, array, array[::-1], {"accuracy": array}, np.zeros(0),
        np.zeros(0, int), {}, {},
    )  # fmt: skip
    for training in (empty, dataclasses.replace(empty, validation_loss=None, segments=array)):
        for symptom in symptoms():
            list(symptom.find(Record(training=training)))
        examine(Record(training=training))


# --- what is no log ----------------------------------------------------------------------------

WRONG = {
    "empty.csv": ("", "is empty: give a Keras history"),
    "blank.json": (" \n", "is empty"),
    "cut.json": ('{"loss": [1.0, 0.5', "is damaged or was cut short: "),
    "deep.json": ("[" * 100_000, "nested too deeply"),
    "list.json": ("[1, 2]", "is no log of a training, as it has no lists of numbers by name"),
    "object.json": ('{"loss": 1}', "is no log of a training"),
    "summary.json": ('{"best": {"eval_f1": 8}, "loss": 0.2}', "is no log of a training"),
    "none.json": ("{}", r"is empty: write json.dump\(history.history, file\)"),
    "no-epochs.json": ('{"loss": [], "val_loss": []}', "has no epochs"),
    "no-history.json": ('{"log_history": []}', "empty log_history: train with logging_steps"),
    "one.json": ('{"loss": [1.0], "val_loss": [1.0]}', "a single epoch: train for more"),
    "one.csv": ("epoch,loss\n0,1.0\n", "a single epoch"),
    "word.csv": ("epoch,loss\n0,1\n1,high\n", "the column 'loss' must have numbers, not 'high'"),
    "words.json": ('{"loss": ["high", "low"]}', "the column 'loss' must have numbers, not 'high'"),
    "nulls.csv": ("epoch,step,loss,val_loss\n0,1,,1\n1,2,,2\n", "numbers; it has none"),
    "header.csv": ("epoch,loss\n", "has a header but no rows"),
    "ragged.csv": ("epoch,loss\n0,1.0\n1\n", "ragged.csv"),
    "binary.csv": ("\0\1\2", "no log of a training, as it is not text"),
    "typo.csv": ("epoch,trainloss,val_loss\n0,1,1\n1,1,1\n", "If it is 'trainloss', rename that"),
    "held.csv": (
        "epoch,val_loss\n0,1\n1,1\n",
        r"column 'loss' or 'train_loss'. Its columns: epoch",
    ),
    "test.csv": (
        "epoch,test_loss,step\n0,1,0\n",
        r"column 'loss' or 'train_loss'. Its columns: epoch, test_loss, step",
    ),
    "table.csv": ("age,name\n1,a\n2,b\n", "has no training loss.* Its columns: age, name"),
    "eval.json": (
        '{"log_history": [{"epoch": 1.0, "eval_loss": 1.0, "step": 1}]}',
        "has no training loss",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_log_is_an_error_of_one_line(tmp_path, name):
    content, message = WRONG[name]
    (tmp_path / name).write_text(content)
    with pytest.raises(GradusError, match=message) as caught:
        diagnose_log(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_altered_log_is_read_or_an_error(tmp_path, data):
    name = data.draw(st.sampled_from(list(WRITERS)))
    path = WRITERS[name](tmp_path / name, FALLS[:4], FALLS[:4])
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = start + data.draw(st.integers(0, 8))
        content[start:end] = data.draw(
            st.sampled_from(
                [b"", b"NaN", b"1e999", b"null", b"-", b"[]", b'"', b",", b"\n", b"\xff"]
            )
        )
    path.write_bytes(content)
    message = ""
    try:
        diagnose_log(path)
    except GradusError as error:
        message = str(error)
    assert "\n" not in message


def test_a_log_must_be_there(tmp_path):
    for path in (tmp_path, tmp_path / "metrics.csv"):
        with pytest.raises(GradusError, match="There is no log in"):
            read_log(path)


def test_codes_are_checked_and_left_out(tmp_path):
    path = keras_history(tmp_path / "h.json", loss=[1.0] * 6)
    assert codes(diagnose_log(path, ["not-learning"])) == []
    with pytest.raises(GradusError, match="Did you mean 'not-learning'"):
        diagnose_log(path, "notlearning")
