"""TPE search by Optuna: tree-structured Parzen estimators.

Values depend only on the seed, the trials told so far, and the first number of the batch, so a
resumed sweep asks for the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gradus.hyperparameters import Hyperparameter, is_active
from gradus.optional import import_optional, quiet_optuna
from gradus.rng import host_rng
from gradus.space import Choice, Value
from gradus.sweep.search.base import BATCH, Search
from gradus.sweep.search.trial import FINISHED, STOPPED, Trial


class TPE(Search):
    """Values where good trials are dense and bad ones are not: tree-structured Parzen estimators.

    Within a batch, unfinished trials count as bad ones (the "constant liar"), which spreads the
    batch. A trial that diverged or failed counts as the worst, one that was stopped early as worse
    than those that trained longer.

    Source: Bergstra et al. 2011, "Algorithms for hyper-parameter optimization"; Optuna's sampler,
    with hyperparameters that depend on a choice in groups.
    """

    batch = BATCH

    def __init__(self, hypers: Mapping[str, Hyperparameter], trials: int, seed: int) -> None:
        super().__init__(hypers, trials, seed)
        self._optuna = import_optional("optuna", "search='tpe'")
        self._spaces = {
            name: _distribution(self._optuna, hyper.space) for name, hyper in hypers.items()
        }
        self._past: list[Any] = []
        self._mode = "min"

    def ask(self, first: int, count: int) -> list[dict[str, Value]]:
        """Return promising values, given the trials told so far."""
        study = self.study(first)
        with quiet_optuna(self._optuna):
            return [self._suggest(study.ask()) for _ in range(count)]

    def tell(self, trials: Sequence[Trial], mode: str) -> None:
        """Learn from the results of trials."""
        self._mode = mode
        self._past += [self._frozen(trial) for trial in trials]

    def study(self, first: int = 0) -> Any:
        """Return an in-memory Optuna study of the trials told so far.

        Args:
            first: the number of the next trial, which the random values depend on.
        """
        seed = int(host_rng(self.seed, "tpe", str(first)).integers(2**31))
        grouped = any(hyper.parent for hyper in self.hypers.values())
        sampler = self._optuna.samplers.TPESampler
        with quiet_optuna(self._optuna):
            study = self._optuna.create_study(
                sampler=sampler(seed=seed, group=grouped, constant_liar=True),
                direction="minimize" if self._mode == "min" else "maximize",
            )
            study.add_trials(self._past)
        return study

    def _suggest(self, trial: Any) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for name, space in self._spaces.items():
            if not is_active(self.hypers, values, name):
                continue
            if isinstance(space, self._optuna.distributions.CategoricalDistribution):
                values[name] = trial.suggest_categorical(name, space.choices)
            elif isinstance(space, self._optuna.distributions.IntDistribution):
                values[name] = trial.suggest_int(name, space.low, space.high, log=space.log)
            else:
                values[name] = trial.suggest_float(name, space.low, space.high, log=space.log)
        return values

    def _frozen(self, trial: Trial) -> Any:
        """Return a trial as Optuna's; one without a score was pruned before its first value."""
        states, scored = self._optuna.trial.TrialState, math.isfinite(trial.score)
        finished = scored and trial.status == FINISHED
        steps = {trial.epochs: trial.score} if scored and trial.status == STOPPED else {}
        return self._optuna.trial.create_trial(
            state=states.COMPLETE if finished else states.PRUNED,
            value=trial.score if finished else None,
            params=trial.values,
            distributions={name: self._spaces[name] for name in trial.values},
            intermediate_values=steps,
        )


def _distribution(optuna: Any, space: Any) -> Any:
    """Return a space as Optuna's distribution; a choice is the index of its option."""
    kinds = optuna.distributions
    if isinstance(space, Choice):
        if space.ordered:
            return kinds.IntDistribution(0, space.size - 1)
        return kinds.CategoricalDistribution(tuple(range(space.size)))
    if space.whole:
        return kinds.IntDistribution(space.low, space.high, log=space.log)
    return kinds.FloatDistribution(float(space.low), float(space.high), log=space.log)
