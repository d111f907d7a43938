"""Tracking beside a training: trackers are called in threads, so that none ends or slows it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from gradus.tracking.tracker import Setting, Tracker

WAIT = 10.0  # seconds without progress after which what a tracker has not taken is given up


class Tracking:
    """All trackers of one training or sweep, as a context.

    Args:
        trackers: the trackers, which are checked.

    Raises:
        GradusError: for a package that is missing, or a wrong setting of a tracker.
    """

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        for tracker in trackers:
            tracker.check()
        self._threads = [TrackerThread(tracker) for tracker in trackers]
        self._open = False

    def __bool__(self) -> bool:
        return bool(self._threads)

    def __enter__(self) -> Tracking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None and self._open:
            interrupted = issubclass(kind, KeyboardInterrupt)
            self.end(
                "interrupted" if interrupted else "failed", [] if interrupted else [str(error)]
            )
        self.finish()

    @property
    def notes(self) -> list[str]:
        """What went wrong, in sentences, at most one for each tracker."""
        return [thread.note for thread in self._threads if thread.note]

    def begin(self, name: str, settings: Mapping[str, Setting]) -> None:
        """Begin a run; see `Tracker.start`."""
        self._open = True
        for thread in self._threads:
            thread.put(lambda tracked: tracked.begin(name, settings))

    def log(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """Log the numbers of an epoch of the run."""
        for thread in self._threads:
            thread.put(lambda tracked: tracked.run.log(epoch, numbers))

    def end(self, status: str, findings: Sequence[str] = ()) -> None:
        """End the run; see `TrackedRun.end`."""
        self._open = False
        for thread in self._threads:
            thread.put(lambda tracked: tracked.run.end(status, findings))

    def finish(self) -> None:
        """Wait until the trackers have taken everything, or stopped to take any."""
        for thread in self._threads:
            thread.finish()


class TrackerThread:
    """A tracker that is called in a thread of its own, until it fails.

    Args:
        tracker: the tracker.

    Attributes:
        run: the run that is logged.
        note: why it stopped; "" as long as it has not.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker, self.note = tracker, ""
        self.run: Any = None
        self._calls: queue.SimpleQueue[Callable[[TrackerThread], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._progress = time.monotonic()  # when the last call ended

    @property
    def name(self) -> str:
        """What messages call the tracker."""
        return type(self.tracker).__name__

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, call: Callable[[TrackerThread], None]) -> None:
        """Have the thread make a call, after all others."""
        self._calls.put(call)

    def begin(self, name: str, settings: Mapping[str, Setting]) -> None:
        """Begin a run."""
        self.run = self.tracker.start(name, settings)

    def finish(self) -> None:
        """Wait until all calls are made; give up where one takes too long, or at Ctrl-C."""
        if not self._thread.is_alive():
            return
        self._calls.put(None)
        self._progress = time.monotonic()
        why = f"nothing has happened for {WAIT:.0f} s"
        try:
            while self._thread.is_alive() and time.monotonic() - self._progress < WAIT:
                self._thread.join(0.1)
        except KeyboardInterrupt:
            why = "Ctrl-C was pressed"
        if self._thread.is_alive() and not self.note:
            self.note = (
                f"the tracker {self.name} has not taken everything, and {why}: its run may lack "
                "the last numbers"
            )

    def _work(self) -> None:
        """Make all calls; after one that fails, none any more."""
        while (call := self._calls.get()) is not None:
            if self.note:
                continue
            try:
                call(self)
            except Exception as error:  # of any package; none may end a training
                reason = str(error).strip().splitlines() or [type(error).__name__]
                self.note = f"the tracker {self.name} failed and logs no more: {reason[0]}"
            self._progress = time.monotonic()
