"""CMA-ES: values drawn around a center that moves toward the better ones."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradus.hyperparameters import Hyperparameter
from gradus.optional import import_optional
from gradus.rng import host_rng
from gradus.space import Choice, Range, Value
from gradus.sweep.search.base import BATCH, Search
from gradus.sweep.search.trial import Trial
from gradus.sweep.search.values import values_at

MAX_ATTEMPTS = 50  # draws of a trial whose values an earlier one has


class CMAES(Search):
    """Values from a distribution whose mean and covariance move toward the better trials.

    A generation is a batch. Ranges are continuous, on a log scale where the space has one; whole
    numbers and ordered choices are discrete steps; other choices have learned probabilities.
    Inactive hyperparameters get values too, which have no effect.

    Source: Hamano et al. 2025, "CatCMA with margin", arXiv:2504.07884, which on ranges alone is
    CMA-ES (Hansen 2016, arXiv:1604.00772); the package `cmaes`. Optuna's sampler uses it too, but
    draws choices and the whole first batch at random, and stores its state as a pickle.
    """

    batch = BATCH

    def __init__(self, hypers: Mapping[str, Hyperparameter], trials: int, seed: int) -> None:
        super().__init__(hypers, trials, seed)
        spaces = {name: hyper.space for name, hyper in hypers.items() if hyper.space.size != 1}
        self._ranges = [
            name
            for name, space in spaces.items()
            if isinstance(space, Range) and not space.whole and space.low < space.high
        ]
        self._steps = [
            name
            for name, space in spaces.items()
            if (space.size or 0) > 2 and not (isinstance(space, Choice) and not space.ordered)
        ]
        self._choice_sizes = {
            name: int(space.size)
            for name, space in spaces.items()
            if space.size and name not in self._steps
        }
        self._optimizer = self._make_optimizer()
        self._asked: dict[int, Any] = {}
        self._told: list[tuple[Any, float]] = []
        self._values: dict[int, dict[str, Value]] = {}

    def ask(self, first: int, count: int) -> list[dict[str, Value]]:
        """Return the next values of the generation."""
        return [self._ask(number) for number in range(first, first + count)]

    def tell(self, trials: Sequence[Trial], mode: str) -> None:
        """Learn from results; a new generation begins once all of this one are told."""
        if self._optimizer is None:
            return
        for trial in trials:
            if trial.number not in self._asked:  # restored from a storage
                self._ask(trial.number)
            score = trial.score if mode == "min" else -trial.score
            self._told.append((self._asked.pop(trial.number), score))
            if len(self._told) == self.batch:
                finite = [score for _, score in self._told if math.isfinite(score)]
                worst = max(finite, default=0.0)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # all scores may be equal
                    self._optimizer.tell(
                        [(one, v if math.isfinite(v) else worst) for one, v in self._told]
                    )
                self._told = []

    def _make_optimizer(self) -> Any:
        cmaes = import_optional("cmaes", "search='cmaes'")
        if not (self._ranges or self._steps or self._choice_sizes):
            return None  # nothing to vary
        steps = [np.linspace(0, 1, self.hypers[n].space.size or 2) for n in self._steps]
        return cmaes.CatCMAwM(
            x_space=[[0.0, 1.0]] * len(self._ranges) or None,
            z_space=steps or None,
            c_space=list(self._choice_sizes.values()) or None,
            population_size=self.batch,
            # A sixth of the space, as in Optuna.
            sigma=1 / 6 if self._ranges or self._steps else None,
            cov=np.eye(len(self._ranges) + len(steps)) if self._ranges or self._steps else None,
        )

    def _ask(self, number: int) -> dict[str, Value]:
        """Return the values of a trial; at a bound, those of several draws may be the same."""
        earlier = [values for other, values in self._values.items() if other < number]
        for attempt in range(MAX_ATTEMPTS):
            values = self._values[number] = self._draw(number, attempt)
            if values not in earlier:
                break
        return values

    def _draw(self, number: int, attempt: int) -> dict[str, Value]:
        fractions = dict.fromkeys(self.hypers, 0.0)
        if self._optimizer is not None:
            names = ["cmaes", str(number), *([str(attempt)] if attempt else [])]
            self._optimizer.reseed_rng(int(host_rng(self.seed, *names).integers(2**31)))
            solution = self._asked[number] = self._optimizer.ask()
            below = math.nextafter(1.0, 0.0)
            for name, x in zip(self._ranges, solution.x if self._ranges else (), strict=True):
                fractions[name] = min(float(x), below)
            for name, z in zip(self._steps, solution.z if self._steps else (), strict=True):
                size = int(self.hypers[name].space.size or 2)
                fractions[name] = (round(float(z) * (size - 1)) + 0.5) / size
            for name, c in zip(
                self._choice_sizes, solution.c if self._choice_sizes else (), strict=True
            ):
                fractions[name] = (int(np.argmax(c)) + 0.5) / self._choice_sizes[name]
        return values_at(self.hypers, fractions)
