"""Stacks the arguments of members, so that one call of their program trains all of them.

The program takes components (network, optimizer, task, early stopping) and a key, which training
does not change, and a train state, which it does. All leaves of the train states are stacked, but
of the former only those in which members differ: the call shares the others, and the samples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import Mesh

from gradus.sweep.execution.vectorize import (
    Parallelism,
    leaves_differ,
    population_mesh,
    stack_leaves,
    stack_trees,
    vectorized_program,
)
from gradus.sweep.members.member import Member
from gradus.train.batches import BatchSource, Samples
from gradus.train.devices import put_on_device
from gradus.train.state import TrainState
from gradus.train.training_program import TrainingProgram


def stacked_training(
    members: Sequence[Member], parallelism: Parallelism, varying: tuple[bool, ...]
) -> tuple[TrainingProgram, TrainState]:
    """Return the vectorized program with the arguments of some members, and their train states.

    Args:
        members: as many as a call trains.
        parallelism: how many that is.
        varying: which leaves of components and key are stacked; the others are the first member's.
    """
    first = members[0]
    leaves = [
        stack_leaves(column) if vary else column[0]
        for column, vary in zip(_columns(members), varying, strict=True)
    ]
    components, key = jax.tree.unflatten(jax.tree.structure(_components_and_key(first)), leaves)
    training = dataclasses.replace(
        first.training,
        components=components,
        key=key,
        run_epochs=vectorized_program(parallelism, varying),
    )
    if parallelism.devices > 1:
        devices = population_mesh(parallelism.devices)
        training.samples, training.validation = _replicated_samples(first, devices)
    return training, stack_trees([member.program_state for member in members])


def differing_leaves(members: Sequence[Member]) -> list[bool]:
    """Return in which leaves of components and key some members differ."""
    return [leaves_differ(column) for column in _columns(members)]


def _columns(members: Sequence[Member]) -> list[tuple[Any, ...]]:
    """Return the leaves of components and key, each for all members."""
    return list(zip(*(jax.tree.leaves(_components_and_key(one)) for one in members), strict=True))


def _components_and_key(member: Member) -> tuple[Any, Any]:
    return member.program_components, member.training.key


def _replicated_samples(member: Member, devices: Mesh) -> tuple[Samples, BatchSource | None]:
    """Return the samples, whole on each of several devices."""
    samples, validation = member.fold.on_devices(devices)
    if member.config.batch_size is None:  # a batch is all training rows
        samples = put_on_device(member.training.samples, devices)
    return samples, validation
