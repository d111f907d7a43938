"""Runs of Weights & Biases off line, read back from their folder."""

import json
import time

import pytest

import gradus as gr

wandb = pytest.importorskip("wandb", reason="needs wandb, of the extra wandb")
pytestmark = pytest.mark.slow
BLOCK, HEADER = 32768, 7  # bytes of a block of the log, of what stands before a record


@pytest.fixture(autouse=True)
def nobody(tmp_path, monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path))


def records(path):
    """Yield the records of a log in LevelDB's format, whose first bytes name wandb."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, at, parts = path.read_bytes(), HEADER, b""
    while at + HEADER <= len(content):
        if BLOCK - at % BLOCK < HEADER:
            at += BLOCK - at % BLOCK
            continue
        length = int.from_bytes(content[at + 4 : at + 6], "little")
        parts += content[at + HEADER : at + HEADER + length]
        if content[at + 6] in (1, 4):  # whole, or the last part
            yield Record.FromString(parts)
            parts = b""
        at += HEADER + length


def finished(path):
    """The records of a run that has ended: wandb's process may write the last ones after that."""
    for _ in range(200):
        found = list(records(path))
        if any(record.WhichOneof("record_type") == "exit" for record in found):
            return found
        time.sleep(0.05)
    raise AssertionError(f"{path} has no end")


def values(items):
    """A dict of the values of items, which are JSON."""
    return {item.key or item.nested_key[0]: json.loads(item.value_json) for item in items}


def read(folder):
    """The runs of a folder: name, group, settings, epochs, and summary of each."""
    runs = {}
    for path in sorted(folder.glob("wandb/offline-run-*/run-*.wandb")):
        run = {"epochs": [], "summary": {}}
        for record in finished(path):
            kind = record.WhichOneof("record_type")
            if kind == "run" and "name" not in run:
                run |= {"name": record.run.display_name, "group": record.run.run_group}
                run["settings"] = values(record.run.config.update)
            elif kind == "history":
                run["epochs"].append(values(record.history.item))
            elif kind == "summary":
                run["summary"] |= values(record.summary.update)
        runs[run["name"]] = run
    return runs


def test_a_training_is_a_run(train, tmp_path):
    history = train(gr.trackers.WandB("project", mode="offline", name="first", dir=tmp_path))
    run = read(tmp_path)["first"]
    assert [epoch["_step"] for epoch in run["epochs"]] == [1, 2, 3]
    for name in ("loss", "val_loss", "mae", "learning_rate"):
        assert [epoch[name] for epoch in run["epochs"]] == pytest.approx(list(history[name]))
    assert run["settings"]["optimizer.learning_rate"] == 0.1
    assert run["settings"]["net.0"] == "Dense(units=1)"
    assert run["summary"]["status"] == "finished"
    assert run["summary"]["findings"] == [each.note for each in history.findings]


def test_a_trial_is_a_run_in_the_group_of_its_sweep(sweep, tmp_path):
    done = sweep(gr.trackers.WandB(mode="offline", name="rates", dir=tmp_path))
    runs = read(tmp_path)
    assert sorted(runs) == ["rates/trial-0", "rates/trial-1", "rates/trial-2"]
    for trial in done.trials:
        run = runs[f"rates/trial-{trial.number}"]
        assert run["group"] == "rates"
        rate = trial.settings(done.hypers)["optimizer.learning_rate"]
        assert run["settings"]["optimizer.learning_rate"] == rate
        assert len(run["epochs"]) == 3


def test_nobody_logged_in_is_told_before_the_first_step(train):
    with pytest.raises(gr.GradusError, match="WandB is not logged in"):
        train(gr.trackers.WandB("project"))
