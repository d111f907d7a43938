"""`gradus diagnose` on runs and on logs of other tools: output, exit status, flags, and errors."""

import json
import sys

import numpy as np
import pytest

import gradus as gr
from gradus.diagnosis.examination import FOUND_THEN
from gradus.diagnosis.logs import LIMITS
from gradus.diagnosis.symptoms import symptoms
from gradus.experiments import runs, train_run
from gradus.experiments.loading import open_run
from gradus.experiments.settings.commands import with_flag_names

SOUND = [0.2 + 2 * 0.7**epoch for epoch in range(20)]
FLAT = [1.0] * 8
OVERFITS = [*(1 - 0.1 * epoch for epoch in range(6)), *(0.5 + 0.1 * epoch for epoch in range(8))]


@pytest.fixture
def log(work):
    """Write a Keras history of curves; return its name."""

    def write(name="history.json", **curves):
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(curves))
        return name

    return write


@pytest.fixture
def run(gradus, flowers):
    """The folder of a run whose rate is so high that it diverges or learns nothing."""
    flags = ("--epochs", "12", "--layers", "4", "--learning-rate", "500", "--optimizer", "adam")
    status, _, err = gradus(
        "train", flowers, "--target", "kind", *flags, "--out", "mine", "--quiet"
    )
    assert status == 0, err
    return "mine"


# --- runs --------------------------------------------------------------------------------------


def test_a_run_is_diagnosed_with_its_network(gradus, gradus_json, run):
    found = gradus_json("diagnose", run)
    assert list(found) == ["run", "version", "healthy", "findings", "limits"]
    assert (found["run"], found["healthy"]) == ("mine", False)
    code = found["findings"][0]["code"]
    status, out, _ = gradus("diagnose", run)
    assert (status, out.startswith(f"fault  {code}\n")) == (0, True)
    assert found["findings"][0]["remedy"] in out
    assert LIMITS not in out
    assert out.endswith("To try remedies: gradus repair mine\n")
    assert gradus("diagnose", run, "--fail-on", "fault")[0] == 1
    ignored = [word for each in symptoms() for word in ("--ignore", each.code)]
    assert gradus("diagnose", run, "--fail-on", "note", *ignored)[0] == 0
    # A log among its files does not hide the run.
    (runs.find_run(run) / "metrics.csv").write_text("epoch,loss\n0,1\n1,0.5\n")
    assert gradus_json("diagnose", run) == found


def test_a_run_must_be_there_and_finished(gradus, work):
    status, _, err = gradus("diagnose", "mine")
    assert (status, "There is no run 'mine'" in err) == (1, True)
    (work / "mine").mkdir()
    (work / "mine" / "experiment.toml").write_text("")
    (work / "mine" / "metrics.csv").write_text("epoch,loss\n0,1\n1,0.5\n")
    status, _, err = gradus("diagnose", "mine")
    assert (status, err.count("\n"), "before its first checkpoint" in err) == (1, 1, True)
    assert err.endswith("To resume it: gradus train --resume mine\n")
    (work / "mine" / "experiment.toml").rename(work / "mine" / "sweep.toml")
    status, _, err = gradus("diagnose", "mine")
    assert (status, "The sweep of 'mine' has not finished. To resume it: " in err) == (1, True)


def stop(*_, **__):
    raise KeyboardInterrupt


def test_a_run_that_was_killed_is_diagnosed_from_its_checkpoint(
    gradus, gradus_json, flowers, monkeypatch, work
):
    words = ("--target", "kind", "--epochs", 12, "--layers", "none", "--learning-rate", 50)
    with monkeypatch.context() as patch:
        patch.setattr(train_run, "write_run", stop)
        assert gradus("train", flowers, *words, "--out", "mine", "--quiet")[0] == 130
    assert not (work / "mine" / "run.json").exists()
    found = gradus_json("diagnose", "mine")
    assert "rate-invalid" in [each["code"] for each in found["findings"]]
    assert found["limits"] == [
        "Training was interrupted, so this covers only 12 epochs. Resume it for the rest.",
        "To resume it: gradus train --resume mine",
    ]
    checkpoint = gradus_json("diagnose", "mine/checkpoint")
    assert checkpoint["findings"] == found["findings"]
    assert checkpoint["limits"] == found["limits"][:1]
    manifest = work / "mine" / "checkpoint" / "checkpoint.json"
    manifest.write_text(manifest.read_text().replace("probes", "prober", 1))
    status, _, err = gradus("diagnose", "mine")
    assert (status, err.count("\n"), "was altered since it was saved" in err) == (1, 1, True)


def test_a_saved_model_is_diagnosed(gradus_json, work):
    model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse", gr.SGD(0.0))
    model.fit(np.eye(8), np.arange(8.0)[:, None], epochs=1, verbose=False)
    model.save(work / "mine")
    found = gradus_json("diagnose", "mine")
    plain = json.loads(model.diagnose().to_json())
    plain["limits"] = [with_flag_names(limit) for limit in plain["limits"]]
    assert found == {"run": "mine", **plain}
    assert [each["code"] for each in found["findings"]] == ["rate-invalid"]
    model.record = None  # as an earlier version saved it
    model.save(work / "mine")
    assert gradus_json("diagnose", "mine") == {**found, "limits": [FOUND_THEN]}


def test_a_run_with_a_damaged_record_is_one_sentence(gradus, run):
    opened = open_run(run)
    path = opened.folder / ("scored" if opened.is_refitted else "") / "record.json"
    path.write_text(path.read_text().replace("samples", "simples"))
    status, out, err = gradus("diagnose", run)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "record.json" in err
    assert "was altered since it was saved" in err


# --- logs --------------------------------------------------------------------------------------


def test_a_sound_log_says_what_it_cannot_tell(gradus, log):
    status, out, err = gradus("diagnose", log(loss=SOUND), "--fail-on", "note")
    expected = f"No problems were found with this training.\n{LIMITS}\n"
    assert (status, out, err) == (0, expected, "")


def test_a_fault_of_a_log_has_evidence_and_a_remedy(gradus, log):
    status, out, err = gradus("diagnose", log(loss=FLAT))
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "fault  not-learning",
        "       The loss began at 1 and ended at 1.",
        "       Nothing was learned that lowers it. The curve alone cannot show why.",
        "       Check that the rows of x and y match, fit just 16 samples first, and try ten times "
        "and a tenth of the learning rate.",
        "       last loss: 1.0000 (limit 1.0000)",
        LIMITS,
    ]


def test_a_log_as_json(gradus, gradus_json, log):
    name = log(loss=[1.0, float("nan")])
    found = gradus_json("diagnose", name)
    assert list(found) == ["log", "version", "healthy", "findings", "limits"]
    assert (found["log"], found["limits"], found["healthy"]) == (name, [LIMITS], False)
    assert [each["code"] for each in found["findings"]] == ["diverged"]
    status, out, err = gradus("diagnose", name, "--json", "--fail-on", "fault")
    assert (status, json.loads(out)) == (1, found)
    assert LIMITS in err


@pytest.mark.parametrize(
    ("curves", "level", "status"),
    [
        ({"loss": FLAT}, "fault", 1),
        ({"loss": FLAT}, "note", 1),
        ({"loss": SOUND, "val_loss": [*OVERFITS, *OVERFITS[-1:] * 6]}, "fault", 0),
        ({"loss": SOUND, "val_loss": [*OVERFITS, *OVERFITS[-1:] * 6]}, "note", 1),
        ({"loss": SOUND}, "note", 0),
    ],
)
def test_the_exit_status_is_for_scripts(gradus, log, curves, level, status):
    assert gradus("diagnose", log(**curves), "--fail-on", level)[0] == status


def test_codes_are_left_out(gradus, log):
    name = log(loss=FLAT)
    status, out, _ = gradus("diagnose", name, "--fail-on", "note", "--ignore", "not-learning")
    assert (status, "No problems were found" in out) == (0, True)
    status, _, err = gradus("diagnose", name, "--ignore", "not-learned")
    assert (status, "Did you mean 'not-learning'" in err) == (1, True)


STATE = {"log_history": [{"epoch": epoch, "step": epoch, "loss": 1.0} for epoch in (1, 2)]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("trainer_state.json", json.dumps(STATE)),
        ("metrics.csv", "epoch,step,train_loss\n0,9,1\n1,19,1\n"),
    ],
)
def test_a_folder_with_a_log_is_read(gradus_json, work, name, content):
    folder = work / "lightning_logs" / "version_0"
    folder.mkdir(parents=True)
    (folder / name).write_text(content)
    found = gradus_json("diagnose", "lightning_logs/version_0")
    assert found["log"] == f"lightning_logs/version_0/{name}"
    assert [each["code"] for each in found["findings"]] == ["not-learning"]


def test_a_folder_of_events_needs_tensorboard(gradus, work, monkeypatch):
    reader = "tensorboard.backend.event_processing.event_accumulator"
    monkeypatch.setitem(sys.modules, reader, None)
    (work / "logs" / "train").mkdir(parents=True)
    (work / "logs" / "train" / "events.out.tfevents.1.host").write_bytes(b"brain.Event:2")
    status, _, err = gradus("diagnose", "logs")
    assert (status, err.count("\n"), "pip install tensorboard" in err) == (1, 1, True)


# --- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "'history.json' is empty"),
        ('{"loss": [1', "is damaged or was cut short"),
        ('{"losss": [1, 2]}', "If it is 'losss', rename that to 'loss'. Its columns: losss."),
        ("[1, 2]", "is no log of a training"),
        ('{"loss": [1]}', "a single epoch"),
    ],
)
def test_what_is_no_log_is_one_sentence(gradus, log, work, content, message):
    name = log()
    (work / name).write_text(content)
    status, out, err = gradus("diagnose", name)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert message in err
    status, out, _ = gradus("diagnose", name, "--json")
    assert (status, message in json.loads(out)["error"]) == (1, True)


def test_a_file_of_a_run_is_no_log(gradus, run):
    for name in ("record.json", "experiment.toml"):
        status, _, err = gradus("diagnose", f"{run}/{name}")
        assert (status, "of a saved model: name its folder, 'mine'" in err) == (1, True), err


@pytest.mark.parametrize("command", [("diagnose", "--counterfactuals"), ("repair",)])
def test_nothing_is_trained_again_from_a_log(gradus, log, command):
    status, _, err = gradus(command[0], log("history.json", loss=SOUND), *command[1:])
    assert status == 1
    assert "has curves alone, so nothing can be trained again: gradus diagnose history.json" in err


def test_a_file_that_is_missing_is_named(gradus, log):
    log("history.json", loss=SOUND)
    status, _, err = gradus("diagnose", "histroy.json")
    assert (status, err) == (
        1,
        "gradus: There is no file 'histroy.json'. Did you mean 'history.json'?\n",
    )
    status, _, err = gradus("diagnose", "metrics.csv")
    assert (status, "There is no file 'metrics.csv'." in err) == (1, True)
