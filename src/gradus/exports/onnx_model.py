"""A trained model and its preprocessing as one file of ONNX: raw data in, predictions out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gradus.data import Target
from gradus.errors import GradusError, ShapeError, TooLargeError

# The converters of layers register themselves where they are defined.
from gradus.exports.onnx import (  # noqa: F401
    attention,
    containers,
    dense,
    normalization,
    recurrent,
    resizing,
    windows,
)
from gradus.exports.onnx.columns import column_notes, table_inputs
from gradus.exports.onnx.ensembles import prediction
from gradus.exports.onnx.graph import LARGEST, Graph, Tensor
from gradus.exports.onnx.layers import axes, convert
from gradus.exports.trained import Trained
from gradus.nn.casting import with_standard_promotion
from gradus.objectives.loss import Loss
from gradus.optional import installed_version
from gradus.train.tasks.base import OutputObjective, Supervised, Task
from gradus.train.tasks.reconstruction import Reconstruction

LABEL, PROBABILITIES, SCORES = "prediction", "probabilities", "scores"


def onnx_bytes(trained: Trained) -> bytes:
    """Return the content of a file of ONNX.

    Raises:
        GradusError: naming a layer that cannot be exported, or that onnx is not installed.
        TooLargeError: if it would be larger than such a file can be.
    """
    model = make_onnx(trained)
    if model.ByteSize() > LARGEST:
        raise TooLargeError(
            f"The model takes {model.ByteSize():,} bytes, but a file of ONNX at most {LARGEST:,}: "
            "export it as StableHLO."
        )
    content: bytes = model.SerializeToString()
    return content


def input_notes(trained: Trained) -> list[str]:
    """Return what the inputs take that is not what a file holds, in sentences."""
    if trained.is_table:
        return column_notes(trained.preprocessor)
    size = getattr(trained.preprocessor, "size", None)
    if size is None:
        return []
    return [f"the input takes images of {' × '.join(map(str, size))}: they are not resized"]


@with_standard_promotion
def make_onnx(trained: Trained) -> Any:
    """Return the model as `onnx.ModelProto`; see `onnx_bytes`."""
    graph = Graph()
    x = _inputs(graph, trained)
    _check_shapes(x, trained.model.example)
    net = trained.model.net
    outputs = convert(graph, net, x)
    objectives = _objectives(trained.model.task)
    target = trained.target
    if target is None:
        _network_outputs(graph, outputs, objectives)
    elif target.parts and isinstance(objectives, dict):
        for part in target.parts:
            loss, y = objectives[part.name].loss, outputs[part.name]
            predicted = prediction(graph, loss.link, y).replace(shape=y.shape)
            _target_outputs(graph, predicted, loss, part, f"_{part.name}")
    elif not isinstance(objectives, OutputObjective):
        raise GradusError(
            "export: the preprocessor has one target, but the network has several outputs: leave "
            "out preprocessor=…."
        )
    else:
        predicted = prediction(graph, objectives.loss.link, outputs)
        _target_outputs(graph, predicted.replace(shape=outputs.shape), objectives.loss, target)
    return graph.model(_metadata(trained), installed_version())


def _inputs(graph: Graph, trained: Trained) -> Any:
    """Add the inputs of the graph, and return those of the network."""
    preprocessor = trained.preprocessor
    if trained.is_table:
        return table_inputs(graph, preprocessor)
    example = trained.model.example
    scaling = getattr(preprocessor, "scaling", None)
    if scaling is not None:
        raw = graph.input("x", "double", tuple(example.shape[1:]), "not scaled")
        if len(scaling.mean) not in (1, *raw.shape[-1:]):
            raise ShapeError(
                f"The preprocessor was fitted to {len(scaling.mean)} columns, but the network was "
                f"built for samples of shape {raw.shape}."
            )
        with graph.at("scaling"):
            centered = graph.op("Sub", raw, np.array(scaling.mean))
            scaled = graph.op("Div", centered, np.array(scaling.std))
            x = graph.op("Cast", scaled, to=graph.onnx.TensorProto.FLOAT)
        return x.replace(shape=raw.shape)
    paths, structure = jax.tree_util.tree_flatten_with_path(example)
    names = [
        "_".join(["x"] * _is_unnamed(path) + [_key(step) for step in path]) for path, _ in paths
    ]
    leaves = [_input(graph, name, leaf) for name, (_, leaf) in zip(names, paths, strict=True)]
    return jax.tree.unflatten(structure, leaves)


def _check_shapes(x: Any, example: Any) -> None:
    """Refuse a preprocessor that makes other inputs than those of the network.

    Raises:
        ShapeError: naming both shapes.
    """
    made = jax.tree.map(lambda value: value.shape, x)
    expected = jax.tree.map(lambda leaf: tuple(leaf.shape[1:]), example)
    if made != expected:
        raise ShapeError(
            f"The preprocessor makes samples of shape {made}, but the network was built for "
            f"samples of shape {expected}: give the preprocessor that it was trained with."
        )


def _check_outputs(y: Tensor, shapes: tuple[tuple[int, ...], ...], target: Target) -> None:
    """Refuse outputs of a network that are not of a target.

    Raises:
        ShapeError: naming both shapes.
    """
    if y.shape not in shapes:
        raise ShapeError(
            f"The network has outputs of shape {y.shape} for a sample, but the target "
            f"{target.name!r} of the preprocessor has {target.outputs}: give the preprocessor that "
            "it was trained with."
        )


def _is_unnamed(path: Any) -> bool:
    return not path or not hasattr(path[0], "key")


def _key(step: Any) -> str:
    return str(getattr(step, "key", getattr(step, "idx", "")))


def _input(graph: Graph, name: str, leaf: Any) -> Tensor:
    """Add an input like an array: float32, int64, bytes, or booleans."""
    dtype = np.dtype(leaf.dtype)
    plain = {"f": "float", "b": "bool"}.get(dtype.kind, "int64")
    return graph.input(name, "uint8" if dtype == np.uint8 else plain, tuple(leaf.shape[1:]))


def _objectives(task: Task) -> Any:
    """Return the objective of each output, by which outputs become predictions.

    Raises:
        GradusError: for a task with predictions of its own.
    """
    supervised = task.supervised if isinstance(task, Reconstruction) else task
    if not isinstance(supervised, Supervised):
        raise GradusError(
            f"A model whose task is a {type(task).__name__} cannot be exported to ONNX, as its "
            "predictions are its own. Export it as StableHLO."
        )
    return supervised.objectives


def _network_outputs(graph: Graph, outputs: Any, objectives: Any) -> None:
    """Make the predictions of a network without a target outputs of the graph."""
    several: dict[str, tuple[Tensor, OutputObjective]] = {}
    if isinstance(objectives, OutputObjective):
        several["output"] = outputs, objectives
    else:
        keys = objectives if isinstance(objectives, dict) else range(len(objectives))
        for key in keys:
            name = key if isinstance(key, str) else f"output_{key}"
            several[name] = outputs[key], objectives[key]
    for name, (output, objective) in several.items():
        predicted = prediction(graph, objective.loss.link, output)
        graph.output(predicted, name, "float", output.shape)


def _target_outputs(graph: Graph, y: Tensor, loss: Loss, target: Target, suffix: str = "") -> None:
    """Make outputs of the graph of predictions in the target's units, or of classes.

    The names of the outputs end with the suffix.
    """
    with graph.at(f"target{suffix}"):
        if target.task == "regression":
            _values(graph, y, target, suffix)
        elif target.task == "multilabel":
            _labels(graph, y, loss, target)
        else:
            _classes(graph, y, loss, target, suffix)


def _values(graph: Graph, y: Tensor, target: Target, suffix: str) -> None:
    _check_outputs(y, ((target.outputs,),), target)
    wide = graph.op("Cast", y, to=graph.onnx.TensorProto.DOUBLE)
    scaled = graph.op("Add", graph.op("Mul", wide, np.array(target.std)), np.array(target.mean))
    shape = y.shape
    if shape == (1,):
        scaled, shape = graph.op("Squeeze", scaled, axes(1)), ()
    units = "each in its own units" if target.columns else "in its own units"
    graph.output(scaled, f"{LABEL}{suffix}", "double", shape, f"{target.name}, {units}")


def _labels(graph: Graph, y: Tensor, loss: Loss, target: Target) -> None:
    """Add 0 or 1 for each of several labels, and its probability or, if there is none, score."""
    _check_outputs(y, ((target.outputs,),), target)
    is_score = loss.link is None and loss.kind == "flags"
    likely = graph.op("Greater", y, np.float32(0 if is_score else 0.5))
    flags = graph.op("Cast", likely, to=_INT64)
    order = ", ".join(target.class_names)
    graph.output(flags, LABEL, "int64", y.shape, f"0 or 1 for each of {order}")
    graph.output(y, SCORES if is_score else PROBABILITIES, "float", y.shape, f"of {order}")


def _classes(graph: Graph, y: Tensor, loss: Loss, target: Target, suffix: str) -> None:
    """Add the name of the class, and the probability of each or, if there is none, the score."""
    classes = (len(target.class_names),)
    _check_outputs(y, (classes, (1,)) if classes == (2,) else (classes,), target)
    is_score = loss.link is None and loss.kind == "flags"
    if y.shape == (1,):
        second = graph.op("Greater", y, np.float32(0 if is_score else 0.5))
        labels = graph.op("Cast", graph.op("Squeeze", second, axes(1)), to=_INT64)
    else:
        labels = graph.op("ArgMax", y, axis=1, keepdims=0)
    names = graph.op(
        "LabelEncoder",
        labels,
        domain="ai.onnx.ml",
        keys_int64s=list(range(len(target.class_names))),
        values_strings=list(target.class_names),
    )
    graph.output(names, f"{LABEL}{suffix}", "string", (), f"the class of {target.name}")
    shape = y.shape
    if shape == (1,) and not is_score:
        first = graph.op("Sub", np.float32(1), y)
        y, shape = graph.op("Concat", first, y, axis=1), (2,)
    order = ", ".join(target.class_names)
    kind = SCORES if is_score else PROBABILITIES
    graph.output(y, f"{kind}{suffix}", "float", shape, f"of {order}")


_INT64 = 7  # onnx.TensorProto.INT64


def _metadata(trained: Trained) -> dict[str, str]:
    """Return what a reader of the file may want to know of the model."""
    facts: dict[str, Any] = {"gradus": installed_version()}
    if trained.run is not None:
        record = trained.run.record
        facts |= {"date": record.date, "data": Path(record.data).name}
    target = trained.target
    if target is not None:
        facts |= {"target": target.name, "task": target.task}
        facts |= {"classes": list(target.class_names)} if target.class_names else {}
        several = {part.name: list(part.class_names) for part in target.parts if part.class_names}
        facts |= {"classes": several} if several else {}
        unit = getattr(_format_of(trained, target.name), "unit", None)
        facts |= {"unit": unit} if unit else {}
    if trained.is_table:
        rows = trained.preprocessor.column_rows()
        facts["columns"] = {name: f"{kind}: {how}" for name, kind, how in rows}
    return {
        name: fact if isinstance(fact, str) else json.dumps(fact, ensure_ascii=False)
        for name, fact in facts.items()
        if fact is not None
    }


def _format_of(trained: Trained, name: str) -> Any:
    formats: Mapping[str, Any] = getattr(trained.preprocessor, "formats", {})
    return formats.get(name)
