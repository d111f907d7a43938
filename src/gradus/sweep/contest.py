"""Trials under way: built, advanced side by side, judged by where they stand, and dropped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from gradus.errors import GradusError
from gradus.models.model import Model
from gradus.space import Hyper, settle
from gradus.sweep.member import SWEPT, Builder, Member
from gradus.sweep.trial import FAILED, FINISHED, STOPPED, Trial
from gradus.train.stopping import Stopping


class Executor(Protocol):
    """Where members are trained."""

    def run(self, members: Iterable[Member], until: int | None = None) -> Iterator[list[Member]]:
        """Train members, built one after another, to an epoch; yield them as they are done."""


class Contest:
    """The trials of a sweep that are under way.

    Args:
        kind: the class of the model.
        settings: its arguments, with spaces, and those of `fit` in `SWEPT`.
        hypers: the spaces in them.
        builder: makes the members.
        seeds: how many seeds each trial is trained with, on each of the builder's folds.
        executor: where they are trained.
        watch: called with each trial that has ended.
    """

    def __init__(
        self,
        kind: type[Model],
        settings: Mapping[str, Any],
        hypers: Mapping[str, Hyper],
        builder: Builder,
        seeds: int,
        executor: Executor,
        watch: Callable[[Trial], None],
    ) -> None:
        self.kind, self.settings, self.hypers = kind, settings, hypers
        self.builder, self.seeds, self.executor, self.watch = builder, seeds, executor, watch
        self.members: dict[int, list[Member]] = {}
        self.stopping: Stopping | None = None

    @property
    def size(self) -> int:
        """How many members each trial has."""
        return self.seeds * len(self.builder.folds)

    def advance(self, trials: Sequence[Trial], until: int | None = None) -> None:
        """Train trials to the end of the epoch `until`, or to their last.

        A trial that has come to its end is concluded, and so is one that cannot be built.
        """
        by_number = {trial.number: trial for trial in trials}
        arrived: dict[int, int] = {}
        for done in self.executor.run(self._ready(trials), until):
            for member in done:
                arrived[member.trial] = arrived.get(member.trial, 0) + 1
                if arrived[member.trial] == self.size:
                    self._judge(by_number[member.trial])

    def standing(self, trial: Trial) -> float:
        """Return the watched number as it is now, the members' mean; NaN if one diverged."""
        found = [_watched(member) for member in self.members.get(trial.number, [])]
        return float(np.mean(found)) if found else math.nan

    def drop(self, trials: Iterable[Trial]) -> None:
        """End trials where they stand."""
        for trial in trials:
            self._conclude(trial, STOPPED)

    def build(self, trial: Trial) -> list[Member]:
        """Return the members of a trial, built if they are not yet."""
        if trial.number not in self.members:
            folds = range(len(self.builder.folds))
            self.members[trial.number] = [
                self._member(trial, seed, fold) for seed in range(self.seeds) for fold in folds
            ]
        return self.members[trial.number]

    def _ready(self, trials: Sequence[Trial]) -> Iterator[Member]:
        """Yield the members of trials that have not ended; a trial that cannot be fails alone."""
        for trial in trials:
            try:
                yield from self.build(trial)
            except GradusError as error:
                trial.status, trial.error = FAILED, str(error)
                self.watch(trial)

    def _member(self, trial: Trial, seed: int, fold: int) -> Member:
        settled = dict(settle(self.settings, self.hypers, trial.values))
        fitting = {name: settled.pop(name) for name in SWEPT}
        if "seed" in settled:
            settled["seed"] += seed
        model = self.kind(**settled)
        member = self.builder.ready(trial.number, model, fitting, fold)
        self.stopping = self.stopping or member.stopping
        return member

    def _judge(self, trial: Trial) -> None:
        if all(member.done for member in self.members[trial.number]):
            self._conclude(trial, FINISHED)

    def _conclude(self, trial: Trial, status: str) -> None:
        members = self.members[trial.number]
        histories = [member.conclude().history for member in members]
        trial.conclude(histories, members[0].stopping.monitor, status)
        self.watch(trial)


def _watched(member: Member) -> float:
    values = member.model.history.get(member.stopping.monitor)
    if values is None or not len(values) or bool(member.carry.failed):
        return math.nan
    return float(values[-1])
