"""The arguments of `fit`, checked and converted to what training takes."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gradus.checks import is_word, number
from gradus.data.array_trees import named_leaves
from gradus.errors import GradusError, SavedError, ShapeError, unknown
from gradus.files import user_path
from gradus.manifests import PREPROCESSING
from gradus.nn.layer import Layer, named_layers
from gradus.nn.layers.conv import WindowLayer
from gradus.nn.layers.pooling import BasePooling
from gradus.nn.layers.window import seems_channels_first
from gradus.nn.network import AbstractNetwork, abstract_init, forward, fresh, recorded, weights
from gradus.objectives.loss import REGISTRY, Loss
from gradus.objectives.metric import REGISTRY as METRICS
from gradus.space import Space
from gradus.train.early_stopping import EarlyStopping

DEFAULT_BATCH = 32
# Name endings of metrics for which larger is better; for losses, smaller is better.
LARGER_IS_BETTER = (
    *("accuracy", "precision", "recall", "f1", "f1_score", "auc", "r2", "r2_score"),
    *("average_precision", "matthews_corrcoef", "matthews", "cohen_kappa", "kappa"),
)


def refuse_spaces(settings: Mapping[str, Any]) -> None:
    """Refuse arguments of `Model.fit` that are sets of values.

    Raises:
        GradusError: naming the argument.
    """
    for name, value in settings.items():
        if isinstance(value, Space):
            raise GradusError(
                f"{name}={value!r} is a set of values: give fit one of them. "
                "gr.Sweep(model, trials=…).fit tries sets of batch_size, epochs, patience, "
                "min_delta, shuffle_seed and the data."
            )


def early_stopping(
    names: Sequence[str],
    validated: bool,
    patience: Any,
    monitor: Any,
    mode: Any,
    min_delta: Any,
    target: Any,
) -> EarlyStopping:
    """Return the early stopping for arguments of `Model.fit`.

    Args:
        names: the numbers that the task reports.
        validated: whether they are also reported for validation data.
        patience: a number of at least 1, or None.
        monitor: None for the validation loss, or the training loss without validation.
        mode: "min", "max", or None to infer it from the name.
        min_delta: a number of at least 0.
        target: a number, or None.

    Raises:
        GradusError: for a name that is not reported, or a value that is not a number.
    """
    if mode is not None and not is_word(mode, ("min", "max")):
        raise GradusError(f"mode={mode!r}: write 'min', 'max', or leave it out.")
    known = [*names, *(f"val_{name}" for name in names if validated)]
    if monitor is None or is_word(monitor, ("",)):
        monitor = "val_loss" if validated else "loss"
    if not is_word(monitor, known):
        raise _unknown_monitor(monitor, known, validated)
    return EarlyStopping(
        monitor=monitor,
        mode=mode or _mode(monitor),
        patience=math.inf if patience is None else number("patience", patience, 1),
        min_delta=number("min_delta", min_delta, 0),
        target=math.nan if target is None else number("target", target),
    )


def _unknown_monitor(monitor: Any, known: Sequence[str], validated: bool) -> GradusError:
    """Return the error for a number that is not reported, and how to have it reported."""
    error = unknown("monitor", monitor, known)
    if not isinstance(monitor, str):
        return error
    hints = []
    if monitor.startswith("val_") and not validated:
        hints.append("with validation_split=0.2 or validation_data in fit")
    word = monitor.removeprefix("val_")
    if word in METRICS and METRICS.name_of(METRICS.find(word)) not in known:
        hints.append(f"with metrics=[{word!r}] in the model")
    return GradusError(f"{error} It is reported {' and '.join(hints)}.") if hints else error


def folder(name: str, value: Any) -> Path:
    """Return an argument that is a path.

    Raises:
        GradusError: for anything but a string or a path.
    """
    if not isinstance(value, str | Path):
        raise GradusError(f"{name}={value!r}: write the path of a folder, such as 'runs/first'.")
    return Path(value)


def folder_to_write(name: str, value: Any) -> Path:
    """Return an argument that is a folder to write to, which must not be that of a run.

    Raises:
        GradusError: for anything but a string or a path.
        SavedError: for the folder of a run, whose files belong together.
    """
    path = folder(name, value)
    if (user_path(path) / PREPROCESSING).exists():
        raise SavedError(
            f"{str(path)!r} is a run, some of whose files this would replace, and then it could "
            "not be read: choose another folder."
        )
    return path


def direction(name: str) -> str | None:
    """Return whether smaller ("min") or larger ("max") values of a number are better, if known.

    Args:
        name: as in a history, such as "val_accuracy" or "loss".
    """
    word = name.removeprefix("val_")
    for mode, ends in (("max", LARGER_IS_BETTER), ("min", ("loss", *REGISTRY))):
        if any(word == end or word.endswith(f"_{end}") for end in ends):
            return mode
    return None


def _mode(monitor: str) -> str:
    mode = direction(monitor)
    if mode is None:
        raise GradusError(
            f"Are larger or smaller values of {monitor!r} better? Write mode='max' or mode='min'."
        )
    return mode


def batch_size(value: Any, count: int, full_batch: bool) -> int | None:
    """Return the number of samples of a step, None for all of them.

    Raises:
        GradusError: for anything but a whole number of at least 1, one larger than the data, or
            mini-batches for an optimizer that needs the full batch.
    """
    if value is None or (full_batch and value == DEFAULT_BATCH):
        return None
    check_batch_size(value)
    if full_batch:
        raise GradusError(
            f"This optimizer needs all samples at once: write batch_size=None, not {value}."
        )
    if value > count and value != DEFAULT_BATCH:
        raise GradusError(
            f"batch_size={value} is more than the {count} samples to train on: write at most "
            f"{count}, or None for all."
        )
    return min(int(value), count)


def check_batch_size(value: Any) -> None:
    """Check that a batch size is None or a whole number of at least 1.

    Raises:
        GradusError: for anything else.
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise GradusError(
            f"batch_size={value!r}: write a whole number of at least 1, or None for all samples."
        )


def check_trainable(net: Layer, layer_rates: Mapping[str, Any] | None) -> None:
    """Check that a built network has weights to train, and that `layer_rates` names its layers.

    Raises:
        GradusError: naming the frozen layers, or the layer that does not exist.
    """
    if not weights(net, "param"):
        frozen = [
            path or "the whole network" for path, layer in named_layers(net) if not layer.trainable
        ]
        why = f"frozen: {', '.join(frozen)}; unfreeze() a layer" if frozen else "it has no weights"
        raise GradusError(f"Nothing in the network is left to train ({why}).")
    paths = [path for path, _ in named_layers(net) if path]
    for name in layer_rates or {}:
        if name not in paths:
            raise unknown("layer in layer_rates", name, paths)


def shapes_of(x: Any, rows: int | None = 2) -> Any:
    """Return the shapes and types of `rows` samples like those of `x`, to build a network for.

    Args:
        x: the samples.
        rows: how many; None for as many as `x` has.
    """

    def shape_of(a: Any) -> jax.ShapeDtypeStruct:
        count = a.shape[:1] if rows is None else (rows,)
        return jax.ShapeDtypeStruct((*count, *a.shape[1:]), jax.dtypes.canonicalize_dtype(a.dtype))

    return jax.tree.map(shape_of, x)


def abstract_network(net: Layer, x: Any) -> AbstractNetwork:
    """Return the network for samples like those of `x`, its weights not drawn yet.

    Raises:
        ShapeError: for a layer that cannot take its input; it says the shape of all of `x`.
    """
    try:
        return abstract_init(net, shapes_of(x))
    except ShapeError:
        try:
            return abstract_init(net, shapes_of(x, rows=None))
        except ShapeError as error:
            if not seems_channels_first(np.shape(x)[1:]) or not _has_windows(net):
                raise
            hint = "If its channels come first, write np.moveaxis(x, 1, -1)."
            raise ShapeError(f"{error} {hint}") from None


def _has_windows(net: Layer) -> bool:
    """Whether a network looks at images through windows."""
    layers = (layer for _, layer in named_layers(net))
    return any(isinstance(each, WindowLayer | BasePooling) and each.rank == 2 for each in layers)


def check_shapes(example: Any, x: Any, where: str = "x") -> None:
    """Check that samples have the shapes that the network was built for.

    Raises:
        ShapeError: naming both, if they have not.
    """
    expected, actual = (jax.tree.map(lambda a: tuple(a.shape[1:]), tree) for tree in (example, x))
    if expected != actual:
        hint = ""
        if jax.tree.map(lambda a: tuple(a.shape), x) == expected:
            hint = (
                f" For a single sample write {where}[None]; of a list, or a row of a frame, "
                f"[{where}]."
            )
        elif isinstance(actual, dict):
            alike = [key for key, shape in actual.items() if shape == expected]
            hint = f" Its {alike[0]!r} alone has such samples." if len(alike) == 1 else ""
        elif isinstance(expected, dict) and isinstance(actual, tuple | list):
            named = ", ".join(f"{name!r}: …" for name in expected)
            hint = f" Name its arrays: {{{named}}}."
        raise ShapeError(
            f"The network was built for samples of shape {expected} but {where} has samples of "
            f"shape {actual}.{hint}"
        )


def check_codes(net: Layer, x: Any) -> None:
    """Check that the embeddings that take inputs of a built network have vectors for them.

    Raises:
        DataError: naming a code that has none.
    """
    layers = {path: layer for path, layer in named_layers(net) if hasattr(layer, "check_codes")}
    if not layers:
        return
    leaves, names = jax.tree.leaves(x), [name for name, _ in named_leaves(x, "x")]
    shapes, structure = jax.tree.flatten((jax.tree.map(_abstract, net), shapes_of(x)))
    inputs_of = _leaves_taken(tuple(layers), structure, tuple(shapes))
    for path, layer in layers.items():
        indices = jax.tree.leaves(inputs_of[path])
        if indices and min(indices) >= 0:
            codes = jax.tree.map(lambda index: np.asarray(leaves[index]), inputs_of[path])
            layer.check_codes(codes, " and ".join(names[index] for index in indices))


def _abstract(leaf: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(np.shape(leaf), jax.dtypes.result_type(leaf))


@functools.lru_cache(64)  # as tracing a network takes longer than a prediction
def _leaves_taken(
    paths: tuple[str, ...], structure: Any, shapes: tuple[jax.ShapeDtypeStruct, ...]
) -> dict[str, Any]:
    """Return which leaves of x, by their number, the layers at `paths` take as they are; or -1.

    Args:
        paths: of the layers.
        structure: that of the network and x.
        shapes: those of their leaves.
    """
    inputs_of: dict[str, Any] = {}

    def call(net: Layer, x: Any) -> None:
        index_of = {id(leaf): index for index, leaf in enumerate(jax.tree.leaves(x))}
        copy = fresh(net, recording=True)
        forward(copy, x)
        inputs = recorded(copy)[0]
        for path in paths:
            taken = jax.tree.map(lambda leaf: index_of.get(id(leaf), -1), inputs.get(path, ()))
            inputs_of[path] = taken[0] if len(taken) == 1 else None

    jax.eval_shape(call, *jax.tree.unflatten(structure, shapes))
    return inputs_of


def classes_of(predicted: np.ndarray, loss: Loss) -> np.ndarray:
    """Return the classes of predictions: the largest, or those above the loss's threshold."""
    several = predicted.ndim > 1 and predicted.shape[-1] > 1
    if loss.kind != "flags" and several:
        return predicted.argmax(-1).astype(np.int32)
    decided = (predicted > loss.threshold).astype(np.int32)
    return decided if several or predicted.ndim == 1 else decided[..., 0]


def known_word(name: str, value: Any, known: Sequence[str]) -> str:
    """Return an argument that is one of some words.

    Raises:
        GradusError: for any other value, with the nearest word.
    """
    if not is_word(value, known):
        raise unknown(name, value, known)
    return str(value)
