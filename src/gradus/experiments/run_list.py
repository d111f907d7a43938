"""The runs in a folder: what each reached, and in which settings they differ."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gradus import files
from gradus.drawing.style import axis_label
from gradus.errors import SavedError, unknown
from gradus.experiments import runs
from gradus.experiments.run import Run
from gradus.experiments.settings.commands import format_command
from gradus.models.inputs.arguments import direction
from gradus.nn import activations, initializers
from gradus.objectives import loss, metric
from gradus.optim import optimizers, schedules
from gradus.train.history import History

Summary = dict[str, Any]
# Settings that name an entry of registries, which may have several names.
NAMED = {
    "loss.name": [loss.REGISTRY],
    "metrics": [metric.REGISTRY, loss.REGISTRY],
    "network.activation": [activations.REGISTRY],
    "network.initializer": [initializers.REGISTRY],
    "optimizer.name": [optimizers.REGISTRY],
    "schedule.name": [schedules.REGISTRY],
}
KEYS = ("status", "date", "data", "task", "split", "metrics", "epochs", "parameters", "seconds")


def list_runs(folder: Path) -> list[Summary]:
    """Return a summary of each run in a folder, oldest first.

    A summary has `run`, `status`, and, of a run that has ended, `KEYS` and `settings`: those in
    which the runs on the same data differ. If something cannot be read, `error` says why.

    Raises:
        SavedError: if there is no such folder, or it is that of one run.
    """
    if not folder.is_dir():
        if folder == Path(runs.RUNS):
            return []
        raise SavedError(f"There is no folder {str(folder)!r}.")
    if _start_time(folder) is not None:
        parent = [] if folder.parent == Path(runs.RUNS) else [folder.parent]
        raise SavedError(
            f"{str(folder)!r} is one run. To list the runs beside it: "
            f"{format_command('runs', *parent)}"
        )
    times = {entry: _start_time(entry) for entry in folder.iterdir()}
    found = sorted((time, entry) for entry, time in times.items() if time is not None)
    listed = [_summarize(entry) for _, entry in found]
    by_data = defaultdict(list)
    for summary in listed:
        by_data[summary.get("data")].append(summary)
    for group in by_data.values():
        keep_differences([each["settings"] for each in group if "settings" in each])
    return listed


def sort_by(listed: Sequence[Summary], metric: str) -> list[Summary]:
    """Return summaries from best to worst by a metric; those that lack it are last.

    Args:
        listed: the summaries.
        metric: its name, or as the list shows it: "r2" or "R²".

    Raises:
        SavedError: for a metric that none of them has, with the nearest.
    """
    known = {name for summary in listed for name in summary.get("metrics") or {}}
    metric = {axis_label(name): name for name in known}.get(metric, metric)
    if metric not in known:
        raise SavedError(str(unknown("metric of these runs", metric, sorted(known))))
    sign = -1 if direction(metric) == "max" else 1

    def rank(summary: Summary) -> tuple[bool, float]:
        value = (summary.get("metrics") or {}).get(metric)
        return value is None, 0.0 if value is None else sign * value

    return sorted(listed, key=rank)


def histories(listed: Sequence[Summary]) -> dict[str, dict[str, History]]:
    """Return the histories of the runs that have ended, by data and name of the run.

    Runs on the same data that predict other columns are apart: their losses cannot be compared.
    """
    found: dict[str, dict[str, History]] = {}
    for summary in listed:
        if "metrics" in summary:
            with contextlib.suppress(SavedError):  # the list says what is damaged
                history = Run(Path(summary["run"])).scored_model.history
                target = summary.get("settings", {}).get("target")
                columns = ", ".join(target) if isinstance(target, list | tuple) else target
                data = Path(summary["data"]).name + (f", target {columns}" if columns else "")
                found.setdefault(data, {})[summary["run"]] = history
    return found


def keep_differences(settings: Sequence[dict[str, Any]]) -> None:
    """Remove from some settings, by name, what means the same in all of them."""
    names = dict.fromkeys(name for each in settings for name in each)
    for name in names:
        values = [_canonical(name, each.get(name)) for each in settings]
        if all(value == values[0] for value in values):
            for each in settings:
                each.pop(name, None)


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested settings by their names, such as "network.layers", without those of None."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat_settings(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


def _canonical(name: str, value: Any) -> Any:
    """Return a setting with the first of the names that mean the same: "r2" for "r2_score"."""
    if isinstance(value, list | tuple):
        return [_canonical(name, each) for each in value]
    for registry in NAMED.get(name, ()):
        if isinstance(value, str) and value.lower() in registry:
            return registry.name_of(registry.find(value))
    return value


def _start_time(folder: Path) -> float | None:
    """Return when a run's experiment, or else its record, was written; None if it is no run."""
    for name in (*runs.RUN_STARTS, runs.RECORD):
        with contextlib.suppress(OSError):
            return files.current_path(folder, name).stat().st_mtime
    return None


def _summarize(folder: Path) -> Summary:
    """Return the summary of a run; if it is damaged, with the reason as `error`."""
    summary: Summary = {"run": str(folder)}
    if not files.current_path(folder, runs.RECORD).exists():
        return {**summary, "status": "unfinished"}
    run = Run(folder)
    try:
        summary |= {key: getattr(run.record, key) for key in KEYS}
    except SavedError as error:
        return {**summary, "status": "damaged", "error": str(error)}
    try:
        settings = dict(flat_settings(msgspec.to_builtins(run.experiment)))
        settings.pop("track", None)  # where it was logged says nothing of the training
    except SavedError as error:
        return {**summary, "error": str(error)}
    return {**summary, "settings": settings}
