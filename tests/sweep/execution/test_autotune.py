"""The best parallelism is measured if that pays, and cached."""

import itertools
import json
import math
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.hyperparameters import resolve
from gradus.sweep.execution import autotune, local, ray_task
from gradus.sweep.execution.local import Local
from gradus.sweep.execution.population_program import PopulationProgram
from gradus.sweep.execution.vectorize import Parallelism
from gradus.sweep.members import cost_model

X = np.random.default_rng(0).normal(size=(80, 10)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int32)
LOSS = "sparse_categorical_crossentropy"
OPTIONS = {
    "epochs": 3, "batch_size": 16, "validation_data": (X[:20], Y[:20]), "probes": False,
    "verbose": False,
}  # fmt: skip


def model(units=6, rate=None):
    dropout = gr.Dropout(gr.uniform(0, 0.4))
    net = gr.Sequential([gr.Dense(units, "tanh"), dropout, gr.Dense(2, "softmax")])
    return gr.Model(net, LOSS, gr.Adam(rate or gr.log_uniform(1e-3, 0.3)), metrics=["accuracy"])


def swept(trials=4, executor=None, **options):
    sweep = gr.Sweep(model(), trials, executor=executor or Local(2))
    return sweep.fit(X, Y, **(OPTIONS | options))


def population(rate=None, **options):
    sweep = gr.Sweep(model(rate=rate), 1).fit(X, Y, **(OPTIONS | {"epochs": 1} | options))
    made = PopulationProgram(sweep._runner.factory.make_member(0, sweep.trials[0].values))
    made.compile()
    return made


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """The folder of cached results."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("GRADUS_CACHE", raising=False)
    return tmp_path / "gradus" / "parallelism"


@pytest.fixture
def measured(monkeypatch):
    """Every group is measured, with 4 as the result; returns the measured ones."""
    found = []

    def measure(population, workers, room):
        found.append((population.example_member.training.shape, workers))
        return Parallelism(4)

    monkeypatch.setattr(autotune, "MIN_TRAINING_SECONDS", 0.0)
    monkeypatch.setattr(autotune, "measure_parallelism", measure)
    return found


@pytest.fixture
def used(monkeypatch):
    """The widths that members are trained with."""
    found, advance = set(), PopulationProgram.train

    def noted(population, members, until=None, canceled=None):
        found.add(population.parallelism.width)
        advance(population, members, until, canceled)

    monkeypatch.setattr(PopulationProgram, "train", noted)
    return found


@pytest.mark.slow
def test_a_short_sweep_measures_nothing_and_trains_one_by_one(monkeypatch, used, folder):
    monkeypatch.setattr(autotune, "measure_parallelism", None)
    swept()
    assert used == {1}
    assert not folder.exists()


def test_a_program_may_be_compiled_before_the_next_member_is_built(monkeypatch, used, folder):
    class Prompt(ThreadPoolExecutor):
        """Threads that finish a job before `submit` returns."""

        def submit(self, *job):
            future = super().submit(*job)
            wait([future])
            return future

    monkeypatch.setattr(local, "ThreadPoolExecutor", Prompt)
    assert {trial.status for trial in swept(trials=3).trials} == {"finished"}


@pytest.mark.slow
def test_a_long_sweep_measures_once_and_the_next_run_uses_the_cache(measured, used, folder):
    first = swept()
    assert used == {4}
    assert [workers for _, workers in measured] == [2]
    (file,) = folder.iterdir()
    assert json.loads(file.read_text())["width"] == 4
    second = swept()
    assert len(measured) == 1
    assert second.table().equals(first.table())
    assert used == {4}


@pytest.mark.slow
def test_trials_equal_their_models_trained_alone(measured):
    sweep = swept(6)
    assert measured
    for trial in sweep.trials:
        one = gr.Model(**dict(resolve(sweep.model.settings, sweep.hypers, trial.values)))
        one.fit(X, Y, **OPTIONS, monitor=sweep.monitor)  # by the program of the others
        found = sweep.member_models(trial)[0]
        np.testing.assert_allclose(found.history["loss"], one.history["loss"], rtol=1e-4)
        np.testing.assert_allclose(found.predict(X), one.predict(X), rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_each_program_and_number_of_threads_has_its_own_result(measured):
    sweep = gr.Sweep(model(gr.choice(4, 6)), 8, executor=Local(2)).fit(X, Y, **OPTIONS)
    assert {trial.values["dense.units"] for trial in sweep.trials} == {0, 1}
    assert len(measured) == 2
    swept(batch_size=8)
    assert len(measured) == 3
    swept(executor=Local(3))
    assert len(measured) == 4
    swept()
    assert len(measured) == 4


@pytest.mark.slow
def test_a_given_width_is_neither_measured_nor_looked_up(measured, used, folder):
    swept()
    used.clear()
    folder.joinpath("other").write_text("")
    swept(executor=Local(2, width=3))
    assert used == {3}
    assert len(measured) == 1
    for wrong in (0, 1.5, "wide"):
        with pytest.raises(GradusError, match="width"):
            Local(width=wrong)


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        '{"width": 4}',
        '{"width": "4", "devices": 1}',
        '{"width": 0, "devices": 1}',
        '{"width": 1e9, "devices": 1}',
        '{"width": 4, "devices": 2}',
        "\x00",
        None,
    ],
)
def test_a_damaged_file_is_ignored_and_written_again(measured, folder, damage):
    swept()
    (file,) = folder.iterdir()
    if damage is None:
        file.write_bytes(b"\xff\xfe")
    else:
        file.write_text(damage)
    swept()
    assert len(measured) == 2
    assert [json.loads(one.read_text())["width"] for one in folder.iterdir()] == [4]


def test_a_result_that_cannot_be_cached_is_measured_again(measured, folder, monkeypatch):
    folder.parent.mkdir()
    folder.write_text("a file stands where the folder should")
    swept()
    swept()
    assert len(measured) == 2
    folder.unlink()
    monkeypatch.setenv("GRADUS_CACHE", "off")
    swept()
    assert len(measured) == 3
    assert not folder.exists()


def test_halving_measures_once(measured):
    halving = gr.Sweep(model(), 8, strategy="halving", executor=Local(2))
    halving.fit(X, Y, **(OPTIONS | {"epochs": 9}))
    assert len(measured) == 1


def test_another_machine_measures_nothing(measured, used):
    source = swept()._runner.factory
    used.clear()
    values = {name: hyper.space.value_at(0.5) for name, hyper in source.hypers.items()}
    request = ray_task.MemberRequest.create(source.make_member(0, values))
    ray_task.train_members(
        ray_task.SweepPayload.create(source), [request], None, workers=2, width=None
    )
    assert used == {1}
    assert len(measured) == 1


@pytest.mark.parametrize(
    ("rates", "best"),
    [
        ({1: 10, 4: 9}, 1),
        ({1: 10, 4: 11, 16: 99}, 1),  # a little faster is not enough
        ({1: 10, 4: 20, 16: 21}, 4),
        ({1: 10, 4: 20, 16: 40}, 16),
        ({1: math.nan}, None),
        ({1: 10, 4: math.nan}, None),
    ],
)
def test_wider_is_tried_as_long_as_it_is_faster(rates, best):
    found = autotune.pick_fastest(lambda way: rates[way.width], (1, 4, 16))
    assert found == (best and Parallelism(best))


@pytest.mark.parametrize(
    ("alone", "spread", "best"),
    [
        ({1: 10, 4: 9}, {1: 11}, Parallelism(1, 1)),
        ({1: 10, 4: 9}, {1: 19, 4: 18}, Parallelism(1, 2)),
        # On two devices it starts from the best width on one.
        ({1: 10, 4: 40, 16: 41}, {4: 79, 16: 80}, Parallelism(4, 2)),
        ({1: 10, 4: 40, 16: 41}, {4: 79, 16: 100}, Parallelism(16, 2)),
        ({1: 10, 4: 9}, {1: math.nan}, None),
    ],
)
def test_more_devices_are_tried_with_the_best_width(alone, spread, best):
    rates = {1: alone, 2: spread}
    found = autotune.pick_fastest(lambda way: rates[way.devices][way.width], (1, 4, 16), (1, 2))
    assert found == best


@pytest.mark.slow
def test_a_rate_is_epochs_in_the_clocks_seconds(monkeypatch):
    monkeypatch.setattr(autotune, "widths", lambda: (1, 3))
    made, ticks = population(), itertools.count(step=0.25)
    monkeypatch.setattr(autotune, "clock", lambda: next(ticks))
    # Each call takes a quarter of a second by this clock, for any number of members and epochs.
    assert autotune._throughput(made, 1, steps=5) == 4
    assert autotune._throughput(made.with_parallelism(Parallelism(3)), 1, steps=5) == 12
    monkeypatch.setattr(autotune, "MEASURE_SECONDS", 6.0)  # two seconds each: 8 epochs a call
    assert autotune._throughput(made, 1, steps=5) == 8 / 0.25
    assert autotune.measure_parallelism(made, 1, free_bytes=1 << 60) == Parallelism(3)
    assert (
        autotune.measure_parallelism(made, 1, free_bytes=2 * made.bytes_per_call) == Parallelism()
    )  # not enough memory for 3


@pytest.mark.slow
def test_a_real_measurement_leaves_no_trace(monkeypatch):
    monkeypatch.setattr(autotune, "MEASURE_SECONDS", 0.03)
    monkeypatch.setattr(autotune, "widths", lambda: (1, 3))
    made = population(patience=1, epochs=2)
    before = made.example_member.train_state
    assert autotune.measure_parallelism(made, 2, free_bytes=1 << 60) in {
        Parallelism(1),
        Parallelism(3),
    }
    assert made.example_member.train_state is before
    assert int(before.epoch) == made.example_member.model.history.epochs == 0


def test_a_diverging_member_gives_no_result():
    made = population(rate=gr.choice(1e38, 2e38))
    assert autotune.measure_parallelism(made, 2, free_bytes=1 << 60) is None


def test_a_missing_result_is_not_cached(monkeypatch, used, folder):
    monkeypatch.setattr(autotune, "MIN_TRAINING_SECONDS", 0.0)
    monkeypatch.setattr(autotune, "measure_parallelism", lambda *_: None)
    swept()
    assert used == {1}
    assert not folder.exists()


def test_training_is_expected_to_last_as_long_as_its_arithmetic():
    made = population(batch_size=16)
    # Forward and backward 3 · 2 · 16 · (10·6 + 6·2) operations a step and 5 steps an epoch; the
    # rest (tanh, dropout, Adam) is small, about as many as there are weights.
    products = 5 * 3 * 2 * 16 * 72 / cost_model.FLOPS_PER_SECOND
    assert (
        5 * cost_model.STEP_SECONDS + products
        < 5 * made.step_seconds
        < 5 * cost_model.STEP_SECONDS + 12 * products
    )


@pytest.mark.slow
def test_which_sweeps_are_long(monkeypatch):
    asked = []

    def measure(population, workers, room):
        asked.append(population.example_member.config.epochs)

    monkeypatch.setattr(autotune, "measure_parallelism", measure)
    monkeypatch.setattr(
        PopulationProgram, "step_seconds", 0.4
    )  # two seconds for an epoch of a member
    monkeypatch.setattr(autotune, "MIN_TRAINING_SECONDS", 40.0)
    swept(13)  # 13 trials of 3 epochs on 2 threads are 39 s
    assert not asked
    swept(14)
    assert asked == [3]
