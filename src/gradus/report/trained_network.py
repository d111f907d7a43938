"""Figures of a trained network itself: what its layers say, and which class it names where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from gradus.errors import DataError, GradusError
from gradus.nn.network import fresh, recorded
from gradus.report import style
from gradus.report.predictions import MOST_POINTS, class_texts, labels_of
from gradus.train.layer_statistics import recorded_layers

if TYPE_CHECKING:
    from gradus.models.model import Model

GRID_STEPS = 140  # of a decision boundary, along each axis
HISTOGRAM_ROWS = 512  # samples that the histograms look at
HISTOGRAM_BINS = 48


def activation_histograms(model: Model, x: Any) -> Any:
    """Return how the outputs of each layer are spread on some data, first layer on top.

    Args:
        model: a built model.
        x: inputs, `(n, ...)`; the first 512 rows are looked at.

    Raises:
        GradusError: if the model is not built.
    """
    if not model.built:
        raise GradusError("activation_histograms: the network has no weights yet; call fit first.")
    copy = fresh(model.net, recording=True)
    copy(jax.tree.map(lambda a: np.asarray(a)[:HISTOGRAM_ROWS], x))
    outputs = recorded(copy)[1]
    layers = [path for path in recorded_layers(model.net) if path in outputs]
    values = {path: np.asarray(outputs[path], float).reshape(-1) for path in layers}
    height = 80 + 150 * len(layers)
    shown = style.figure(
        "Outputs by layer",
        len(layers),
        height,
        vertical_spacing=56 / height,
        subplot_titles=[_spread(path, values[path]) for path in layers],
    )
    colours = style.depth_colours(len(layers))
    for row, (path, colour) in enumerate(zip(layers, colours, strict=True), 1):
        finite = values[path][np.isfinite(values[path])]
        counts, edges = np.histogram(finite, bins=HISTOGRAM_BINS)
        shown.add_bar(
            x=(edges[1:] + edges[:-1]) / 2,
            y=counts / max(len(finite), 1),
            width=np.diff(edges),
            marker={"color": colour, "line": {"width": 0}},
            name=style.text(path),
            showlegend=False,
            row=row,
            col=1,
            hovertemplate="around %{x:.3g}: %{y:.1%}<extra></extra>",
        )
    shown.update_yaxes(tickformat=".0%", nticks=3)
    shown.update_layout(bargap=0)
    return shown


def decision_boundary(
    model: Model, x: Any, y: Any, class_names: Sequence[object] | None = None
) -> Any:
    """Return which class the network names anywhere in a plane, and the samples on it.

    The stronger a region's colour, the surer is the network.

    Args:
        model: a trained model of two features.
        x: inputs, `(n, 2)`.
        y: labels `(n,)` or one-hot rows `(n, classes)`.
        class_names: what the labels 0, 1, … stand for.

    Raises:
        DataError: if `x` has not exactly two features.
    """
    x = np.asarray(x, np.float32)
    if x.ndim != 2 or x.shape[1] != 2:
        raise DataError(f"decision_boundary draws two features, but x has shape {x.shape}.")
    labels = labels_of(y, "y")
    margin = 0.08 * np.ptp(x, axis=0) + 1e-6
    axes = [
        np.linspace(low, high, GRID_STEPS, dtype=np.float32)
        for low, high in zip(x.min(0) - margin, x.max(0) + margin, strict=True)
    ]
    plane = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    named = np.asarray(model.predict_classes(plane)).reshape(GRID_STEPS, GRID_STEPS)
    sure = _certainty(model.predict(plane)).reshape(named.shape)
    names = class_texts(class_names, int(max(labels.max(), named.max())) + 1)
    shown = style.figure("Decision boundary", height=460)
    for index, name in enumerate(names):
        if (named == index).any():
            colour = style.pick(index)
            shown.add_heatmap(
                x=axes[0],
                y=axes[1],
                z=np.where(named == index, sure, np.nan).astype(np.float32),
                zmin=0,
                zmax=1,
                showscale=False,
                hoverongaps=False,
                name=f"{name} predicted",
                colorscale=[[0, style.faint(colour, 0.08)], [1, style.faint(colour, 0.4)]],
                hovertemplate=f"{name}: %{{z:.1%}} sure<extra></extra>",
            )
    kept = style.thin(len(x), MOST_POINTS)
    for index, name in enumerate(names):
        rows = kept[labels[kept] == index]
        shown.add_scatter(
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
    shown.update_xaxes(ticks="")
    shown.update_yaxes(ticks="", showgrid=False)
    shown.update_layout(hovermode="closest")
    return shown


def _spread(path: str, values: np.ndarray) -> str:
    zero = float(np.mean(values == 0))
    words = f"{path}: mean {values.mean():.3g}, deviation {values.std():.3g}"
    return style.text(words + (f", {style.share(zero)} zero" if zero else ""))


def _certainty(output: Any) -> np.ndarray:
    """Return how sure a prediction is, from 0 (all classes alike) to 1.

    Outputs that are no probabilities (a margin, say) are taken as surely meant.
    """
    output = np.asarray(output, float)
    output = output.reshape(len(output), -1)
    if output.min() < 0 or output.max() > 1:
        return np.ones(len(output))
    if output.shape[1] == 1:
        return np.abs(2 * output[:, 0] - 1)
    least = 1 / output.shape[1]
    return (output.max(axis=1) - least) / (1 - least)
