"""One module for each symptom: `find(record)` yields its findings.

The name of a module is the code of its symptom, with hyphens; its `CATEGORY` is the group of the
code. A module in one of the folders here takes part without being named anywhere.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from gradus.checks import as_items
from gradus.diagnosis.findings import Diagnosis, Finding
from gradus.diagnosis.limits import limits_of
from gradus.diagnosis.record import Record
from gradus.errors import GradusError, unknown


class Symptom(NamedTuple):
    """A symptom: its code, the group of the code, and the function that finds it.

    Attributes:
        code: the name of its module, with hyphens.
        category: the group of the code.
        causes: `CAUSES`, the codes of faults that it may follow from, the likeliest first.
        unless: `UNLESS`, the codes of faults with which it is not found, as they explain what it
            would; "*" for any.
        find: yields its findings.
    """

    code: str
    category: str
    causes: tuple[str, ...]
    unless: tuple[str, ...]
    find: Callable[[Record], Iterable[Finding]]


@functools.cache
def symptoms() -> tuple[Symptom, ...]:
    """Return all symptoms, in the order of their modules."""
    found = []
    for info in pkgutil.walk_packages(__path__, f"{__name__}."):
        module = importlib.import_module(info.name)
        if not info.ispkg:
            code = info.name.rpartition(".")[2].replace("_", "-")
            causes, unless = getattr(module, "CAUSES", ()), getattr(module, "UNLESS", ())
            found.append(Symptom(code, module.CATEGORY, causes, unless, module.find))
    return tuple(found)


def examine(record: Record, ignore: Iterable[str] = ()) -> Diagnosis:
    """Return what is wrong with an experiment, and after a training what could not be told.

    Args:
        record: of the experiment.
        ignore: codes that are left out.

    Raises:
        GradusError: for an unknown code, with the nearest one, and for what is no code.
    """
    ignored = as_codes(ignore)
    findings = [finding for finding in _findings(record) if finding.code not in ignored]
    return Diagnosis(with_causes(findings), limits_of(record))


def as_codes(codes: Iterable[str]) -> list[str]:
    """Return codes of findings as a list; one may stand alone.

    Raises:
        GradusError: for an unknown code, with the nearest one, and for what is no code.
    """
    listed = [codes] if isinstance(codes, str) else as_items(codes)
    if listed is None:
        raise GradusError(f"ignore={codes!r}: write codes, such as ['imbalance'].")
    known = [symptom.code for symptom in symptoms()]
    for code in listed:
        if code not in known:
            raise unknown("code", code, known)
    return listed


def _findings(record: Record) -> Iterator[Finding]:
    for code, category, *_, find in symptoms():
        for finding in find(record):
            group = finding.category or category
            yield dataclasses.replace(finding, code=code, category=group)


def with_causes(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Give each finding the fault that it follows from; leave out what another one explains."""
    by_code = {symptom.code: symptom for symptom in symptoms()}

    def listed(finding: Finding, name: str) -> tuple[str, ...]:
        symptom = by_code.get(finding.code)  # none for what only other trainings show
        return getattr(symptom, name, ())

    faults = _faults(findings)
    kept = [each for each in findings if not _among(faults - {each.code}, listed(each, "unless"))]
    faults = _faults(kept)
    for finding in kept:
        causes = _among(faults - {finding.code}, listed(finding, "causes"))
        yield dataclasses.replace(finding, cause=next(iter(causes), None))


def _faults(findings: Iterable[Finding]) -> set[str]:
    return {finding.code for finding in findings if finding.severity == "fault"}


def _among(codes: set[str], listed: Sequence[str]) -> list[str]:
    """Return those of some codes that are listed, in the order of the list; "*" lists all."""
    return sorted(codes) if "*" in listed else [code for code in listed if code in codes]
