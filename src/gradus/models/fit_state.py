"""The beginning and end of a training: the model's train state, history, and best weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from gradus.models.base import BaseModel
from gradus.nn.network import weights, with_weights
from gradus.objectives.metrics import needs_of
from gradus.optim.schedules import ReduceOnPlateau
from gradus.train.early_stopping import EarlyStopping
from gradus.train.history import History
from gradus.train.layer_statistics import recorded_paths
from gradus.train.state import TrainState, init_opt_states, init_train_state, params_of


def begin_fit(model: BaseModel, early_stopping: EarlyStopping, keep_best: bool) -> TrainState:
    """Return the state at the beginning of a built model's next training; prepare its history.

    The optimizer state and the number of epochs continue from the last training; the best epoch so
    far is forgotten.
    """
    history, (layers, trained) = model.history, recorded_paths(model.net)
    if (history.layers, history.weights) != (layers, trained):
        history.layers, history.weights, history.probes = layers, trained, {}
    history.stopped, history.best_epoch = "", 0
    state = model.train_state
    if state is None or sorted(state.params) != trained:  # new, or other layers are frozen now
        epoch = 0 if state is None else state.epoch
        state = init_train_state(model.net, model.optimizer, model.task, early_stopping, False)
        state = dataclasses.replace(state, epoch=np.int32(epoch))
    if _structure(model) != jax.tree.structure(state.opt_states):  # there is another optimizer
        opt_states = init_opt_states(model.optimizer, model.task, state.params)
        state = dataclasses.replace(state, opt_states=opt_states)
    state = dataclasses.replace(
        state,
        best=(state.params, state.model_state) if keep_best else None,
        stopping_state=early_stopping.init_state(),
        stopped=np.bool_(False),
        diverged=np.bool_(False),
    )
    rate, monitored = model.optimizer.learning_rate, (early_stopping.monitor, early_stopping.mode)
    if not isinstance(rate, ReduceOnPlateau) or not state.plateau_state:  # it may be another rate
        fresh = rate.init_state() if isinstance(rate, ReduceOnPlateau) else None
        state = dataclasses.replace(state, plateau_state=fresh)
    elif monitored != model.monitored:
        # The best value of another number says nothing about this one.
        plateau_state = rate.init_state() | {"scale": state.plateau_state["scale"]}
        state = dataclasses.replace(state, plateau_state=plateau_state)
    model.monitored = monitored
    return state


def _structure(model: BaseModel) -> Any:
    """Return the structure of the optimizer states of a model's training."""
    params = weights(model.net, "param")
    updates = model.task.updates()
    return jax.tree.structure(
        tuple(model.optimizer.shapes(params_of(params, layer)) for layer, _ in updates)
    )


def end_fit(
    model: BaseModel,
    train_state: TrainState,
    early_stopping: EarlyStopping,
    interrupted: bool = False,
) -> None:
    """Set the model's weights, the best if they were kept, and record how training ended."""
    history, stopping_state = model.history, train_state.stopping_state
    by_listener = history.stopped if history.stopped in ("callback", "fault") else ""
    history.stopped = ""  # whatever ended it before it was resumed
    if interrupted:
        history.stopped = "interrupted"
    elif bool(train_state.diverged):
        history.stopped = "diverged"
    elif bool(train_state.stopped):
        out_of_patience = int(stopping_state["wait"]) >= early_stopping.patience
        history.stopped = "patience" if out_of_patience else "target"
    else:
        history.stopped = by_listener
    for note in undefined_metrics(history, early_stopping):
        history.add_note(note)
    best_epoch = int(stopping_state["epoch"])
    if train_state.best is not None and best_epoch:
        # A diverged epoch is in the history but is not counted by the train state.
        since = train_state.epochs_begun - best_epoch
        history.best_epoch = history.epochs - since
        params, model_state = train_state.best
        train_state = dataclasses.replace(train_state, params=params, model_state=model_state)
    model.train_state = train_state
    model.net = with_weights(model.net, train_state.params | train_state.model_state)


def undefined_metrics(history: History, early_stopping: EarlyStopping) -> list[str]:
    """Return a note on each metric that was not a number in any epoch, and why."""
    if history.stopped == "diverged" or not history.epochs:
        return []
    notes = []
    for name, values in history.items():
        if values.ndim != 1 or not np.isnan(values).all():
            continue
        why = needs_of(name)
        note = f"{name} is not a number in any epoch" + (f": it needs {why}" if why else "")
        if name == early_stopping.monitor:
            note += "; no epoch is better than another by it, so early stopping did not act"
        notes.append(note)
    return notes
