"""A softmax in a hidden layer.

Its units compete, so most are near 0 and their gradients vanish. Source: TheDeepChecker (Braiek &
Khomh, TOSEM 2023).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import SOFTMAX

CATEGORY = "hidden-activation"


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for each hidden layer with a softmax."""
    hidden = [layer for layer in record.layers if not layer.is_output]
    if any(output.before in SOFTMAX for output in record.outputs):
        hidden = hidden[:-1]  # the last is a case of softmax-twice
    for layer in hidden:
        if layer.activation in SOFTMAX:
            yield Finding(
                message=f"Hidden layer {layer.path!r} ({layer.kind}) ends with softmax.",
                why=(
                    "Softmax units compete, so nearly all of them are near 0. The next layer sees "
                    "one unit, and gradients vanish."
                ),
                remedy='Use "relu" or "tanh" in hidden layers.',
                severity=record.doubt,
                layer=layer.path,
            )
