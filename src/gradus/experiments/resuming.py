"""What is said of a run that is resumed: that it has ended, or why it cannot go on."""

from __future__ import annotations

from pathlib import Path

from gradus import files
from gradus.errors import GradusError
from gradus.experiments import runs
from gradus.experiments.commands import format_command
from gradus.experiments.settings import experiment_file
from gradus.experiments.settings.experiment import Experiment, ExperimentError


def check_resumed_epochs(folder: Path, experiment: Experiment) -> None:
    """Check that a run whose learning rate falls until its last epoch keeps their number.

    Args:
        folder: of the run.
        experiment: with which it is resumed.

    Raises:
        ExperimentError: with the command that trains anew.
    """
    before = experiment_file.read_settings(folder / experiment_file.FILE)
    schedule = before.get("schedule", {}).get("name", "none")
    epochs, wanted = before.get("training", {}).get("epochs"), experiment.training.epochs
    if schedule == "none" or epochs is None or wanted in (None, epochs):
        return
    anew = format_command("train", folder / experiment_file.FILE, "--epochs", str(wanted))
    raise ExperimentError(
        f"{folder} was to train for {epochs} epochs, in which the schedule {schedule} lowers the "
        f"learning rate, so it resumes to {epochs}, not to {wanted}. To train anew: {anew}"
    )


def ended_line(folder: Path, experiment: Experiment) -> str:
    """Return what to say of a run that has ended already; "" for one that goes on.

    Args:
        folder: of the run.
        experiment: with which it is resumed.
    """
    if not files.current_path(folder, runs.RECORD).exists():
        return ""
    try:
        record = runs.Run(folder).record
    except GradusError:  # a damaged record is written anew
        return ""
    goes_on = record.status == "finished" and record.epochs < (experiment.training.epochs or 0)
    if record.status in ("interrupted", "callback") or goes_on:
        return ""
    how = "" if record.status == "finished" else f" ({record.status})"
    return (
        f"{folder} has ended{how} after {record.epochs} epochs: nothing is left to train, and it "
        "is evaluated again."
    )
