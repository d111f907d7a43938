"""Summaries of runs, of the records of trainings and sweeps, and of diagnoses, as text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradus.apps.output import Output, format_value
from gradus.errors import counted
from gradus.experiments.settings.commands import format_command

if TYPE_CHECKING:
    from gradus.diagnosis.findings import Diagnosis
    from gradus.doctor.repair import Repair


def print_sweep_summary(record: dict[str, Any], output: Output) -> None:
    """Print the result of a sweep, and the next command."""
    from gradus.report.page import format_duration  # slow to import, and by now it is

    run, monitor = record["run"], record["monitor"]
    output.print_line()
    best = record["best"].items()
    rows = [[name, format_value(v) if isinstance(v, float) else str(v)] for name, v in best]
    output.print_table(["best settings", ""], rows)
    output.print_line()
    _print_metrics(record, output)
    ends = ", ".join(f"{count} {status}" for status, count in record["statuses"].items())
    duration = format_duration(record["sweep_seconds"])  # as on the page of the sweep
    output.print_line(f"{record['trials']} trials in {duration}: {ends}.")
    output.print_line(
        f"The best run by {monitor} is {run}; open {run}/sweep.html to see all trials."
    )
    if record["interrupted"]:
        words = ["--resume", run] if record["resumable"] else [f"{run}/sweep.toml"]
        output.print_line(f"Interrupted. To resume: {format_command('sweep', *words)}")
    else:
        _print_next_command(run, output)


def print_training_summary(record: dict[str, Any], output: Output) -> None:
    """Print the result of a training, and the next command."""
    from gradus.experiments import runs

    run = record["run"]
    output.print_line()
    _print_metrics(record, output)
    best = f", best weights from epoch {record['best_epoch']}" * bool(record["best_epoch"])
    epochs = counted(record["epochs"], "epoch")
    output.print_line(f"{epochs} in {record['training_seconds']:.1f} s{best}.")
    output.print_line(f"The run is in {run}; open {run}/report.html to see it.")
    _print_findings(run, output)
    if record["status"] == "interrupted" and not runs.has_checkpoint(Path(run)):
        again = format_command("train", Path(run) / "experiment.toml")
        output.print_line(
            "Interrupted in the first epoch: the run has the weights of that moment and cannot be "
            f"resumed. To train it again: {again}"
        )
    elif record["status"] == "interrupted":
        output.print_line(f"Interrupted. To resume: {format_command('train', '--resume', run)}")
    elif record["status"] == "diverged":
        why = format_command("diagnose", run)
        output.print_line(
            f"Training diverged in epoch {record['epochs']}, and the run has the weights from "
            f"before: try a tenth of the learning rate, or --clipnorm 1. For details: {why}"
        )
    else:
        _print_next_command(run, output)


def _print_findings(run: str, output: Output) -> None:
    """Print what is wrong with a training, or may be, by its codes, and how to read of it."""
    from gradus.experiments.run import Run

    if not Path(run).is_dir():  # nothing of it was saved
        return
    found = Run(Path(run)).findings
    kinds = (("fault", found.faults), ("note", found.notes))
    counts = [counted(len(of_kind), kind) for kind, of_kind in kinds if of_kind]
    if counts:
        codes = ", ".join(dict.fromkeys(f.code for _, of_kind in kinds for f in of_kind))
        command = format_command("diagnose", run)
        output.print_line(f"{' and '.join(counts)}: {codes}. For details: {command}")


def _print_next_command(run: str, output: Output) -> None:
    """Print the command that uses a run."""
    command = format_command("predict", run, "DATA", "--out", "predictions.csv")
    output.print_line(f"Next: {command}")


def _print_metrics(record: dict[str, Any], output: Output) -> None:
    """Print the metrics of each part of the data, and what a constant prediction would score."""
    from gradus.drawing.style import axis_label  # imports NumPy, which --help does without

    parts = {**record["parts"], "constant": record["constant"]}
    rows = [
        [axis_label(name), *(format_value(metrics.get(name)) for metrics in parts.values())]
        for name in record["metrics"]  # the training part may have others, as it is more uneven
    ]
    output.print_table(["", *parts], rows)
    output.print_line()


def print_diagnosis(diagnosis: Diagnosis, output: Output) -> None:
    """Print the findings: what is wrong, why it matters, and what to write instead."""
    if not diagnosis.findings:
        output.print_line("No problems were found with this training.")
    for finding in diagnosis:
        because = f", because of {finding.cause}" if finding.cause else ""
        output.print_line(f"{finding.severity}  {finding.code}{because}")
        for line in (finding.message, finding.why, finding.remedy):
            if line:
                output.print_line(f"       {line}")
        for name, numbers in finding.evidence.items():
            value, threshold = (format_value(numbers[key]) for key in ("value", "threshold"))
            output.print_line(f"       {name}: {value} (limit {threshold})")
    for limit in diagnosis.limits:
        output.print_line(limit)


def print_repair(found: Repair, output: Output) -> None:
    """Print which remedies were tried, how good they were, and what helped."""
    if not found.outcomes:
        output.print_line("Nothing was tried because no finding has a remedy.")
        return
    # Errors after some epochs are no errors of a whole training, so no table has both.
    whole = [outcome for outcome in found.outcomes if outcome.seeds]
    rows = [
        [
            outcome.candidate.name,
            *map(format_value, outcome.comparison),
            str(outcome.seeds),
            "yes" if outcome.helps else "no",
        ]
        for outcome in whole
    ]
    output.print_line()
    output.print_table(["remedy", "error as it is", "with it", "noise", "seeds", "helps"], rows)
    dropped = [outcome.candidate.name for outcome in found.outcomes if not outcome.seeds]
    if dropped:
        output.print_line()
        output.print_line(f"Dropped after the first epochs, best first: {'; '.join(dropped)}.")
    output.print_line()
    output.print_line(
        "Errors are on validation samples after full training: the share of wrong classes, or the "
        "squared error in variances of the target. A remedy helps if it gains more than twice the "
        f"noise. {found.trainings:.1f} full trainings took {found.seconds:.1f} s."
    )
    if found.helped:
        output.print_line(f"What helped beyond noise: {found.outcomes[0].candidate.name}.")
    else:
        output.print_line(
            "No remedy helped beyond the noise between seeds. A larger budget, such as --budget "
            "15, tries more."
        )
    for note in found.notes:
        output.print_line(note)


def _written(setting: Any) -> str:
    """Return a setting as a flag takes it: 0.1, or relu,tanh."""
    if isinstance(setting, list | tuple):
        return ",".join(map(_written, setting))
    return f"{setting:.4g}" if isinstance(setting, float) else str(setting)


RUN_COLUMNS = ("run", "date", "data", "metrics", "epochs", "weights", "seconds", "differs in")
TEXT_COLUMNS = ("date", "data", "metrics", "differs in")
OPTIONAL_COLUMNS = ("weights", "seconds", "date", "epochs", "differs in")


def run_row(run: dict[str, Any]) -> list[str]:
    """Return a run's row in the list of runs, with a text for each of `RUN_COLUMNS`."""
    from gradus.drawing.style import axis_label

    metrics = {n: v for n, v in (run.get("metrics") or {}).items() if n != "loss"}
    metrics = {n: v for n, v in metrics.items() if " " not in n} or metrics  # not those by target
    shown = ", ".join(
        f"{axis_label(name)} {format_value(value)}" for name, value in metrics.items()
    )
    shown = f"{shown} ({run['split']})" if shown else ""
    if run["status"] != "finished":
        shown = ": ".join(filter(None, [run["status"], shown]))
    sizes = [f"{run[k]:,}" if k in run else "-" for k in ("epochs", "parameters")]
    seconds = f"{run['seconds']:.1f}" if "seconds" in run else "-"
    date = run.get("date", "")[:16].replace("T", " ") or "-"
    data = Path(run["data"]).name if "data" in run else "-"
    settings = ", ".join(
        f"{name} {_written(value)}" for name, value in run.get("settings", {}).items()
    )
    return [run["run"], date, data, shown, *sizes, seconds, settings]
