"""Population-based training: bad trials continue from good ones' weights, perturbed."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.hyperparameters import resolve
from gradus.sweep import sweep
from gradus.sweep.execution.local import Local

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int32)
LOSS = "sparse_categorical_crossentropy"
FIT = {
    "validation_data": (X[:20], Y[:20]),
    "batch_size": 16,
    "verbose": False,
    "probes": False,
    "monitor": "val_loss",
}


def space(units=6, initializer="glorot_uniform", **settings):
    hidden = gr.Dense(units, "tanh", kernel_initializer=initializer)
    net = gr.Sequential([hidden, gr.Dropout(gr.uniform(0.1, 0.4)), gr.Dense(2, "softmax")])
    return gr.Model(net, LOSS, gr.Adam(gr.log_uniform(1e-4, 0.1)), **settings)


def followed(made, trial, seed=0):
    """Train a trial's models one after another by `Model.fit`, each from the last one's state."""
    lineage = trial.lineage or [(0, trial.values)]
    ends = [epoch for epoch, _ in lineage[1:]] + [trial.epochs]
    train_state = None
    for (begun, values), end in zip(lineage, ends, strict=True):
        settled = dict(resolve(made.model.settings, made.hypers, values))
        model = gr.Model(**(settled | {"seed": settled["seed"] + seed}))
        model.build(X)
        model.train_state = train_state
        model.fit(X, Y, epochs=end - begun, **FIT)
        train_state = model.train_state
    return model


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 2])
def test_a_trial_is_its_lineage_trained_alone(width, monkeypatch):
    monkeypatch.setattr(sweep, "MAX_KEPT", 2)
    strategy = gr.PopulationBased(2)
    made = gr.Sweep(space(seed=gr.int_uniform(0, 99)), 8, strategy=strategy, seeds=2,
                    executor=Local(width=width))  # fmt: skip
    made.fit(X, Y, epochs=7, **FIT)
    assert {(trial.status, trial.epochs) for trial in made.trials} == {("finished", 7)}
    copied = [trial for trial in made.trials if trial.lineage]
    assert copied
    kept = made.ranking[:2]
    for trial in [*kept, *[one for one in copied if one not in kept][:2]]:
        solo = [followed(made, trial, seed) for seed in (0, 1)]
        last = [one.history["val_loss"][-1] for one in solo]
        assert trial.scores == pytest.approx(last, rel=1e-5)
        order = np.argsort(last)
        for place, found in zip(order, made.member_models(trial), strict=True):
            assert found.history.epochs == 7  # including those of the trials that it copied
            for path, weight in solo[place].weights.items():
                np.testing.assert_allclose(found.weights[path], weight, rtol=1e-4, atol=1e-6)
    for trial in copied:
        assert trial.lineage[-1][1] == trial.values
        assert [epoch for epoch, _ in trial.lineage] == sorted({e for e, _ in trial.lineage})
        assert all(epoch in (0, 2, 4, 6) for epoch, _ in trial.lineage)


@pytest.mark.slow
def test_only_numbers_are_perturbed_and_stay_in_their_spaces():
    start = gr.choice("glorot_uniform", "he_normal")
    model = space(gr.choice(4, 6), start, seed=gr.int_uniform(0, 99))
    made = gr.Sweep(model, 12, strategy=gr.PopulationBased(1), seed=1)
    first = []
    made.strategy.run, race = (
        lambda runner, batch: (
            first.extend(dict(trial.values) for trial in batch),
            race(runner, batch),
        ),
        made.strategy.run,
    )
    made.fit(X, Y, epochs=gr.choice(4, 5), **FIT)
    moved = 0
    for trial, before in zip(made.trials, first, strict=True):
        after = trial.values
        for name in ("dense.units", "seed", "epochs"):
            assert after[name] == before[name]
        assert trial.epochs == trial.settings(made.hypers)["epochs"]
        pairs = zip(trial.lineage, trial.lineage[1:], strict=False)
        for (_, old), (_, new) in pairs:
            assert new["dense.kernel_initializer"] == old["dense.kernel_initializer"]
            rates = old["optimizer.learning_rate"], new["optimizer.learning_rate"]
            moved += rates[0] != rates[1]
            assert 1e-4 <= rates[1] <= 0.1
            assert 0.1 <= new["dropout.rate"] <= 0.4
    assert moved >= 3


def test_numbers_are_multiplied_by_08_or_125_and_ordered_choices_step():
    from gradus.space import Range
    from gradus.sweep.strategies.population_based import _perturb

    draw = np.random.default_rng(0)
    found = [_perturb(Range(0.0, 1.0), 0.4, draw) for _ in range(400)]
    near = {round(value, 6) for value in found if found.count(value) > 1}
    assert near == {0.32, 0.5}
    anew = [value for value in found if found.count(value) == 1]
    assert 60 < len(anew) < 140  # one time in four
    assert 0.45 in [_perturb(Range(0.3, 0.45), 0.4, draw) for _ in range(99)]
    ladder, options = gr.linspace(0, 1, 9), gr.choice("a", "b", "c")
    steps = [_perturb(ladder, 4, draw) for _ in range(400)]
    assert min(steps.count(3), steps.count(5)) > 120
    assert min(_perturb(ladder, 0, draw) for _ in range(99)) == 0
    assert [_perturb(options, 1, draw) for _ in range(400)].count(1) > 280


@pytest.mark.slow
def test_it_is_reproducible_and_bad_settings_improve():
    def fitted(strategy, seed=0):
        rate = gr.logspace(1e-5, 0.1, 8)
        net = gr.Sequential([gr.Dense(6, "tanh"), gr.Dense(2, "softmax")])
        model = gr.Model(net, LOSS, gr.Adam(rate))
        return gr.Sweep(model, search="grid", strategy=strategy, seed=seed).fit(
            X, Y, epochs=8, **FIT
        )

    def values(made):
        return [(trial.values, trial.lineage, trial.score) for trial in made.trials]

    made = fitted("population")
    assert values(made) == values(fitted("population")) != values(fitted("population", 1))
    full = fitted("full")
    assert max(t.score for t in made.trials) < 0.9 * max(t.score for t in full.trials)
    assert made.ranking[0].score <= full.ranking[0].score


def test_a_diverged_trial_continues_from_another():
    net = gr.Sequential([gr.Dense(4), gr.Dense(1)])
    model = gr.Model(net, "mse", gr.SGD(gr.choice(1e12, 1e-2, 1e-3)))
    made = gr.Sweep(model, search="grid", strategy=gr.PopulationBased(1))
    made.fit(X, X[:, :1], epochs=2, verbose=False)
    assert [trial.status for trial in made.trials] == ["finished"] * 3
    (begun, old), (copied, _) = made.trials[0].lineage
    assert (begun, copied) == (0, 1)
    assert old == made.trials[1].values
    assert np.isfinite(made.trials[0].score)
    hopeless = gr.Model(net, "mse", gr.SGD(gr.choice(1e12, 1e11)))
    made = gr.Sweep(hopeless, search="grid", strategy=gr.PopulationBased(1))
    made.fit(X, X[:, :1], epochs=4, verbose=False)
    assert [trial.status for trial in made.trials] == ["diverged"] * 2
    with pytest.raises(GradusError, match="every"):
        gr.PopulationBased(0)


@pytest.mark.slow
def test_patience_and_the_best_epoch_go_with_the_weights():
    made = gr.Sweep(space(), 6, strategy=gr.PopulationBased(2))
    made.fit(X, Y, epochs=9, patience=3, **FIT)
    for trial in made.trials:
        (history,) = trial.histories
        assert trial.score == pytest.approx(min(history["val_loss"]))
    best = made.best.evaluate(X[:20], Y[:20])["loss"]
    assert best == pytest.approx(made.ranking[0].score, rel=1e-5)
