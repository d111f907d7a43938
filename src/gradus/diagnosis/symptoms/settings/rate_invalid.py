"""A learning rate that trains nothing.

At 0 no weight moves. Above `HIGHEST` no rule of the field works: Keras's and PyTorch's largest
default is 1 (Adadelta).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "learning-rate-high"
HIGHEST = 3.0


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for a rate of 0, or one that is far too high unless the network learns."""
    settings = record.settings
    if settings is None:
        return
    if settings.learning_rate == 0:
        yield Finding(
            message=f"{settings.optimizer} has a learning rate of 0.",
            why="Updates are multiplied by it, so no weight ever changes.",
            remedy="Use a rate such as 0.001 for Adam or 0.01 for SGD.",
            evidence={"learning rate": {"value": 0.0, "threshold": 0.0}},
            category="learning-rate-low",
        )
    elif settings.learning_rate > HIGHEST and settings.optimizer not in ("LBFGS", "Perceptron"):
        yield Finding(
            message=f"{settings.optimizer} has a learning rate of {settings.learning_rate:g}.",
            why="Steps this long jump over every minimum. The loss grows, or units die.",
            remedy="Use a rate such as 0.001 for Adam or 0.01 for SGD.",
            severity=record.doubt,
            evidence={"learning rate": {"value": settings.learning_rate, "threshold": HIGHEST}},
        )
