"""Fusion: members that differ in an activation or in the kind of optimiser, as one program.

To compile costs as much as a minute of small steps, and three activations times three optimisers
are nine programs. Fused they are one, in which a number of each member chooses
(`nn/switch.py`, `optim/switch.py`). A member stays the model that it is: its settings, and where
its training stands, get the form with switches before a call of the program, and where it then
stands gets its own form again.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from gradus.errors import GradusError
from gradus.models.objective import ends
from gradus.nn import activations
from gradus.nn.conv import Sliding
from gradus.nn.dense import Activation, Dense
from gradus.nn.network import fresh
from gradus.nn.switch import Switch
from gradus.nn.tree import canonical
from gradus.optim import optimizers
from gradus.optim.base import Optimizer
from gradus.optim.schedules import ReduceOnPlateau
from gradus.optim.switch import Switch as OptimizerSwitch
from gradus.settings import Hyper, places, settle
from gradus.space import Choice, Value
from gradus.train.program import Carry, skeleton
from gradus.train.update import begin

if TYPE_CHECKING:
    from gradus.sweep.member import Member, Source

# Measured on two cores: what a program costs to trace and compile, what a step costs beside its
# arithmetic, how fast that is, and by how much switches slow a step down.
COMPILING, STEP, SPEED, SLOWER = 1.9, 25e-6, 20e9, 0.2


class Fused(NamedTuple):
    """A member in the form with switches.

    Attributes:
        settings: network without weights, optimiser, task and stopping.
        memory: of the optimiser, that of every option; None if it is no choice.
        which: the place of the member's own optimiser among the options.
    """

    settings: tuple[Any, ...]
    memory: Any
    which: int

    def enter(self, carry: Carry) -> Carry:
        """Return where training stands in the form with switches."""
        if self.memory is None:
            return carry
        turns = []
        for own, nothing in zip(carry.optimizer, self.memory, strict=True):
            options = list(nothing["options"])
            options[self.which] = own
            turns.append({"step": own["step"], "options": tuple(options)})
        return dataclasses.replace(carry, optimizer=tuple(turns))

    def leave(self, carry: Carry) -> Carry:
        """Return where training stands in the member's own form."""
        if self.memory is None:
            return carry
        own = tuple(turn["options"][self.which] for turn in carry.optimizer)
        return dataclasses.replace(carry, optimizer=own)


class Fusion:
    """How the members of a sweep are fused.

    Args:
        source: what they are made of; its `fused` names the choices that are switches.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        chosen = {name: source.hypers[name].space for name in source.fused}
        rule = source.settings.get("optimizer")
        self._optimizer = next((name for name, one in chosen.items() if one is rule), None)
        self._options = [] if self._optimizer is None else self._all(chosen[self._optimizer])
        self._activations = {
            name: one.options
            for name, one in chosen.items()
            if name != self._optimizer and isinstance(one, Choice)
        }
        self._nets: dict[Hashable, Any] = {}
        self._memories: dict[Hashable, Any] = {}

    def of(self, member: Member) -> Fused | None:
        """Return a member in the form with switches; None if nothing is fused."""
        if not self.source.fused:
            return None
        net, optimizer, *others = member.course.settings
        kind = jax.tree.structure(net)
        if kind not in self._nets:
            self._nets[kind] = self._net(member)
        net, which, memory = _like(self._nets[kind], net), 0, None
        if self._optimizer is not None and self._fits(member.model.optimizer):
            which = int(_values(member)[self._optimizer])
            options = [*self._options[:which], optimizer, *self._options[which + 1 :]]
            optimizer = OptimizerSwitch(which=which, options=tuple(options))
            memory = self._memory(optimizer, member)
        return Fused(canonical((net, optimizer, *others)), memory, which)

    def _net(self, member: Member) -> Any:
        """Return a member's network without its weights, switches in place of its activations."""
        values, plain = _values(member), member.course.settings[0]
        instead = {
            name: Switch(values[name], options)
            for name, options in self._activations.items()
            if name in values
        }
        if not instead:
            return plain
        example = member.model._example
        model, _ = self.source.settled(values, instead=instead)
        made = self.source.builder.outlined(model.net, example).net
        # A softmax or sigmoid that ends the network is part of its loss.
        same = ends(made, example)[0] == ends(member.model.net, example)[0]
        return skeleton(made) if same else plain

    def _all(self, rule: Any) -> list[Optimizer]:
        """Return each optimiser, in the places of its own spaces what is in their middle."""
        hypers = self.source.hypers
        middle = {name: hyper.space.draw(0.5) for name, hyper in hypers.items()}
        return [optimizers.get(settle(option, hypers, middle)) for option in rule.options]

    def _fits(self, optimizer: Optimizer) -> bool:
        return all(map(_is_plain, [optimizer, *self._options]))

    def _memory(self, optimizer: Optimizer, member: Member) -> Any:
        """Return zeros for the memories of all options."""
        params, task = member.carry.params, member.task
        shapes = tuple((path, np.shape(weight)) for path, weight in sorted(params.items()))
        key = jax.tree.structure(optimizer), shapes
        if key not in self._memories:
            found = jax.eval_shape(functools.partial(begin, optimizer, task), params)
            self._memories[key] = jax.tree.map(lambda one: np.zeros(one.shape, one.dtype), found)
        return self._memories[key]


def candidates(settings: Mapping[str, Any], hypers: Mapping[str, Hyper]) -> tuple[str, ...]:
    """Return the names of the choices that may be switches.

    Those are activations of dense and convolutional layers, all of them names or functions, and
    the model's optimiser.
    """
    found: dict[str | int, bool] = {}
    for place in places(settings):
        owner, word = place.owner, place.words[-1] if place.words else ""
        if owner is settings and word == "optimizer":
            known = _is_optimizer
        elif word == "activation" and _takes_function(owner):
            known = _is_activation
        else:
            known = _is_nothing
        fits = isinstance(place.space, Choice) and all(map(known, place.space.options))
        key = place.space.name or id(place.space)
        found[key] = found.get(key, True) and fits
    return tuple(n for n, one in hypers.items() if found.get(one.space.name or id(one.space)))


def pays(source: Source, names: tuple[str, ...], trials: int) -> bool:
    """Return whether trials are expected to be done earlier with some choices as switches.

    Each program saved is worth `COMPILING` seconds of a core; each step is slower by `SLOWER` of
    its time, which is guessed from the arithmetic of the network's forward pass.

    Args:
        source: what members are made of.
        names: of the choices.
        trials: how many there will be.
    """
    spaces = [source.hypers[name].space for name in names]
    programs = min(trials, math.prod(space.size or 1 for space in spaces))
    if programs < 2:
        return False
    values = {name: hyper.space.draw(0.5) for name, hyper in source.hypers.items()}
    try:
        member = source.member(0, values)
    except GradusError:  # a trial that cannot be built tells nothing of the others
        return True
    plan, regime = member.course.plan, member.regime
    size = regime.batch_size or member.fold.samples.count
    step = STEP + 3 * size * _arithmetic(member) / SPEED
    training = trials * regime.epochs * plan.steps * step
    return SLOWER * training < COMPILING * (programs - 1)


def _arithmetic(member: Member) -> float:
    """Return the floating-point operations of a sample's way through the network."""
    model = member.model
    example = jax.tree.map(
        lambda one: jax.ShapeDtypeStruct((1, *one.shape[1:]), one.dtype), model._example
    )

    forward = jax.jit(lambda net, x: fresh(net)(x))
    found: Any = forward.lower(model.net, example).cost_analysis()
    return float((found or {}).get("flops", 0.0))


def _takes_function(layer: Any) -> bool:
    """Return whether all that a layer does with its activation is to call it."""
    return isinstance(layer, Dense | Sliding) or (
        isinstance(layer, Activation) and layer.alpha is None
    )


def _values(member: Member) -> Mapping[str, Value]:
    assert member.recipe is not None  # noqa: S101
    return member.recipe.values


def _like(form: Any, net: Any) -> Any:
    """Return a network of some form, its numbers those of another wherever that has them."""
    given = dict(jax.tree_util.tree_flatten_with_path(net)[0])
    leaves, structure = jax.tree_util.tree_flatten_with_path(form)
    return jax.tree.unflatten(structure, [given.get(path, leaf) for path, leaf in leaves])


def _is_activation(option: Any) -> bool:
    if isinstance(option, str):
        return option.lower() in activations.REGISTRY
    return option is None or activations.REGISTRY.name_of(option) is not None


def _is_optimizer(option: Any) -> bool:
    if isinstance(option, str):
        return option.lower() in optimizers.REGISTRY
    return isinstance(option, Optimizer)


def _is_nothing(option: Any) -> bool:
    return False


def _is_plain(optimizer: Optimizer) -> bool:
    return not optimizer.full_batch and not isinstance(optimizer.learning_rate, ReduceOnPlateau)
