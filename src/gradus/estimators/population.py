"""Trains what several estimators train side by side, as one population."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gradus.errors import GradusError
from gradus.estimators.training import Training
from gradus.models.inputs.training_data import make_training_data
from gradus.sweep.execution.local import Local
from gradus.sweep.members.factory import MemberBuilder
from gradus.sweep.members.fold import Fold
from gradus.sweep.members.member import Member


class Population:
    """Trainings that become members of a population one after another.

    Those that differ only in numbers share one compiled program, and those of the same rows their
    arrays.

    Args:
        trainings: yields each training with a key.
        count: how many there are.

    Attributes:
        failed: why a training could not be built or trained, by its key.
    """

    def __init__(self, trainings: Iterable[tuple[Any, Training]], count: int) -> None:
        self.trainings, self.count = trainings, count
        self.failed: dict[Any, str] = {}
        self._running: dict[int, tuple[Any, Training]] = {}
        self._builders: dict[str | None, MemberBuilder] = {}
        self._folds: dict[int, Fold] = {}

    def train(self) -> Iterator[tuple[Any, Training]]:
        """Train all on the cores of this machine; yield each with its key when it is done."""
        for done in Local().run(self):
            for member in done:
                key, training = self._running.pop(member.trial)
                if member.error:
                    self.failed[key] = member.error
                    continue
                member.finish()
                yield key, training

    def __iter__(self) -> Iterator[Member]:
        for number, (key, training) in enumerate(self.trainings):
            try:
                member = self._member(number, training)
            except GradusError as error:
                self.failed[key] = str(error)
                continue
            self._running[number] = key, training
            yield member

    def __length_hint__(self) -> int:
        return self.count

    def _member(self, number: int, training: Training) -> Member:
        """Return the member that is trained as `fit_model` would train the training."""
        experiment = training.prepared.experiment
        settings = experiment.training
        options = {
            "monitor": settings.monitor, "mode": None, "target": None, "restore_best": True,
            "probes": False,
        }  # fmt: skip
        if settings.monitor not in self._builders:
            self._builders[settings.monitor] = MemberBuilder(options)
        builder = self._builders[settings.monitor]
        fit_settings = {
            "batch_size": None if settings.batch_size == "all" else settings.batch_size,
            "epochs": settings.epochs or 1,
            "patience": settings.patience or None,
            "min_delta": settings.min_delta,
            "shuffle_seed": experiment.shuffle_seed,
        }
        return builder.build(number, training.model, fit_settings, self._fold(training))

    def _fold(self, training: Training) -> Fold:
        """Return the rows of a training on the device, once for all trainings that share them."""
        parts, weights = training.prepared.parts, training.prepared.weights
        if id(parts) not in self._folds:
            held_out = None
            if "validation" in parts:
                held_out = (*parts["validation"], weights["validation"])
            data = make_training_data(
                *parts["training"], weights["training"], validation_data=held_out
            )
            self._folds[id(parts)] = Fold.create(data)
        return self._folds[id(parts)]
