"""What commands say of the records of trainings and sweeps, to a person."""

from __future__ import annotations

from typing import Any

from gradus.apps.output import Output, format_value


def print_sweep_summary(record: dict[str, Any], show: Output) -> None:
    """Show what a sweep came to, and what to do next."""
    run, monitor = record["run"], record["monitor"]
    show.say()
    best = record["best"].items()
    rows = [[name, format_value(v) if isinstance(v, float) else str(v)] for name, v in best]
    show.table(["best settings", ""], rows)
    show.say()
    _parts(record, show)
    ends = ", ".join(f"{count} {status}" for status, count in record["statuses"].items())
    show.say(f"{record['trials']} trials in {record['seconds']:.1f} s: {ends}.")
    show.say(f"The best by {monitor} is the run {run}; open {run}/sweep.html to see all of them.")
    if record["interrupted"]:
        again = f"--resume {run}" if record["resumable"] else f"{run}/sweep.toml"
        show.say(f"Interrupted. To go on: gradus sweep {again}")
    else:
        show.say(f"Next: gradus predict {run} DATA --out predictions.csv")


def print_training_summary(record: dict[str, Any], show: Output) -> None:
    """Show what a training came to, and what to do next."""
    run = record["run"]
    show.say()
    _parts(record, show)
    best = f", the weights of epoch {record['best_epoch']} kept" * bool(record["best_epoch"])
    show.say(f"{record['epochs']} epochs in {record['training_seconds']:.1f} s{best}.")
    show.say(f"The run is in {run}; open {run}/report.html to see it.")
    if record["status"] == "interrupted":
        show.say(f"Interrupted. To go on: gradus train {run}/experiment.toml --resume {run}")
    else:
        show.say(f"Next: gradus predict {run} DATA --out predictions.csv")


def _parts(record: dict[str, Any], show: Output) -> None:
    """Show the metrics of each part of the data."""
    parts = record["parts"]
    names = list(dict.fromkeys(name for metrics in parts.values() for name in metrics))
    rows = [
        [name, *(format_value(metrics.get(name)) for metrics in parts.values())] for name in names
    ]
    show.table(["", *parts], rows)
    show.say()


def run_row(run: dict[str, Any]) -> list[str]:
    """Return a run's row in the list of runs."""
    metrics = {n: v for n, v in (run.get("metrics") or {}).items() if n != "loss"}
    shown = ", ".join(f"{name} {format_value(value)}" for name, value in metrics.items())
    sizes = [f"{run[k]:,}" if k in run else "-" for k in ("epochs", "parameters")]
    seconds = f"{run['seconds']:.1f}" if "seconds" in run else "-"
    return [run["run"], str(run["status"])[:60], run.get("split", "-"), shown, *sizes, seconds]
