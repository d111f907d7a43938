"""Population-based training: the worse go on from the better's weights, with other settings."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import jax
import numpy as np

from gradus.checks import whole_number
from gradus.errors import GradusError
from gradus.hyperparameters import find_hyperparameters
from gradus.rng import host_rng
from gradus.space import Choice, Range, Space, Value
from gradus.sweep.execution.trial_runner import TrialRunner
from gradus.sweep.members.factory import SWEPT_FIT_ARGUMENTS
from gradus.sweep.search.trial import WAITING, Trial
from gradus.sweep.strategies.base import Strategy, rank_by_score

QUARTER = 4
LESS, MORE = 0.8, 1.25
REDRAWN = 0.25  # how often a value is drawn anew instead of moved


class PopulationBased(Strategy):
    """The worst quarter goes on from the weights of the best, with settings moved a little.

    Every `every` epochs each trial of the worst quarter takes over the training of one of the
    best quarter, drawn at random: weights, the optimiser's memory and settings. Each of its
    settings that is a number in the program (a rate of learning or of dropout, a penalty) is then
    multiplied by 0.8 or 1.25 within its space, or, one time in four, drawn anew. What changes the
    network's structure stays, and trials copy only within the same structure. Its own seed and
    arguments of `fit` stay too. A trial that diverged goes on from one of the best, if there is
    one left that trains.

    So a setting becomes a schedule: `trial.lineage` tells with which values a trial's weights
    were trained from which epoch on, `trial.values` are the last.

    Source: Jaderberg et al. 2017, "Population based training of neural networks".

    Args:
        every: epochs between two copies.

    Raises:
        GradusError: for a count that is not a whole number of at least 1.
    """

    shares_weights = True

    def __init__(self, every: int = 2) -> None:
        self.every = whole_number("every", every, 1)

    def run(self, runner: TrialRunner, trials: Sequence[Trial]) -> None:
        """Train all trials to their ends, the worse copying the better in between."""
        movable: dict[str, bool] = {}
        left, epoch = list(trials), 0
        runner.keep_diverged = True
        while left:
            epoch += self.every
            runner.train_until(left, epoch)
            left = [trial for trial in left if trial.status == WAITING]
            for alike in _alike(runner, left):
                _copy(runner, alike, epoch, movable)


def _alike(runner: TrialRunner, trials: Sequence[Trial]) -> list[list[Trial]]:
    """Return the trials in groups of the same structure."""
    groups: dict[Hashable, list[Trial]] = {}
    for trial in trials:
        kind = tuple(member.structure_key for member in runner.members[trial.number])
        groups.setdefault(kind, []).append(trial)
    return list(groups.values())


def _copy(
    runner: TrialRunner, trials: Sequence[Trial], epoch: int, movable: dict[str, bool]
) -> None:
    """Have the worst quarter of some trials, and who diverged, go on from the best quarter."""
    ranks = rank_by_score(runner, trials)
    count = min(max(1, len(ranks) // QUARTER), len(ranks) // 2)
    broken = [trial for trial in ranks if runner.has_diverged(trial)]
    best = [trial for trial in ranks[:count] if trial not in broken]
    if not best:
        runner.stop_trials(broken)
        return
    own = _own(runner)
    for trial in ranks[min(len(ranks) - count, len(ranks) - len(broken)) :]:
        draw = host_rng(runner.seed, "copy", str(trial.number), str(epoch))
        source = best[draw.integers(len(best))]
        values = {name: value for name, value in source.values.items() if name not in own}
        values |= {name: value for name, value in trial.values.items() if name in own}
        runner.continue_from(trial, source, _moved(runner, values, draw, movable))


def _own(runner: TrialRunner) -> set[str]:
    """Return the names of what each trial keeps: its seed and its arguments of `fit`."""
    kept = find_hyperparameters(
        {name: runner.factory.settings.get(name) for name in (*SWEPT_FIT_ARGUMENTS, "seed")}
    ).values()
    spaces = {id(hyper.space) for hyper in kept}
    return {name for name, hyper in runner.factory.hypers.items() if id(hyper.space) in spaces}


def _moved(
    runner: TrialRunner,
    values: Mapping[str, Value],
    draw: np.random.Generator,
    movable: dict[str, bool],
) -> dict[str, Value]:
    """Return values of which those that may move have moved.

    Args:
        runner: the runner of the trials.
        values: of a trial.
        draw: where randomness comes from.
        movable: what is known of which hyperparameters may move; it grows.
    """
    moved = dict(values)
    for name, value in values.items():
        if name not in movable:
            movable[name] = _is_leaf(runner, values, name)
        if movable[name]:
            moved[name] = _neighbour(runner.factory.hypers[name].space, value, draw)
    return moved


def _neighbour(space: Space, value: Value, draw: np.random.Generator) -> Value:
    """Return a value near another, or one drawn anew."""
    anew, share, up = draw.random() < REDRAWN, draw.random(), draw.random() < 0.5
    if anew:
        return space.value_at(share)
    if isinstance(space, Range):
        near = min(max(value * (MORE if up else LESS), space.low), space.high)
        return round(near) if space.whole else near
    if isinstance(space, Choice) and space.ordered:
        return min(max(int(value) + (1 if up else -1), 0), len(space.options) - 1)
    return value


def _is_leaf(runner: TrialRunner, values: Mapping[str, Value], name: str) -> bool:
    """Whether a hyperparameter is a number of the program, which no value of it changes."""
    hypers = runner.factory.hypers
    if any(hyper.parent == name for hyper in hypers.values()):
        return False  # with another option other hyperparameters would count
    space = hypers[name].space
    count = max(2, space.size or 2) if isinstance(space, Choice) else 2
    tried = [space.value_at((place + 0.5) / count) for place in range(count)]
    try:
        models = [runner.make_model({**values, name: value}) for value in tried]
    except GradusError:
        return False  # some value cannot be
    trees = [(model.net, model.optimizer, model.task) for model in models]
    first, *others = [jax.tree.flatten(tree) for tree in trees]
    if len({structure for _, structure in [first, *others]}) > 1:
        return False
    pairs = [pair for leaves, _ in others for pair in zip(leaves, first[0], strict=True)]
    return any(not np.array_equal(*pair) for pair in pairs)
