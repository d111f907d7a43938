"""What of a sweep travels to another machine, and what happens to it there.

Everything that members are made of, the samples included, is a `SweepPayload`, sent once. A member
is a `MemberRequest`: since its weights are drawn the same everywhere, its values and its seed are
enough to make it, with its train state if it is under way.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax

from gradus.errors import TooLargeError
from gradus.hyperparameters import Hyperparameter
from gradus.space import Value
from gradus.sweep.execution.autotune import default_parallelism
from gradus.sweep.execution.executor import CHUNK
from gradus.sweep.execution.local import Local
from gradus.sweep.members.data import SweepData
from gradus.sweep.members.factory import MemberBuilder, MemberFactory
from gradus.sweep.members.member import Member
from gradus.train.history import History
from gradus.train.state import TrainState


class SweepPayload(NamedTuple):
    """What all members of a sweep are made of, without what lies on a device."""

    key: str
    model_class: type[Any]
    settings: Mapping[str, Any]
    hypers: Mapping[str, Hyperparameter]
    data: SweepData
    options: Mapping[str, Any]
    fused: tuple[str, ...]

    @classmethod
    def create(cls, factory: MemberFactory) -> SweepPayload:
        """Return the payload of a sweep."""
        key, made_of = uuid.uuid4().hex, (factory.model_class, factory.settings, factory.hypers)
        return cls(key, *made_of, factory.data, factory.builder.options, factory.fused)


class MemberRequest(NamedTuple):
    """One member: what it is made of, and where it stands if it is under way."""

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
        """Return the member, made again."""
        member = factory.make_member(self.trial, self.values, self.seed_index, self.fold)
        if self.snapshot is not None:
            member.train_state, member.model.history = self.snapshot
        return member


def snapshot(member: Member) -> tuple[TrainState, History]:
    """Return where a member's training stands, in NumPy, and its history."""
    return jax.device_get(member.train_state), member.model.history


def train_members(
    payload: SweepPayload,
    requests: Sequence[MemberRequest],
    until: int | None,
    workers: int,
    width: int | None,
) -> list[tuple[TrainState, History] | str]:
    """Train members on this machine; return where each stands then, or why it could not be.

    Args:
        payload: what all members are made of.
        requests: the members.
        until: the epoch to train to; None for each one's last.
        workers: threads.
        width: how many are trained side by side, by mapping the program; None for what is usual.
    """
    factory = _factory(payload)
    made = [_member_or_reason(request, factory) for request in requests]
    members = [member for member in made if isinstance(member, Member)]
    chunk = max(1, min(CHUNK, len(members) // workers))  # all threads have some
    for _ in Local(workers, width or default_parallelism().width, chunk).run(members, until):
        pass
    return [one if isinstance(one, str) else one.error or snapshot(one) for one in made]


def _member_or_reason(request: MemberRequest, factory: MemberFactory) -> Member | str:
    """Return the member of a request, or why it is too large for this machine."""
    try:
        return request.make_member(factory)
    except TooLargeError as error:
        return str(error)


_factories: dict[str, MemberFactory] = {}


def _factory(payload: SweepPayload) -> MemberFactory:
    """Return what members are made of, the same object for all chunks of a sweep.

    So the functions in it are the same, and no program that calls them is compiled twice.
    """
    if payload.key not in _factories:
        _factories.clear()  # a process trains one sweep after another
        made_of = payload.model_class, payload.settings, payload.hypers, payload.data
        _factories[payload.key] = MemberFactory(
            *made_of, MemberBuilder(payload.options), payload.fused
        )
    return _factories[payload.key]
