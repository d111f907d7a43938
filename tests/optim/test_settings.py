"""Settings that are no numbers are told where they are written."""

import inspect

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.nn import initializers
from gradus.objectives import losses
from gradus.optim import optimizers, schedules

NOT_NUMBERS = ["x", None, 3j, [1.0, 2.0], {}, True, object()]


def numbers_of(cls):
    """Return the settings of a class that are one number each."""
    return [
        name
        for name, field in getattr(cls, "__dataclass_fields__", {}).items()
        if field.type in ("Number", "float", "LearningRate")  # not those that may be None
    ]


def examples():
    for module in (schedules, optimizers, losses, initializers):
        for cls in vars(module).values():
            if not inspect.isclass(cls) or cls.__module__ != module.__name__:
                continue
            for name in numbers_of(cls):
                yield pytest.param(cls, name, id=f"{cls.__name__}.{name}")


@pytest.mark.parametrize(("cls", "name"), list(examples()))
def test_what_is_no_number_is_told(cls, name):
    parameters = inspect.signature(cls).parameters
    required = {n: 0.5 for n, p in parameters.items() if p.default is p.empty}
    for value in NOT_NUMBERS:
        with pytest.raises(GradusError, match=rf"{cls.__name__}\({name}="):
            cls(**{**required, name: value})
    for value in (0.04, np.float32(0.04), np.ones(()), gr.choice(0.01), gr.uniform(0, 0.04)):
        cls(**{**required, name: value})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gr.schedules.OneCycle(0.1, total_steps="x"), "OneCycle.total_steps='x'"),
        (lambda: gr.schedules.PiecewiseConstant(3, (1, 2)), "boundaries=3.*a tuple"),
        (lambda: gr.schedules.PiecewiseConstant((3,), ("a", 2)), "values='a'"),
        (lambda: gr.schedules.PiecewiseConstant((3,), (None, 2)), "values=.None, 2"),
        (lambda: gr.schedules.WarmUp(3, 0.1, then=0.1), "then=0.1.*write a schedule"),
        (lambda: gr.Adam(exclude_from_weight_decay=None), "names of weights"),
        (lambda: gr.LBFGS(memory_size="x"), "memory_size='x'.*whole number"),
        (lambda: gr.Muon(ns_steps=0), "ns_steps=0"),
        (lambda: gr.losses.CategoricalFocalCrossentropy(alpha="x"), "alpha='x'"),
        (lambda: gr.SGD(nesterov="x"), "nesterov='x'.*True or False"),
        (lambda: gr.RMSprop(centered=None), "centered=None.*True or False"),
        (lambda: gr.SGD(np.array("x")), "learning_rate=array"),
        (lambda: gr.Adam(exclude_from_weight_decay=np.array(1)), "names of weights"),
        (lambda: gr.schedules.StepDecay(0.1, every=0), "every=0.*greater than 0"),
        (lambda: gr.schedules.OneCycle(0.1, 10, pct_start=2), "pct_start=2.*from 0 to 1"),
        (lambda: gr.schedules.CosineDecay(-0.1, 10), "initial_learning_rate=-0.1.*0 or more"),
        (lambda: gr.schedules.ExponentialDecay(0.1, 5, 0.9, staircase="x"), "staircase='x'"),
        (lambda: gr.schedules.FromFunction(3), "function=3.*f.step"),
        (lambda: gr.schedules.FromFunction(lambda t: "x")(0), "returned 'x'.*one number"),
        (lambda: gr.losses.BinaryFocalCrossentropy("x"), "apply_class_balancing='x'"),
        (lambda: gr.losses.get(lambda y: y), "has the arguments .y., but is called as"),
        (lambda: gr.losses.FunctionLoss(int), "write a function f.y_true, y_pred"),
        (lambda: gr.initializers.GlorotUniform(mode=np.ones(2)), "mode="),
        (lambda: gr.initializers.get(lambda: 0), "is called as f.generator, shape"),
        (lambda: gr.initializers.GlorotUniform(mode=3), "mode=3.*'fan_in'"),
    ],
)
def test_other_wrong_settings_are_told(make, words):
    with pytest.raises(GradusError, match=words):
        make()
