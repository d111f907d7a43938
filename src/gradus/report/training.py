"""Figures of a training run, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradus.checks import object_of
from gradus.drawing import style
from gradus.drawing.charts import legend_below
from gradus.errors import GradusError, unknown
from gradus.train.history import History
from gradus.train.lr_range_test import RangeTest


def curve_names(history: History) -> list[str]:
    """Return the names of all learning curves: "loss", then each scalar metric."""
    skipped = ("loss", "learning_rate")
    metrics = [
        name
        for name in history
        if history[name].ndim == 1 and not name.startswith("val_") and name not in skipped
    ]
    return [name for name in ("loss",) if name in history] + metrics


def best_epoch(history: History) -> int:
    """Return the epoch, from 1, whose weights were kept, or else the lowest validation loss's.

    It is 0 if there is no finite one: that training losses are low says nothing of an epoch.
    """
    losses = history["val_loss"] if "val_loss" in history else np.zeros(0)
    if history.best_epoch or not np.isfinite(losses).any():
        return int(history.best_epoch)
    return int(np.nanargmin(np.where(np.isfinite(losses), losses, np.nan))) + 1


def learning_curves(history: History, names: Sequence[str] | None = None) -> Any:
    """Draw the loss and each metric by epoch, on training and validation data.

    A dotted line marks the epoch whose weights were kept, or else the one of the lowest
    validation loss. A loss that falls below a tenth of its largest value is drawn on a logarithmic
    axis.

    Args:
        history: the history of a fit.
        names: which curves; by default all of `curve_names`.

    Raises:
        GradusError: if the history is empty, or there is no such curve.

    Examples:
        >>> x = np.ones((8, 1))
        >>> history = gr.Model(gr.Dense(1), "mse").fit(x, x, epochs=2, verbose=False)
        >>> figure = gr.figures.learning_curves(history)
        >>> figure.layout.title.text, len(figure.data[0].y)
        ('Loss', 2)
    """
    require_epochs(history)
    known = curve_names(history)
    names = known if names is None else list(names)
    for name in names:
        if name not in known:
            raise unknown("learning curve", name, known)
    several = len(names) > 1
    figure = style.figure(
        "Learning curves" if several else style.heading(names[0]),
        len(names),
        90 + 230 * len(names),
        shared_xaxes=True,
        vertical_spacing=0.12 / len(names),
        subplot_titles=(
            [style.escape(style.axis_label(name)) for name in names] if several else None
        ),
    )
    if several:
        style.make_room_for_legend(figure)
    for row, name in enumerate(names, 1):
        parts = (("training", name, style.BLUE), ("validation", f"val_{name}", style.VERMILION))
        for part, key, color in parts:
            if key in history:
                _curve(figure, history[key], part, color, row=row, legend=row == 1)
        if name == "loss" and _spans_a_decade(history[name]):
            drawn = [history[key] for _, key, _ in parts if key in history]
            figure.update_yaxes(**style.log_axis(np.concatenate(drawn)), row=row)
        if style.is_percentage(name):
            figure.update_yaxes(tickformat="~%", row=row)
        _mark_best_epoch(figure, history, name, row)
    figure.update_layout(hovermode="x unified")
    epochs_axis(figure, history.epochs, len(names))
    return figure


def curves_of(histories: Mapping[str, History], name: str = "val_loss") -> Any:
    """Compare one curve of several training runs in one figure.

    Args:
        histories: the histories, by name of the run.
        name: the curve to compare, such as "val_loss" or "accuracy".

    Raises:
        GradusError: if there are no histories, or one has no such curve.

    Examples:
        >>> x, runs = np.ones((8, 1)), {}
        >>> for rate in (0.01, 0.1):
        ...     model = gr.Model(gr.Dense(1), "mse", gr.SGD(rate))
        ...     runs[f"rate {rate}"] = model.fit(x, x, epochs=2, verbose=False)
        >>> [curve.name for curve in gr.figures.curves_of(runs, "loss").data]
        ['rate 0.01', 'rate 0.1']
    """
    object_of("curves_of", "histories", histories, Mapping, "a dict from names to histories")
    if not histories:
        raise GradusError("curves_of needs at least one history: write {name: history}.")
    figure = style.figure(f"{style.heading(name)} of {len(histories)} runs", height=380)
    for index, (title, history) in enumerate(histories.items()):
        line = {
            "color": style.pick(index),
            "dash": style.pick(index // len(style.COLORS), style.DASHES),
        }
        _curve(figure, history[name], style.escape(title), line["color"], line=line)
    figure.update_yaxes(title_text=style.escape(style.axis_label(name)))
    if style.is_percentage(name):
        figure.update_yaxes(tickformat="~%")
    longest = max(history.epochs for history in histories.values())
    epochs_axis(figure, longest)
    figure.update_xaxes(range=[0.5, longest + 0.5])  # there is no epoch 0
    legend_below(figure)
    return figure


def range_test(found: RangeTest) -> Any:
    """Draw the loss against the learning rate, as `Model.find_learning_rate` recorded it.

    A dotted line marks the suggested rate.

    Args:
        found: the result of `Model.find_learning_rate`.

    Examples:
        >>> x = np.ones((8, 1))
        >>> found = gr.Model(gr.Dense(1), "mse").find_learning_rate(x, x)
        >>> [curve.name for curve in gr.figures.range_test(found).data]
        ['each step', 'running mean']
    """
    object_of("range_test", "found", found, RangeTest, "what model.find_learning_rate returns")
    figure = style.figure("Learning-rate range test", height=320)
    top = 4 * float(found.losses[0])  # above it, training has diverged
    for values, name, line in (
        (found.losses, "each step", {"color": style.translucent(style.BLUE, 0.35), "width": 1}),
        (found.smoothed, "running mean", {"color": style.BLUE, "width": 2}),
    ):
        shown = np.where(np.isfinite(values) & (values < top), values, np.nan)
        figure.add_scatter(x=found.rates, y=shown, name=name, mode="lines", line=line)
    figure.add_vline(x=found.suggestion, line={"color": style.INK, "width": 1, "dash": "dot"})
    figure.update_xaxes(type="log", title_text="learning rate", dtick=1, **style.POWERS)
    figure.update_yaxes(title_text="loss")
    return figure


def learning_rate(history: History) -> Any:
    """Draw the learning rate at the end of each epoch.

    The axis is logarithmic if most rates would lie flat at the bottom of a linear one, as those of
    an exponential decay do. A cosine's only come close to zero at the end.

    Raises:
        GradusError: if the history is empty.

    Examples:
        >>> x = np.ones((8, 1))
        >>> model = gr.Model(gr.Dense(1), "mse", gr.SGD(0.25))
        >>> history = model.fit(x, x, epochs=2, verbose=False)
        >>> gr.figures.learning_rate(history).data[0].y.tolist()
        [0.25, 0.25]
    """
    require_epochs(history)
    figure = style.figure("Learning rate", height=320)
    rates = history["learning_rate"]
    _curve(figure, rates, "learning rate", style.BLUE, legend=False)
    if rates.min() > 0 and 10 * np.median(rates) < rates.max():
        log_y_axis(figure, rates, "")
    else:
        figure.update_yaxes(rangemode="tozero", tickformat="~g")
    epochs_axis(figure, history.epochs)
    return figure


# --- the parts of a figure ---------------------------------------------------------------------


def require_epochs(history: History) -> None:
    """Raise a `GradusError` if the history is empty."""
    object_of("figures", "history", history, History, "a history, such as model.history")
    if not history.epochs:
        raise GradusError("The history holds no epochs yet: call fit first.")


def _spans_a_decade(values: np.ndarray) -> bool:
    finite = values[np.isfinite(values)]
    return len(finite) > 1 and finite.min() > 0 and finite.max() / finite.min() > 10


def _curve(
    figure: Any,
    values: np.ndarray,
    name: str,
    color: str,
    *,
    row: int = 1,
    legend: bool = True,
    line: Mapping[str, str] | None = None,
) -> None:
    figure.add_scatter(
        x=np.arange(1, len(values) + 1),
        y=values,
        name=name,
        legendgroup=name,
        showlegend=legend,
        mode="lines+markers" if len(values) < 15 else "lines",
        line={"color": color, "width": 2, **(line or {})},
        hovertemplate="%{y:.4g}" if line is None else "epoch %{x}: %{y:.4g}",
        row=row,
        col=1,
    )


def _mark_best_epoch(figure: Any, history: History, name: str, row: int) -> None:
    """Mark the best epoch with a dotted line, labeled where the curve is not."""
    best, values = best_epoch(history), history[name]
    if not best or history.epochs < 2:
        return
    figure.add_vline(x=best, line={"color": style.INK, "width": 1, "dash": "dot"}, row=row, col=1)
    late, rises = best > history.epochs / 2, values[best - 1] > values[0]
    label = "weights kept" if history.best_epoch else "lowest validation loss"
    figure.add_annotation(
        text=f"{label}: epoch {best}",
        x=best,
        y=0 if rises else 1,
        yref="y domain" if row == 1 else f"y{row} domain",
        xref="x" if row == 1 else f"x{row}",
        showarrow=False,
        yanchor="bottom" if rises else "top",
        xanchor="right" if late else "left",
        xshift=-4 if late else 4,
        font={"size": 11, "color": style.MUTED},
    )


def epochs_axis(figure: Any, epochs: int, rows: int = 1) -> None:
    """Label the horizontal axis as epochs."""
    figure.update_xaxes(title_text="epoch", row=rows, col=1)
    if epochs <= 10:
        figure.update_xaxes(dtick=1)


def log_y_axis(figure: Any, values: np.ndarray, title: str) -> None:
    """Make the vertical axis logarithmic, over whole powers of ten around `values`."""
    finite = np.log10(values[np.isfinite(values) & (values > 0)])
    low, high = (np.floor(finite.min()), np.ceil(finite.max())) if len(finite) else (0.0, 1.0)
    figure.update_yaxes(
        type="log",
        title_text=title,
        range=[low - 0.05, high + 0.05],
        dtick=1 if high - low <= 8 else 2,
        **style.POWERS,
    )
