"""What of a sweep travels to another machine, and what happens to it there.

All that members are made of, the samples among it, is a `Parcel`, sent once. A member is an
`Order`: as its weights are drawn the same everywhere, its values and its seed are all that it is
made of, with where it stands if it is under way.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax

from gradus.errors import GradusError, TooLargeError
from gradus.settings import Hyper
from gradus.space import Value
from gradus.sweep.executors import CHUNK, Local
from gradus.sweep.inputs import Inputs
from gradus.sweep.member import Builder, Member, Source
from gradus.sweep.ways import usual
from gradus.train.history import History
from gradus.train.program import Carry


class Parcel(NamedTuple):
    """What all members of a sweep are made of, without what lies on a device."""

    key: str
    kind: type[Any]
    settings: Mapping[str, Any]
    hypers: Mapping[str, Hyper]
    inputs: Inputs
    options: Mapping[str, Any]
    fused: tuple[str, ...]

    @classmethod
    def of(cls, source: Source) -> Parcel:
        """Return the parcel of a sweep."""
        key, made_of = uuid.uuid4().hex, (source.kind, source.settings, source.hypers)
        return cls(key, *made_of, source.inputs, source.builder.options, source.fused)


class Order(NamedTuple):
    """One member: what it is made of, and where it stands if it is under way."""

    trial: int
    values: Mapping[str, Value]
    seed: int
    fold: int
    standing: tuple[Carry, History] | None

    @classmethod
    def of(cls, member: Member) -> Order:
        """Return the order for a member's training.

        Raises:
            GradusError: if the member is of no sweep.
        """
        recipe = member.recipe
        if recipe is None:
            raise GradusError("Only the members of a Sweep can be trained on other machines.")
        stands = standing(member) if int(member.carry.epoch) else None
        return cls(member.trial, recipe.values, recipe.seed, member.fold.number, stands)

    def member(self, source: Source) -> Member:
        """Return the member, made again."""
        member = source.member(self.trial, self.values, self.seed, self.fold)
        if self.standing is not None:
            member.carry, member.model.history = self.standing
        return member


def standing(member: Member) -> tuple[Carry, History]:
    """Return where a member's training stands, in NumPy, and its history."""
    return jax.device_get(member.carry), member.model.history


def train(
    parcel: Parcel, orders: Sequence[Order], until: int | None, workers: int, width: int | None
) -> list[tuple[Carry, History] | str]:
    """Train members on this machine; return where each stands then, or why it could not be.

    Args:
        parcel: what all members are made of.
        orders: the members.
        until: the epoch to train to; None for each one's last.
        workers: threads.
        width: how many are trained side by side, by mapping the program; None for what is usual.
    """
    source = _source(parcel)
    made = [_made(order, source) for order in orders]
    members = [member for member in made if isinstance(member, Member)]
    chunk = max(1, min(CHUNK, len(members) // workers))  # all threads have some
    for _ in Local(workers, width or usual().width, chunk).run(members, until):
        pass
    return [one if isinstance(one, str) else one.error or standing(one) for one in made]


def _made(order: Order, source: Source) -> Member | str:
    """Return the member of an order, or why it is too large for this machine."""
    try:
        return order.member(source)
    except TooLargeError as error:
        return str(error)


_sources: dict[str, Source] = {}


def _source(parcel: Parcel) -> Source:
    """Return what members are made of, the same object for all chunks of a sweep.

    So the functions in it are the same, and no program that calls them is compiled twice.
    """
    if parcel.key not in _sources:
        _sources.clear()  # a process trains one sweep after another
        made_of = parcel.kind, parcel.settings, parcel.hypers, parcel.inputs
        _sources[parcel.key] = Source(*made_of, Builder(parcel.options), parcel.fused)
    return _sources[parcel.key]
