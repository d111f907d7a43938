"""Builds the record of an experiment from its network, task, optimizer, and data."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from gradus.data.array_trees import named_leaves
from gradus.diagnosis.columns import TellingColumn, numbering_column, telling_column
from gradus.diagnosis.comparison import PartComparison
from gradus.diagnosis.pixels import pixel_records
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import (
    InputRecord,
    KernelRecord,
    LayerRecord,
    OutputRecord,
    SettingsRecord,
)
from gradus.diagnosis.sampling import SAMPLES, drawn_rows, sampled
from gradus.diagnosis.targets import TriedLoss, class_indices, target_record, try_loss
from gradus.nn import activations
from gradus.nn.heads import Head
from gradus.nn.layer import Layer, has_sublayers, named_layers, named_layers_trained
from gradus.nn.layers.containers import TimeDistributed
from gradus.nn.layers.reshaping import Rescaling
from gradus.nn.network import forward, fresh, recorded
from gradus.nn.pytree import canonicalize
from gradus.optim.base import Optimizer
from gradus.optim.schedules import Schedule
from gradus.program_cache import cached_program
from gradus.train.inference import penalty_of
from gradus.train.tasks.base import Supervised, Task, zip_outputs

if TYPE_CHECKING:
    from jaxtyping import Float, Int, PyTree, Shaped

VALUES = 500_000  # of the sampled rows that statistics are taken from, at most
FEW = 100  # rows of which columns are looked at, however many there are
CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")  # of an optimizer


def make_record(
    net: Layer,
    task: Task,
    optimizer: Optimizer,
    x: PyTree[Shaped[np.ndarray, "samples ..."]],
    y: PyTree[Shaped[np.ndarray, "samples ..."]] | None,
    validation: PyTree[Shaped[np.ndarray, "samples ..."]] | None = None,
    rows: Int[np.ndarray, "rows"] | None = None,
    weight: Float[np.ndarray, "samples"] | None = None,
    comparison: PartComparison | None = None,
    columns: Mapping[str, Sequence[str]] | None = None,
) -> Record:
    """Return the record of an experiment.

    Args:
        net: the built network.
        task: what is learned.
        optimizer: the optimizer.
        x: all inputs.
        y: the targets that are trained on.
        validation: the targets of validation.
        rows: which of the inputs are trained on; None for all.
        weight: of each sample that is trained on; None for 1.
        comparison: of the samples of validation with those of training.
        columns: the names of the columns of inputs that were frames.
    """
    names = columns or {}
    layers, ends, codes = _trace(net, jax.tree.map(lambda a: a[:2], x))
    outputs = _output_records(task, ends, y, validation, weight)
    target = (y, outputs[0]) if len(outputs) == 1 and isinstance(y, np.ndarray) else None
    return Record(
        inputs=tuple(
            _input_record(name, leaf, index in codes, rows, target, names.get(name))
            for index, (name, leaf) in enumerate(named_leaves(x, "x"))
        ),
        outputs=outputs,
        layers=tuple(layers),
        settings=SettingsRecord(
            type(optimizer).__name__,
            _largest_rate(optimizer),
            samples=len(jax.tree.leaves(x)[0]),
            epsilon=_number(getattr(optimizer, "epsilon", None)),
            clipped=min(
                filter(None, (_number(getattr(optimizer, n)) for n in CLIPS)), default=None
            ),
        ),
        penalty=penalty_of(net, task),
        comparisons=() if comparison is None else (comparison,),
        pixels=pixel_records(net, x),
    )


def _largest_rate(optimizer: Optimizer) -> float:
    """Return the largest learning rate of some of the first steps."""
    rate = optimizer.learning_rate
    if not isinstance(rate, Schedule):
        return float(rate)
    return float(np.max(_rates(canonicalize(optimizer), np.array([0, 1, 10, 100, 1000]))))


@cached_program
@jax.jit
def _rates(optimizer: Optimizer, steps: Int[Any, "steps"]) -> Float[Any, "steps"]:
    """Return the learning rates of some steps, by one program instead of one for each operation."""
    return jax.vmap(optimizer.rate)(steps)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _trace(net: Layer, x: Any) -> tuple[list[LayerRecord], Any, frozenset[int]]:
    """Return what a trace tells: layers in the order of their calls, ends of outputs, codes."""
    leaves, structure = jax.tree.flatten(jax.tree.map(jax.typeof, (net, x)))
    calls, ends, codes = _trace_calls(structure, tuple(leaves))
    trained = {path: (layer, trained) for path, layer, trained in named_layers_trained(net)}
    layers = [_layer_record(call, *trained[call.path]) for call in calls]
    return layers, ends, codes


class _Call(NamedTuple):
    """A layer's call: entries of its `LayerRecord` that depend on the network's structure alone."""

    path: str
    units: int
    inputs: int
    takes: str | None
    is_output: bool


def _layer_record(call: _Call, layer: Layer, trained: bool) -> LayerRecord:
    return LayerRecord(
        **call._asdict(),
        kind=type(layer).__name__,
        activation=activation_name(layer),
        kernel=_kernel_record(layer) if trained else None,
        rate=_dropout_rate(layer),
        scaling=_scaling(layer),
    )


@functools.lru_cache(64)
def _trace_calls(
    structure: jax.tree_util.PyTreeDef, avals: tuple[Any, ...]
) -> tuple[list[_Call], Any, frozenset[int]]:
    """Return the calls of innermost layers, the ends, and which inputs, by number, are codes."""
    calls: list[_Call] = []
    ends: list[Any] = []
    codes: list[frozenset[int]] = []

    def call(net: Layer, x: Any) -> None:
        copy = fresh(net, recording=True)
        heads = forward(copy, x)
        inputs, outputs = recorded(copy)
        codes.append(_codes(net, x, inputs))
        innermost = {path for path, layer in named_layers(net) if not has_sublayers(layer)}
        made = {id(outputs[path]): path for path in outputs if path in innermost}
        final = outputs[""]

        def end(output: Any, head: Head) -> Head:
            """Return the head with the shape and the layer of the output in place of arrays."""
            shape, path = tuple(output.shape[1:]), made.get(id(output))
            return head._replace(logits=cast("Any", shape), mask=cast("Any", path))

        ends.append(jax.tree.map(end, final, heads))
        of_outputs = {id(output) for output in jax.tree.leaves(final)}
        of_outputs |= _of_steps(net, outputs, of_outputs)
        for path in (path for path in outputs if path in innermost):
            output = outputs[path]
            taken = inputs[path][0] if len(inputs[path]) == 1 else None
            calls.append(
                _Call(
                    path,
                    units=_last_axis(output),
                    inputs=_last_axis(taken),
                    takes=made.get(id(taken)),
                    is_output=id(output) in of_outputs,
                )
            )

    jax.eval_shape(call, *jax.tree.unflatten(structure, avals))
    return calls, ends[0], codes[0]


def _codes(net: Layer, x: Any, inputs: Mapping[str, Any]) -> frozenset[int]:
    """Return the numbers of the leaves of x that are whole numbers and that embeddings read.

    Where an embedding reads none of them as it is, any leaf of whole numbers may be what it reads.
    """
    whole = {
        id(leaf): index
        for index, leaf in enumerate(jax.tree.leaves(x))
        if jnp.issubdtype(leaf.dtype, jnp.integer)
    }
    readers = [path for path, layer in named_layers(net) if hasattr(layer, "check_codes")]
    read = {id(leaf) for path in readers for leaf in jax.tree.leaves(inputs.get(path, ()))}
    return frozenset(whole[key] for key in whole.keys() & read or (whole if readers else ()))


def _of_steps(net: Layer, outputs: Mapping[str, Any], of_outputs: set[int]) -> set[int]:
    """Return the outputs, by identity, whose steps a `TimeDistributed` gives back at the end.

    It gives what its layer returns another shape, so that it is another array.
    """
    found = set()
    for path, layer in named_layers(net):
        if isinstance(layer, TimeDistributed) and id(outputs.get(path)) in of_outputs:
            start = f"{path}/" if path else ""
            inner = [child for child in outputs if child.startswith(start) and child != path]
            found |= {id(outputs[child]) for child in inner if "/" not in child[len(start) :]}
    return found


def activation_name(layer: Layer) -> str:
    """Return the name of a layer's activation: "linear" for none, "" for what has no name."""
    activation = layer.__dict__.get("activation")
    if activation is None:
        return "linear"
    if isinstance(activation, str) or callable(activation):
        return activations.REGISTRY.name_of(activations.get(activation)) or ""
    return ""


def _dropout_rate(layer: Layer) -> float:
    rate = layer.__dict__.get("rate") if "Dropout" in type(layer).__name__ else None
    return float(rate) if isinstance(rate, int | float | np.floating) else 0.0


def _scaling(layer: Layer) -> tuple[float, float] | None:
    """Return the scale and the offset of a `Rescaling` by single numbers; None for other layers."""
    if not isinstance(layer, Rescaling) or np.ndim(layer.scale) or np.ndim(layer.offset):
        return None
    return float(layer.scale), float(layer.offset)


def _kernel_record(layer: Layer) -> KernelRecord | None:
    """Return the statistics of a layer's kernel; None if it has none, or one of no weights."""
    kernel: Any = layer.__dict__.get("kernel")
    is_trained = layer.__dict__.get("_weights", {}).get("kernel") == "param"
    if not is_trained or not getattr(kernel, "size", 0):
        return None
    values = np.atleast_2d(np.asarray(kernel))
    with np.errstate(over="ignore"):
        square = float(np.square(values).mean(dtype=np.float64))
        between = [float(np.ptp(values, axis=axis).max()) for axis in (-1, -2)]
    return KernelRecord(
        shape=tuple(np.shape(kernel)),
        mean=float(values.mean(dtype=np.float64)),
        rms=square**0.5,
        largest=float(np.abs(values).max()),
        between_units=between[0],
        between_inputs=between[1],
    )


def _last_axis(array: Any) -> int:
    return int(array.shape[-1]) if getattr(array, "ndim", 0) > 1 else 0


def _output_records(
    task: Task, ends: Any, y: Any, validation: Any, weight: Any
) -> tuple[OutputRecord, ...]:
    """Return the outputs of a task with losses, and nothing of any other task."""
    if not isinstance(task, Supervised):
        return ()
    records = []
    validations = iter(zip_outputs(task.objectives, None, validation))
    for name, objective, end, values in zip_outputs(task.objectives, ends, y):
        validated = next(validations)[3] if validation is not None else None
        loss = objective.loss
        tried = try_loss(loss, values, end.logits) if loss.is_custom else TriedLoss()
        records.append(
            OutputRecord(
                name=name,
                layer=end.mask,
                activation=end.activation,
                before=end.before,
                shape=end.logits,
                loss=loss.name,
                link=loss.link,
                kind=loss.kind,
                metrics={metric.name: metric.judges for metric in objective.metrics},
                targets=target_record(values, loss.kind, weight),
                validation=target_record(validated, loss.kind),
                batch_factor=tried.batch_factor,
                best_for_all=tried.best_for_all,
                is_largest_at_target=tried.is_largest_at_target,
                weight=float(objective.weight),
            )
        )
    return tuple(records)


def _input_record(
    name: str,
    x: np.ndarray,
    is_codes: bool,
    rows: np.ndarray | None,
    target: tuple[np.ndarray, OutputRecord] | None,
    names: Sequence[str] | None,
) -> InputRecord:
    numbering: int | str | None
    numbering, telling = _remarkable_columns(x, rows, target) if x.ndim == 2 else (None, None)
    if names is not None and x.ndim == 2 and len(names) == x.shape[1]:
        numbering = None if numbering is None else names[numbering]
        if telling is not None:
            telling = dataclasses.replace(telling, column=names[int(telling.column)])
    columns = sampled(x).reshape(min(len(x), SAMPLES), -1).astype(np.float64)
    kept = max(1, VALUES // len(columns))
    if columns.shape[1] > kept:  # those of an image's edge say little
        columns = columns[:, np.linspace(0, columns.shape[1] - 1, kept).astype(int)]
    deviation = columns.std(axis=0)
    varies = deviation[np.ptp(columns, axis=0) > 0]
    return InputRecord(
        name=name,
        count=len(x),
        is_codes=is_codes,
        mean=float(np.abs(columns.mean(axis=0)).max()),
        deviation=float(deviation.max()),
        least_deviation=float(varies.min()) if len(varies) else 0.0,
        constant=1 - len(varies) / len(deviation),
        spread=float(np.sqrt(np.square(deviation).mean())),
        minimum=float(columns.min()),
        maximum=float(columns.max()),
        columns=max(1, x[:1].size),
        shape=tuple(x.shape[1:]),
        numbering=numbering,
        telling=telling,
        # All samples are compared only where those that were drawn do not differ.
        is_constant=not len(varies) and len(x) > 1 and bool((x == x[:1]).all()),
    )


def _remarkable_columns(
    x: Shaped[np.ndarray, "samples columns"],
    rows: np.ndarray | None,
    target: tuple[np.ndarray, OutputRecord] | None,
) -> tuple[int | None, TellingColumn | None]:
    """Return `numbering` and `telling` of some rows that are trained on."""
    count = len(x) if rows is None else len(rows)
    drawn = drawn_rows(count, min(SAMPLES, max(FEW, VALUES // x.shape[1])))
    taken = x[drawn if rows is None else rows[drawn]].astype(np.float64)
    numbering = numbering_column(taken)
    if target is None:
        return numbering, None
    y, output = target
    targets = y.reshape(-1) if output.kind == "values" else class_indices(y)
    if targets is None or len(targets) != count:  # several numbers or classes for a sample
        return numbering, None
    return numbering, telling_column(taken, targets[drawn], output.kind != "values")
