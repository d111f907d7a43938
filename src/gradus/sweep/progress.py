"""What is shown while a sweep runs: its leaders, live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Protocol

from gradus.hyperparameters import Hyperparameter
from gradus.sweep.search.trial import DIVERGED, FAILED, WAITING, Trial

LINE_SECONDS = 5.0  # between two plain lines
LEADERS = 5
NARROW = 30  # columns that a setting or a number takes at most


class SweepStatus(Protocol):
    """What is shown of a sweep; the attributes are those of `Sweep`."""

    trials: list[Trial]
    hypers: dict[str, Hyperparameter]
    interrupted: bool

    @property
    def fused(self) -> tuple[str, ...]:
        """The choices that trials of one program differ in."""

    @property
    def monitor(self) -> str:
        """The number that the trials are judged by."""

    @property
    def ranking(self) -> list[Trial]:
        """The trials from the best to the worst."""


class SweepProgress:
    """Shows how far a sweep is, and which trials lead.

    Args:
        sweep: whose trials they are.
        total: how many there are to be.
        verbose: whether anything is shown.
    """

    def __init__(self, sweep: SweepStatus, total: int, verbose: bool) -> None:
        self.sweep, self.total, self.verbose = sweep, total, verbose
        self._ended = sum(trial.status != WAITING for trial in sweep.trials)
        self._before = self._ended  # of an earlier fit that this one goes on with
        self._began = self._shown = time.perf_counter()
        self._live: Any = None

    def __enter__(self) -> SweepProgress:
        if self.verbose and self.sweep.fused:
            sys.stderr.write(f"Chosen inside the programs: {', '.join(self.sweep.fused)}.\n")
        if self.verbose and sys.stderr.isatty():
            self._live = _live(self._page)
            self._live.start()
        elif self.verbose and self._ended < self.total:
            self._print()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
        elif self.verbose and self._ended > self._before:
            self._print()
        if self.verbose:
            self._print_lost()
        if self.verbose and kind is None and self.sweep.interrupted:
            sys.stderr.write(f"Interrupted after {self._ended} of {self.total} trials.\n")

    def __call__(self, trial: Trial) -> None:
        """Hear that a trial has ended."""
        self._ended += 1
        now = time.perf_counter()
        plain = self.verbose and self._live is None
        if plain and now - self._shown > LINE_SECONDS and self._ended < self.total:
            self._shown = now
            self._print()

    def headline(self) -> str:
        """Return how far the sweep is: "64/256 trials  12.3 trials/s  16 s left"."""
        words = f"{self._ended}/{self.total} trials"
        new = self._ended - self._before
        if not new:
            return f"{words}  compiling …"
        rate = new / max(time.perf_counter() - self._began, 1e-9)
        pace = f"{rate:.1f} trials/s" if rate >= 1 else f"{1 / rate:.1f} s a trial"
        left = f"  {_duration((self.total - self._ended) / rate)} left"
        # The first trials wait for the compilation, and say little of the others.
        told = self._ended < self.total and (new >= 16 or 5 * new >= self.total)
        return f"{words}  {pace}{left * told}"

    def leaders(self) -> list[Trial]:
        """Return the best trials that have ended."""
        if all(trial.status in (WAITING, FAILED) for trial in self.sweep.trials):
            return []
        ranking = self.sweep.ranking[:LEADERS]
        return [trial for trial in ranking if trial.score == trial.score]

    def _print(self) -> None:
        best = ""
        for trial in self.leaders()[:1]:
            settings = trial.settings(self.sweep.hypers).items()
            shown = ", ".join(f"{name} {_word(v)}" for name, v in settings if v is not None)
            best = f"  best {self.sweep.monitor} {trial.score:.4g} ({shown})"
        sys.stderr.write(f"{self.headline()}{best}\n")

    def _print_lost(self) -> None:
        """Say how many trials came to nothing, and why the first of them."""
        lost = {status: [] for status in (FAILED, DIVERGED)}  # type: dict[str, list[Trial]]
        for trial in self.sweep.trials:
            lost.get(trial.status, []).append(trial)
        for status, trials in lost.items():
            if trials:
                why = f": trial {trials[0].number}, {trials[0].error}" if trials[0].error else "."
                sys.stderr.write(f"{len(trials)} of {self.total} trials {status}{why}\n")

    def _page(self) -> Any:
        """Return what stands on the terminal: the leaders, and below them how far the sweep is."""
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        leaders = self.leaders()
        if not leaders:
            return Text(self.headline())
        others = [
            name
            for name in leaders[0].metrics
            if name.startswith("val_") and name != self.sweep.monitor
        ]
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
        table.add_column("trial", justify="right")
        for name in (self.sweep.monitor, *others, *self.sweep.hypers):
            table.add_column(Text(name), justify="right", overflow="ellipsis", max_width=NARROW)
        for trial in leaders:
            numbers = [trial.score, *(trial.metrics.get(name) for name in others)]
            settings = trial.settings(self.sweep.hypers).values()
            style = "bold" if trial is leaders[0] else ""
            cells = [Text(_word(value)) for value in (trial.number, *numbers, *settings)]
            table.add_row(*cells, style=style)
        return Group(table, Text(self.headline()))


def _live(page: Any) -> Any:
    from rich.console import Console
    from rich.live import Live

    return Live(get_renderable=page, console=Console(stderr=True), refresh_per_second=4)


def _word(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
