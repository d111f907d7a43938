"""The trackers, `gr.trackers.…`: where trainings and sweeps are logged as they run."""

from __future__ import annotations

from gradus.tracking.mlflow import MLflow
from gradus.tracking.tensorboard import TensorBoard
from gradus.tracking.trackio import Trackio
from gradus.tracking.wandb import WandB

__all__ = ["MLflow", "TensorBoard", "Trackio", "WandB"]
