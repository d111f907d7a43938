"""Figures of one batch inside a network: the outputs of its layers, and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.data.arrays import as_array
from gradus.drawing import style
from gradus.errors import DataError
from gradus.models.inspection import LayerValues, inside
from gradus.models.model import Model
from gradus.report.statistics_figures import OFFSETS, ZERO_GRADIENT
from gradus.report.training import log_y_axis
from gradus.train.layer_statistics import recorded_layers

MAX_SAMPLES = 12  # rows of a strip
MAX_UNITS = 64  # columns of a strip
MAX_WRITTEN = 8  # samples and units up to which a strip shows its numbers


def forward_values(model: Model, x: Any) -> Any:
    """Draw each layer's outputs on a batch as a strip: a row per sample, a column per unit.

    The inputs are on top. Zero is off-white, positive blue, negative orange; each strip's colors
    are scaled to its largest magnitude. Of more than 12 samples, the first are drawn; of more than
    64 units, evenly spaced ones.

    Args:
        model: a built model.
        x: inputs, `(n, ...)`.

    Raises:
        GradusError: if the model is not built, or x does not fit it.

    Examples:
        >>> x = np.ones((3, 2))
        >>> model = gr.Model(gr.Sequential([gr.Dense(4, "tanh"), gr.Dense(1)]), "mse").build(x)
        >>> [title.text for title in gr.figures.forward_values(model, x).layout.annotations]
        ['inputs: 2', 'dense: 4', 'dense_1: 1']
    """
    x = as_array(x, "x")[:MAX_SAMPLES]
    recorded = inside(model, x)
    strips = {"inputs": x}
    for path in _drawn_layers(model, recorded):
        strips[path or "network"] = np.asarray(recorded[path].outputs)
    rows = len(strips["inputs"])
    strip_height = 34 + 22 * rows
    figure = style.figure(
        "Values by layer",
        len(strips),
        90 + (strip_height + 40) * len(strips),
        vertical_spacing=42 / (strip_height + 40) / len(strips),
        subplot_titles=[
            style.escape(f"{name}: {' × '.join(map(str, values.shape[1:]))}")
            for name, values in strips.items()
        ],
    )
    for row, values in enumerate(strips.values(), 1):
        flat = values.reshape(rows, -1)
        units = style.evenly_spaced(flat.shape[1], MAX_UNITS)
        most = float(np.abs(flat).max()) or 1.0
        figure.add_heatmap(
            z=flat[:, units],
            x=units.astype(str),
            zmin=-most,
            zmax=most,
            colorscale=[[0, style.VERMILION], [0.5, "#F7F9FB"], [1, style.BLUE]],
            showscale=False,
            xgap=1,
            ygap=1,
            texttemplate="%{z:.2~f}" if max(len(units), rows) <= MAX_WRITTEN else None,
            hovertemplate="sample %{y}, unit %{x}: %{z:.4g}<extra></extra>",
            row=row,
            col=1,
        )
    axis = {"showgrid": False, "showline": False, "ticks": ""}
    figure.update_xaxes(type="category", showticklabels=False, **axis)
    figure.update_yaxes(autorange="reversed", showticklabels=False, **axis)
    return figure


def gradient_flow(model: Model, x: Any, y: Any, training: bool = True) -> Any:
    """Draw the size of the loss's gradient in each layer for one batch, first layer on the left.

    One line is the root mean square of the gradient with respect to the layer's outputs, which is
    comparable between widths, the other the Euclidean norm with respect to its weights. A line that
    falls by orders of magnitude from right to left means vanishing gradients, one that rises,
    exploding ones. A norm of zero is drawn at 1e-12.

    Args:
        model: a built model.
        x: inputs, `(n, ...)`.
        y: targets.
        training: whether layers behave as in training.

    Raises:
        DataError: if `y` is None.
        GradusError: if the model is not built, or x and y do not fit it.

    Examples:
        >>> x = np.ones((3, 2))
        >>> model = gr.Model(gr.Sequential([gr.Dense(4, "tanh"), gr.Dense(1)]), "mse").build(x)
        >>> gr.figures.gradient_flow(model, x, x[:, :1]).data[0].x
        ('dense', 'dense_1')
    """
    norms = gradient_norms(model, x, y, training)
    layers = list(norms)
    figure = style.figure("Gradient by layer", height=400)
    names = [style.escape(layer) for layer in layers]
    drawn = {
        kind: np.array([norms[layer][index] for layer in layers])
        for index, kind in enumerate(("outputs", "weights"))
    }
    for index, (kind, values) in enumerate(drawn.items()):
        figure.add_scatter(
            x=names,
            y=np.where(values == 0, ZERO_GRADIENT, values),
            customdata=values,
            name=f"gradient of {kind}",
            mode="lines+markers",
            connectgaps=True,
            line={"color": style.pick(index), "width": 2},
            marker={"symbol": style.pick(index, style.SYMBOLS), "size": 8},
            hovertemplate=f"%{{x}}, gradient of {kind}: %{{customdata:.3g}}<extra></extra>",
        )
    all_norms = np.concatenate(list(drawn.values()))
    log_y_axis(figure, np.where(all_norms == 0, ZERO_GRADIENT, all_norms), "size of the gradient")
    return figure


def gradient_norms(
    model: Model, x: Any, y: Any, training: bool = True
) -> dict[str, tuple[float, float]]:
    """Return the two numbers per layer that `gradient_flow` draws.

    The second one is NaN for a layer without weights.

    Raises:
        DataError: if `y` is None.
        GradusError: if the model is not built, or x and y do not fit it.
    """
    recorded = inside(model, x, y, training)
    if any(values.gradient is None for values in recorded.values()):
        raise DataError("gradient_flow needs targets: write gradient_flow(model, x, y).")
    return {
        path: (_root_mean_square(recorded[path].gradient), _weight_gradient_norm(recorded[path]))
        for path in _drawn_layers(model, recorded)
    }


def _drawn_layers(model: Model, recorded: dict[str, LayerValues]) -> list[str]:
    """Return the layers with weights or an activation, in call order."""
    known = set(recorded_layers(model.net))
    return [
        path
        for path, values in recorded.items()
        if path in known and isinstance(values.outputs, np.ndarray)
    ]


def _root_mean_square(array: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))


def _weight_gradient_norm(layer: LayerValues) -> float:
    """Return the norm of the gradient of a layer's weights, without biases and offsets."""
    squares = [
        float(np.sum(np.square(gradient, dtype=np.float64)))
        for name, gradient in layer.gradients.items()
        if name not in OFFSETS
    ]
    return float(np.sqrt(sum(squares))) if squares else float("nan")
