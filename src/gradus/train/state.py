"""The train state: all that training changes, such as weights and optimizer state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.nn.layer import Layer
from gradus.nn.network import weights, with_weights
from gradus.nn.pytree import pytree
from gradus.optim.base import Optimizer
from gradus.optim.schedules import ReduceOnPlateau
from gradus.train.early_stopping import EarlyStopping, EarlyStoppingState
from gradus.train.tasks.base import Task

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

# Weights by path, such as "dense_1/kernel"; NumPy arrays on the host, until a program runs.
Params = dict[str, jax.Array | np.ndarray]
OptState = Any  # a tree of arrays, as `Optimizer.init` returns it
# Trained weights, the other weights, and the optimizer state of each update of the task.
StepState = tuple[Params, Params, tuple[OptState, ...]]


@pytree
class TrainState:
    """All that training changes; a checkpoint holds it and the history.

    Attributes:
        epoch: how many epochs are done.
        params: the trained weights by path.
        model_state: the other weights by path, such as running statistics.
        opt_states: the optimizer state, one for each update of the task.
        plateau_state: the state of a `ReduceOnPlateau`, or None.
        stopping_state: the state of early stopping.
        best: `params` and `model_state` of the best epoch, or None.
        stopped: whether training ended before its last epoch.
        diverged: whether it ended because the loss or a weight was no longer finite.
    """

    epoch: Int[Any, ""]
    params: Params
    model_state: Params
    opt_states: tuple[OptState, ...]
    plateau_state: dict[str, Any] | None
    stopping_state: EarlyStoppingState
    best: tuple[Params, Params] | None
    stopped: Bool[Any, ""]
    diverged: Bool[Any, ""]

    @property
    def epochs_begun(self) -> int:
        """How many epochs have begun: those that are done, and the one that diverged."""
        return int(self.epoch) + int(self.diverged)

    @property
    def learning_rate_scale(self) -> Float[Any, ""]:
        """What the learning rate is multiplied by: 1, or less on a plateau."""
        return jnp.float32(1) if self.plateau_state is None else self.plateau_state["scale"]


def init_train_state(
    net: Layer, optimizer: Optimizer, task: Task, early_stopping: EarlyStopping, keep_best: bool
) -> TrainState:
    """Return the state before the first epoch."""
    params, model_state = weights(net, "param"), weights(net, "state")
    plateau = optimizer.learning_rate
    return TrainState(
        epoch=np.int32(0),
        params=params,
        model_state=model_state,
        opt_states=init_opt_states(optimizer, task, params),
        plateau_state=plateau.init_state() if isinstance(plateau, ReduceOnPlateau) else None,
        stopping_state=early_stopping.init_state(),
        best=(params, model_state) if keep_best else None,
        stopped=np.bool_(False),
        diverged=np.bool_(False),
    )


def init_opt_states(optimizer: Optimizer, task: Task, params: Params) -> tuple[OptState, ...]:
    """Return the optimizer state before the first step, one for each update of the task."""
    return tuple(optimizer.init(params_of(params, layer)) for layer, _ in task.updates())


def params_of(params: Params, layer: str) -> Params:
    """Return the weights below the path of a layer; "" is the whole network."""
    return {path: w for path, w in params.items() if not layer or path.startswith(f"{layer}/")}


def without_weights(net: Layer) -> Layer:
    """Return `net` without its weights, which `TrainState` holds: structure and hyperparameters."""
    return with_weights(net, dict.fromkeys(weights(net)))
