"""The output of a command: text for people, or one JSON object for programs; its exit status."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter

from gradus.experiments.settings.commands import with_flag_names

DONE, FAILED, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130  # of 128 + the number of SIGINT

SHORTEST = 16  # characters to which a column of text is shortened
_LABELED = re.compile(r"(\w+ {2,}| {7,})(?=\S)")  # "network   Dense 64 …", and the lines below it
_WHOLE_WORDS: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}

Json = Annotated[
    bool, Parameter(negative="", show_default=False, help="Print one JSON object to stdout.")
]


class Output:
    """The destination of a command's output.

    Args:
        json: whether standard output is for one JSON object, and text goes to standard error.
    """

    def __init__(self, json: bool) -> None:
        self.json = json

    def print_line(self, line: str = "") -> None:
        """Print a line of text; on a terminal one that begins with a label is wrapped at words."""
        stream, line = self._stream(), with_flag_names(line)
        labeled = _LABELED.match(line)
        if labeled and len(line) > (columns := _columns(stream)):
            indent = " " * labeled.end()
            lines = textwrap.wrap(line[labeled.end() :], columns - len(indent), **_WHOLE_WORDS)
            line = labeled[0] + f"\n{indent}".join(lines)
        stream.write(line + "\n")
        stream.flush()

    def _stream(self) -> Any:
        return sys.stderr if self.json else sys.stdout

    def print_note(self, note: str) -> None:
        """Print a note to standard error, as standard output may hold predictions."""
        sys.stderr.write(f"note: {with_flag_names(note)}\n")
        sys.stderr.flush()

    def print_table(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        text: Sequence[str] = (),
        optional: Sequence[str] = (),
    ) -> None:
        """Print a table; columns of numbers are right-aligned.

        On a terminal that is too narrow, columns of text are shortened, the last first.

        Args:
            header: the names of the columns.
            rows: a text for each column.
            text: the names of the columns of text, besides the first.
            optional: the names of columns that a narrow terminal lacks, the first before others.
        """
        stream, text = self._stream(), (header[0], *text)
        all_widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        widths = dict(zip(header, all_widths, strict=True))
        left_out = _fit(widths, text, optional, _columns(stream))
        for row in [header, *rows]:
            cells = [
                _shortened(cell, widths[name]).ljust(widths[name])
                if name in text
                else cell.rjust(widths[name])
                for cell, name in zip(row, header, strict=True)
                if name in widths
            ]
            stream.write(with_flag_names("  ".join(cells).rstrip()) + "\n")
        stream.flush()
        if left_out:
            self.print_line(f"Not shown for lack of room: {', '.join(left_out)}.")

    def print_json(self, content: Mapping[str, Any]) -> None:
        """Print the JSON object, if JSON is wanted."""
        if self.json:
            import msgspec

            text = msgspec.json.encode(_with_flags(content)).decode()
            sys.stdout.write(_encodable_json(text, sys.stdout.encoding or "utf-8") + "\n")
            sys.stdout.flush()


_SENTENCES = ("message", "why", "remedy", "note", "notes", "limits", "error")


def _with_flags(content: Any, are_sentences: bool = False) -> Any:
    """Return content for JSON whose sentences name flags; data stay as they are."""
    if isinstance(content, Mapping):
        return {key: _with_flags(value, key in _SENTENCES) for key, value in content.items()}
    if isinstance(content, list):
        return [_with_flags(value, are_sentences) for value in content]
    return with_flag_names(content) if are_sentences and isinstance(content, str) else content


def _columns(stream: Any) -> int:
    """Return the width of a terminal; a file or a pipe has room for all."""
    return shutil.get_terminal_size().columns if stream.isatty() else sys.maxsize


def _fit(
    widths: dict[str, int], text: Sequence[str], optional: Sequence[str], room: int
) -> list[str]:
    """Have columns fit; return the names of those that are left out.

    Args:
        widths: the width of each column by its name, which changes.
        text: the names of columns that can be shortened.
        optional: the names of columns that can be left out, the first before others.
        room: the width of the terminal.
    """

    def too_wide(shortest: int) -> int:
        least = [min(w, shortest) if name in text else w for name, w in widths.items()]
        return sum(least) + 2 * (len(least) - 1) - room

    left_out = []
    for name in optional:
        if too_wide(SHORTEST) > 0:
            del widths[name]
            left_out.append(name)
    for name in reversed([name for name in widths if name in text]):
        widths[name] -= max(0, min(widths[name] - SHORTEST, too_wide(sys.maxsize)))
    return left_out


def _shortened(cell: str, width: int) -> str:
    return cell if len(cell) <= width else cell[: width - 1] + "…"


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


def format_value(value: Any) -> str:
    """Format a number for people, with four or five digits."""
    if not isinstance(value, int | float):
        return "-" if value is None else str(value)
    if abs(value) >= 1e5:
        return f"{value:,.0f}"
    if 0 <= value < 1e-3:  # a loss; a negative score is about zero
        return f"{value:.4g}"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.2f}"
