"""The errors that a user sees, and the words they share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SHORT = {"lr": "learning_rate", "wd": "weight_decay", "bs": "batch_size"}  # as others write them


class GradusError(ValueError):
    """Something the user gave cannot be used; the message says what, where and what to write."""


class DataError(GradusError):
    """The data, or the file that they came from, cannot be used."""


class ShapeError(GradusError):
    """Two shapes do not fit; the message names the layer and both."""


class SavedError(GradusError):
    """A saved run or weights file cannot be read, does not fit, or cannot be written."""


class TooLargeError(GradusError):
    """A network takes more memory than there is."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the valid name closest to `name`, or None when none is close."""
    lowered = {candidate.lower(): candidate for candidate in names}
    given = str(name).lower()
    if SHORT.get(given) in lowered:
        return lowered[SHORT[given]]
    found = difflib.get_close_matches(given, lowered, n=1, cutoff=0.5)
    return lowered[found[0]] if found else None


def unknown(kind: str, name: object, names: Iterable[str]) -> GradusError:
    """Return the error for an unknown name: what was given, the nearest valid one, all of them."""
    names = sorted(names)
    close = nearest(str(name), names)
    hint = f" Did you mean {close!r}?" if close else ""
    return GradusError(f"Unknown {kind} {name!r}.{hint} Known: {', '.join(names)}.")
