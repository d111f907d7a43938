"""The interface of an executor, which trains members on this machine or on others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from gradus.sweep.members.factory import MemberFactory
from gradus.sweep.members.member import Member

CHUNK = 8  # members that a worker trains one after another before it returns them


class Executor(Protocol):
    """Trains members."""

    def run(self, members: Iterable[Member], until: int | None = None) -> Iterator[list[Member]]:
        """Train members to an epoch, built one after another; yield them as they are done."""


class MemberStream:
    """Members that are built lazily.

    Args:
        factory: makes the members.
        members: yields them.
        count: the maximum number of members.
    """

    def __init__(self, factory: MemberFactory, members: Iterator[Member], count: int) -> None:
        self.factory, self.members, self.count = factory, members, count

    def __iter__(self) -> Iterator[Member]:
        return self.members

    def __length_hint__(self) -> int:
        return self.count
