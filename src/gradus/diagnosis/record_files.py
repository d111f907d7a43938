"""The record of a training as a file: what its history does not tell.

`record.json` has the record of the experiment, and of the training what `make_training_record`
takes beside the history, which is saved with the model or the checkpoint. So a later gradus, with
other rules, can examine the training again. An entry that a later version adds to a record has a
default, with which files of earlier versions are read.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, get_type_hints

from msgspec import Struct

from gradus import manifests
from gradus.diagnosis.record import Record
from gradus.diagnosis.training import make_training_record
from gradus.records import as_plain, as_record, infinities_as_text
from gradus.train.history import History

FILE = "record.json"


class StoredTraining(Struct):
    """What `TrainingRecord` has that a history lacks; the entries are described there."""

    penalty: float = 0.0
    silent: dict[str, float] = {}
    divergence: tuple[str, str] | None = None


class RecordManifest(manifests.Manifest, tag="record"):
    """The content of the file; numbers that are not finite are text.

    Attributes:
        record: the entries of `Record` but `training`.
        training: of the training; None if it has not ended.
    """

    record: dict[str, Any]
    training: dict[str, Any] | None


def write_record(folder: Path, record: Record) -> None:
    """Write a record to a new file of `folder`."""
    training = None
    if (done := record.training) is not None:
        training = as_plain(StoredTraining(done.penalty, done.silent, done.divergence))
    entries = {name: as_plain(getattr(record, name)) for name in _stored_types()}
    content = infinities_as_text({"record": entries, "training": training})
    manifests.write_manifest(folder, FILE, RecordManifest, content)


def read_record(folder: Path, history: History) -> Record:
    """Return the record in a folder, with the training of a history if that has ended.

    Raises:
        SavedError: if the file is missing or damaged, or a newer version wrote it.
    """
    manifest = manifests.read_manifest(folder, FILE, RecordManifest)
    where = repr(str(folder / FILE))

    def restored(plain: Any, cls: Any) -> Any:
        return as_record(plain, cls, where, strict=False, whole=False)

    types, training = _stored_types(), None
    entries = {
        name: restored(plain, types[name])
        for name, plain in manifest.record.items()
        if name in types
    }
    if manifest.training is not None:
        after = restored(manifest.training, StoredTraining)
        training = make_training_record(history, after.penalty, after.silent, after.divergence)
    return Record(**entries, training=training)


@functools.cache
def _stored_types() -> dict[str, Any]:
    """Return the types of a record's entries that are stored, by name."""
    return {name: cls for name, cls in get_type_hints(Record).items() if name != "training"}
