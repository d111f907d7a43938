"""The progress of a training: a live line on a terminal or in a notebook, else plain lines."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType, TracebackType
from typing import Any

from gradus.drawing.live import LiveDisplay, format_remaining, live_display
from gradus.streams import in_words, writable
from gradus.train.history import History
from gradus.train.state import TrainState

LINE_SECONDS = 5.0  # between two plain lines
BAR, WIDE = 20, 80  # characters of the bar, and of a terminal that has room for it


class TrainingProgress:
    """A listener that shows progress after each call of the program, and handles Ctrl-C.

    The first Ctrl-C lets the current call finish and then ends training cleanly; a second one
    raises KeyboardInterrupt.

    Args:
        verbose: whether anything is shown.
        samples: training samples in an epoch, if that is known.
        epochs: the number of the last epoch.
        watched: the number of the history that is shown first.
    """

    def __init__(
        self, verbose: bool, samples: int | None, epochs: int, watched: str = "loss"
    ) -> None:
        self.verbose, self.samples, self.watched = verbose, samples, watched
        self.line = ProgressLine(epochs)
        self.interrupted = False
        self._shown = time.perf_counter()
        self._epochs = 0  # recorded before the call that is shown
        self._notes = 0  # of the history that have been shown
        self._display: LiveDisplay | None = None
        self._handler: Any = None

    def __enter__(self) -> TrainingProgress:
        try:
            self._handler = signal.signal(signal.SIGINT, self._interrupt)
        except ValueError:  # not the main thread, which alone handles signals
            self._handler = None
        self._display = live_display(lambda: self.line) if self.verbose else None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
        if self._display is not None:
            self._display.close()

    def __call__(self, train_state: TrainState, history: History) -> bool:
        """Show the progress; return whether Ctrl-C was pressed."""
        if self.verbose:
            self._show(train_state.epochs_begun, history)
        self._epochs = history.epochs
        return self.interrupted

    def was_interrupted(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self.interrupted

    def report_end(self, history: History) -> None:
        """Show why training ended before its last epoch, and the history's notes."""
        if not self.verbose:
            return
        if history.stopped in ("patience", "target"):
            best = history.best_epoch
            kept = f"; the weights of epoch {best} are kept" if best else ""
            self._print(f"Stopped early after epoch {history.epochs}{kept}.")
        elif history.stopped == "callback":
            self._print(f"Stopped by a callback after epoch {history.epochs}.")
        elif history.stopped == "fault":
            self._print(f"Stopped after epoch {history.epochs}: going on would be pointless.")
        elif history.stopped == "interrupted":
            self._print(f"Interrupted after epoch {history.epochs}; the training can continue.")
        self.report_notes(history)

    def report(self, line: str) -> None:
        """Show a line."""
        if self.verbose:
            self._print(line)

    def report_notes(self, history: History) -> None:
        """Show the history's notes that have not been shown."""
        if self.verbose:
            for note in history.notes[self._notes :]:
                self._print(f"Note: {note}")
            self._notes = len(history.notes)

    def _show(self, epoch: int, history: History) -> None:
        now = time.perf_counter()
        seconds = history.seconds[-1] / max(1, history.epochs - self._epochs)  # an epoch
        samples = None if self.interrupted else self.samples  # of an epoch that was not cut short
        self.line.update(epoch, seconds, samples, self._numbers(history))
        if self._display is not None:
            self._display.refresh()
        elif now - self._shown > LINE_SECONDS or epoch >= self.line.epochs:
            self._shown = now
            self._print("  ".join(self.line.parts()))

    def _numbers(self, history: History) -> list[str]:
        """Return the numbers of the last epoch, the watched one first."""
        last = history.last()
        names = sorted((name for name in last if name != "learning_rate"), key=self._is_not_watched)
        return [f"{name} {last[name]:.4g}" for name in names]

    def _is_not_watched(self, name: str) -> bool:
        return name != self.watched

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    def _print(self, line: str) -> None:
        line = in_words(line)
        if self._display is not None:
            self._display.print_line(line)
        else:
            writable(sys.stderr).write(line + "\n")


class ProgressLine:
    """How far a training is: epoch, bar, time left, and as many numbers as there is room for.

    Args:
        epochs: the number of the last epoch.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self._epoch, self._numbers, self._rate = 0, ["compiling …"], ""
        self._end: float | None = None  # when the last epoch will end, by `time.perf_counter`

    def update(self, epoch: int, seconds: float, samples: int | None, numbers: list[str]) -> None:
        """Take over what an epoch has shown.

        Args:
            epoch: its number.
            seconds: how long it took.
            samples: how many it trained on, if that is known.
            numbers: of the epoch, the most important first.
        """
        self._epoch, self._numbers = epoch, numbers
        self._rate = f"{samples / max(seconds, 1e-9):,.0f} samples/s" if samples else ""
        self._end = time.perf_counter() + (self.epochs - epoch) * seconds

    def parts(self) -> list[str]:
        """Return the parts of the line from left to right, without the bar."""
        left = []
        if self._end is not None and self._epoch < self.epochs:
            left = [f"{format_remaining(max(self._end - time.perf_counter(), 0))} left"]
        rate = [self._rate] if self._rate else []
        return [f"epoch {self._epoch}/{self.epochs}", *left, *self._numbers, *rate]

    def __rich_console__(self, console: Any, options: Any) -> Any:
        """Yield the line with a bar, and as many parts, from the left, as fit."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        width = BAR if options.max_width >= WIDE else BAR // 2
        epoch, *others = self.parts()
        room = options.max_width - len(epoch) - width - 1
        shown = []
        for part in others:
            room -= len(part) + 2
            if room < 0:
                break
            shown.append(part)
        line = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(self.epochs, 1), completed=self._epoch, width=width)
        line.add_row(Text(epoch), bar, Text("  ".join(shown)))
        yield line
