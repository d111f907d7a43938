"""The progress shown during training: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType, TracebackType
from typing import Any

from gradus.streams import writable
from gradus.train.history import History
from gradus.train.state import TrainState

LINE_SECONDS = 5.0  # between two plain lines


class TrainingProgress:
    """A listener that shows progress after each call of the program, and handles Ctrl-C.

    The first Ctrl-C lets the current call finish and then ends training cleanly; a second one
    raises KeyboardInterrupt.

    Args:
        verbose: whether anything is shown.
        samples: training samples in an epoch.
        epochs: the number of the last epoch.
    """

    def __init__(self, verbose: bool, samples: int, epochs: int) -> None:
        self.verbose, self.samples, self.epochs = verbose, samples, epochs
        self.interrupted = False
        self._shown = time.perf_counter()
        self._epochs = 0  # recorded before the call that is shown
        self._notes = 0  # of the history that have been shown
        self._bar: Any = None
        self._task: Any = None
        self._handler: Any = None

    def __enter__(self) -> TrainingProgress:
        try:
            self._handler = signal.signal(signal.SIGINT, self._interrupt)
        except ValueError:  # not the main thread, which alone handles signals
            self._handler = None
        if self.verbose and writable(sys.stderr).isatty():
            self._bar = _progress_bar()
            self._bar.start()
            self._task = self._bar.add_task("", total=self.epochs, numbers="compiling …", rate="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, train_state: TrainState, history: History) -> bool:
        """Show the progress; return whether Ctrl-C was pressed."""
        epoch = int(train_state.epoch)
        if self.verbose:
            self._show(epoch, history)
        self._epochs = history.epochs
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
        last = history.last()
        numbers = "  ".join(f"{n} {v:.4g}" for n, v in last.items() if n != "learning_rate")
        seconds = history.seconds[-1] / max(1, history.epochs - self._epochs)  # an epoch
        rate = f"{self.samples / max(seconds, 1e-9):,.0f} samples/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=epoch, numbers=numbers, rate=rate)
        elif now - self._shown > LINE_SECONDS or epoch >= self.epochs:
            self._shown = now
            remaining = (self.epochs - epoch) * seconds
            self._print(f"epoch {epoch}/{self.epochs}  {numbers}  {rate}  {remaining:.0f} s left")

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    def _print(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, markup=False)
        else:
            writable(sys.stderr).write(line + "\n")


def _progress_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    return Bar(
        TextColumn("epoch"),
        MofNCompleteColumn(),
        BarColumn(20),
        TextColumn("{task.fields[numbers]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(file=writable(sys.stderr)),
    )
