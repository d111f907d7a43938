"""Initial weights: how a signal dies, saturates or explodes before anything is learnt.

Before training all weights are random numbers. How large they are decides what the last layer of a
deep network gets to see. A unit adds up n inputs times n weights. If these are independent, with
mean zero and deviation σ, the sum of inputs of size s has the deviation

    σ √n · s

so that each layer multiplies the signal by about `σ √n`. Below 1, the signal fades, layer by layer,
to nothing. Above 1, it explodes, or drives sigmoid and tanh to their flat ends, where no gradient
passes. So the deviation should be about `1 / √n`:

- LeCun (1998): `σ = √(1 / n_in)`, for activations like tanh, whose slope at zero is 1.
- Xavier Glorot (2010): `σ = √(2 / (n_in + n_out))`, which serves the way back, too.
- Kaiming He (2015): `σ = √(2 / n_in)`, for ReLU, which makes half of its inputs zero.

Weights of zero are worst of all. All units of a layer compute the same, get the same gradient, and
stay the same for ever: a wide layer is then worth one unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.page import Page
from gradus.report import style

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
    """Send random inputs through deep networks that were never trained.

    Args:
        page: where the results are shown.
        depth: how many layers.
        width: units of each, and numbers in each input.
        samples: how many inputs, drawn from the standard normal.
        seed: of the inputs and the weights.

    Returns:
        By activation and initialiser, how much of the inputs is left in the last layer: the
        deviation of its units' outputs from input to input.
    """
    x = np.random.default_rng(seed).normal(size=(samples, width))
    left: dict[str, dict[str, float]] = {name: {} for name in INITIALIZERS}
    for activation in ACTIVATIONS:
        outputs = {
            name: by_layer(activation, initializer, depth, x, seed)
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
            histograms(activation, outputs),
            f"How the outputs are spread with {activation}: for each layer a histogram that stands "
            "on its side, wide where many outputs are; the widest bar is cut off.",
        )
        for name, layers in outputs.items():
            left[name][activation] = float(layers[-1].std(axis=0).mean())
    page.table(
        [{"weights": name, **row} for name, row in left.items()],
        "How much of the inputs is left in the last layer: the deviation of a unit's output from "
        "input to input, the mean over the units. Where it is zero, every input gets one answer.",
    )
    page.text(
        "With small weights the last layer says the same of every input. With N(0, 1) sigmoid and "
        "tanh say only yes or no, and ReLU explodes. Xavier, which is LeCun's where all layers are "
        "as wide, keeps tanh alive, and He keeps ReLU. Sigmoid fades with all of these: its slope "
        "is nowhere above ¼."
    )
    return {
        f"{activation}_with_{name}": row[activation]
        for name, row in reversed(left.items())
        for activation in ACTIVATIONS
    }


def by_layer(
    activation: str, initializer: Any, depth: int, x: np.ndarray, seed: int
) -> list[np.ndarray]:
    """Return what each layer of an untrained network makes of the inputs, first layer first."""
    width = x.shape[1]
    net = gr.mlp([width] * depth, activation, activation, kernel_initializer=initializer)
    seen = gr.inside(gr.Model(net, loss="mse", seed=seed).build(x), x)
    return [seen[path].outputs for path in seen if path]


def histograms(activation: str, outputs: Mapping[str, list[np.ndarray]]) -> Any:
    """Return for each initialiser a panel with a histogram of each layer's outputs."""
    height = 110 + 110 * len(outputs)
    shown = style.figure(
        f"Outputs by layer with {activation}",
        len(outputs),
        height,
        shared_xaxes=True,
        vertical_spacing=34 / height,
        subplot_titles=list(outputs),
    )
    for row, layers in enumerate(outputs.values(), 1):
        for index, (values, colour) in enumerate(
            zip(layers, style.depth_colours(len(layers)), strict=True)
        ):
            across, up = outline(values)
            shown.add_scatter(
                x=index + 1 + across,
                y=up,
                mode="lines",
                line={"color": colour, "width": 1},
                fill="toself",
                fillcolor=style.faint(colour, 0.5),
                showlegend=False,
                hoverinfo="skip",
                row=row,
                col=1,
            )
        if not any(np.ptp(values) for values in layers):  # all outputs are one number
            middle = float(layers[0].flat[0])
            shown.update_yaxes(range=[middle - 0.5, middle + 0.5], row=row, col=1)
    shown.update_xaxes(dtick=1)
    shown.update_xaxes(title_text="layer", row=len(outputs), col=1)
    shown.update_yaxes(nticks=4, zeroline=False)
    return shown


def outline(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the outline of a histogram that stands on its side, no wider than 0.9.

    The widest bin is cut off at the second widest: with ReLU half of the outputs are zero.
    """
    counts, edges = np.histogram(values, bins=40)
    used = np.flatnonzero(counts)
    counts, edges = counts[used[0] : used[-1] + 1], edges[used[0] : used[-1] + 2]
    most = np.sort(counts)[-2:][0]
    across = 0.9 * np.repeat(np.minimum(counts / most, 1), 2)
    up = np.repeat(edges, 2)
    return np.array([0, *across, 0], np.float32), up.astype(np.float32)
