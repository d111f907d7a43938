"""The remedies of data, network, loss, and length of a training, one function each."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

import numpy as np

from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import RELATIVE
from gradus.diagnosis.recording import activation_name
from gradus.doctor.candidate import (
    Candidate,
    Change,
    with_class_weights,
    with_scaled_targets,
)
from gradus.doctor.network_edits import (
    Edited,
    code,
    edit_layers,
    hidden_layers,
    with_batch_norm,
    with_rescaled_inputs,
    without_half_of_hidden,
)
from gradus.doctor.optimizer_remedies import with_schedule_to_its_end
from gradus.doctor.pairing import with_fitting_output
from gradus.doctor.remedy import Apply
from gradus.models.encoder_decoder import EncoderDecoder
from gradus.nn.layer import Layer
from gradus.nn.layers.attention import TransformerEncoder
from gradus.nn.layers.dense import Dense
from gradus.nn.layers.dropout import Dropout


def scaled_inputs(candidate: Candidate, record: Record) -> Candidate:
    """Scale the inputs to mean 0 and deviation 1 with a first layer."""
    x = candidate.x
    if candidate.data.samples.y is None:
        return candidate  # the inputs of an autoencoder are its targets
    if not isinstance(x, np.ndarray) or any(given.is_codes for given in record.inputs):
        return candidate
    axes = 0 if x.ndim == 2 else None  # pictures and sequences have one scale
    mean = np.asarray(x.mean(axis=axes, dtype=np.float64))
    deviation = np.asarray(x.std(axis=axes, dtype=np.float64))
    deviation = np.where(deviation > 0, deviation, 1.0)
    net, changes = with_rescaled_inputs(candidate.settings["net"], mean, deviation)
    change = Change(
        "x", "x", "(x - x.mean(0)) / (x.std(0) + 1e-7)", "preprocessing.scaling", "standard"
    )
    return candidate.with_settings(change, *changes, net=net)


def scaled_targets(candidate: Candidate, record: Record) -> Candidate:
    """Scale the targets of a linear output to mean 0 and deviation 1."""
    y, output = candidate.data.samples.y, record.outputs[0] if record.outputs else None
    if not isinstance(y, np.ndarray) or output is None or candidate.target_scale is not None:
        return candidate
    if output.kind != "values" or output.activation != "linear" or output.loss in RELATIVE:
        return candidate
    return with_scaled_targets(candidate)


def fitting_output(candidate: Candidate, record: Record) -> Candidate:
    """Give the network the output and the loss that fit its targets."""
    return with_fitting_output(candidate, record).with_known_monitor


def hidden_activation(name: str, initializer: str, of: Collection[str] = ()) -> Apply:
    """Return the remedy of another activation in the hidden layers, drawn as it needs.

    Args:
        name: the activation.
        initializer: of the kernels before it.
        of: the activations whose place it takes; () for any.
    """

    def apply(candidate: Candidate, record: Record) -> Candidate:
        outputs, net = _kept(candidate, record), candidate.settings["net"]
        hidden = hidden_layers(net, outputs)
        active = {
            path: layer for path, layer in hidden.items() if activation_name(layer) != "linear"
        } or hidden
        if of:
            active = {path: each for path, each in active.items() if activation_name(each) in of}
        arguments = {"activation": name, "kernel_initializer": initializer}
        edited = edit_layers(net, lambda path, _: arguments if path in active else {})
        return _with_net(candidate, edited, {"activation": name, "initializer": initializer})

    return apply


def fitting_initializer(candidate: Candidate, record: Record) -> Candidate:
    """Draw the kernels as the activations of the layers need, and begin with biases of zero."""
    outputs = _kept(candidate, record)

    def fitting(path: str, layer: Layer) -> dict[str, Any]:
        is_relu = activation_name(layer) in ("relu", "leaky_relu", "elu", "gelu")
        drawn = "he_normal" if is_relu and path not in outputs else "glorot_uniform"
        return {"kernel_initializer": drawn, "bias_initializer": "zeros"}

    edited = edit_layers(candidate.settings["net"], fitting)
    return _with_net(candidate, edited, {"initializer": "he_normal"})


def batch_normalization(candidate: Candidate, record: Record) -> Candidate:
    """Normalize between the hidden layers, over the batch."""
    edited = with_batch_norm(candidate.settings["net"], _kept(candidate, record))
    return _with_net(candidate, edited, {"batch_norm": True})


def fewer_layers(candidate: Candidate, record: Record) -> Candidate:
    """Remove every other hidden layer."""
    kept = _kept(candidate, record)
    edited = without_half_of_hidden(candidate.settings["net"], kept)
    return _with_net(candidate, edited, {"layers": _sizes(edited[0], kept)})


def pre_norm(candidate: Candidate, record: Record) -> Candidate:
    """Normalize what the parts of a Transformer block take, in place of their sums."""
    net = candidate.settings["net"]
    edited = edit_layers(
        net, lambda path, each: {"pre_norm": True} if isinstance(each, TransformerEncoder) else {}
    )
    return _with_net(candidate, edited, {})


def width_times(factor: float) -> Apply:
    """Return the remedy of wider or narrower hidden layers."""

    def apply(candidate: Candidate, record: Record) -> Candidate:
        kept = _kept(candidate, record)
        hidden = hidden_layers(candidate.settings["net"], kept)

        def wider(path: str, layer: Layer) -> dict[str, Any]:
            sizes = {n: vars(layer).get(n) for n in ("units", "filters")} if path in hidden else {}
            return {n: max(2, round(size * factor)) for n, size in sizes.items() if size}

        edited = edit_layers(candidate.settings["net"], wider)
        return _with_net(candidate, edited, {"layers": _sizes(edited[0], kept)})

    return apply


def dropout_of(rate: float) -> Apply:
    """Return the remedy of another rate in every dropout."""

    def apply(candidate: Candidate, record: Record) -> Candidate:
        def changed(path: str, layer: Layer) -> dict[str, Any]:
            return {"rate": rate} if isinstance(layer, Dropout) else {}

        return _with_net(
            candidate, edit_layers(candidate.settings["net"], changed), {"dropout": rate}
        )

    return apply


def penalty_times(factor: float) -> Apply:
    """Return the remedy of weaker penalties, of the model and of its layers."""

    def weaker(value: Any) -> Any:
        if not dataclasses.is_dataclass(value) or isinstance(value, type):
            return value
        return dataclasses.replace(
            value,
            **{
                field.name: getattr(value, field.name) * factor
                for field in dataclasses.fields(value)
                if isinstance(getattr(value, field.name), float)
            },
        )

    def apply(candidate: Candidate, record: Record) -> Candidate:
        def changed(path: str, layer: Layer) -> dict[str, Any]:
            given = {n: v for n, v in vars(layer).items() if n.endswith("_regularizer")}
            return {name: weaker(value) for name, value in given.items() if value is not None}

        candidate = _with_net(candidate, edit_layers(candidate.settings["net"], changed), {})
        before = candidate.settings["penalty"]
        if before is None or isinstance(before, str):
            return candidate
        after = weaker(before)
        value = getattr(after, "l2", getattr(after, "strength", 0.0))
        return candidate.with_settings(
            Change("penalty", code(before), code(after), "penalty.l2", value), penalty=after
        )

    return apply


def batches_of(size: int) -> Apply:
    """Return the remedy of another batch size."""

    def apply(candidate: Candidate, record: Record) -> Candidate:
        before = candidate.fit["batch_size"]
        if before == size or candidate.data.count < 2 * size:
            return candidate
        change = Change("batch_size", code(before), code(size), "training.batch_size", size)
        return with_schedule_to_its_end(candidate.with_fit(change, batch_size=size), candidate)

    return apply


def epochs_times(factor: int) -> Apply:
    """Return the remedy of a longer training."""

    def apply(candidate: Candidate, record: Record) -> Candidate:
        before = candidate.fit["epochs"]
        change = Change(
            "epochs", str(before), str(factor * before), "training.epochs", factor * before
        )
        longer = candidate.with_fit(change, epochs=factor * before)
        return with_schedule_to_its_end(longer, candidate)

    return apply


def class_weights(candidate: Candidate, record: Record) -> Candidate:
    """Weigh the samples of rare classes more."""
    output = record.outputs[0] if len(record.outputs) == 1 else None
    if output is None or output.targets is None or len(output.targets.counts) < 2:
        return candidate
    return with_class_weights(candidate)


def _sizes(net: Layer, kept: Collection[str]) -> list[int]:
    """Return the units of the hidden dense layers."""
    return [layer.units for layer in hidden_layers(net, kept).values() if isinstance(layer, Dense)]


def _kept(candidate: Candidate, record: Record) -> list[str]:
    """Return the paths of the layers whose form is given: outputs, and an autoencoder's code."""
    kept = [layer.path for layer in record.layers if layer.is_output]
    net = candidate.settings["net"]
    if isinstance(net, EncoderDecoder):
        kept += [path for path in hidden_layers(net, kept) if path.startswith("encoder")][-1:]
    return kept


def _with_net(candidate: Candidate, edited: Edited, network: dict[str, Any]) -> Candidate:
    """Return the candidate with an edited network.

    Args:
        candidate: the candidate.
        edited: the network and its changes.
        network: the same in words of experiment.toml's section `network`.
    """
    net, changes = edited
    if not changes:
        return candidate
    named = [Change("network", "", "", f"network.{name}", value) for name, value in network.items()]
    return candidate.with_settings(*changes, *named, net=net)
