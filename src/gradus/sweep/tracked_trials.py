"""Trials in trackers: each is a run, with its settings beside its curves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradus.errors import warn
from gradus.hyperparameters import Hyperparameter
from gradus.models.tracked_fit import plain_settings
from gradus.sweep.search.trial import DIVERGED, FAILED, Trial
from gradus.tracking.tracking import Tracking


class TrackedTrials:
    """Logs trials as they end.

    Args:
        tracking: the trackers.
        hypers: the hyperparameters of the sweep, by name.
    """

    def __init__(self, tracking: Tracking, hypers: Mapping[str, Hyperparameter]) -> None:
        self.tracking, self.hypers = tracking, hypers

    def __call__(self, trial: Trial) -> None:
        """Log a trial that has ended."""
        if not self.tracking:
            return
        self.tracking.begin(f"trial-{trial.number}", plain_settings(trial.settings(self.hypers)))
        for epoch, numbers in enumerate(mean_epochs(trial), start=1):
            self.tracking.log(epoch, numbers)
        status = trial.status if trial.status in (DIVERGED, FAILED) else "finished"
        self.tracking.end(status, [trial.error] if trial.error else [])

    def end(self) -> None:
        """Wait for the trackers, and warn of those that failed."""
        self.tracking.finish()
        for note in self.tracking.notes:
            warn(note, RuntimeWarning)


def mean_epochs(trial: Trial) -> list[dict[str, float]]:
    """Return the numbers of each epoch, averaged over the members that were trained for it."""
    epochs = []
    for index in range(trial.epochs):
        members = [history for history in trial.histories if history.epochs > index]
        names = [name for name, values in members[0].items() if values.ndim == 1]
        epochs.append({name: float(np.mean([m[name][index] for m in members])) for name in names})
    return epochs
