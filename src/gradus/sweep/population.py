"""A population: members of one structure, trained by one compiled program.

The members' networks, optimisers and tasks are trees with the same structure. One after another
they are arguments of the same program, as no number in them is part of it; side by side their
leaves are stacked, and the program is mapped over them. Only the samples are shared.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from gradus.errors import GradusError
from gradus.models import arguments
from gradus.models.model import Model
from gradus.models.samples import samples
from gradus.sweep.fusion import SPEED, STEP
from gradus.sweep.member import Builder, Fold, Member
from gradus.train import loop, memory
from gradus.train.program import Plan, run

CALL = 2.0  # expected seconds of a call of the program at most, as Ctrl-C waits for its end

T = TypeVar("T")


class Population:
    """Members of one structure, and the program that they share.

    Args:
        first: one of them.
        width: how many are trained side by side, by mapping the program; 1 for one at a time.

    Attributes:
        need: the bytes that a call of the compiled program takes, the samples not counted.
        flops: the floating-point operations of a step, with a share of the measuring.
    """

    def __init__(self, first: Member, width: int = 1) -> None:
        self.first, self.width = first, width
        self.need, self.flops = 0, 0.0
        self._orders: dict[tuple[int, int], Any] = {}
        self._draw = first.course.order

    def compile(self) -> Any:
        """Compile the program, so that threads that train its members need not; return it lowered.

        What it takes is known then.
        """
        course, carry = self.course([self.first] * self.width)
        lowered = course.lower(carry)
        compiled = lowered.compile()
        self.need = memory.size(carry) + memory.working(compiled)
        self.flops = max(0.0, (compiled.cost_analysis() or {}).get("flops", 0.0))
        return lowered

    def widen(self, width: int) -> None:
        """Have another number of members side by side."""
        if width != self.width:
            self.width = width
            self.compile()

    def narrow(self, room: int) -> None:
        """Have fewer members side by side until a call takes no more bytes than there are."""
        while self.width > 1 and self.need > room:
            self.widen(max(1, min(self.width - 1, self.width * room // self.need)))

    def advance(
        self,
        members: Sequence[Member],
        until: int | None = None,
        ended: threading.Event | None = None,
    ) -> None:
        """Train members to the end of the epoch `until`, or to their last.

        Args:
            members: at most `width` of them; those behind catch up first.
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
            carry, logs = jax.device_get(course.run(carry, first, epochs))
            if self.width == 1:
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
        return STEP + self.flops / self.width * trained / (trained + measured) / SPEED

    def _most(self) -> int:
        """Return how many epochs a call may take, so that it ends before long."""
        plan = self.first.course.plan
        return max(1, min(plan.epochs, int(CALL / (self.step * plan.steps * self.width))))

    def course(self, members: Sequence[Member]) -> tuple[loop.Course, Any]:
        """Return the program with some members' settings in place, and where they stand."""
        first = members[0]
        course = dataclasses.replace(first.course, settings=first.settings, order=self._order)
        if self.width == 1:
            return course, first.standing
        # What is left over is a copy of the last, computed and thrown away.
        filled = [*members, *[members[-1]] * (self.width - len(members))]
        together = stacked([(member.settings, member.standing) for member in filled])
        keys = jnp.stack([member.course.key for member in filled])
        return dataclasses.replace(
            course, settings=together[0], key=keys, program=_mapped
        ), together[1]

    def _order(self, first: int, epochs: int) -> Any:
        """Return the order of samples, drawn once for all members."""
        if (first, epochs) not in self._orders:
            self._orders[first, epochs] = jax.device_put(self._draw(first, epochs))
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
        raise _differ()
    population = Population(members[0], len(members))
    population.advance(members)
    return [member.conclude() for member in members]


def stacked(trees: Sequence[T]) -> T:
    """Return trees of one structure as one, whose leaves have a population axis in front.

    Leaves that are the same in all are no exception: which ones are would be part of the program,
    and with the next members it would be another.

    Raises:
        GradusError: if their structures differ.
    """
    structures = {jax.tree.structure(tree) for tree in trees}
    shapes = {tuple(jnp.shape(leaf) for leaf in jax.tree.leaves(tree)) for tree in trees}
    if len(structures) != 1 or len(shapes) != 1:
        raise _differ()
    made: T = jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
    return made


def member_of(tree: T, index: int) -> T:
    """Return one member of a stacked tree."""
    made: T = jax.tree.map(lambda leaf: leaf[index], tree)
    return made


def _differ() -> GradusError:
    return GradusError(
        "These models differ in structure (layers, widths, activations, the kind of optimiser "
        "or loss), so that they are not one program: train each with fit."
    )


@functools.partial(jax.jit, static_argnames="plan")
def _mapped(*arguments: Any, plan: Plan) -> Any:
    """Run the program mapped over a population: settings, carry and key, not the samples."""
    axes = (0, 0, 0, 0, 0, None, None, None, None, 0)
    return jax.vmap(functools.partial(run, plan=plan), in_axes=axes)(*arguments)
