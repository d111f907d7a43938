"""What a command shows: words for a person, or one JSON object for a program."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any


class Output:
    """Where a command writes.

    Args:
        json: whether standard output is for one JSON object, and words go to standard error.
    """

    def __init__(self, json: bool) -> None:
        self.json = json

    def say(self, line: str = "") -> None:
        """Show a line to a person."""
        stream = sys.stderr if self.json else sys.stdout
        stream.write(in_flags(line) + "\n")
        stream.flush()

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show a table: the first column to the left, all others to the right."""
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        for row in [header, *rows]:
            cells = [
                cell.ljust(width) if index == 0 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            self.say("  ".join(cells).rstrip())

    def result(self, content: Mapping[str, Any]) -> None:
        """Print the JSON object, if one is asked for."""
        if self.json:
            import msgspec

            sys.stdout.write(msgspec.json.encode(content).decode() + "\n")
            sys.stdout.flush()


def in_flags(message: str) -> str:
    """Return a message of the library with its arguments written as the flags of `train`."""
    flags = re.sub(r"\b(keep|drop)=\['([^']*)'\]", r"--\1-columns '\2'", message)
    flags = re.sub(r"Give this one another file, or, .*", "Begin a new one with --out.", flags)
    flags = flags.replace(", or None for all", ', or "all"')
    return re.sub(r"\b(monitor|metrics)=\[?'(\w+)'\]?", r"--\1 \2", flags)


def format_value(value: Any) -> str:
    """Return a number as people read it, with four or five digits."""
    if not isinstance(value, int | float):
        return "-" if value is None else str(value)
    return (
        f"{value:,.0f}"
        if abs(value) >= 1e5
        else f"{value:.4g}"
        if abs(value) < 1e-3
        else (f"{value:.4f}" if abs(value) < 10 else f"{value:,.2f}")
    )
