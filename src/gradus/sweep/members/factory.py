"""Makes members: models with drawn values, built and initialized."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax

from gradus.checks import whole_number
from gradus.errors import GradusError, ShapeError
from gradus.hyperparameters import Hyperparameter, resolve
from gradus.models.fit_state import begin_fit
from gradus.models.inputs import arguments
from gradus.models.inputs.streamed_data import NEEDS_ARRAYS, StreamedData
from gradus.models.inputs.training_data import TrainingData
from gradus.models.model import Model
from gradus.models.supervised import fit_metrics
from gradus.nn.layer import Layer
from gradus.nn.network import AbstractNetwork, abstract_init
from gradus.space import Value
from gradus.sweep.members.branch_fusion import BranchFusion
from gradus.sweep.members.data import SweepData
from gradus.sweep.members.fold import Fold
from gradus.sweep.members.member import Member
from gradus.train import memory
from gradus.train.tasks.base import Supervised, Task
from gradus.train.training_program import FitConfig

# Findings that depend on numbers, in which trials of one structure differ on purpose.
TRIED = ("rate-invalid", "symmetric-weights")
# The arguments of `fit` that may be spaces and do not change the samples.
SWEPT_FIT_ARGUMENTS = ("batch_size", "epochs", "patience", "min_delta", "shuffle_seed")


class MemberBuilder:
    """Builds a member from a model: network, task, configuration, and initial train state.

    Work that depends only on a network's structure (tracing its shapes, checking network, loss and
    targets against each other) is done once for each structure.

    Args:
        options: arguments of `fit` that all members share: `monitor`, `mode`, `target`,
            `restore_best`, `probes`, and `shuffle`, by default True.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options, self.free_bytes = options, memory.free_bytes()
        self._networks: dict[Any, AbstractNetwork] = {}
        self._notes: dict[Any, list[str]] = {}  # by checked structure

    def __reduce__(self) -> Any:
        """Pickle the options only: caches and free memory are those of a machine."""
        return MemberBuilder, (self.options,)

    def build(
        self, trial: int, model: Model, fit_settings: Mapping[str, Any], fold: Fold
    ) -> Member:
        """Return an initialized member, ready to train.

        Args:
            trial: the number of its trial.
            model: an unbuilt model.
            fit_settings: its values of `SWEPT_FIT_ARGUMENTS`.
            fold: its samples.
        """
        options, data = self.options, fold.data
        self._build_network(model, data)
        task = self._task_for(model, data)
        model.columns = data.columns
        full_batch = model.optimizer.full_batch
        if full_batch and isinstance(data, StreamedData):
            raise GradusError(NEEDS_ARRAYS)
        config = FitConfig(
            epochs=whole_number("epochs", fit_settings["epochs"], 1),
            batch_size=arguments.batch_size(fit_settings["batch_size"], data.count, full_batch),
            seed=model.seed,
            shuffle_seed=whole_number("shuffle_seed", fit_settings["shuffle_seed"]),
            probes=options["probes"],
            shuffle=options.get("shuffle", True),
        )
        patience, target = fit_settings["patience"], options["target"]
        early_stopping = arguments.early_stopping(
            task.metric_names(),
            data.validated,
            patience,
            options["monitor"],
            options["mode"],
            fit_settings["min_delta"],
            target,
        )
        keep_best = options["restore_best"] and (patience is not None or target is not None)
        train_state = begin_fit(model, early_stopping, keep_best)
        return Member(trial, model, task, early_stopping, fold, config, train_state)

    def abstract_init(self, net: Layer, example: Any) -> AbstractNetwork:
        """Return the abstract network of an unbuilt network, tracing each structure once."""
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(example))
        key = jax.tree.structure((net, example)), shapes
        cached = self._networks.get(key)
        network = cached.with_settings_of(net) if cached is not None else None
        if network is None:
            network = self._networks[key] = abstract_init(net, example)
        return network

    def _build_network(self, model: Model, data: TrainingData) -> None:
        if model.built:
            return
        model.example = arguments.shapes_of(data.example)
        try:
            network = self.abstract_init(model.net, model.example)
        except ShapeError:
            arguments.abstract_network(model.net, data.samples.x)  # says the shape of all of x
            raise
        memory.check_training(network, model.optimizer, self.free_bytes)
        model.net = network.init_weights(model.seed)

    def _task_for(self, model: Model, data: TrainingData) -> Task:
        """Return the model's task fitted to the targets; check each structure once."""
        key = jax.tree.structure((model.net, model.optimizer, model.task)), id(data.samples)
        if key not in self._notes or not isinstance(model.task, Supervised):
            task, _ = model.prepare_task(data, ignore=TRIED)
            self._notes[key] = model.history.notes
            model.history.findings = None  # those of a trial are made when its model is asked for
            return task
        model.history.notes = list(self._notes[key])
        return fit_metrics(model.task, data.samples.y)


@dataclasses.dataclass(frozen=True, eq=False)
class MemberFactory:
    """Makes the members of a sweep, the same ones on every machine, from the values of a trial.

    It makes the model with those values; `MemberBuilder` builds the member from the model.

    Attributes:
        model_class: the class of the model.
        settings: its arguments, with spaces, and those of `fit` in `SWEPT_FIT_ARGUMENTS`.
        hypers: the hyperparameters in them.
        data: the samples.
        builder: builds the members.
        fused_names: the names of the choices that one program switches between.
    """

    model_class: type[Model]
    settings: Mapping[str, Any]
    hypers: Mapping[str, Hyperparameter]
    data: SweepData
    builder: MemberBuilder
    fused_names: tuple[str, ...] = ()

    def __reduce__(self) -> Any:
        """Pickle the fields only, not the cached `fusion`."""
        return MemberFactory, tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    @functools.cached_property
    def fusion(self) -> BranchFusion | None:
        """Fuses members of several structures into one program; None without fused choices."""
        if not self.fused_names:
            return None

        def make_model(values: Mapping[str, Value], overrides: Mapping[str, Any]) -> Model:
            return self.make_model(values, overrides=overrides)[0]

        return BranchFusion(
            self.settings, self.hypers, self.fused_names, make_model, self.builder.abstract_init
        )

    def make_member(
        self, trial: int, values: Mapping[str, Value], seed_index: int = 0, fold: int = 0
    ) -> Member:
        """Return a member ready to train.

        Args:
            trial: the number of its trial.
            values: the number drawn for each active hyperparameter.
            seed_index: added to the model's seed.
            fold: the number of its fold.
        """
        model, fit_settings = self.make_model(values, seed_index)
        member = self.builder.build(trial, model, fit_settings, self.data.folds(values)[fold])
        member.values, member.seed_index, member.fusion = dict(values), seed_index, self.fusion
        return member

    def make_model(
        self,
        values: Mapping[str, Value],
        seed_index: int = 0,
        overrides: Mapping[str, Any] | None = None,
    ) -> tuple[Model, dict[str, Any]]:
        """Return the unbuilt model for some values, and its values of `SWEPT_FIT_ARGUMENTS`.

        Args:
            values: the number drawn for each active hyperparameter.
            seed_index: added to the model's seed.
            overrides: values by hyperparameter name that replace drawn ones.
        """
        settings = dict(resolve(self.settings, self.hypers, values, overrides))
        fit_settings = {name: settings.pop(name) for name in SWEPT_FIT_ARGUMENTS}
        if "seed" in settings:
            settings["seed"] += seed_index
        return self.model_class(**settings), fit_settings
