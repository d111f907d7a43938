"""Halving stops the worst trials at each rung; a survivor equals its model trained alone."""

import math

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.hyperparameters import resolve
from gradus.sweep import sweep
from gradus.sweep.execution.local import Local
from gradus.sweep.search.trial import Trial
from gradus.sweep.strategies import get_strategy
from gradus.sweep.strategies.full import Full
from gradus.train.early_stopping import EarlyStopping

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int32)
LOSS = "sparse_categorical_crossentropy"
FIT = {"validation_data": (X[:20], Y[:20]), "batch_size": 16, "verbose": False, "probes": False}


def space(optimizer=None):
    net = gr.Sequential([gr.Dense(6, "tanh"), gr.Dropout(0.1), gr.Dense(2, "softmax")])
    return gr.Model(net, LOSS, optimizer or gr.Adam(gr.log_uniform(1e-3, 0.3)))


def alone(made, trial, seed=0, **options):
    settled = dict(resolve(made.model.settings, made.hypers, trial.values))
    model = gr.Model(**(settled | {"seed": settled["seed"] + seed}))
    model.fit(X, Y, **(FIT | options))
    return model


class Told:
    """A runner with scripted scores: `curves[trial][epoch - 1]`; NaN means diverged."""

    def __init__(self, curves, mode="min", lasts=None):
        self.curves, self.mode, self.seed = np.array(curves, float), mode, 0
        self.lasts = lasts or [self.curves.shape[1]] * len(curves)
        self.trials = [Trial(k, {}) for k in range(len(curves))]
        self.calls, self.broken = [], set()
        self.early_stopping = None

    def train_until(self, trials, until=None):
        self.early_stopping = EarlyStopping("loss", self.mode)
        self.calls.append((until, [trial.number for trial in trials]))
        for trial in trials:
            trial.epochs = min(until, self.lasts[trial.number])
            trial.score = self.curves[trial.number, trial.epochs - 1]
            if trial.number in self.broken:
                trial.status = "diverged"
            elif trial.epochs == self.lasts[trial.number]:
                trial.status = "finished"

    def current_score(self, trial):
        return trial.score

    def max_epochs(self, trials):
        return max(self.lasts[trial.number] for trial in trials)

    def stop_trials(self, trials):
        for trial in trials:
            trial.status = "stopped"


def test_the_rungs_are_a_factor_apart_and_the_best_continue():
    told = Told(np.tile(np.arange(9.0)[:, None], 9))
    gr.SuccessiveHalving(3, 1).run(told, told.trials)
    assert told.calls == [(1, list(range(9))), (3, [0, 1, 2]), (9, [0])]
    assert [trial.status for trial in told.trials] == ["finished"] + ["stopped"] * 8
    assert [trial.epochs for trial in told.trials] == [9, 3, 3] + [1] * 6
    told = Told(np.tile(np.arange(9.0)[:, None], 9), "max")
    gr.SuccessiveHalving(2, 2).run(told, told.trials)
    assert told.calls == [(2, list(range(9))), (4, [8, 7, 6, 5]), (8, [8, 7]), (16, [8])]


def test_by_default_two_rungs_lead_to_the_last_epoch_and_few_trials_have_fewer():
    def rungs(count, epochs):
        told = Told(np.tile(np.arange(float(count))[:, None], epochs))
        gr.SuccessiveHalving().run(told, told.trials)
        return [(until, len(numbers)) for until, numbers in told.calls]

    assert rungs(9, 10) == [(1, 9), (3, 3), (10, 1)]
    assert rungs(30, 27) == [(3, 30), (9, 10), (27, 3)]
    assert rungs(3, 27) == [(9, 3), (27, 1)]
    assert rungs(2, 27) == [(27, 2)]


def test_diverged_trials_are_out_and_trials_without_a_score_are_last():
    nan = math.nan
    told = Told([[5.0] * 4, [nan] * 4, [3.0] * 4, [nan] * 4, [nan, nan, 1, 1], [2.0] * 4])
    told.broken = {1, 3}  # trial 4 merely has no score yet
    gr.SuccessiveHalving(2, 1).run(told, told.trials)
    states = ["stopped", "diverged", "stopped", "diverged", "stopped", "finished"]
    assert [trial.status for trial in told.trials] == states
    assert told.calls == [(1, [0, 1, 2, 3, 4, 5]), (2, [5, 2, 0]), (4, [5])]
    told = Told([[nan] * 4, [nan] * 4])
    told.broken = {0, 1}
    gr.SuccessiveHalving(2, 1).run(told, told.trials)
    assert [trial.status for trial in told.trials] == ["diverged"] * 2


def test_finished_trials_are_compared_but_do_not_continue():
    told = Told([[1.0] * 9, [2.0] * 9, [3.0] * 9, [4.0] * 9], lasts=[1, 9, 9, 9])
    gr.SuccessiveHalving(2, 1).run(told, told.trials)
    assert told.calls == [(1, [0, 1, 2, 3]), (2, [1]), (4, [1]), (8, [1]), (16, [1])]
    states = ["finished", "finished", "stopped", "stopped"]
    assert [trial.status for trial in told.trials] == states


def test_hyperband_assigns_each_trial_to_one_bracket():
    told = Told(np.tile(np.arange(11.0)[:, None], 9))
    gr.Hyperband(3).run(told, told.trials)
    # shares of 1, 3 / 2 and 9 / 3 among 11 trials
    called = [(until, len(numbers)) for until, numbers in told.calls]
    assert called == [(9, 2), (3, 3), (9, 1), (1, 6), (3, 2), (9, 1)]
    begun = [number for place in (0, 1, 3) for number in told.calls[place][1]]
    assert sorted(begun) == list(range(11))
    assert {trial.status for trial in told.trials} == {"finished", "stopped"}


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 2])
def test_a_survivor_is_its_model_trained_alone(width, monkeypatch):
    monkeypatch.setattr(sweep, "MAX_KEPT", 2)
    halving = gr.SuccessiveHalving(2, 1)
    made = gr.Sweep(space(), 6, strategy=halving, executor=Local(width=width))
    made.fit(X, Y, epochs=5, monitor="val_loss", **FIT)
    assert sorted(trial.epochs for trial in made.trials) == [1, 1, 1, 2, 2, 5]
    (winner,) = [trial for trial in made.trials if trial.status == "finished"]
    # a survivor, a trial whose weights are kept, and one whose weights were dropped
    for trial in (winner, made.ranking[1], made.ranking[-1]):
        found, one = made.member_models(trial)[0], alone(made, trial, epochs=trial.epochs)
        for name in ("loss", "val_loss"):
            np.testing.assert_allclose(found.history[name], one.history[name], rtol=1e-5)
        for path, weight in one.weights.items():
            np.testing.assert_allclose(found.weights[path], weight, rtol=1e-5, atol=1e-6)
            if width == 1:
                np.testing.assert_array_equal(found.weights[path], weight)
        assert trial.score == pytest.approx(one.history["val_loss"][-1])
    # trials stopped at a rung were worse there than those that continued
    curves = {t.number: made.member_models(t)[0].history["val_loss"] for t in made.trials}
    first = {number: curve[0] for number, curve in curves.items()}
    stayed = {trial.number for trial in made.trials if trial.epochs > 1}
    assert max(first[n] for n in stayed) <= min(v for n, v in first.items() if n not in stayed)
    assert made.table()["val_loss"].null_count() == 0


@pytest.mark.slow
def test_trials_with_seeds_patience_and_different_epochs():
    made = gr.Sweep(space(gr.Adam(gr.choice(0.3, 0.1, 0.03, 0.01))), 4, "grid", seeds=2,
                    strategy=gr.SuccessiveHalving(2, 2))  # fmt: skip
    made.fit(X, Y, epochs=gr.choice(2, 9, name="epochs"), patience=1, monitor="val_loss", **FIT)
    assert len(made.trials) == 4
    for trial in made.trials:
        epochs = 2 if trial.status == "stopped" else trial.settings(made.hypers)["epochs"]
        solo = [alone(made, trial, seed, epochs=epochs, patience=1) for seed in (0, 1)]
        best = [min(one.history["val_loss"]) for one in solo]
        assert trial.scores == pytest.approx(best)
        assert trial.epochs == max(one.history.epochs for one in solo)


def test_a_diverging_trial_is_out_at_the_rung():
    net = gr.Sequential([gr.Dense(4), gr.Dense(1)])
    model = gr.Model(net, "mse", gr.SGD(gr.choice(1e12, 1e-2, 1e-3, 1e-6)))
    made = gr.Sweep(model, search="grid", seeds=2, strategy=gr.SuccessiveHalving(2, 3))
    made.fit(X, X[:, :1], epochs=6, verbose=False)
    states = ["diverged", "finished", "finished", "stopped"]
    assert [trial.status for trial in made.trials] == states


def test_strategies_have_names():
    assert isinstance(get_strategy("halving"), gr.SuccessiveHalving)
    assert isinstance(get_strategy("hyperband"), gr.Hyperband)
    assert isinstance(get_strategy("population"), gr.PopulationBased)
    assert isinstance(get_strategy(None), Full)
    with pytest.raises(GradusError, match="Did you mean 'halving'"):
        gr.Sweep(space(), strategy="halfing")
    with pytest.raises(GradusError, match="neither a name nor a strategy"):
        gr.Sweep(space(), strategy=3)
    for factor in (1, True, math.nan, "3"):
        with pytest.raises(GradusError, match="factor"):
            gr.SuccessiveHalving(factor)
        with pytest.raises(GradusError, match="factor"):
            gr.Hyperband(factor)
    with pytest.raises(GradusError, match="start"):
        gr.SuccessiveHalving(start=0)


def test_epochs_of_numpy_are_numbers():
    rungs = []
    for epochs in (9, np.int64(9)):
        made = gr.Sweep(space(), 9, strategy="halving")
        made.fit(X, Y, epochs=epochs, **FIT)
        rungs.append([trial.epochs for trial in made.trials])
    assert rungs[0] == rungs[1]
    assert set(rungs[0]) == {1, 3, 9}
