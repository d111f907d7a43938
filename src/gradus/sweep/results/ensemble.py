"""The best models of a sweep as one: the mean of what they predict."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from gradus.checks import whole_number
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
from gradus.train.reconstruction import Reconstruction
from gradus.train.task import Accumulators, OutputObjective, Supervised, Task

METHODS = ("best", "greedy")
CANDIDATES = 32  # trials that a greedy selection chooses among


def build_ensemble(runner: TrialRunner, ranking: Sequence[Trial], k: int, method: str) -> Model:
    """Return a model that predicts the mean of the best trials' models; see `Sweep.ensemble`.

    Args:
        runner: where the trials were trained.
        ranking: the trials, the best first.
        k: how many trials at most; of a greedy selection how many rounds.
        method: "best" or "greedy".

    Raises:
        GradusError: for another method, or if there is nothing to average.
    """
    whole_number("k", k, 1)
    if method not in METHODS:
        raise unknown("method of an ensemble", method, METHODS)
    greedy = method == "greedy"
    if greedy and runner.factory.data.fold_count > 1:
        raise GradusError(
            "method='greedy' selects by one part held out, and with cv each was trained on by "
            "others: write method='best', or a sweep with validation_split."
        )
    members = _candidates(runner, ranking, CANDIDATES if greedy else k)
    shares = _selected(members, k) if greedy else np.ones(len(members))
    kept = np.flatnonzero(shares)
    return _joined([members[index] for index in kept], shares[kept])


def _candidates(runner: TrialRunner, ranking: Sequence[Trial], count: int) -> list[Member]:
    """Return the trained members of the best trials, of those with the inputs of the first."""
    ended = [trial for trial in ranking if not np.isnan(trial.score)]
    if not ended:
        raise GradusError("No trial of this sweep has a score, so that none is the best.")
    key = runner.factory.data.key
    best = [trial for trial in ended if key(trial.values) == key(ended[0].values)][:count]
    found = [member for trial in best for member in runner.trained_members(trial)]
    if len({_hashable(_links(_objective(one.task))) for one in found}) > 1:
        raise GradusError(
            "The best trials have losses that make other predictions of the same outputs, as "
            "cross-entropy and a squared error do: their mean means nothing. Sweep over losses of "
            "one kind."
        )
    return found


def _joined(members: Sequence[Member], shares: np.ndarray) -> Model:
    """Return one model of trained members and their shares in its predictions."""
    first = members[0]
    objective = dataclasses.replace(_objective(first.model.task), penalty=None)
    task = Reconstruction(objective) if isinstance(first.task, Reconstruction) else objective
    links = _links(objective)
    nets = [_unpenalised(fresh(one.model.net)).named(f"trial_{one.trial}") for one in members]
    net = Sequential(
        [
            EnsembleMembers(nets, links).named("members"),
            WeightedAverage(tuple(map(float, shares)), links),
        ]
    )
    model = Model(net, task, first.model.optimizer, seed=first.model.seed)
    model.example = first.model.example
    return model.build(None)


def _unpenalised(net: Layer) -> Layer:
    """Return a network without the penalties of its layers, which are no loss of an ensemble."""
    for _, layer in named_layers(net):
        for name in vars(layer):
            if name.endswith("_regularizer"):
                layer.__dict__[name] = None
    return net


# --- greedy selection -------------------------------------------------------------------------


def _selected(members: Sequence[Member], rounds: int) -> np.ndarray:
    """Return how often each member is chosen, by greedy selection with replacement.

    Each round adds the member with which the mean of all chosen so far does best on what was held
    out; the best round counts, of equal ones the last. What does as well is told apart by the loss.

    Source: Caruana et al. 2004, "Ensemble selection from libraries of models".
    """
    judged = members[0]
    objective = _objective(judged.task)
    net = _joined(members, np.ones(len(members))).net
    measured = judged.early_stopping.monitor.removeprefix("val_")
    sign = 1 if judged.early_stopping.mode == "min" else -1
    chosen, best = np.zeros(len(members)), (np.inf, np.inf)
    kept = chosen
    for _ in range(rounds):
        bags = chosen + np.eye(len(members))
        found = inference.evaluate_batches(net, MixtureTask(objective, bags), *_held(judged))
        numbers = np.nan_to_num(np.stack([sign * found[measured], found["loss"]], 1), nan=np.inf)
        standing = list(map(tuple, numbers))
        index = min(range(len(members)), key=standing.__getitem__)
        chosen = bags[index]
        if standing[index] <= best:
            best, kept = standing[index], chosen
    return kept


@pytree
class MixtureTask(Task):
    """How several mixtures of the same networks do.

    Attributes:
        objective: what each is measured by.
        bags: the networks' shares in each, `(mixtures, networks)`.
    """

    objective: Supervised
    bags: Any

    def measure(self, net: Layer, batch: Batch) -> tuple[jax.Array, Accumulators]:
        """Return no loss, and the sums of each mixture of an ensemble's networks."""
        members, blend = cast("Sequential", net).layers

        def one(shares: jax.Array) -> Accumulators:
            mixture: Any = fresh(blend)
            mixture.shares = shares
            return self.objective.measure(mixture, batch._replace(x=logs))[1]

        with mask_tracking.tracking():
            logs = members(batch.x)
            return jnp.float32(0), jax.lax.map(one, self.bags)

    def compute(self, sums: Accumulators) -> dict[str, jax.Array]:
        """Return the numbers of each mixture, each `(mixtures,)`."""
        return jax.vmap(self.objective.compute)(sums)

    def metric_names(self) -> list[str]:
        """Return the names of the numbers."""
        return self.objective.metric_names()


def _held(member: Member) -> tuple[Any, Any, np.ndarray | None]:
    """Return the inputs, targets and weights that a member was judged by."""
    given = member.fold.data
    if given.validation is None:
        raise GradusError("method='greedy' selects by what was held out, and nothing was.")
    data = given.validation
    if isinstance(data, np.ndarray):
        everything = given.samples._replace(weight=given.sample_weight)
        data = jax.tree.map(lambda a: a[given.validation], everything)
    x, y, weight = data
    return x, (x if isinstance(member.task, Reconstruction) else y), weight


# --- what is learnt ---------------------------------------------------------------------------


def _objective(task: Task) -> Supervised:
    objective = task.supervised if isinstance(task, Reconstruction) else task
    if not isinstance(objective, Supervised):
        raise GradusError(
            f"An ensemble averages predictions of targets, which {type(task).__name__} has not."
        )
    return objective


def _links(objective: Supervised) -> Any:
    """Return what makes probabilities of each output, as `EnsembleMembers` takes it."""
    targets = objective.objectives
    if isinstance(targets, OutputObjective):
        return targets.loss.link
    if isinstance(targets, dict):
        return {name: target.loss.link for name, target in targets.items()}
    return tuple(target.loss.link for target in targets)


def _hashable(links: Any) -> Any:
    return tuple(links.items()) if isinstance(links, dict) else links
