"""Diagnosing the training of a run, or of what is left of it, or of the log of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradus import files
from gradus.diagnosis import log_files, logs
from gradus.diagnosis.examination import examine_checkpoint
from gradus.diagnosis.findings import Diagnosis
from gradus.errors import DataError, SavedError, nearest
from gradus.experiments import runs
from gradus.experiments.loading import open_run
from gradus.experiments.preparation.prepare import prepare_data
from gradus.experiments.settings.commands import format_command
from gradus.models.model import Model
from gradus.models.saving import MANIFEST as MODEL
from gradus.train.checkpoint import MANIFEST as CHECKPOINT


def diagnose_run(name: str, ignore: list[str]) -> tuple[dict[str, Any], Diagnosis]:
    """Return what was diagnosed, by its kind, and what is wrong with its training.

    Args:
        name: a run, or the folder of a checkpoint, of a saved model, or a log.
        ignore: codes that are left out.

    Raises:
        GradusError: if there is none, it is damaged, or nothing can be told of it.
    """
    if (log := find_log(name)) is not None:
        return {"log": str(log)}, _diagnose_log(log, ignore)
    folder = runs.find_run(name)
    source = {"run": str(folder)}
    saved = _checkpoint_alone(folder)
    if saved is not None:
        found = examine_checkpoint(saved, ignore)
        return source, Diagnosis(found, [*found.limits, *_how_to_resume(folder)])
    model = _model_alone(folder) or open_run(name).scored_model
    found = model.diagnose(ignore=ignore)
    hints = _how_to_resume(folder) if model.history.stopped == "interrupted" else []
    return source, Diagnosis(found, [*found.limits, *hints])


def _diagnose_log(log: Path, ignore: list[str]) -> Diagnosis:
    """Return what a log shows; for a file that gradus wrote itself, the error names its folder."""
    try:
        return logs.diagnose_log(log, ignore)
    except DataError:
        if log.is_file() and _is_ours(log.parent):
            raise DataError(
                f"{str(log)!r} is a file of a run, or of a saved model: name its folder, "
                f"{str(log.parent)!r}."
            ) from None
        raise


def _is_ours(folder: Path) -> bool:
    """Return whether a folder holds a run, a model, or a checkpoint."""
    return bool(runs.kind_of_run(folder)) or any(
        _has(folder, name) for name in (runs.RECORD, MODEL, CHECKPOINT)
    )


def prove_run(
    name: str, ignore: list[str], counterfactuals: bool, twins: bool
) -> tuple[dict[str, Any], Diagnosis]:
    """Return the run, and what other trainings on its data prove to be wrong with its own.

    Args:
        name: a run that has finished.
        ignore: codes that are left out.
        counterfactuals: whether suspected causes are left out in turn.
        twins: whether twins are trained; else they are where the network seems to learn nothing.

    Raises:
        GradusError: if there is no such run, or its data are gone.
    """
    run = open_run(name)
    prepared = prepare_data(run.experiment)
    found = run.scored_model.diagnose(
        *prepared.parts["training"],
        sample_weight=prepared.weights["training"],
        validation_data=prepared.weighted_validation,
        twins=twins or None,
        counterfactuals=counterfactuals,
        ignore=ignore,
    )
    return {"run": str(run.folder)}, found


def find_log(name: str | Path) -> Path | None:
    """Return the log of another tool at a path: a file, or one in a folder that holds no run.

    Raises:
        DataError: if the name is that of a table or JSON file, and there is none.
    """
    path = files.user_path(name)
    if not path.exists() and path.suffix.lower() in (".csv", ".tsv", ".json"):
        near = nearest(path.name, [entry.name for entry in path.parent.glob("*")])
        hint = f" Did you mean {str(path.with_name(near))!r}?" if near else ""
        raise DataError(f"There is no file {str(path)!r}.{hint}")
    if path.is_dir() and _is_ours(path):
        return None
    return log_files.locate_log(path)


def _checkpoint_alone(folder: Path) -> Path | None:
    """Return the checkpoint of a training that has not finished; None if it has.

    Raises:
        SavedError: if it has not finished, and has none.
    """
    if _has(folder, runs.RECORD):
        return None
    if runs.has_checkpoint(folder):
        return folder / runs.CHECKPOINT
    if runs.kind_of_run(folder) == "train":
        raise SavedError(
            f"The training of {str(folder)!r} has not finished, and was stopped before its first "
            f"checkpoint, so nothing can be told of it. {' '.join(_how_to_resume(folder))}"
        )
    return folder if _has(folder, CHECKPOINT) else None


def _model_alone(folder: Path) -> Model | None:
    """Return the model that is saved in a folder that holds no run, or None."""
    is_run = _has(folder, runs.RECORD) or runs.kind_of_run(folder)
    return Model.load(folder) if not is_run and _has(folder, MODEL) else None


def _has(folder: Path, name: str) -> bool:
    return files.current_path(folder, name).exists()


def _how_to_resume(folder: Path) -> list[str]:
    """Return the command that resumes the run in a folder, in a sentence; [] for no run."""
    kind = runs.kind_of_run(folder)
    return [f"To resume it: {format_command(kind, '--resume', folder)}"] if kind else []
