"""Classes of very different sizes.

The perplexity of the shares, exp(-Σ p ln p), over the number of classes: 1 for equal shares, below
`LOW` where few classes hold nearly all samples. A fault where classes are rarer in training than in
validation, by `RARE`, and the validation accuracy is lower by `GAP`. Source: TheDeepChecker.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradus.diagnosis.evidence import class_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import OutputRecord

CATEGORY = "imbalance"
LOW = 0.7  # of two classes: about 90% and 10%
RARE, GAP = 3.0, 0.05  # times; of accuracy
LEAST = 20, 10  # samples of a class in validation, and in a training part drawn alike


def find(record: Record) -> Iterator[Finding]:
    """Yield a note for each output whose classes differ much in size."""
    for output in record.outputs:
        targets = output.targets
        shares = [count / targets.count for count in targets.counts if count] if targets else []
        if len(shares) < 2:
            continue
        entropy = -sum(share * math.log(share) for share in shares)
        value = math.exp(entropy) / len(shares)
        if (shifted := _shifted(record, output)) is not None:
            yield shifted
        elif value < LOW:
            yield Finding(
                message=f"{output.where} has a class with {max(shares):.0%} of the samples.",
                why=(
                    f"Always predicting that class is {max(shares):.1%} accurate. Accuracy says "
                    "little about the others."
                ),
                remedy=_remedy(record),
                severity="note",
                chart=class_chart(targets) if targets else None,
                evidence={"perplexity over classes": {"value": value, "threshold": LOW}},
            )


def _remedy(record: Record) -> str:
    """Return the advice, without what the training already does."""
    if record.settings is not None and record.settings.class_weight is not None:
        return "Look at f1 or auc."
    return 'Look at f1 or auc; try class_weight="balanced".'


def _shifted(record: Record, output: OutputRecord) -> Finding | None:
    """Return a fault if validation has many samples of classes that training has few of."""
    training = record.training
    if training is None or output.targets is None or output.validation is None:
        return None
    name = f"{output.name}_accuracy" if len(record.outputs) > 1 else "accuracy"
    accuracy, validation = (training.metrics.get(f"{part}{name}") for part in ("", "val_"))
    counts, validated = output.targets.counts, output.validation.counts
    if accuracy is None or validation is None or not counts or len(counts) != len(validated):
        return None
    ratios = {
        label: (there / sum(validated)) / (max(here, 0.5) / sum(counts))
        for label, (here, there) in enumerate(zip(counts, validated, strict=True))
        if there >= LEAST[0] and there / sum(validated) * sum(counts) >= LEAST[1]
    }
    label = max(ratios, key=lambda label: ratios[label], default=-1)
    gap = float(accuracy[-training.last :].mean() - validation[-training.last :].mean())
    if label < 0 or ratios[label] < RARE or gap < GAP:
        return None
    return Finding(
        message=(
            f"Class {label} is {ratios[label]:.0f} times rarer in training than in validation."
        ),
        why=(
            f"Validation accuracy is {gap:.0%} below training accuracy. Rare classes are hardly "
            "learned."
        ),
        remedy=(
            'Draw both parts the same way, use class_weight="balanced", or get more samples of it.'
        ),
        kind="dynamic",
        chart=class_chart(output.targets),
        evidence={
            "share in validation / in training": {"value": ratios[label], "threshold": RARE},
            "gap of the accuracy": {"value": gap, "threshold": GAP},
        },
    )
