"""Builds, trains, compares, and ends the trials of a sweep."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from gradus.checks import as_index
from gradus.errors import GradusError
from gradus.hyperparameters import resolve
from gradus.space import Value
from gradus.sweep.execution.executor import Executor, MemberStream
from gradus.sweep.execution.shared_batches import SharedBatches
from gradus.sweep.members.factory import MemberBuilder, MemberFactory
from gradus.sweep.members.member import Member
from gradus.sweep.search.trial import FAILED, FINISHED, STOPPED, Trial
from gradus.train.early_stopping import EarlyStopping


class TrialRunner:
    """Runs the trials of a sweep.

    Args:
        factory: makes their members.
        seeds: the number of seeds that each trial is trained with, on each fold.
        executor: trains the members.
        on_trial_end: called with each trial that has ended.
        seed: the seed of strategies.

    Attributes:
        members: the members of running and kept trials, by trial number.
        early_stopping: the monitor and mode of the trials; None until one is built.
        keep_diverged: whether diverged trials stay, so that they can continue from other weights.
    """

    def __init__(
        self,
        factory: MemberFactory,
        seeds: int,
        executor: Executor,
        on_trial_end: Callable[[Trial], None],
        seed: int = 0,
    ) -> None:
        self.factory, self.seeds, self.executor = factory, seeds, executor
        self.on_trial_end, self.seed = on_trial_end, seed
        self.members: dict[int, list[Member]] = {}
        self.early_stopping: EarlyStopping | None = None
        self.keep_diverged = False

    @property
    def members_per_trial(self) -> int:
        """The number of members of each trial."""
        return self.seeds * self.factory.data.fold_count

    def train_until(self, trials: Sequence[Trial], until: int | None = None) -> None:
        """Train trials to the end of the epoch `until`, or to their last.

        Trials that reach their last epoch or diverge are ended, and so are those that cannot be
        built or trained.
        """
        by_number = {trial.number: trial for trial in trials}
        done_counts: dict[int, int] = {}
        count = self.members_per_trial * len(trials)
        stream = MemberStream(self.factory, self._stream_members(trials), count)
        for done in self.executor.run(stream, until):
            for member in done:
                done_counts[member.trial] = done_counts.get(member.trial, 0) + 1
                if done_counts[member.trial] == self.members_per_trial:
                    self._end_if_done(by_number[member.trial])

    def current_score(self, trial: Trial) -> float:
        """Return what the trial's score would be if it ended now; NaN if it diverged."""
        if trial.ended:
            return trial.score
        return float(np.mean([_monitored_value(member) for member in self.members[trial.number]]))

    def has_diverged(self, trial: Trial) -> bool:
        """Return whether a running trial has diverged: it reached numbers that are not finite."""
        return any(bool(member.train_state.diverged) for member in self.members[trial.number])

    def max_epochs(self, trials: Sequence[Trial]) -> int:
        """Return the largest number of epochs that any of the trials trains for."""
        setting = self.factory.settings["epochs"]
        drawn = [resolve(setting, self.factory.hypers, trial.values) for trial in trials]
        return max((epochs for epochs in map(as_index, drawn) if epochs is not None), default=1)

    def stop_trials(self, trials: Iterable[Trial]) -> None:
        """End trials at their current epochs."""
        for trial in trials:
            self._end_trial(trial, STOPPED)

    def stop_in_step(self, trials: Iterable[Trial]) -> None:
        """End trials that share their batches at their last whole epoch, if they have one."""
        if isinstance(self.executor, SharedBatches):
            running = [t for t in trials if not t.ended and t.number in self.members]
            self.stop_trials(
                t for t in running if all(m.train_state.epoch > 0 for m in self.members[t.number])
            )

    def end_finished(self, trials: Iterable[Trial]) -> list[Trial]:
        """End the trials that reached their last epoch; return all that have ended."""
        trials = list(trials)
        for trial in trials:
            if not trial.ended and trial.number in self.members:
                self._end_if_done(trial)
        return [trial for trial in trials if trial.ended]

    def continue_from(self, trial: Trial, other: Trial, values: Mapping[str, Value]) -> None:
        """Continue a trial from another one's train state and history, with its own values.

        Nothing happens if its structure with these values differs from the other's.
        """
        source = self.members[other.number]
        members = self._make_successors(trial.number, values, source)
        if members is None:
            return
        self.members[trial.number] = members
        epoch = max(int(member.train_state.epoch) for member in source)
        before = other.lineage or [(0, other.values)]
        trial.values, trial.lineage = dict(values), [*before, (epoch, dict(values))]

    def members_of(self, trial: Trial) -> list[Member]:
        """Return the members of a trial; make them if needed."""
        if trial.number not in self.members:
            self.members[trial.number] = self._make_members(trial.number, trial.values)
        return self.members[trial.number]

    def trained_members(self, trial: Trial) -> list[Member]:
        """Return the trained members of a trial that has ended; train them again if dropped."""
        if trial.number in self.members:
            return self.members[trial.number]
        (_, values), *later = trial.lineage or [(0, trial.values)]
        members = self._make_members(trial.number, values)
        for epoch, values in later:
            self._train(members, epoch)
            members = self._make_successors(trial.number, values, members) or members
        self._train(members, trial.epochs)
        for member in members:
            member.finish()
        self.members[trial.number] = members
        return members

    def diagnose_members(self, trial: Trial) -> None:
        """Give the models of a trained trial their records, and what these show to be wrong.

        Trials are trained without them; so each is built once more, for its initial weights.
        """
        for member in self.members[trial.number]:
            if member.model.record is None:
                untrained = self.factory.make_member(
                    trial.number, trial.values, member.seed_index, member.fold.number
                )
                member.diagnose(untrained.record_before())

    def with_probes(self) -> TrialRunner:
        """Return a runner of the same trials that records layer statistics."""
        builder = MemberBuilder({**self.factory.builder.options, "probes": True})
        factory = dataclasses.replace(self.factory, builder=builder)
        return TrialRunner(factory, self.seeds, self.executor, lambda trial: None, self.seed)

    def _stream_members(self, trials: Sequence[Trial]) -> Iterator[Member]:
        """Yield the members of trials; a trial that cannot be built fails alone."""
        for trial in trials:
            try:
                yield from self.members_of(trial)
            except GradusError as error:
                self._fail_trial(trial, str(error))

    def _train(self, members: list[Member], until: int) -> None:
        stream = MemberStream(self.factory, iter(members), len(members))
        for done in self.executor.run(stream, until):
            for member in done:
                if member.error:
                    raise GradusError(member.error)

    def _make_members(self, number: int, values: Mapping[str, Value]) -> list[Member]:
        """Return new members of a trial, one for each seed and fold."""
        members = []
        for seed in range(self.seeds):
            for fold in range(self.factory.data.fold_count):
                members.append(self.factory.make_member(number, values, seed, fold))
        self.early_stopping = self.early_stopping or members[0].early_stopping
        return members

    def _make_successors(
        self, number: int, values: Mapping[str, Value], source: list[Member]
    ) -> list[Member] | None:
        """Return members with new values and the states of others; None if structures differ."""
        members = self._make_members(number, values)
        for member, other in zip(members, source, strict=True):
            if member.structure_key != other.structure_key:
                return None
            member.train_state = other.train_state
            member.model.history = copy.deepcopy(other.model.history)
        return members

    def _end_if_done(self, trial: Trial) -> None:
        errors = [member.error for member in self.members[trial.number] if member.error]
        if errors:
            self._fail_trial(trial, errors[0])
            return
        diverged = self.has_diverged(trial)  # without all of its members it has no score
        if diverged and self.keep_diverged:
            return
        if diverged or all(member.done for member in self.members[trial.number]):
            self._end_trial(trial, FINISHED)

    def _fail_trial(self, trial: Trial, error: str) -> None:
        self.members.pop(trial.number, None)
        trial.status, trial.error = FAILED, error
        self.on_trial_end(trial)

    def _end_trial(self, trial: Trial, status: str) -> None:
        members = self.members[trial.number]
        histories = [member.finish().history for member in members]
        trial.finish(histories, members[0].early_stopping.monitor, status)
        self.on_trial_end(trial)


def _monitored_value(member: Member) -> float:
    """Return the monitored metric of the epoch that would be kept if training ended now."""
    values = member.model.history.get(member.early_stopping.monitor)
    train_state = member.train_state
    if values is None or not len(values) or bool(train_state.diverged):
        return math.nan
    if train_state.best is not None and int(train_state.stopping_state["epoch"]):
        return member.early_stopping.sign * float(train_state.stopping_state["best"])
    return float(values[-1])
