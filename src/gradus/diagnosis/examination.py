"""Examines a training afterward, from its record or from as much of it as is left."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from gradus.diagnosis.findings import Diagnosis
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_files import FILE, read_record
from gradus.diagnosis.symptoms import as_codes, examine
from gradus.diagnosis.training import make_training_record
from gradus.files import current_path
from gradus.train.checkpoint import read_checkpoint_history
from gradus.train.history import History

FOUND_THEN = (
    "There is no record of this training, as an older gradus saved it: these are the findings of "
    "that time. Train again to have it examined by the rules of today."
)
CURVES_ALONE = (
    "There is no record of this training, so only its curves are judged, not layers, inputs, or "
    "settings: train with model.fit, or call model.check(x, y), for those."
)
NO_EPOCH = "No epoch has ended, so only settings and data are judged: train for the rest."


def examine_training(
    record: Record | None, history: History, ignore: Iterable[str] = ()
) -> Diagnosis:
    """Return what is wrong with a training, and in `limits` what could not be told of it.

    Args:
        record: of the training; one without `training` is of one that has not ended.
        history: of the training.
        ignore: codes that are left out.

    Raises:
        GradusError: for an unknown code, with the nearest one, and for what is no code.
    """
    if record is None and history.findings is not None:
        return Diagnosis(history.findings.without(as_codes(ignore)), [FOUND_THEN])
    if record is None:
        return Diagnosis(examine(_with_training(Record(), history), ignore), [CURVES_ALONE])
    if record.training is not None:
        return examine(record, ignore)
    if not history.epochs:
        return Diagnosis(examine(record, ignore), [NO_EPOCH])
    return examine(_with_training(record, history, "interrupted"), ignore)


def examine_checkpoint(folder: Path, ignore: Iterable[str] = ()) -> Diagnosis:
    """Return what is wrong with the training of a checkpoint, of which no more may be left.

    Args:
        folder: of the checkpoint.
        ignore: codes that are left out.

    Raises:
        GradusError: as `examine_training` does.
        SavedError: if the folder holds no complete checkpoint.
    """
    history, record = read_checkpoint_history(folder), None
    if current_path(folder, FILE).exists():
        record = read_record(folder, history)
    return examine_training(record, history, ignore)


def _with_training(record: Record, history: History, stopped: str | None = None) -> Record:
    training = make_training_record(history)
    if stopped is not None:
        training = dataclasses.replace(training, stopped=stopped)
    return dataclasses.replace(record, training=training)
