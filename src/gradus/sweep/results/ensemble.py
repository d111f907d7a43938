"""Ensembles: one model that predicts the mean of a sweep's best models."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from gradus.checks import is_word, whole_number
from gradus.errors import GradusError, unknown
from gradus.models.ensemble_layers import EnsembleMembers, WeightedAverage
from gradus.models.model import Model
from gradus.nn import mask_tracking
from gradus.nn.layer import Layer, named_layers
from gradus.nn.layers.containers import Sequential
from gradus.nn.network import fresh
from gradus.nn.pytree import pytree
from gradus.sweep.execution.trial_runner import TrialRunner
from gradus.sweep.members.member import Member
from gradus.sweep.search.trial import Trial
from gradus.train import inference
from gradus.train.batches import Batch
from gradus.train.tasks.base import Accumulators, OutputObjective, Supervised, Task
from gradus.train.tasks.reconstruction import Reconstruction

METHODS = ("best", "greedy")
CANDIDATES = 32  # trials that greedy selection chooses from


def build_ensemble(runner: TrialRunner, ranking: Sequence[Trial], k: int, method: str) -> Model:
    """Return a model that predicts the mean of the best trials' models; see `Sweep.ensemble`.

    Args:
        runner: the runner of the trials.
        ranking: the trials, best first.
        k: the maximum number of trials, or the number of rounds of a greedy selection.
        method: "best" or "greedy".

    Raises:
        GradusError: for an unknown method, or if there is nothing to average.
    """
    whole_number("k", k, 1)
    if not is_word(method, METHODS):
        raise unknown("method of an ensemble", method, METHODS)
    greedy = method == "greedy"
    if greedy and runner.factory.data.fold_count > 1:
        raise GradusError(
            "method='greedy' needs one validation set, and with cv other members were trained on "
            "each fold: write method='best', or a sweep with validation_split."
        )
    members = _candidates(runner, ranking, CANDIDATES if greedy else k)
    weights = _greedy_selection(members, k) if greedy else np.ones(len(members))
    kept = np.flatnonzero(weights)
    return _average_model([members[index] for index in kept], weights[kept])


def _candidates(runner: TrialRunner, ranking: Sequence[Trial], count: int) -> list[Member]:
    """Return the trained members of the best trials that have the best trial's inputs."""
    ended = [trial for trial in ranking if not np.isnan(trial.score)]
    if not ended:
        raise GradusError("No trial of this sweep has a score, so none is the best.")
    key = runner.factory.data.key
    best = [trial for trial in ended if key(trial.values) == key(ended[0].values)][:count]
    members = [member for trial in best for member in runner.trained_members(trial)]
    if len({_hashable(_links(_objective(member.task))) for member in members}) > 1:
        raise GradusError(
            "The best trials turn outputs into predictions differently, as cross-entropy and a "
            "squared error do, so their mean is meaningless. Sweep over losses of one kind."
        )
    return members


def _average_model(members: Sequence[Member], weights: np.ndarray) -> Model:
    """Return one model that predicts the weighted mean of trained members."""
    first = members[0]
    objective = dataclasses.replace(_objective(first.model.task), penalty=None)
    task = Reconstruction(objective) if isinstance(first.task, Reconstruction) else objective
    links = _links(objective)
    nets = [_without_penalties(fresh(m.model.net)).named(f"trial_{m.trial}") for m in members]
    net = Sequential(
        [
            EnsembleMembers(nets, links).named("members"),
            WeightedAverage(tuple(map(float, weights)), links),
        ]
    )
    model = Model(net, task, first.model.optimizer, seed=first.model.seed)
    model.example = first.model.example
    model.columns = first.model.columns
    return model.build(None)


def _without_penalties(net: Layer) -> Layer:
    """Remove the penalties of a network's layers, which an ensemble does not train with."""
    for _, layer in named_layers(net):
        for name in vars(layer):
            if name.endswith("_regularizer"):
                layer.__dict__[name] = None
    return net


# --- greedy selection -------------------------------------------------------------------------


def _greedy_selection(members: Sequence[Member], rounds: int) -> np.ndarray:
    """Return how often greedy selection with replacement chooses each member.

    Each round adds the member that makes the mean of all chosen members best on the validation set.
    The best round counts, the last one of several equal ones. The loss breaks ties of the metric.

    Source: Caruana et al. 2004, "Ensemble selection from libraries of models".
    """
    reference = members[0]
    objective = _objective(reference.task)
    net = _average_model(members, np.ones(len(members))).net
    metric = reference.early_stopping.monitor.removeprefix("val_")
    sign = 1 if reference.early_stopping.mode == "min" else -1
    chosen, best = np.zeros(len(members)), (np.inf, np.inf)
    kept = chosen
    for _ in range(rounds):
        mixtures = chosen + np.eye(len(members))
        logs = inference.evaluate_batches(
            net, MixtureTask(objective, mixtures), *_validation_data(reference)
        )
        numbers = np.nan_to_num(np.stack([sign * logs[metric], logs["loss"]], 1), nan=np.inf)
        ranks = list(map(tuple, numbers))
        index = min(range(len(members)), key=ranks.__getitem__)
        chosen = mixtures[index]
        if ranks[index] <= best:
            best, kept = ranks[index], chosen
    return kept


@pytree
class MixtureTask(Task):
    """Evaluates several weighted means of the same networks.

    Attributes:
        objective: evaluates each mean.
        mixtures: the weights of the networks in each, `(mixtures, networks)`.
    """

    objective: Supervised
    mixtures: Any

    def measure(self, net: Layer, batch: Batch) -> tuple[jax.Array, Accumulators]:
        """Return a loss of zero and the accumulators of each mixture."""
        members, blend = cast("Sequential", net).layers

        def one(weights: jax.Array) -> Accumulators:
            mixture: Any = fresh(blend)
            mixture.shares = weights
            return self.objective.measure(mixture, batch._replace(x=outputs))[1]

        with mask_tracking.tracking():
            outputs = members(batch.x)
            return jnp.float32(0), jax.lax.map(one, self.mixtures)

    def compute(self, sums: Accumulators) -> dict[str, jax.Array]:
        """Return the metrics of the mixtures, each `(mixtures,)`."""
        return jax.vmap(self.objective.compute)(sums)

    def metric_names(self) -> list[str]:
        """Return the names of the metrics."""
        return self.objective.metric_names()


def _validation_data(member: Member) -> tuple[Any, Any, np.ndarray | None]:
    """Return the inputs, targets and sample weights that a member was validated on."""
    data = member.fold.data
    validation = data.validation
    if validation is None:
        raise GradusError(
            "method='greedy' needs a validation set: write validation_split=0.2 in fit."
        )
    if isinstance(validation, np.ndarray):
        everything = data.samples._replace(weight=data.sample_weight)
        validation = jax.tree.map(lambda a: a[data.validation], everything)
    x, y, weight = validation
    return x, (x if isinstance(member.task, Reconstruction) else y), weight


# --- tasks -------------------------------------------------------------------------------------


def _objective(task: Task) -> Supervised:
    objective = task.supervised if isinstance(task, Reconstruction) else task
    if not isinstance(objective, Supervised):
        raise GradusError(
            f"An ensemble averages predictions of targets; {type(task).__name__} has none."
        )
    return objective


def _links(objective: Supervised) -> Any:
    """Return the link of each output's loss, as `EnsembleMembers` takes it."""
    targets = objective.objectives
    if isinstance(targets, OutputObjective):
        return targets.loss.link
    if isinstance(targets, dict):
        return {name: target.loss.link for name, target in targets.items()}
    return tuple(target.loss.link for target in targets)


def _hashable(links: Any) -> Any:
    return tuple(links.items()) if isinstance(links, dict) else links
