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
NAME, GAP = 8, 3  # characters that are left of a column's name, and between two columns


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
        leaders, rows = self.leaders(), []
        if not leaders:
            return _Page([], [], self.headline())
        others = [
            name
            for name in leaders[0].metrics
            if name.startswith("val_") and name != self.sweep.monitor
        ]
        for trial in leaders:
            settings = trial.settings(self.sweep.hypers).values()
            numbers = [trial.metrics.get(name) for name in others]
            rows.append([*map(_format, (trial.number, trial.score, *settings, *numbers))])
        names = ["trial", self.sweep.monitor, *self.sweep.hypers, *others]
        return _Page(names, rows, self.headline())


class _Page:
    """The best trials as a table of the columns that there is room for, and a line below it."""

    def __init__(self, names: list[str], rows: list[list[str]], headline: str) -> None:
        self.names, self.rows, self.headline = names, rows, headline

    def __rich_console__(self, console: Any, options: Any) -> Any:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        if self.rows:
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
            for name, width in zip(self.names, self._widths(options.max_width), strict=False):
                table.add_column(
                    Text(name), justify="right", overflow="ellipsis", no_wrap=True, width=width
                )
            for row in self.rows:
                style = "" if table.rows else "bold"
                table.add_row(*map(Text, row[: len(table.columns)]), style=style)
            yield table
        yield Text(self.headline)

    def _widths(self, room: int) -> list[int]:
        """Return the widths of the columns that fit; a name is shortened rather than left out."""
        cells = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        wanted = [
            min(MAX_COLUMN_WIDTH, max(width, len(name)))
            for width, name in zip(cells, self.names, strict=True)
        ]
        least = [min(max(width, NAME), most) for width, most in zip(cells, wanted, strict=True)]
        while sum(least) + GAP * len(least) > room and len(least) > 2:
            least.pop()
        left = room - sum(least) - GAP * len(least)
        widths = []
        for width, most in zip(least, wanted, strict=False):
            more = max(0, min(left, most - width))
            left -= more
            widths.append(width + more)
        return widths


def _format(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
