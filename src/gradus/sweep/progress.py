"""The progress of a sweep: a live table of its best trials on a terminal, else plain lines."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Protocol

from gradus.drawing.live import LiveDisplay, format_remaining, live_display
from gradus.hyperparameters import Hyperparameter
from gradus.streams import writable
from gradus.sweep.search.trial import DIVERGED, FAILED, WAITING, Trial

LINE_SECONDS = 5.0  # between two plain lines
LEADERS = 5
MAX_COLUMN_WIDTH = 30  # characters of a table column


class SweepStatus(Protocol):
    """The attributes of `Sweep` that the progress display reads."""

    trials: list[Trial]
    hypers: dict[str, Hyperparameter]
    interrupted: bool

    @property
    def fused(self) -> tuple[str, ...]:
        """The choices that programs switch between."""

    @property
    def monitor(self) -> str:
        """The metric that scores the trials."""

    @property
    def ranking(self) -> list[Trial]:
        """The trials from best to worst."""


class SweepProgress:
    """Shows how many trials have ended and which ones lead.

    Args:
        sweep: the sweep.
        total: the number of trials.
        verbose: whether to show anything.
    """

    def __init__(self, sweep: SweepStatus, total: int, verbose: bool) -> None:
        self.sweep, self.total, self.verbose = sweep, total, verbose
        self._ended = sum(trial.ended for trial in sweep.trials)
        self._restored = self._ended  # trials restored from a storage
        self._started = self._shown = time.perf_counter()
        self._display: LiveDisplay | None = None

    def __enter__(self) -> SweepProgress:
        self._display = live_display(self._page) if self.verbose else None
        if self.verbose and self.sweep.fused:
            self._print_line(f"Switched inside the programs: {', '.join(self.sweep.fused)}.")
        if self.verbose and self._display is None and self._ended < self.total:
            self._print()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._display is not None:
            self._display.close()
        elif self.verbose and self._ended > self._restored:
            self._print()
        if self.verbose:
            self._print_failures()
        if self.verbose and kind is None and self.sweep.interrupted:
            self._print_line(f"Interrupted after {self._ended} of {self.total} trials.")

    def __call__(self, trial: Trial) -> None:
        """Count a trial that has ended."""
        self._ended += 1
        now = time.perf_counter()
        if self._display is not None:
            self._display.refresh()
        elif self.verbose and now - self._shown > LINE_SECONDS and self._ended < self.total:
            self._shown = now
            self._print()

    def headline(self) -> str:
        """Return the progress in a line: "64/256 trials  12.3 trials/s  16 s left"."""
        count = f"{self._ended}/{self.total} trials"
        new = self._ended - self._restored
        if not new:
            return f"{count}  compiling …"
        rate = new / max(time.perf_counter() - self._started, 1e-9)
        pace = f"{rate:.1f} trials/s" if rate >= 1 else f"{1 / rate:.1f} s a trial"
        # The first trials wait for compilation, so their pace predicts little.
        predictable = self._ended < self.total and (new >= 16 or 5 * new >= self.total)
        remaining = (
            f"  {format_remaining((self.total - self._ended) / rate)} left" if predictable else ""
        )
        return f"{count}  {pace}{remaining}"

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
            shown = ", ".join(f"{name} {_format(v)}" for name, v in settings if v is not None)
            best = f"  best {self.sweep.monitor} {trial.score:.4g} ({shown})"
        self._print_line(f"{self.headline()}{best}")

    def _print_line(self, line: str) -> None:
        if self._display is not None:
            self._display.print_line(line)
        else:
            writable(sys.stderr).write(line + "\n")

    def _print_failures(self) -> None:
        """Print how many trials failed or diverged, and why the first one did."""
        failures = {status: [] for status in (FAILED, DIVERGED)}  # type: dict[str, list[Trial]]
        for trial in self.sweep.trials:
            failures.get(trial.status, []).append(trial)
        for status, trials in failures.items():
            if trials:
                first = trials[0]
                reason = f": trial {first.number}, {first.error}" if first.error else "."
                self._print_line(f"{len(trials)} of {self.total} trials {status}{reason}")

    def _page(self) -> Any:
        """Return the terminal display: the leaders, and the headline below them."""
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
            table.add_column(
                Text(name), justify="right", overflow="ellipsis", max_width=MAX_COLUMN_WIDTH
            )
        for trial in leaders:
            numbers = [trial.score, *(trial.metrics.get(name) for name in others)]
            settings = trial.settings(self.sweep.hypers).values()
            style = "bold" if trial is leaders[0] else ""
            cells = [Text(_format(value)) for value in (trial.number, *numbers, *settings)]
            table.add_row(*cells, style=style)
        return Group(table, Text(self.headline()))


def _format(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
