"""A vectorized population equals its members trained alone."""

import jax
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.models.inputs.training_data import make_training_data
from gradus.sweep.execution import population_program, stacking
from gradus.sweep.execution.fit_all import fit_all
from gradus.sweep.execution.local import Local
from gradus.sweep.execution.population_program import PopulationProgram
from gradus.sweep.execution.vectorize import Parallelism
from gradus.sweep.members.factory import MemberBuilder
from gradus.sweep.members.fold import Fold

X = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int32)


def made(seed, rate, dropout, width=6):
    net = gr.Sequential([gr.Dense(width, "tanh"), gr.Dropout(dropout), gr.Dense(2, "softmax")])
    loss = "sparse_categorical_crossentropy"
    return gr.Model(net, loss, gr.Adam(rate), metrics=["accuracy"], seed=seed)


def members(settings, epochs=4):
    options = {"monitor": None, "mode": None, "target": None, "restore_best": True, "probes": False}
    fitting = {
        "batch_size": 16, "epochs": epochs, "patience": None, "min_delta": 0.0, "shuffle_seed": 0,
    }  # fmt: skip
    builder, fold = MemberBuilder(options), Fold.create(make_training_data(X, Y))
    return [builder.build(k, made(*one), fitting, fold) for k, one in enumerate(settings)]


@pytest.mark.slow
def test_members_equal_their_solo_runs():
    settings = [(0, 0.01, 0.1), (1, 0.01, 0.3), (2, 0.1, 0.1)]
    options = {"batch_size": 16, "epochs": 3, "validation_data": (X[:10], Y[:10])}
    options |= {"shuffle": False}
    together = fit_all([made(*one) for one in settings], X, Y, **options)
    for one, member in zip(settings, together, strict=True):
        alone = made(*one)
        alone.fit(X, Y, verbose=False, **options)
        for path, weight in alone.weights.items():
            np.testing.assert_allclose(member.weights[path], weight, rtol=1e-4, atol=1e-6)
        for name in ("loss", "val_accuracy"):
            np.testing.assert_allclose(member.history[name], alone.history[name], rtol=1e-4)
        np.testing.assert_allclose(member.predict(X), alone.predict(X), rtol=1e-3, atol=1e-5)
        assert member.record.settings == alone.record.settings
        assert member.record.layers == alone.record.layers  # with the initial weights
        assert member.record.training.weights.keys() == alone.record.training.weights.keys()
        found = [[each.code for each in model.diagnose()] for model in (member, alone)]
        assert found[0] == found[1]
        assert member.diagnose().limits == alone.diagnose().limits


def test_other_structures_are_rejected():
    with pytest.raises(GradusError, match="differ in structure"):
        fit_all([made(0, 0.1, 0.1), made(0, 0.1, 0.1, width=7)], X, Y)


@pytest.mark.slow
def test_members_can_end_at_different_epochs():
    space = gr.Model(
        gr.Sequential([gr.Dense(6, "tanh"), gr.Dense(2, "softmax")]),
        "sparse_categorical_crossentropy",
        gr.Adam(gr.uniform(0.01, 0.1)),
    )
    options = {"batch_size": 16, "epochs": gr.choice(1, 3, 4), "verbose": False}
    mapped, alone = (
        gr.Sweep(space, 6, "sobol", executor=Local(1, width)).fit(X, Y, **options)
        for width in (3, 1)
    )
    assert [trial.epochs for trial in mapped.trials] == [trial.epochs for trial in alone.trials]
    assert {trial.epochs for trial in mapped.trials} == {1, 3, 4}
    np.testing.assert_allclose(mapped.table()["loss"], alone.table()["loss"], rtol=1e-5)


@pytest.mark.slow
def test_members_ahead_wait_for_members_behind():
    settings = [(0, 0.01, 0.1), (1, 0.02, 0.1), (2, 0.03, 0.1)]
    together, alone = members(settings), members(settings)
    for member in together[1:]:
        PopulationProgram(member).train([member], until=2)
    PopulationProgram(together[0], Parallelism(3)).train(together)
    for member, one in zip(together, alone, strict=True):
        PopulationProgram(one).train([one])
        assert member.done
        found, wanted = member.model.history["loss"], one.model.history["loss"]
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_splitting_training_into_calls_changes_nothing(monkeypatch):
    cut = members([(0, 0.01, 0.1)])
    PopulationProgram(cut[0]).train(cut)
    monkeypatch.setattr(population_program, "MAX_CALL_SECONDS", 0.0)  # an epoch each
    again = members([(0, 0.01, 0.1)])
    PopulationProgram(again[0]).train(again)
    for one, other in zip(
        jax.tree.leaves(cut[0].train_state), jax.tree.leaves(again[0].train_state), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_canceled_training_ends_after_its_call(monkeypatch):
    monkeypatch.setattr(population_program, "MAX_CALL_SECONDS", 0.0)
    short, long = members([(0, 0.01, 0.1)], 1) + members([(1, 0.01, 0.1)], 10**6)
    done = Local(2, width=1, chunk=1).run([long, short])
    assert next(done) == [short]
    done.close()
    assert int(long.train_state.epoch) < 10**6
    assert not long.done


@pytest.mark.slow
def test_only_numbers_that_differ_have_a_population_axis():
    """Only rates and dropout differ, two numbers of some twenty; with the seed also the key."""
    three = members([(0, 0.01, 0.1), (0, 0.02, 0.2), (0, 0.03, 0.3)])
    made = PopulationProgram(three[0], Parallelism(3))
    made.train(three)
    varied = made.note_varying(three)
    assert sum(varied) == 2
    assert len(varied) > 10
    training, _ = made.training_of(three)
    net, optimizer, *_ = training.components
    assert np.shape(optimizer.learning_rate) == (3,)
    assert np.shape(optimizer.beta_1) == ()
    assert [np.shape(layer.rate) for layer in net.layers if isinstance(layer, gr.Dropout)] == [(3,)]
    assert np.shape(training.key) == ()
    assert sum(made.note_varying(members([(7, 0.01, 0.1)]) + three)) == 3
    assert np.shape(made.training_of(three)[0].key) == (3,)


@pytest.mark.slow
def test_a_number_that_differs_later_is_each_members_own():
    """The program is compiled again, and no member trains with another one's number."""
    settings = [(0, 0.01, 0.2), (0, 0.05, 0.2), (0, 0.05, 0.4), (3, 0.01, 0.4)]
    together, alone = members(settings), members(settings)
    made = PopulationProgram(together[0], Parallelism(2))
    for at in (0, 2):
        made.train(together[at : at + 2])
    for member, one in zip(together, alone, strict=True):
        PopulationProgram(one).train([one])
        np.testing.assert_allclose(
            member.model.history["loss"], one.model.history["loss"], rtol=1e-5
        )
    assert len({tuple(member.model.history["loss"]) for member in together}) == 4


def test_equal_nans_do_not_differ():
    one, other = members([(0, 0.01, 0.1), (0, 0.01, 0.1)])  # no target: NaN
    assert not any(PopulationProgram(one, Parallelism(2)).note_varying([one, other]))


@pytest.mark.slow
def test_numbers_that_differed_stay_stacked_from_rung_to_rung(monkeypatch):
    """Survivors with equal dropout rates need no new program: numbers stay stacked."""
    seen, mapped = [], stacking.vectorized_program

    def noted(way, varied):
        seen.append(varied)
        return mapped(way, varied)

    monkeypatch.setattr(stacking, "vectorized_program", noted)
    space = gr.Model(
        gr.Sequential(
            [gr.Dense(6, "tanh"), gr.Dropout(gr.choice(0.1, 0.3)), gr.Dense(2, "softmax")]
        ),
        "sparse_categorical_crossentropy",
        gr.Adam(gr.uniform(0.01, 0.1)),
    )
    race = gr.Sweep(space, 9, strategy="halving", executor=Local(1, 2))
    race.fit(X, Y, batch_size=16, epochs=9, verbose=False)
    assert len(seen) > 4
    grown = [tuple(map(max, zip(*seen[: k + 1], strict=True))) for k in range(len(seen))]
    assert seen == grown
    assert sum(seen[-1]) == 2
