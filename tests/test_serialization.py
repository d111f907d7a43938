"""Every setting of gradus survives serialization to JSON and back."""

from __future__ import annotations

import dataclasses
import inspect
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradus as gr
from gradus.errors import GradusError, SavedError
from gradus.nn import activations, initializers, penalties
from gradus.nn.layers.conv import BaseConv
from gradus.nn.layers.conv_transpose import BaseConvTranspose
from gradus.nn.layers.merging import BaseMerge
from gradus.nn.layers.pooling import BasePooling
from gradus.nn.layers.resizing import BaseSides
from gradus.nn.layers.separable_conv import BaseSeparableConv
from gradus.objectives import losses, metrics
from gradus.optim import optimizers, schedules
from gradus.serialization import _classes, deserialize, serialize
from gradus.train.tasks.base import OutputObjective, Supervised

# Arguments without defaults, by name.
EXAMPLES = {
    "units": 4,
    "times": 2,
    "shares": (0.25, 0.75),
    "activation": "tanh",
    "rate": 0.25,
    "stddev": 0.5,
    "input_dim": 5,
    "output_dim": 3,
    "cardinalities": (3, 5),
    "target_shape": (2, -1),
    "scale": 2.0,
    "learning_rate": 0.03,
    "initial_learning_rate": 0.1,
    "every": 10,
    "boundaries": (10, 20),
    "values": (0.3, 0.2, 0.1),
    "decay_steps": 100,
    "decay_rate": 0.9,
    "steps": 5,
    "target": 0.1,
    "maximum": 0.4,
    "n": 3,
    "dims": (2, 1),
    "total_steps": 50,
    "loss": losses.Huber(2.0),
    "k": 3,
    "filters": 4,
    "kernel_size": 3,
    "num_heads": 2,
    "key_dim": 4,
    "function": activations.leaky_relu,
    "monitor": "loss",
    "mode": "min",
    "code": 2,
    "factor": 0.1,
    "height": 3,
    "height_factor": 0.1,
    "hidden": 8,
    "length": 6,
    "strength": 0.5,
    "width": 3,
    "width_factor": 0.2,
    "widths": (4, 3),
    "activations": ("relu", None),
}


def through_json(value, custom=()):
    return deserialize(json.loads(json.dumps(serialize(value), allow_nan=False)), custom)


def same(a, b):
    """Whether two objects are equal, layers by class and attributes."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray | jax.Array):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)
    if isinstance(a, gr.Layer) or dataclasses.is_dataclass(a):
        return same(dict(vars(a)), dict(vars(b)))
    return a == b or repr(a) == repr(b) == "nan"


def an_example(cls):
    arguments = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.default is not parameter.empty or parameter.kind is parameter.VAR_POSITIONAL:
            continue
        if cls is gr.Functional:
            arguments |= {"layers": {"twin": gr.Dense(2)}, "calls": {"a": ("twin", "x")}}
        elif name in ("layers", "branches"):
            arguments[name] = [gr.Dense(2).named("first"), gr.Dropout(0.5)]
        elif cls is gr.Bidirectional:
            arguments[name] = gr.LSTM(2)
        elif name in ("layer", "net", "encoder", "decoder", "generator", "discriminator"):
            arguments[name] = gr.Dense(2)
        elif name in EXAMPLES:
            arguments[name] = EXAMPLES[name]
        else:
            return None
    return cls(**arguments)


def concrete(*bases):
    found = [cls for cls in _classes().values() if issubclass(cls, bases)]
    bare = (gr.Layer, BaseConv, BaseConvTranspose, BasePooling)  # they lack a number of axes
    bare += (BaseMerge, BaseSeparableConv, BaseSides)
    return [cls for cls in found if not inspect.isabstract(cls) and cls not in bare]


PARTS = (losses.Loss, metrics.Metric, optimizers.Optimizer, schedules.Schedule, penalties.Penalty)
DRAWN = [cls for name, cls in _classes().items() if name.startswith("initializers.")]


@pytest.mark.parametrize(
    "cls", concrete(gr.Layer, *PARTS, penalties.Constraint) + DRAWN, ids=lambda cls: cls.__name__
)
def test_every_class_survives(cls):
    made = an_example(cls)
    if made is None:
        pytest.fail(f"write an example for the arguments of {cls.__name__}")
    assert same(through_json(made), made)


def test_the_walk_finds_the_classes_that_are_registered():
    entries = {
        registry.find(name)
        for registry in (
            losses.REGISTRY,
            metrics.REGISTRY,
            optimizers.REGISTRY,
            schedules.REGISTRY,
            initializers.REGISTRY,
            penalties.penalties,
        )
        for name in registry
    }
    assert {e for e in entries if inspect.isclass(e)} <= set(_classes().values())


def test_only_arguments_that_differ_from_defaults_are_described():
    assert serialize(gr.Dense(128)) == {"class": "Dense", "units": 128}
    described = serialize(gr.Dense(128, "relu", kernel_regularizer=penalties.L2(1e-4)))
    assert described == {
        "class": "Dense",
        "units": 128,
        "activation": "relu",
        "kernel_regularizer": {"class": "penalties.L2", "strength": 1e-4},
    }


def test_equal_but_of_another_type_is_not_the_default():
    # use_bias=1 equals True, but the user wrote 1
    assert serialize(gr.Dense(3, use_bias=1))["use_bias"] == 1


def test_names_and_frozen_layers_survive():
    net = through_json(gr.Sequential([gr.Dense(3).named("head").freeze(), gr.Dense(2)]))
    assert net.layers[0].trainable is False
    assert net.layers[1].trainable is True
    assert [path for path, _ in gr.nn.layer.named_layers(net)] == ["", "head", "dense"]


def test_functions_of_gradus_are_described_by_name():
    layer = through_json(gr.Dense(3, activations.gelu))
    assert layer.activation is activations.gelu


def test_a_task_and_nested_containers_survive():
    task = Supervised(
        {"a": OutputObjective(losses.Huber(0.5), (metrics.Accuracy(),), 2.0)}, penalties.L1()
    )
    assert same(through_json(task), task)
    assert same(
        through_json({"x": (1, [2.5, None, "s"]), 3: np.float64(0.1)}),
        {"x": (1, [2.5, None, "s"]), 3: 0.1},
    )


def test_a_class_as_a_value_survives():
    assert through_json([losses.Huber, metrics.Accuracy]) == [losses.Huber, metrics.Accuracy]


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=20,
)


@pytest.mark.slow
@given(trees)
def test_plain_values_survive(value):
    assert same(through_json(value), value)


@given(
    st.lists(st.floats(width=32), max_size=6),
    st.sampled_from(["float32", "float64", "int32"]),
)
def test_arrays_survive(values, dtype):
    array = np.nan_to_num(values, posinf=1, neginf=2) if dtype == "int32" else np.array(values)
    array = np.clip(array, -1e9, 1e9).astype(dtype) if dtype == "int32" else array.astype(dtype)
    assert same(through_json(array), array)
    assert same(through_json(array.reshape(-1, 1)), array.reshape(-1, 1))


def test_a_jax_scalar_survives_as_an_array():
    found = through_json(optimizers.Adam(jnp.float32(0.1)))
    assert found.learning_rate == np.float32(0.1)


class Scaled(gr.Layer):
    def __init__(self, factor=2.0):
        self.factor = factor

    def call(self, x):
        return x * self.factor


def test_a_custom_class_must_be_passed():
    described = serialize(Scaled(3.0))
    assert deserialize(described, custom=[Scaled]).factor == 3.0
    with pytest.raises(SavedError, match=r"'Scaled'.*custom=\[Scaled\]"):
        deserialize(described)
    for custom in (Scaled, {"Scaled": Scaled}):
        with pytest.raises(GradusError, match=r"write a list of your classes, custom=\[Scaled\]"):
            deserialize(described, custom=custom)


def test_a_custom_class_named_like_one_of_gradus_stays_custom():
    class Dense(gr.Layer):
        def __init__(self, units):
            self.units = units

    assert type(deserialize(serialize(Dense(3)), custom=[Dense])) is Dense
    assert type(deserialize(serialize(gr.Dense(3)), custom=[Dense])) is gr.Dense


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            lambda: gr.Sequential([gr.Dense(3, lambda x: x)]),
            r"'<lambda>' at layers\[0\].activation",
        ),
        (lambda: gr.Dense(3, jnp.tanh), "write its name, 'tanh'"),
        (lambda: losses.get(lambda y, p: p), "function cannot be saved"),
        (lambda: optimizers.Adam(lambda step: 0.1), "learning_rate.function"),
        (lambda: {(1, 2): 3}, "write a string"),
    ],
)
def test_values_that_cannot_be_saved_raise(made, words):
    with pytest.raises(SavedError, match=words):
        serialize(made())


def test_a_layer_that_does_not_keep_its_argument_raises():
    class Forgets(gr.Layer):
        def __init__(self, units):
            self.size = units

    with pytest.raises(SavedError, match=r"self\.units = units"):
        serialize(Forgets(3))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"class": "Dens", "units": 3}, "nearest is 'Dense'"),
        ({"class": "Dense", "unit": 3}, "does not take"),
        ({"class": "os.system", "command": "true"}, "gradus has no"),
        ({"function": "os.system"}, "no function"),
        ({"units": 3}, "is not valid: it has no 'class'"),
        ({"float": "much"}, "is not a valid 'float'"),
        ({"array": [1, 2], "dtype": "float32", "shape": [3]}, "is not a valid 'array'"),
    ],
)
def test_invalid_descriptions_raise(data, words):
    with pytest.raises(SavedError, match=words):
        deserialize(data)
