"""The memory that the trainings of a sweep share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class MemoryBudget:
    """Counts the bytes that built members hold and that working threads use.

    Args:
        size: the bytes available.

    Attributes:
        free: the bytes left; negative if a single thread needs more than there are.
    """

    def __init__(self, size: int) -> None:
        self.size = self.free = size
        self._working = 0
        self._changed = threading.Condition()

    def reserve(self, size: int) -> None:
        """Reserve bytes, or release them if `size` is negative."""
        with self._changed:
            self.free -= size
            self._changed.notify_all()

    @contextlib.contextmanager
    def working(self, size: int) -> Iterator[None]:
        """Use bytes within the block, once they are free or no other thread is working."""
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
        """Wait until no thread works, and let none start within the block."""
        with self.working(self.size + 1):
            yield
