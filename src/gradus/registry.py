"""Registries of names: what a string such as "relu", "mse" or "adam" refers to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from gradus.errors import GradusError, unknown
from gradus.foreign_names.lookup import said_here
from gradus.foreign_names.table import WORDS

T = TypeVar("T", bound=Callable[..., Any])


class Registry:
    """The named functions or classes of one kind, such as all activations.

    Args:
        kind: what they are called in an error: "activation".
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Callable[..., Any]] = {}
        self._names: dict[Callable[..., Any], str] = {}

    def add(self, *names: str) -> Callable[[T], T]:
        """Register the decorated function or class under `names`; the first is canonical."""

        def register(entry: T) -> T:
            for name in names:
                if name in self._entries:
                    raise GradusError(f"The {self.kind} {name!r} is registered twice.")
                self._entries[name] = entry
            self._names.setdefault(entry, names[0])
            return entry

        return register

    def find(self, name: str) -> Callable[..., Any]:
        """Return the entry of a name, ignoring case.

        Raises:
            GradusError: for an unknown name, with the nearest valid one, or what a name of another
                library is here.
        """
        entry = self._entries.get(name) or self._entries.get(name.lower())
        if entry is None:
            if here := said_here(WORDS, [self.kind], name.lower()):
                raise GradusError(f"Unknown {self.kind} {name!r}.{here}")
            raise unknown(self.kind, name, self)
        return entry

    def name_of(self, entry: Callable[..., Any]) -> str | None:
        """Return the canonical name of an entry, or None."""
        return self._names.get(entry)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries
