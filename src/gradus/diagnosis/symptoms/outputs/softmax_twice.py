"""A softmax or sigmoid of probabilities.

The softmax of numbers between 0 and 1 lies between 1 / (1 + (K - 1) e) and e / (e + K - 1), so no
class of K = 10 is ever more probable than 23%. Source: NeuraLint (Nikanjam et al., TOSEM 2021).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.nn.heads import WITH_LOGITS
from gradus.objectives.loss import is_probability

CATEGORY = "output-activation"


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for each output whose softmax or sigmoid takes probabilities."""
    for output in record.outputs:
        if output.activation not in WITH_LOGITS or not is_probability(output.before):
            continue
        classes = output.shape[-1] if output.activation != "sigmoid" else 2
        most = math.e / (math.e + classes - 1)
        yield Finding(
            message=f"{output.where} is the {output.activation} of a {output.before}.",
            why=(
                "The first already gives numbers between 0 and 1, so the second never exceeds "
                f"{most:.0%}. The loss stays high and gradients stay small."
            ),
            remedy=f"Remove the {output.before} before the last {output.activation}.",
            layer=output.layer,
            evidence={"largest probability": {"value": most, "threshold": 1.0}},
        )
