"""Branch fusion: members that differ in an activation or in the kind of optimizer, in one program.

Compiling costs as much as a minute of small steps, and three activations times three optimizers
would be nine programs. Fused, they are one, in which a number of each member chooses the branch
(`nn/activation_switch.py`, `optim/optimizer_switch.py`). A member stays the model that it is: its
settings and its train state take the form with switches before a call of the program, and the
state takes its own form again afterward.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from gradus.hyperparameters import Hyperparameter, resolve, space_locations
from gradus.models.model import Model
from gradus.models.supervised import output_heads
from gradus.nn import activations
from gradus.nn.activation_switch import ActivationSwitch
from gradus.nn.layers.conv import WindowLayer
from gradus.nn.layers.dense import Activation, Dense
from gradus.nn.network import AbstractNetwork
from gradus.nn.pytree import canonicalize
from gradus.optim import optimizers
from gradus.optim.base import Optimizer
from gradus.optim.optimizer_switch import OptimizerSwitch
from gradus.optim.schedules import ReduceOnPlateau
from gradus.space import Choice, Value
from gradus.train.state import Params, TrainState, init_opt_states, without_weights
from gradus.train.task import Task


class FusedForm(NamedTuple):
    """The form with switches of a member's settings.

    Attributes:
        settings: network without weights, optimizer, task, and early stopping.
        zero_states: the optimizer state with zeros for every option; None if the optimizer is no
            choice.
        which: the index of the member's own optimizer among the options.
    """

    settings: tuple[Any, ...]
    zero_states: Any
    which: int

    def enter(self, train_state: TrainState) -> TrainState:
        """Return a train state in the form with switches."""
        if self.zero_states is None:
            return train_state
        opt_states = []
        for own, zeros in zip(train_state.opt_states, self.zero_states, strict=True):
            options = list(zeros["options"])
            options[self.which] = own
            opt_states.append({"step": own["step"], "options": tuple(options)})
        return dataclasses.replace(train_state, opt_states=tuple(opt_states))

    def leave(self, train_state: TrainState) -> TrainState:
        """Return a train state in the member's own form."""
        if self.zero_states is None:
            return train_state
        own = tuple(state["options"][self.which] for state in train_state.opt_states)
        return dataclasses.replace(train_state, opt_states=own)


class BranchFusion:
    """How the members of a sweep are fused.

    Args:
        settings: the arguments of the model, with spaces.
        hypers: the hyperparameters of the sweep.
        names: of the choices that become switches.
        make_model: returns the unbuilt model of some values, given what stands in the places of
            some of them instead.
        abstract_init: returns the abstract network of an unbuilt network for an example.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        hypers: Mapping[str, Hyperparameter],
        names: tuple[str, ...],
        make_model: Callable[[Mapping[str, Value], Mapping[str, Any]], Model],
        abstract_init: Callable[[Any, Any], AbstractNetwork],
    ) -> None:
        self.hypers, self._make_model, self._abstract_init = hypers, make_model, abstract_init
        chosen = {name: hypers[name].space for name in names}
        optimizer = settings.get("optimizer")
        self._optimizer = next((name for name, one in chosen.items() if one is optimizer), None)
        self._options = [] if self._optimizer is None else self._all(chosen[self._optimizer])
        self._activations = {
            name: space.options
            for name, space in chosen.items()
            if name != self._optimizer and isinstance(space, Choice)
        }
        self._nets: dict[Hashable, Any] = {}
        self._zero_states: dict[Hashable, Any] = {}

    def fuse(
        self,
        settings: tuple[Any, ...],
        model: Model,
        values: Mapping[str, Value],
        params: Params,
        task: Task,
    ) -> FusedForm:
        """Return the settings of a member in the form with switches.

        Args:
            settings: network without weights, optimizer, task, and early stopping.
            model: the member's built model.
            values: the number drawn of each hyperparameter that counts.
            params: the trained weights by path.
            task: what is learned.
        """
        net, optimizer, *others = settings
        structure = jax.tree.structure(net)
        if structure not in self._nets:
            self._nets[structure] = self._switched_net(net, model, values)
        net, which, zero_states = _with_numbers_of(self._nets[structure], net), 0, None
        if self._optimizer is not None and self._can_switch(model.optimizer):
            which = int(values[self._optimizer])
            options = [*self._options[:which], optimizer, *self._options[which + 1 :]]
            optimizer = OptimizerSwitch(which=which, options=tuple(options))
            zero_states = self._zeros(optimizer, params, task)
        return FusedForm(canonicalize((net, optimizer, *others)), zero_states, which)

    def _switched_net(self, net: Any, model: Model, values: Mapping[str, Value]) -> Any:
        """Return a network without its weights, with switches for its activations."""
        switches = {
            name: ActivationSwitch(values[name], options)
            for name, options in self._activations.items()
            if name in values
        }
        if not switches:
            return net
        switched = self._make_model(values, switches)
        made = self._abstract_init(switched.net, model.example).net
        # A softmax or sigmoid that ends the network is part of its loss.
        same = output_heads(made, model.example)[0] == output_heads(model.net, model.example)[0]
        return without_weights(made) if same else net

    def _all(self, choice: Any) -> list[Optimizer]:
        """Return each optimizer, with the middle of each of its own spaces."""
        middle = {name: hyper.space.value_at(0.5) for name, hyper in self.hypers.items()}
        return [optimizers.get(resolve(one, self.hypers, middle)) for one in choice.options]

    def _can_switch(self, optimizer: Optimizer) -> bool:
        return all(map(_needs_only_gradients, [optimizer, *self._options]))

    def _zeros(self, optimizer: Optimizer, params: Params, task: Task) -> Any:
        """Return zeros for the optimizer states of all options."""
        shapes = tuple((path, np.shape(weight)) for path, weight in sorted(params.items()))
        key = jax.tree.structure(optimizer), shapes
        if key not in self._zero_states:
            abstract = jax.eval_shape(functools.partial(init_opt_states, optimizer, task), params)
            zeros = jax.tree.map(lambda one: np.zeros(one.shape, one.dtype), abstract)
            self._zero_states[key] = zeros
        return self._zero_states[key]


def fusible_choices(
    settings: Mapping[str, Any], hypers: Mapping[str, Hyperparameter]
) -> tuple[str, ...]:
    """Return the names of the choices that may be switches.

    Those are activations of dense and convolutional layers, all of them names or functions, and
    the model's optimiser.
    """
    found: dict[str | int, bool] = {}
    for place in space_locations(settings):
        owner, word = place.owner, place.path[-1] if place.path else ""
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


def _takes_function(layer: Any) -> bool:
    """Return whether all that a layer does with its activation is to call it."""
    return isinstance(layer, Dense | WindowLayer) or (
        isinstance(layer, Activation) and layer.alpha is None
    )


def _with_numbers_of(form: Any, net: Any) -> Any:
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


def _needs_only_gradients(optimizer: Optimizer) -> bool:
    return not optimizer.full_batch and not isinstance(optimizer.learning_rate, ReduceOnPlateau)
