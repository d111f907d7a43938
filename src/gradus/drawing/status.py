"""What a command is doing while it has nothing else to show: the last line of a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

SECONDS_FROM = 3.0  # after which the line says how long it has been
QUIET = 1.0  # seconds after other output before the line is shown again
ERASE = "\r\x1b[2K"
LINE_ENDS = ("\n", "\x1b[?25h")  # the latter: Rich, at the end of what it has redrawn

_lines: list[StatusLine] = []  # none or one


def doing(text: str) -> None:
    """Say what is being done now, on the status line if there is one; "" is nothing.

    >>> doing("reading titanic.csv")
    """
    for line in _lines:
        line.show(text)


@contextlib.contextmanager
def status_line(text: str, wanted: bool = True) -> Iterator[None]:
    """Have a status line within the block, if standard error is a terminal.

    Other output takes its place; it returns when there has been none for a second.

    Args:
        text: what is being done first.
        wanted: whether there is one at all.

    >>> with status_line("reading"):
    ...     print("read")
    read
    """
    terminal = wanted and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    if not terminal or _lines:
        yield
        return
    streams = sys.stdout, sys.stderr
    line = StatusLine(sys.stderr)
    _lines.append(line)
    sys.stdout, sys.stderr = (_Covering(stream, line) for stream in streams)  # type: ignore[assignment]
    try:
        line.show(text)
        yield
    finally:
        line.close()
        _lines.clear()
        sys.stdout, sys.stderr = streams


class StatusLine:
    """A line at the end of a terminal, which other output replaces.

    Args:
        stream: the terminal.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._text, self._since, self._shown = "", 0.0, False
        self._written, self._at_start = 0.0, True  # other output: when, and if it ended a line
        self._lock, self._closed = threading.RLock(), threading.Event()
        threading.Thread(target=self._tick, daemon=True).start()

    def show(self, text: str) -> None:
        """Show what is being done, from now on."""
        with self._lock:
            self._text, self._since = text, time.monotonic()
            if not text:
                self._erase()
            elif self._at_start:
                self._draw()

    def write_over(self, stream: Any, text: str) -> int:
        """Write other output to a stream, in place of the line."""
        with self._lock:
            self._erase()
            self._written, self._at_start = time.monotonic(), text.endswith(LINE_ENDS)
            return int(stream.write(text))

    def close(self) -> None:
        """Erase the line for good."""
        self._closed.set()
        with self._lock:
            self._erase()

    def _tick(self) -> None:
        while not self._closed.wait(QUIET):
            with self._lock:
                quiet = self._shown or time.monotonic() - self._written >= QUIET
                if self._text and self._at_start and quiet and not self._closed.is_set():
                    self._draw()

    def _draw(self) -> None:
        seconds = time.monotonic() - self._since
        text = f"{self._text} …" + (f" {seconds:.0f} s" if seconds >= SECONDS_FROM else "")
        self._stream.write(ERASE + text[: _columns(self._stream) - 1])
        self._stream.flush()
        self._shown = True

    def _erase(self) -> None:
        if self._shown:
            self._stream.write(ERASE)
            self._stream.flush()
            self._shown = False


class _Covering:
    """A stream whose output takes the place of the status line; all but `write` is its own."""

    def __init__(self, stream: Any, line: StatusLine) -> None:
        self._stream, self._line = stream, line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text in place of the line."""
        return self._line.write_over(self._stream, text)


def _columns(stream: Any) -> int:
    """Return the width of a terminal."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
