"""Trains candidates side by side, in as few compiled programs as a sweep would."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from gradus.diagnosis.record import Record
from gradus.doctor.candidate import Candidate
from gradus.doctor.network_edits import with_rescaled_outputs
from gradus.doctor.pairing import kinds_of
from gradus.doctor.scores import compare, constant_errors, sample_errors
from gradus.errors import GradusError
from gradus.models.inputs.training_data import TrainingData
from gradus.models.model import Model
from gradus.nn.network import with_weights
from gradus.sweep.execution.local import Local
from gradus.sweep.members.cost_model import training_seconds
from gradus.sweep.members.factory import MemberBuilder
from gradus.sweep.members.fold import Fold
from gradus.sweep.members.member import Member
from gradus.train.inference import predict_batches
from gradus.train.tasks.base import Supervised
from gradus.train.tasks.reconstruction import Reconstruction

if TYPE_CHECKING:
    from gradus.doctor.scores import Errors
    from gradus.train.tasks.base import Task

# The arguments of `fit` that members of one builder have in common.
OPTIONS = ("monitor", "mode", "target", "restore_best", "shuffle")


class CandidateTraining:
    """The trainings of some candidates, each with some seeds, which go on where they ended.

    Args:
        original: the training that all candidates are compared with.
        record: of it.

    Attributes:
        trained_epochs: how many epochs all trainings had together.
        doubts_labels: whether a remedy must do better than a constant prediction, too, as inputs
            may tell nothing of the labels; False if not set.
    """

    def __init__(self, original: Candidate, record: Record) -> None:
        self.original = original
        self.kinds = kinds_of(original.data.samples.y, record)
        self.trained_epochs, self.doubts_labels = 0, False
        self._builder, self._executor = MemberBuilder(_options(original)), Local()
        self._folds: dict[int, Fold] = {}
        self._members: dict[tuple[Candidate, int], Member | str] = {}
        self._errors: dict[tuple[Candidate, int, int], Errors] = {}  # the last is the epoch

    def train(self, wanted: Sequence[tuple[Candidate, int]], share: float = 1.0) -> None:
        """Train candidates with seeds until a share of their epochs.

        Raises:
            GradusError: if the original cannot be trained; nothing can be compared then.
        """
        by_end: dict[int, list[Member]] = {}
        for candidate, seed in wanted:
            member = self._member(candidate, seed)
            if isinstance(member, str):
                continue
            until = max(1, round(share * member.config.epochs))
            if int(member.train_state.epoch) < until and not bool(member.train_state.stopped):
                by_end.setdefault(until, []).append(member)
        for until, members in by_end.items():
            before = sum(int(member.train_state.epoch) for member in members)
            for _ in self._executor.run(members, until):
                pass
            self.trained_epochs += sum(int(m.train_state.epoch) for m in members) - before
        for candidate, seed in wanted:
            if candidate is self.original and (why := self.failure(candidate, seed)):
                raise GradusError(
                    f"The training cannot be repeated on these data, to compare with: {why}"
                )

    def failure(self, candidate: Candidate, seed: int = 0) -> str:
        """Return why a candidate could not be trained; "" if it could."""
        member = self._member(candidate, seed)
        return member if isinstance(member, str) else member.error

    def program(self, candidate: Candidate) -> Hashable:
        """Return what candidates that need no program of their own share; None if it has none."""
        member = self._member(candidate, 0)
        return None if isinstance(member, str) else member.program_key[0]

    def seconds(self, candidate: Candidate) -> float:
        """Return how long a training of full length is expected to take, without compilation."""
        member = self._member(candidate, 0)
        return 0.0 if isinstance(member, str) else training_seconds(member)

    def errors(self, candidate: Candidate, seed: int) -> Errors:
        """Return the error of each sample that is held out, as far as the candidate is trained.

        It is multiplied by the sample's weight, of which the mean is 1. Where the candidate could
        not be trained, all are infinite.
        """
        member = self._member(candidate, seed)
        x, y = candidate.held_out
        y = x if y is None else y
        if isinstance(member, str) or member.error:  # which `failure` tells
            return np.full(len(jax.tree.leaves(y)[0]), np.inf)
        key = candidate, seed, int(member.train_state.epoch)
        if key not in self._errors:
            self._errors[key] = self._compute_errors(candidate, member, x, y)
        return self._errors[key]

    def _compute_errors(self, candidate: Candidate, member: Member, x: Any, y: Any) -> Errors:
        """Return the errors of a training at its epoch."""
        state, task = member.train_state, member.task
        params, model_state = state.params, state.model_state
        if state.best is not None and int(state.stopping_state["epoch"]):
            params, model_state = state.best
        net = with_weights(member.model.net, params | model_state)
        predicted = _in_units(predict_batches(net, task, x), candidate)
        trained_on = candidate.x if candidate.y is None else candidate.y
        errors = sample_errors(_compared(task), self.kinds, predicted, y, trained_on)
        return _weighted(errors, candidate)

    def learns(self, errors: Sequence[Errors]) -> bool:
        """Whether errors, for each seed, show more than a constant: needed of doubted labels."""
        task = _compared(self.original.make_model().task)
        if not self.doubts_labels or not isinstance(task, Supervised) or self.original.y is None:
            return True
        y = self.original.held_out[1]
        constant = constant_errors(task, self.kinds, y, self.original.y)
        return compare([_weighted(constant, self.original)], errors).helps

    def model(self, candidate: Candidate, seed: int) -> Model:
        """Return the trained model of a candidate, which predicts in the units of its targets.

        It is trained once more, to the same weights, with the record that `fit` makes.
        """
        builder = MemberBuilder({**self._builder_of(candidate).options, "probes": True})
        member = self._build(builder, candidate, seed)
        untrained = self._build(builder, candidate, seed)
        for _ in self._executor.run([member], member.config.epochs):
            pass
        if member.error:
            raise GradusError(member.error)
        self.trained_epochs += int(member.train_state.epoch)
        trained = member.finish()
        member.diagnose(untrained.record_before())
        return trained if candidate.target_scale is None else _unscaled(trained, candidate)

    def _member(self, candidate: Candidate, seed: int) -> Member | str:
        """Return the training of a candidate, or why there can be none."""
        key = candidate, seed
        if key not in self._members:
            try:
                builder = self._builder_of(candidate)
                self._members[key] = self._build(builder, candidate, seed)
            except GradusError as error:
                self._members[key] = str(error)
        return self._members[key]

    def _builder_of(self, candidate: Candidate) -> MemberBuilder:
        """Return what builds the members of a candidate: another one with other options."""
        options = _options(candidate)
        return self._builder if options == self._builder.options else MemberBuilder(options)

    def _build(self, builder: MemberBuilder, candidate: Candidate, seed: int) -> Member:
        """Return a new training of a candidate."""
        shuffle_seed = candidate.fit["shuffle_seed"] + seed
        size = candidate.fit["batch_size"]
        if size is not None:  # `fit` may have had more samples, as a part of them is held out here
            size = min(size, candidate.data.count)
        arguments = {**candidate.fit, "shuffle_seed": shuffle_seed, "batch_size": size}
        fold = self._fold(candidate.data)
        return builder.build(len(self._members), candidate.make_model(seed), arguments, fold)

    def _fold(self, data: TrainingData) -> Fold:
        """Return the samples on the device, once for all candidates that share them."""
        if id(data) not in self._folds:
            self._folds[id(data)] = Fold.create(data)
        return self._folds[id(data)]


def _weighted(errors: Errors, candidate: Candidate) -> Errors:
    """Return the errors times the weights of the samples, of which the mean is 1."""
    weight = candidate.held_out_weight
    return errors if weight is None else errors * (weight / weight.mean())


def _options(candidate: Candidate) -> dict[str, Any]:
    return {name: candidate.fit[name] for name in OPTIONS} | {"probes": False}


def _unscaled(trained: Model, candidate: Candidate) -> Model:
    """Return a model of scaled targets with a last layer that gives them their units."""
    mean, deviation = candidate.target_scale or (np.zeros(()), np.ones(()))
    net, prefix = with_rescaled_outputs(candidate.settings["net"], mean, deviation)
    model = dataclasses.replace(candidate, settings={**candidate.settings, "net": net}).make_model()
    model.build(candidate.data.example)
    model.set_weights({prefix + path: value for path, value in trained.weights.items()})
    model.history, model.record = trained.history, trained.record
    return model


def _in_units(predicted: Any, candidate: Candidate) -> Any:
    if candidate.target_scale is None:
        return predicted
    mean, deviation = candidate.target_scale
    return predicted * deviation + mean


def _compared(task: Task) -> Task:
    return task.supervised if isinstance(task, Reconstruction) else task
