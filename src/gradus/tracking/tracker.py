"""What a tracker is, and from what `fit` is given to trackers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from gradus.checks import as_items
from gradus.errors import GradusError, unknown
from gradus.optional import import_optional
from gradus.tracking.mlflow import MLflow
from gradus.tracking.tensorboard import TensorBoard
from gradus.tracking.trackio import Trackio
from gradus.tracking.wandb import WandB

Setting: TypeAlias = str | int | float | bool | None

TRACKERS: dict[str, Any] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WandB,
    "trackio": Trackio,
}
METHODS = "a tracker has the methods check() and start(name, settings)"


class TrackedRun(Protocol):
    """One training or trial in a tracker; it is called in a thread of its own."""

    def log(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """Take the numbers of an epoch, counted from 1: metrics and the learning rate."""

    def end(self, status: str, findings: Sequence[str]) -> None:
        """End the run.

        Args:
            status: "finished", "diverged", "interrupted", or "failed".
            findings: what was found to be wrong, in sentences.
        """


class Tracker(Protocol):
    """Where trainings and trials are logged."""

    def check(self) -> None:
        """Check, before the first step, that its package is there and its settings are right.

        Raises:
            GradusError: if not.
        """

    def start(self, name: str, settings: Mapping[str, Setting]) -> TrackedRun:
        """Begin a run.

        Args:
            name: "" for a training, "trial-3" for a trial.
            settings: of the training, or those in which the trials differ.
        """


def get_trackers(given: Any) -> list[Tracker]:
    """Return trackers.

    Args:
        given: a tracker or its name, or a list of them; None for none.

    Raises:
        GradusError: for an unknown name, with the nearest, and for what is no tracker.
    """
    alone = given is not None and (isinstance(given, str | type) or hasattr(given, "start"))
    several = [given] if alone else [] if given is None else as_items(given)
    if several is None or isinstance(given, Mapping):
        raise GradusError(
            f'trackers={given!r}: write a name, such as "tensorboard", a tracker, such as '
            'gr.trackers.TensorBoard("logs"), or a list of them.'
        )
    return [_get_tracker(each) for each in several]


def is_tracker(given: Any) -> bool:
    """Return whether an object has the methods of a tracker."""
    return all(callable(getattr(given, method, None)) for method in ("check", "start"))


def require_packages(names: Iterable[str]) -> None:
    """Import the packages of trackers.

    Raises:
        GradusError: for one that is missing, with the command that installs it.
    """
    for name in names:
        kind = TRACKERS[name]
        import_optional(kind.package, f"The tracker {kind.__name__}", kind.extra)


def _get_tracker(given: Any) -> Tracker:
    if isinstance(given, str):
        if given.lower() not in TRACKERS:
            raise unknown("tracker", given, TRACKERS)
        tracker: Tracker = TRACKERS[given.lower()]()
        return tracker
    if isinstance(given, type):
        raise GradusError(
            f"trackers={given.__name__} is a class: write gr.trackers.{given.__name__}(…)."
            if given in TRACKERS.values()
            else f"trackers={given.__name__} is a class: write {given.__name__}(…)."
        )
    if not is_tracker(given):
        raise GradusError(
            f"trackers={given!r}: {METHODS}; write a name, such as "
            '"tensorboard", or gr.trackers.TensorBoard("logs").'
        )
    checked: Tracker = given
    return checked
