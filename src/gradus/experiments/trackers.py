"""The trackers of a run, by the names in its experiment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradus.tracking.tracker import Tracker
from gradus.tracking.trackers import MLflow, TensorBoard, Trackio, WandB

TENSORBOARD = "tensorboard"  # the folder of event files in that of a run


def trackers_of(names: Sequence[str], folder: Path) -> list[Tracker]:
    """Return trackers in which the run has the name of its folder."""
    name = folder.resolve().name
    made: dict[str, Tracker] = {
        "tensorboard": TensorBoard(folder / TENSORBOARD),
        "mlflow": MLflow(name=name),
        "wandb": WandB(name=name),
        "trackio": Trackio(name=name),
    }
    return [made[each] for each in dict.fromkeys(names)]
