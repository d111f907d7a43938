"""The output of a command: text for people, or one JSON object for programs; its exit status."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter

DONE, FAILED, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130  # of 128 + the number of SIGINT

Json = Annotated[bool, Parameter(negative="", help="Print one JSON object to stdout.")]


class Output:
    """The destination of a command's output.

    Args:
        json: whether standard output is for one JSON object, and text goes to standard error.
    """

    def __init__(self, json: bool) -> None:
        self.json = json

    def print_line(self, line: str = "") -> None:
        """Print a line of text."""
        stream = sys.stderr if self.json else sys.stdout
        stream.write(with_flag_names(line) + "\n")
        stream.flush()

    def print_note(self, note: str) -> None:
        """Print a note to standard error, as standard output may hold predictions."""
        sys.stderr.write(f"note: {note}\n")
        sys.stderr.flush()

    def print_table(
        self, header: Sequence[str], rows: Sequence[Sequence[str]], text: Sequence[str] = ()
    ) -> None:
        """Print a table; columns of numbers are right-aligned.

        Args:
            header: the names of the columns.
            rows: a text for each column.
            text: the names of the columns of text, besides the first.
        """
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        for row in [header, *rows]:
            cells = [
                cell.ljust(width) if name in (header[0], *text) else cell.rjust(width)
                for cell, width, name in zip(row, widths, header, strict=True)
            ]
            self.print_line("  ".join(cells).rstrip())

    def print_json(self, content: Mapping[str, Any]) -> None:
        """Print the JSON object, if JSON is wanted."""
        if self.json:
            import msgspec

            text = msgspec.json.encode(content).decode()
            sys.stdout.write(_encodable_json(text, sys.stdout.encoding or "utf-8") + "\n")
            sys.stdout.flush()


def print_table_file(text: str) -> None:
    """Print a table as CSV to standard output, in UTF-8 as in a file; a terminal gets text."""
    if sys.stdout.isatty() or not hasattr(sys.stdout, "buffer"):
        sys.stdout.write(text)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()


def _encodable_json(text: str, encoding: str) -> str:
    """Return JSON with escapes where the encoding lacks a character."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], text)
    return text


def with_flag_names(message: str) -> str:
    """Return a message of the library with the flags of `train` instead of Python arguments."""
    flags = re.sub(r"\b(keep|drop)=\['([^']*)'\]", r"--\1-columns '\2'", message)
    flags = re.sub(r"\bheader=True", "--header yes", flags)
    flags = re.sub(r"\b(sheet|separator)=('[^']*'|…)", r"--\1 \2", flags)
    flags = re.sub(r"[A-Z][^.]*another file, or.*", "Start a new one with --out.", flags)
    flags = flags.replace(", or None for all", ', or "all"')
    flags = flags.replace("leave out resume to start over", "start a new one with --out")
    flags = re.sub(r"\bthreshold=([-\w.]+)", r"--threshold \1", flags)
    return re.sub(r"\b(monitor|metrics)=\[?'(\w+)'\]?", r"--\1 \2", flags)


def format_value(value: Any) -> str:
    """Format a number for people, with four or five digits."""
    if not isinstance(value, int | float):
        return "-" if value is None else str(value)
    if abs(value) >= 1e5:
        return f"{value:,.0f}"
    if abs(value) < 1e-3:
        return f"{value:.4g}"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.2f}"
