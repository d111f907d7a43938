"""The one-call network: what it is made of, and that it learns what one layer cannot."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.models.mlp import mlp


def kinds(net):
    return [type(layer).__name__ for layer in net.layers]


def test_the_layers_are_those_of_the_widths():
    assert kinds(mlp([8, 4, 2])) == ["Dense", "Dense", "Dense"]
    assert [layer.units for layer in mlp([8, 4, 2]).layers] == [8, 4, 2]
    assert kinds(mlp([8, 2], dropout=0.1)) == ["Dense", "Dropout", "Dense"]
    assert kinds(mlp([8, 2], batch_norm=True)) == [
        "Dense",
        "BatchNormalization",
        "Activation",
        "Dense",
    ]
    assert mlp([8, 2], "tanh", "softmax").layers[-1].activation == "softmax"


@pytest.mark.parametrize("widths", [[], 3])
def test_no_widths_are_refused(widths):
    with pytest.raises(GradusError, match=r"mlp\(\[128, 64, 10\]\)"):
        mlp(widths)


@pytest.mark.slow
def test_it_solves_xor_and_a_linear_one_does_not():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    y = np.array([[0], [1], [1], [0]])
    right = {}
    for activation in ("tanh", "linear"):
        model = gr.Model(mlp([8, 1], activation, "sigmoid"), "bce", gr.Adam(0.05), ["accuracy"])
        model.fit(x, y, batch_size=None, epochs=300, probes=False, verbose=False)
        right[activation] = model.evaluate(x, y)["accuracy"]
    assert right["tanh"] == 1
    assert right["linear"] < 1
