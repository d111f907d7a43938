"""Trials with different activations or optimizers share a program and equal their models."""

import itertools

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.nn.activation_switch import ActivationSwitch
from gradus.optim import optimizer_switch
from gradus.sweep.execution import ray_task
from gradus.sweep.execution.local import Local
from gradus.sweep.members import branch_fusion, cost_model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 6)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int32)
LOSS = "sparse_categorical_crossentropy"
FIT = {"epochs": 3, "batch_size": 16, "probes": False, "verbose": False}


class Counted(Local):
    """Counts the programs."""

    def run(self, members, until=None):
        self.programs = set()

        def seen():
            for member in members:
                self.programs.add(member.program_key)
                yield member

        yield from super().run(seen(), until)


def model(hidden="tanh", optimizer="sgd", last=None, layer=None, loss=LOSS, units=2):
    net = gr.Sequential([layer or gr.Dense(5, hidden), gr.Dropout(0.2), gr.Dense(units, last)])
    return gr.Model(net, loss, optimizer, seed=3)


def swept(space, trials=None, fuse=True, x=X, y=Y, search="grid", **options):
    executor = Counted()
    sweep = gr.Sweep(space, trials, search, executor=executor, fuse=fuse, **options)
    sweep.fit(x, y, **FIT)
    return sweep, len(executor.programs)


def equal(sweep, models, x=X, y=Y):
    """Each trial equals the model trained by `fit`, up to rounding."""
    equal_trials(sweep, sweep.trials, models, x, y)


def equal_trials(sweep, trials, models, x, y):
    for trial, alone in zip(trials, models, strict=True):
        alone.fit(x, y, validation_split=0.2, **FIT)
        (made,) = sweep.member_models(trial)
        np.testing.assert_allclose(made.history["val_loss"], alone.history["val_loss"], rtol=1e-4)
        for path, weight in alone.weights.items():
            np.testing.assert_allclose(made.weights[path], weight, rtol=1e-4, atol=1e-5)
        assert repr(made) == repr(alone)


@pytest.mark.slow
def test_activations_share_one_program():
    names = ("relu", gr.activations.tanh, "softmax", None)
    sweep, programs = swept(model(gr.choice(*names)))
    assert (programs, sweep.fused) == (1, ("dense.activation",))
    equal(sweep, [model(name) for name in names])


@pytest.mark.slow
def test_optimizers_with_their_own_spaces_share_one_program():
    rate = gr.choice(0.01, 0.1)
    falling = gr.schedules.ExponentialDecay(0.05, 4, 0.5)
    space = gr.choice(
        gr.SGD(rate, momentum=0.9), gr.Adam(falling, clipnorm=0.5), gr.RMSprop(0.02), "adagrad"
    )
    sweep, programs = swept(model(optimizer=space))
    assert (programs, sweep.fused) == (1, ("optimizer",))
    rules = [
        gr.SGD(0.01, momentum=0.9),
        gr.SGD(0.1, momentum=0.9),
        gr.Adam(falling, clipnorm=0.5),
        gr.RMSprop(0.02),
        "adagrad",
    ]
    equal(sweep, [model(optimizer=rule) for rule in rules])
    np.testing.assert_allclose(
        sweep.member_models(sweep.trials[-1])[0].history["learning_rate"],
        model(optimizer=rules[-1]).fit(X, Y, validation_split=0.2, **FIT)["learning_rate"],
    )


@pytest.mark.slow
def test_both_with_a_convolution_and_widths():
    x = X.reshape(48, 6, 1)
    names, rules = ("relu", "tanh"), (gr.SGD(0.1), gr.Adam(0.01))

    def net(activation, units):
        return [gr.Conv1D(3, 2, activation=activation), gr.Flatten(), gr.Dense(units, activation)]

    def made(activation, rule, units):
        parts = gr.Sequential([*net(activation, units), gr.Dense(2, "softmax")])
        return gr.Model(parts, LOSS, rule)

    shared = gr.choice(*names)
    sweep, programs = swept(made(shared, gr.choice(*rules), gr.choice(3, 4)), x=x)
    assert programs == 2  # a width is a shape
    assert len(sweep.fused) == 2
    order = [tuple(trial.values[name] for name in sweep.hypers) for trial in sweep.trials]
    assert sorted(order) == sorted(itertools.product((0, 1), repeat=3))
    kinds = [name.split(".")[-1] for name in sweep.hypers]
    # Half of them, in which each choice meets each other one; every model alone is a program.
    trials = [trial for trial, places in zip(sweep.trials, order, strict=True) if sum(places) % 2]
    models = []
    for trial in trials:
        drawn = dict(zip(kinds, (trial.values[name] for name in sweep.hypers), strict=True))
        width = 3 + drawn["units"]
        models.append(made(names[drawn["activation"]], rules[drawn["optimizer"]], width))
    equal_trials(sweep, trials, models, x, Y)


@pytest.mark.slow
def test_an_activation_that_is_part_of_the_loss_is_not_fused():
    y = Y.astype(np.float32)[:, None]
    space = model(last=gr.choice("sigmoid", "linear"), loss="binary_crossentropy", units=1)
    sweep, programs = swept(space, y=y)
    assert programs == 2
    ends = ("sigmoid", "linear")
    equal(sweep, [model(last=end, loss="binary_crossentropy", units=1) for end in ends], y=y)


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule", [gr.LBFGS(), gr.SGD(gr.schedules.ReduceOnPlateau(0.1, patience=1))], ids=repr
)
def test_an_optimizer_that_needs_the_loss_or_a_plateau_is_not_fused(rule):
    sweep = gr.Sweep(model(optimizer=gr.choice(rule, gr.SGD(0.1))), search="grid", fuse=True)
    sweep.fit(X, Y, epochs=3, batch_size=None, verbose=False)
    for trial, own in zip(sweep.trials, (rule, gr.SGD(0.1)), strict=True):
        alone = model(optimizer=own).fit(X, Y, validation_split=0.2, **(FIT | {"batch_size": None}))
        (made,) = sweep.member_models(trial)
        np.testing.assert_allclose(made.history["loss"], alone["loss"], rtol=1e-4)


def test_a_layer_that_does_more_than_call_its_activation_is_not_fused():
    class Own(gr.Layer):
        def __init__(self, activation):
            self.activation = activation

        def call(self, x):
            return x if self.activation == "relu" else -x

    choice = gr.choice("relu", "tanh")
    for layer in (Own(choice), gr.Activation(gr.choice("relu", "elu"), alpha=gr.uniform(0, 1))):
        space = model(layer=layer)
        assert branch_fusion.fusible_choices(space.settings, gr.Sweep(space).hypers) == ()
    shared = gr.Model(gr.Sequential([Own(choice), gr.Dense(2, choice)]), LOSS)
    assert branch_fusion.fusible_choices(shared.settings, gr.Sweep(shared).hypers) == ()


@pytest.mark.slow
def test_a_misspelled_name_fails_alone():
    sweep, _ = swept(model(gr.choice("relu", "thanh", "tanh")))
    assert [trial.status for trial in sweep.trials] == ["finished", "failed", "finished"]
    assert "tanh" in sweep.trials[1].error


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["halving", "population"])
def test_strategies_give_the_same_results(strategy):
    space = model(gr.choice("relu", "tanh"), gr.choice(gr.SGD(gr.uniform(0.01, 0.5)), gr.Adam()))
    one, other = (
        swept(space, 8, fuse, search="random", strategy=strategy)[0] for fuse in (True, False)
    )
    columns = ["score", "val_loss", "epochs"]
    np.testing.assert_allclose(one.table()[columns], other.table()[columns], rtol=1e-4)
    assert one.table()["optimizer"].equals(other.table()["optimizer"])


@pytest.mark.slow
def test_vectorized_members_are_fused_and_the_best_trains_further():
    space = model(gr.choice("relu", "tanh"), gr.choice(gr.SGD(0.1), gr.Adam(0.01)))
    alone, _ = swept(space)
    mapped = gr.Sweep(space, search="grid", executor=Local(width=4), fuse=True)
    mapped.fit(X, Y, **FIT)
    np.testing.assert_allclose(mapped.table()["score"], alone.table()["score"], rtol=1e-5)
    assert mapped.best.fit(X, Y, **(FIT | {"epochs": 2})).epochs == 5


@pytest.mark.slow
def test_another_machine_fuses_the_same_choices():
    sweep, _ = swept(model(gr.choice("relu", "tanh"), gr.choice(gr.SGD(0.1), gr.Adam(0.01))))
    source = sweep._runner.factory
    members = [source.make_member(trial.number, trial.values) for trial in sweep.trials]
    requests = [ray_task.MemberRequest.create(member) for member in members]
    payload = ray_task.SweepPayload.create(source)
    found = ray_task.train_members(payload, requests, None, workers=1, width=1)
    assert ray_task._factory(payload).fused_names == sweep.fused
    for trial, (_, history) in zip(sweep.trials, found, strict=True):
        np.testing.assert_array_equal(
            history["loss"], sweep._runner.trained_members(trial)[0].model.history["loss"]
        )


@pytest.mark.slow
def test_choices_are_fused_if_that_pays():
    space = model(gr.choice("relu", "tanh"), gr.choice("sgd", "adam"))
    sweep = gr.Sweep(space, 4).fit(X, Y, epochs=2, verbose=False)
    assert sweep.fused == ("dense.activation", "optimizer")
    source = sweep._runner.factory
    assert cost_model.fusion_pays(source, sweep.fused, 4)
    assert not cost_model.fusion_pays(source, sweep.fused, 10**7)
    assert not cost_model.fusion_pays(source, (), 4)
    assert gr.Sweep(space, 2, fuse=False).fit(X, Y, epochs=1, verbose=False).fused == ()


def test_switches_execute_only_the_chosen_branch():
    x = np.array([-800.0, 0.5], np.float32)
    for which, wanted in enumerate((np.exp(x), np.maximum(x, 0))):
        np.testing.assert_allclose(
            ActivationSwitch(which, ("exponential", "relu"))(x), wanted, rtol=1e-6
        )
    rule = optimizer_switch.OptimizerSwitch(which=1, options=(gr.SGD(1.0), gr.SGD(0.5)))
    weights, gradients = {"w": np.float32(1)}, {"w": np.float32(0.2)}
    moved, state = rule.update(gradients, rule.init(weights), weights)
    assert float(moved["w"]) == pytest.approx(0.9)
    assert [int(one["step"]) for one in state["options"]] == [0, 1]
    with pytest.raises(GradusError, match="call its update"):
        rule.transformation(np.float32(0.1))
