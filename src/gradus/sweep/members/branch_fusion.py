"""Branch fusion: one program for members with different activations or optimizers.

Compiling costs as much as a minute of small steps, and three activations times three optimizers
would be nine programs. Fused, they are one program, in which a number of each member selects the
branch (`nn/activation_switch.py`, `optim/optimizer_switch.py`). The member's model does not change:
its components and train state are converted to a form with switches before a call of the program,
and the state is converted back afterward.
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
from gradus.nn.layers.activation import Activation
from gradus.nn.layers.conv import WindowLayer
from gradus.nn.layers.dense import Dense
from gradus.nn.network import AbstractNetwork
from gradus.nn.pytree import canonicalize
from gradus.optim import optimizers
from gradus.optim.base import Optimizer
from gradus.optim.optimizer_switch import OptimizerSwitch
from gradus.optim.schedules import ReduceOnPlateau
from gradus.space import Choice, Value
from gradus.train.state import Params, TrainState, init_opt_states, without_weights
from gradus.train.tasks.base import Task
from gradus.train.training_program import Components


class FusedForm(NamedTuple):
    """A member's components with switches.

    Attributes:
        components: network, optimizer, task, and early stopping.
        zero_states: an optimizer state of zeros for every option; None if the optimizer is fixed.
        which: the index of the member's optimizer among the options.
    """

    components: Components
    zero_states: Any
    which: int

    def enter(self, train_state: TrainState) -> TrainState:
        """Return a train state converted to the form with switches."""
        if self.zero_states is None:
            return train_state
        opt_states = []
        for own, zeros in zip(train_state.opt_states, self.zero_states, strict=True):
            options = list(zeros["options"])
            options[self.which] = own
            opt_states.append({"step": own["step"], "options": tuple(options)})
        return dataclasses.replace(train_state, opt_states=tuple(opt_states))

    def leave(self, train_state: TrainState) -> TrainState:
        """Return a train state converted back to the member's form."""
        if self.zero_states is None:
            return train_state
        own = tuple(state["options"][self.which] for state in train_state.opt_states)
        return dataclasses.replace(train_state, opt_states=own)


class SwitchedNet(NamedTuple):
    """A network with switches, into which the numbers of a member's network are copied.

    Attributes:
        leaves: its numbers.
        structure: of it.
        sources: the index of each number among those of the member's network; None for one that
            this does not have.
    """

    leaves: list[Any]
    structure: Any
    sources: list[int | None]

    @classmethod
    def create(cls, net: Any, switched_net: Any) -> SwitchedNet:
        """Return it for a member's network and the one with switches."""
        paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(net)[0]]
        index = {path: i for i, path in enumerate(paths)}
        leaves, structure = jax.tree_util.tree_flatten_with_path(switched_net)
        return cls([leaf for _, leaf in leaves], structure, [index.get(path) for path, _ in leaves])

    def with_numbers(self, numbers: list[Any]) -> Any:
        """Return the network with the numbers of a member's network."""
        pairs = zip(self.leaves, self.sources, strict=True)
        own = [leaf if source is None else numbers[source] for leaf, source in pairs]
        return jax.tree.unflatten(self.structure, own)


class BranchFusion:
    """Fuses the members of a sweep.

    Args:
        settings: the arguments of the model, with spaces.
        hypers: the hyperparameters of the sweep.
        names: the names of the choices that become switches.
        make_model: returns the unbuilt model for some values and overrides.
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
        self._optimizer = next((name for name, space in chosen.items() if space is optimizer), None)
        self._options = [] if self._optimizer is None else self._optimizers(chosen[self._optimizer])
        self._activations = {
            name: space.options
            for name, space in chosen.items()
            if name != self._optimizer and isinstance(space, Choice)
        }
        self._nets: dict[Hashable, SwitchedNet] = {}
        self._zero_states: dict[Hashable, Any] = {}

    def fuse(
        self,
        components: Components,
        model: Model,
        values: Mapping[str, Value],
        params: Params,
        task: Task,
    ) -> FusedForm:
        """Return a member's components with switches.

        Args:
            components: those of its training.
            model: the member's built model.
            values: the number drawn for each active hyperparameter.
            params: the trained weights by path.
            task: what is learned.
        """
        net, optimizer = components.net, components.optimizer
        numbers, structure = jax.tree.flatten(net)
        if structure not in self._nets:
            switched_net = self._switched_net(net, model, values)
            self._nets[structure] = SwitchedNet.create(net, switched_net)
        net, which, zero_states = self._nets[structure].with_numbers(numbers), 0, None
        if self._optimizer is not None and self._can_switch(model.optimizer):
            which = int(values[self._optimizer])
            options = [*self._options[:which], optimizer, *self._options[which + 1 :]]
            optimizer = OptimizerSwitch(which=which, options=tuple(options))
            zero_states = self._zero_states_for(optimizer, params, task)
        fused = canonicalize(components._replace(net=net, optimizer=optimizer))
        return FusedForm(fused, zero_states, which)

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
        switched_net = self._abstract_init(switched.net, model.example).net
        # A softmax or sigmoid that ends the network is part of its loss.
        heads = [output_heads(net, model.example)[0] for net in (switched_net, model.net)]
        return without_weights(switched_net) if heads[0] == heads[1] else net

    def _optimizers(self, choice: Any) -> list[Optimizer]:
        """Return the optimizer of each option, its own spaces at their midpoints."""
        middle = {name: hyper.space.value_at(0.5) for name, hyper in self.hypers.items()}
        return [optimizers.get(resolve(option, self.hypers, middle)) for option in choice.options]

    def _can_switch(self, optimizer: Optimizer) -> bool:
        return all(map(_needs_only_gradients, [optimizer, *self._options]))

    def _zero_states_for(self, optimizer: Optimizer, params: Params, task: Task) -> Any:
        """Return zeros for the optimizer states of all options."""
        shapes = tuple((path, np.shape(weight)) for path, weight in sorted(params.items()))
        key = jax.tree.structure(optimizer), shapes
        if key not in self._zero_states:
            abstract = jax.eval_shape(functools.partial(init_opt_states, optimizer, task), params)
            zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), abstract)
            self._zero_states[key] = zeros
        return self._zero_states[key]


def fusible_choices(
    settings: Mapping[str, Any], hypers: Mapping[str, Hyperparameter]
) -> tuple[str, ...]:
    """Return the names of the choices that may become switches.

    Those are activations of dense and convolutional layers, all of them names or functions, and
    the model's optimizer.
    """
    fusible: dict[str | int, bool] = {}
    for path, space, _, _, owner in space_locations(settings):
        argument = path[-1] if path else ""
        if owner is settings and argument == "optimizer":
            is_switchable = _is_optimizer
        elif argument == "activation" and _takes_function(owner):
            is_switchable = _is_activation
        else:
            is_switchable = _is_never
        fits = isinstance(space, Choice) and all(map(is_switchable, space.options))
        key = space.name or id(space)
        fusible[key] = fusible.get(key, True) and fits
    spaces = {name: hyper.space for name, hyper in hypers.items()}
    return tuple(name for name, one in spaces.items() if fusible.get(one.name or id(one)))


def _takes_function(layer: Any) -> bool:
    """Return whether a layer only calls its activation."""
    return isinstance(layer, Dense | WindowLayer) or (
        isinstance(layer, Activation) and layer.alpha is None
    )


def _is_activation(option: Any) -> bool:
    if isinstance(option, str):
        return option.lower() in activations.REGISTRY
    return option is None or activations.REGISTRY.name_of(option) is not None


def _is_optimizer(option: Any) -> bool:
    if isinstance(option, str):
        return option.lower() in optimizers.REGISTRY
    return isinstance(option, Optimizer)


def _is_never(option: Any) -> bool:
    return False


def _needs_only_gradients(optimizer: Optimizer) -> bool:
    return not optimizer.full_batch and not isinstance(optimizer.learning_rate, ReduceOnPlateau)
