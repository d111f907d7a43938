"""A sweep fits into memory: a trial that is too large fails alone, the others wait."""

import copy
import threading
import time

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.hyperparameters import resolve
from gradus.sweep.execution import ray_task
from gradus.sweep.execution.execution_round import CHUNKS_AHEAD
from gradus.sweep.execution.local import Local
from gradus.sweep.execution.memory_budget import MemoryBudget
from gradus.sweep.execution.population_program import PopulationProgram
from gradus.sweep.execution.vectorize import Parallelism
from gradus.train import memory

X = np.random.default_rng(0).normal(size=(80, 10)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int32)
LOSS = "sparse_categorical_crossentropy"
OPTIONS = {
    "epochs": 2, "batch_size": 16, "validation_data": (X[:20], Y[:20]), "probes": False,
    "verbose": False,
}  # fmt: skip


def model(units=6):
    net = gr.Sequential([gr.Dense(units, "tanh"), gr.Dense(2, "softmax")])
    return gr.Model(net, LOSS, gr.Adam(gr.log_uniform(1e-3, 0.3)), metrics=["accuracy"])


def is_as_alone(sweep, trial):
    one = gr.Model(**dict(resolve(sweep.model.settings, sweep.hypers, trial.values)))
    one.fit(X, Y, **OPTIONS, monitor=sweep.monitor)  # by the same program
    found = sweep._runner.trained_members(trial)[0].model
    for path, weight in one.weights.items():
        np.testing.assert_allclose(found.weights[path], weight, rtol=1e-4, atol=1e-6)
    return True


def members_of(sweep, count, seeds=False):
    source = sweep._runner.factory
    return (source.make_member(number, sweep.trials[0].values) for number in range(count))


@pytest.fixture
def free(monkeypatch):
    """Sets the free memory."""
    return lambda count: monkeypatch.setattr(memory, "free_bytes", lambda: count)


@pytest.mark.slow
def test_a_network_too_large_fails_alone_before_it_is_initialized(free, monkeypatch):
    free(21 * 10**9)
    largest, draw = [], gr.nn.network.AbstractNetwork.init_weights

    def noted(outline, seed):
        largest.append(max(np.prod(spec.shape) for spec in outline.specs.values()))
        return draw(outline, seed)

    monkeypatch.setattr("gradus.nn.network.AbstractNetwork.init_weights", noted)
    sweep = gr.Sweep(model(gr.choice(4, 10**9, 6)), 8, "sobol", seeds=2).fit(X, Y, **OPTIONS)
    by_units = {(trial.values["dense.units"], trial.status) for trial in sweep.trials}
    assert by_units == {(0, "finished"), (1, "failed"), (2, "finished")}
    assert max(largest) == 60
    failed = next(trial for trial in sweep.trials if trial.status == "failed")
    assert "its weights are 52 GB, dense/kernel alone is 10 × 1,000,000,000" in failed.error
    assert "takes at least 364 GB to train" in failed.error
    assert "21 GB are free here: write a smaller network" in failed.error
    assert is_as_alone(sweep, sweep.ranking[0])


@pytest.mark.slow
def test_a_program_too_large_fails_alone_before_it_runs(free):
    # The weights for 4 and for 800 units are 0.2 kB and 42 kB, and training takes 7 times as much
    # at least; but 800 numbers of each of 80 samples, and their gradients, are another 512 kB.
    free(700_000)
    sweep = gr.Sweep(model(gr.choice(4, 800)), 8, "sobol", seeds=2)
    sweep.fit(X, Y, **(OPTIONS | {"batch_size": 80}))
    by_units = {(trial.values["dense.units"], trial.status) for trial in sweep.trials}
    assert by_units == {(0, "finished"), (1, "failed")}
    failed = next(trial for trial in sweep.trials if trial.status == "failed")
    assert "700 kB are free here: write a smaller batch_size or a smaller network" in failed.error
    assert failed.number not in sweep._runner.members


def test_a_sweep_in_which_nothing_fits_raises(free):
    free(1000)
    with pytest.raises(GradusError, match=r".* are free here"):
        gr.Sweep(model(), 3).fit(X, Y, **OPTIONS)


@pytest.mark.slow
def test_a_member_too_large_for_another_machine_fails_alone_there(free):
    sweep = gr.Sweep(model(gr.choice(4, 800)), 4, "sobol").fit(X, Y, **OPTIONS)
    source = sweep._runner.factory
    requests = [
        ray_task.MemberRequest.create(source.make_member(t.number, t.values)) for t in sweep.trials
    ]
    free(100_000)
    payload = copy.deepcopy(ray_task.SweepPayload.create(source))  # as Ray unpickles it
    found = ray_task.train_members(payload, requests, None, workers=2, width=None)
    for trial, one in zip(sweep.trials, found, strict=True):
        if trial.values["dense.units"]:
            assert "free here" in one
        else:
            _, history = one
            assert history["loss"][-1] == trial.histories[0]["loss"][-1]


@pytest.mark.slow
def test_the_chunk_is_made_to_fit(free, monkeypatch):
    widths, advance = [], PopulationProgram.train

    def noted(population, members, until=None, canceled=None):
        widths.append((population.parallelism.width, len(members)))
        advance(population, members, until, canceled)

    monkeypatch.setattr(PopulationProgram, "train", noted)
    wide = gr.Sweep(model(), 12, executor=Local(2, width=12)).fit(X, Y, **OPTIONS)
    assert widths == [(12, 12)]
    population = PopulationProgram(next(members_of(wide, 1)), Parallelism(12))
    population.compile()
    widths.clear()
    free(population.bytes_per_call)  # for two threads
    narrow = gr.Sweep(model(), 12, executor=Local(2, width=12)).fit(X, Y, **OPTIONS)
    assert {trial.status for trial in narrow.trials} == {"finished"}
    assert {width for width, _ in widths} <= {4, 5, 6}
    assert sum(count for _, count in widths) == 12
    np.testing.assert_allclose(narrow.table()["score"], wide.table()["score"], rtol=1e-5)


def most_lying(executor, members):
    """Return the maximum number of unfinished members, and how many finished."""
    built = done = most = 0

    def counted():
        nonlocal built, most
        for member in members:
            built += 1
            most = max(most, built - done)
            yield member

    for chunk in executor.run(counted()):
        done += len(chunk)
    assert built == done
    return most, done


@pytest.mark.slow
def test_members_are_not_built_far_ahead(free):
    sweep = gr.Sweep(model(3000), 1).fit(X, Y, **OPTIONS)
    most, done = most_lying(Local(2, chunk=3), members_of(sweep, 40))
    assert done == 40
    assert most <= CHUNKS_AHEAD * 2 * 3
    population = PopulationProgram(next(members_of(sweep, 1)))
    population.compile()
    free(2 * population.bytes_per_call)
    tight, done = most_lying(Local(2, chunk=3), members_of(sweep, 40))
    assert done == 40
    state_bytes = memory.tree_bytes(population.example_member.train_state)
    assert tight * state_bytes < 2 * population.bytes_per_call
    assert tight < most


def test_members_that_train_for_long_are_returned_one_by_one(monkeypatch):
    """So `kill -9` loses no finished trial, and the leaders are up to date."""
    sweep = gr.Sweep(model(), 1).fit(X, Y, **OPTIONS)
    executor = Local(1, width=1, chunk=4)

    def sizes():
        return [len(chunk) for chunk in executor.run(members_of(sweep, 9))]

    assert max(sizes()) == 4
    monkeypatch.setattr(PopulationProgram, "step_seconds", 1.0)
    assert sizes() == [1] * 9


def test_few_members_are_spread_over_all_threads(monkeypatch):
    sweep = gr.Sweep(model(), 1).fit(X, Y, **OPTIONS)
    threads, advance = set(), PopulationProgram.train
    both = threading.Barrier(2, timeout=20)

    def noted(population, members, until=None, canceled=None):
        if threading.get_ident() not in threads:
            threads.add(threading.get_ident())
            both.wait()
        advance(population, members, until, canceled)

    monkeypatch.setattr(PopulationProgram, "train", noted)
    assert most_lying(Local(2, width=1), members_of(sweep, 2))[1] == 2
    assert len(threads) == 2


def test_the_best_weights_are_kept_if_they_are_small(free):
    sweep = gr.Sweep(model(), 6).fit(X, Y, **OPTIONS)
    assert len(sweep._runner.members) == 6
    size = memory.tree_bytes(sweep._runner.members[0][0].train_state)
    free(8 * 3 * size + 1)
    few = gr.Sweep(model(), 6).fit(X, Y, **OPTIONS)
    kept = {trial.number for trial in few.ranking[:3]}
    assert set(few._runner.members) == kept
    assert is_as_alone(few, few.ranking[-1])  # trained again
    free(1)
    few._runner.executor = Local()  # which has not compiled the program yet
    with pytest.raises(GradusError, match="free here"):
        few.member_models(few.ranking[-2])


def test_threads_stay_within_the_budget():
    room, taken, most = MemoryBudget(10), 0, 0
    lock = threading.Lock()

    def work(size):
        nonlocal taken, most
        with room.working(size):
            with lock:
                taken += size
                most = max(most, taken)
            time.sleep(0.002)
            with lock:
                taken -= size

    threads = [threading.Thread(target=work, args=(size,)) for size in [3, 4, 5, 6] * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert 6 < most <= 10
    assert room.free == 10


def test_a_thread_that_needs_more_than_the_budget_waits_until_it_is_alone():
    room, order = MemoryBudget(10), []

    def large():
        with room.working(50):
            order.append("large")

    def measured():
        with room.exclusive():
            order.append("measured")

    threads = [threading.Thread(target=large), threading.Thread(target=measured)]
    with room.working(1):
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        order.append("small")
    for thread in threads:
        thread.join(20)
    assert order[0] == "small"
    assert sorted(order) == ["large", "measured", "small"]
    room.reserve(4)
    assert room.free == 6
