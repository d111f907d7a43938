"""Trials under way: built, advanced side by side, judged by where they stand, and dropped."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from gradus.errors import GradusError
from gradus.models.model import Model
from gradus.space import Hyper, Value, settle
from gradus.sweep.member import Builder, Member, Source
from gradus.sweep.trial import FAILED, FINISHED, STOPPED, WAITING, Trial
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
        seed: of what a strategy draws.

    Attributes:
        members: those of the trials that are under way, or kept, by the trials' numbers.
        stopping: what the trials are judged by; None as long as none was built.
        spare: whether a trial that diverged is not concluded, to go on from another's weights.
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
        seed: int = 0,
    ) -> None:
        self.kind, self.settings, self.hypers = kind, settings, hypers
        self.source = Source(kind, settings, hypers, builder)
        self.builder, self.seeds, self.executor, self.watch = builder, seeds, executor, watch
        self.seed = seed
        self.members: dict[int, list[Member]] = {}
        self.stopping: Stopping | None = None
        self.spare = False

    @property
    def size(self) -> int:
        """How many members each trial has."""
        return self.seeds * len(self.builder.folds)

    def advance(self, trials: Sequence[Trial], until: int | None = None) -> None:
        """Train trials to the end of the epoch `until`, or to their last.

        A trial that has come to its end or has diverged is concluded, and so is one that cannot be
        built.
        """
        by_number = {trial.number: trial for trial in trials}
        arrived: dict[int, int] = {}
        for done in self.executor.run(self._ready(trials), until):
            for member in done:
                arrived[member.trial] = arrived.get(member.trial, 0) + 1
                if arrived[member.trial] == self.size:
                    self._judge(by_number[member.trial])

    def standing(self, trial: Trial) -> float:
        """Return what the trial's score would be if it ended now; NaN if it diverged."""
        if trial.status != WAITING:
            return trial.score
        return float(np.mean([_watched(member) for member in self.members[trial.number]]))

    def diverged(self, trial: Trial) -> bool:
        """Return whether a trial that trains has come upon numbers that are not finite."""
        return any(bool(member.carry.failed) for member in self.members[trial.number])

    def last(self, trials: Sequence[Trial]) -> int:
        """Return the number of the last epoch of the trial that is to train the longest."""
        given = self.settings["epochs"]
        drawn = [settle(given, self.hypers, trial.values) for trial in trials]
        return max((epochs for epochs in drawn if isinstance(epochs, int)), default=1)

    def drop(self, trials: Iterable[Trial]) -> None:
        """End trials where they stand."""
        for trial in trials:
            self._conclude(trial, STOPPED)

    def gather(self, trials: Iterable[Trial]) -> list[Trial]:
        """Conclude the trials that are trained to their end; return all that have ended."""
        trials = list(trials)
        for trial in trials:
            if trial.status == WAITING and trial.number in self.members:
                self._judge(trial)
        return [trial for trial in trials if trial.status != WAITING]

    def adopt(self, trial: Trial, source: Trial, values: Mapping[str, Value]) -> None:
        """Have a trial go on from where another stands, with values of its own.

        Its record is the other's up to now, as that is how its weights came about. Nothing happens
        if with these values it would not be of the other's structure.
        """
        former = self.members[source.number]
        members = self._heirs(trial.number, values, former)
        if members is None:
            return
        self.members[trial.number] = members
        epoch = max(int(member.carry.epoch) for member in former)
        before = source.lineage or [(0, source.values)]
        trial.values, trial.lineage = dict(values), [*before, (epoch, dict(values))]

    def build(self, trial: Trial) -> list[Member]:
        """Return the members of a trial, built if they are not yet."""
        if trial.number not in self.members:
            self.members[trial.number] = self._built(trial.number, trial.values)
        return self.members[trial.number]

    def recall(self, trial: Trial) -> list[Member]:
        """Return the members of a trial that has ended, trained again if they were let go."""
        if trial.number in self.members:
            return self.members[trial.number]
        (_, values), *later = trial.lineage or [(0, trial.values)]
        members = self._built(trial.number, values)
        for epoch, values in later:
            self._train(members, epoch)
            members = self._heirs(trial.number, values, members) or members
        self._train(members, trial.epochs)
        for member in members:
            member.conclude()
        self.members[trial.number] = members
        return members

    def model(self, values: Mapping[str, Value]) -> Model:
        """Return an unbuilt model with some values in the places of its hyperparameters."""
        return self.source.settled(values)[0]

    def _ready(self, trials: Sequence[Trial]) -> Iterator[Member]:
        """Yield the members of trials that have not ended; a trial that cannot be fails alone."""
        for trial in trials:
            try:
                yield from self.build(trial)
            except GradusError as error:
                trial.status, trial.error = FAILED, str(error)
                self.watch(trial)

    def _train(self, members: list[Member], until: int) -> None:
        for _ in self.executor.run(members, until):
            pass

    def _built(self, number: int, values: Mapping[str, Value]) -> list[Member]:
        """Return new members of a trial: each seed on each fold."""
        made = []
        for seed in range(self.seeds):
            for fold in range(len(self.builder.folds)):
                made.append(self.source.member(number, values, seed, fold))
        self.stopping = self.stopping or made[0].stopping
        return made

    def _heirs(
        self, number: int, values: Mapping[str, Value], former: list[Member]
    ) -> list[Member] | None:
        """Return members with new values that stand where others do; None if they cannot."""
        made = self._built(number, values)
        for member, one in zip(made, former, strict=True):
            if member.structure != one.structure:
                return None
            member.carry, member.model.history = one.carry, copy.deepcopy(one.model.history)
        return made

    def _judge(self, trial: Trial) -> None:
        broken = self.diverged(trial)  # without one of its members it has no score any more
        if broken and self.spare:
            return
        if broken or all(member.done for member in self.members[trial.number]):
            self._conclude(trial, FINISHED)

    def _conclude(self, trial: Trial, status: str) -> None:
        members = self.members[trial.number]
        histories = [member.conclude().history for member in members]
        trial.conclude(histories, members[0].stopping.monitor, status)
        self.watch(trial)


def _watched(member: Member) -> float:
    """Return the watched number of the epoch that would be kept if training ended now."""
    values, carry = member.model.history.get(member.stopping.monitor), member.carry
    if values is None or not len(values) or bool(carry.failed):
        return math.nan
    if carry.best is not None and int(carry.stopping["epoch"]):
        return member.stopping.sign * float(carry.stopping["best"])
    return float(values[-1])
