"""The page of a sweep: its leaders, what mattered, and how to use the best run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradus.report import style, sweeps
from gradus.report.importance import importance
from gradus.report.page import (
    Panel,
    fill_template,
    format_duration,
    format_number,
    laid_out,
    write_html,
)
from gradus.space import Choice
from gradus.sweep.search.trial import DIVERGED, FAILED, FINISHED, STOPPED, WAITING, Trial
from gradus.sweep.sweep import Sweep

LEADERS = 10
TOLD = 16  # trials, from which on what mattered can be told
ENDS = {
    FINISHED: "finished",
    STOPPED: "left early",
    DIVERGED: "diverged",
    FAILED: "could not be built",
    WAITING: "not ended",
}


def write_sweep(
    path: str | Path,
    sweep: Sweep,
    *,
    title: str = "A sweep",
    data: Sequence[str] = (),
    settings: str = "",
    commands: Sequence[str] = (),
) -> Path:
    """Write the page of a sweep, which loads nothing from anywhere.

    Args:
        path: where to.
        sweep: after `fit`.
        title: the run's name.
        data: lines on the data.
        settings: the spaces, as text.
        commands: how to use the best run.

    Returns:
        The path.

    Raises:
        SavedError: if it cannot be written; what stood there before stays whole.
        GradusError: if no trial has a score.
    """
    trials = sweeps.scored(sweep)
    columns = [name for name in trials[0].metrics if name != sweep.monitor]
    columns = [sweep.monitor, *(name for name in columns if name.startswith("val_"))]
    page = fill_template(
        "sweep.html",
        run={"title": title, "data": data},
        tiles=_tiles(sweep, trials),
        notes=_notes(sweep),
        count=sum(trial.status != WAITING for trial in sweep.trials),
        header=["trial", *map(style.axis_label, columns), *sweep.hypers, "epochs"],
        leaders=[_row(trial, columns, sweep) for trial in trials[:LEADERS]],
        sections=_sections(sweep),
        commands=commands,
        settings=settings,
    )
    return write_html(path, page)


def _row(trial: Trial, columns: Sequence[str], sweep: Sweep) -> list[str]:
    numbers = [format_number(name, trial.metrics.get(name, float("nan"))) for name in columns]
    settings = map(sweeps.format_setting, trial.settings(sweep.hypers).values())
    return [str(trial.number), *numbers, *settings, str(trial.epochs)]


def _tiles(sweep: Sweep, trials: Sequence[Trial]) -> list[tuple[str, str, list[str]]]:
    """Return the header's key numbers: the label, the number, and words on it."""
    best = trials[0]
    ends = Counter(trial.status for trial in sweep.trials)
    ended = len(sweep.trials) - ends[WAITING]
    words = [f"{ends[status]} {ENDS[status]}" for status in ENDS if ends[status]]
    others: list[tuple[str, str, list[str]]] = [
        (f"best {style.axis_label(name)}", format_number(name, value), [])
        for name, value in best.metrics.items()
        if name.startswith("val_") and name != sweep.monitor
    ]
    pace = [f"{format_duration(sweep.seconds / ended)} a trial"]
    middle = format_number(sweep.monitor, trials[len(trials) // 2].score)
    score = format_number(sweep.monitor, best.score), [f"trial {best.number}", f"median {middle}"]
    return [
        (f"best {style.axis_label(sweep.monitor)}", *score),
        *others[:1],
        ("trials", f"{ended:,}", words),
        ("time", format_duration(sweep.seconds), pace),
    ]


def _notes(sweep: Sweep) -> list[str]:
    """Return what a reader should know, in sentences."""
    notes = []
    count = len([trial for trial in sweep.trials if trial.status != WAITING])
    if sweep.interrupted:
        notes.append(f"The sweep was interrupted after {count} of {len(sweep.trials)} trials.")
    if count >= 10:
        notes.append(
            f"The best of {count} trials was chosen by {style.axis_label(sweep.monitor)}, which "
            "therefore flatters it; judge it by data that it has not seen."
        )
    for name in _at_an_end(sweep):
        notes.append(
            f"The best values of {name} lie at an end of its range: a wider range may do better."
        )
    failed = [trial for trial in sweep.trials if trial.status == FAILED]
    if failed:
        notes.append(f"{len(failed)} trials could not be built, the first of them: "
                     f"{failed[0].error}")  # fmt: skip
    return notes


def _at_an_end(sweep: Sweep) -> list[str]:
    """Return the ranges of which the best trials all lie in the outer tenth of one side."""
    found = []
    for name, hyper in sweep.hypers.items():
        space: Any = hyper.space
        values = [trial.values[name] for trial in sweeps.scored(sweep) if name in trial.values]
        if isinstance(space, Choice) or len(values) < 20:
            continue
        low, high = (space.draw(share) for share in (0.1, 0.9))
        leading = values[:3]
        if max(leading) < low or min(leading) > high:
            found.append(name)
    return found


def _mattered(sweep: Sweep) -> list[Panel]:
    """Return the figure of what mattered, if there are enough trials and settings to tell."""
    if len(sweep.hypers) < 2 or len(sweeps.scored(sweep)) < TOLD:
        return []
    found = sweep.importance()
    words = (
        "Of what the scores vary by, how much each setting explains by itself, as a random forest "
        "has learnt it from the trials; below, the score to expect at each value."
    )
    if found.unsure:
        words += f" Here it explains little (R² {found.explained:.2f}): do not build on it."
    return [Panel("Importance", words, importance(found), wide=True)]


def _sections(sweep: Sweep) -> list[tuple[str, list[Panel]]]:
    several = len(sweep.trials) > 1
    settings = [
        Panel(
            "Settings and scores",
            "A line is a trial, from its settings to its score on the right; the darker the "
            "better, and the best is orange. Drag along an axis to see only the trials that pass "
            "there.",
            sweeps.parallel(sweep),
            wide=True,
            least=96 * (len(sweep.hypers) + 1),
        )
    ]
    # Trials that were read back from a storage have no curves.
    names = [sweep.monitor] if any(trial.histories for trial in sweep.trials) else []
    if names and "loss" in sweep.monitor:
        others = [n for n in sweeps.scored(sweep)[0].metrics if n.startswith("val_")]
        names += [name for name in others if name != sweep.monitor][:1]
    curves = [
        Panel(
            style.heading(name),
            "Each line is a trial, the best one orange.",
            sweeps.trial_curves(sweep, name),
        )
        for name in names
    ]
    single = [
        Panel(
            name,
            f"{style.heading(sweep.monitor)} of each trial by its value; the best is orange.",
            sweeps.metric_by(sweep, name),
        )
        for name in sweep.hypers
    ]
    return [
        ("All trials", settings if several else []),
        ("What mattered", _mattered(sweep)),
        ("Learning", laid_out(curves)),
        ("One setting at a time", laid_out(single) if several else []),
    ]
