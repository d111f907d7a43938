"""A remedy: one change that may mend a training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from gradus.diagnosis.record import Record
from gradus.doctor.candidate import Candidate

Apply = Callable[[Candidate, Record], Candidate]


@dataclasses.dataclass(frozen=True)
class Remedy:
    """One change that may mend a training.

    Attributes:
        name: what it does, in words.
        code: the fault that is proved if the training goes better with it.
        apply: returns the changed candidate, or the same one where it does not apply.
        parts: the remedies that it consists of; () for a single one.
    """

    name: str
    code: str
    apply: Apply
    parts: tuple[Remedy, ...] = ()


def together(remedies: Sequence[Remedy]) -> Remedy:
    """Return several remedies as one; it proves the fault of the first."""

    def apply(candidate: Candidate, record: Record) -> Candidate:
        for remedy in remedies:
            candidate = remedy.apply(candidate, record)
        return candidate

    name = ", ".join(each.name for each in remedies)
    return Remedy(name, remedies[0].code, apply, tuple(remedies))
