"""Classes of very different sizes.

The perplexity of the shares, exp(-Σ p ln p), over the number of classes: 1 for equal shares, below
`LOW` where few classes hold nearly all samples. Source: TheDeepChecker.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "imbalance"
LOW = 0.7  # of two classes: 94% and 6%


def find(record: Record) -> Iterator[Finding]:
    """Yield a note for each output whose classes differ much in size."""
    for output in record.outputs:
        targets = output.targets
        shares = [count / targets.count for count in targets.counts if count] if targets else []
        if len(shares) < 2:
            continue
        entropy = -sum(share * math.log(share) for share in shares)
        value = math.exp(entropy) / len(shares)
        if value < LOW:
            yield Finding(
                message=f"{output.where} has a class with {max(shares):.0%} of the samples.",
                why=(
                    f"Always answering it is {max(shares):.1%} accurate. Accuracy says little of "
                    "the other classes."
                ),
                remedy='Look at balanced accuracy or F1; try class_weight="balanced".',
                severity="note",
                evidence={"perplexity over classes": {"value": value, "threshold": LOW}},
            )
