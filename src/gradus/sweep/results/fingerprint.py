"""The fingerprint of a sweep, by which a storage refuses to resume a different one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradus.fingerprint import fingerprint
from gradus.models.inputs.training_data import TrainingData

MAX_DIFFERENCES = 3  # named in an error
MAX_CHARACTERS = 60  # of a value in an error


def sweep_fingerprint(
    settings: Mapping[str, Any], data: Mapping[str, TrainingData | str], **options: Any
) -> dict[str, str]:
    """Return everything that decides a sweep's results, as strings by path.

    Args:
        settings: the settings of the model and of `fit`, with spaces.
        data: the samples of each variant (`SweepData.variants`), kept as shapes and digests, or
            the error message if there are none.
        options: the settings of the sweep.
    """
    found = fingerprint(settings)
    for suffix, samples in data.items():
        arrays = {"x": samples} if isinstance(samples, str) else _arrays_of(samples)
        found |= fingerprint({name + suffix: part for name, part in arrays.items()})
    return found | fingerprint(options)


def _arrays_of(data: TrainingData) -> dict[str, Any]:
    x, y, weight = data.samples
    return {
        "x": x, "y": y, "sample_weight": weight, "validation": data.validation, "rows": data.rows,
        **data.identity,
    }  # fmt: skip


def fingerprint_differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the differences between two sweeps: "epochs was 10 and is 20"."""
    pairs = [(n, before.get(n, "absent"), now.get(n, "absent")) for n in {**now, **before}]
    lines = [f"{name} was {_truncated(a)} and is {_truncated(b)}" for name, a, b in pairs if a != b]
    more = len(lines) - MAX_DIFFERENCES
    return lines[:MAX_DIFFERENCES] + ([f"and {more} more"] if more > 0 else [])


def _truncated(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
