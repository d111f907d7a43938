"""The expected cost of compiling and training, from measurements on two cores."""

from __future__ import annotations

import math
from typing import Any

import jax

from gradus.errors import GradusError
from gradus.nn.network import fresh
from gradus.sweep.members.factory import MemberFactory
from gradus.sweep.members.member import Member

COMPILE_SECONDS = 1.9  # to trace and compile a program on one core
STEP_SECONDS = 25e-6  # overhead of a training step
FLOPS_PER_SECOND = 20e9
SWITCH_SLOWDOWN = 0.2  # relative cost of switches in a step


def step_seconds(flops: float) -> float:
    """Return the expected seconds of a training step of `flops` floating-point operations."""
    return STEP_SECONDS + flops / FLOPS_PER_SECOND


def fusion_pays(factory: MemberFactory, names: tuple[str, ...], members: int) -> bool:
    """Return whether members are expected to finish earlier with some choices as switches.

    Each program saved is worth `COMPILE_SECONDS` of a core; each step takes longer by the factor
    `SWITCH_SLOWDOWN`, and its time is estimated from the operations of the forward pass.

    Args:
        factory: makes the members.
        names: the names of the choices.
        members: the number of members.
    """
    spaces = [factory.hypers[name].space for name in names]
    programs = min(members, math.prod(space.size or 1 for space in spaces))
    if programs < 2:
        return False
    values = {name: hyper.space.value_at(0.5) for name, hyper in factory.hypers.items()}
    try:
        member = factory.make_member(0, values)
    except GradusError:  # one invalid trial says nothing about the others
        return True
    training = members * training_seconds(member)
    return SWITCH_SLOWDOWN * training < COMPILE_SECONDS * (programs - 1)


def training_seconds(member: Member) -> float:
    """Return the expected seconds of a training on one core, without compilation."""
    batch = member.config.batch_size or member.fold.data.count
    steps = member.config.epochs * member.training.shape.steps_per_epoch
    return steps * step_seconds(3 * batch * _forward_flops(member))


def _forward_flops(member: Member) -> float:
    """Return the floating-point operations of the forward pass of one sample."""
    model = member.model
    example = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape[1:]), leaf.dtype), model.example
    )
    forward = jax.jit(lambda net, x: fresh(net)(x))
    analysis: Any = forward.lower(model.net, example).cost_analysis()
    return float((analysis or {}).get("flops", 0.0))
