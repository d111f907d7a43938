"""The hyperparameters that a known score depends on are the important ones."""

import math

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.hyperparameters import find_hyperparameters
from gradus.sweep.results.importance import Importance, hyperparameter_importance
from gradus.sweep.search.random import Random
from gradus.sweep.search.trial import Trial

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
SPACES = {
    "rate": gr.log_uniform(1e-4, 1.0),
    "dropout": gr.uniform(0, 0.5),
    "units": gr.choice(16, 32, 64),
    "depth": gr.int_uniform(1, 4),
}


def tried(spaces, score, trials=256):
    """Random trials, each with the score of its values."""
    hypers = find_hyperparameters(spaces)
    found = []
    for number, values in enumerate(Random(hypers, trials, 0).ask(0, trials)):
        done = Trial(number, values, "finished", score(values))
        done.status = "diverged" if math.isnan(done.score) else "finished"
        found.append(done)
    return found, hypers


def decades(values):
    return math.log10(values["rate"])


def test_one_hyperparameter_explains_nearly_all():
    trials, hypers = tried(SPACES, lambda v: (decades(v) + 2) ** 2 + 0.1 * v["dropout"])
    found = hyperparameter_importance(trials, hypers, "val_loss", "min")
    assert next(iter(found.shares)) == "rate"
    assert found.shares["rate"] > 0.97
    assert max(found.shares[name] for name in ("dropout", "units", "depth")) < 0.01
    assert sum(found.shares.values()) <= 1
    assert found.explained > 0.95
    curve = found.curves["rate"]
    assert curve.log
    known = (np.log10(curve.values) + 2) ** 2
    np.testing.assert_allclose(curve.mean, known, atol=0.35)
    assert 1e-3 < curve.values[int(curve.mean.argmin())] < 1e-1
    assert found.curves["units"].values == [16, 32, 64]
    assert found.curves["depth"].values == [1, 2, 3, 4]
    assert (curve.spread >= 0).all()


def test_shares_equal_the_analysis_of_variance():
    """For a sum, Var(3 u) : Var(option / 2) : Var(whole) by hand, u uniform on [0, 1)."""
    trials, hypers = tried(
        SPACES, lambda v: 3 * (decades(v) + 4) / 4 + v["units"] / 2 + v["depth"], 1024
    )
    variances = {"rate": 9 / 12, "units": 2 / 3 / 4, "depth": 15 / 12}
    found = hyperparameter_importance(trials, hypers, "val_loss", "min").shares
    for name, variance in variances.items():
        assert found[name] == pytest.approx(variance / sum(variances.values()), abs=0.03)
    assert found["dropout"] < 0.01


def test_interactions_are_not_in_the_shares():
    trials, hypers = tried(
        {"a": gr.choice(-1, 1), "b": gr.choice(-1, 1), "c": gr.uniform(0, 1)},
        lambda v: (2 * v["a"] - 1) * (2 * v["b"] - 1),
    )
    found = hyperparameter_importance(trials, hypers, "val_loss", "min")
    assert found.explained > 0.7
    assert sum(found.shares.values()) < 0.15


def conditional(momentum, kind=0.0):
    """A space with a momentum only for SGD, and a score that depends on momentum and kind."""
    sgd = gr.SGD(0.1, momentum=gr.uniform(0, 1, name="momentum"))
    spaces = {"optimizer": gr.choice(gr.Adam(), sgd, name="kind")}

    def score(values):
        return kind * values["kind"] + momentum * (values.get("momentum", 0.5) - 0.5)

    return tried(spaces, score, 512)


def test_a_conditional_hyperparameter_is_assessed_where_it_is_active():
    """Var(kind / 2) = 1/16; momentum varies in half of the settings, by 1/12 / 2."""
    trials, hypers = conditional(momentum=1.0, kind=0.5)
    found = hyperparameter_importance(trials, hypers, "val_loss", "min")
    total = 1 / 16 + 1 / 24
    assert found.shares["kind"] == pytest.approx(1 / 16 / total, abs=0.05)
    assert found.shares["momentum"] == pytest.approx(1 / 24 / total, abs=0.05)
    curve = found.curves["momentum"]
    np.testing.assert_allclose(curve.mean, np.array(curve.values), atol=0.1)
    assert found.curves["kind"].values == ["Adam", "SGD"]
    np.testing.assert_allclose(found.curves["kind"].mean, [0, 0.5], atol=0.05)


def test_being_active_is_the_parents_effect():
    trials, hypers = conditional(momentum=0.0, kind=1.0)
    found = hyperparameter_importance(trials, hypers, "val_loss", "min").shares
    assert found["kind"] > 0.98
    assert found["momentum"] < 0.01


@pytest.mark.parametrize("mode", ["min", "max"])
def test_diverged_trials_count_as_the_worst(mode):
    sign = 1 if mode == "min" else -1
    trials, hypers = tried(
        SPACES, lambda v: math.nan if v["rate"] > 0.01 else sign * (v["dropout"] > 0.4)
    )
    found = hyperparameter_importance(trials, hypers, "val_loss", mode)
    curve = found.curves["rate"]
    np.testing.assert_allclose(
        sign * curve.mean[[0, 1, 2, -3, -2, -1]], [0.2] * 3 + [1] * 3, atol=0.1
    )
    assert found.shares["rate"] > 0.5


def test_an_exploded_loss_does_not_dominate():
    def score(values):
        return 1e30 if values["dropout"] > 0.49 else (decades(values) + 2) ** 2

    trials, hypers = tried(SPACES, score)
    assert (
        hyperparameter_importance(trials, hypers, "val_loss", "min").shares["rate"] > 0.2
    )  # of 1e30 it would be 0


def test_it_is_reproducible():
    trials, hypers = tried(SPACES, lambda v: decades(v) + v["dropout"], 32)
    first = hyperparameter_importance(trials, hypers, "val_loss", "min", seed=1)
    again = hyperparameter_importance(trials, hypers, "val_loss", "min", seed=1)
    assert (
        first.shares
        == again.shares
        != hyperparameter_importance(trials, hypers, "x", "min", seed=2).shares
    )
    np.testing.assert_array_equal(first.curves["rate"].mean, again.curves["rate"].mean)


def test_equal_scores_give_no_importance():
    trials, hypers = tried(SPACES, lambda _: 1.0, 16)
    assert set(hyperparameter_importance(trials, hypers, "val_loss", "min").shares.values()) == {
        0.0
    }


@pytest.mark.slow
def test_the_rate_of_a_real_sweep_mattered():
    net = gr.Sequential([gr.Dense(4), gr.Dense(1)])
    rate, seed = gr.log_uniform(1e-6, 1e2), gr.int_uniform(0, 9)
    sweep = gr.Sweep(gr.Model(net, "mse", gr.SGD(rate), seed=seed), 48)
    sweep.fit(X, X[:, :1], epochs=4, batch_size=gr.choice(16, 32), verbose=False)
    assert {"finished", "diverged"} == {trial.status for trial in sweep.trials}
    found = sweep.importance()
    assert next(iter(found.shares)) == "optimizer.learning_rate"
    assert found.shares["optimizer.learning_rate"] > 0.5
    assert found.score == "val_loss"
    shown = gr.figures.importance(sweep)
    assert shown.layout.yaxis.ticktext[0] == "optimizer.learning_rate"
    np.testing.assert_allclose(shown.data[0].x, list(found.shares.values()))


def test_a_figure_has_the_curves():
    trials, hypers = tried(SPACES, lambda v: (decades(v) + 2) ** 2, 64)
    found = hyperparameter_importance(trials, hypers, "val_loss", "min")
    shown = gr.figures.importance(found)
    lines = {
        trace.name: trace for trace in shown.data if trace.type == "scatter" and not trace.fill
    }
    np.testing.assert_array_equal(lines["rate"].y, found.curves["rate"].mean)
    np.testing.assert_array_equal(lines["rate"].x, found.curves["rate"].values)
    axes = [axis for axis in shown.select_xaxes() if axis.type == "log"]
    assert len(axes) == 1
    spaced = {"decay": gr.logspace(1e-6, 1e-2, 5), "share": gr.linspace(0, 0.4, 5)}
    trials, hypers = tried(spaced, lambda v: v["decay"], 64)
    found = hyperparameter_importance(trials, hypers, "val_loss", "min")
    assert found.curves["decay"].values == [1e-6, 1e-5, 1e-4, 1e-3, 1e-2]
    shown = gr.figures.importance(found)
    kinds = {
        trace.name: shown.layout[f"xaxis{trace.xaxis[1:]}"].type
        for trace in shown.data
        if trace.type == "scatter" and not trace.fill
    }
    assert kinds == {"decay": "log", "share": None}
    with pytest.raises(GradusError, match="importance takes a sweep"):
        gr.figures.importance(trials)


def test_its_text_names_the_shares_and_the_uncertainty():
    words = str(Importance({"rate": 0.75, "units": 0.2}, {}, 0.9, "val_loss"))
    assert words == "rate 75%, units 20% of the variance in val_loss due to the settings"
    assert "R² -1.00" in str(Importance({"rate": 0.75}, {}, -1.0, "val_loss"))


def test_too_few_trials_say_so():
    trials, hypers = tried(SPACES, decades, 7)
    with pytest.raises(GradusError, match=r"at least 8 trials .* has 7"):
        hyperparameter_importance(trials, hypers, "val_loss", "min")
    trials, hypers = tried(SPACES, lambda values: np.nan, 10)
    with pytest.raises(GradusError, match=r"at least 8 trials .* has 0"):
        hyperparameter_importance(trials, hypers, "val_loss", "min")
    with pytest.raises(GradusError, match="call fit"):
        gr.Sweep(gr.Model(gr.Dense(gr.choice(1, 2)), "mse")).importance()
