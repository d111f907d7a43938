"""Training that was interrupted goes on bit for bit as if it never had been."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest

import gradus as gr
from gradus import files, manifests
from gradus.errors import SavedError
from gradus.optim.schedules import ReduceOnPlateau
from gradus.train.checkpoint import CheckpointManifest

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 6)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int32)


def make(units=8, rate=0.01, **options):
    net = gr.Sequential(
        [gr.Dense(units, "tanh"), gr.BatchNormalization(), gr.Dropout(0.3), gr.Dense(2, "softmax")]
    )
    loss = "sparse_categorical_crossentropy"
    return gr.Model(net, loss, gr.Adam(rate), ["accuracy", "confusion_matrix"], **options)


FIT = {"batch_size": 16, "validation_split": 0.3, "patience": 1000, "verbose": False}


def fit(model, epochs, **options):
    model.fit(X, Y, epochs=epochs, **(FIT | options))
    return model


def assert_same(one, other, probes=True):
    assert one.weights.keys() == other.weights.keys()
    for name, value in one.weights.items():
        np.testing.assert_array_equal(value, other.weights[name], err_msg=name)
    a, b = one.history, other.history
    assert set(a) == set(b)
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    assert set(a.probes) == set(b.probes)
    assert bool(a.probes) == probes
    for name in a.probes:
        np.testing.assert_array_equal(a.probes[name], b.probes[name], err_msg=name)
    assert (a.layers, a.weights, a.best_epoch, a.stopped) == (
        b.layers,
        b.weights,
        b.best_epoch,
        b.stopped,
    )


@pytest.fixture(scope="module")
def whole():
    return fit(make(), 9)


@pytest.fixture
def saved(tmp_path):
    fit(make(), 4, checkpoint=tmp_path / "ck")
    return tmp_path / "ck"


@pytest.mark.slow
def test_resumed_equals_uninterrupted(whole, saved):
    assert_same(fit(make(), 9, resume=saved), whole)


@pytest.mark.slow
def test_interrupted_again_and_again(whole, saved):
    for epochs in (5, 7):
        fit(make(), epochs, resume=saved, checkpoint=saved)
    assert_same(fit(make(), 9, resume=saved), whole)


@pytest.mark.slow
def test_early_stopping_goes_on_counting(tmp_path):
    # A rate this large soon stops improving; the interruption falls between best and stop.
    quick = {"patience": 3, "restore_best": True, "probes": False}
    one = fit(make(rate=0.3), 60, **quick)
    stopped = one.history.epochs
    assert one.history.stopped == "patience"
    assert stopped < 60
    fit(make(rate=0.3), stopped - 1, checkpoint=tmp_path, **quick)
    assert_same(fit(make(rate=0.3), 60, resume=tmp_path, **quick), one, probes=False)


@pytest.mark.slow
def test_a_plateau_goes_on(tmp_path):
    def model():
        return make(rate=ReduceOnPlateau(0.05, patience=1, min_delta=0.05))

    one = fit(model(), 10, probes=False)
    assert one.history["learning_rate"][-1] < one.history["learning_rate"][0]
    fit(model(), 6, checkpoint=tmp_path, probes=False)
    assert_same(fit(model(), 10, resume=tmp_path, probes=False), one, probes=False)


KILLED = """
import sys, time
import numpy as np
sys.path.insert(0, {folder!r})
import {module} as test
slow = lambda model, epoch, logs: time.sleep(0.02)
test.fit(test.make(), 100_000, checkpoint={path!r}, checkpoint_every=0, callbacks=[slow])
"""


def epochs_in(folder):
    manifest = manifests.read_manifest(folder, "checkpoint.json", CheckpointManifest)
    arrays = files.read_arrays(manifests.verified_path(folder, "checkpoint.safetensors", manifest))
    return int(arrays["train_state/epoch"])


@pytest.mark.slow
def test_killed_by_force_it_goes_on(tmp_path):
    import pathlib

    here = pathlib.Path(__file__)
    path = tmp_path / "ck"
    script = KILLED.format(folder=str(here.parent), module=here.stem, path=str(path))
    child = subprocess.Popen([sys.executable, "-c", script])
    try:
        deadline = time.monotonic() + 120
        while not (path / "checkpoint.json").exists() or epochs_after(path) < 5:
            assert child.poll() is None, "it ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert child.returncode == -signal.SIGKILL
    epochs = epochs_in(path) + 3
    # A callback makes a call of the program one epoch long, here as in the child.
    same = {"callbacks": [lambda *_: None]}
    assert_same(fit(make(), epochs, resume=path, **same), fit(make(), epochs, **same))


def epochs_after(path):
    """The epochs in a checkpoint that another process is writing."""
    try:
        return epochs_in(path)
    except SavedError:
        return 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch_size": 8}, "batch_size = 16, not 8"),
        ({"shuffle_seed": 1}, "shuffle_seed = 0, not 1"),
        ({"patience": 5}, r"stopping.patience = 1000.0, not 5.0"),
        ({"validation_split": 0.2}, "number of samples = 63, not 72"),
        ({"probes": False}, "probes = True, not False"),
        ({"class_weight": {0: 1.0, 1: 2.0}}, r"other data \(sample weights\)"),
        ({"monitor": "val_accuracy"}, "stopping.monitor"),
    ],
)
def test_other_settings_are_refused(saved, change, words):
    with pytest.raises(SavedError, match=words):
        fit(make(), 9, resume=saved, **change)


def test_other_seed_data_and_model_are_refused(saved):
    with pytest.raises(SavedError, match="seed = 0, not 3"):
        fit(make(seed=3), 9, resume=saved)
    with pytest.raises(SavedError, match=r"optimizer.learning_rate = 0.01, not 0.02"):
        fit(make(rate=0.02), 9, resume=saved)
    with pytest.raises(SavedError, match="number of samples = 63, not 56"):
        make().fit(X[:80], Y[:80], epochs=9, resume=saved, **FIT)
    other = X.copy()
    other[0] += 1
    with pytest.raises(SavedError, match=r"other data \(x\)"):
        make().fit(other, Y, epochs=9, resume=saved, **FIT)
    with pytest.raises(
        SavedError, match=r"'params/batch_normalization/beta' has shape \(8,\).*but \(12,\)"
    ):
        fit(make(units=12), 9, resume=saved)
    model = make()
    model.optimizer = gr.SGD(0.01)
    with pytest.raises(SavedError, match="another network or optimizer: it has 'opt_states/"):
        fit(model, 9, resume=saved)
    model = make()
    model.net.layers[0].activation = "relu"
    with pytest.raises(SavedError, match=r"net.layers\[0\].activation = 'tanh', not 'relu'"):
        fit(model, 9, resume=saved)


@pytest.mark.slow
def test_a_loss_that_cannot_be_described_can_be_resumed(tmp_path):
    def model():
        net = gr.Sequential([gr.Dense(4, "tanh"), gr.Dense(1)])
        return gr.Model(net, lambda y, p: (y[:, None] - p) ** 2, gr.Adam(0.01))

    one = fit(model(), 5, probes=False)
    fit(model(), 2, checkpoint=tmp_path, probes=False)
    assert_same(fit(model(), 5, resume=tmp_path, probes=False), one, probes=False)


def test_damaged_checkpoints_are_refused(saved, tmp_path):
    arrays = saved / "checkpoint.safetensors"
    good = arrays.read_bytes()
    arrays.write_bytes(good[:-7])
    with pytest.raises(SavedError, match="cut short"):
        fit(make(), 9, resume=saved)
    arrays.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(SavedError, match="altered"):
        fit(make(), 9, resume=saved)
    arrays.unlink()
    with pytest.raises(SavedError, match="missing"):
        fit(make(), 9, resume=saved)
    manifest = json.loads((saved / "checkpoint.json").read_text())
    (saved / "checkpoint.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(SavedError, match="newer gradus"):
        fit(make(), 9, resume=saved)
    with pytest.raises(SavedError, match="does not exist"):
        fit(make(), 9, resume=tmp_path / "nowhere")


def test_checkpoints_are_written_by_the_clock(tmp_path, monkeypatch):
    from gradus.train import checkpoint

    written, now = [], [0.0]
    monkeypatch.setattr(
        checkpoint, "write_checkpoint", lambda folder, train_state, *_: written.append(train_state)
    )
    clock = types.SimpleNamespace(monotonic=lambda: now[0])  # not that of all threads
    monkeypatch.setattr(checkpoint, "time", clock)
    writer = checkpoint.CheckpointWriter(tmp_path, {}, 10)
    for second in (4, 9, 12, 15, 23, 24):
        now[0] = second
        assert writer(second, None) is False
    assert written == [12, 23]
    writer.close()
    writer.close()
    assert written == [12, 23, 24]


def test_a_write_that_fails_ends_training_and_loses_nothing(saved, monkeypatch):
    before = epochs_in(saved)

    def full(path, arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_arrays", full)
    model = make()
    with pytest.raises(SavedError, match="No space left"):
        fit(model, 100_000, checkpoint=saved, checkpoint_every=0)
    assert model.history.epochs > 0
    monkeypatch.undo()
    assert epochs_in(saved) == before
    assert_same(fit(make(), model.history.epochs), model)


def test_of_two_trainings_into_one_folder_the_second_is_told(tmp_path):
    path, told = tmp_path / "ck", []

    def train_beside(model, epoch, logs):
        if not told:
            with pytest.raises(SavedError, match="in use: another training writes there") as error:
                fit(make(), 3, checkpoint=path)
            told.append(error)

    fit(make(), 3, checkpoint=path, callbacks=[train_beside])
    assert told
    assert epochs_in(path) == 3
    fit(make(), 3, checkpoint=path)  # the folder is free again


def test_every_leaf_of_the_train_state_is_written(saved):
    manifest = manifests.read_manifest(saved, "checkpoint.json", CheckpointManifest)
    arrays = files.read_arrays(manifests.verified_path(saved, "checkpoint.safetensors", manifest))
    fields = {field.name for field in dataclasses.fields(gr.train.state.TrainState)}
    assert {name.split("/")[1] for name in arrays if name.startswith("train_state/")} == (
        fields - {"plateau_state"}  # it is None
    )
