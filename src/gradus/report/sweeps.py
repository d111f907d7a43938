"""Figures of a sweep: its settings against its scores, and the curves of all trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.errors import GradusError, unknown
from gradus.hyperparameters import Hyperparameter
from gradus.report import style
from gradus.report.training import decades, epochs_axis
from gradus.space import Choice
from gradus.sweep.search.trial import Trial
from gradus.sweep.sweep import Sweep

MOST_CURVES = 200
MOST_POINTS = 100  # of a curve
SHORT = 24  # characters of a score's name that fit beside the others
MOST_TICKS = 8  # options of which each is written beside an axis
ABSENT = "–"  # where a hyperparameter does not count
# From the worst to the best, by rank: pale, so that what is good stands out, and the best alone.
SCALE = ((0.0, "#DDE4EA"), (0.6, "#9CCBE8"), (0.9, style.BLUE), (1 - 1e-6, style.BLUE),
         (1 - 1e-6, style.VERMILION), (1.0, style.VERMILION))  # fmt: skip


def parallel(sweep: Sweep) -> Any:
    """Return each trial as a line through its settings to its score, coloured by the score.

    An axis stands for a hyperparameter; drag along one to show only the trials that pass there.

    Args:
        sweep: after `fit`.

    Raises:
        GradusError: if no trial has a score.
    """
    import plotly.graph_objects as go

    trials = scored(sweep)[::-1]  # the best are drawn last, above the others
    scores = np.array([trial.score for trial in trials])
    # Coloured by rank: a score that lies far off would leave no colours for the others.
    ranks = np.linspace(0, 1, len(trials)) if len(trials) > 1 else np.ones(1)
    axes = [_axis(hyper, trials) for hyper in sweep.hypers.values()]
    low, high = _limits(scores)
    name = style.axis_label(sweep.monitor)
    axes.append(
        {
            "label": style.text(name if len(name) <= SHORT else "score"),
            "values": np.clip(scores, low, high),
            "range": [low, high],
            **({"tickformat": ".1%"} if style.is_share(sweep.monitor) else {}),
        }
    )
    shown = style.figure("Settings and scores", height=420)
    shown.add_trace(
        go.Parcoords(
            dimensions=axes,
            line={"color": ranks, "colorscale": SCALE, "cmin": 0, "cmax": 1},
            labelfont={"size": 12, "color": style.INK},
            tickfont={"size": 11, "color": style.MUTED},
            rangefont={"size": 1, "color": "rgba(0,0,0,0)"},
            labelside="top",
            domain={"y": [0, 0.86]},
        )
    )
    shown.update_layout(margin={"l": 64, "r": 64, "b": 24})
    return shown


def trial_curves(sweep: Sweep, name: str | None = None) -> Any:
    """Return the curve of every trial by epoch, the best one highlighted.

    Of several seeds or folds it is the mean. Of very many trials the best ones are drawn, and some
    of the others.

    Args:
        sweep: after `fit`.
        name: which number; what the trials are judged by if None.

    Raises:
        GradusError: if no trial has been trained, or there is no such number.
    """
    name = name or sweep.monitor
    trials = [trial for trial in sweep.ranking if any(h.epochs for h in trial.histories)]
    if not trials:
        raise GradusError("No trial of this sweep has been trained.")
    known = [key for key, values in trials[0].histories[0].items() if values.ndim == 1]
    if name not in known:
        raise unknown("learning curve", name, known)
    drawn = [trials[k] for k in style.thin(len(trials), MOST_CURVES)]
    curves = {trial.number: _curve(trial, name) for trial in drawn}
    shown = style.figure(f"{style.heading(name)} of {len(trials)} trials", height=420)
    others = [trial for trial in drawn[1:] if np.isfinite(curves[trial.number][1]).any()]
    _bundle(shown, [(trial, *curves[trial.number]) for trial in others])
    best = drawn[0]
    across, up = curves[best.number]
    shown.add_scatter(
        x=across,
        y=up,
        name=f"best: trial {best.number}",
        mode="lines",
        line={"color": style.VERMILION, "width": 3},
        hovertemplate=f"trial {best.number}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
    )
    _vertical(shown, name, np.concatenate([curve for _, curve in curves.values()]))
    epochs_axis(shown, max(trial.epochs for trial in drawn))
    return shown


def metric_by(sweep: Sweep, name: str, metric: str | None = None) -> Any:
    """Return each trial's number against its value of one hyperparameter.

    The axis is logarithmic for `log_uniform` and `logspace`; options stand side by side.

    Args:
        sweep: after `fit`.
        name: of the hyperparameter.
        metric: which number, such as "val_accuracy"; the score if None.

    Raises:
        GradusError: for an unknown name, or if no trial has a score.
    """
    if name not in sweep.hypers:
        raise unknown("hyperparameter", name, sweep.hypers)
    hyper = sweep.hypers[name]
    trials = [trial for trial in scored(sweep) if name in trial.values]
    key = metric or sweep.monitor
    if metric is not None and trials and metric not in trials[0].metrics:
        raise unknown("metric", metric, trials[0].metrics)
    values = np.array([trial.score if metric is None else trial.metrics[key] for trial in trials])
    shown = style.figure(f"{style.heading(key)} by {style.text(name)}", height=340)
    across = _across(shown, hyper, trials)
    shown.update_xaxes(title_text=style.text(name))
    for rows, colour, label in ((slice(1, None), style.BLUE, "trials"),
                                (slice(0, 1), style.VERMILION, "best")):  # fmt: skip
        shown.add_scatter(
            x=across[rows],
            y=values[rows],
            name=label,
            showlegend=False,
            mode="markers",
            marker={"color": style.faint(colour, 0.6 if label == "trials" else 1), "size": 7},
            customdata=[_words(trial, sweep) for trial in trials[rows]],
            hovertemplate="%{customdata}<br>%{y:.4g}<extra></extra>",
        )
    _vertical(shown, key, values)
    return shown


def scored(sweep: Sweep) -> list[Trial]:
    """Return the trials that have a score, from the best to the worst.

    Raises:
        GradusError: if none has.
    """
    trials = [trial for trial in sweep.ranking if math.isfinite(trial.score)]
    if not trials:
        raise GradusError("No trial of this sweep has a score: each diverged or failed.")
    return trials


def format_setting(value: Any) -> str:
    """Return the value of a hyperparameter as people read it."""
    if value is None:
        return ABSENT
    return f"{value:.3g}" if isinstance(value, float) else str(value)


# --- the parts of a figure ---------------------------------------------------------------------


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Return the range of the axis of some numbers, without the few that lie far outside."""
    low, high = np.quantile(values, (0.0, 1.0))
    first, middle, third = np.quantile(values, (0.25, 0.5, 0.75))
    reach = 4 * max(third - first, 1e-12 + 0.01 * abs(middle))
    low, high = max(low, first - reach), min(high, third + reach)
    return float(low), float(high if high > low else low + 1e-9 + 0.01 * abs(low))


def _is_listed(hyper: Hyperparameter) -> bool:
    """Whether its options stand side by side, rather than on an axis of numbers."""
    return isinstance(hyper.space, Choice) and not hyper.space.ordered


def _axis(hyper: Hyperparameter, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return a hyperparameter's axis among parallel ones."""
    name, given = hyper.name, [trial.values.get(hyper.name) for trial in trials]
    absent = any(value is None for value in given)
    space: Any = hyper.space
    label = {"label": style.text(name)}
    places: list[float]
    if _is_listed(hyper):
        names = [*map(format_setting, space.labels), *[ABSENT] * absent]
        places = [len(names) - 1 if value is None else int(value) for value in given]
        margin = 0.0 if len(names) > 1 else 1.0
        return {**label, "values": places, "range": [-margin, len(names) - 1 + margin],
                "tickvals": list(range(len(names))), "ticktext": names}  # fmt: skip
    # What trials with no value are drawn at lies below the axis.
    drawn = [math.nan if v is None else float(space.label(v)) for v in given]
    seen = [value for value in drawn if not math.isnan(value)]
    low, high = _ends(space)
    few = isinstance(space, Choice) and len(space.options) <= MOST_TICKS
    ticks = list(space.options) if few else _ticks(low, high, space.log)
    if space.log:
        drawn, low, high = [math.log10(v) for v in drawn], math.log10(low), math.log10(high)
        places = [math.log10(tick) for tick in ticks]
    else:
        places = ticks
    words = [format_setting(float(f"{tick:.3g}")) for tick in ticks]
    if absent or not seen:
        below = low - 0.12 * (high - low)
        drawn = [below if math.isnan(v) else v for v in drawn]
        low, places, words = below, [below, *places], [ABSENT, *words]
    return {**label, "values": drawn, "range": [low, high if high > low else low + 1],
            "tickvals": places, "ticktext": words}  # fmt: skip


def _ends(space: Any) -> tuple[float, float]:
    if isinstance(space, Choice):
        return float(min(space.options)), float(max(space.options))
    return float(space.low), float(space.high)


def _ticks(low: float, high: float, log: bool) -> list[float]:
    """Return the numbers written beside an axis: its ends and round ones between."""
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
    """Return the epochs and the mean of a trial's curves, at most `MOST_POINTS` of them."""
    members = [history[name] for history in trial.histories]
    table = np.full((len(members), max(map(len, members))), np.nan)
    for row, values in zip(table, members, strict=True):
        row[: len(values)] = np.where(np.isfinite(values), values, np.nan)
    seen = np.isfinite(table).sum(0)
    mean = np.where(seen > 0, np.nansum(table, 0) / np.maximum(seen, 1), np.nan)
    rows = style.thin(len(mean), MOST_POINTS)
    return rows + 1, mean[rows]


def _bundle(shown: Any, curves: Sequence[tuple[Trial, np.ndarray, np.ndarray]]) -> None:
    """Draw many curves as one faint trace, with gaps between them."""
    gap = np.array([np.nan])
    if not curves:
        return
    shown.add_scatter(
        x=np.concatenate([part for _, across, _ in curves for part in (across, gap)]),
        y=np.concatenate([part for *_, up in curves for part in (up, gap)]),
        customdata=[trial.number for trial, across, _ in curves for _ in range(len(across) + 1)],
        name="other trials",
        mode="lines",
        line={"color": style.faint(style.BLUE, max(0.2, min(0.6, 20 / len(curves)))), "width": 1},
        hovertemplate="trial %{customdata}, epoch %{x}: %{y:.4g}<extra></extra>",
    )


def _across(shown: Any, hyper: Hyperparameter, trials: Sequence[Trial]) -> np.ndarray:
    """Make the horizontal axis that of a hyperparameter; return the trials' places on it."""
    space: Any = hyper.space
    if not _is_listed(hyper):
        values = np.array([float(space.label(trial.values[hyper.name])) for trial in trials])
        if space.log:
            shown.update_xaxes(**style.log_axis(values))
        return values
    names = [*map(format_setting, space.labels)]
    places = np.array([float(trial.values[hyper.name]) for trial in trials])
    # Beside one another within a strip, so that no trial hides another; the same in every drawing.
    spread = np.random.default_rng(0).uniform(-0.22, 0.22, len(places))
    shown.update_xaxes(
        tickmode="array",
        tickvals=list(range(len(names))),
        ticktext=[style.text(name) for name in names],
        range=[-0.6, len(names) - 0.4],
    )
    return places + spread


def _vertical(shown: Any, name: str, values: np.ndarray) -> None:
    """Make the vertical axis one of a metric, logarithmic for losses that lie far apart."""
    seen = values[np.isfinite(values)]
    shown.update_yaxes(title_text=style.text(style.axis_label(name)))
    if style.is_share(name):
        shown.update_yaxes(tickformat=".0%")
    elif len(seen) and seen.min() > 0 and seen.max() > 10 * seen.min():
        if seen.max() > 1000 * seen.min():
            decades(shown, seen, style.text(style.axis_label(name)))
        else:
            shown.update_yaxes(type="log", dtick="D2", tickformat="~g")


def _words(trial: Trial, sweep: Sweep) -> str:
    settings = trial.settings(sweep.hypers).items()
    rest = [
        f"{style.text(name)} {style.text(format_setting(v))}"
        for name, v in settings
        if v is not None
    ]
    return "<br>".join([f"trial {trial.number}", *rest])
