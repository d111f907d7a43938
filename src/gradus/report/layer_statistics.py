"""Figures of the layers' vital signs over a training, as the probes recorded them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.errors import GradusError
from gradus.report import style
from gradus.report.training import decades, epochs_axis
from gradus.train.history import History

MOST_BANDS = 6  # layers whose bands can be told apart
MOST_POINTS = 400  # of a curve over the probes
NO_GRADIENT = 1e-12  # where a gradient of zero is drawn, as a logarithmic axis has no zero
USUAL_UPDATES = (1e-4, 1e-2)  # of the weights' norm
OFFSETS = ("bias", "beta")  # weights that start at zero, so that a share of them says nothing


def activations_by_layer(history: History) -> Any:
    """Return the layers' outputs over training, as the probes saw them, layer by layer.

    Panels: the mean with a band of one standard deviation (which of more than six layers has a
    panel of its own); where a layer's activation can saturate, the share of outputs that are; the
    share of units that were silent (zero) on a whole batch. Healthy layers keep their width, seldom
    saturate and have few silent units (after figure 2 of Glorot & Bengio 2010, "Understanding the
    difficulty of training deep feedforward neural networks").

    Raises:
        GradusError: if no probes were taken.
    """
    epochs, values = _probed(history, ("mean", "deviation", "saturated", "silent"))
    banded = len(history.layers) <= MOST_BANDS
    panels = [("mean", "mean ± standard deviation of outputs")]
    if not banded:
        panels = [("mean", "mean of outputs"), ("deviation", "standard deviation of outputs")]
    if np.isfinite(values["saturated"]).any():
        panels.append(("saturated", "saturated share of outputs"))
    panels.append(("silent", "silent share of units"))
    shown = style.figure(
        "Activations by layer",
        len(panels),
        90 + 210 * len(panels),
        shared_xaxes=True,
        vertical_spacing=0.09,
        subplot_titles=[title for _, title in panels],
    )
    colours = style.depth_colours(len(history.layers))
    for row, (name, _) in enumerate(panels, 1):
        for index, layer in enumerate(history.layers):
            series = values[name][:, index]
            if not np.isfinite(series).any():
                continue
            if name == "mean" and banded:
                width = values["deviation"][:, index]
                _band(shown, epochs, series - width, series + width, colours[index], layer)
            _probe_line(shown, epochs, series, layer, colours[index], row=row, legend=row == 1)
        if name in ("saturated", "silent"):
            top = max(0.1, float(np.nanmax(values[name])) * 1.08)
            shown.update_yaxes(tickformat=".0%", range=[-0.02 * top, top], row=row)
    epochs_axis(shown, history.epochs, len(panels))
    return shown


def gradients_by_layer(history: History) -> Any:
    """Return the Euclidean norm of each weight's gradient over training, on a logarithmic axis.

    Biases are dotted. Norms that shrink from the last layer to the first by orders of magnitude
    are vanishing gradients, ones that grow are exploding. A norm of zero is drawn at 1e-12.

    Raises:
        GradusError: if no probes were taken.
    """
    epochs, values = _probed(history, ("gradient",))
    norms = values["gradient"]
    shown = style.figure("Gradients by layer", height=400)
    drawn = np.where(norms == 0, NO_GRADIENT, norms)
    _by_weight(shown, history, epochs, drawn, norms)
    decades(shown, drawn, "norm of the gradient")
    epochs_axis(shown, history.epochs)
    return shown


def updates_by_layer(history: History) -> Any:
    """Return how far a step moves each weight: the update's norm over the weight's norm.

    The band from 1e-4 to 1e-2 is where trainings that go well usually are: far below it, the
    learning rate is too low; far above, too high. Biases, which start at zero, are left out.

    Raises:
        GradusError: if no probes were taken.
    """
    epochs, values = _probed(history, ("update", "weight"))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = values["update"] / values["weight"]
    ratio[~(np.isfinite(ratio) & (ratio > 0))] = np.nan
    shown = style.figure("Updates by layer", height=400)
    _by_weight(shown, history, epochs, ratio, ratio, skipped=OFFSETS)
    shown.add_hrect(
        y0=USUAL_UPDATES[0],
        y1=USUAL_UPDATES[1],
        fillcolor=style.GREEN,
        opacity=0.12,
        line_width=0,
        layer="below",
        annotation={
            "text": "usual",
            "font": {"size": 11, "color": style.GREEN},
            "x": 1,
            "xanchor": "right",
            "y": np.log10(USUAL_UPDATES[1]),
            "yanchor": "top",
        },
    )
    # The band is always in sight, whatever the ratios are.
    decades(shown, np.append(ratio, USUAL_UPDATES), "update ÷ weight")
    epochs_axis(shown, history.epochs)
    return shown


def _probed(history: History, names: Sequence[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return when probes were taken, in epochs, `(points,)`, and what they saw, `(points, n)`."""
    if any(name not in history.probes for name in names):
        raise GradusError("The history holds no probes: train with fit(..., probes=True).")
    flat = {
        name: np.asarray(history.probes[name], float).reshape(-1, history.probes[name].shape[-1])
        for name in names
    }
    epochs, segments = history.probes[names[0]].shape[:2]
    # The probe of a segment is taken at its end.
    when = (np.arange(epochs * segments) + 1) / segments
    taken = np.flatnonzero(np.isfinite(flat[names[0]]).any(axis=1))
    if not len(taken):
        raise GradusError("The history holds no probes: train with fit(..., probes=True).")
    taken = taken[style.thin(len(taken), MOST_POINTS)]
    return when[taken], {name: values[taken] for name, values in flat.items()}


def _band(
    shown: Any, x: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, name: str
) -> None:
    shown.add_scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        fill="toself",
        fillcolor=style.faint(colour, 0.1),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        legendgroup=name,
        showlegend=False,
        row=1,
        col=1,
    )


def _probe_line(
    shown: Any,
    x: np.ndarray,
    y: np.ndarray,
    name: str,
    colour: str,
    *,
    row: int = 1,
    legend: bool = True,
    group: str | None = None,
    dash: str = "solid",
    true: Any = None,
) -> None:
    shown.add_scatter(
        x=x,
        y=y,
        name=style.text(name),
        legendgroup=group or name,
        showlegend=legend,
        mode="lines+markers" if len(x) < 4 else "lines",
        line={"color": colour, "width": 1.2 if dash == "dot" else 2, "dash": dash},
        marker={"size": 5},
        customdata=y if true is None else true,
        hovertemplate=f"{style.text(name)}, epoch %{{x:.3~g}}: %{{customdata:.3g}}<extra></extra>",
        row=row,
        col=1,
    )


def _by_weight(
    shown: Any,
    history: History,
    x: np.ndarray,
    drawn: np.ndarray,
    true: np.ndarray,
    skipped: Sequence[str] = (),
) -> None:
    """Draw one line for each weight; those of one layer share a colour and a legend entry."""
    owners = [path.rpartition("/")[0] for path in history.weights]
    known = [layer for layer in history.layers if layer in owners]
    layers = known + sorted({owner for owner in owners if owner not in known})
    colours = dict(zip(layers, style.depth_colours(len(layers)), strict=True))
    named: set[str] = set()
    # The first line of a layer stands for it in the legend: not a dotted one if there is another.
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
            shown,
            x,
            drawn[:, column],
            path,
            colours[owner],
            legend=owner not in named,
            group=owner,
            dash="dot" if offset else "solid",
            true=true[:, column],
        )
        shown.data[-1].name = style.text(owner or path)
        named.add(owner)
