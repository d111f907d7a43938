"""What is said of a run that is resumed: that it has ended, or why it cannot go on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from gradus import files
from gradus.errors import GradusError, SavedError
from gradus.experiments import runs
from gradus.experiments.run import Run
from gradus.experiments.settings import experiment_file
from gradus.experiments.settings.commands import format_command
from gradus.experiments.settings.experiment import Experiment, ExperimentError


@contextlib.contextmanager
def telling_of_epochs(folder: Path, experiment: Experiment) -> Iterator[None]:
    """Have a training that does not resume say so if that is due to its number of epochs.

    A learning rate that falls until the last epoch is another one for another number.

    Args:
        folder: of the run.
        experiment: with which it is resumed.

    Raises:
        ExperimentError: with the command that trains anew.
    """
    before = experiment_file.read_settings(folder / experiment_file.FILE)
    try:
        yield
    except SavedError as error:
        epochs, wanted = before["training"]["epochs"], experiment.training.epochs
        if epochs == wanted or "optimizer.learning_rate." not in str(error):
            raise
        anew = format_command("train", folder / experiment_file.FILE, "--epochs", str(wanted))
        raise ExperimentError(
            f"{folder} was to train for {epochs} epochs, in which the schedule "
            f"{before['schedule']['name']} lowers the learning rate, so it resumes to {epochs}, "
            f"not to {wanted}. To train anew: {anew}"
        ) from None


def ended_line(folder: Path, experiment: Experiment) -> str:
    """Return what to say of a run that has ended already; "" for one that goes on.

    Args:
        folder: of the run.
        experiment: with which it is resumed.
    """
    if not files.current_path(folder, runs.RECORD).exists():
        return ""
    try:
        record = Run(folder).record
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
