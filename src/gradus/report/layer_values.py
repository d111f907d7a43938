"""Figures of one batch inside a network: the values that pass its layers, and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.errors import DataError
from gradus.models.inspection import LayerValues, inside
from gradus.models.model import Model
from gradus.report import style
from gradus.report.layer_statistics import NO_GRADIENT, OFFSETS
from gradus.report.training import decades
from gradus.train.layer_statistics import recorded_layers

MOST_SAMPLES = 12  # rows of a strip
MOST_UNITS = 64  # columns of one
WRITTEN = 8  # samples and units up to which a strip's numbers are written into it


def forward_values(model: Model, x: Any) -> Any:
    """Return what each layer makes of a batch: a strip each, a row a sample, a column a unit.

    The inputs stand on top. Zero is off white, positive blue, negative orange, each strip's colours
    reaching to its own largest magnitude. Of more than 12 samples the first are drawn, of more than
    64 units evenly spaced ones.

    Args:
        model: a built model.
        x: inputs, `(n, ...)`.

    Raises:
        GradusError: if the model is not built, or x does not fit it.
    """
    seen = inside(model, np.asarray(x)[:MOST_SAMPLES])
    strips = {"inputs": np.asarray(x)[:MOST_SAMPLES]}
    strips |= {path or "network": np.asarray(seen[path].outputs) for path in _parts(model, seen)}
    rows = len(strips["inputs"])
    each = 34 + 22 * rows
    shown = style.figure(
        "Values by layer",
        len(strips),
        90 + (each + 40) * len(strips),
        vertical_spacing=42 / (each + 40) / len(strips),
        subplot_titles=[
            style.text(f"{name}: {' × '.join(map(str, values.shape[1:]))}")
            for name, values in strips.items()
        ],
    )
    for row, values in enumerate(strips.values(), 1):
        flat = values.reshape(rows, -1)
        kept = style.thin(flat.shape[1], MOST_UNITS)
        most = float(np.abs(flat).max()) or 1.0
        shown.add_heatmap(
            z=flat[:, kept],
            x=kept.astype(str),
            zmin=-most,
            zmax=most,
            colorscale=[[0, style.VERMILION], [0.5, "#F7F9FB"], [1, style.BLUE]],
            showscale=False,
            xgap=1,
            ygap=1,
            texttemplate="%{z:.2~f}" if max(len(kept), rows) <= WRITTEN else None,
            hovertemplate="sample %{y}, unit %{x}: %{z:.4g}<extra></extra>",
            row=row,
            col=1,
        )
    bare = {"showgrid": False, "showline": False, "ticks": ""}
    shown.update_xaxes(type="category", showticklabels=False, **bare)
    shown.update_yaxes(autorange="reversed", showticklabels=False, **bare)
    return shown


def gradient_flow(model: Model, x: Any, y: Any, training: bool = True) -> Any:
    """Return how large the loss's gradient is in each layer for one batch, first layer on the left.

    Drawn are the Euclidean norms of the gradient by the layer's outputs, over the root of their
    number (a root mean square, comparable between widths), and by its weights. A line that falls
    from right to left by orders of magnitude is a vanishing gradient, one that rises an exploding
    one. A norm of zero is drawn at 1e-12.

    Args:
        model: a built model.
        x: inputs, `(n, ...)`.
        y: targets.
        training: whether layers behave as in training.

    Raises:
        GradusError: if the model is not built, or x and y do not fit it.
    """
    norms = gradient_norms(model, x, y, training)
    layers = list(norms)
    shown = style.figure("Gradient by layer", height=400)
    names = [style.text(layer) for layer in layers]
    drawn = {
        kind: np.array([norms[layer][index] for layer in layers])
        for index, kind in enumerate(("outputs", "weights"))
    }
    for index, (kind, values) in enumerate(drawn.items()):
        shown.add_scatter(
            x=names,
            y=np.where(values == 0, NO_GRADIENT, values),
            customdata=values,
            name=f"by the {kind}",
            mode="lines+markers",
            connectgaps=True,
            line={"color": style.pick(index), "width": 2},
            marker={"symbol": style.pick(index, style.SYMBOLS), "size": 8},
            hovertemplate=f"%{{x}}, by the {kind}: %{{customdata:.3g}}<extra></extra>",
        )
    every = np.concatenate(list(drawn.values()))
    decades(shown, np.where(every == 0, NO_GRADIENT, every), "size of the gradient")
    return shown


def gradient_norms(
    model: Model, x: Any, y: Any, training: bool = True
) -> dict[str, tuple[float, float]]:
    """Return what `gradient_flow` draws: of each layer the two norms.

    The second is NaN for a layer without weights.

    Raises:
        DataError: if there is no loss to differentiate.
        GradusError: if the model is not built, or x and y do not fit it.
    """
    seen = inside(model, x, y, training)
    if any(each.gradient is None for each in seen.values()):
        raise DataError("gradient_flow needs targets: write gradient_flow(model, x, y).")
    return {
        path: (_root_mean_square(seen[path].gradient), _of_weights(seen[path]))
        for path in _parts(model, seen)
    }


def _parts(model: Model, seen: dict[str, LayerValues]) -> list[str]:
    """Return the layers with weights or an activation, in the order of their calls."""
    known = set(recorded_layers(model.net))
    return [path for path in seen if path in known and isinstance(seen[path].outputs, np.ndarray)]


def _root_mean_square(array: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))


def _of_weights(layer: LayerValues) -> float:
    """Return the norm of the gradient by a layer's weights, biases and the like aside."""
    squares = [
        float(np.sum(np.square(gradient, dtype=np.float64)))
        for name, gradient in layer.gradients.items()
        if name not in OFFSETS
    ]
    return float(np.sqrt(sum(squares))) if squares else float("nan")
