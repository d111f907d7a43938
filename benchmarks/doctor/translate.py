"""A specification as a gradus model: layers, initializers, penalties, optimizers, and losses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from spec import Layer, Spec

import gradus as gr


class UnknownPartError(Exception):
    """A part of a case that this module cannot write; the message names it."""


def build(spec: Spec, seed: int) -> gr.Model:
    """Return a new model.

    Raises:
        GradusError: if gradus refuses a setting.
        UnknownPartError: if a part of the case is unknown.
    """
    layers = [part for layer in spec.layers for part in _layer(layer)]
    return gr.Model(
        gr.Sequential(layers),
        loss=loss(spec.loss),
        optimizer=optimizer(spec.optimizer),
        metrics=_metrics(spec),
        seed=seed,
    )


def _metrics(spec: Spec) -> list[Any]:
    if spec.task == "values":
        return []
    return ["accuracy" if spec.threshold == 0.5 else gr.metrics.Accuracy(spec.threshold)]


# --- layers -------------------------------------------------------------------------------------


def _layer(layer: Layer) -> list[gr.Layer]:
    """Return a layer, followed by an `Activation` if the case lists two activations in a row."""
    kind = layer["type"]
    if kind == "Flatten":
        return [gr.Flatten()]
    if kind == "Dropout":
        return [gr.Dropout(layer["rate"])]
    if kind == "MaxPool2D":
        return [gr.MaxPooling2D(layer["size"], layer["strides"], layer["padding"])]
    first, *further = str(layer["activation"]).split("+")
    common = {
        "activation": None if first == "linear" else first,
        "kernel_initializer": initializer(layer["kernel_init"]),
        "bias_initializer": initializer(layer["bias_init"]),
        "kernel_regularizer": _penalty(layer),
    }
    after = [gr.Activation(name) for name in further]
    if kind == "Dense":
        return [gr.Dense(layer["units"], **common), *after]
    if kind == "Conv2D":
        sizes = {"strides": layer["strides"], "padding": layer["padding"]}
        return [gr.Conv2D(layer["filters"], layer["kernel"], **sizes, **common), *after]
    raise UnknownPartError(f"the layer {kind}")


def _penalty(layer: Layer) -> Any:
    if layer.get("l1"):
        return gr.L1(0.01)  # Keras's default: the case only says that there is one
    l2 = layer.get("l2")
    if l2 is None:
        return None
    # TensorFlow's l2_loss has the factor ½, which gradus's L2 lacks.
    return gr.L2(0.5) if l2 == "1 * l2_loss(w)" else gr.L2(l2)


def initializer(text: str) -> Any:
    """Return an initializer from the words of a case.

    Raises:
        UnknownPartError: if the words are unknown.
    """
    name = text.rpartition("=")[2] if text.endswith("=he_uniform") else text
    if re.fullmatch(r"[A-Za-z_]+", name):
        return name.lower()
    numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", name)]
    if name.startswith("VarianceScaling"):
        mode, shape = re.search(r"mode=(\w+),distribution=(\w+)", name).groups()
        # Keras 2.2 truncates its normal.
        shape = "truncated_normal" if shape == "normal" else shape
        return gr.initializers.VarianceScaling(numbers[0], mode, shape)
    if name.startswith(("uniform", "RandomUniform")):
        return gr.initializers.RandomUniform(*numbers)
    if name.startswith("truncnormal(sqrt"):
        return gr.initializers.TruncatedNormal(0.0, (numbers[0] / numbers[1]) ** 0.5)
    if name.startswith("truncnormal"):
        return gr.initializers.TruncatedNormal(0.0, numbers[0])
    if name.startswith("normal"):
        return gr.initializers.RandomNormal(*numbers)
    if name.startswith("const"):
        return gr.initializers.Constant(numbers[0])
    raise UnknownPartError(f"the initializer {text}")


# --- optimizers ---------------------------------------------------------------------------------


def optimizer(settings: Mapping[str, Any]) -> Any:
    """Return an optimizer from its name and settings, which are Keras's.

    Raises:
        UnknownPartError: if the name is unknown.
    """
    given = {key: value for key, value in settings.items() if key not in ("name", "note")}
    rate, decay = given.pop("lr"), given.pop("decay", None)
    if "gradient ascent" in settings.get("note", ""):
        rate = -abs(rate)  # as the case says: gradients negated are a negative rate
    if decay is not None:
        rate = gr.schedules.InverseTimeDecay(rate, 1, decay)
    if settings["name"] == "adagrad":
        given["initial_accumulator_value"] = 0.0
    kinds = {"sgd": gr.SGD, "adam": gr.Adam, "rmsprop": gr.RMSprop, "adagrad": gr.Adagrad}
    if settings["name"] not in kinds:
        raise UnknownPartError(f"the optimizer {settings['name']}")
    return kinds[settings["name"]](rate, **given)


# --- losses -------------------------------------------------------------------------------------
#
# gradus takes the mean over a batch of what a function returns for each row. A program that sums
# over the batch is written as each row's loss times the rows of the batch: the same training.


def summed_squares(y: Any, p: Any) -> Any:
    """Return the squared errors, summed over the batch."""
    return p.shape[0] * jnp.sum(jnp.square(y - p), axis=-1)


def summed_log(y: Any, p: Any) -> Any:
    """Return −Σ y log p, summed over the batch, without a floor under the logarithm."""
    return -p.shape[0] * jnp.sum(y * jnp.log(p), axis=-1)


def summed_crossentropy(y: Any, p: Any) -> Any:
    """Return the cross-entropies, summed over the batch."""
    return -p.shape[0] * jnp.sum(y * jnp.log(jnp.clip(p, 1e-7, 1.0)), axis=-1)


def clipped_raw_crossentropy(y: Any, p: Any) -> Any:
    """Return −Σ y log p of outputs clipped to [1e-32, 1] instead of a softmax's."""
    return -jnp.sum(y * jnp.log(jnp.clip(p, 1e-32, 1.0)), axis=-1)


def summed_value_crossentropy(y: Any, p: Any) -> Any:
    """Return −Σ y log p of values to predict, summed over the batch."""
    return -p.shape[0] * jnp.sum(y * jnp.log(jnp.clip(p, 1e-10, 1.0)), axis=-1)


def broadcast_squares(y: Any, p: Any) -> Any:
    """Return the squared errors of every prediction `(n, 1)` against every target `(n,)`."""
    return jnp.mean(jnp.square(p - y), axis=-1)


LOSSES: dict[str, str | Callable[[Any, Any], Any]] = {
    "mse": "mean_squared_error",
    "mse on softmax probabilities": "mean_squared_error",
    "hinge": "hinge",
    "binary_crossentropy": "binary_crossentropy",
    "binary_crossentropy(from logits)": "binary_crossentropy",
    "categorical_crossentropy": "categorical_crossentropy",
    "softmax_cross_entropy": "categorical_crossentropy",
    "softmax_cross_entropy + reg": "categorical_crossentropy",
    "sparse_categorical_crossentropy (expects probabilities)": "sparse_categorical_crossentropy",
    "sparse_categorical_crossentropy from_logits": "sparse_categorical_crossentropy",
    "-sum(y*log(p)) summed over the batch": summed_log,
    "-sum(y*log(softmax)) summed, no epsilon": summed_log,
    "SUM of cross-entropies over the batch": summed_crossentropy,
    "SUM of squared errors": summed_squares,
    "mean((pred[n,1]-y[n])**2) broadcast to n x n": broadcast_squares,
    "-sum(y*log(clip(pred,1e-10,1)))": summed_value_crossentropy,
    "cross-entropy on clipped raw outputs (1e-32..1)": clipped_raw_crossentropy,
}
SUMMED = (summed_log, summed_crossentropy, summed_squares, summed_value_crossentropy)


def loss(text: str) -> str | Callable[[Any, Any], Any]:
    """Return a loss from the words of a case.

    Raises:
        UnknownPartError: if the words are unknown.
    """
    if text not in LOSSES:
        raise UnknownPartError(f"the loss {text}")
    return LOSSES[text]
