"""The record of a trial as a storage keeps it: JSON, with a checksum."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from gradus.errors import SavedError
from gradus.hyperparameters import Hyperparameter
from gradus.records import as_plain, as_record, checksum, infinities_as_text
from gradus.sweep.search.trial import TrialRecord


def to_stored(record: TrialRecord) -> dict[str, Any]:
    """Return a record without histories as plain data, NaN and infinities as text."""
    trial = dataclasses.replace(record.trial, histories=[])
    plain = infinities_as_text(as_plain(dataclasses.replace(record, trial=trial)))
    return {**plain, "sha256": checksum(plain)}


def from_stored(stored: Any, hypers: Mapping[str, Hyperparameter], where: str) -> TrialRecord:
    """Return the record that `to_stored` described, its numbers exactly equal.

    Raises:
        SavedError: if it was altered, or is of another sweep.
    """
    plain = dict(stored) if isinstance(stored, Mapping) else {}
    if plain.pop("sha256", None) != checksum(plain):
        raise SavedError(
            f"{where}: the record of a trial was altered since it was written: its checksum "
            "differs. Use an intact copy, or another file."
        )
    record = as_record(plain, TrialRecord, f"{where}: the record of a trial", strict=False)
    for name, value in record.trial.values.items():
        if name not in hypers or not hypers[name].space.contains(value):
            raise SavedError(
                f"{where}: trial {record.trial.number} has {name} = {value}, which is not in the "
                "space of this sweep. Use an intact copy, or another file."
            )
    return record
