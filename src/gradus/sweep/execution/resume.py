"""A trial runner that continues where an earlier one was stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from gradus.errors import GradusError
from gradus.sweep.execution.trial_runner import TrialRunner
from gradus.sweep.search.base import Search
from gradus.sweep.search.trial import STOPPED, WAITING, Trial, TrialRecord

MAX_BUILDS = 32  # trials of which one at least should be possible


class ResumableRunner(TrialRunner):
    """A contest in which a trial that has a record is not trained again.

    It has come to an epoch at once, stands there as it stood, and ends where it ended: so those
    that are trained anew race against the same trials as before.

    Attributes:
        records: the records by the trials' numbers.
        scores: how each trial stood when a strategy asked, by number and epoch.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.records: dict[int, TrialRecord] = {}
        self.scores: dict[int, dict[int, float]] = {}
        self._batches: dict[int, tuple[int, int]] = {}
        self._epochs_reached: dict[int, int] = {}

    def find_early_stopping(self, search: Search) -> None:
        """Find out what the trials are judged by, from the first that can be built.

        Raises:
            GradusError: if none can.
        """
        found: list[GradusError] = []
        for number in range(min(search.trials, MAX_BUILDS)):
            try:
                self._build_members(number, search.ask(number, 1)[0])
                return
            except GradusError as error:
                found.append(error)
        if len(set(map(str, found))) == 1:  # of the data or of `fit`, not of what trials differ in
            raise found[0]
        raise GradusError(f"No trial could be built: {found[0]}")

    def recorded_batch(self, search: Search, first: int) -> list[Trial]:
        """Return the batch that begins with a number if a record of each trial is there."""
        numbers = self._numbers(search, first)
        if not all(number in self.records for number in numbers):
            return []
        return [dataclasses.replace(self.records[number].trial) for number in numbers]

    def next_batch(self, search: Search, first: int, anew: bool = False) -> list[Trial]:
        """Return the batch that begins with a number, its values drawn or as they were recorded.

        Args:
            search: what draws.
            first: the number.
            anew: whether all of it is to be trained, whatever is recorded.
        """
        numbers = self._numbers(search, first)
        trials = []
        for number, values in zip(numbers, search.ask(first, len(numbers)), strict=True):
            self._batches[number] = first, len(numbers)
            if anew:
                self.records.pop(number, None)
            record = self.records.get(number)
            trials.append(Trial(number, values if record is None else record.trial.values))
        return trials

    def record(self, trial: Trial) -> TrialRecord:
        """Return what is to be known of a trial that has ended."""
        batch = self._batches[trial.number]
        return TrialRecord(trial, batch, self.scores.get(trial.number, {}))

    def train_until(self, trials: Sequence[Trial], until: int | None = None) -> None:
        """Train trials to the end of the epoch `until`, or read how they came there."""
        if until is not None:
            self._epochs_reached |= dict.fromkeys((trial.number for trial in trials), until)
        super().train_until([one for one in trials if not self._is_recorded(one, until)], until)

    def current_score(self, trial: Trial) -> float:
        """Return what the trial's score would be if it ended now; NaN if it diverged."""
        number = trial.number
        if trial.status != WAITING:
            return super().current_score(trial)
        epoch = self._epochs_reached.get(number, 0)
        known = self.records[number].scores if number in self.records else {}
        found = known[epoch] if epoch in known else super().current_score(trial)
        self.scores.setdefault(number, {})[epoch] = found
        return found

    def stop_trials(self, trials: Iterable[Trial]) -> None:
        """End trials where they stand."""
        for trial in trials:
            if trial.number in self.records:
                self._restore(trial)
            else:
                super().stop_trials([trial])

    def _numbers(self, search: Search, first: int) -> range:
        """Return the numbers of the batch that begins with one; as it was cut when it was asked."""
        left = search.trials - first
        size = left if search.batch is None else search.batch
        for record in self.records.values():
            if record.batch[0] == first:
                size = record.batch[1]
        return range(first, first + min(size, left))

    def _is_recorded(self, trial: Trial, until: int | None) -> bool:
        """Whether a record says how a trial came to an epoch; if to its end, it has ended."""
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
        del self.records[trial.number]  # it is to go another way than it went
        return False

    def _restore(self, trial: Trial) -> None:
        """Have a trial end as its record says."""
        record = self.records[trial.number]
        self.scores[trial.number] = record.scores
        for field in dataclasses.fields(Trial):
            setattr(trial, field.name, getattr(record.trial, field.name))
        self.on_trial_end(trial)
