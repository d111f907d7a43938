"""Figures of how a training went, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradus.errors import GradusError, unknown
from gradus.report import style
from gradus.report.charts import legend_below
from gradus.train.history import History
from gradus.train.lr_range_test import RangeTest


def curve_names(history: History) -> list[str]:
    """Return what has a learning curve: "loss", then each metric that is one number an epoch."""
    skipped = ("loss", "learning_rate")
    found = [
        name
        for name in history
        if history[name].ndim == 1 and not name.startswith("val_") and name not in skipped
    ]
    return [name for name in ("loss",) if name in history] + found


def best_epoch(history: History) -> int:
    """Return the epoch, from 1, whose weights were kept; else that of the lowest loss, or 0.

    The loss is that of the validation where there was one.
    """
    name = next((name for name in ("val_loss", "loss") if name in history), None)
    watched = history[name] if name else np.zeros(0)
    if history.best_epoch or not np.isfinite(watched).any():
        return int(history.best_epoch)
    return int(np.nanargmin(np.where(np.isfinite(watched), watched, np.nan))) + 1


def learning_curves(history: History, names: Sequence[str] | None = None) -> Any:
    """Return the loss and each metric by epoch, on training and validation data.

    A dotted line marks the epoch whose weights were kept, or else the one of the lowest loss. A
    loss that falls to less than a tenth is drawn on a logarithmic axis.

    Args:
        history: the record of a training.
        names: which curves; by default all of `curve_names`.

    Raises:
        GradusError: if nothing is recorded, or there is no such curve.
    """
    require_epochs(history)
    known = curve_names(history)
    names = known if names is None else list(names)
    for name in names:
        if name not in known:
            raise unknown("learning curve", name, known)
    several = len(names) > 1
    shown = style.figure(
        "Learning curves" if several else style.heading(names[0]),
        len(names),
        90 + 230 * len(names),
        shared_xaxes=True,
        vertical_spacing=0.12 / len(names),
        subplot_titles=[style.text(style.axis_label(name)) for name in names] if several else None,
    )
    for row, name in enumerate(names, 1):
        parts = (("training", name, style.BLUE), ("validation", f"val_{name}", style.VERMILION))
        for part, key, colour in parts:
            if key in history:
                _curve(shown, history[key], part, colour, row=row, legend=row == 1)
        if name == "loss" and _falls_far(history[name]):
            shown.update_yaxes(type="log", dtick="D2", tickformat="~g", row=row)
        if style.is_share(name):
            shown.update_yaxes(tickformat=".0%", row=row)
        _mark(shown, history, name, row)
    shown.update_layout(hovermode="x unified")
    epochs_axis(shown, history.epochs, len(names))
    return shown


def curves_of(histories: Mapping[str, History], name: str = "val_loss") -> Any:
    """Return one curve of several trainings in one figure.

    Args:
        histories: the trainings by name.
        name: what is compared, such as "val_loss" or "accuracy".

    Raises:
        GradusError: if there are no trainings, or one has no such curve.
    """
    if not histories:
        raise GradusError("curves_of needs at least one training: write {name: history}.")
    shown = style.figure(f"{style.heading(name)} of {len(histories)} trainings", height=380)
    for index, (title, history) in enumerate(histories.items()):
        line = {
            "color": style.pick(index),
            "dash": style.pick(index // len(style.COLOURS), style.DASHES),
        }
        _curve(shown, history[name], style.text(title), line["color"], line=line)
    shown.update_yaxes(title_text=style.text(style.axis_label(name)))
    epochs_axis(shown, max(history.epochs for history in histories.values()))
    legend_below(shown)
    return shown


def range_test(found: RangeTest) -> Any:
    """Return the loss against the learning rate, as `Model.find_learning_rate` saw it.

    A dotted line marks the rate that it suggests.
    """
    shown = style.figure("Learning-rate range test", height=320)
    top = 4 * float(found.losses[0])  # what lies far above the first loss has diverged
    for values, name, line in (
        (found.losses, "each step", {"color": style.faint(style.BLUE, 0.35), "width": 1}),
        (found.smoothed, "running mean", {"color": style.BLUE, "width": 2}),
    ):
        kept = np.where(np.isfinite(values) & (values < top), values, np.nan)
        shown.add_scatter(x=found.rates, y=kept, name=name, mode="lines", line=line)
    shown.add_vline(x=found.suggestion, line={"color": style.INK, "width": 1, "dash": "dot"})
    shown.update_xaxes(type="log", title_text="learning rate", exponentformat="power", dtick=1)
    shown.update_yaxes(title_text="loss")
    return shown


def learning_rate(history: History) -> Any:
    """Return the learning rate at the end of each epoch, on a logarithmic axis if it varies far.

    Raises:
        GradusError: if nothing is recorded.
    """
    require_epochs(history)
    shown = style.figure("Learning rate", height=320)
    rates = history["learning_rate"]
    _curve(shown, rates, "learning rate", style.BLUE, legend=False)
    if rates.min() > 0 and rates.max() / rates.min() >= 100:
        decades(shown, rates, "")
    else:
        shown.update_yaxes(rangemode="tozero")
    epochs_axis(shown, history.epochs)
    return shown


# --- the parts of a figure ---------------------------------------------------------------------


def require_epochs(history: History) -> None:
    """Refuse a history that holds nothing.

    Raises:
        GradusError: if nothing is recorded.
    """
    if not history.epochs:
        raise GradusError("The history holds no epochs yet: call fit first.")


def _falls_far(values: np.ndarray) -> bool:
    seen = values[np.isfinite(values)]
    return len(seen) > 1 and seen.min() > 0 and seen.max() / seen.min() > 10


def _curve(
    shown: Any,
    values: np.ndarray,
    name: str,
    colour: str,
    *,
    row: int = 1,
    legend: bool = True,
    line: Mapping[str, str] | None = None,
) -> None:
    shown.add_scatter(
        x=np.arange(1, len(values) + 1),
        y=values,
        name=name,
        legendgroup=name,
        showlegend=legend,
        mode="lines+markers" if len(values) < 15 else "lines",
        line={"color": colour, "width": 2, **(line or {})},
        hovertemplate="%{y:.4g}" if line is None else "epoch %{x}: %{y:.4g}",
        row=row,
        col=1,
    )


def _mark(shown: Any, history: History, name: str, row: int) -> None:
    """Mark the best epoch by a dotted line through a panel, with words where the curve is not."""
    best, values = best_epoch(history), history[name]
    if not best or history.epochs < 2:
        return
    shown.add_vline(x=best, line={"color": style.INK, "width": 1, "dash": "dot"}, row=row, col=1)
    left, rises = best > history.epochs / 2, values[best - 1] > values[0]
    words = "weights kept" if history.best_epoch else "lowest loss"
    shown.add_annotation(
        text=f"{words}: epoch {best}",
        x=best,
        y=0 if rises else 1,
        yref="y domain" if row == 1 else f"y{row} domain",
        xref="x" if row == 1 else f"x{row}",
        showarrow=False,
        yanchor="bottom" if rises else "top",
        xanchor="right" if left else "left",
        xshift=-4 if left else 4,
        font={"size": 11, "color": style.MUTED},
    )


def epochs_axis(shown: Any, epochs: int, rows: int = 1) -> None:
    """Make the horizontal axis one of epochs."""
    shown.update_xaxes(title_text="epoch", row=rows, col=1)
    if epochs <= 10:
        shown.update_xaxes(dtick=1)


def decades(shown: Any, values: np.ndarray, title: str) -> None:
    """Make the vertical axis logarithmic, over whole powers of ten around some values."""
    seen = np.log10(values[np.isfinite(values) & (values > 0)])
    low, high = (np.floor(seen.min()), np.ceil(seen.max())) if len(seen) else (0.0, 1.0)
    shown.update_yaxes(
        type="log",
        title_text=title,
        exponentformat="power",
        range=[low - 0.05, high + 0.05],
        dtick=1 if high - low <= 8 else 2,
    )
