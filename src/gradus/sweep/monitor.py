"""The metric that scores the trials of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradus.errors import GradusError
from gradus.hyperparameters import find_hyperparameters, space_locations
from gradus.models.inputs.arguments import direction
from gradus.space import Space


def choose_monitor(
    settings: Mapping[str, Any], monitor: str | None, validated: bool = True
) -> str | None:
    """Return the name of the metric that scores trials; None for the loss.

    Args:
        settings: the settings of the model.
        monitor: the metric to use; None for the first one with a known direction, else the loss.
        validated: whether there is a validation set.

    Raises:
        GradusError: if it is the loss, and trials differ in their losses.
    """
    metrics = _metric_names(settings.get("metrics"))
    known = [name for name in metrics if direction(name)]
    if not isinstance(monitor, str | None):
        raise GradusError(f"monitor={monitor!r}: write a name, such as 'val_loss'.")
    chosen = monitor or (f"{'val_' * validated}{known[0]}" if known else None)
    metric = (chosen or "loss").removeprefix("val_")
    varied = [
        name
        for name, hyper in find_hyperparameters(settings).items()
        if hyper.space in _loss_spaces(settings)
    ]
    if varied and metric not in metrics and f"_{metric}".endswith("_loss"):
        loss = settings.get("loss")
        hint = "write metrics=['accuracy'], or metrics=['mae'] for a regression."
        if known:
            hint = f"write monitor='val_{known[0]}'."
        elif isinstance(loss, str):  # only the penalties differ
            hint = f"write metrics=[{loss!r}], the loss without penalties."
        raise GradusError(
            f"Trials that differ in {', '.join(varied)} have losses that cannot be compared. Score "
            f"them by the same metric: {hint}"
        )
    return chosen


def _loss_spaces(settings: Mapping[str, Any]) -> list[Space]:
    """Return the spaces that define the loss: the loss itself, its weights, and penalties."""

    def defines_loss(name: str) -> bool:
        return name in ("loss", "loss_weights", "penalty") or name.endswith("regularizer")

    locations = space_locations(settings)
    return [location.space for location in locations if any(map(defines_loss, location.path))]


def _metric_names(metrics: Any) -> list[str]:
    """Return the names of the metrics of a model with one output."""
    metrics = metrics if isinstance(metrics, list | tuple) else [metrics]
    names = [m if isinstance(m, str) else getattr(m, "name", None) for m in metrics]
    return [name for name in names if isinstance(name, str)]
