"""A trial runner that resumes a stopped sweep."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from gradus.errors import GradusError
from gradus.sweep.execution.executor import Executor
from gradus.sweep.execution.trial_runner import TrialRunner
from gradus.sweep.members.factory import MemberFactory
from gradus.sweep.search.base import Search
from gradus.sweep.search.trial import STOPPED, Trial, TrialRecord

MAX_BUILD_ATTEMPTS = 32  # trials to try to build before all are taken to be invalid


class SweepRunner(TrialRunner):
    """A trial runner that does not train a trial again if it has a record.

    Such a trial reaches an epoch at once, with the score it had there, and ends where it ended, so
    the other trials compete with the same scores as before.

    Args:
        factory: makes the members of the trials.
        seeds: the number of seeds that each trial is trained with, on each fold.
        executor: trains the members.
        on_trial_end: called with each trial that has ended.
        seed: the seed of strategies.

    Attributes:
        records: the records by trial number.
        scores: the scores of each trial when a strategy asked, by number and epoch.
    """

    def __init__(
        self,
        factory: MemberFactory,
        seeds: int,
        executor: Executor,
        on_trial_end: Callable[[Trial], None],
        seed: int = 0,
    ) -> None:
        super().__init__(factory, seeds, executor, on_trial_end, seed)
        self.records: dict[int, TrialRecord] = {}
        self.scores: dict[int, dict[int, float]] = {}
        self._batches: dict[int, tuple[int, int]] = {}
        self._epochs_reached: dict[int, int] = {}

    def find_monitor(self, search: Search) -> None:
        """Find the monitor and mode from the first trial that can be built.

        Raises:
            GradusError: if none can be built.
        """
        errors: list[GradusError] = []
        for number in range(min(search.trials, MAX_BUILD_ATTEMPTS)):
            try:
                self._make_members(number, search.ask(number, 1)[0])
                return
            except GradusError as error:
                errors.append(error)
        if len(set(map(str, errors))) == 1:  # about the data or `fit`, not about single trials
            raise errors[0]
        raise GradusError(f"No trial could be built: {errors[0]}")

    def recorded_batch(self, search: Search, first: int) -> list[Trial]:
        """Return the batch from trial `first` on if all of its trials have records, else []."""
        numbers = self._batch_numbers(search, first)
        if not all(number in self.records for number in numbers):
            return []
        return [dataclasses.replace(self.records[number].trial) for number in numbers]

    def recorded_trials(self, search: Search) -> list[Trial]:
        """Return all trials of a search: those that have records, and others that wait."""
        return [
            dataclasses.replace(self.records[number].trial)
            if number in self.records
            else Trial(number, {})
            for number in range(search.trials)
        ]

    def next_batch(self, search: Search, first: int, retrain: bool = False) -> list[Trial]:
        """Return the batch from trial `first` on, its values drawn or as recorded.

        Args:
            search: draws the values.
            first: the number of its first trial.
            retrain: whether to ignore all records.
        """
        numbers = self._batch_numbers(search, first)
        trials = []
        for number, values in zip(numbers, search.ask(first, len(numbers)), strict=True):
            self._batches[number] = first, len(numbers)
            if retrain:
                self.records.pop(number, None)
            record = self.records.get(number)
            trials.append(Trial(number, values if record is None else record.trial.values))
        return trials

    def record(self, trial: Trial) -> TrialRecord:
        """Return the record of a trial that has ended."""
        batch = self._batches[trial.number]
        return TrialRecord(trial, batch, self.scores.get(trial.number, {}))

    def train_until(self, trials: Sequence[Trial], until: int | None = None) -> None:
        """Train trials to the end of the epoch `until`, or restore them from their records."""
        if until is not None:
            self._epochs_reached |= dict.fromkeys((trial.number for trial in trials), until)
        others = [trial for trial in trials if not self._is_recorded(trial, until)]
        super().train_until(others, until)

    def current_score(self, trial: Trial) -> float:
        """Return what the trial's score would be if it ended now; NaN if it diverged."""
        number = trial.number
        if trial.ended:
            return super().current_score(trial)
        epoch = self._epochs_reached.get(number, 0)
        recorded = self.records[number].scores if number in self.records else {}
        score = recorded[epoch] if epoch in recorded else super().current_score(trial)
        self.scores.setdefault(number, {})[epoch] = score
        return score

    def stop_trials(self, trials: Iterable[Trial]) -> None:
        """End trials at their current epochs."""
        for trial in trials:
            if trial.number in self.records:
                self._restore(trial)
            else:
                super().stop_trials([trial])

    def _batch_numbers(self, search: Search, first: int) -> range:
        """Return the trial numbers of the batch from `first` on, with its recorded size if any."""
        remaining = search.trials - first
        size = remaining if search.batch is None else search.batch
        for record in self.records.values():
            if record.batch[0] == first:
                size = record.batch[1]
        return range(first, first + min(size, remaining))

    def _is_recorded(self, trial: Trial, until: int | None) -> bool:
        """Return whether a record covers a trial up to an epoch; restore it if it ends by then."""
        record = self.records.get(trial.number)
        if record is None:
            return False
        last = record.trial.epochs
        stopped = record.trial.status == STOPPED
        if not stopped and (until is None or until >= last):
            self._restore(trial)
            return True
        if until is not None and until <= last and until in record.scores:
            return True
        del self.records[trial.number]  # the strategy now trains it differently
        return False

    def _restore(self, trial: Trial) -> None:
        """End a trial as recorded."""
        record = self.records[trial.number]
        self.scores[trial.number] = record.scores
        for field in dataclasses.fields(Trial):
            setattr(trial, field.name, getattr(record.trial, field.name))
        self.on_trial_end(trial)
