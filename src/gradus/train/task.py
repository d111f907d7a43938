"""What is being learnt: how a network and a batch become a loss and metrics."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradus.errors import GradusError
from gradus.nn.activations import sigmoid, softmax
from gradus.nn.heads import Head
from gradus.nn.layer import Layer, walk
from gradus.nn.network import added_losses, forward
from gradus.nn.tree import pytree
from gradus.objectives import penalties
from gradus.objectives.loss import Loss
from gradus.objectives.metric import Metric

Sums = dict[str, Any]


class Batch(NamedTuple):
    """Some samples.

    Attributes:
        x: inputs, a tree of arrays `(batch, ...)`.
        y: targets, the same.
        weight: the weight of each sample in the loss, `(batch,)`, zero for one that only fills.
        present: 1 for a sample that counts, 0 for one that fills, `(batch,)`.
    """

    x: Any
    y: Any
    weight: jax.Array
    present: jax.Array


class Task(abc.ABC):
    """Turns a network and a batch into what the training program needs.

    A user's own task is a `gradus.nn.tree.pytree` class with `measure` and `finish`.
    """

    @abc.abstractmethod
    def measure(self, net: Layer, batch: Batch) -> tuple[jax.Array, Sums]:
        """Return the batch's loss, a scalar to minimise, and sums that add up over batches.

        Args:
            net: a fresh copy of the network, in training or not.
            batch: the samples.
        """

    @abc.abstractmethod
    def finish(self, sums: Sums) -> dict[str, jax.Array]:
        """Return the numbers of an epoch from its added sums; "loss" is one of them."""

    @abc.abstractmethod
    def names(self) -> list[str]:
        """Return the names of the numbers that `finish` returns."""

    def turns(self) -> tuple[tuple[str, Task], ...]:
        """Return who moves which weights in a step, one after the other.

        Each turn is a layer's path, whose weights alone are moved in it ("" for the whole
        network), and the task whose loss they go down. With more than one turn the sums of this
        task's own `measure` and `finish` are a tuple with those of each turn.
        """
        return (("", self),)

    def predict(self, heads: Any) -> Any:
        """Return what the network's outputs predict: the outputs themselves, unless it says else.

        Args:
            heads: what `gradus.nn.network.forward` returned.
        """
        return jax.tree.map(lambda head: predictions(None, head), heads, is_leaf=is_head)


@pytree
class Target:
    """What one output of a network is compared by.

    Attributes:
        loss: the loss of this output.
        metrics: what else is measured of it.
        weight: its share in the total loss.
    """

    loss: Loss
    metrics: tuple[Metric, ...] = ()
    weight: float = 1.0


@pytree
class Supervised(Task):
    """Inputs with known targets.

    The loss is `Σ_k weight_k · finish_k(Σ_i w_i l_ik / n) + penalties` over the outputs k and the
    n samples i, as in Keras. Of an output by step, `(batch, steps, ...)`, of masked sequences l_ik
    is the mean over the sample's real steps, so that each sequence counts the same; metrics count
    each real step as a sample of its own.

    Attributes:
        targets: a `Target`, or a dict or tuple of them as the network has outputs.
        penalty: a penalty on every kernel of the network, or None.
    """

    targets: Any
    penalty: Any = None

    def measure(self, net: Layer, batch: Batch) -> tuple[jax.Array, Sums]:
        """Return the weighted loss with penalties, and the sums of losses and metrics."""
        outputs = forward(net, batch.x)
        samples = jnp.sum(batch.present)
        penalty = penalise(net, self.penalty) + added(net, batch)
        value = penalty
        sums: Sums = {"samples": samples, "penalty": penalty * samples}
        for name, target, head, y in paired(self.targets, outputs, batch.y):
            losses = losses_of(target.loss, head, y)
            total = jnp.sum(batch.weight * losses)
            value = value + target.weight * target.loss.finish(total / samples)
            sums[name] = {"loss": total, "metrics": []}
            if target.metrics:
                rows = _rows(y, predictions(target.loss, head), batch.present, head.mask)
                sums[name]["metrics"] = [metric.update(*rows) for metric in target.metrics]
        return value, sums

    def predict(self, heads: Any) -> Any:
        """Return probabilities for outputs whose loss is about classes, else the outputs."""
        shown = [
            predictions(target.loss, head) for _, target, head, _ in paired(self.targets, heads)
        ]
        if isinstance(self.targets, Target):
            return shown[0]
        if isinstance(self.targets, dict):
            return dict(zip(self.targets, shown, strict=True))
        return tuple(shown)

    def names(self) -> list[str]:
        """Return "loss" and the metrics of one number, with several outputs as "name_metric"."""
        outputs = paired(self.targets)
        found = ["loss"]
        for name, target, _, _ in outputs:
            prefix = f"{name}_" if len(outputs) > 1 else ""
            found += [f"{prefix}loss"] if prefix else []
            found += [f"{prefix}{metric.name}" for metric in target.metrics if metric.scalar]
        return found

    def finish(self, sums: Sums) -> dict[str, jax.Array]:
        """Return "loss", each metric, and with several outputs those of each as "name_loss"."""
        samples = sums["samples"]
        found: dict[str, jax.Array] = {"loss": sums["penalty"] / samples}
        named = [(name, target) for name, target, _, _ in paired(self.targets)]
        for name, target in named:
            loss = target.loss.finish(sums[name]["loss"] / samples)
            found["loss"] = found["loss"] + target.weight * loss
            if len(named) > 1:
                found[f"{name}_loss"] = loss
            for metric, measured in zip(target.metrics, sums[name]["metrics"], strict=True):
                label = f"{name}_{metric.name}" if len(named) > 1 else metric.name
                found[label] = metric.finish(measured)
        return found


def is_head(part: Any) -> bool:
    """Return whether a part of a tree of heads is one."""
    return isinstance(part, Head)


def paired(targets: Any, outputs: Any = None, y: Any = None) -> list[tuple[str, Target, Any, Any]]:
    """Return the outputs one by one: name, target, head and true values.

    Raises:
        GradusError: if the losses do not match the network's outputs, or the true values.
    """
    if isinstance(targets, Target):
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


def losses_of(loss: Loss, head: Head, y: Any) -> jax.Array:
    """Return the loss of each sample, `(batch,)`, from the logits where those are meant.

    With a mask it is the mean over the sample's real steps.
    """
    if fused(loss, head.kind):
        return loss.per_sample_from_logits(y, head.logits, head.mask)
    return loss(y, predictions(loss, head), head.mask)


def _rows(y: Any, guessed: jax.Array, present: jax.Array, mask: Any) -> tuple[Any, Any, Any]:
    """Return what metrics count: targets, predictions and weights, by sample or by masked step."""
    if mask is None or not jnp.shape(y)[:2] == guessed.shape[:2] == mask.shape:
        return y, guessed, present
    rows = mask.size
    y, guessed = (jnp.reshape(a, (rows, *jnp.shape(a)[2:])) for a in (y, guessed))
    return y, guessed, (present[:, None] * mask).reshape(rows)


def predictions(loss: Loss | None, head: Head) -> jax.Array:
    """Return what the network predicts under a loss: probabilities where it is about classes."""
    if loss is not None and fused(loss, head.kind):
        return _LINKS[loss.link](head.logits)
    return _ENDS[head.kind](head.logits)


def fused(loss: Loss, kind: str) -> bool:
    """Return whether a head of this kind and the loss meet in the logits."""
    return kind in _FUSED.get(loss.link, ())


def penalise(net: Layer, penalty: Any = None) -> jax.Array:
    """Return the sum of a network's penalties.

    A layer's attribute `kernel_regularizer` penalises its weight `kernel`, and so for any name.

    Args:
        net: the network.
        penalty: one more penalty, on every trained weight of two axes or more.
    """
    total = jnp.float32(0)
    for _, layer in walk(net):
        for name, kind in layer.__dict__.get("_weights", {}).items():
            if kind != "param":
                continue
            value = getattr(layer, name)
            for rule in (layer.__dict__.get(f"{name}_regularizer"), penalty):
                if rule is not None and (rule is not penalty or value.ndim > 1):
                    total = total + penalties.get(rule)(value)
    return total


def added(net: Layer, batch: Batch) -> jax.Array:
    """Return what the layers of a fresh copy, having been called, add to the loss of a batch."""
    total = jnp.float32(0)
    for value in added_losses(net):
        each = jnp.ndim(value) == 1
        total = total + (jnp.vdot(value, batch.weight) / jnp.sum(batch.present) if each else value)
    return total


def constrain(net: Layer, params: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Return the weights with each layer's `kernel_constraint` and the like applied."""
    changed = dict(params)
    for path, layer in walk(net):
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
