"""What a sweep is, in words and digests, so that a storage is not gone on with by another one."""

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

SHOWN = 3  # differences that an error names
LONGEST = 60  # characters of a value in an error


def sweep_fingerprint(
    settings: Mapping[str, Any], given: Mapping[str, TrainingData | str], **others: Any
) -> dict[str, str]:
    """Return what decides a sweep's results: place by place, what stands there.

    Args:
        settings: of the model and of `fit`, with spaces.
        given: the samples, of which shapes and digests are kept, by words that tell them from
            others, or the reason why there are none.
        others: settings of the sweep.
    """
    found = dict(_flat("", settings))
    for words, one in given.items():
        named = {"x": one} if isinstance(one, str) else _parts_of(one)
        found |= dict(_flat("", {f"{name}{words}": part for name, part in named.items()}))
    return found | dict(_flat("", others))


def _parts_of(given: TrainingData) -> dict[str, Any]:
    x, y, weight = given.samples
    return {
        "x": x, "y": y, "sample_weight": weight, "validation": given.validation, "rows": given.rows,
    }  # fmt: skip


def fingerprint_differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return what differs between two sweeps, a line each: "epochs was 10 and is 20"."""
    absent = "absent"
    names = [*now, *(name for name in before if name not in now)]
    pairs = [(name, before.get(name, absent), now.get(name, absent)) for name in names]
    found = [f"{name} was {_short(a)} and is {_short(b)}" for name, a, b in pairs if a != b]
    left = len(found) - SHOWN
    return found[:SHOWN] + ([f"and {left} more"] if left > 0 else [])


def _flat(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield every place in a value, and what stands there."""
    if isinstance(value, Space):
        name = f" named {value.name!r}" if value.name else ""
        if isinstance(value, Choice):
            yield place, f"choice of {value.size}{name}"
            yield from _flat(place, list(value.options))
        else:
            yield place, f"{value!r}{name}"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(f"{place}.{key}" if place else str(key), item)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _flat(f"{place}[{index}]", item)
    elif is_configurable(value):
        own = {k: v for k, v in vars(value).items() if k in ("_name", "trainable")}
        yield place, " ".join([type(value).__name__, *(f"{k}={v!r}" for k, v in own.items())])
        yield from _flat(place, dict(init_args(value)))
    elif isinstance(value, np.ndarray | jax.Array):
        yield place, _digest(np.asarray(value))
    elif callable(value):
        yield place, getattr(value, "__qualname__", type(value).__name__)
    else:
        yield place, re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _digest(array: np.ndarray) -> str:
    plain = array.dtype != object
    content = np.ascontiguousarray(array).data if plain and array.size else repr(array).encode()
    digest = hashlib.sha256(content).hexdigest()[:12]
    return f"{array.dtype}{list(array.shape)} sha256 {digest}"


def _short(words: str) -> str:
    return words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"
