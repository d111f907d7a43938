"""Searches that learn from what was tried: TPE by Optuna, and CMA-ES.

Both ask for a batch before they are told of any of it, so that its trials train side by side. What
is asked depends on the seed and on the trials told so far alone, so that a sweep that was stopped
asks for the same again.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradus.nn.network import generator
from gradus.settings import Hyper, active
from gradus.space import Choice, Range, Value
from gradus.sweep.packages import package, quiet
from gradus.sweep.search import Search
from gradus.sweep.trial import FINISHED, STOPPED, Trial, drawn

BATCH = 16


class TPE(Search):
    """Values where good trials are dense and bad ones are not: a tree of Parzen estimators.

    Within a batch each trial under way counts as a bad one (the "constant liar"), which spreads
    the batch. A trial that diverged or could not be built counts as the worst there is, one that
    left a race early as worse than those that stayed longer.

    Source: Bergstra et al. 2011, "Algorithms for hyper-parameter optimization"; Optuna's sampler,
    over all hyperparameters at once; those that depend on a choice, in groups.
    """

    batch = BATCH

    def __init__(self, hypers: Mapping[str, Hyper], trials: int, seed: int) -> None:
        super().__init__(hypers, trials, seed)
        self._optuna = package("optuna", "search='tpe'")
        self._spaces = {
            name: _distribution(self._optuna, hyper.space) for name, hyper in hypers.items()
        }
        self._past: list[Any] = []
        self._mode = "min"

    def ask(self, first: int, count: int) -> list[dict[str, Value]]:
        """Return values that promise well, told what was told."""
        study = self.study(first)
        with quiet(self._optuna):
            return [self._suggest(study.ask()) for _ in range(count)]

    def tell(self, trials: Sequence[Trial], mode: str) -> None:
        """Hear what came of trials."""
        self._mode = mode
        self._past += [self._frozen(trial) for trial in trials]

    def study(self, first: int = 0) -> Any:
        """Return an Optuna study, in memory, of the trials told so far.

        Args:
            first: the number of the trial to be asked for next, which the draws depend on.
        """
        seed = int(generator(self.seed, "tpe", str(first)).integers(2**31))
        grouped = any(hyper.parent for hyper in self.hypers.values())
        sampler = self._optuna.samplers.TPESampler
        with quiet(self._optuna):
            study = self._optuna.create_study(
                sampler=sampler(seed=seed, group=grouped, constant_liar=True),
                direction="minimize" if self._mode == "min" else "maximize",
            )
            study.add_trials(self._past)
        return study

    def _suggest(self, trial: Any) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for name, space in self._spaces.items():
            if not active(self.hypers, values, name):
                continue
            if isinstance(space, self._optuna.distributions.CategoricalDistribution):
                values[name] = trial.suggest_categorical(name, space.choices)
            elif isinstance(space, self._optuna.distributions.IntDistribution):
                values[name] = trial.suggest_int(name, space.low, space.high, log=space.log)
            else:
                values[name] = trial.suggest_float(name, space.low, space.high, log=space.log)
        return values

    def _frozen(self, trial: Trial) -> Any:
        """Return a trial as Optuna knows it: one without a value is pruned before it had any."""
        states, known = self._optuna.trial.TrialState, math.isfinite(trial.score)
        whole = known and trial.status == FINISHED
        steps = {trial.epochs: trial.score} if known and trial.status == STOPPED else {}
        return self._optuna.trial.create_trial(
            state=states.COMPLETE if whole else states.PRUNED,
            value=trial.score if whole else None,
            params=trial.values,
            distributions={name: self._spaces[name] for name in trial.values},
            intermediate_values=steps,
        )


def _distribution(optuna: Any, space: Any) -> Any:
    """Return a space as Optuna knows it: a choice as its options' places."""
    kinds = optuna.distributions
    if isinstance(space, Choice):
        if space.ordered:
            return kinds.IntDistribution(0, space.size - 1)
        return kinds.CategoricalDistribution(tuple(range(space.size)))
    if space.whole:
        return kinds.IntDistribution(space.low, space.high, log=space.log)
    return kinds.FloatDistribution(float(space.low), float(space.high), log=space.log)


class CMAES(Search):
    """Values about a centre that moves and a cloud that turns towards the better ones.

    A generation is a batch. Ranges are continuous, by their logarithm where the space is;
    whole numbers and ordered choices are steps; other choices have probabilities that are learnt.
    Hyperparameters that do not count where another option is chosen have values there all the
    same, which do nothing.

    Source: Hamano et al. 2025, "CatCMA with margin", arXiv:2504.07884, which on ranges alone is
    CMA-ES (Hansen 2016, arXiv:1604.00772); the package `cmaes`, which Optuna's sampler is made of
    too, but used directly: Optuna's draws choices and all of the first batch at random, and keeps
    where it stands as a pickle.
    """

    batch = BATCH

    def __init__(self, hypers: Mapping[str, Hyper], trials: int, seed: int) -> None:
        super().__init__(hypers, trials, seed)
        spaces = {name: hyper.space for name, hyper in hypers.items() if hyper.space.size != 1}
        self._floats = [
            name
            for name, space in spaces.items()
            if isinstance(space, Range) and not space.whole and space.low < space.high
        ]
        self._steps = [
            name
            for name, space in spaces.items()
            if (space.size or 0) > 2 and not (isinstance(space, Choice) and not space.ordered)
        ]
        self._sizes = {
            name: int(space.size)
            for name, space in spaces.items()
            if space.size and name not in self._steps
        }
        self._optimizer = self._made()
        self._asked: dict[int, Any] = {}
        self._told: list[tuple[Any, float]] = []

    def ask(self, first: int, count: int) -> list[dict[str, Value]]:
        """Return the next of the generation."""
        return [self._ask(number) for number in range(first, first + count)]

    def tell(self, trials: Sequence[Trial], mode: str) -> None:
        """Hear what came of trials; the next generation begins once this one is whole."""
        if self._optimizer is None:
            return
        for trial in trials:
            if trial.number not in self._asked:  # read from a storage
                self._ask(trial.number)
            score = trial.score if mode == "min" else -trial.score
            self._told.append((self._asked.pop(trial.number), score))
            if len(self._told) == self.batch:
                known = [score for _, score in self._told if math.isfinite(score)]
                worst = max(known, default=0.0)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # where no score differs from another
                    self._optimizer.tell(
                        [(one, v if math.isfinite(v) else worst) for one, v in self._told]
                    )
                self._told = []

    def _made(self) -> Any:
        cmaes = package("cmaes", "search='cmaes'")
        if not (self._floats or self._steps or self._sizes):
            return None  # nothing to vary
        steps = [np.linspace(0, 1, self.hypers[n].space.size or 2) for n in self._steps]
        return cmaes.CatCMAwM(
            x_space=[[0.0, 1.0]] * len(self._floats) or None,
            z_space=steps or None,
            c_space=list(self._sizes.values()) or None,
            population_size=self.batch,
            # A sixth of the space to each side, as Optuna begins.
            sigma=1 / 6 if self._floats or self._steps else None,
            cov=np.eye(len(self._floats) + len(steps)) if self._floats or self._steps else None,
        )

    def _ask(self, number: int) -> dict[str, Value]:
        shares = dict.fromkeys(self.hypers, 0.0)
        if self._optimizer is not None:
            self._optimizer.reseed_rng(
                int(generator(self.seed, "cmaes", str(number)).integers(2**31))
            )
            found = self._asked[number] = self._optimizer.ask()
            below = math.nextafter(1.0, 0.0)
            for name, share in zip(self._floats, found.x if self._floats else (), strict=True):
                shares[name] = min(float(share), below)
            for name, share in zip(self._steps, found.z if self._steps else (), strict=True):
                size = int(self.hypers[name].space.size or 2)
                shares[name] = (round(float(share) * (size - 1)) + 0.5) / size
            for name, one in zip(self._sizes, found.c if self._sizes else (), strict=True):
                shares[name] = (int(np.argmax(one)) + 0.5) / self._sizes[name]
        return drawn(self.hypers, shares)


SEARCHES: dict[str, type[Search]] = {"tpe": TPE, "cmaes": CMAES}
