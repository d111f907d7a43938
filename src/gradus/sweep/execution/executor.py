"""What an executor is: something that trains members, on this machine or on others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from gradus.sweep.members.factory import MemberFactory
from gradus.sweep.members.member import Member

CHUNK = 8  # members that a worker trains, one after another, before it hands them over


class Executor(Protocol):
    """Trains members."""

    def run(self, members: Iterable[Member], until: int | None = None) -> Iterator[list[Member]]:
        """Train members, built one after another, to an epoch; yield them as they are done."""


class MemberStream:
    """Members that are built as they are asked for.

    Args:
        factory: made them, or makes them.
        members: yields them.
        count: how many there will be at most.
    """

    def __init__(self, factory: MemberFactory, members: Iterator[Member], count: int) -> None:
        self.factory, self.members, self.count = factory, members, count

    def __iter__(self) -> Iterator[Member]:
        return self.members

    def __length_hint__(self) -> int:
        return self.count
