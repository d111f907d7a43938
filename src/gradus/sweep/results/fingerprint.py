"""The fingerprint of a sweep, by which a storage refuses to resume a different one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from gradus.init_args import init_args, is_configurable
from gradus.models.training_data import TrainingData
from gradus.space import Choice, Space

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
    fingerprint = dict(_flatten("", settings))
    for suffix, samples in data.items():
        arrays = {"x": samples} if isinstance(samples, str) else _arrays_of(samples)
        fingerprint |= dict(_flatten("", {name + suffix: part for name, part in arrays.items()}))
    return fingerprint | dict(_flatten("", options))


def _arrays_of(data: TrainingData) -> dict[str, Any]:
    x, y, weight = data.samples
    return {
        "x": x, "y": y, "sample_weight": weight, "validation": data.validation, "rows": data.rows,
    }  # fmt: skip


def fingerprint_differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the differences between two sweeps: "epochs was 10 and is 20"."""
    pairs = [(n, before.get(n, "absent"), now.get(n, "absent")) for n in {**now, **before}]
    lines = [f"{name} was {_truncated(a)} and is {_truncated(b)}" for name, a, b in pairs if a != b]
    more = len(lines) - MAX_DIFFERENCES
    return lines[:MAX_DIFFERENCES] + ([f"and {more} more"] if more > 0 else [])


def _flatten(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the path and the description of everything in a value."""
    if isinstance(value, Space):
        name = f" named {value.name!r}" if value.name else ""
        if isinstance(value, Choice):
            yield path, f"choice of {value.size}{name}"
            yield from _flatten(path, list(value.options))
        else:
            yield path, f"{value!r}{name}"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flatten(f"{path}.{key}" if path else str(key), item)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _flatten(f"{path}[{index}]", item)
    elif is_configurable(value):
        marks = {k: v for k, v in vars(value).items() if k in ("_name", "trainable")}
        yield path, " ".join([type(value).__name__, *(f"{k}={v!r}" for k, v in marks.items())])
        yield from _flatten(path, dict(init_args(value)))
    elif isinstance(value, np.ndarray | jax.Array):
        yield path, _digest(np.asarray(value))
    elif callable(value):
        yield path, getattr(value, "__qualname__", type(value).__name__)
    else:
        yield path, re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _digest(array: np.ndarray) -> str:
    plain = array.dtype != object
    content = np.ascontiguousarray(array).data if plain and array.size else repr(array).encode()
    digest = hashlib.sha256(content).hexdigest()[:12]
    return f"{array.dtype}{list(array.shape)} sha256 {digest}"


def _truncated(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
