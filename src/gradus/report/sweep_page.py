"""The page of a sweep: its best trials, importances, and how to use the best run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradus.drawing import style
from gradus.report import sweeps
from gradus.report.importance_figure import importance
from gradus.report.page import (
    Panel,
    fill_template,
    format_duration,
    format_number,
    lay_out,
    write_html,
)
from gradus.space import Choice
from gradus.streams import in_words
from gradus.sweep.search.trial import DIVERGED, FAILED, FINISHED, STOPPED, WAITING, Trial
from gradus.sweep.sweep import Sweep

MAX_LEADERS = 10
MIN_TRIALS_FOR_IMPORTANCE = 16
CURVES_LEFT_OUT = "The learning curves of the trials are left out, as they were not kept."
STATUS_NAMES = {
    FINISHED: "finished",
    STOPPED: "stopped early",
    DIVERGED: "diverged",
    FAILED: "could not be built",
    WAITING: "not finished",
}


def write_sweep(
    path: str | Path,
    sweep: Sweep,
    *,
    title: str = "A sweep",
    data: Sequence[str] = (),
    settings: str = "",
    commands: Sequence[str] = (),
    trained: int | None = None,
) -> Path:
    """Write the page of a sweep as self-contained HTML.

    Args:
        path: the file to write.
        sweep: a sweep after `fit`.
        title: the run's name.
        data: lines about the data.
        settings: the search space, as text.
        commands: shell commands that use the best run.
        trained: how many trials were trained in the time of the sweep, others being restored; None
            for those that have histories.

    Returns:
        The path.

    Raises:
        SavedError: if it cannot be written; an existing file stays as it is.
        GradusError: if no trial has a score.
    """
    trials = sweeps.scored(sweep)
    columns = [name for name in trials[0].metrics if name != sweep.monitor]
    columns = [sweep.monitor, *(name for name in columns if name.startswith("val_"))]
    page = fill_template(
        "sweep.html",
        run={"title": title, "data": data},
        tiles=_tiles(sweep, trials, trained),
        notes=_notes(sweep),
        words=in_words,
        count=sum(trial.ended for trial in sweep.trials),
        header=["trial", *map(style.axis_label, columns), *sweep.hypers, "epochs"],
        leaders=[_row(trial, columns, sweep) for trial in trials[:MAX_LEADERS]],
        sections=_sections(sweep),
        commands=commands,
        settings=settings,
    )
    return write_html(path, page)


def _row(trial: Trial, columns: Sequence[str], sweep: Sweep) -> list[str]:
    numbers = [format_number(name, trial.metrics.get(name, float("nan"))) for name in columns]
    settings = map(sweeps.format_setting, trial.settings(sweep.hypers).values())
    return [str(trial.number), *numbers, *settings, str(trial.epochs)]


def _tiles(
    sweep: Sweep, trials: Sequence[Trial], trained: int | None
) -> list[tuple[str, str, list[str]]]:
    """Return the key figures of the header: label, value, and remarks."""
    best = trials[0]
    statuses = Counter(trial.status for trial in sweep.trials)
    ended = len(sweep.trials) - statuses[WAITING]
    built = ended - statuses[FAILED]
    remarks = [
        f"{statuses[status]} {name}" for status, name in STATUS_NAMES.items() if statuses[status]
    ]
    others: list[tuple[str, str, list[str]]] = [
        (style.axis_label(name), format_number(name, value), [f"trial {best.number}"])
        for name, value in best.metrics.items()
        if name.startswith("val_") and name != sweep.monitor
    ]
    if trained is None:
        trained = sum(bool(trial.histories) for trial in sweep.trials)
    pace = [f"{format_duration(sweep.seconds / max(trained, 1))} per trial"] * bool(trained)
    pace += [f"the {trained:,} trials since it was resumed"] * (0 < trained < built)
    median = format_number(sweep.monitor, trials[len(trials) // 2].score)
    score = format_number(sweep.monitor, best.score), [f"trial {best.number}", f"median {median}"]
    return [
        (f"best {style.axis_label(sweep.monitor)}", *score),
        *others[:1],
        ("trials", f"{ended:,}", remarks),
        ("time", format_duration(sweep.seconds), pace),
    ]


def _notes(sweep: Sweep) -> list[str]:
    """Return warnings and findings, in sentences."""
    notes = []
    count = len([trial for trial in sweep.trials if trial.ended])
    if sweep.interrupted:
        notes.append(f"The sweep was interrupted after {count} of {len(sweep.trials)} trials.")
    if count >= 10:
        notes.append(
            f"The best of {count} trials was chosen by {style.axis_label(sweep.monitor)}, so that "
            "score is optimistic; evaluate it on data that the sweep has not used."
        )
    if not any(trial.histories for trial in sweep.trials):
        notes.append(CURVES_LEFT_OUT)
    for name in _ranges_at_an_end(sweep):
        notes.append(
            f"The best values of {name} lie at an end of its range: a wider range may be better."
        )
    failed = [trial for trial in sweep.trials if trial.status == FAILED]
    if failed:
        notes.append(f"{len(failed)} trials could not be built; the first error: "
                     f"{failed[0].error}")  # fmt: skip
    return notes


def _ranges_at_an_end(sweep: Sweep) -> list[str]:
    """Return the hyperparameters whose best three trials lie in an outer tenth of the range."""
    names = []
    for name, hyper in sweep.hypers.items():
        space: Any = hyper.space
        values = [trial.values[name] for trial in sweeps.scored(sweep) if name in trial.values]
        if isinstance(space, Choice) or len(values) < 20:
            continue
        low, high = (space.value_at(share) for share in (0.1, 0.9))
        leading = values[:3]
        if max(leading) < low or min(leading) > high:
            names.append(name)
    return names


def _importance_panels(sweep: Sweep) -> list[Panel]:
    """Return the importance figure, if there are enough trials and hyperparameters."""
    if len(sweep.hypers) < 2 or len(sweeps.scored(sweep)) < MIN_TRIALS_FOR_IMPORTANCE:
        return []
    importances = sweep.importance()
    caption = (
        "The share of the scores' variance that each hyperparameter explains by itself, estimated "
        "by a random forest on the trials; below, the expected score at each value."
    )
    if importances.unsure:
        caption += (
            f" The forest explains little here (R² {importances.explained:.2f}): do not rely on it."
        )
    return [Panel("Importance", caption, importance(importances), wide=True)]


def _sections(sweep: Sweep) -> list[tuple[str, list[Panel]]]:
    several = len(sweep.trials) > 1
    parallel = sweeps.parallel(sweep)
    beyond = (
        " A line that ends at a score marked ≤ or ≥ may have a score beyond it."
        if parallel.data[0].dimensions[-1].ticktext
        else ""
    )
    settings = [
        Panel(
            "Hyperparameters and scores",
            "Each line is a trial, from its hyperparameters to its score on the right; bluer is "
            "better, and the best is orange. Drag along an axis to select the trials that pass "
            f"through that range.{beyond}",
            parallel,
            wide=True,
            min_width=64 * len(sweep.hypers) + parallel.layout.margin.l + parallel.layout.margin.r,
        )
    ]
    names = [sweep.monitor] if any(trial.histories for trial in sweep.trials) else []
    if names and "loss" in sweep.monitor:
        others = [n for n in sweeps.scored(sweep)[0].metrics if n.startswith("val_")]
        names += [name for name in others if name != sweep.monitor][:1]
    curves = [
        Panel(
            style.heading(name),
            "Each line is a trial; the best is orange.",
            sweeps.trial_curves(sweep, name),
        )
        for name in names
    ]
    single = [
        Panel(
            name,
            f"{style.heading(sweep.monitor)} of each trial against its value; the best is orange.",
            sweeps.metric_by(sweep, name),
        )
        for name in sweep.hypers
    ]
    return [
        ("All trials", settings if several else []),
        ("Importance", _importance_panels(sweep)),
        ("Learning", lay_out(curves)),
        ("One hyperparameter at a time", lay_out(single) if several else []),
    ]
