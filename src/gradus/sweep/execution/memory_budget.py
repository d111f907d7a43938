"""Memory that the trainings of a sweep share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class MemoryBudget:
    """Bytes that members hold while they lie built, and that threads take while they work.

    Args:
        size: how many there are.

    Attributes:
        free: how many are left; less than none where one thread alone needs more.
    """

    def __init__(self, size: int) -> None:
        self.size = self.free = size
        self._working = 0
        self._changed = threading.Condition()

    def reserve(self, size: int) -> None:
        """Count bytes as held, or with a negative number as let go."""
        with self._changed:
            self.free -= size
            self._changed.notify_all()

    @contextlib.contextmanager
    def working(self, size: int) -> Iterator[None]:
        """Take bytes for a while, as soon as they are free or no other thread works."""
        with self._changed:
            self._changed.wait_for(lambda: self.free >= size or not self._working)
            self._working += 1
            self.free -= size
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self.free += size
                self._changed.notify_all()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Wait until no thread works, and let none begin for a while."""
        with self.working(self.size + 1):
            yield
