"""Figures of a trained network: the outputs of its layers, and its decision boundary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from gradus.data.arrays import as_array
from gradus.drawing import style
from gradus.errors import DataError
from gradus.nn.network import fresh, recorded
from gradus.report.images import require_built
from gradus.report.predictions import MAX_POINTS, class_texts, labels_of
from gradus.train.layer_statistics import recorded_layers

if TYPE_CHECKING:
    from gradus.models.model import Model

BOUNDARY_STEPS = 140  # grid points along each axis
HISTOGRAM_ROWS = 512  # samples
HISTOGRAM_BINS = 48


def activation_histograms(model: Model, x: Any) -> Any:
    """Draw a histogram of each layer's outputs, first layer on top.

    Args:
        model: a built model.
        x: inputs, `(n, ...)`; the first 512 rows are used.

    Raises:
        GradusError: if the model is not built.

    Examples:
        >>> x = np.linspace(-1, 1, 10)[:, None]
        >>> model = gr.Model(gr.Sequential([gr.Dense(4, "relu"), gr.Dense(1)]), "mse").build(x)
        >>> [layer.name for layer in gr.figures.activation_histograms(model, x).data]
        ['dense', 'dense_1']
    """
    require_built(model, "activation_histograms")
    net = fresh(model.net, recording=True)
    net(jax.tree.map(lambda a: np.asarray(a)[:HISTOGRAM_ROWS], x))
    outputs = recorded(net)[1]
    layers = [path for path in recorded_layers(model.net) if path in outputs]
    values = {path: np.asarray(outputs[path], float).reshape(-1) for path in layers}
    height = 80 + 150 * len(layers)
    figure = style.figure(
        "Outputs by layer",
        len(layers),
        height,
        vertical_spacing=56 / height,
        subplot_titles=[_summary_of(path, values[path]) for path in layers],
    )
    colors = style.layer_colors(len(layers))
    for row, (path, color) in enumerate(zip(layers, colors, strict=True), 1):
        finite = values[path][np.isfinite(values[path])]
        counts, edges = np.histogram(finite, bins=HISTOGRAM_BINS)
        figure.add_bar(
            x=(edges[1:] + edges[:-1]) / 2,
            y=counts / max(len(finite), 1),
            width=np.diff(edges),
            marker={"color": color, "line": {"width": 0}},
            name=style.escape(path),
            showlegend=False,
            row=row,
            col=1,
            hovertemplate="around %{x:.3g}: %{y:.1%}<extra></extra>",
        )
    figure.update_yaxes(tickformat=".0%", nticks=3)
    figure.update_layout(bargap=0)
    return figure


def decision_boundary(
    model: Model, x: Any, y: Any, class_names: Sequence[object] | None = None
) -> Any:
    """Draw which class the network predicts anywhere in the plane, and the samples on it.

    The stronger the color of a region, the more confident the network.

    Args:
        model: a trained model of two features.
        x: inputs, `(n, 2)`.
        y: labels `(n,)` or one-hot rows `(n, classes)`.
        class_names: names of the labels 0, 1, ….

    Raises:
        DataError: if `x` does not have exactly two features.

    Examples:
        >>> x = np.array([[0.0, 0.0], [1.0, 1.0]])
        >>> model = gr.Model(gr.Dense(1, "sigmoid"), "binary_crossentropy").build(x)
        >>> figure = gr.figures.decision_boundary(model, x, [0, 1], ["cat", "dog"])
        >>> [samples.name for samples in figure.data[-2:]]
        ['cat', 'dog']
    """
    require_built(model, "decision_boundary")
    x = as_array(x, "x").astype(np.float32, copy=False)
    if x.ndim != 2 or x.shape[1] != 2:
        raise DataError(f"decision_boundary draws two features, but x has shape {x.shape}.")
    labels = labels_of(y, "y")
    margin = 0.08 * np.ptp(x, axis=0) + 1e-6
    axes = [
        np.linspace(low, high, BOUNDARY_STEPS, dtype=np.float32)
        for low, high in zip(x.min(0) - margin, x.max(0) + margin, strict=True)
    ]
    plane = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    predicted = np.asarray(model.predict_classes(plane)).reshape(BOUNDARY_STEPS, BOUNDARY_STEPS)
    confidence = _confidence(model.predict(plane)).reshape(predicted.shape)
    names = class_texts(class_names, int(max(labels.max(), predicted.max())) + 1)
    figure = style.figure("Decision boundary", height=460)
    for index, name in enumerate(names):
        if (predicted == index).any():
            color = style.pick(index)
            figure.add_heatmap(
                x=axes[0],
                y=axes[1],
                z=np.where(predicted == index, confidence, np.nan).astype(np.float32),
                zmin=0,
                zmax=1,
                showscale=False,
                hoverongaps=False,
                name=f"{name} predicted",
                colorscale=[
                    [0, style.translucent(color, 0.08)],
                    [1, style.translucent(color, 0.4)],
                ],
                hovertemplate=f"{name}: confidence %{{z:.1%}}<extra></extra>",
            )
    drawn = style.evenly_spaced(len(x), MAX_POINTS)
    for index, name in enumerate(names):
        rows = drawn[labels[drawn] == index]
        figure.add_scatter(
            x=x[rows, 0],
            y=x[rows, 1],
            mode="markers",
            name=name,
            marker={
                "size": 7,
                "color": style.pick(index),
                "symbol": style.pick(index, style.SYMBOLS),
                "line": {"width": 1, "color": "white"},
            },
            hovertemplate=f"true {name} (%{{x:.3g}}, %{{y:.3g}})<extra></extra>",
        )
    figure.update_xaxes(ticks="")
    figure.update_yaxes(ticks="", showgrid=False)
    figure.update_layout(hovermode="closest")
    return figure


def _summary_of(path: str, values: np.ndarray) -> str:
    zero = float(np.mean(values == 0))
    words = f"{path}: mean {values.mean():.3g}, std {values.std():.3g}"
    return style.escape(words + (f", {style.percent(zero)} zero" if zero else ""))


def _confidence(output: Any) -> np.ndarray:
    """Return the confidence of each prediction, from 0 (all classes equal) to 1.

    Outputs that are not probabilities, such as margins, count as 1.
    """
    output = np.asarray(output, float)
    output = output.reshape(len(output), -1)
    if output.min() < 0 or output.max() > 1:
        return np.ones(len(output))
    if output.shape[1] == 1:
        return np.abs(2 * output[:, 0] - 1)
    uniform = 1 / output.shape[1]
    return (output.max(axis=1) - uniform) / (1 - uniform)
