"""What `fit` calls after each epoch: functions, and objects in the form of Keras's callbacks."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gradus.checks import as_items
from gradus.errors import GradusError
from gradus.foreign_names.lookup import meaning_here
from gradus.nn.network import with_weights
from gradus.optim.base import Optimizer
from gradus.tracking.tracker import is_tracker
from gradus.train.history import History
from gradus.train.loop import Listener
from gradus.train.state import TrainState

WHAT = "a callback is a function f(model, epoch, logs), called after each epoch"
METHODS = "its methods are on_epoch_end(epoch, logs), on_train_begin(logs), on_train_end(logs)"
# What an object may have, with the arguments it is called with.
_CALLED: dict[str, tuple[Any, ...]] = {
    "on_epoch_end": (0, {}),
    "on_train_begin": ({},),
    "on_train_end": ({},),
}
# Other methods of Keras's callbacks, which belong to what happens within the compiled program.
_WITHIN = (
    *("on_epoch_begin", "on_batch_begin", "on_batch_end", "on_train_batch_begin"),
    *("on_train_batch_end", "on_test_begin", "on_test_end"),
)


# Callbacks of Keras that change the weights or the rate of a model of Keras, or need TensorFlow.
_OF_KERAS = (
    *("BackupAndRestore", "LearningRateScheduler", "ModelCheckpoint", "ReduceLROnPlateau"),
    "TensorBoard",
)


class Callback(Protocol):
    """What is called in the course of a training; `model` is a `gr.Model`."""

    def begin(self, model: Any) -> None:
        """Called before the first epoch."""

    def end_epoch(self, model: Any, epoch: int, logs: Mapping[str, float]) -> bool:
        """Called after each epoch, counted from 1; returns whether to end the training."""

    def end(self, model: Any) -> None:
        """Called after the last epoch."""


class FunctionCallback:
    """A function `f(model, epoch, logs)` as a callback."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def begin(self, model: Any) -> None:
        """Do nothing."""

    def end_epoch(self, model: Any, epoch: int, logs: Mapping[str, float]) -> bool:
        """Call the function."""
        return bool(self.function(model, epoch, logs))

    def end(self, model: Any) -> None:
        """Do nothing."""


class ObjectCallback:
    """An object with `on_epoch_end(epoch, logs)` as a callback, such as one of Keras's.

    As in Keras, it is told its model as `model`, or by `set_model`, and counts epochs from 0.
    """

    def __init__(self, callback: Any) -> None:
        self.callback = callback

    def begin(self, model: Any) -> None:
        """Tell the object its model, and note which of its methods are not called."""
        if hasattr(self.callback, "set_model"):
            self.callback.set_model(model)
        else:
            with contextlib.suppress(AttributeError):  # an object may have fixed attributes
                self.callback.model = model
        kind = type(self.callback)
        if names := [name for name in _WITHIN if _is_own(kind, name)]:
            model.history.add_note(
                f"the callback {kind.__name__} has {' and '.join(names)}, never called here: an "
                "epoch is one compiled program"
            )
        self._call("on_train_begin", {})

    def end_epoch(self, model: Any, epoch: int, logs: Mapping[str, float]) -> bool:
        """Call `on_epoch_end`."""
        return bool(self._call("on_epoch_end", epoch - 1, dict(logs)))

    def end(self, model: Any) -> None:
        """Call `on_train_end`."""
        self._call("on_train_end", {})

    def _call(self, name: str, *arguments: Any) -> Any:
        if not hasattr(self.callback, name):
            return None
        return getattr(self.callback, name)(*arguments)


def _is_own(kind: type, name: str) -> bool:
    """Return whether a class does something in a method; Keras's base class does nothing."""
    owner = next((base for base in kind.__mro__ if name in vars(base)), None)
    return owner is not None and owner.__name__ != "Callback"


class Callbacks:
    """All callbacks of a training, as one listener of it.

    Args:
        given: functions `f(model, epoch, logs)` or objects; one may stand alone.

    Raises:
        GradusError: for anything else, or a function or method with other parameters.
    """

    def __init__(self, given: Any) -> None:
        alone = callable(given) or hasattr(given, "on_epoch_end")
        alone = alone or is_tracker(given)
        several = [given] if alone else [] if given is None else as_items(given)
        if several is None:
            raise GradusError(f"callbacks={given!r}: {WHAT}; write one, or a list of them.")
        self.each = [_as_callback(f"callbacks[{n}]", each) for n, each in enumerate(several)]

    def __bool__(self) -> bool:
        return bool(self.each)

    def begin(self, model: Any, last_epoch: int) -> Listener:
        """Call what is called before the first epoch; return what is called after each."""
        model.stop_training = False
        optimizer = model.optimizer
        for callback in self.each:
            callback.begin(model)

        def listen(train_state: TrainState, history: History) -> bool:
            if not self.each:
                return False
            model.train_state = train_state
            model.net = with_weights(model.net, train_state.params | train_state.model_state)
            epoch = train_state.epochs_begun
            stops = [callback.end_epoch(model, epoch, history.last()) for callback in self.each]
            _check_same_optimizer(model, optimizer)
            stop = any(stops) or bool(model.stop_training)
            if stop and epoch < last_epoch:
                history.stopped = "callback"
            return stop

        return listen

    def end(self, model: Any) -> None:
        """Call what is called after the last epoch."""
        for callback in self.each:
            callback.end(model)


def _check_same_optimizer(model: Any, optimizer: Optimizer) -> None:
    if model.optimizer is not optimizer:
        raise GradusError(
            "A callback gave the model another learning rate or optimizer, which counts from the "
            "next fit on: to change the rate within a training write a schedule, such as "
            "gr.Adam(gr.schedules.ReduceOnPlateau(0.001))."
        )


def _as_callback(where: str, given: Any) -> Callback:
    if isinstance(given, type):
        raise GradusError(f"{where} is the class {given.__name__}: write {given.__name__}(…).")
    if hasattr(given, "on_epoch_end"):
        _check_works_here(where, given)
        for name, arguments in _CALLED.items():
            if hasattr(given, name):
                label = f"{type(given).__name__}.{name}"
                _check_call(where, label, getattr(given, name), arguments)
        return ObjectCallback(given)
    if is_tracker(given):
        raise GradusError(f"{where} is a tracker, {type(given).__name__}: write it as trackers=….")
    if not callable(given):
        raise GradusError(f"{where} is {given!r}: {WHAT}, or an object with on_epoch_end.")
    _check_call(where, getattr(given, "__name__", repr(given)), given, (None, 0, {}))
    return FunctionCallback(given)


def _check_works_here(where: str, given: Any) -> None:
    """Refuse a callback of Keras that would fail on a model of gradus, before the training."""
    kind = type(given)
    restores = kind.__name__ == "EarlyStopping" and getattr(given, "restore_best_weights", False)
    if kind.__module__.startswith("keras.") and (restores or kind.__name__ in _OF_KERAS):
        what = f"{kind.__name__}{'(restore_best_weights=True)' * bool(restores)}"
        raise GradusError(
            f"{where} is Keras's {what}, which needs a model of Keras.{meaning_here(kind.__name__)}"
        )


def _check_call(where: str, name: str, function: Any, arguments: tuple[Any, ...]) -> None:
    """Check that a function can be called with so many arguments."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # of a function written in C nothing is known
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        counts = ("no", "one argument", "two arguments", "three arguments")
        what = WHAT if len(arguments) == 3 else METHODS
        raise GradusError(
            f"{where} is {name}{signature}, which cannot be called with "
            f"{counts[len(arguments)]} ({error}): {what}."
        ) from None
