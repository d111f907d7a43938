"""What the record of a training does not tell, and how to get it: silence is no proof of health."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradus.diagnosis.record import JUDGED, Record
from gradus.errors import counted


def limits_of(record: Record) -> list[str]:
    """Return what could not be told of a training, in sentences; nothing before it."""
    training = record.training
    if training is None or not (record.settings or record.layers or record.outputs):
        return []  # whoever has only curves says why
    return [
        *_of_epochs(record),
        *_of_statistics(record),
        *_of_outputs(record),
        *_of_validation(record),
    ]


def _of_epochs(record: Record) -> Iterator[str]:
    training, settings = record.training, record.settings
    if training is None or settings is None:
        return
    if training.stopped == "interrupted":
        epochs = counted(training.epochs, "epoch")
        yield f"Training was interrupted, so this covers only {epochs}. Resume it for the rest."
    elif record.learned is None and not record.is_long and not list(_of_outputs(record)):
        had = f"{training.epochs} × {counted(settings.steps, 'step')}"
        yield (
            f"{had} are too few to say whether anything was learned: train for "
            f"{counted(math.ceil(JUDGED / settings.steps), 'epoch')} or more."
        )


def _of_statistics(record: Record) -> Iterator[str]:
    training = record.training
    if training is None or len(training.epoch):
        return
    unjudged = "so dead or saturated units, gradients, and steps are not judged"
    if training.stopped == "diverged" and training.weights:
        yield (
            f"Training diverged before layer statistics were recorded, {unjudged}: train again "
            "with the remedy of the divergence."
        )
    else:
        yield f"Layer statistics were not recorded, {unjudged}: train with probes=True."


def _of_outputs(record: Record) -> Iterator[str]:
    """Yield why it is not known how much was learned, if no training could tell."""
    training, outputs = record.training, record.outputs
    if training is None or training.stopped == "diverged":
        return
    unknown = "so faults that matter only when little was learned are not reported"
    if not outputs and record.generated is None:
        yield f"How much a custom task has learned is unknown, {unknown}."
    for output in outputs:
        is_told = len(outputs) == 1 and "accuracy" in training.metrics
        if output.constant_loss is None and not is_told:
            of = f" of the output {output.name!r}" if len(outputs) > 1 else ""
            yield (
                f"What a constant prediction scores under the loss {output.loss}{of} is unknown, "
                f"and with it how much was learned, {unknown}. With mse, it would be known."
            )


def _of_validation(record: Record) -> Iterator[str]:
    training = record.training
    if training is None or not record.outputs or training.stopped == "diverged":
        return
    if training.epochs and training.validation_loss is None:
        yield (
            "There were no validation samples, so overfitting, shuffled labels, and leaks could "
            "not be judged: train with validation_split=0.2."
        )
