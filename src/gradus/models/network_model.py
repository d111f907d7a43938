"""`NetworkModel`: a network with its loss, optimizer, weights, and history."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from gradus.checks import whole_number
from gradus.data.array_trees import as_tree
from gradus.diagnosis.findings import Diagnosis
from gradus.diagnosis.record import Record
from gradus.drawing.notebook import Lines, html_table
from gradus.errors import (
    GradusError,
    ShapeError,
    unknown,
)
from gradus.foreign_names.arguments import explain_methods
from gradus.foreign_names.attributes import refuse_attribute
from gradus.host_memory import host_free_bytes
from gradus.hyperparameters import find_hyperparameters
from gradus.models.inputs import arguments
from gradus.models.inputs.training_data import (
    Columns,
)
from gradus.models.supervised import (
    make_supervised,
)
from gradus.nn.casting import with_standard_promotion
from gradus.nn.layer import Layer
from gradus.nn.network import weights, with_weights
from gradus.nn.pytree import check_single
from gradus.optim import optimizers
from gradus.space import Space
from gradus.train import memory
from gradus.train.history import History
from gradus.train.state import TrainState
from gradus.train.tasks.base import Task

M = TypeVar("M", bound="NetworkModel")


class FixedSetting:
    """A setting that a model is made with and keeps: to set it later is an error."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, model: Any, owner: type) -> Any:
        if model is None:
            return self
        raise AttributeError(self.name)  # so that `__getattr__` says what to write

    def __set__(self, model: Any, value: Any) -> None:
        name, kind = self.name, type(model).__name__
        raise GradusError(
            f"model.{name} = …: a {kind} keeps the {name} that it was made with. To train on with "
            f"another one, write gr.Model(model.net, …) with it, which has the same weights."
        )


@explain_methods
class NetworkModel:
    """A network with its task, optimizer, weights, and history.

    The arguments and attributes are those of `Model`.

    Attributes:
        record: what the findings of the last training were made from; None before the first.
        train_state: the state after the last training; None before the first.
        columns: the names of the columns that were trained on, where x was a frame.
        stop_training: whether a callback has ended the training.
        monitored: the number that the last training monitored, and its mode, "min" or "max".
        example: the shapes and types of two samples, for which the network was built.
        validated_later: whether validation samples are of a later time, so that their inputs may
            differ from those of training without having been prepared otherwise.
    """

    if not TYPE_CHECKING:  # for mypy an unknown attribute stays a fault
        __getattr__ = refuse_attribute

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        explain_methods(cls)

    def __init__(
        self,
        net: Layer,
        loss: Any,
        optimizer: Any = "adam",
        metrics: Any = (),
        loss_weights: Any = None,
        penalty: Any = None,
        seed: int = 0,
    ) -> None:
        if not isinstance(net, Layer | Space):
            raise GradusError(
                f"Model(net=…) takes a layer such as Sequential([...]), not {net!r}."
                + _taken_by(net)
            )
        self.settings = {
            "net": net,
            "loss": loss,
            "optimizer": optimizer,
            "metrics": metrics,
            "loss_weights": loss_weights,
            "penalty": penalty,
            "seed": seed,
        }
        self._net, self._optimizer, self.task, self._seed = net, optimizer, loss, seed
        self.spaces = find_hyperparameters(self.settings)
        if not self.spaces:
            self._seed = whole_number("seed", seed)
            self._optimizer = optimizers.get(optimizer)
            if not isinstance(loss, Task):
                self.task = make_supervised(loss, metrics, loss_weights, penalty)
            check_single([self.optimizer, self.task])
        self.history = History()
        self.train_state: TrainState | None = None
        self.monitored: tuple[str, str] | None = None
        self.record: Record | None = None
        self.example: Any = None
        self.stop_training = False
        self.columns: Columns = {}
        self.validated_later = False

    @property
    def built(self) -> bool:
        """Whether the network has its weights."""
        return self.net.built

    @property
    def net(self) -> Layer:
        """The network."""
        return self._net

    @net.setter
    def net(self, value: Any) -> None:
        if not isinstance(value, Layer):
            raise GradusError(f"model.net = {value!r}: write a layer such as gr.Sequential([...]).")
        self._net = value

    @property
    def optimizer(self) -> Any:
        """The optimizer; another one, or its name, counts from the next `fit` on."""
        return self._optimizer

    @optimizer.setter
    def optimizer(self, value: Any) -> None:
        self.require_values()
        self._optimizer = optimizers.get(value)
        check_single(self._optimizer)
        self._note_settings(optimizer=self._optimizer)

    @property
    def seed(self) -> int:
        """The seed of weights, dropout, and noise; another one counts from the next `fit` on."""
        return self._seed

    @seed.setter
    def seed(self, value: Any) -> None:
        self.require_values()
        self._seed = whole_number("seed", value)
        self._note_settings(seed=self._seed)

    loss, metrics = FixedSetting(), FixedSetting()
    loss_weights, penalty = FixedSetting(), FixedSetting()

    def _note_settings(self, **changed: Any) -> None:
        """Keep changes of settings that the model was made with, as they are saved with it."""
        self.settings |= {name: changed[name] for name in changed if name in self.settings}

    @property
    def learning_rate(self) -> Any:
        """The optimizer's learning rate; another one counts from the next `fit` on."""
        return self.optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.optimizer = dataclasses.replace(self.optimizer, learning_rate=value)
        self._note_settings(learning_rate=value)  # which a perceptron was made with

    @with_standard_promotion
    def build(self: M, x: Any) -> M:
        """Draw the weights for a batch of inputs like `x`; `fit` does it if needed."""
        self.require_values()
        samples = self.example if x is None else as_tree(x)
        if not self.built:
            network = arguments.abstract_network(self.net, samples)
            memory.check_weights(network, host_free_bytes())
            self.net = network.init_weights(self.seed)
        if self.example is None:
            self.example = arguments.shapes_of(samples)
        return self

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """The weights by path, as NumPy arrays: "dense_1/kernel"."""
        self.require_built("weights")
        return {path: np.asarray(value) for path, value in weights(self.net).items()}

    def set_weights(self, values: Mapping[str, Any]) -> None:
        """Replace weights by path.

        Raises:
            GradusError: if a path is unknown.
            ShapeError: if a shape does not fit; it names the weight and both shapes.
        """
        current = self.weights
        if not isinstance(values, Mapping):
            raise GradusError(
                f"set_weights: write a dict from paths to arrays, as model.weights is, not "
                f"{type(values).__name__}."
            )
        for path, value in values.items():
            if path not in current:
                raise unknown("weight", path, current)
            if np.shape(value) != current[path].shape:
                raise ShapeError(
                    f"The weight {path!r} has shape {current[path].shape} but was given "
                    f"{np.shape(value)}."
                )
        self.replace_weights({path: jnp.asarray(v, jnp.float32) for path, v in values.items()})

    def replace_weights(self, values: Mapping[str, jax.Array]) -> None:
        """Replace weights of the network and of the train state."""
        self.net = with_weights(self.net, values)
        if self.train_state is not None:
            params, model_state = weights(self.net, "param"), weights(self.net, "state")
            self.train_state = dataclasses.replace(
                self.train_state, params=params, model_state=model_state
            )

    @with_standard_promotion
    def summary(self) -> str:
        """Return a table of the layers: output shapes, weights, and FLOPs per sample."""
        from gradus.models.summary import summarize

        self.require_built("summary")
        if self.example is None:
            raise GradusError("summary: the length of the inputs is not known yet; call build(x).")
        return Lines(summarize(self.net, self.example))

    def __repr__(self) -> str:
        return f"Model({self.net!r}, optimizer={self.optimizer!r})"

    @with_standard_promotion
    def _repr_html_(self) -> str:
        """Return for a notebook the table of the layers."""
        from gradus.models import summary

        if not self.built:
            return self.net._repr_html_()
        return html_table(summary.COLUMNS, summary.summary_rows(self.net, self.example))

    def add_findings(self, diagnosis: Diagnosis) -> None:
        """Make a diagnosis that of the history, and note it: shortly what follows from another."""
        self.history.findings = diagnosis
        for finding in diagnosis:
            self.history.add_note(finding.note)

    def check_input(self, x: Any, where: str = "x") -> None:
        """Check that inputs have the shapes, and codes, that the network was built for."""
        if self.example is not None:
            arguments.check_shapes(self.example, x, where)
        if self.built:
            arguments.check_codes(self.net, x)

    def require_values(self) -> None:
        """Raise if a hyperparameter is still a set of values."""
        for name, hyper in self.spaces.items():
            raise GradusError(
                f"{name} is {hyper.space!r}, a set of values: to try them write "
                "gr.Sweep(model, trials=…).fit(x, y), or give it one value."
            )

    def require_built(self, verb: str) -> None:
        """Raise if the network has no weights."""
        if not self.built:
            raise GradusError(f"{verb}: the network has no weights yet; call fit or build(x).")


def _taken_by(net: Any) -> str:
    """Return, as the end of an error, what takes a network of another library or form."""
    if isinstance(net, list | tuple):
        return " Write Sequential([...]) around the layers."
    libraries = {base.__module__.partition(".")[0] for base in type(net).__mro__}
    if "keras" in libraries:
        return " gr.from_keras takes a model of Keras, once it is built."
    return " gr.from_torch takes a module of PyTorch." if "torch" in libraries else ""
