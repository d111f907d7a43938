"""A training in trackers: its settings, its epochs as they end, and how it ended."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gradus.checks import is_number
from gradus.init_args import init_args, is_configurable
from gradus.models.base import BaseModel
from gradus.nn.layer import Layer
from gradus.nn.layers.containers import Sequential
from gradus.tracking.tracker import Setting
from gradus.tracking.tracking import Tracking
from gradus.train.early_stopping import EarlyStopping
from gradus.train.history import History
from gradus.train.state import TrainState
from gradus.train.training_program import FitConfig


class TrackedFit:
    """A listener that logs the epochs of a training.

    It is called after each call of the program, as others are, and logs all epochs of that call.

    Args:
        tracking: the trackers.
        model: the model.
        config: how much is trained.
        early_stopping: when it ends early.
        resumed: whether from a checkpoint: then the epochs before it are logged, too.
    """

    def __init__(
        self,
        tracking: Tracking,
        model: BaseModel,
        config: FitConfig,
        early_stopping: EarlyStopping,
        resumed: bool,
    ) -> None:
        self.tracking, self.model = tracking, model
        self._logged = 0 if resumed else model.history.epochs
        if tracking:
            patience = float(early_stopping.patience)
            training = {
                "batch_size": config.batch_size or "all",
                "epochs": config.epochs,
                "patience": int(patience) if math.isfinite(patience) else None,
                "monitor": early_stopping.monitor,
                "shuffle_seed": config.shuffle_seed,
            }
            tracking.begin("", plain_settings(model.settings | training))

    def __call__(self, train_state: TrainState, history: History) -> bool:
        """Log the epochs since the last call."""
        log_epochs(self.tracking, history, self._logged)
        self._logged = history.epochs
        return False

    def end(self) -> None:
        """End the run; a tracker that failed is a note of the history."""
        history = self.model.history
        log_epochs(self.tracking, history, self._logged)  # of a resumed one that had ended
        self.tracking.end(status_of(history), [each.note for each in history.findings or ()])
        self.tracking.finish()
        for note in self.tracking.notes:
            history.add_note(note)


def log_epochs(tracking: Tracking, history: History, first: int) -> None:
    """Log the epochs of a history from number `first` on, counted from 0."""
    if not tracking:
        return
    curves = {name: values for name, values in history.items() if values.ndim == 1}
    for index in range(first, history.epochs):
        tracking.log(index + 1, {name: float(values[index]) for name, values in curves.items()})


def status_of(history: History) -> str:
    """Return the status of a training that has ended; early stopping finishes it, too."""
    return history.stopped if history.stopped in ("diverged", "interrupted") else "finished"


def plain_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Setting]:
    """Return settings as plain values by dotted names; what is not set is left out.

    Examples:
        >>> from gradus.models.tracked_fit import plain_settings
        >>> plain_settings({"net": gr.Sequential([gr.Dense(2)]), "optimizer": gr.SGD(0.1)})
        {'net.0': 'Dense(units=2)', 'optimizer': 'SGD', 'optimizer.learning_rate': 0.1}
    """
    flat: dict[str, Setting] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Sequential):
            flat |= {f"{name}.{index}": repr(layer) for index, layer in enumerate(value.layers)}
        elif isinstance(value, Layer):
            flat[name] = repr(value)
        elif is_configurable(value):
            flat[name] = type(value).__name__
            flat |= plain_settings(dict(init_args(value)), f"{name}.")
        elif isinstance(value, Mapping):
            flat |= plain_settings(value, f"{name}.")
        elif value is not None and (not isinstance(value, list | tuple) or value):
            flat[name] = _plain(value)
    return flat


def _plain(value: Any) -> Setting:
    """Return a value, or a text for it, as MLflow and others take it."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(str(_plain(item)) for item in value)
    if is_number(value):
        plain: int | float = value.item()
        return plain
    return getattr(value, "__name__", None) or repr(value)
