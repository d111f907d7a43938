"""Figures of a sweep: hyperparameters against scores, and the learning curves of all trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.checks import object_of
from gradus.drawing import style
from gradus.errors import GradusError, unknown
from gradus.hyperparameters import Hyperparameter
from gradus.report.training import epochs_axis, log_y_axis
from gradus.space import Choice
from gradus.sweep.search.trial import Trial
from gradus.sweep.sweep import Sweep

MAX_CURVES = 200
MAX_POINTS_PER_CURVE = 100
MAX_LABEL_LENGTH = 24  # characters of a score's name; a longer one is labeled "score"
MAX_TICKS = 8  # options up to which an axis labels each
ABSENT = "–"  # the label of a hyperparameter that a trial does not have
# From worst to best, by rank: pale at first, so that good trials stand out; the best is apart.
SCALE = ((0.0, "#B4C0CB"), (0.6, "#8DBFE4"), (0.9, style.BLUE), (1 - 1e-6, style.BLUE),
         (1 - 1e-6, style.VERMILION), (1.0, style.VERMILION))  # fmt: skip
TILT = 35  # degrees of the labels of parallel axes
CHARACTER = 7  # pixels of a character at 12 pixels, at most


def parallel(sweep: Sweep) -> Any:
    """Draw each trial as a line through its hyperparameters to its score, colored by rank.

    Each axis is a hyperparameter; drag along one to select the trials that pass through a range. An
    outlying score is drawn at the end of the axis of scores, which is then labeled ≤ or ≥.

    Args:
        sweep: a sweep after `fit`.

    Raises:
        GradusError: if no trial has a score.

    Examples:
        >>> x = np.linspace(-1, 1, 16)[:, None]
        >>> model = gr.Model(gr.Dense(1), "mse", gr.SGD(gr.log_uniform(1e-3, 1e-1)))
        >>> sweep = gr.Sweep(model, 4).fit(x, 2 * x, epochs=2, verbose=False)
        >>> [axis.label for axis in gr.figures.parallel(sweep).data[0].dimensions]
        ['optimizer.learning_rate', 'validation loss']
    """
    import plotly.graph_objects as go

    trials = scored(sweep)[::-1]  # the best are drawn last, above the others
    scores = np.array([trial.score for trial in trials])
    # Colored by rank: an outlying score would leave no colors for the others.
    ranks = np.linspace(0, 1, len(trials)) if len(trials) > 1 else np.ones(1)
    axes = [_axis(hyper, trials) for hyper in sweep.hypers.values()]
    axes.append(_score_axis(scores, sweep.monitor))
    # Tilted, labels fit between axes on a phone, but need room above, and at the right.
    tilt, lengths = math.radians(TILT), [CHARACTER * len(axis["label"]) for axis in axes]
    above, last = 24 + round(max(lengths) * math.sin(tilt)), lengths[-1]
    figure = style.figure("Hyperparameters and scores")
    figure.add_trace(
        go.Parcoords(
            dimensions=axes,
            line={"color": ranks, "colorscale": SCALE, "cmin": 0, "cmax": 1},
            labelfont={"size": 12, "color": style.INK},
            tickfont={"size": 11, "color": style.MUTED},
            rangefont={"size": 1, "color": "rgba(0,0,0,0)"},
            labelside="top",
            labelangle=-TILT,
            domain={"y": [0, 300 / (300 + above)]},
        )
    )
    figure.update_layout(
        height=396 + above, margin={"l": 56, "r": 16 + round(last * math.cos(tilt)), "b": 24}
    )
    return figure


def trial_curves(sweep: Sweep, name: str | None = None) -> Any:
    """Draw the learning curve of every trial, the best one highlighted.

    With several seeds or folds, a curve is their mean. Of more than 200 trials, evenly spaced ones
    of the ranking are drawn.

    Args:
        sweep: a sweep after `fit`.
        name: the curve; by default the monitored metric.

    Raises:
        GradusError: if no trial has been trained, or there is no such curve.

    Examples:
        >>> x = np.linspace(-1, 1, 16)[:, None]
        >>> model = gr.Model(gr.Dense(1), "mse", gr.SGD(gr.log_uniform(1e-3, 1e-1)))
        >>> sweep = gr.Sweep(model, 4).fit(x, 2 * x, epochs=2, verbose=False)
        >>> gr.figures.trial_curves(sweep).layout.title.text
        'Validation loss of 4 trials'
    """
    object_of("figures", "sweep", sweep, Sweep, "a sweep, gr.Sweep(model, …).fit(x, y)")
    name = name or sweep.monitor
    trials = [trial for trial in sweep.ranking if any(h.epochs for h in trial.histories)]
    if not trials:
        raise GradusError("No trial of this sweep has been trained.")
    known = [key for key, values in trials[0].histories[0].items() if values.ndim == 1]
    if name not in known:
        raise unknown("learning curve", name, known)
    drawn = [trials[k] for k in style.evenly_spaced(len(trials), MAX_CURVES)]
    curves = {trial.number: _curve(trial, name) for trial in drawn}
    figure = style.figure(f"{style.heading(name)} of {len(trials)} trials", height=420)
    others = [trial for trial in drawn[1:] if np.isfinite(curves[trial.number][1]).any()]
    _draw_others(figure, [(trial, *curves[trial.number]) for trial in others])
    best = drawn[0]
    x, y = curves[best.number]
    figure.add_scatter(
        x=x,
        y=y,
        name=f"best: trial {best.number}",
        mode="lines",
        line={"color": style.VERMILION, "width": 3},
        hovertemplate=f"trial {best.number}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
    )
    _metric_axis(figure, name, np.concatenate([curve for _, curve in curves.values()]))
    epochs_axis(figure, max(trial.epochs for trial in drawn))
    return figure


def metric_by(sweep: Sweep, name: str, metric: str | None = None) -> Any:
    """Draw a metric of each trial against its value of one hyperparameter.

    The axis is logarithmic for `log_uniform` and `logspace`, and categorical for options.

    Args:
        sweep: a sweep after `fit`.
        name: name of the hyperparameter.
        metric: the metric, such as "val_accuracy"; by default the score.

    Raises:
        GradusError: for an unknown name, or if no trial has a score.

    Examples:
        >>> x = np.linspace(-1, 1, 16)[:, None]
        >>> model = gr.Model(gr.Dense(1), "mse", gr.SGD(gr.log_uniform(1e-3, 1e-1)))
        >>> sweep = gr.Sweep(model, 4).fit(x, 2 * x, epochs=2, verbose=False)
        >>> gr.figures.metric_by(sweep, "optimizer.learning_rate").layout.xaxis.type
        'log'
    """
    object_of("figures", "sweep", sweep, Sweep, "a sweep, gr.Sweep(model, …).fit(x, y)")
    if name not in sweep.hypers:
        raise unknown("hyperparameter", name, sweep.hypers)
    hyper = sweep.hypers[name]
    trials = [trial for trial in scored(sweep) if name in trial.values]
    key = metric or sweep.monitor
    if metric is not None and trials and metric not in trials[0].metrics:
        raise unknown("metric", metric, trials[0].metrics)
    values = np.array([trial.score if metric is None else trial.metrics[key] for trial in trials])
    figure = style.figure(f"{style.heading(key)} by {style.escape(name)}", height=340)
    x = _x_positions(figure, hyper, trials)
    figure.update_xaxes(title_text=style.escape(name))
    for rows, color, label in ((slice(1, None), style.BLUE, "trials"),
                                (slice(0, 1), style.VERMILION, "best")):  # fmt: skip
        figure.add_scatter(
            x=x[rows],
            y=values[rows],
            name=label,
            showlegend=False,
            mode="markers",
            marker={"color": style.translucent(color, 0.6 if label == "trials" else 1), "size": 7},
            customdata=[_hover_text(trial, sweep) for trial in trials[rows]],
            hovertemplate="%{customdata}<br>%{y:.4g}<extra></extra>",
        )
    _metric_axis(figure, key, values)
    return figure


def scored(sweep: Sweep) -> list[Trial]:
    """Return the trials that have a score, from best to worst.

    Raises:
        GradusError: if there are none.
    """
    object_of("figures", "sweep", sweep, Sweep, "a sweep, gr.Sweep(model, …).fit(x, y)")
    trials = [trial for trial in sweep.ranking if math.isfinite(trial.score)]
    sweep.require_a_score()
    return trials


def format_setting(value: Any) -> str:
    """Format the value of a hyperparameter."""
    if value is None:
        return ABSENT
    return f"{value:.3g}" if isinstance(value, float) else str(value)


# --- the parts of a figure ---------------------------------------------------------------------


def _axis_limits(values: np.ndarray) -> tuple[float, float]:
    """Return an axis range over `values`, without outliers."""
    low, high = np.quantile(values, (0.0, 1.0))
    first, middle, third = np.quantile(values, (0.25, 0.5, 0.75))
    reach = 4 * max(third - first, 1e-12 + 0.01 * abs(middle))
    low, high = max(low, first - reach), min(high, third + reach)
    return float(low), float(high if high > low else low + 1e-9 + 0.01 * abs(low))


def score_label(monitor: str) -> str:
    """Return what a score is called where there is little room."""
    name = style.axis_label(monitor)
    return name if len(name) <= MAX_LABEL_LENGTH else "score"


def _score_axis(scores: np.ndarray, monitor: str) -> dict[str, Any]:
    """Return the axis of scores. Outliers lie at its end, which is labeled ≤ or ≥."""
    low, high = _axis_limits(scores)
    percentage = style.is_percentage(monitor)
    axis: dict[str, Any] = {
        "label": style.escape(score_label(monitor)),
        "values": np.clip(scores, low, high),
        "range": [low, high],
        **({"tickformat": ".1%"} if percentage else {}),
    }
    below, above = scores.min() < low, scores.max() > high
    if below or above:
        ticks = _ticks(low, high, log=False)
        words = [style.percent(tick) if percentage else f"{tick:.3g}" for tick in ticks]
        words[0] = "≤ " * bool(below) + words[0]
        words[-1] = "≥ " * bool(above) + words[-1]
        axis |= {"tickvals": ticks, "ticktext": words}
    return axis


def _is_categorical(hyper: Hyperparameter) -> bool:
    """Return whether the axis is categorical rather than numeric."""
    return isinstance(hyper.space, Choice) and not hyper.space.ordered


def _axis(hyper: Hyperparameter, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the parallel axis of a hyperparameter."""
    name, values = hyper.name, [trial.values.get(hyper.name) for trial in trials]
    absent = any(value is None for value in values)
    space: Any = hyper.space
    label = {"label": style.escape(name)}
    positions: list[float]
    if _is_categorical(hyper):
        names = [*map(format_setting, space.labels), *[ABSENT] * absent]
        positions = [len(names) - 1 if value is None else int(value) for value in values]
        margin = 0.0 if len(names) > 1 else 1.0
        return {**label, "values": positions, "range": [-margin, len(names) - 1 + margin],
                "tickvals": list(range(len(names))), "ticktext": names}  # fmt: skip
    # Trials without a value are drawn below the axis.
    drawn = [math.nan if v is None else float(space.label(v)) for v in values]
    present = [value for value in drawn if not math.isnan(value)]
    low, high = _bounds(space)
    few = isinstance(space, Choice) and len(space.options) <= MAX_TICKS
    ticks = list(space.options) if few else _ticks(low, high, space.log)
    if space.log:
        drawn, low, high = [math.log10(v) for v in drawn], math.log10(low), math.log10(high)
        positions = [math.log10(tick) for tick in ticks]
    else:
        positions = ticks
    words = [format_setting(float(f"{tick:.3g}")) for tick in ticks]
    if absent or not present:
        below = low - 0.12 * (high - low)
        drawn = [below if math.isnan(v) else v for v in drawn]
        low, positions, words = below, [below, *positions], [ABSENT, *words]
    return {**label, "values": drawn, "range": [low, high if high > low else low + 1],
            "tickvals": positions, "ticktext": words}  # fmt: skip


def _bounds(space: Any) -> tuple[float, float]:
    if isinstance(space, Choice):
        return float(min(space.options)), float(max(space.options))
    return float(space.low), float(space.high)


def _ticks(low: float, high: float, log: bool) -> list[float]:
    """Return the ticks of an axis: its ends, and round numbers between."""
    if not log:
        rough = max(high - low, 1e-12) / 4
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * n for n in (1, 2, 2.5, 5, 10) if unit * n >= rough)
        inner = [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
        apart = [tick for tick in inner if low + 0.3 * step < tick < high - 0.3 * step]
        return [low, *apart, high]
    powers = range(math.ceil(math.log10(low) + 0.15), math.floor(math.log10(high) - 0.15) + 1)
    return [low, *(10.0**power for power in powers), high]


def _curve(trial: Trial, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return epochs and mean of a trial's curves, at most `MAX_POINTS_PER_CURVE` points."""
    members = [history[name] for history in trial.histories]
    table = np.full((len(members), max(map(len, members))), np.nan)
    for row, values in zip(table, members, strict=True):
        row[: len(values)] = np.where(np.isfinite(values), values, np.nan)
    present = np.isfinite(table).sum(0)
    mean = np.where(present > 0, np.nansum(table, 0) / np.maximum(present, 1), np.nan)
    rows = style.evenly_spaced(len(mean), MAX_POINTS_PER_CURVE)
    return rows + 1, mean[rows]


def _draw_others(figure: Any, curves: Sequence[tuple[Trial, np.ndarray, np.ndarray]]) -> None:
    """Draw many curves as one faint trace, with gaps between them."""
    gap = np.array([np.nan])
    if not curves:
        return
    alpha = max(0.2, min(0.6, 20 / len(curves)))
    figure.add_scatter(
        x=np.concatenate([part for _, x, _ in curves for part in (x, gap)]),
        y=np.concatenate([part for *_, y in curves for part in (y, gap)]),
        customdata=[trial.number for trial, x, _ in curves for _ in range(len(x) + 1)],
        name="other trials",
        mode="lines",
        line={"color": style.translucent(style.BLUE, alpha), "width": 1},
        hovertemplate="trial %{customdata}, epoch %{x}: %{y:.4g}<extra></extra>",
    )


def _x_positions(figure: Any, hyper: Hyperparameter, trials: Sequence[Trial]) -> np.ndarray:
    """Set up the horizontal axis of a hyperparameter; return the trials' positions on it."""
    space: Any = hyper.space
    if not _is_categorical(hyper):
        values = np.array([float(space.label(trial.values[hyper.name])) for trial in trials])
        if space.log:
            figure.update_xaxes(**style.log_axis(values))
        return values
    names = [*map(format_setting, space.labels)]
    positions = np.array([float(trial.values[hyper.name]) for trial in trials])
    # Jitter, so that no trial hides another; the same in every drawing.
    jitter = np.random.default_rng(0).uniform(-0.22, 0.22, len(positions))
    figure.update_xaxes(
        tickmode="array",
        tickvals=list(range(len(names))),
        ticktext=[style.escape(name) for name in names],
        range=[-0.6, len(names) - 0.4],
    )
    return positions + jitter


def _metric_axis(figure: Any, name: str, values: np.ndarray) -> None:
    """Set up the vertical axis of a metric, logarithmic for losses of a wide range."""
    present = values[np.isfinite(values)]
    figure.update_yaxes(title_text=style.escape(style.axis_label(name)))
    if style.is_percentage(name):
        figure.update_yaxes(tickformat="~%")
    elif len(present) and present.min() > 0 and present.max() > 10 * present.min():
        if present.max() > 1000 * present.min():
            log_y_axis(figure, present, style.escape(style.axis_label(name)))
        else:
            figure.update_yaxes(**style.log_axis(present))


def _hover_text(trial: Trial, sweep: Sweep) -> str:
    settings = trial.settings(sweep.hypers).items()
    rest = [
        f"{style.escape(name)} {style.escape(format_setting(v))}"
        for name, v in settings
        if v is not None
    ]
    return "<br>".join([f"trial {trial.number}", *rest])
