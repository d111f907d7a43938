"""A sweep's trials equal their models trained alone, and the best one is kept."""

import itertools

import numpy as np
import pytest

import gradus as gr
from gradus.data.splitting.splits import split
from gradus.errors import GradusError
from gradus.hyperparameters import find_hyperparameters, resolve
from gradus.sweep.execution.local import Local
from gradus.sweep.search.grid import Grid
from gradus.sweep.search.values import values_at

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int32)
LOSS = "sparse_categorical_crossentropy"


def space(units=6, **settings):
    rate = gr.uniform(0, 0.4)
    net = gr.Sequential([gr.Dense(units, "tanh"), gr.Dropout(rate), gr.Dense(2, "softmax")])
    optimizer = gr.Adam(gr.log_uniform(1e-3, 0.3))
    return gr.Model(net, LOSS, optimizer, metrics=["accuracy"], **settings)


def alone(sweep, trial, x, y, seed=0, **options):
    settled = dict(resolve(sweep.model.settings, sweep.hypers, trial.values))
    model = gr.Model(**(settled | {"seed": settled["seed"] + seed}))
    model.fit(x, y, monitor=sweep.monitor, verbose=False, **options)  # by the same program
    return model


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 2])
def test_a_trial_is_its_model_trained_alone(width):
    model = space(gr.choice(4, 6), seed=gr.int_uniform(0, 50))
    sweep = gr.Sweep(model, 5, executor=Local(width=width), seed=3)
    options = {"batch_size": 16, "epochs": 3, "validation_data": (X[:20], Y[:20])}
    options |= {"probes": False}
    sweep.fit(X, Y, verbose=False, **options)
    assert {trial.status for trial in sweep.trials} == {"finished"}
    for trial in sweep.trials:
        one, found = alone(sweep, trial, X, Y, **options), sweep.member_models(trial)[0]
        for name in ("loss", "val_loss", "val_accuracy"):
            np.testing.assert_allclose(found.history[name], one.history[name], rtol=1e-4)
        np.testing.assert_allclose(found.predict(X), one.predict(X), rtol=1e-3, atol=1e-5)
        assert trial.score == pytest.approx(one.history["val_accuracy"][-1])
    best = max(trial.score for trial in sweep.trials)
    assert sweep.best.history["val_accuracy"][-1] == pytest.approx(best)
    assert sweep.best.evaluate(X[:20], Y[:20])["accuracy"] == pytest.approx(best)


@pytest.mark.slow
def test_the_table_has_a_row_for_each_trial(monkeypatch):
    sweep = gr.Sweep(space(), 4).fit(X, Y, epochs=2, verbose=False)
    assert "the best" not in sweep._repr_html_()
    monkeypatch.setattr("gradus.sweep.sweep.SHOWN_TRIALS", 3)
    assert f"<p>{sweep!r}: the best 3</p>" in sweep._repr_html_()
    table = sweep.table()
    assert table["trial"].to_list() == [0, 1, 2, 3]
    assert {"dropout.rate", "optimizer.learning_rate", "val_loss", "score"} <= set(table.columns)
    np.testing.assert_allclose(table["score"], table["val_accuracy"])


@pytest.mark.slow
def test_a_setting_with_a_metrics_name_has_its_own_column():
    model = gr.Model(gr.Sequential([gr.Dense(1)]), gr.choice("mse", "mae"), "sgd", metrics=["mae"])
    sweep = gr.Sweep(model, search="grid")
    table = sweep.fit(X, X[:, :1], epochs=gr.choice(1, 2), monitor="mae", verbose=False).table()
    assert table["setting_loss"].to_list() == ["mse", "mse", "mae", "mae"]
    assert table["setting_epochs"].to_list() == table["epochs"].to_list() == [1, 2, 1, 2]
    for trial, kind, loss, mae in table["trial", "setting_loss", "loss", "mae"].rows():
        assert (loss == pytest.approx(mae)) == (kind == "mae"), trial


@pytest.mark.slow
def test_seeds_and_folds_are_members_and_the_score_is_their_mean():
    sweep = gr.Sweep(space(), 2, seeds=2, cv=3).fit(X, Y, epochs=2, batch_size=16, verbose=False)
    trial = sweep.ranking[0]
    assert len(trial.scores) == 6
    assert trial.score == pytest.approx(np.mean(trial.scores))
    assert len({tuple(one.weights["dense/bias"]) for one in sweep.member_models(trial)}) == 6
    held = [fold.data.validation for fold in sweep._runner.factory.data.folds({})]
    assert sorted(np.concatenate(held)) == list(range(60))


def test_a_diverged_trial_is_marked_and_does_not_affect_others():
    net = gr.Sequential([gr.Dense(4), gr.Dense(1)])
    model = gr.Model(net, "mse", gr.SGD(gr.choice(1e-3, 1e12)))
    sweep = gr.Sweep(model, search="grid").fit(X, X[:, :1], epochs=4, verbose=False)
    assert [trial.status for trial in sweep.trials] == ["finished", "diverged"]
    assert np.isnan(sweep.trials[1].score)
    assert sweep.ranking[0].number == 0


def test_an_invalid_trial_is_marked_failed_and_others_continue():
    net = gr.Sequential([gr.Dense(gr.choice(4, 0)), gr.Dense(2, "softmax")])
    sweep = gr.Sweep(gr.Model(net, LOSS), search="grid").fit(X, Y, epochs=1, verbose=False)
    assert [trial.status for trial in sweep.trials] == ["finished", "failed"]
    assert "units=0" in sweep.trials[1].error
    net = gr.Sequential([gr.Dense(gr.choice(-1, 0)), gr.Dense(2, "softmax")])
    with pytest.raises(GradusError, match=r"No trial could be built: .*units=-1"):
        gr.Sweep(gr.Model(net, LOSS), search="grid").fit(X, Y, verbose=False)


@pytest.mark.slow
def test_arguments_of_fit_can_be_spaces():
    sweep = gr.Sweep(space(), 8)
    sweep.fit(X, Y, epochs=gr.choice(1, 2), batch_size=gr.choice(8, 16), verbose=False)
    shown = [trial.settings(sweep.hypers) for trial in sweep.trials]
    assert [one["epochs"] for one in shown] == [trial.epochs for trial in sweep.trials]
    assert {one["epochs"] for one in shown} == {1, 2}
    assert {one["batch_size"] for one in shown} == {8, 16}


@pytest.mark.slow
@pytest.mark.parametrize("search", ["random", "sobol"])
def test_values_depend_on_the_seed_and_are_in_their_spaces(search):
    def values(seed, trials=16):
        sweep = gr.Sweep(space(), trials, search, seed=seed).fit(X, Y, epochs=1, verbose=False)
        return [trial.values for trial in sweep.trials]

    first = values(1)
    assert first == values(1) != values(2)
    assert first[:8] == values(1, 8)
    rates = np.array([one["dropout.rate"] for one in first])
    assert rates.min() >= 0
    assert rates.max() <= 0.4
    assert np.histogram(rates, 4, (0, 0.4))[0].min() >= (4 if search == "sobol" else 1)


@pytest.mark.slow
def test_a_grid_has_every_combination_once():
    sgd = gr.SGD(0.1, momentum=gr.choice(0.0, 0.5, 0.9))
    net = gr.Sequential([gr.Dense(gr.choice(3, 4)), gr.Dense(2, "softmax")])
    sweep = gr.Sweep(gr.Model(net, LOSS, gr.choice(sgd, gr.Adam(0.1))), search="grid")
    assert len(sweep.fit(X, Y, epochs=1, verbose=False).trials) == 2 * (3 + 1)


def test_a_conditional_hyperparameter_varies_only_where_active_in_a_grid():
    def nested(size):
        inner = gr.choice({"deep": [gr.int_uniform(1, size), gr.choice(*"ab")], "flat": 0})
        return find_hyperparameters(
            {"one": gr.choice(inner, gr.int_uniform(1, size), 7), "two": gr.choice(1, 2)}
        )

    hypers = nested(3)
    sizes = [range(hyper.space.size) for hyper in hypers.values()]
    every = {}
    for places in itertools.product(*sizes):
        shares = [(place + 0.5) / len(size) for place, size in zip(places, sizes, strict=True)]
        every[tuple(values_at(hypers, dict(zip(hypers, shares, strict=True))).items())] = None
    assert [tuple(point.items()) for point in Grid(hypers, 0, 0).points] == list(every)
    assert Grid(nested(10_000), 0, 0).trials == 2 * ((2 * 10_000 + 1) + 10_000 + 1)
    with pytest.raises(GradusError, match="6,000,004 combinations"):
        Grid(nested(1_000_000), 0, 0)


def test_mistakes_say_what_to_write():
    plain = gr.Model(gr.Dense(2, "softmax"), LOSS)
    with pytest.raises(GradusError, match="no hyperparameter to search"):
        gr.Sweep(plain).fit(X, Y)
    with pytest.raises(GradusError, match=r"'grid' needs a finite set for dropout\.rate"):
        gr.Sweep(space(), search="grid").fit(X, Y)
    with pytest.raises(GradusError, match=r"nearest|Did you mean.*'sobol'"):
        gr.Sweep(space(), search="sobl").fit(X, Y)
    with pytest.raises(GradusError, match="Sweep takes a model"):
        gr.Sweep(plain.net)
    with pytest.raises(GradusError, match=r"fuse='yes'.*True or False"):
        gr.Sweep(space(), fuse="yes")
    with pytest.raises(GradusError, match="call fit"):
        gr.Sweep(space()).ranking  # noqa: B018
    with pytest.raises(GradusError, match="val_acuracy"):
        gr.Sweep(space(), 2).fit(X, Y, monitor="val_acuracy")
    many = [gr.Dense(gr.int_uniform(1, 100)) for _ in range(4)]
    huge = gr.Model(gr.Sequential([*many, gr.Dense(2, "softmax")]), LOSS)
    with pytest.raises(GradusError, match="100,000,000 combinations"):
        gr.Sweep(huge, search="grid").fit(X, Y)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [None, "population"])
def test_layer_statistics_can_be_recorded_afterward_at_the_same_weights(strategy):
    sweep = gr.Sweep(space(gr.choice(4, 6)), 8, strategy=strategy, seed=1)
    options = {"batch_size": 16, "epochs": 4, "validation_data": (X[:20], Y[:20])}
    sweep.fit(X, Y, verbose=False, **options)
    trial = next((one for one in sweep.ranking if one.lineage), sweep.ranking[0])
    plain = sweep.member_models(trial)[0]
    probed = sweep.member_models(trial, probes=True)[0]
    assert not plain.history.probes
    for name, value in plain.weights.items():
        np.testing.assert_array_equal(probed.weights[name], value)
    if strategy is None:
        signs = alone(sweep, trial, X, Y, **options).history.probes
        assert signs.keys() == probed.history.probes.keys()
        for name, value in signs.items():
            np.testing.assert_allclose(probed.history.probes[name], value, rtol=1e-3, atol=1e-6)
    else:
        assert trial.lineage
        assert probed.history.probes


@pytest.mark.slow
def test_the_best_model_of_a_sweep_is_diagnosed(tmp_path):
    x = np.random.default_rng(0).normal(size=(240, 4)).astype(np.float32)
    y = 1 + x[:, :1] + x[:, 1:2]
    model = gr.Model(gr.mlp([4, 1]), "mse", gr.SGD(gr.choice(1e-4, 2e-4)))
    sweep = gr.Sweep(model, search="grid")
    sweep.fit(x, y, epochs=20, validation_split=0.2, verbose=False)
    found = sweep.best.diagnose()
    assert [limit[-12:] for limit in found.limits] == ["probes=True."]
    assert [finding.code for finding in found] == ["not-learning"]
    loaded = gr.Model.load(sweep.best.save(tmp_path))
    assert loaded.diagnose().to_json() == found.to_json()
    # With layer statistics, it says what a training of its own says.
    best = sweep.member_models(sweep.ranking[0], probes=True)[0]
    rows, held = split(y, 0.2, 0)
    own = gr.Model(gr.mlp([4, 1]), "mse", gr.SGD(2e-4))
    own.fit(x[rows], y[rows], validation_data=(x[held], y[held]), epochs=20, verbose=False)
    assert (best.diagnose().findings[0].code, best.diagnose().limits) == ("rate-low", ())
    assert [each.code for each in best.diagnose()] == [each.code for each in own.diagnose()]
    assert best.record.layers == own.record.layers
