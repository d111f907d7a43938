"""Population-based training: bad trials continue from good ones' weights, perturbed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import jax
import numpy as np

from gradus.checks import whole_number
from gradus.errors import GradusError
from gradus.foreign_names.arguments import explain_methods
from gradus.hyperparameters import find_hyperparameters
from gradus.rng import host_rng
from gradus.space import Choice, Range, Space, Value
from gradus.sweep.execution.trial_runner import TrialRunner
from gradus.sweep.members.factory import SWEPT_FIT_ARGUMENTS
from gradus.sweep.search.trial import Trial
from gradus.sweep.strategies.base import Strategy, rank_by_score

QUARTER = 4
LESS, MORE = 0.8, 1.25
RESAMPLE_PROBABILITY = 0.25  # of drawing a new value instead of perturbing


@explain_methods
class PopulationBased(Strategy):
    """Population-based training: the worst quarter continues from the best, perturbed.

    Every `every` epochs each trial of the worst quarter copies a random one of the best quarter:
    weights, optimizer state and settings (exploit). Each setting that is a number in the program
    (a learning rate, a dropout rate, a penalty) is then multiplied by 0.8 or 1.25 within its space,
    or redrawn with probability 1/4 (explore). Settings that change the network's structure are
    kept, and trials copy only within one structure. The trial also keeps its seed and arguments of
    `fit`. A diverged trial continues from one of the best, if any of them is still training.

    So a setting becomes a schedule: `trial.lineage` lists the values that a trial's weights were
    trained with and from which epoch on; `trial.values` are the last ones.

    Source: Jaderberg et al. 2017, "Population based training of neural networks".

    Args:
        every: the number of epochs between two copies.

    Raises:
        GradusError: if `every` is not a whole number of at least 1.

    Examples:
        >>> x = np.linspace(-1, 1, 32, dtype="float32")[:, None]
        >>> model = gr.Model(gr.Dense(1), "mse", gr.SGD(gr.choice(0.0001, 0.1)))
        >>> sweep = gr.Sweep(model, search="grid", strategy=gr.PopulationBased(every=2))
        >>> sweep = sweep.fit(x, 2 * x, epochs=4, verbose=False)
        >>> [epoch for epoch, _ in sweep.trials[0].lineage]  # where its values changed
        [0, 2]
    """

    shares_weights = True

    def __init__(self, every: int = 2) -> None:
        self.every = whole_number("every", every, 1)

    def run(self, runner: TrialRunner, trials: Sequence[Trial]) -> None:
        """Train all trials to their last epochs, exploiting and exploring in between."""
        perturbable: dict[str, bool] = {}
        running, epoch = list(trials), 0
        runner.keep_diverged = True
        while running:
            epoch += self.every
            runner.train_until(running, epoch)
            running = [trial for trial in running if not trial.ended]
            for group in _group_by_structure(runner, running):
                _exploit(runner, group, epoch, perturbable)


def _group_by_structure(runner: TrialRunner, trials: Sequence[Trial]) -> list[list[Trial]]:
    """Return the trials in groups of the same structure."""
    groups: dict[Hashable, list[Trial]] = {}
    for trial in trials:
        key = tuple(member.structure_key for member in runner.members[trial.number])
        groups.setdefault(key, []).append(trial)
    return list(groups.values())


def _exploit(
    runner: TrialRunner, trials: Sequence[Trial], epoch: int, perturbable: dict[str, bool]
) -> None:
    """Continue the worst quarter and all diverged trials from the best quarter, perturbed."""
    ranks = rank_by_score(runner, trials)
    count = min(max(1, len(ranks) // QUARTER), len(ranks) // 2)
    diverged = [trial for trial in ranks if runner.has_diverged(trial)]
    best = [trial for trial in ranks[:count] if trial not in diverged]
    if not best:
        runner.stop_trials(diverged)
        return
    kept = _kept_settings(runner)
    for trial in ranks[min(len(ranks) - count, len(ranks) - len(diverged)) :]:
        rng = host_rng(runner.seed, "copy", str(trial.number), str(epoch))
        source = best[rng.integers(len(best))]
        values = {name: value for name, value in source.values.items() if name not in kept}
        values |= {name: value for name, value in trial.values.items() if name in kept}
        runner.continue_from(trial, source, _explore(runner, values, rng, perturbable))


def _kept_settings(runner: TrialRunner) -> set[str]:
    """Return the names of the settings that each trial keeps: its seed and `fit` arguments."""
    settings = {n: runner.factory.settings.get(n) for n in (*SWEPT_FIT_ARGUMENTS, "seed")}
    spaces = {id(hyper.space) for hyper in find_hyperparameters(settings).values()}
    return {name for name, hyper in runner.factory.hypers.items() if id(hyper.space) in spaces}


def _explore(
    runner: TrialRunner,
    values: Mapping[str, Value],
    rng: np.random.Generator,
    perturbable: dict[str, bool],
) -> dict[str, Value]:
    """Return the values with all perturbable ones perturbed.

    Args:
        runner: the runner of the trials.
        values: the values of a trial.
        rng: the random generator.
        perturbable: a cache of which hyperparameters can be perturbed.
    """
    explored = dict(values)
    for name, value in values.items():
        if name not in perturbable:
            perturbable[name] = _is_numeric(runner, values, name)
        if perturbable[name]:
            explored[name] = _perturb(runner.factory.hypers[name].space, value, rng)
    return explored


def _perturb(space: Space, value: Value, rng: np.random.Generator) -> Value:
    """Return a value near another one, or a new one drawn from the space."""
    resample, fraction, up = rng.random() < RESAMPLE_PROBABILITY, rng.random(), rng.random() < 0.5
    if resample:
        return space.value_at(fraction)
    if isinstance(space, Range):
        near = min(max(value * (MORE if up else LESS), space.low), space.high)
        return round(near) if space.whole else near
    if isinstance(space, Choice) and space.ordered:
        return min(max(int(value) + (1 if up else -1), 0), len(space.options) - 1)
    return value


def _is_numeric(runner: TrialRunner, values: Mapping[str, Value], name: str) -> bool:
    """Return whether a hyperparameter is a number in the program: no value changes structure."""
    hypers = runner.factory.hypers
    if any(hyper.parent == name for hyper in hypers.values()):
        return False  # another option would activate other hyperparameters
    space = hypers[name].space
    count = max(2, space.size or 2) if isinstance(space, Choice) else 2
    tried = [space.value_at((index + 0.5) / count) for index in range(count)]
    try:
        models = [runner.factory.make_model({**values, name: value})[0] for value in tried]
    except GradusError:
        return False  # some value is invalid
    trees = [(model.net, model.optimizer, model.task) for model in models]
    first, *others = [jax.tree.flatten(tree) for tree in trees]
    if len({structure for _, structure in [first, *others]}) > 1:
        return False
    pairs = [pair for leaves, _ in others for pair in zip(leaves, first[0], strict=True)]
    return any(not np.array_equal(*pair) for pair in pairs)
