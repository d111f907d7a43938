"""The record of a training as a file: what its history does not tell.

`record.json` has the record of the experiment, and of the training what `make_training_record`
takes beside the history, which is saved with the model or the checkpoint. So a later gradus, with
other rules, can examine the training again. An entry that a later version adds to a record has a
default, with which files of earlier versions are read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from gradus import manifests
from gradus.diagnosis.record import (
    InputRecord,
    LayerRecord,
    OutputRecord,
    Record,
    SettingsRecord,
)
from gradus.diagnosis.training import make_training_record
from gradus.records import as_plain, as_record, infinities_as_text
from gradus.train.history import History

FILE = "record.json"


class StoredTraining(Struct):
    """What `TrainingRecord` has that a history lacks; the entries are described there."""

    penalty: float = 0.0
    silent: dict[str, float] = {}
    divergence: tuple[str, str] | None = None


class StoredRecord(Struct):
    """A `Record`, whose entries are described there; `training` is None before the training."""

    inputs: tuple[InputRecord, ...] = ()
    outputs: tuple[OutputRecord, ...] = ()
    layers: tuple[LayerRecord, ...] = ()
    settings: SettingsRecord | None = None
    penalty: float = 0.0
    training: StoredTraining | None = None


class RecordManifest(manifests.Manifest, tag="record"):
    """The content of the file; numbers that are not finite are text."""

    record: dict[str, Any]


def write_record(folder: Path, record: Record) -> None:
    """Write a record to a new file of `folder`."""
    stored = StoredRecord(
        record.inputs, record.outputs, record.layers, record.settings, record.penalty
    )
    if (training := record.training) is not None:
        stored.training = StoredTraining(training.penalty, training.silent, training.divergence)
    content = {"record": infinities_as_text(as_plain(stored))}
    manifests.write_manifest(folder, FILE, RecordManifest, content)


def read_record(folder: Path, history: History) -> Record:
    """Return the record in a folder, with the training of a history if that has ended.

    Raises:
        SavedError: if the file is missing or damaged, or a newer version wrote it.
    """
    manifest = manifests.read_manifest(folder, FILE, RecordManifest)
    where = repr(str(folder / FILE))
    stored = as_record(manifest.record, StoredRecord, where, strict=False, whole=False)
    after, training = stored.training, None
    if after is not None:
        training = make_training_record(history, after.penalty, after.silent, after.divergence)
    return Record(
        inputs=stored.inputs,
        outputs=stored.outputs,
        layers=stored.layers,
        settings=stored.settings,
        penalty=stored.penalty,
        training=training,
    )
