"""Compiled programs are let go before a process runs out of memory maps."""

import sys

import numpy as np
import pytest

import gradus as gr
from gradus import program_cache

X = np.random.default_rng(0).normal(size=(48, 3)).astype(np.float32)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits memory maps")


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    """Have the maps counted before each program, however few there are."""
    monkeypatch.setattr(program_cache, "MAPS", 1e12)
    monkeypatch.setattr(program_cache, "_allowance", program_cache.Allowance())


def weights_by_width(counts):
    """Train networks of several widths; note the maps after each."""
    weights = {}
    for width in (3, 4, 5, 3):
        model = gr.Model(gr.mlp([width, 1]), "mse", seed=1)
        model.fit(X, X[:, :1], epochs=2, probes=False, verbose=False)
        model.predict(X)
        counts.append(program_cache.count_maps())
        weights[len(weights), width] = model.weights
    return weights


@pytest.mark.slow
def test_programs_are_let_go_and_results_stay(monkeypatch):
    def release_all():
        with monkeypatch.context() as patch:
            patch.setattr(program_cache, "max_maps", lambda: 0)
            assert program_cache.release_programs()
        return program_cache.count_maps()

    released, counts = [], []
    least = release_all()
    free = weights_by_width(counts)
    limit = (least + counts[-1]) / 2
    assert release_all() < limit
    monkeypatch.setattr(program_cache, "max_maps", lambda: limit / program_cache.SHARE)
    release = program_cache.release_programs
    noted = lambda: released.append(release())  # noqa: E731
    monkeypatch.setattr("gradus.train.loop.release_programs", noted)
    limited = weights_by_width(counts)
    for key, values in free.items():
        for path, value in values.items():
            np.testing.assert_array_equal(limited[key][path], value)
    assert any(released)
    assert not all(released)
    assert max(counts) < 1.5 * (counts[3] - least) + least


@pytest.mark.slow
def test_a_sweep_over_structures_lets_go_too(monkeypatch):
    sweep = gr.Sweep(gr.Model(gr.mlp([gr.choice(3, 4, 5, 6), 1]), "mse"), search="grid")
    scores = [trial.score for trial in sweep.fit(X, X[:, :1], epochs=2, verbose=False).trials]
    monkeypatch.setattr(program_cache, "max_maps", lambda: 0)  # at every compilation
    sweep = gr.Sweep(gr.Model(gr.mlp([gr.choice(3, 4, 5, 6), 1]), "mse"), search="grid")
    again = [trial.score for trial in sweep.fit(X, X[:, :1], epochs=2, verbose=False).trials]
    assert again == scores
    assert [trial.status for trial in sweep.trials] == ["finished"] * 4


def test_a_system_that_does_not_tell_has_no_limit(monkeypatch, tmp_path):
    assert program_cache.count_maps() > 0
    assert 1000 < program_cache.max_maps() < float("inf")
    monkeypatch.setattr(program_cache, "PROC", tmp_path)
    assert program_cache.count_maps() == 0
    assert program_cache.max_maps() == float("inf")
    assert not program_cache.release_programs()


def test_maps_are_counted_only_where_programs_may_have_filled_them(monkeypatch):
    counts = []
    monkeypatch.setattr(program_cache, "MAPS", 100)
    monkeypatch.setattr(program_cache, "max_maps", lambda: 1000)
    monkeypatch.setattr(program_cache, "count_maps", lambda: counts.append(1) or 190)
    assert not any(program_cache.release_programs() for _ in range(4))  # 310 to spare: 3 more
    assert len(counts) == 1
    assert not program_cache.release_programs()
    assert len(counts) == 2


def test_programs_of_others_are_not_collected_again_each_time(monkeypatch):
    collections = []
    monkeypatch.setattr(program_cache, "MAPS", 100)
    monkeypatch.setattr(program_cache, "max_maps", lambda: 4000)
    monkeypatch.setattr(program_cache, "count_maps", lambda: 2001)  # whatever is let go
    monkeypatch.setattr(program_cache, "_programs", [])
    monkeypatch.setattr("gc.collect", lambda: collections.append(1))
    assert [program_cache.release_programs() for _ in range(6)] == [True, *[False] * 4, True]
    assert len(collections) == 2
