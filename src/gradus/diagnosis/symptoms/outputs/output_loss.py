"""A final activation that does not suit the loss.

Cross-entropy needs probabilities or logits, a hinge scores, a Poisson rate numbers above 0; squared
errors of a softmax have no gradient where it is confident and wrong, and absolute ones hardly any
where it is wrong at all. They are faults where more than `SLOW`, or `SLOWER`, of the error of the
best constant prediction is left. Sources: DeepDiagnosis, NeuraLint, UMLAUT (Schoop et al., CHI
2021); Zhang & Sabuncu, "Generalized cross entropy loss" (2018), on absolute errors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradus.diagnosis.findings import Finding, Severity
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import SOFTMAX, SQUARED, OutputRecord
from gradus.nn import activations
from gradus.objectives.loss import is_probability

CATEGORY = "output-activation"
SLOW = 0.15  # of a constant's squared error that is left: a softmax learns slowly by it
SLOWER = 0.04  # of its absolute error, by which a few classes may not be learned at all


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for each output whose activation does not suit its loss."""
    for output in record.outputs:
        if output.activation in SOFTMAX and output.shape[-1:] == (1,):
            continue  # softmax-of-one
        problem = _problem(output, record.doubt)
        if problem is not None:
            severity, why, remedy = problem
            slow = SLOWER if output.loss == "mean_absolute_error" else SLOW
            if output.loss in SQUARED and (record.remaining or 0.0) > slow:
                severity = "fault"
            # Of a probability under a loss of scores or values, the loss is the odd one.
            is_loss = is_probability(output.activation) and output.link is None
            yield Finding(
                message=(
                    f"{output.where} ends with {output.activation}, but the loss is {output.loss}."
                ),
                why=why,
                remedy=remedy,
                severity=severity,
                layer=output.layer,
                category="loss-mismatch" if is_loss and output.loss != "poisson" else CATEGORY,
            )


def _problem(output: OutputRecord, doubt: Severity) -> tuple[Severity, str, str] | None:
    """Return how severe a pair of activation and loss is, why, and what to write instead."""
    activation, targets = output.activation, output.targets
    if output.link == "softmax":
        return _with_softmax(output)
    if output.link == "sigmoid":
        return _with_sigmoid(output, doubt)
    if output.loss in ("hinge", "squared_hinge", "categorical_hinge"):
        if is_probability(activation) or activation in ("log_softmax", "relu"):
            return (
                "fault",
                "The margin is met at scores of -1 and 1, which it cannot freely reach. So some "
                "samples are pushed forever.",
                "End with linear.",
            )
    elif output.loss == "poisson":
        low, high = activations.info(activation).range
        if low < 0:
            return (
                "fault",
                "A rate cannot be negative. Where the output is, the loss is not a likelihood.",
                "End with softplus or exponential.",
            )
        if high <= 1 and (targets is None or targets.maximum > 1):
            return (
                "fault",
                "A rate may exceed 1, but this activation cannot.",
                "End with softplus or exponential.",
            )
    elif output.loss in SQUARED and activation == "log_softmax":
        return "fault", "Log-probabilities are not values to predict.", "End with linear."
    elif output.loss in SQUARED and activation == "softmax":
        return (doubt, *_squared_softmax(output))
    return None


def _with_softmax(output: OutputRecord) -> tuple[Severity, str, str] | None:
    """Return what is wrong with an output of a loss over classes that exclude each other."""
    if output.activation in (*SOFTMAX, "linear"):
        return None
    if is_probability(output.activation):
        return (
            "fault",
            "Its outputs do not sum to 1, so the classes do not compete.",
            "End with softmax; for several labels per sample use binary_crossentropy.",
        )
    limits = _limits(output.activation)
    return None if limits is None else ("fault", limits, "End with softmax.")


def _with_sigmoid(output: OutputRecord, doubt: Severity) -> tuple[Severity, str, str] | None:
    """Return what is wrong with an output of a loss over labels that are each yes or no."""
    if output.activation in ("sigmoid", "linear"):
        return None
    if output.activation in SOFTMAX:
        several = output.targets is not None and output.targets.several
        remedy = (
            "End with sigmoid."
            if several
            else "Use categorical_crossentropy or sparse_categorical_crossentropy for one class "
            "among several; end with sigmoid for several labels per sample."
        )
        why = "Its outputs compete, but the loss treats each as a separate yes or no."
        return "fault" if several else doubt, why, remedy
    if is_probability(output.activation):
        why = "Where it is exactly 0 or 1, no gradient passes, so such errors are not corrected."
        return doubt, why, "End with sigmoid."
    limits = _limits(output.activation)
    return None if limits is None else ("fault", limits, "End with sigmoid.")


def _squared_softmax(output: OutputRecord) -> tuple[str, str]:
    """Return why a softmax learns slowly with squared or absolute errors, and what to write."""
    if output.targets is not None and output.targets.several:
        return (
            "Its outputs compete, but several of a sample's labels may be right.",
            "End with sigmoid and use binary_crossentropy.",
        )
    return (
        "Where the softmax is confident in a wrong class, its gradient vanishes. The network "
        "hardly corrects such errors.",
        "Use categorical_crossentropy, or sparse_categorical_crossentropy with integer labels.",
    )


def _limits(activation: str) -> str | None:
    """Return why an activation's outputs are poor logits, or None if they are any numbers."""
    low, high = activations.info(activation).range
    if math.isinf(low) and math.isinf(high):
        return None
    if math.isinf(high):
        bound = "be negative" if low == 0 else f"be below {low:.3g}"
        return f"Its outputs are used as logits, but cannot {bound}. No class can be improbable."
    return (
        f"Its outputs are used as logits, but stay between {low:g} and {high:g}. No probability "
        "comes near 0 or 1."
    )
