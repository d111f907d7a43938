"""What a Ray task receives, and how it trains.

A `SweepPayload`, sent once, holds everything that members are made of, including the samples. A
`MemberRequest` describes one member: since weights are initialized the same everywhere, its values
and its seed are enough, plus its train state if training has started.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax

from gradus.errors import TooLargeError
from gradus.space import Value
from gradus.sweep.execution.autotune import default_parallelism
from gradus.sweep.execution.executor import CHUNK
from gradus.sweep.execution.local import Local
from gradus.sweep.members.factory import MemberFactory
from gradus.sweep.members.member import Member
from gradus.train.history import History
from gradus.train.state import TrainState


class SweepPayload(NamedTuple):
    """The member factory of a sweep, and a key by which a process recognizes it."""

    key: str
    factory: MemberFactory

    @classmethod
    def create(cls, factory: MemberFactory) -> SweepPayload:
        """Return the payload of a sweep."""
        return cls(uuid.uuid4().hex, factory)


class MemberRequest(NamedTuple):
    """What one member is made of, and its snapshot if training has started."""

    trial: int
    values: Mapping[str, Value]
    seed_index: int
    fold: int
    snapshot: tuple[TrainState, History] | None

    @classmethod
    def create(cls, member: Member) -> MemberRequest:
        """Return the request for a member's training."""
        values = member.values or {}
        state = snapshot(member) if int(member.train_state.epoch) else None
        return cls(member.trial, values, member.seed_index, member.fold.number, state)

    def make_member(self, factory: MemberFactory) -> Member:
        """Return the member, rebuilt."""
        member = factory.make_member(self.trial, self.values, self.seed_index, self.fold)
        if self.snapshot is not None:
            member.train_state, member.model.history = self.snapshot
        return member


def snapshot(member: Member) -> tuple[TrainState, History]:
    """Return a member's train state, as NumPy arrays, and its history."""
    return jax.device_get(member.train_state), member.model.history


def train_members(
    payload: SweepPayload,
    requests: Sequence[MemberRequest],
    until: int | None,
    workers: int,
    width: int | None,
) -> list[tuple[TrainState, History] | str]:
    """Train members on this machine; return the snapshot of each, or why it could not be trained.

    Args:
        payload: what all members are made of.
        requests: the members.
        until: the epoch to train to; None for each one's last.
        workers: the number of threads.
        width: the number of members vectorized; None for the default.
    """
    factory = _factory(payload)
    results = [_member_or_error(request, factory) for request in requests]
    members = [member for member in results if isinstance(member, Member)]
    chunk = max(1, min(CHUNK, len(members) // workers))  # work for all threads
    for _ in Local(workers, width or default_parallelism().width, chunk).run(members, until):
        pass
    return [one if isinstance(one, str) else one.error or snapshot(one) for one in results]


def _member_or_error(request: MemberRequest, factory: MemberFactory) -> Member | str:
    """Return the member of a request, or the error if it is too large for this machine."""
    try:
        return request.make_member(factory)
    except TooLargeError as error:
        return str(error)


_factories: dict[str, MemberFactory] = {}


def _factory(payload: SweepPayload) -> MemberFactory:
    """Return the factory of a sweep, the same object for all its chunks in this process.

    So the functions in it are the same objects, and no program that calls them compiles twice.
    """
    if payload.key not in _factories:
        _factories.clear()  # a process trains one sweep after another
        _factories[payload.key] = payload.factory
    return _factories[payload.key]
