"""Figures of layer statistics over training: activations, gradients and updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.checks import object_of
from gradus.drawing import style
from gradus.errors import GradusError
from gradus.report.training import epochs_axis, log_y_axis
from gradus.train.history import History

MAX_BANDS = 6  # layers whose bands can be distinguished in one panel
MAX_CURVE_POINTS = 400
ZERO_GRADIENT = 1e-12  # where a zero gradient is drawn on a logarithmic axis
TYPICAL_UPDATES = (1e-4, 1e-2)  # relative to the norm of the weights
FIRST = ("mean", "gradient", "update")  # statistics without which a figure has nothing to draw
OFFSETS = ("bias", "beta")  # weights that start at zero, so ratios to them mean nothing


def activations_by_layer(history: History) -> Any:
    """Draw statistics of each layer's outputs over training.

    Panels: the mean with a band of one standard deviation (in a separate panel for more than six
    layers); the fraction of saturated outputs, if any activation can saturate; the fraction of
    units that are silent (zero) on a whole batch. Healthy layers keep their spread, rarely
    saturate and have few silent units (after figure 2 of Glorot & Bengio 2010, "Understanding the
    difficulty of training deep feedforward neural networks").

    Args:
        history: the history of `fit(..., probes=True)`.

    Raises:
        GradusError: if the history has no layer statistics.

    Examples:
        >>> x, net = np.ones((8, 2)), gr.Sequential([gr.Dense(3, "tanh"), gr.Dense(1)])
        >>> history = gr.Model(net, "mse").fit(x, x[:, :1], epochs=2, probes=True, verbose=False)
        >>> figure = gr.figures.activations_by_layer(history)
        >>> sorted({line.legendgroup for line in figure.data})
        ['dense', 'dense_1']
    """
    epochs, values = _recorded(history, ("mean", "deviation", "saturated", "silent"))
    banded = len(history.layers) <= MAX_BANDS
    panels = [("mean", "mean ± standard deviation of outputs")]
    if not banded:
        panels = [("mean", "mean of outputs"), ("deviation", "standard deviation of outputs")]
    if np.isfinite(values["saturated"]).any():
        panels.append(("saturated", "fraction of saturated outputs"))
    panels.append(("silent", "fraction of silent units"))
    figure = style.figure(
        "Activations by layer",
        len(panels),
        90 + 210 * len(panels),
        shared_xaxes=True,
        vertical_spacing=0.09,
        subplot_titles=[title for _, title in panels],
    )
    style.make_room_for_legend(figure)
    colors = style.layer_colors(len(history.layers))
    for row, (name, _) in enumerate(panels, 1):
        for index, layer in enumerate(history.layers):
            series = values[name][:, index]
            if not np.isfinite(series).any():
                continue
            if name == "mean" and banded:
                width = values["deviation"][:, index]
                _band(figure, epochs, series - width, series + width, colors[index], layer)
            _probe_line(figure, epochs, series, layer, colors[index], row=row, legend=row == 1)
        if name in ("saturated", "silent"):
            top = max(0.1, float(np.nanmax(values[name])) * 1.08)
            figure.update_yaxes(tickformat=".0%", range=[-0.02 * top, top], row=row)
    epochs_axis(figure, history.epochs, len(panels))
    return figure


def gradients_by_layer(history: History) -> Any:
    """Draw the Euclidean norm of each weight's gradient over training, on a logarithmic axis.

    Biases are dotted. If norms shrink by orders of magnitude from the last layer to the first,
    gradients vanish; if they grow, gradients explode. A norm of zero is drawn at 1e-12.

    Args:
        history: the history of `fit(..., probes=True)`.

    Raises:
        GradusError: if the history has no layer statistics.

    Examples:
        >>> x, net = np.ones((8, 2)), gr.Sequential([gr.Dense(3, "tanh"), gr.Dense(1)])
        >>> history = gr.Model(net, "mse").fit(x, x[:, :1], epochs=2, probes=True, verbose=False)
        >>> len(gr.figures.gradients_by_layer(history).data)  # two kernels and two biases
        4
    """
    epochs, values = _recorded(history, ("gradient",))
    norms = values["gradient"]
    figure = style.figure("Gradients by layer", height=400)
    drawn = np.where(norms == 0, ZERO_GRADIENT, norms)
    _by_weight(figure, history, epochs, drawn, norms)
    log_y_axis(figure, drawn, "norm of the gradient")
    epochs_axis(figure, history.epochs)
    return figure


def updates_by_layer(history: History) -> Any:
    """Draw how far a step moves each weight: the norm of the update over that of the weight.

    Healthy training usually stays in the band from 1e-4 to 1e-2: far below it the learning rate is
    too low, far above too high. Biases, which start at zero, are left out.

    Args:
        history: the history of `fit(..., probes=True)`.

    Raises:
        GradusError: if the history has no layer statistics.

    Examples:
        >>> x, net = np.ones((8, 2)), gr.Sequential([gr.Dense(3, "tanh"), gr.Dense(1)])
        >>> history = gr.Model(net, "mse").fit(x, x[:, :1], epochs=2, probes=True, verbose=False)
        >>> [line.name for line in gr.figures.updates_by_layer(history).data]
        ['dense', 'dense_1']
    """
    epochs, values = _recorded(history, ("update", "weight"))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = values["update"] / values["weight"]
    ratio[~(np.isfinite(ratio) & (ratio > 0))] = np.nan
    figure = style.figure("Updates by layer", height=400)
    _by_weight(figure, history, epochs, ratio, ratio, skipped=OFFSETS)
    figure.add_hrect(
        y0=TYPICAL_UPDATES[0],
        y1=TYPICAL_UPDATES[1],
        fillcolor=style.GREEN,
        opacity=0.12,
        line_width=0,
        layer="below",
        annotation={
            "text": "typical",
            "font": {"size": 11, "color": style.GREEN},
            "x": 1,
            "xanchor": "right",
            "y": np.log10(TYPICAL_UPDATES[1]),
            "yanchor": "top",
        },
    )
    # Keep the band visible, whatever the ratios.
    log_y_axis(figure, np.append(ratio, TYPICAL_UPDATES), "update ÷ weight")
    epochs_axis(figure, history.epochs)
    return figure


def _recorded(history: History, names: Sequence[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the recording times in epochs, `(points,)`, and the statistics, `(points, n)`."""
    object_of("figures", "history", history, History, "a history, such as model.history")
    missing = GradusError("The history has no layer statistics: train with fit(..., probes=True).")
    if any(name not in history.probes for name in names):
        raise missing
    flat = {
        name: np.asarray(history.probes[name], float).reshape(-1, history.probes[name].shape[-1])
        for name in names
    }
    epochs, segments = history.probes[names[0]].shape[:2]
    # Statistics are recorded at the end of a segment.
    times = (np.arange(epochs * segments) + 1) / segments
    recorded = np.flatnonzero(np.isfinite(flat[names[0]]).any(axis=1))
    if not len(recorded):
        raise missing
    recorded = recorded[style.evenly_spaced(len(recorded), MAX_CURVE_POINTS)]
    return times[recorded], {name: values[recorded] for name, values in flat.items()}


def _band(
    figure: Any, x: np.ndarray, low: np.ndarray, high: np.ndarray, color: str, name: str
) -> None:
    figure.add_scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        fill="toself",
        fillcolor=style.translucent(color, 0.1),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        legendgroup=name,
        showlegend=False,
        row=1,
        col=1,
    )


def _probe_line(
    figure: Any,
    x: np.ndarray,
    y: np.ndarray,
    name: str,
    color: str,
    *,
    row: int = 1,
    legend: bool = True,
    group: str | None = None,
    dash: str = "solid",
    actual: Any = None,
) -> None:
    figure.add_scatter(
        x=x,
        y=y,
        name=style.escape(name),
        legendgroup=group or name,
        showlegend=legend,
        mode="lines+markers" if len(x) < 4 else "lines",
        line={"color": color, "width": 1.2 if dash == "dot" else 2, "dash": dash},
        marker={"size": 5},
        customdata=y if actual is None else actual,
        hovertemplate=(
            f"{style.escape(name)}, epoch %{{x:.3~g}}: %{{customdata:.3g}}<extra></extra>"
        ),
        row=row,
        col=1,
    )


def _by_weight(
    figure: Any,
    history: History,
    x: np.ndarray,
    drawn: np.ndarray,
    actual: np.ndarray,
    skipped: Sequence[str] = (),
) -> None:
    """Draw one line per weight; those of one layer share a color and a legend entry."""
    owners = [path.rpartition("/")[0] for path in history.weights]
    known = [layer for layer in history.layers if layer in owners]
    layers = known + sorted({owner for owner in owners if owner not in known})
    colors = dict(zip(layers, style.layer_colors(len(layers)), strict=True))
    in_legend: set[str] = set()
    # The first line of a layer is its legend entry: a kernel's before a bias's dotted one.
    columns = sorted(
        range(len(owners)),
        key=lambda i: (layers.index(owners[i]), history.weights[i].endswith(OFFSETS)),
    )
    for column in columns:
        path, owner = history.weights[column], owners[column]
        offset = path.rpartition("/")[2] in OFFSETS
        if (skipped and offset) or not np.isfinite(drawn[:, column]).any():
            continue
        _probe_line(
            figure,
            x,
            drawn[:, column],
            path,
            colors[owner],
            legend=owner not in in_legend,
            group=owner,
            dash="dot" if offset else "solid",
            actual=actual[:, column],
        )
        figure.data[-1].name = style.escape(owner or path)
        in_legend.add(owner)
