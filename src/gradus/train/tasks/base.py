"""What is learned: how a network and a batch become a loss and metrics."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from gradus.checks import as_result
from gradus.errors import GradusError, ShapeError
from gradus.nn import penalties
from gradus.nn.activations import sigmoid, softmax
from gradus.nn.heads import Head
from gradus.nn.layer import Layer, named_layers, named_layers_trained
from gradus.nn.network import added_losses, forward
from gradus.nn.pytree import pytree
from gradus.objectives.loss import Loss, takes_logits
from gradus.objectives.metric import Metric
from gradus.train.batches import Batch

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree, Shaped

# Sums over a batch, which add up over batches: a tree of float32 arrays, often a dict by name.
Accumulators = Any


class Task(abc.ABC):
    """Turns a network and a batch into a loss and accumulators for the training program.

    A task of your own is a `gradus.nn.pytree.pytree` class with `measure`, `compute`, and
    `metric_names`.
    """

    @abc.abstractmethod
    def measure(self, net: Layer, batch: Batch) -> tuple[Float[Array, ""], Accumulators]:
        """Return the loss of a batch, which is minimized, and the batch's accumulators.

        Args:
            net: a fresh copy of the network, in training or not.
            batch: the samples.
        """

    @abc.abstractmethod
    def compute(self, accumulators: Accumulators) -> dict[str, Shaped[Array, "..."]]:
        """Return the loss and the metrics from added accumulators; "loss" is one of them."""

    @abc.abstractmethod
    def metric_names(self) -> list[str]:
        """Return the names of the numbers that `compute` returns."""

    def updates(self) -> tuple[tuple[str, Task], ...]:
        """Return the updates of a step, one after the other: which weights follow which loss.

        Each is the path of a layer, the only one whose weights are updated ("" for the whole
        network), and the task whose loss they minimize. With more than one update, the accumulators
        of this task's own `measure` and `compute` are a tuple with those of each update.
        """
        return (("", self),)

    def predict(self, heads: PyTree[Head]) -> PyTree[Shaped[Array, "batch ..."]]:
        """Return the predictions made from a network's outputs: by default the outputs.

        Args:
            heads: what `gradus.nn.network.forward` returned.
        """
        return jax.tree.map(lambda head: predictions(None, head), heads, is_leaf=is_head)


@pytree
class OutputObjective:
    """The loss and the metrics of one output of a network.

    Attributes:
        loss: the loss of this output.
        metrics: its metrics.
        weight: the factor of its loss in the total loss.
    """

    loss: Loss
    metrics: tuple[Metric, ...] = ()
    weight: float = 1.0


@pytree
class Supervised(Task):
    """Inputs with known targets.

    The loss is `Σ_k weight_k · finalize_k(Σ_i w_i l_ik / n) + penalties` over the outputs k and
    the n samples i, as in Keras. For an output with steps, `(batch, steps, ...)`, of masked
    sequences, l_ik is the mean over the real steps of the sample, so each sequence counts the
    same; metrics count each real step as a sample.

    Attributes:
        objectives: an `OutputObjective`, or a dict or tuple of them, one for each output.
        penalty: a penalty on every trained weight of two axes or more, or None.
    """

    objectives: Any
    penalty: Any = None

    def measure(self, net: Layer, batch: Batch) -> tuple[Float[Array, ""], Accumulators]:
        """Return the weighted loss with penalties, and the sums of losses and metrics."""
        heads = forward(net, batch.x)
        count = jnp.sum(batch.present)
        penalty = penalty_loss(net, self.penalty) + layer_losses(net, batch)
        loss = penalty
        accumulators: Accumulators = {"samples": count, "penalty": penalty * count}
        for name, objective, head, targets in zip_outputs(self.objectives, heads, batch.y):
            y = objective.loss.align(targets, head.logits.shape)
            losses = per_sample_losses(objective.loss, head, y)  # (batch,)
            total = jnp.sum(batch.weight * losses)
            loss = loss + objective.weight * objective.loss.finalize(total / count)
            accumulators[name] = {"loss": total, "metrics": []}
            for metric in objective.metrics:
                judged = _judged(metric, objective.loss, head)
                rows = _metric_rows(y, judged, batch.present, head.mask)
                accumulators[name]["metrics"].append(metric.update(*rows))
        return loss, accumulators

    def predict(self, heads: PyTree[Head]) -> PyTree[Shaped[Array, "batch ..."]]:
        """Return probabilities for outputs whose loss is about classes, else the outputs."""
        predicted = [
            predictions(objective.loss, head)
            for _, objective, head, _ in zip_outputs(self.objectives, heads)
        ]
        if isinstance(self.objectives, OutputObjective):
            return predicted[0]
        if isinstance(self.objectives, dict):
            return dict(zip(self.objectives, predicted, strict=True))
        return tuple(predicted)

    def metric_names(self) -> list[str]:
        """Return "loss" and the metrics of one number, with several outputs as "name_metric"."""
        outputs = zip_outputs(self.objectives)
        names = ["loss"]
        for name, objective, _, _ in outputs:
            prefix = f"{name}_" if len(outputs) > 1 else ""
            names += [f"{prefix}loss"] if prefix else []
            names += [f"{prefix}{metric.name}" for metric in objective.metrics if metric.scalar]
        return names

    def compute(self, accumulators: Accumulators) -> dict[str, Shaped[Array, "..."]]:
        """Return "loss", each metric, and with several outputs those of each as "name_loss"."""
        count = accumulators["samples"]
        computed: dict[str, jax.Array] = {"loss": accumulators["penalty"] / count}
        outputs = zip_outputs(self.objectives)
        for name, objective, _, _ in outputs:
            loss = objective.loss.finalize(accumulators[name]["loss"] / count)
            computed["loss"] = computed["loss"] + objective.weight * loss
            if len(outputs) > 1:
                computed[f"{name}_loss"] = loss
            for metric, sums in zip(objective.metrics, accumulators[name]["metrics"], strict=True):
                label = f"{name}_{metric.name}" if len(outputs) > 1 else metric.name
                computed[label] = metric.compute(sums)
        return computed


def is_head(node: Any) -> bool:
    """Return whether a node of a tree is a head; an `is_leaf` for trees of heads."""
    return isinstance(node, Head)


def zip_outputs(
    objectives: Any,
    heads: PyTree[Head] | None = None,
    y: PyTree[Shaped[Any, "samples ..."]] | None = None,
) -> list[tuple[str, OutputObjective, Any, Any]]:
    """Return the outputs one by one: name, objective, head and targets.

    Raises:
        GradusError: if the losses do not match the network's outputs, or the targets.
    """
    if isinstance(objectives, OutputObjective):
        if heads is not None and not isinstance(heads, Head):
            raise GradusError(
                f"The network has {len(heads)} outputs but one loss was given: give a "
                f"{type(heads).__name__} of losses, one for each."
            )
        return [("output", objectives, heads, y)]
    keys = list(objectives) if isinstance(objectives, dict) else list(range(len(objectives)))
    for kind, parts in (("outputs", heads), ("targets y", y)):
        if parts is None:
            continue
        own_keys = list(parts) if isinstance(parts, dict) else list(range(len(parts)))
        if isinstance(parts, Head) or set(own_keys) != set(keys):
            raise GradusError(f"The losses are for {keys} but the {kind} are {own_keys}.")
    return [
        (
            key if isinstance(key, str) else f"output_{key}",
            objectives[key],
            None if heads is None else heads[key],
            None if y is None else y[key],
        )
        for key in keys
    ]


def per_sample_losses(loss: Loss, head: Head, y: Shaped[Any, "batch ..."]) -> Float[Array, "batch"]:
    """Return the loss of each sample, from the logits if loss and activation allow it.

    With a mask it is the mean over the sample's real steps.
    """
    if takes_logits(loss.link, head.activation):
        return loss.per_sample_from_logits(y, head.logits, head.mask)
    return loss(y, predictions(loss, head), head.mask)


def _metric_rows(
    y: Shaped[Any, "batch ..."],
    predicted: Shaped[Array, "batch ..."],
    present: Float[Any, "batch"],
    mask: Shaped[Any, "batch steps"] | None,
) -> tuple[Shaped[Any, "rows ..."], Shaped[Array, "rows ..."], Float[Any, "rows"]]:
    """Return the targets, predictions and weights that metrics count, by sample or masked step."""
    if mask is None or not jnp.shape(y)[:2] == predicted.shape[:2] == mask.shape:
        return y, predicted, present
    rows = mask.size
    y, predicted = (jnp.reshape(a, (rows, *jnp.shape(a)[2:])) for a in (y, predicted))
    return y, predicted, (present[:, None] * mask).reshape(rows)


def _judged(metric: Metric, loss: Loss, head: Head) -> Float[Array, "batch ..."]:
    """Return the predictions, or the logits of classes where these are enough."""
    chooses = loss.link == "softmax" and metric.takes_largest
    if chooses and takes_logits(loss.link, head.activation):
        return head.logits
    return predictions(loss, head)


def predictions(loss: Loss | None, head: Head) -> Float[Array, "batch ..."]:
    """Return what the network predicts under a loss: probabilities if it is about classes."""
    if loss is not None and takes_logits(loss.link, head.activation):
        return _LINKS[loss.link](head.logits)
    end = _ENDS.get(head.activation)
    return head.logits if end is None else end(head.logits)


def penalty_loss(net: Layer, penalty: Any = None) -> Float[Array, ""]:
    """Return the sum of a network's penalties.

    A layer's attribute `kernel_regularizer` penalizes its weight `kernel`, and so for any name.

    Args:
        net: the network.
        penalty: one more penalty, on every trained weight of two axes or more.
    """
    total = jnp.float32(0)
    for rule, weight in _penalized(net, penalty):
        total = total + _one_number(penalties.get(rule), weight)
    return total


def is_penalized(net: Layer, penalty: Any = None) -> bool:
    """Return whether `penalty_loss` has a weight to penalize."""
    return next(_penalized(net, penalty), None) is not None


def _penalized(net: Layer, penalty: Any) -> Iterator[tuple[Any, Float[Array, "..."]]]:
    """Yield each penalty with the weight that it penalizes; none of frozen layers, as in Keras."""
    for _, layer, trained in named_layers_trained(net):
        for name, kind in layer.__dict__.get("_weights", {}).items():
            if kind != "param" or not trained:
                continue
            value = getattr(layer, name)
            for rule in (layer.__dict__.get(f"{name}_regularizer"), penalty):
                if rule is not None and (rule is not penalty or value.ndim > 1):
                    yield rule, value


def _one_number(penalty: penalties.Penalty, weight: Float[Array, "..."]) -> Float[Array, ""]:
    """Return the penalty of a weight.

    Raises:
        ShapeError: if it is several numbers, as with a vector for its strength.
    """
    value = penalty(weight)
    if jnp.shape(value) != ():
        raise ShapeError(
            f"{type(penalty).__name__} returned {as_result(value)} for a weight of shape "
            f"{tuple(weight.shape)}; it must return one number. To try several strengths write "
            "gr.choice(…)."
        )
    return value


def layer_losses(net: Layer, batch: Batch) -> Float[Array, ""]:
    """Return what the layers of a fresh copy that was called add to the loss of a batch."""
    total = jnp.float32(0)
    for loss in added_losses(net):
        per_sample = jnp.ndim(loss) == 1
        mean = jnp.vdot(loss, batch.weight) / jnp.sum(batch.present) if per_sample else loss
        total = total + mean
    return total


def apply_constraints(
    net: Layer, params: dict[str, Float[Any, "..."]]
) -> dict[str, Float[Any, "..."]]:
    """Return the weights with each layer's constraints applied, such as `kernel_constraint`."""
    changed = dict(params)
    for path, layer in named_layers(net):
        for name in layer.__dict__.get("_weights", {}):
            rule = layer.__dict__.get(f"{name}_constraint")
            where = f"{path}/{name}" if path else name
            if rule is not None and where in changed:
                changed[where] = penalties.get_constraint(rule).project(changed[where])
    return changed


_LINKS: dict[str | None, Callable[..., jax.Array]] = {"softmax": softmax, "sigmoid": sigmoid}
_ENDS = {
    "softmax": softmax,
    "log_softmax": jax.nn.log_softmax,
    "sigmoid": sigmoid,
}
