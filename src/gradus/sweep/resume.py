"""A contest that goes on where one that was stopped ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from gradus.errors import GradusError
from gradus.sweep.contest import Contest
from gradus.sweep.search import Search
from gradus.sweep.trial import STOPPED, WAITING, Trial

PROBED = 32  # trials of which one at least should be possible


@dataclasses.dataclass
class Record:
    """What a storage knows of a trial that has ended.

    Attributes:
        trial: the trial, without its histories.
        batch: the number of the first trial that it was asked for with, and how many they were.
        standings: how it stood when a strategy asked, by the epoch.
    """

    trial: Trial
    batch: tuple[int, int]
    standings: dict[int, float] = dataclasses.field(default_factory=dict)


class Resumed(Contest):
    """A contest in which a trial that has a record is not trained again.

    It has come to an epoch at once, stands there as it stood, and ends where it ended: so those
    that are trained anew race against the same trials as before.

    Attributes:
        past: the records by the trials' numbers.
        standings: how each trial stood when a strategy asked, by number and epoch.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.past: dict[int, Record] = {}
        self.standings: dict[int, dict[int, float]] = {}
        self._batches: dict[int, tuple[int, int]] = {}
        self._at: dict[int, int] = {}

    def prepare(self, search: Search) -> None:
        """Find out what the trials are judged by, from the first that can be built.

        Raises:
            GradusError: if none can.
        """
        found: list[GradusError] = []
        for number in range(min(search.trials, PROBED)):
            try:
                self._built(number, search.ask(number, 1)[0])
                return
            except GradusError as error:
                found.append(error)
        if len(set(map(str, found))) == 1:  # of the data or of `fit`, not of what trials differ in
            raise found[0]
        raise GradusError(f"No trial could be built: {found[0]}")

    def recorded(self, search: Search, first: int) -> list[Trial]:
        """Return the batch that begins with a number if a record of each trial is there."""
        numbers = self._numbers(search, first)
        if not all(number in self.past for number in numbers):
            return []
        return [dataclasses.replace(self.past[number].trial) for number in numbers]

    def ask(self, search: Search, first: int, anew: bool = False) -> list[Trial]:
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
                self.past.pop(number, None)
            record = self.past.get(number)
            trials.append(Trial(number, values if record is None else record.trial.values))
        return trials

    def record(self, trial: Trial) -> Record:
        """Return what is to be known of a trial that has ended."""
        batch = self._batches[trial.number]
        return Record(trial, batch, self.standings.get(trial.number, {}))

    def advance(self, trials: Sequence[Trial], until: int | None = None) -> None:
        """Train trials to the end of the epoch `until`, or read how they came there."""
        if until is not None:
            self._at |= dict.fromkeys((trial.number for trial in trials), until)
        super().advance([one for one in trials if not self._came(one, until)], until)

    def standing(self, trial: Trial) -> float:
        """Return what the trial's score would be if it ended now; NaN if it diverged."""
        number = trial.number
        if trial.status != WAITING:
            return super().standing(trial)
        epoch = self._at.get(number, 0)
        known = self.past[number].standings if number in self.past else {}
        found = known[epoch] if epoch in known else super().standing(trial)
        self.standings.setdefault(number, {})[epoch] = found
        return found

    def drop(self, trials: Iterable[Trial]) -> None:
        """End trials where they stand."""
        for trial in trials:
            if trial.number in self.past:
                self._read(trial)
            else:
                super().drop([trial])

    def _numbers(self, search: Search, first: int) -> range:
        """Return the numbers of the batch that begins with one; as it was cut when it was asked."""
        left = search.trials - first
        size = left if search.batch is None else search.batch
        for record in self.past.values():
            if record.batch[0] == first:
                size = record.batch[1]
        return range(first, first + min(size, left))

    def _came(self, trial: Trial, until: int | None) -> bool:
        """Whether a record says how a trial came to an epoch; if to its end, it has ended."""
        record = self.past.get(trial.number)
        if record is None:
            return False
        last = record.trial.epochs
        stopped = record.trial.status == STOPPED
        if not stopped and (until is None or until >= last):
            self._read(trial)
            return True
        if until is not None and until <= last and until in record.standings:
            return True
        del self.past[trial.number]  # it is to go another way than it went
        return False

    def _read(self, trial: Trial) -> None:
        """Have a trial end as its record says."""
        record = self.past[trial.number]
        self.standings[trial.number] = record.standings
        for field in dataclasses.fields(Trial):
            setattr(trial, field.name, getattr(record.trial, field.name))
        self.watch(trial)
