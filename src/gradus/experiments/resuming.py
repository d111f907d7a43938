"""What is said of a run that is resumed: that it has ended, or why it cannot go on."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from gradus import files
from gradus.errors import GradusError, counted
from gradus.experiments import runs
from gradus.experiments.preparation.model_builder import make_optimizer
from gradus.experiments.preparation.prepare_in_memory import PreparedData
from gradus.experiments.run import Run
from gradus.experiments.settings import experiment_file
from gradus.experiments.settings.commands import format_command
from gradus.experiments.settings.experiment import Experiment, ExperimentError


def check_epochs(folder: Path, prepared: PreparedData) -> None:
    """Check that a run can go on to another number of epochs than it was to train for.

    A learning rate that falls until the last epoch is another one for another number.

    Args:
        folder: of the run.
        prepared: the data, and the experiment with which it is resumed.

    Raises:
        ExperimentError: with the command that trains anew.
    """
    where = folder / experiment_file.FILE
    before = experiment_file.check_experiment(experiment_file.read_settings(where), str(where))
    now, epochs = prepared.experiment, before.training.epochs
    training = structs.replace(now.training, epochs=epochs)
    same = structs.replace(now, training=training)
    if epochs is None or make_optimizer(same, prepared.steps) == make_optimizer(
        now, prepared.steps
    ):
        return
    wanted = now.training.epochs
    anew = format_command("train", where, "--epochs", str(wanted))
    raise ExperimentError(
        f"{folder} was to train for {counted(epochs, 'epoch')}, in which the schedule "
        f"{now.schedule['name']} lowers the learning rate, so it resumes to {epochs}, not to "
        f"{wanted}. To train anew: {anew}"
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
        record = Run(folder).record
    except GradusError:  # a damaged record is written anew
        return ""
    goes_on = record.status == "finished" and record.epochs < (experiment.training.epochs or 0)
    if record.status in ("interrupted", "callback") or goes_on:
        return ""
    how = "" if record.status == "finished" else f" ({record.status})"
    return (
        f"{folder} has ended{how} after {counted(record.epochs, 'epoch')}: nothing is left to "
        "train, and it is evaluated again."
    )
