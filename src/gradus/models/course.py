"""How a model enters a training and comes out of it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from gradus.nn.network import replace
from gradus.optim.schedules import ReduceOnPlateau
from gradus.train import probes
from gradus.train.program import Carry, start
from gradus.train.stopping import Stopping

if TYPE_CHECKING:
    from gradus.models.model import Model


def begin(model: Model, stopping: Stopping, keep_best: bool) -> Carry:
    """Return the carry that a built model's next training begins with, and ready its history.

    The optimiser's memory and the count of epochs go on from the last training; what was best is
    forgotten.
    """
    history, (layers, trained) = model.history, probes.names(model.net)
    if (history.layers, history.weights) != (layers, trained):
        history.layers, history.weights, history.probes = layers, trained, {}
    history.stopped, history.best_epoch = "", 0
    carry = model._carry
    if carry is None or sorted(carry.params) != trained:  # new, or frozen otherwise than before
        epoch = 0 if carry is None else carry.epoch
        carry = start(model.net, model.optimizer, model.task, stopping, False)
        carry = dataclasses.replace(carry, epoch=np.int32(epoch))
    best = (carry.params, carry.state) if keep_best else None
    never = np.bool_(False)
    carry = dataclasses.replace(
        carry, best=best, stopping=stopping.start(), stopped=never, failed=never
    )
    rate, watched = model.optimizer.learning_rate, (stopping.monitor, stopping.mode)
    if isinstance(rate, ReduceOnPlateau) and watched != model._watched and carry.plateau:
        # What was best of another number is no measure of this one.
        anew = rate.start() | {"scale": carry.plateau["scale"]}
        carry = dataclasses.replace(carry, plateau=anew)
    model._watched = watched
    return carry


def conclude(model: Model, carry: Carry, stopping: Stopping, interrupted: bool = False) -> None:
    """Take the weights over, the best where they were kept, and note how training ended."""
    history = model.history
    if interrupted:
        history.stopped = "interrupted"
    elif bool(carry.failed):
        history.stopped = "diverged"
    elif bool(carry.stopped):
        waited = int(carry.stopping["wait"]) >= stopping.patience
        history.stopped = "patience" if waited else "target"
    model._carry = carry
    params, state = carry.params, carry.state
    if carry.best is not None and int(carry.stopping["epoch"]):
        # A diverged epoch is in the history but not in the carry's count.
        since = int(carry.epoch - carry.stopping["epoch"]) + int(carry.failed)
        history.best_epoch = history.epochs - since
        params, state = carry.best
        model._carry = dataclasses.replace(carry, params=params, state=state)
    model.net = replace(model.net, params | state)
