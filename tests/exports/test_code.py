"""Settings as Python: what is written makes the same settings again."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.exports.code import WIDTH, Call, Name, assignment, expression
from gradus.serialization import serialize

SETTINGS = [
    gr.Dense(8, activation="relu", kernel_regularizer=gr.L2(1e-4)),
    gr.Dense(3, gr.activations.tanh, kernel_initializer=gr.initializers.Constant(0.5)),
    gr.Sequential([gr.Dense(2).named("body").freeze(), gr.Repeat(gr.Dense(4), 3)]),
    gr.Parallel({"a b": gr.Dense(3), 'q"': gr.PReLU(shared_axes=(1,))}, merge="concatenate"),
    gr.Rescaling(np.array([[1.0, 2.0]]), offset=np.array([1, 2])),
    gr.ColumnEmbedding((4, 7)),
    gr.Sequential(gr.Parallel([gr.ReLU(6.0), gr.Softmax(axis=1)]), gr.Add(), gr.Concatenate(1)),
    gr.Sequential(
        [gr.TimeDistributed(gr.Lambda(gr.activations.mish)), gr.Resizing(3, 4, "nearest")]
    ),
    gr.Normalization([1.0, 2.0], 4.0),
    gr.Adam(gr.schedules.CosineDecay(0.002, 130), clipnorm=1.0),
    gr.losses.Huber(delta=0.5),
    {"label": gr.losses.LogCosh(), "price": "mse"},
    [gr.Conv2D(32, (3, 3), padding="same", activation="relu") for _ in range(4)],
    (1, 2.5, None, True, "ü"),
    (3,),
    {},
]


@pytest.mark.parametrize("value", SETTINGS, ids=range(len(SETTINGS)))
def test_an_expression_makes_the_same_settings(value):
    written = assignment("made", value)
    names = {}
    exec(written, {"gr": gr, "np": np}, names)  # noqa: S102 - it is what a script holds
    assert serialize(names["made"]) == serialize(value)
    assert max(map(len, written.splitlines())) <= WIDTH


def test_a_long_expression_has_a_line_for_each_part():
    layers = [gr.Dense(128, activation="relu") for _ in range(3)]
    assert assignment("net", gr.Sequential(layers), depth=1).splitlines() == [
        "    net = gr.Sequential([",
        *['        gr.Dense(128, activation="relu"),'] * 3,
        "    ])",
    ]
    assert expression(Call("fit", [Name("x")], {"epochs": 3})) == "fit(x, epochs=3)"
    assert expression(Call("new", [gr.SGD(0.5)])) == "new(gr.SGD(learning_rate=0.5))"


class Mine(gr.Layer):
    def __init__(self):
        pass

    def call(self, x):
        return x


def test_what_is_code_cannot_be_written():
    with pytest.raises(GradusError, match=r"layers\[0\]\.function"):
        expression(gr.Sequential(gr.Lambda(lambda x: x)))
    with pytest.raises(GradusError, match="the class Mine"):
        expression(gr.Sequential([Mine()]))
