"""Initial weights: how a signal fades, saturates, or explodes before training.

Before training, all weights are random numbers. Their size determines what the last layer of a deep
network gets to see. A unit adds up n inputs times n weights. If these are independent, with mean
zero and standard deviation σ, then for inputs of size s the sum has the standard deviation

    σ √n · s

so each layer multiplies the signal by about `σ √n`. If this factor is below 1, the signal fades
layer by layer to nothing. If it is above 1, the signal explodes, or drives sigmoid and tanh to
their flat ends, where no gradient passes. So the standard deviation should be about `1 / √n`:

- LeCun (1998): `σ = √(1 / n_in)`, for activations like tanh, whose slope at zero is 1.
- Xavier Glorot (2010): `σ = √(2 / (n_in + n_out))`, which also suits the backward pass.
- Kaiming He (2015): `σ = √(2 / n_in)`, for ReLU, which sets half of its inputs to zero.

Weights of zero are the worst choice of all. All units of a layer compute the same output, get the
same gradient, and stay identical forever: a wide layer is then worth no more than one unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import gradus as gr
from gradus.drawing import style
from gradus.lessons.page import Page

INITIALIZERS: Mapping[str, Any] = {
    "zeros": "zeros",
    "N(0, 0.01²)": gr.initializers.RandomNormal(0.0, 0.01),
    "N(0, 1)": gr.initializers.RandomNormal(0.0, 1.0),
    "LeCun": "lecun_normal",
    "Xavier": "glorot_normal",
    "He": "he_normal",
}
ACTIVATIONS = ("sigmoid", "tanh", "relu")


def lesson(
    page: Page, depth: int = 10, width: int = 100, samples: int = 200, seed: int = 0
) -> dict[str, float]:
    """Send random inputs through untrained deep networks.

    Args:
        page: the page to show the results on.
        depth: number of layers.
        width: number of units in each, and of features in each input.
        samples: number of inputs, drawn from the standard normal distribution.
        seed: seed of the inputs and of the weights.

    Returns:
        By activation and initializer, how much of the signal is left in the last layer: the
        standard deviation of its units' outputs over the inputs.
    """
    x = np.random.default_rng(seed).normal(size=(samples, width))
    signal_left: dict[str, dict[str, float]] = {name: {} for name in INITIALIZERS}
    for activation in ACTIVATIONS:
        outputs = {
            name: layer_outputs(activation, initializer, depth, x, seed)
            for name, initializer in INITIALIZERS.items()
        }
        page.table(
            [
                {"layer": i + 1} | {name: layers[i].std() for name, layers in outputs.items()}
                for i in range(depth)
            ],
            f"The standard deviation of each layer's outputs with {activation}.",
        )
        page.figure(
            plot_histograms(activation, outputs),
            f"The distribution of the outputs with {activation}: one histogram per layer, turned "
            "on its side, wide where there are many outputs. The widest bar is cut off.",
        )
        for name, layers in outputs.items():
            signal_left[name][activation] = float(layers[-1].std(axis=0).mean())
    page.table(
        [{"weights": name, **row} for name, row in signal_left.items()],
        "How much of the signal is left in the last layer: the standard deviation of a unit's "
        "output over the inputs, averaged over the units. Where it is zero, every input gets the "
        "same output.",
    )
    page.text(
        "With small weights, the last layer outputs the same for every input. With N(0, 1), "
        "sigmoid and tanh output only their extreme values, and ReLU explodes. Xavier, which "
        "equals LeCun when all layers have the same width, keeps the signal alive with tanh, and "
        "He with ReLU. With sigmoid the signal fades under all of these: its slope is never "
        "above ¼."
    )
    return {
        f"{activation}_with_{name}": row[activation]
        for name, row in reversed(signal_left.items())
        for activation in ACTIVATIONS
    }


def layer_outputs(
    activation: str, initializer: Any, depth: int, x: np.ndarray, seed: int
) -> list[np.ndarray]:
    """Return the outputs of each layer of an untrained network, first layer first."""
    width = x.shape[1]
    net = gr.mlp([width] * depth, activation, activation, kernel_initializer=initializer)
    values = gr.inside(gr.Model(net, loss="mse", seed=seed).build(x), x)
    return [values[path].outputs for path in values if path]


def plot_histograms(activation: str, outputs: Mapping[str, list[np.ndarray]]) -> Any:
    """Plot a panel for each initializer with a histogram of each layer's outputs."""
    height = 110 + 110 * len(outputs)
    figure = style.figure(
        f"Outputs by layer with {activation}",
        len(outputs),
        height,
        shared_xaxes=True,
        vertical_spacing=34 / height,
        subplot_titles=list(outputs),
    )
    for row, layers in enumerate(outputs.values(), 1):
        for index, (values, color) in enumerate(
            zip(layers, style.layer_colors(len(layers)), strict=True)
        ):
            across, up = outline(values)
            figure.add_scatter(
                x=index + 1 + across,
                y=up,
                mode="lines",
                line={"color": color, "width": 1},
                fill="toself",
                fillcolor=style.translucent(color, 0.5),
                showlegend=False,
                hoverinfo="skip",
                row=row,
                col=1,
            )
        if not any(np.ptp(values) for values in layers):  # all outputs are equal
            center = float(layers[0].flat[0])
            figure.update_yaxes(range=[center - 0.5, center + 0.5], row=row, col=1)
    figure.update_xaxes(dtick=1)
    figure.update_xaxes(title_text="layer", row=len(outputs), col=1)
    figure.update_yaxes(nticks=4, zeroline=False)
    return figure


def outline(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the outline of a histogram on its side, at most 0.9 wide.

    The widest bin is cut off at the second widest, because with ReLU half of the outputs are zero.
    """
    counts, edges = np.histogram(values, bins=40)
    nonzero = np.flatnonzero(counts)
    first, last = nonzero[0], nonzero[-1]
    counts, edges = counts[first : last + 1], edges[first : last + 2]
    widest = np.sort(counts)[-2:][0]
    across = 0.9 * np.repeat(np.minimum(counts / widest, 1), 2)
    up = np.repeat(edges, 2)
    return np.array([0, *across, 0], np.float32), up.astype(np.float32)
