"""The record of an experiment after its training, which symptoms read."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.diagnosis.record import Record
from gradus.diagnosis.training import make_training_record
from gradus.models.base import BaseModel
from gradus.nn.layer import Layer
from gradus.nn.network import forward, fresh, recorded
from gradus.train.task import Supervised, Task, penalty_loss
from gradus.train.training_program import FitConfig

if TYPE_CHECKING:
    from jaxtyping import PyTree, Shaped

PROBED = 512  # samples on which silent units are confirmed
SUSPECT = 0.5  # the share of a layer's units, silent on the last batch, from which they are


def complete_record(
    model: BaseModel,
    task: Task,
    record: Record,
    config: FitConfig,
    x: PyTree[Shaped[np.ndarray, "samples ..."]],
    divergence: tuple[str, str] | None,
) -> Record:
    """Return the record of an experiment with its training.

    Args:
        model: the trained model.
        task: what it learned.
        record: of the experiment before the training.
        config: how much was trained.
        x: all inputs.
        divergence: where the training diverged, and what to try.
    """
    net = model.net
    penalty = float(penalty_loss(net, task.penalty)) if isinstance(task, Supervised) else 0.0
    training = make_training_record(model.history, penalty, divergence=divergence)
    if any(training.silent_share(layer.path) > SUSPECT for layer in record.layers):
        training = dataclasses.replace(training, silent=silent_shares(net, x))
    settings = record.settings and dataclasses.replace(
        record.settings, batch_size=config.batch_size or 0, epochs=config.epochs
    )
    return dataclasses.replace(record, settings=settings, training=training)


def silent_shares(net: Layer, x: PyTree[Shaped[np.ndarray, "samples ..."]]) -> dict[str, float]:
    """Return the share of each layer's units that are zero on `PROBED` samples, by path."""
    count = len(jax.tree.leaves(x)[0])
    rows = np.linspace(0, count - 1, min(count, PROBED)).astype(int)

    @jax.jit
    def compute(net: Layer, x: Any) -> dict[str, Any]:
        copy = fresh(net, recording=True)
        forward(copy, x)
        return {
            path: jnp.mean(jnp.all(output == 0, axis=tuple(range(output.ndim - 1))))
            for path, output in recorded(copy)[1].items()
            if isinstance(output, jax.Array)
        }

    shares = compute(net, jax.tree.map(lambda a: a[rows], x))
    return {path: float(share) for path, share in shares.items()}
