"""What is learned: how a network and a batch become a loss and metrics."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from gradus.errors import GradusError
from gradus.nn.activations import sigmoid, softmax
from gradus.nn.heads import Head
from gradus.nn.layer import Layer, named_layers
from gradus.nn.network import added_losses, forward
from gradus.nn.pytree import pytree
from gradus.objectives import penalties
from gradus.objectives.loss import Loss
from gradus.objectives.metric import Metric
from gradus.train.batches import Batch

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree, Shaped

# Sums over a batch, which add up over batches: a tree of float32 arrays.
Accumulators = dict[str, Any]


class Task(abc.ABC):
    """Turns a network and a batch into what the training program needs.

    A user's own task is a `gradus.nn.pytree.pytree` class with `measure`, `compute`, and
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

        Each is the path of a layer, whose weights alone are moved ("" for the whole network), and
        the task whose loss they minimize. With more than one update, the accumulators of this
        task's own `measure` and `compute` are a tuple with those of each update.
        """
        return (("", self),)

    def predict(self, heads: PyTree[Head]) -> PyTree[Shaped[Array, "batch ..."]]:
        """Return the predictions that a network's outputs stand for: by default the outputs.

        Args:
            heads: what `gradus.nn.network.forward` returned.
        """
        return jax.tree.map(lambda head: predictions(None, head), heads, is_leaf=is_head)


@pytree
class OutputObjective:
    """How one output of a network is judged.

    Attributes:
        loss: the loss of this output.
        metrics: what else is measured of it.
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
        penalty: a penalty on every kernel of the network, or None.
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
        for name, objective, head, y in zip_outputs(self.objectives, heads, batch.y):
            losses = per_sample_losses(objective.loss, head, y)  # (batch,)
            total = jnp.sum(batch.weight * losses)
            loss = loss + objective.weight * objective.loss.finalize(total / count)
            accumulators[name] = {"loss": total, "metrics": []}
            if objective.metrics:
                rows = _metric_rows(y, predictions(objective.loss, head), batch.present, head.mask)
                accumulators[name]["metrics"] = [
                    metric.update(*rows) for metric in objective.metrics
                ]
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
            measured = zip(objective.metrics, accumulators[name]["metrics"], strict=True)
            for metric, sums in measured:
                label = f"{name}_{metric.name}" if len(outputs) > 1 else metric.name
                computed[label] = metric.compute(sums)
        return computed


def is_head(part: Any) -> bool:
    """Return whether a part of a tree of heads is one."""
    return isinstance(part, Head)


def zip_outputs(
    targets: Any, outputs: Any = None, y: Any = None
) -> list[tuple[str, OutputObjective, Any, Any]]:
    """Return the outputs one by one: name, target, head and true values.

    Raises:
        GradusError: if the losses do not match the network's outputs, or the true values.
    """
    if isinstance(targets, OutputObjective):
        if outputs is not None and not isinstance(outputs, Head):
            raise GradusError(
                f"The network has {len(outputs)} outputs but one loss was given: give a "
                f"{type(outputs).__name__} of losses, one for each."
            )
        return [("output", targets, outputs, y)]
    keys = list(targets) if isinstance(targets, dict) else list(range(len(targets)))
    for what, given in (("outputs", outputs), ("targets y", y)):
        if given is None:
            continue
        have = list(given) if isinstance(given, dict) else list(range(len(given)))
        if isinstance(given, Head) or set(have) != set(keys):
            raise GradusError(f"The losses are for {keys} but the {what} are {have}.")
    return [
        (
            key if isinstance(key, str) else f"output_{key}",
            targets[key],
            None if outputs is None else outputs[key],
            None if y is None else y[key],
        )
        for key in keys
    ]


def per_sample_losses(loss: Loss, head: Head, y: Any) -> jax.Array:
    """Return the loss of each sample, `(batch,)`, from the logits where those are meant.

    With a mask it is the mean over the sample's real steps.
    """
    if takes_logits(loss, head.activation):
        return loss.per_sample_from_logits(y, head.logits, head.mask)
    return loss(y, predictions(loss, head), head.mask)


def _metric_rows(y: Any, guessed: jax.Array, present: jax.Array, mask: Any) -> tuple[Any, Any, Any]:
    """Return what metrics count: targets, predictions and weights, by sample or by masked step."""
    if mask is None or not jnp.shape(y)[:2] == guessed.shape[:2] == mask.shape:
        return y, guessed, present
    rows = mask.size
    y, guessed = (jnp.reshape(a, (rows, *jnp.shape(a)[2:])) for a in (y, guessed))
    return y, guessed, (present[:, None] * mask).reshape(rows)


def predictions(loss: Loss | None, head: Head) -> jax.Array:
    """Return what the network predicts under a loss: probabilities where it is about classes."""
    if loss is not None and takes_logits(loss, head.activation):
        return _LINKS[loss.link](head.logits)
    return _ENDS[head.activation](head.logits)


def takes_logits(loss: Loss, kind: str) -> bool:
    """Return whether a head of this kind and the loss meet in the logits."""
    return kind in _FUSED.get(loss.link, ())


def penalty_loss(net: Layer, penalty: Any = None) -> jax.Array:
    """Return the sum of a network's penalties.

    A layer's attribute `kernel_regularizer` penalises its weight `kernel`, and so for any name.

    Args:
        net: the network.
        penalty: one more penalty, on every trained weight of two axes or more.
    """
    total = jnp.float32(0)
    for _, layer in named_layers(net):
        for name, kind in layer.__dict__.get("_weights", {}).items():
            if kind != "param":
                continue
            value = getattr(layer, name)
            for rule in (layer.__dict__.get(f"{name}_regularizer"), penalty):
                if rule is not None and (rule is not penalty or value.ndim > 1):
                    total = total + penalties.get(rule)(value)
    return total


def layer_losses(net: Layer, batch: Batch) -> jax.Array:
    """Return what the layers of a fresh copy, having been called, add to the loss of a batch."""
    total = jnp.float32(0)
    for value in added_losses(net):
        each = jnp.ndim(value) == 1
        total = total + (jnp.vdot(value, batch.weight) / jnp.sum(batch.present) if each else value)
    return total


def apply_constraints(net: Layer, params: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Return the weights with each layer's `kernel_constraint` and the like applied."""
    changed = dict(params)
    for path, layer in named_layers(net):
        for name in layer.__dict__.get("_weights", {}):
            rule = layer.__dict__.get(f"{name}_constraint")
            where = f"{path}/{name}" if path else name
            if rule is not None and where in changed:
                changed[where] = penalties.get_constraint(rule).project(changed[where])
    return changed


_FUSED: dict[str | None, tuple[str, ...]] = {
    "softmax": ("softmax", "log_softmax", "linear"),
    "sigmoid": ("sigmoid", "linear"),
}
_LINKS: dict[str | None, Callable[..., jax.Array]] = {"softmax": softmax, "sigmoid": sigmoid}
_ENDS = {
    "softmax": softmax,
    "log_softmax": jax.nn.log_softmax,
    "sigmoid": sigmoid,
    "linear": lambda logits: logits,
}
