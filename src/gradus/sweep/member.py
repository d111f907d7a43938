"""A member of a population: one model, what it is trained on, and where its training stands."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.sharding import Mesh

from gradus.models import arguments
from gradus.models.course import begin, conclude
from gradus.models.model import Model
from gradus.models.objective import prepared
from gradus.models.samples import Samples
from gradus.nn.layer import Layer
from gradus.nn.network import Outline, outline
from gradus.settings import Hyper, settle
from gradus.space import Value
from gradus.sweep.fusion import Fused, Fusion
from gradus.train import loop, memory
from gradus.train.program import Carry, Data, Feed
from gradus.train.stopping import Stopping
from gradus.train.task import Supervised, Task

if TYPE_CHECKING:
    from gradus.sweep.inputs import Inputs

# What of `fit`'s arguments may hold a space: numbers that need no other samples.
SWEPT = ("batch_size", "epochs", "patience", "min_delta", "shuffle_seed")


@dataclasses.dataclass(frozen=True)
class Fold:
    """Samples on the device: what is trained on, and what is measured.

    Attributes:
        samples: as they were given, in the host's memory.
        data: all of them, on the device.
        feed: what is measured, on the device.
        number: which of several folds this is.
        spread: arrays, of this fold and the others of the same samples, that are whole on each of
            several devices, where they were asked for.
    """

    samples: Samples
    data: Data
    feed: Feed | None
    number: int = 0
    spread: dict[Mesh, loop.Places] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, samples: Samples, number: int = 0) -> Fold:
        """Return samples put on the device."""
        data, feed = loop.placed((samples.data, samples.feed()))
        return cls(samples, data, feed, number)

    def with_rows(self, rows: np.ndarray, held: np.ndarray, number: int) -> Fold:
        """Return the same samples, on the device once, with other rows held out."""
        split = dataclasses.replace(self.samples, rows=rows, held=held)
        data = self.data if split.given is None else self.data._replace(weight=split.given)
        feed = loop.validation_feed(data, held)
        return Fold(split, self.data, jax.device_put(feed), number, self.spread)

    def on(self, devices: Mesh) -> tuple[Data, Feed | None]:
        """Return data and feed, put whole on each of some devices once."""
        known = self.spread.setdefault(devices, {})
        placed: tuple[Data, Feed | None] = loop.placed((self.data, self.feed), devices, known)
        return placed


@dataclasses.dataclass
class Member:
    """One training of a sweep.

    Attributes:
        trial: the number of the trial it belongs to.
        model: the built model; its history grows with the training.
        task: what is learnt, fitted to the targets.
        stopping: when to stop.
        fold: what it is trained on.
        regime: how much is trained, and in which order.
        fitting: its own arguments of `fit`, from which it can be built again.
        carry: where training stands.
        recipe: what it can be made of again, on another machine; None if of no sweep's spaces.
        error: why it could not be trained.
    """

    trial: int
    model: Model
    task: Task
    stopping: Stopping
    fold: Fold
    regime: loop.Regime
    fitting: Mapping[str, Any]
    carry: Carry
    recipe: Recipe | None = None
    error: str = ""

    @functools.cached_property
    def course(self) -> loop.Course:
        """The training program with the member's settings in place."""
        samples, data = self.fold.samples, self.fold.data
        rows = samples.rows
        if self.regime.batch_size is None:
            data, rows = samples.whole()
        model = self.model
        return loop.Course.of(
            model.net, model.optimizer, self.task, self.stopping,
            data, rows, self.fold.feed, self.regime, self.carry,
        )  # fmt: skip

    @functools.cached_property
    def fused(self) -> Fused | None:
        """The form in which it shares a program with members of other structures, or None."""
        return self.recipe.source.fusion.of(self) if self.recipe is not None else None

    @property
    def settings(self) -> tuple[Any, ...]:
        """What the program takes besides where training stands."""
        return self.course.settings if self.fused is None else self.fused.settings

    @property
    def standing(self) -> Carry:
        """Where training stands, as the program takes it."""
        return self.carry if self.fused is None else self.fused.enter(self.carry)

    @functools.cached_property
    def structure(self) -> Hashable:
        """What members must have in common to go on from each other's weights."""
        return self._common(self.course.settings, self.carry)

    @functools.cached_property
    def program(self) -> Hashable:
        """What members must have in common to be one program."""
        return self._common(self.settings, self.standing)

    def _common(self, settings: Any, carry: Carry) -> Hashable:
        leaves, trees = jax.tree.flatten((settings, carry))
        regime = self.regime
        order = regime.batch_size, regime.shuffle_seed, id(self.fold)
        return trees, tuple(map(np.shape, leaves)), self.course.plan, order

    @property
    def done(self) -> bool:
        """Whether the training has ended."""
        return int(self.carry.epoch) >= self.regime.epochs or bool(self.carry.stopped)

    def extend(self, carry: Carry, logs: Mapping[str, Any]) -> None:
        """Take over what a call of the program gave, of this member alone."""
        done = int(carry.epoch) - int(self.carry.epoch) + int(carry.failed)
        self.model.history.extend(logs, done)
        self.carry = carry if self.fused is None else self.fused.leave(carry)

    def conclude(self) -> Model:
        """Return the model with its weights, the best where they were kept."""
        conclude(self.model, self.carry, self.stopping)
        return self.model


class Builder:
    """Makes members of a sweep of models.

    What depends on a network's structure alone, its shapes and the checks of network, loss and
    targets against each other, is done once for each structure.

    Args:
        options: of `fit`, the same for all: `monitor`, `mode`, `target`, `restore_best`, `probes`.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options, self.room = options, memory.free()
        self._outlines: dict[Any, Outline] = {}
        self._checked: dict[Any, list[str]] = {}

    def ready(self, trial: int, model: Model, fitting: Mapping[str, Any], fold: Fold) -> Member:
        """Return a member ready to train, its weights drawn.

        Args:
            trial: the number of its trial.
            model: a model that was not built yet; its history grows with the training.
            fitting: arguments of `fit` of its own, all of `SWEPT`.
            fold: what it is trained on.
        """
        options, given = self.options, fold.samples
        self._draw(model, given)
        task = self._task(model, given)
        full = model.optimizer.full_batch
        regime = loop.Regime(
            epochs=arguments.whole("epochs", fitting["epochs"], 1),
            batch_size=arguments.batch_size(fitting["batch_size"], given.count, full),
            seed=model.seed,
            shuffle_seed=arguments.whole("shuffle_seed", fitting["shuffle_seed"]),
            probes=options["probes"],
        )
        patience, target = fitting["patience"], options["target"]
        stopping = arguments.stopping(
            task.names(), given.held is not None, patience, options["monitor"],
            options["mode"], fitting["min_delta"], target,
        )  # fmt: skip
        keep_best = options["restore_best"] and (patience is not None or target is not None)
        carry = begin(model, stopping, keep_best)
        return Member(trial, model, task, stopping, fold, regime, fitting, carry)

    def outlined(self, net: Layer, example: Any) -> Outline:
        """Return the outline of an unbuilt network, tracing each structure once."""
        shapes = tuple((one.shape, one.dtype) for one in jax.tree.leaves(example))
        kind = jax.tree.structure((net, example)), shapes
        known = self._outlines.get(kind)
        made = known.like(net) if known is not None else None
        if made is None:
            made = self._outlines[kind] = outline(net, example)
        return made

    def _draw(self, model: Model, given: Samples) -> None:
        """Build the model's network."""
        if model.built:
            return
        model._example = arguments.shapes_of(given.example)
        made = self.outlined(model.net, model._example)
        memory.check_training(made, model.optimizer, self.room)
        model.net = made.draw(model.seed)

    def _task(self, model: Model, given: Samples) -> Task:
        """Return the model's task fitted to the targets, each structure checked once."""
        kind = jax.tree.structure((model.net, model.optimizer, model.task)), id(given.data)
        if kind not in self._checked or not isinstance(model.task, Supervised):
            task = model._prepared(given)
            self._checked[kind] = model.history.notes
            return task
        model.history.notes = list(self._checked[kind])
        return prepared(model.task, given.data.y)


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """What all members of a sweep are made of: the same members, wherever they are made.

    Attributes:
        kind: the class of the model.
        settings: its arguments, with spaces, and those of `fit` in `SWEPT`.
        hypers: the spaces in them.
        inputs: what they are trained on.
        builder: makes the members.
        fused: the names of choices that members of one program may differ in.
    """

    kind: type[Model]
    settings: Mapping[str, Any]
    hypers: Mapping[str, Hyper]
    inputs: Inputs
    builder: Builder
    fused: tuple[str, ...] = ()

    @functools.cached_property
    def fusion(self) -> Fusion:
        """How members of several structures are one program."""
        return Fusion(self)

    def member(
        self, trial: int, values: Mapping[str, Value], seed: int = 0, fold: int = 0
    ) -> Member:
        """Return a member ready to train.

        Args:
            trial: the number of its trial.
            values: the number drawn of each hyperparameter that counts.
            seed: which of the trial's seeds, added to the model's own.
            fold: the number of the fold that it is trained on.
        """
        model, fitting = self.settled(values, seed)
        member = self.builder.ready(trial, model, fitting, self.inputs.folds(values)[fold])
        member.recipe = Recipe(self, dict(values), seed)
        return member

    def settled(
        self,
        values: Mapping[str, Value],
        seed: int = 0,
        instead: Mapping[str, Any] | None = None,
    ) -> tuple[Model, dict[str, Any]]:
        """Return the unbuilt model of some values, and its own arguments of `fit`.

        Args:
            values: the number drawn of each hyperparameter that counts.
            seed: which of the trial's seeds, added to the model's own.
            instead: what stands in the places of some of them whatever was drawn.
        """
        settled = dict(settle(self.settings, self.hypers, values, instead))
        fitting = {name: settled.pop(name) for name in SWEPT}
        if "seed" in settled:
            settled["seed"] += seed
        return self.kind(**settled), fitting


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What one member is made of, but for the numbers of its trial and its fold.

    Attributes:
        source: what all members are made of.
        values: the number drawn of each hyperparameter that counts.
        seed: which of the trial's seeds.
    """

    source: Source
    values: Mapping[str, Value]
    seed: int
