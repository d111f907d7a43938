"""A member of a population: one model, its samples, and its train state."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Hashable, Mapping
from typing import Any

import jax
import numpy as np

from gradus.diagnosis.record import Record
from gradus.models.diagnosing import diagnose_fit, with_settings
from gradus.models.fit_state import end_fit
from gradus.models.inputs.streamed_data import StreamedData
from gradus.models.model import Model
from gradus.space import Value
from gradus.sweep.members.branch_fusion import BranchFusion, FusedForm
from gradus.sweep.members.fold import Fold
from gradus.train.early_stopping import EarlyStopping
from gradus.train.state import TrainState
from gradus.train.streaming.stream_program import StreamProgram
from gradus.train.tasks.base import Task
from gradus.train.training_program import Components, FitConfig, TrainingProgram


@dataclasses.dataclass
class Member:
    """One training of a sweep.

    Attributes:
        trial: the number of its trial.
        model: the built model; its history grows during training.
        task: the task, fitted to the targets.
        early_stopping: when to stop.
        fold: its samples.
        config: epochs, batch size, and sample order.
        train_state: the train state.
        values: the number drawn for each active hyperparameter; None outside a sweep.
        seed_index: the index of its seed in the trial.
        fusion: fuses it with members of other structures; None if there are none.
        error: why it could not be trained.
    """

    trial: int
    model: Model
    task: Task
    early_stopping: EarlyStopping
    fold: Fold
    config: FitConfig
    train_state: TrainState
    values: Mapping[str, Value] | None = None
    seed_index: int = 0
    fusion: BranchFusion | None = None
    error: str = ""

    @functools.cached_property
    def training(self) -> TrainingProgram:
        """The training program with the member's settings."""
        samples, rows = self.fold.samples, self.fold.data.rows
        if self.config.batch_size is None:
            samples, rows = self.fold.data.for_batches(None)
        return TrainingProgram.create(
            self.model.net,
            self.model.optimizer,
            self.task,
            self.early_stopping,
            samples,
            rows,
            self.fold.validation,
            self.config,
            self.train_state,
        )

    @functools.cached_property
    def stream_training(self) -> StreamProgram:
        """The training program with the member's settings, on data that are read in parts."""
        data = self.fold.data
        if not isinstance(data, StreamedData):
            raise TypeError("the samples are in memory")
        return StreamProgram.create(
            self.model.net,
            self.model.optimizer,
            self.task,
            self.early_stopping,
            data.checked_batches(functools.partial(self.model.check_batch, self.task)),
            data.first,
            data.steps,
            self.fold.validation,
            self.config,
        )

    @property
    def _own_training(self) -> TrainingProgram | StreamProgram:
        is_streamed = isinstance(self.fold.data, StreamedData)
        return self.stream_training if is_streamed else self.training

    @functools.cached_property
    def fused_form(self) -> FusedForm | None:
        """Its components with switches; None without fusion."""
        if self.fusion is None or self.values is None:
            return None
        return self.fusion.fuse(
            self.training.components, self.model, self.values, self.train_state.params, self.task
        )

    @property
    def program_components(self) -> Components:
        """Network, optimizer, task, and early stopping as the program takes them."""
        if self.fused_form is not None:
            return self.fused_form.components
        return self._own_training.components

    @property
    def program_state(self) -> TrainState:
        """The train state in the form that the program takes."""
        return (
            self.train_state if self.fused_form is None else self.fused_form.enter(self.train_state)
        )

    @functools.cached_property
    def structure_key(self) -> tuple[Hashable, Hashable]:
        """A key that members share if one can continue from another's train state.

        They have the same structure, and the same samples in the same order.
        """
        return self._key(self._own_training.components, self.train_state)

    @functools.cached_property
    def program_key(self) -> tuple[Hashable, Hashable]:
        """A key that members share if one call of a program can train them together.

        They have the same program, which is its first part, and the same samples in the same order.
        """
        return self._key(self.program_components, self.program_state)

    def _key(self, components: Any, train_state: TrainState) -> tuple[Hashable, Hashable]:
        leaves, structure = jax.tree.flatten((components, train_state))
        program = structure, tuple(map(np.shape, leaves)), self._own_training.shape
        samples = id(self.fold), self.config.batch_size, self.config.shuffle_seed
        return program, samples

    @property
    def done(self) -> bool:
        """Whether the training has ended."""
        state = self.train_state
        return int(state.epoch) >= self.config.epochs or bool(state.stopped)

    def record(self, train_state: TrainState, logs: Mapping[str, Any]) -> None:
        """Set the train state and extend the history after a call of the program."""
        counted = int(train_state.epoch) - int(self.train_state.epoch)
        epochs_run = counted + int(train_state.diverged)  # the state does not count that epoch
        self.model.history.extend(logs, epochs_run)
        self.train_state = (
            train_state if self.fused_form is None else self.fused_form.leave(train_state)
        )

    def record_before(self) -> Record:
        """Return the record of the experiment, of a member that is not trained yet."""
        data = self.fold.data
        return with_settings(
            self.model.record_before(self.task, data),
            self.config,
            data,
            self.early_stopping,
            self.train_state.best is not None,
        )

    def diagnose(self, before: Record) -> None:
        """Give the trained model its record, and what this shows to be wrong.

        Args:
            before: the record of the experiment.
        """
        diagnose_fit(self.model, self.task, before, self.fold.data)

    def finish(self) -> Model:
        """Return the model with its trained weights, the best ones if they were kept."""
        end_fit(self.model, self.train_state, self.early_stopping)
        return self.model
