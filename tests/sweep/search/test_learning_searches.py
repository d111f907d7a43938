"""Learning searches stay within their spaces, use the results, and are reproducible."""

import logging
import sys

import numpy as np
import optuna
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.hyperparameters import find_hyperparameters
from gradus.space import Range
from gradus.sweep.search import SEARCHES, get_search
from gradus.sweep.search.cmaes import CMAES
from gradus.sweep.search.tpe import TPE
from gradus.sweep.search.trial import Trial

LEARNING = [name for name, search in SEARCHES.items() if search.batch is not None]


def space():
    sgd = gr.SGD(0.1, momentum=gr.uniform(0, 0.9, name="momentum"))
    return find_hyperparameters(
        {
            "rate": gr.log_uniform(1e-4, 1e-1),
            "units": gr.int_uniform(3, 40),
            "width": gr.logspace(1, 100, 3),
            "kind": gr.choice(sgd, gr.Adam(0.1), gr.Adam(0.2), name="kind"),
            "one": gr.choice("only"),
            "same": gr.uniform(2, 2),
        }
    )


def score(values):
    """Minimal at rate 1e-2, 10 units, the middle width and SGD with momentum 0.5."""
    away = np.log10(values["rate"]) + 2, (values["units"] - 10) / 37, values["width"] - 1
    kind = abs(values["momentum"] - 0.5) if values["kind"] == 0 else 1.0
    return float(np.square(away).sum() + kind)


def run(name, batches=4, seed=0, sign=1, hypers=None, judge=score):
    search = get_search(name, hypers or space(), 1000, seed)
    trials = []
    for _ in range(batches):
        asked = search.ask(len(trials), search.batch)
        batch = [Trial(len(trials) + k, values, "finished") for k, values in enumerate(asked)]
        for trial in batch:
            trial.score = sign * judge(trial.values)
        search.tell(batch, "min" if sign == 1 else "max")
        trials += batch
    return search, trials


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNING)
def test_values_are_in_their_spaces_and_only_active_ones_exist(name):
    hypers = space()
    for trial in run(name)[1]:
        values = trial.values
        assert ("momentum" in values) == (values["kind"] == 0)
        for key, value in values.items():
            inside = hypers[key].space
            if isinstance(inside, Range):
                assert inside.low * (1 - 1e-12) <= value <= inside.high * (1 + 1e-12)
            assert type(value) is (float if inside.size is None else int)
            if inside.size and not isinstance(inside, Range):
                assert 0 <= value < inside.size
    kinds = [trial.values["kind"] for trial in run(name)[1][:16]]
    assert len(set(kinds)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNING)
def test_values_depend_only_on_the_seed_and_the_results(name):
    values = [[trial.values for trial in run(name, 3, seed)[1]] for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]
    assert len({str(one) for one in values[0]}) == 48  # no two are equal, even within a batch
    upside = [trial.values for trial in run(name, 3, 1, sign=-1)[1]]
    assert upside == values[0]  # maximizing the negative is minimizing
    otherwise = [t.values for t in run(name, 3, 1, judge=lambda v: -score(v))[1]]
    assert otherwise[:16] == values[0][:16]
    assert otherwise[16:] != values[0][16:]


@pytest.mark.parametrize("name", LEARNING)
def test_restored_trials_count_like_asked_ones(name):
    search, trials = run(name, 2)
    fresh = get_search(name, space(), 1000, 0)
    fresh.tell(trials[:16], "min")
    fresh.tell(trials[16:], "min")
    assert fresh.ask(32, 16) == search.ask(32, 16)


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNING)
def test_it_moves_toward_better_values(name):
    _, trials = run(name, 12)
    scores = [trial.score for trial in trials]
    assert np.median(scores[-48:]) < np.median(scores[:16]) / 2


def test_results_are_in_the_study():
    search = TPE(space(), 100, 0)
    values = search.ask(0, 5)
    statuses = ["finished", "stopped", "diverged", "failed", "finished"]
    trials = [Trial(k, v, s) for k, (v, s) in enumerate(zip(values, statuses, strict=True))]
    for trial, number in zip(trials, [0.5, 0.7, np.nan, np.nan, 0.2], strict=True):
        trial.score, trial.epochs = number, 3
    search.tell(trials, "max")
    study = search.study()
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert [one.state.name for one in study.trials] == [
        "COMPLETE", "PRUNED", "PRUNED", "PRUNED", "COMPLETE",
    ]  # fmt: skip
    assert [one.params for one in study.trials] == values
    assert study.best_value == 0.5
    assert [one.intermediate_values for one in study.trials] == [{}, {3: 0.7}, {}, {}, {}]


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNING)
def test_trials_without_a_score_do_no_harm(name):
    for judge in (lambda values: np.nan, lambda values: 1.0):
        _, trials = run(name, 3, judge=judge)
        assert len(trials) == 48
    only = find_hyperparameters({"one": gr.choice("only")})
    assert run(name, 2, hypers=only, judge=lambda values: 1.0)[1][-1].values == {"one": 0}


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNING)
def test_a_sweep_uses_it(name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3)).astype(np.float32)
    optimizer = gr.choice(gr.Adam(0.1), gr.SGD(gr.log_uniform(1e-3, 1)))
    model = gr.Model(gr.Dense(1), "mse", optimizer)
    sweep = gr.Sweep(model, 20, name).fit(x, x[:, :1], epochs=1, verbose=False)
    assert [trial.status for trial in sweep.trials] == ["finished"] * 20


def test_optuna_keeps_its_own_settings(capfd):
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.INFO)
    try:
        run("tpe", 2)
        assert optuna.logging.get_verbosity() == logging.INFO
    finally:
        optuna.logging.set_verbosity(before)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("search", "package"), [(TPE, "optuna"), (CMAES, "cmaes")])
def test_the_error_for_a_missing_package_says_how_to_install_it(monkeypatch, search, package):
    monkeypatch.setitem(sys.modules, package, None)
    words = rf"search='\w+' needs the package {package}.*pip install 'gradus-nn\[search\]'"
    with pytest.raises(GradusError, match=words):
        search(space(), 10, 0)


@pytest.mark.parametrize("name", LEARNING)
def test_no_settings_are_tried_twice_where_the_best_lies_at_a_bound(name):
    hypers = find_hyperparameters({"rate": gr.uniform(0, 1)})
    _, trials = run(name, batches=6, hypers=hypers, judge=lambda values: values["rate"])
    values = [trial.values["rate"] for trial in trials]
    assert len(set(values)) == len(values)
    assert min(values) < 0.01
    again = run(name, batches=6, hypers=hypers, judge=lambda values: values["rate"])[1]
    assert [trial.values["rate"] for trial in again] == values


def test_random_search_tries_every_option_before_one_twice():
    hypers = find_hyperparameters({"a": gr.choice(1, 2, 3, 4), "b": gr.choice("x", "y", "z")})
    values = get_search("random", hypers, 12, 0).ask(0, 12)
    assert len({tuple(value.items()) for value in values}) == 12
    search = get_search("random", hypers, 12, 0)
    assert [search.ask(number, 1)[0] for number in range(12)] == values
