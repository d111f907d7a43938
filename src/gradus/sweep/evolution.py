"""Population-based training: the worse go on from the better's weights, with other settings."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import jax
import numpy as np

from gradus.errors import GradusError
from gradus.models.arguments import whole
from gradus.nn.network import generator
from gradus.settings import find
from gradus.space import Choice, Range, Space, Value
from gradus.sweep.contest import Contest
from gradus.sweep.member import SWEPT
from gradus.sweep.strategy import Strategy, by_standing
from gradus.sweep.trial import WAITING, Trial

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

    mixes = True

    def __init__(self, every: int = 2) -> None:
        self.every = whole("every", every, 1)

    def race(self, contest: Contest, trials: Sequence[Trial]) -> None:
        """Train all trials to their ends, the worse copying the better in between."""
        movable: dict[str, bool] = {}
        left, epoch = list(trials), 0
        contest.spare = True
        while left:
            epoch += self.every
            contest.advance(left, epoch)
            left = [trial for trial in left if trial.status == WAITING]
            for alike in _alike(contest, left):
                _copy(contest, alike, epoch, movable)


def _alike(contest: Contest, trials: Sequence[Trial]) -> list[list[Trial]]:
    """Return the trials in groups of the same structure."""
    groups: dict[Hashable, list[Trial]] = {}
    for trial in trials:
        kind = tuple(member.structure for member in contest.members[trial.number])
        groups.setdefault(kind, []).append(trial)
    return list(groups.values())


def _copy(contest: Contest, trials: Sequence[Trial], epoch: int, movable: dict[str, bool]) -> None:
    """Have the worst quarter of some trials, and who diverged, go on from the best quarter."""
    ranks = by_standing(contest, trials)
    count = min(max(1, len(ranks) // QUARTER), len(ranks) // 2)
    broken = [trial for trial in ranks if contest.diverged(trial)]
    best = [trial for trial in ranks[:count] if trial not in broken]
    if not best:
        contest.drop(broken)
        return
    own = _own(contest)
    for trial in ranks[min(len(ranks) - count, len(ranks) - len(broken)) :]:
        draw = generator(contest.seed, "copy", str(trial.number), str(epoch))
        source = best[draw.integers(len(best))]
        values = {name: value for name, value in source.values.items() if name not in own}
        values |= {name: value for name, value in trial.values.items() if name in own}
        contest.adopt(trial, source, _moved(contest, values, draw, movable))


def _own(contest: Contest) -> set[str]:
    """Return the names of what each trial keeps: its seed and its arguments of `fit`."""
    kept = find({name: contest.source.settings.get(name) for name in (*SWEPT, "seed")}).values()
    spaces = {id(hyper.space) for hyper in kept}
    return {name for name, hyper in contest.source.hypers.items() if id(hyper.space) in spaces}


def _moved(
    contest: Contest,
    values: Mapping[str, Value],
    draw: np.random.Generator,
    movable: dict[str, bool],
) -> dict[str, Value]:
    """Return values of which those that may move have moved.

    Args:
        contest: the contest.
        values: of a trial.
        draw: where randomness comes from.
        movable: what is known of which hyperparameters may move; it grows.
    """
    moved = dict(values)
    for name, value in values.items():
        if name not in movable:
            movable[name] = _is_leaf(contest, values, name)
        if movable[name]:
            moved[name] = _neighbour(contest.source.hypers[name].space, value, draw)
    return moved


def _neighbour(space: Space, value: Value, draw: np.random.Generator) -> Value:
    """Return a value near another, or one drawn anew."""
    anew, share, up = draw.random() < REDRAWN, draw.random(), draw.random() < 0.5
    if anew:
        return space.draw(share)
    if isinstance(space, Range):
        near = min(max(value * (MORE if up else LESS), space.low), space.high)
        return round(near) if space.whole else near
    if isinstance(space, Choice) and space.ordered:
        return min(max(int(value) + (1 if up else -1), 0), len(space.options) - 1)
    return value


def _is_leaf(contest: Contest, values: Mapping[str, Value], name: str) -> bool:
    """Whether a hyperparameter is a number of the program, which no value of it changes."""
    hypers = contest.source.hypers
    if any(hyper.parent == name for hyper in hypers.values()):
        return False  # with another option other hyperparameters would count
    space = hypers[name].space
    count = max(2, space.size or 2) if isinstance(space, Choice) else 2
    tried = [space.draw((place + 0.5) / count) for place in range(count)]
    try:
        models = [contest.model({**values, name: value}) for value in tried]
    except GradusError:
        return False  # some value cannot be
    trees = [(model.net, model.optimizer, model.task) for model in models]
    first, *others = [jax.tree.flatten(tree) for tree in trees]
    if len({structure for _, structure in [first, *others]}) > 1:
        return False
    pairs = [pair for leaves, _ in others for pair in zip(leaves, first[0], strict=True)]
    return any(not np.array_equal(*pair) for pair in pairs)
