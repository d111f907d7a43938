"""What the trials of a sweep are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradus.errors import GradusError
from gradus.hyperparameters import find_hyperparameters, space_locations
from gradus.models.arguments import direction
from gradus.space import Space


def choose_monitor(
    settings: Mapping[str, Any], monitor: str | None, validated: bool = True
) -> str | None:
    """Return the number that trials are judged by; None for their loss.

    Args:
        settings: the model's.
        monitor: which number; None for the first metric of which is known whether more or less is
            better, else the loss.
        validated: whether there are samples held out to judge by.

    Raises:
        GradusError: if it is the loss, and trials have others.
    """
    metrics = _names(settings.get("metrics"))
    known = [name for name in metrics if direction(name)]
    chosen = monitor or (f"{'val_' * validated}{known[0]}" if known else None)
    judge = (chosen or "loss").removeprefix("val_")
    varied = [
        name
        for name, hyper in find_hyperparameters(settings).items()
        if hyper.space in _losses(settings)
    ]
    if varied and judge not in metrics and f"_{judge}".endswith("_loss"):
        own = settings.get("loss")
        hint = "write metrics=['accuracy'], or metrics=['mae'] for a regression."
        if known:
            hint = f"write monitor='val_{known[0]}'."
        elif isinstance(own, str):  # what differs are penalties
            hint = f"write metrics=[{own!r}], the loss without penalties."
        raise GradusError(
            f"Trials that differ in {', '.join(varied)} have losses that cannot be compared. Judge "
            f"them by a metric, the same for all: {hint}"
        )
    return chosen


def _losses(settings: Mapping[str, Any]) -> list[Space]:
    """Return the spaces that decide what a loss is made of: itself, weights and penalties."""

    def part(word: str) -> bool:
        return word in ("loss", "loss_weights", "penalty") or word.endswith("regularizer")

    return [place.space for place in space_locations(settings) if any(map(part, place.path))]


def _names(metrics: Any) -> list[str]:
    """Return the names of a model's metrics, if it has one output."""
    given = metrics if isinstance(metrics, list | tuple) else [metrics]
    names = [one if isinstance(one, str) else getattr(one, "name", None) for one in given]
    return [name for name in names if isinstance(name, str)]
