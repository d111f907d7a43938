"""What is shown while something runs: a block that is redrawn, on a terminal or in a notebook."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from gradus.drawing.notebook import notebook_display, preformatted
from gradus.streams import writable

REDRAWS = 4  # a second, at most
NOTEBOOK_WIDTH = 100  # characters


class LiveDisplay(Protocol):
    """A block that is redrawn, with lines above it that stay."""

    def refresh(self) -> None:
        """Redraw the block; the display may wait for the next time that it is due."""

    def print_line(self, line: str) -> None:
        """Print a line above the block."""

    def close(self) -> None:
        """Draw the block for the last time."""


def live_display(block: Callable[[], Any]) -> LiveDisplay | None:
    """Return a display of a block, or None where only plain lines can be shown.

    Args:
        block: returns what to draw, for `rich`.
    """
    if (display := notebook_display()) is not None:
        return NotebookDisplay(block, display)
    return TerminalDisplay(block) if writable(sys.stderr).isatty() else None


class TerminalDisplay:
    """A block at the end of a terminal's output, on standard error.

    Args:
        block: returns what to draw.
    """

    def __init__(self, block: Callable[[], Any]) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=writable(sys.stderr))
        self._live = Live(get_renderable=block, console=console, refresh_per_second=REDRAWS)
        self._live.start(refresh=True)

    def refresh(self) -> None:
        """Do nothing: the terminal is redrawn by a thread, as the time that is left changes too."""

    def print_line(self, line: str) -> None:
        """Print a line above the block."""
        self._live.console.print(line, markup=False, highlight=False)

    def close(self) -> None:
        """Draw the block for the last time."""
        self._live.stop()


class NotebookDisplay:
    """A block in the output of a notebook's cell, where it stays.

    Args:
        block: returns what to draw.
        display: IPython's `display`.
    """

    def __init__(self, block: Callable[[], Any], display: Any) -> None:
        self._block = block
        self._lines: list[str] = []
        self._drawn = time.perf_counter()
        self._handle = display(self._mime_types(), raw=True, display_id=True)

    def refresh(self) -> None:
        """Redraw the block, if the last time is long enough ago."""
        if time.perf_counter() - self._drawn >= 1 / REDRAWS:
            self._draw()

    def print_line(self, line: str) -> None:
        """Print a line above the block."""
        self._lines.append(line)
        self._draw()

    def close(self) -> None:
        """Draw the block for the last time."""
        self._draw()

    def _draw(self) -> None:
        self._drawn = time.perf_counter()
        self._handle.update(self._mime_types(), raw=True)

    def _mime_types(self) -> dict[str, str]:
        """Return the lines and the block as text and as HTML."""
        from rich.console import Console

        page = io.StringIO()
        console = Console(file=page, width=NOTEBOOK_WIDTH, color_system=None, force_jupyter=False)
        console.print(self._block())
        text = "\n".join([*self._lines, page.getvalue().rstrip()])
        return {"text/plain": text, "text/html": preformatted(text)}


def format_remaining(seconds: float) -> str:
    """Format the time that is left: "16 s", "5 min", "2 h 10 min"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
