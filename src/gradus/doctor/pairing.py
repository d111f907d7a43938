"""The output and the loss that fit some targets."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import SOFTMAX, OutputRecord
from gradus.doctor.candidate import Candidate, Change
from gradus.doctor.network_edits import code, edit_layers
from gradus.nn.layer import Layer
from gradus.objectives import losses

CLASSES = 100  # at most so many whole numbers from 0 on are taken for classes


class Pairing(NamedTuple):
    """What a network should end in.

    Attributes:
        units: of the last layer; None to leave them.
        activation: of the last layer.
        loss: the name of the loss.
    """

    units: int | None
    activation: str | None
    loss: str


def fitting_pairing(y: np.ndarray, output: OutputRecord) -> Pairing | None:
    """Return the output and the loss that fit targets; None where that is not clear.

    Args:
        y: the targets.
        output: the output as it is.
    """
    units = output.shape[-1] if output.shape else 0
    if y.ndim == 2 and y.shape[1] > 1 and bool(np.isin(y, (0, 1)).all()):
        if bool((y.sum(axis=1) == 1).all()):
            return Pairing(y.shape[1], "softmax", "categorical_crossentropy")
        return Pairing(y.shape[1], "sigmoid", "binary_crossentropy")
    if y.ndim > 2 or (y.ndim == 2 and y.shape[1] > 1):
        return Pairing(None, None, "mean_squared_error") if _are_values(y, output) else None
    if _are_values(y, output):
        return Pairing(1, None, "mean_squared_error")
    count = int(y.max()) + 1
    if count <= 2 and units == 1:
        return Pairing(1, "sigmoid", "binary_crossentropy")
    return Pairing(max(count, 2), "softmax", "sparse_categorical_crossentropy")


def kinds_of(y: Any, record: Record) -> tuple[str, ...]:
    """Return what the targets of each output are: "classes", "flags", or "values".

    Args:
        y: the targets; None for an autoencoder.
        record: of the training; it says what the losses take them for.
    """
    if len(record.outputs) != 1 or not isinstance(y, np.ndarray):
        return tuple(each.kind if y is not None else "values" for each in record.outputs)
    output = record.outputs[0]
    if y.ndim > 1 and y.shape[-1] > 1 and bool(np.isin(y, (0, 1)).all()):
        return ("classes" if bool((y.sum(axis=-1) == 1).all()) else "flags",)
    return ("values" if _are_values(y, output) else "classes",)


def with_fitting_output(candidate: Candidate, record: Record) -> Candidate:
    """Return the candidate with the output and the loss that fit its targets.

    Of a network with several outputs nothing is changed.
    """
    y, output = candidate.data.samples.y, record.outputs[0] if len(record.outputs) == 1 else None
    if output is None or not isinstance(y, np.ndarray) or output.layer is None:
        return candidate
    pairing = fitting_pairing(y, output)
    if pairing is None:
        return candidate
    loss = losses.get(candidate.settings["loss"])
    changes = []
    if loss.name != losses.get(pairing.loss).name:
        changes.append(
            Change("loss", code(loss.name), code(pairing.loss), "loss", {"name": pairing.loss})
        )
    net, edits = edit_layers(
        candidate.settings["net"], lambda path, layer: _arguments(path, layer, record, pairing)
    )
    if not changes and not edits:
        return candidate
    settings: dict[str, Any] = {"net": net, "metrics": _metrics(candidate, pairing)}
    if changes:
        settings["loss"] = pairing.loss
    return candidate.with_settings(*changes, *edits, **settings)


def _arguments(path: str, layer: Layer, record: Record, pairing: Pairing) -> dict[str, Any]:
    """Return the arguments of a layer that make it end in what fits, or none for any other."""
    output = next(each for each in record.layers if each.path == record.outputs[0].layer)
    is_last = path == output.path
    takes_softmax = path == output.takes and record.outputs[0].before in SOFTMAX
    has_kernel = "kernel_initializer" in vars(layer)
    ends = {path == output.path, path == output.takes and output.is_activation}
    arguments: dict[str, Any] = {}
    if is_last:
        arguments["activation"] = pairing.activation
    elif takes_softmax and output.is_activation:
        arguments["activation"] = None
    if True in ends and has_kernel and pairing.units is not None:
        arguments["units"] = pairing.units
    return arguments


def _are_values(y: np.ndarray, output: OutputRecord) -> bool:
    """Whether targets are numbers to predict, not classes, as far as that can be told."""
    whole = bool((y == np.rint(y)).all()) and y.min() >= 0 and y.max() < CLASSES
    if not whole or len(np.unique(y)) != int(y.max()) + 1:
        return True
    judged = "classes" in output.metrics.values()
    squashed = output.activation in (*SOFTMAX, "sigmoid")
    return not (output.kind != "values" or judged or squashed or y.max() <= 1)


def _metrics(candidate: Candidate, pairing: Pairing) -> Any:
    """Return the metrics that still make sense with the new loss."""
    metrics = candidate.settings["metrics"]
    return metrics if pairing.loss != "mean_squared_error" else ()
