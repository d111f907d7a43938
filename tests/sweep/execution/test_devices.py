"""Members sharded over devices equal the same members trained alone.

The devices are parts of this machine's CPU. This file is also the script that has two of them.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.models.inputs.training_data import make_training_data
from gradus.sweep.execution import autotune
from gradus.sweep.execution.local import Local
from gradus.sweep.execution.population_program import PopulationProgram
from gradus.sweep.execution.vectorize import Parallelism, population_mesh
from gradus.sweep.members.fold import Fold

X = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int32)
CASES = {
    "batches": {"batch_size": 16, "epochs": 5, "patience": 1, "shuffle_seed": gr.choice(3, 5)},
    "full": {"batch_size": None, "epochs": 4, "validation_split": 0.25},
}
WAYS = {
    "batches": {"one each": Parallelism(1, 2), "two each": Parallelism(2, 2)},
    "full": {"two each": Parallelism(2, 2)},
}


def swept(case, executor=None, trials=7, **options):
    """A sweep with dropout, seeds and early stopping."""
    net = gr.Sequential([
        gr.Dense(6, "tanh"), gr.Dropout(gr.uniform(0, 0.4)), gr.Dense(2, "softmax"),
    ])  # fmt: skip
    rate = gr.Adam(gr.log_uniform(1e-3, 0.3))
    model = gr.Model(net, "sparse_categorical_crossentropy", rate, ["accuracy"])
    given = {"validation_data": (X[:20], Y[:20])} if case == "batches" else {}
    sweep = gr.Sweep(model, trials, seeds=2 if case == "batches" else 1, executor=executor)
    return sweep.fit(X, Y, verbose=False, **{**given, **CASES[case], **options})


def found(sweep):
    """The results of a sweep, as numbers."""
    losses = [history["loss"] for trial in sweep.trials for history in trial.histories]
    return {
        "losses": [float(value) for values in losses for value in values],
        "epochs": [len(values) for values in losses],
        "scores": [trial.score for trial in sweep.trials],
        "prediction": np.asarray(sweep.best.predict(X[:3]), float).tolist(),
    }


def main():
    """Train on two devices and print the results."""
    said = {
        case: {
            name: found(swept(case, Local(2, way.width, devices=way.devices)))
            for name, way in WAYS[case].items()
        }
        for case in CASES
    }
    assert Local(1, devices=2).config.parallelism == Parallelism(1, 2)
    autotune.MEASURE_SECONDS = 0.02
    source = swept("full", trials=1)._runner.factory
    values = {name: hyper.space.value_at(0.5) for name, hyper in source.hypers.items()}
    population = PopulationProgram(source.make_member(0, values))
    population.compile()
    tried = []
    rate = autotune._throughput
    autotune._throughput = lambda *given: tried.append(rate(*given)) or tried[-1]
    best = autotune.measure_parallelism(population, 1, 1 << 60)
    autotune.save_cached("of a program", best)
    assert autotune.load_cached("of a program") == best
    said["measured"] = [len(tried), min(tried), best.devices]
    tight = PopulationProgram(source.make_member(0, values), Parallelism(4, 2))
    tight.compile()
    tight.fit_memory(tight.bytes_per_call // 2)
    assert tight.parallelism.devices == 2
    assert tight.parallelism.width < 4
    tight.fit_memory(0)
    assert tight.parallelism == Parallelism()
    sys.stdout.write(json.dumps(said))


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """The output of the script."""
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
    home = str(tmp_path_factory.mktemp("cache"))
    job = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "XDG_CACHE_HOME": home},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert job.returncode == 0, job.stderr
    return json.loads(job.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_members_on_two_devices_equal_those_on_one(case, said):
    alone = found(swept(case, Local(2, width=1)))
    for name in WAYS[case]:
        got = said[case][name]
        assert got["epochs"] == alone["epochs"]
        for what in ("losses", "scores", "prediction"):
            np.testing.assert_allclose(got[what], alone[what], rtol=1e-4, err_msg=f"{name} {what}")
    if case == "batches":
        assert min(alone["epochs"]) < 5


@pytest.mark.slow
def test_both_devices_are_measured(said):
    tried, slowest, devices = said["measured"]
    assert tried >= 3  # one member, several, and both devices
    assert slowest > 0
    assert devices in {1, 2}


def test_more_devices_than_there_are():
    with pytest.raises(GradusError, match=r"devices=3: there are 1 .*jax_num_cpu_devices"):
        Local(devices=3)
    with pytest.raises(GradusError, match="devices"):
        Local(devices=0)


if __name__ == "__main__":
    main()


def test_folds_share_their_samples_on_several_devices():
    whole = Fold.create(make_training_data(X, Y))
    parts = [whole.with_rows(np.arange(k, 40 + k), np.arange(40 + k, 80), k) for k in (0, 5)]
    (one, first), (other, second) = (fold.on_devices(population_mesh(1)) for fold in parts)
    assert one.x is other.x is first.samples.x is second.samples.x
    assert np.array_equal(first.rows, [np.arange(40, 80)])
    assert np.array_equal(second.rows, [np.arange(45, 80)])
    again = parts[0].on_devices(population_mesh(1))
    assert again[1].rows is first.rows
