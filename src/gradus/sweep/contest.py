"""Trials under way: built, advanced side by side, judged by where they stand, and dropped."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from gradus.errors import GradusError
from gradus.models.model import Model
from gradus.settings import settle
from gradus.space import Value
from gradus.sweep.member import Builder, Member, Source
from gradus.sweep.trial import FAILED, FINISHED, STOPPED, WAITING, Trial
from gradus.train.stopping import Stopping


class Executor(Protocol):
    """Where members are trained."""

    def run(self, members: Iterable[Member], until: int | None = None) -> Iterator[list[Member]]:
        """Train members, built one after another, to an epoch; yield them as they are done."""


class Coming:
    """Members that are built as they are asked for.

    Args:
        members: makes them.
        count: how many there will be at most.
    """

    def __init__(self, members: Iterator[Member], count: int) -> None:
        self.members, self.count = members, count

    def __iter__(self) -> Iterator[Member]:
        return self.members

    def __length_hint__(self) -> int:
        return self.count


class Contest:
    """The trials of a sweep that are under way.

    Args:
        source: what their members are made of.
        seeds: how many seeds each trial is trained with, on each fold.
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
        source: Source,
        seeds: int,
        executor: Executor,
        watch: Callable[[Trial], None],
        seed: int = 0,
    ) -> None:
        self.source, self.seeds, self.executor = source, seeds, executor
        self.watch, self.seed = watch, seed
        self.members: dict[int, list[Member]] = {}
        self.stopping: Stopping | None = None
        self.spare = False

    @property
    def size(self) -> int:
        """How many members each trial has."""
        return self.seeds * self.source.inputs.count

    def advance(self, trials: Sequence[Trial], until: int | None = None) -> None:
        """Train trials to the end of the epoch `until`, or to their last.

        A trial that has come to its end or has diverged is concluded, and so is one that cannot be
        built or trained.
        """
        by_number = {trial.number: trial for trial in trials}
        arrived: dict[int, int] = {}
        coming = Coming(self._ready(trials), self.size * len(trials))
        for done in self.executor.run(coming, until):
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
        given = self.source.settings["epochs"]
        drawn = [settle(given, self.source.hypers, trial.values) for trial in trials]
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

    def probed(self) -> Contest:
        """Return a contest of the same trials, in which the layers' vital signs are recorded."""
        builder = Builder({**self.source.builder.options, "probes": True})
        source = dataclasses.replace(self.source, builder=builder)
        return Contest(source, self.seeds, self.executor, lambda trial: None, self.seed)

    def model(self, values: Mapping[str, Value]) -> Model:
        """Return an unbuilt model with some values in the places of its hyperparameters."""
        return self.source.settled(values)[0]

    def _ready(self, trials: Sequence[Trial]) -> Iterator[Member]:
        """Yield the members of trials that have not ended; a trial that cannot be fails alone."""
        for trial in trials:
            try:
                yield from self.build(trial)
            except GradusError as error:
                self._fail(trial, str(error))

    def _train(self, members: list[Member], until: int) -> None:
        for done in self.executor.run(members, until):
            for member in done:
                if member.error:
                    raise GradusError(member.error)

    def _built(self, number: int, values: Mapping[str, Value]) -> list[Member]:
        """Return new members of a trial: each seed on each fold."""
        made = []
        for seed in range(self.seeds):
            for fold in range(self.source.inputs.count):
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
        errors = [member.error for member in self.members[trial.number] if member.error]
        if errors:
            self._fail(trial, errors[0])
            return
        broken = self.diverged(trial)  # without one of its members it has no score any more
        if broken and self.spare:
            return
        if broken or all(member.done for member in self.members[trial.number]):
            self._conclude(trial, FINISHED)

    def _fail(self, trial: Trial, error: str) -> None:
        self.members.pop(trial.number, None)
        trial.status, trial.error = FAILED, error
        self.watch(trial)

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
