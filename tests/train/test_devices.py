"""One model over several devices and processes: the same result as on one, to rounding.

The devices are parts of this machine's CPU. This file is also the script that the processes run.
"""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.train import distributed, training_program
from gradus.train.devices import make_mesh
from gradus.train.program import run_epochs

rng = np.random.default_rng(0)
X = rng.normal(size=(100, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32) + (X[:, 1] > 0)
EPOCHS = 4
# 80 samples are trained on: the last batch of 32 is filled up, 7 and 75 are no multiples of 2.
CASES = {
    "even": {"batch_size": 32},
    "uneven": {"batch_size": 7, "probes": False, "shuffle": False},
    "full": {"batch_size": None, "probes": False, "sample_weight": 1 + X[:, 2] ** 2},
}


def train(case, **options):
    """A network whose result depends on whole batches and on random masks, trained."""
    net = gr.Sequential([
        gr.Dense(12, "relu"), gr.BatchNormalization(), gr.Dropout(0.3), gr.Dense(3, "softmax"),
    ])  # fmt: skip
    optimizer = gr.LBFGS() if case == "full" else gr.Adam(0.01)
    model = gr.Model(net, "sparse_categorical_crossentropy", optimizer, ["accuracy"])
    share = 0.25 if case == "full" else 0.2
    model.fit(
        X, Y, validation_split=share, patience=9, verbose=False,
        **{"epochs": EPOCHS, **CASES[case], **options},
    )  # fmt: skip
    return model


def result(model):
    """What a training gave, as arrays by name."""
    history = model.history
    found = {name: history[name] for name in ("loss", "accuracy", "val_loss")}
    found |= {f"probe {name}": values for name, values in history.probes.items()}
    return found | model.weights


def close(name, got, wanted):
    # The optimizer divides by roots of small numbers, which magnifies rounding.
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=2e-6, err_msg=name)


# --- what the processes run ------------------------------------------------------------------


def several_devices(folder):
    """Train each case on the two devices of this process."""
    texts = []
    original = training_program.TrainingProgram.lowered

    def lower_and_note(training, train_state):
        (lowered,) = original(training, train_state)
        if not texts:
            texts.append(lowered.compile().as_text())
        return [lowered]

    training_program.TrainingProgram.lowered = lower_and_note
    for case in CASES:
        model = train(case, devices=2 if case == "even" else "all")
        before = run_epochs._cache_size()
        np.savez(folder / f"{case}.npz", **result(model))
        if case == "even":
            assert before == 1
            model.fit(X, Y, epochs=1, validation_split=0.2, devices=2, verbose=False, patience=9)
            assert run_epochs._cache_size() == before  # where training ended it goes on
    products = re.findall(r"f32\[(\d+),\d+\]\S* dot\(", texts[0])
    (folder / "facts.json").write_text(json.dumps({"rows": sorted(set(map(int, products)))}))


def several_processes(folder, address, index):
    """Train one case together with another process, which ends it after three epochs."""
    gr.distributed.start(address, 2, index, timeout=60)
    with pytest.raises(GradusError, match="once"):
        gr.distributed.start(address, 2, index)
    with pytest.raises(GradusError, match="2 processes have 2 devices"):
        make_mesh(1)
    seen = []

    def watch(model, epoch, logs):
        seen.append(float(model.predict(X[:1])[0, 0]))  # each for itself
        return index == 1 and epoch == 3

    own = folder / str(index)
    model = train("even", devices="all", callbacks=[watch], checkpoint=own / "checkpoint")
    assert len(seen) == 3
    with pytest.raises(GradusError, match="Processes 0 and 1 differ in 'y'"):
        model.fit(X, (Y + index) % 3, devices="all", verbose=False)
    np.savez(folder / f"process_{index}.npz", **result(model))


# --- the tests -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where three processes, one of two devices and two of one each, left their results."""
    folder = tmp_path_factory.mktemp("devices")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    flags = os.environ.get("XLA_FLAGS", "")
    two = f"{flags} --xla_force_host_platform_device_count=2"
    jobs = []
    for arguments, own in (((), two), ((address, "0"), flags), ((address, "1"), flags)):
        (folder / arguments[-1] if arguments else folder).mkdir(exist_ok=True)
        jobs.append(
            subprocess.Popen(
                [sys.executable, __file__, str(folder), *arguments],
                env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": own},
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
        )  # fmt: skip
    try:
        message = [job.communicate(timeout=300)[0] for job in jobs]
    finally:
        for job in jobs:
            job.kill()
    assert [job.returncode for job in jobs] == [0, 0, 0], "\n".join(message)
    return folder


@pytest.fixture(scope="module")
def alone():
    """The case "even" on one device."""
    return result(train("even"))


@pytest.mark.slow
@pytest.mark.parametrize("case", list(CASES))
def test_two_devices_train_as_one(case, folder, alone):
    wanted = alone if case == "even" else result(train(case))
    assert len(wanted["loss"]) == EPOCHS
    with np.load(folder / f"{case}.npz") as got:
        assert sorted(got) == sorted(wanted)
        for name, values in wanted.items():
            close(name, got[name], values)


@pytest.mark.slow
def test_each_device_computes_its_share(folder):
    rows = json.loads((folder / "facts.json").read_text())["rows"]
    assert 16 in rows  # of a batch of 32
    assert 32 not in rows


@pytest.mark.slow
def test_two_processes_train_as_one_and_end_equal(folder, alone):
    with np.load(folder / "process_0.npz") as one, np.load(folder / "process_1.npz") as other:
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
        assert len(one["loss"]) == 3  # process 1 had it ended
        for name in ("loss", "accuracy", "val_loss"):
            close(name, one[name], alone[name][:3])


@pytest.mark.slow
def test_the_first_process_writes_checkpoints_that_one_device_goes_on_from(folder, alone):
    assert not (folder / "1" / "checkpoint").exists()
    model = train("even", resume=folder / "0" / "checkpoint")
    for name, values in result(model).items():
        close(name, values, alone[name])


@pytest.mark.slow
def test_on_one_device_nothing_changes_and_nothing_recompiles(alone):
    before = run_epochs._cache_size()
    everything = "all" if jax.device_count() == 1 else None
    for devices in (None, 1, everything):
        assert make_mesh(devices) is None
        for name, values in result(train("even", devices=devices)).items():
            np.testing.assert_array_equal(values, alone[name], err_msg=name)
    assert run_epochs._cache_size() == before


def test_the_program_of_one_device_knows_of_no_others(monkeypatch):
    texts = []

    original = training_program.TrainingProgram.lowered

    def note(training, train_state):
        (lowered,) = original(training, train_state)
        texts.append(lowered.as_text())
        return [lowered]

    monkeypatch.setattr(training_program.TrainingProgram, "lowered", note)
    train("even")
    assert "stablehlo.while" in texts[0]
    assert "num_partitions = 1" in texts[0]
    assert '"batch"' not in texts[0]  # the name of the axis that devices share


@pytest.mark.parametrize(
    ("devices", "message"),
    [(0, "write how many"), (True, "write how many"), ("two", "'all'"), (1.5, "write how many"),
     (1000, "jax_num_cpu_devices")],
)  # fmt: skip
def test_devices_that_cannot_be_are_refused(devices, message):
    with pytest.raises(GradusError, match=message):
        train("even", devices=devices)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("localhost", 2, 0), "host and a free port"), ((":1234", 2, 0), "host and a free port"),
     (("http://h:1", 2, 1), "host and a free port"),
     (("h:1", 0, 0), "processes=0"), (("h:1", 2, True), "index=True"),
     (("h:1", 2, 2), "from 0 to 1")],
    ids=["no port", "no host", "an address", "none", "no number", "too many"],
)  # fmt: skip
def test_a_start_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(GradusError, match=message):
        gr.distributed.start(*arguments)


def test_a_start_that_is_too_late_or_alone_says_so():
    jnp.zeros(1).block_until_ready()
    with pytest.raises(GradusError, match="too late"):
        gr.distributed.start("localhost:1", 2, 0)
    with pytest.raises(GradusError, match="No answer from localhost:1 "):
        gr.distributed.start("localhost:1", 2, 1, timeout=0)
    gr.distributed.start("localhost:1", 1, 0)  # nothing to connect
    assert not jax.distributed.is_initialized()


def test_without_other_processes_all_is_agreed():
    assert distributed.is_main_process(None)
    assert distributed.max_over_processes(None, 2.0, True) == (2.0, True)
    distributed.check_processes_agree(None, {}, ())


if __name__ == "__main__":
    if len(sys.argv) == 2:
        several_devices(Path(sys.argv[1]))
    else:
        several_processes(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
