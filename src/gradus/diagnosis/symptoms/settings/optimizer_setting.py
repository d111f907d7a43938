"""Settings of an optimizer that make its steps many times shorter than its learning rate says.

An ε above `EPSILON`, which divides the steps where gradients are smaller than it: defaults are
1e-7, though Keras names 0.1 and 1 as good choices for one large network. Or gradients that are
clipped below `CLIPPED`, where 1 is usual. Both are meant sometimes, so they are notes, and faults
where little was learned, or more than `gradus.diagnosis.record.HIGH` of the loss of the best
constant prediction is left. Sources: Kingma & Ba (2015); Keras, "Adam"; Pascanu, Mikolov & Bengio
(2013).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "optimizer"
EPSILON, CLIPPED = 0.01, 1e-3


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for a large ε, and for one that clips nearly all of the gradients."""
    settings = record.settings
    if settings is None:
        return
    if settings.epsilon is not None and settings.epsilon > EPSILON:
        yield Finding(
            message=f"{settings.optimizer} has an epsilon of {settings.epsilon:g}.",
            why=(
                "Steps are divided by the size of the gradients plus epsilon. Where gradients are "
                "smaller, steps are shorter than the learning rate says."
            ),
            remedy="Leave out epsilon.",
            severity=record.concern,
            evidence={"epsilon": {"value": settings.epsilon, "threshold": EPSILON}},
        )
    if settings.clipped is not None and settings.clipped < CLIPPED:
        yield Finding(
            message=f"{settings.optimizer} clips gradients at {settings.clipped:g}.",
            why=(
                "Gradients are usually far larger. Almost nothing of them is left, and all have "
                "the same length."
            ),
            remedy="Use clipnorm=1.0, or leave it out.",
            severity=record.concern,
            evidence={"clipped at": {"value": settings.clipped, "threshold": CLIPPED}},
        )
