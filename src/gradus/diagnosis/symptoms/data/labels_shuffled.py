"""Labels that have nothing to do with the inputs.

A network that fits its training samples a little, with gradients in all layers, and whose
validation accuracy is not above the share of the most frequent class while its validation loss is
above that of the best constant prediction. The proof is a twin that is trained on shuffled labels.
Sources: Karpathy (2019); Zhang et al., "Understanding deep learning requires rethinking
generalization" (2017).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.evidence import accuracy_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "labels"
CAUSES = (
    "preprocessing-mismatch",
    "diverged",
    "rate-invalid",
    "rate-high",
    "exploding-gradient",
    "dead-relu",
    "saturation",
    "vanishing-gradient",
    "batch-size",
    "symmetric-weights",
    "initial-scale",
    "inputs-unscaled",
    "inputs-tiny",
    "loss-reduction",
    "loss-arithmetic",
    "loss-targets",
    "output-loss",
    "over-regularised",
)
NOISE = 0.02
FITS = 0.005  # of the loss of the constant that training took away


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if training samples are learned a little, and validation not at all."""
    training = record.training
    if training is None or len(record.outputs) != 1 or training.validation_loss is None:
        return
    output, accuracy = record.outputs[0], training.metrics.get("val_accuracy")
    constant, validation = output.constant_loss, output.validation
    if accuracy is None or not constant or validation is None or validation.majority is None:
        return
    fitted = 1 - training.final_loss / constant
    last = float(accuracy[-training.last :].mean())
    worse = float(training.validation_loss[-1]) - training.penalty
    if fitted > FITS and last <= validation.majority + NOISE and worse > constant:
        yield Finding(
            message=(
                f"The network fits its training samples, but is right in {last:.0%} of the "
                f"validation samples; the most frequent class has {validation.majority:.0%}."
            ),
            why=(
                "What it learned of one part says nothing of the other. Either labels belong to "
                "other rows, or inputs do not tell them."
            ),
            remedy="Check that rows of x and y belong together, and look at some pairs of them.",
            kind="dynamic",
            chart=accuracy_chart(record, validation.majority),
            evidence={
                "validation accuracy": {"value": last, "threshold": validation.majority + NOISE}
            },
        )
