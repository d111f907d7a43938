"""A population: members of one structure, trained by one compiled program.

The members' networks, optimisers and tasks are trees with the same structure. One after another
they are arguments of the same program, as no number in them is part of it. Side by side, what
training changes is stacked, and so are the numbers in which members differ, and the program is
mapped over them; the other numbers and the samples are shared. Spread over devices, each of them
trains its share of the members.
"""

from __future__ import annotations

import dataclasses
import operator
import threading
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from gradus.models import arguments
from gradus.models.model import Model
from gradus.models.samples import samples
from gradus.sweep.abreast import Way, differ, joined, mapped, member_of, mesh, stacked, unlike
from gradus.sweep.fusion import SPEED, STEP
from gradus.sweep.member import Builder, Fold, Member
from gradus.train import loop, memory
from gradus.train.program import Data, Feed

CALL = 2.0  # expected seconds of a call of the program at most, as Ctrl-C waits for its end


@dataclasses.dataclass
class Facts:
    """What is known of a program, beside its members.

    Attributes:
        way: how members are trained.
        need: the bytes that a call of the compiled program takes on a device (on a CPU on all of
            them, as they share its memory), the samples not counted.
        flops: the floating-point operations of a step, with a share of the measuring.
        varied: in which numbers of settings and key members were ever seen to differ.
    """

    way: Way
    need: int = 0
    flops: float = 0.0
    varied: tuple[bool, ...] = ()


class Population:
    """Members of one structure, and the program that they share.

    Args:
        first: one of them.
        way: how they are trained.

    Attributes:
        facts: what is known of the program.
    """

    def __init__(self, first: Member, way: Way | None = None) -> None:
        self.first, self.facts = first, Facts(way or Way())
        self._learns = threading.Lock()
        self._orders: dict[tuple[int, int], Any] = {}
        self._draw = first.course.order

    @property
    def way(self) -> Way:
        """How members are trained."""
        return self.facts.way

    @property
    def need(self) -> int:
        """The bytes that a call takes."""
        return self.facts.need

    def compile(self) -> Any:
        """Compile the program, so that threads that train its members need not; return it lowered.

        What it takes is known then.
        """
        course, carry = self.course([self.first])
        lowered = course.lower(carry)
        compiled = lowered.compile()
        shared = jax.default_backend() == "cpu"
        there = memory.size(carry) // (1 if shared else self.way.devices)
        self.facts.need = there + memory.working(compiled) * (self.way.devices if shared else 1)
        self.facts.flops = max(0.0, (compiled.cost_analysis() or {}).get("flops", 0.0))
        return lowered

    def at(self, way: Way) -> Population:
        """Return the same population, trained in another way."""
        other = Population(self.first, way)
        other.facts.varied = self.facts.varied
        return other

    def learn(self, members: Sequence[Member]) -> tuple[bool, ...]:
        """Note in which numbers of settings and key members differ; return which ever did.

        Those have a population axis. Which ones are is part of the program, so that a number that
        differs only later has it compiled once more.
        """
        now = [differ(column) for column in _columns(members)]
        with self._learns:
            known = self.facts.varied or (False,) * len(now)
            self.facts.varied = tuple(map(operator.or_, known, now))
            return self.facts.varied

    def change(self, way: Way) -> None:
        """Have members trained in another way."""
        if way != self.way:
            self.facts.way = way
            self._orders.clear()
            self.compile()

    def narrow(self, room: int) -> None:
        """Have fewer members side by side until a call takes no more bytes than there are."""
        while self.way.members > 1 and self.need > room:
            width, devices = self.way.width, self.way.devices
            if width > 1:
                self.change(Way(max(1, min(width - 1, width * room // self.need)), devices))
            else:
                self.change(Way())

    def advance(
        self,
        members: Sequence[Member],
        until: int | None = None,
        ended: threading.Event | None = None,
    ) -> None:
        """Train members to the end of the epoch `until`, or to their last.

        Args:
            members: at most `way.members` of them; those behind catch up first.
            until: an epoch, counted from 1.
            ended: where it is set, members stay where the last call of the program left them.
        """

        def end(member: Member) -> int:
            return member.regime.epochs if until is None else min(until, member.regime.epochs)

        while left := [m for m in members if not m.done and int(m.carry.epoch) < end(m)]:
            if ended is not None and ended.is_set():
                return
            first = min(int(member.carry.epoch) for member in left)
            live = [member for member in left if int(member.carry.epoch) == first]
            course, carry = self.course(live)
            epochs = min(self._most(), *(end(member) - first for member in live))
            # On a CPU these are views; `jax.device_get` takes three times as long to make them.
            carry, logs = jax.tree.map(np.asarray, course.run(carry, first, epochs))
            if self.way.members == 1:
                live[0].extend(carry, logs)
                continue
            for index, member in enumerate(live):
                member.extend(member_of(carry, index), member_of(logs, index))

    @property
    def step(self) -> float:
        """About how many seconds a training step of one member takes.

        The program's operations are those of a step, which are about three times the forward pass
        of its samples, and of the forward pass of a batch of the validation.
        """
        course = self.first.course
        trained = 3 * (course.regime.batch_size or len(course.rows))
        measured = 0
        if course.validation is not None:
            measured = min(loop.VALIDATION_BATCH, int(course.validation.count))
        return STEP + self.facts.flops / self.way.width * trained / (trained + measured) / SPEED

    def _most(self) -> int:
        """Return how many epochs a call may take, so that it ends before long."""
        plan = self.first.course.plan
        return max(1, min(plan.epochs, int(CALL / (self.step * plan.steps * self.way.width))))

    def course(self, members: Sequence[Member]) -> tuple[loop.Course, Any]:
        """Return the program with some members' settings in place, and where they stand."""
        first, way = members[0], self.way
        course = dataclasses.replace(first.course, settings=first.settings, order=self._order)
        if way.members == 1:
            return course, first.standing
        # What is left over is a copy of the last, computed and thrown away.
        filled = [*members, *[members[-1]] * way.members][: way.members]
        varied = self.learn(filled)
        leaves = [
            joined(column) if vary else column[0]
            for column, vary in zip(_columns(filled), varied, strict=True)
        ]
        settings, key = jax.tree.unflatten(jax.tree.structure(_numbers(first)), leaves)
        standing = stacked([member.standing for member in filled])
        program = mapped(way, varied)
        course = dataclasses.replace(course, settings=settings, key=key, program=program)
        if way.devices > 1:
            course.data, course.validation = self._samples(mesh(way.devices))
        return course, standing

    def _samples(self, devices: Mesh) -> tuple[Data, Feed | None]:
        """Return the samples, whole on each of some devices."""
        data, validation = self.first.fold.on(devices)
        if self.first.regime.batch_size is None:  # a batch is the rows that are trained on
            data = loop.placed(self.first.course.data, devices)
        return data, validation

    def _order(self, first: int, epochs: int) -> Any:
        """Return the order of samples, drawn once for all members."""
        if (first, epochs) not in self._orders:
            order, devices = self._draw(first, epochs), self.way.devices
            self._orders[first, epochs] = loop.placed(order, mesh(devices) if devices > 1 else None)
        return self._orders[first, epochs]


def fit_all(
    models: Sequence[Model],
    x: Any,
    y: Any = None,
    *,
    batch_size: int | None = arguments.DEFAULT_BATCH,
    epochs: int = 10,
    validation_data: Any = None,
    shuffle_seed: int = 0,
    vital_signs: bool = True,
) -> list[Model]:
    """Train models of one structure side by side, each as `fit` would alone.

    They may differ in every number: the seed, the learning rate, a dropout rate, a penalty.

    Args:
        models: models that were not trained yet; each has its weights and history afterwards.
        x: inputs, as in `Model.fit`.
        y: targets, the same.
        batch_size: samples of a step; None for all.
        epochs: how often each sample is seen.
        validation_data: `(x, y)` to measure after each epoch.
        shuffle_seed: of the order of samples, which all members share.
        vital_signs: whether the layers' vital signs are recorded.

    Returns:
        The models.

    Raises:
        GradusError: if the models differ in structure.
    """
    given = samples(x, y, validation_data=validation_data, shuffle_seed=shuffle_seed)
    fitting = {
        "batch_size": batch_size, "epochs": epochs, "patience": None, "min_delta": 0.0,
        "shuffle_seed": shuffle_seed,
    }  # fmt: skip
    options = {
        "monitor": None, "mode": None, "target": None, "restore_best": False,
        "probes": vital_signs,
    }  # fmt: skip
    builder, fold = Builder(options), Fold.of(given)
    members = [builder.ready(index, model, fitting, fold) for index, model in enumerate(models)]
    if len({member.structure for member in members}) != 1:
        raise unlike()
    population = Population(members[0], Way(len(members)))
    population.advance(members)
    return [member.conclude() for member in members]


def _numbers(member: Member) -> tuple[Any, Any]:
    """Return what a program takes of a member that training does not change."""
    return member.settings, member.course.key


def _columns(members: Sequence[Member]) -> list[tuple[Any, ...]]:
    """Return each of these numbers of all members."""
    return list(zip(*(jax.tree.leaves(_numbers(member)) for member in members), strict=True))
