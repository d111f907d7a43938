"""The standard streams as they are: absent, closed, or of an encoding with few characters.

A program without a console (`pythonw`) has no streams at all, and one whose output goes to a file
on Windows, or under a Latin-1 locale, cannot write "→". Text for people is written there in plainer
characters; none of it is worth an error that ends a training.
"""

from __future__ import annotations

import codecs
import contextlib
import contextvars
import io
import sys
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, TextIO

PLAIN = {
    "…": "...",
    "→": "->",
    "←": "<-",
    "↦": "->",
    "−": "-",
    "–": "-",
    "—": "-",
    "·": "*",
    "×": "x",
    "•": "*",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "±": "+/-",
    "÷": "/",
    "√": "sqrt",
    "∂": "d",
    "∞": "inf",
    "∝": "~",
    "∗": "*",
    "‖": "||",
    "Σ": "sum ",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "µ": "u",
}
_ERRORS = "gradus.plain"  # the name of `_replace` among Python's ways to treat an encoding error


class PlainStream:
    """A stream that replaces the characters that its encoding lacks.

    Args:
        stream: the stream; all but `write` is its own.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text, in plainer characters where needed."""
        encoding = self._stream.encoding
        return self._stream.write(text.encode(encoding, _ERRORS).decode(encoding))


class _NoStream(io.TextIOBase):
    """What is written to it is lost."""

    def write(self, text: str) -> int:
        return len(text)


def writable(stream: Any) -> Any:
    """Return a stream to which any text can be written, instead of one that may be absent.

    Args:
        stream: `sys.stdout`, `sys.stderr`, or what stands there: None, or a closed stream.
    """
    if stream is None or getattr(stream, "closed", False):
        return _NoStream()
    if isinstance(stream, PlainStream) or not getattr(stream, "encoding", None):
        return stream
    return PlainStream(stream)


@contextlib.contextmanager
def all_writable() -> Iterator[None]:
    """Have standard output and standard error be `writable` within the block."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (writable(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


Words = Callable[[str], str]
_reader: contextvars.ContextVar[Words] = contextvars.ContextVar("reader", default=str)


@contextlib.contextmanager
def worded(words: Words) -> Iterator[None]:
    """Have messages be in the words of who reads them within the block, such as with flags."""
    before = _reader.set(words)
    try:
        yield
    finally:
        _reader.reset(before)


def in_words(message: str) -> str:
    """Return a message in the words of who reads it: those of Python, unless `worded` says else."""
    return _reader.get()(message)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Return plainer characters for those that cannot be encoded, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(map(_plain, characters)), error.end


def _plain(character: str) -> str:
    """Return ASCII characters that stand for a character: "..." for "…", "e" for "é"."""
    if character in PLAIN:
        return PLAIN[character]
    name = unicodedata.name(character, "")
    if name.startswith("BOX DRAWINGS"):
        return "|" if name.endswith("VERTICAL") else "-"
    if name.startswith("GREEK"):
        return name.split(" WITH ")[0].split()[-1].lower()
    letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return letters or ("" if unicodedata.combining(character) else "?")


codecs.register_error(_ERRORS, _replace)
