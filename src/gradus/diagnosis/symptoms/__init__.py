"""One module for each symptom: `find(record)` yields its findings.

The name of a module is the code of its symptom, with hyphens; its `CATEGORY` is the group of the
code. A module in one of the folders here takes part without being named anywhere.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from gradus.checks import as_items
from gradus.diagnosis.findings import Diagnosis, Finding
from gradus.diagnosis.record import Record
from gradus.errors import GradusError, unknown


class Symptom(NamedTuple):
    """A symptom: its code, the group of the code, and the function that finds it."""

    code: str
    category: str
    find: Callable[[Record], Iterable[Finding]]


@functools.cache
def symptoms() -> tuple[Symptom, ...]:
    """Return all symptoms, in the order of their modules."""
    found = []
    for info in pkgutil.walk_packages(__path__, f"{__name__}."):
        module = importlib.import_module(info.name)
        if not info.ispkg:
            code = info.name.rpartition(".")[2].replace("_", "-")
            found.append(Symptom(code, module.CATEGORY, module.find))
    return tuple(found)


def examine(record: Record, ignore: Iterable[str] = ()) -> Diagnosis:
    """Return what is wrong with an experiment.

    Args:
        record: of the experiment.
        ignore: codes that are left out.

    Raises:
        GradusError: for an unknown code, with the nearest one, and for what is no code.
    """
    ignored = [ignore] if isinstance(ignore, str) else as_items(ignore)
    if ignored is None:
        raise GradusError(f"ignore={ignore!r}: write codes, such as ['imbalance'].")
    codes = [symptom.code for symptom in symptoms()]
    for code in ignored:
        if code not in codes:
            raise unknown("code", code, codes)
    return Diagnosis(finding for finding in _findings(record) if finding.code not in ignored)


def _findings(record: Record) -> Iterator[Finding]:
    for code, category, find in symptoms():
        for finding in find(record):
            group = finding.category or category
            yield dataclasses.replace(finding, code=code, category=group)
