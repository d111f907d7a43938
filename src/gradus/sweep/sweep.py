"""`Sweep`: many trainings of one model with other settings, as few compiled programs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from gradus.data.splits import k_folds
from gradus.errors import GradusError
from gradus.models.arguments import DEFAULT_BATCH, GROWING, whole
from gradus.models.model import Model
from gradus.models.samples import Samples, samples
from gradus.space import find
from gradus.sweep import search as searches
from gradus.sweep.contest import Contest, Executor
from gradus.sweep.executors import Local
from gradus.sweep.member import Builder, Fold
from gradus.sweep.strategy import Full, Strategy
from gradus.sweep.trial import FAILED, WAITING, Trial, ranked

KEPT = 32  # trials whose weights are kept; those of others are trained again when asked for


class Sweep:
    """Trains a model with many settings, side by side, and keeps the best.

        net = gr.Sequential([gr.Dense(gr.choice(64, 128), "relu"), gr.Dense(10, "softmax")])
        model = gr.Model(net, loss="sparse_categorical_crossentropy", metrics=["accuracy"],
                         optimizer=gr.Adam(gr.log_uniform(1e-4, 1e-1)))
        sweep = gr.Sweep(model, trials=64).fit(x, y, epochs=10)
        sweep.best.predict(x_new)

    Trials that differ in numbers alone share one compiled program; widths, activations, kinds of
    optimiser and batch sizes make programs of their own, which compile beside the training of
    others. A trial is what `Model.fit` with its settings would be, its seeds included.

    Args:
        model: a model with spaces in the places of hyperparameters.
        trials: how many settings are tried; for a grid None for all of it, else 32.
        search: "random", "sobol" or "grid".
        seeds: how many seeds each is trained with, `seed`, `seed + 1`, …
        cv: how many folds each is validated on in turn; None for one part held out.
        strategy: how far each is trained; all to the end by default.
        executor: where they are trained; on this machine's cores by default.
        seed: of the draws.

    Attributes:
        hypers: the hyperparameters by name.
        trials: what was tried, in the order of their numbers.
        seconds: the wall time of the last `fit`.

    Raises:
        GradusError: for settings that cannot be.
    """

    def __init__(
        self,
        model: Model,
        trials: int | None = None,
        search: str = "random",
        *,
        seeds: int = 1,
        cv: int | None = None,
        strategy: Strategy | None = None,
        executor: Executor | None = None,
        seed: int = 0,
    ) -> None:
        if not isinstance(model, Model):
            raise GradusError(f"Sweep takes a model such as gr.Model(net, …), not {model!r}.")
        self.model, self.search = model, search
        self.count = None if trials is None else whole("trials", trials, 1)
        self.seeds, self.seed = whole("seeds", seeds, 1), whole("seed", seed)
        self.cv = None if cv is None else whole("cv", cv, 2)
        self.strategy, self.executor = strategy or Full(), executor or Local()
        self.hypers = find(model.settings)
        self.trials: list[Trial] = []
        self.seconds = 0.0
        self._contest: Contest | None = None

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        batch_size: Any = DEFAULT_BATCH,
        epochs: Any = 10,
        validation_split: float = 0.2,
        validation_data: Any = None,
        class_weight: Any = None,
        sample_weight: Any = None,
        shuffle_seed: Any = 0,
        patience: Any = None,
        monitor: str | None = None,
        mode: str | None = None,
        min_delta: Any = 0.0,
        target: float | None = None,
        restore_best: bool = True,
        probes: bool = False,
        verbose: bool = True,
    ) -> Sweep:
        """Train all trials; the arguments are those of `Model.fit` but for what is said here.

        `batch_size`, `epochs`, `patience`, `min_delta` and `shuffle_seed` may be spaces too.

        Args:
            x: inputs, `(n, ...)`.
            y: targets, `(n, ...)`.
            batch_size: samples of a step.
            epochs: how often each sample is seen at most.
            validation_split: the share that is held out to judge the trials by.
            validation_data: `(x, y)` to judge them by instead.
            class_weight: a dict from label to weight, or "balanced".
            sample_weight: the weight of each sample in the loss, `(n,)`.
            shuffle_seed: of the order of samples; the part held out is drawn by `seed`.
            patience: epochs without improvement after which a trial ends.
            monitor: what they are judged by; the validation's first metric of which the direction
                is known, else its loss.
            mode: "min" or "max", whether less or more of it is better.
            min_delta: what counts as an improvement is more than this.
            target: a trial ends when the watched number is at least as good.
            restore_best: whether, with `patience` or `target`, the best epoch counts.
            probes: whether the layers' vital signs are recorded.
            verbose: whether progress is shown.

        Returns:
            The sweep itself.

        Raises:
            DataError: for data that cannot be trained on.
            GradusError: for settings that cannot be, or if no trial could be built.
        """
        fitting = {
            "batch_size": batch_size, "epochs": epochs, "patience": patience,
            "min_delta": min_delta, "shuffle_seed": shuffle_seed,
        }  # fmt: skip
        settings = self.model.settings | fitting
        self.hypers = find(settings)
        if not self.hypers:
            raise GradusError(
                "The model has no hyperparameter to try: write a space in the place of a value, "
                "such as Adam(gr.log_uniform(1e-4, 1e-1))."
            )
        given = samples(
            x, y, sample_weight, class_weight,
            0.0 if validation_data is not None or self.cv else validation_split,
            validation_data, self.seed,
        )  # fmt: skip
        options = {
            "monitor": monitor or _watched(self.model), "mode": mode, "target": target,
            "restore_best": restore_best, "probes": probes,
        }  # fmt: skip
        began = time.perf_counter()
        builder = Builder(self._folds(given), options)
        count = self.count or (0 if self.search == "grid" else 32)
        search = searches.get(self.search, self.hypers, count, self.seed)
        self.trials = []
        self._contest = Contest(
            type(self.model), settings, self.hypers, builder, self.seeds, self.executor, self._hear
        )
        while len(self.trials) < search.trials:
            left = search.trials - len(self.trials)
            size = left if search.batch is None else min(left, search.batch)
            drawn = search.ask(len(self.trials), size)
            batch = [Trial(len(self.trials) + k, values) for k, values in enumerate(drawn)]
            self.trials += batch
            self.strategy.race(self._contest, batch)
            search.tell(batch)
        self.seconds = time.perf_counter() - began
        if all(trial.status == FAILED for trial in self.trials):
            raise GradusError(f"No trial could be built: {self.trials[0].error}")
        return self

    @property
    def ranking(self) -> list[Trial]:
        """The trials from the best to the worst, those without a score at the end."""
        return ranked(self.trials, self._mode)

    @property
    def best(self) -> Model:
        """The best trial's model, trained; with several seeds or folds the best of its members."""
        return self.member_models(self.ranking[0])[0]

    def member_models(self, trial: Trial) -> list[Model]:
        """Return a trial's models, one of each seed and fold, from the best to the worst."""
        contest = self._fitted()
        members = contest.build(trial)
        if not all(member.done for member in members):
            contest.advance([trial], trial.epochs or None)
        sign = 1 if self._mode == "min" else -1
        order = sorted(range(len(members)), key=lambda k: sign * trial.scores[k])
        return [members[k].model for k in order]

    def table(self) -> Any:
        """Return a Polars data frame: a row for each trial, its settings, numbers and status."""
        import polars

        rows = [
            {"trial": one.number, **one.settings(self.hypers), **one.metrics,
             "epochs": one.epochs, "score": one.score, "status": one.status}
            for one in self.trials
        ]  # fmt: skip
        return polars.DataFrame(rows, infer_schema_length=None)

    def __repr__(self) -> str:
        return f"Sweep({len(self.trials)} trials of {', '.join(self.hypers) or 'nothing'})"

    @property
    def _mode(self) -> str:
        stopping = self._fitted().stopping
        if stopping is None:
            raise GradusError("No trial of this sweep could be built.")
        return stopping.mode

    def _fitted(self) -> Contest:
        if self._contest is None:
            raise GradusError("This sweep has tried nothing yet: call fit(x, y).")
        return self._contest

    def _hear(self, trial: Trial) -> None:
        """Note that a trial has ended, and let go of the weights of all but the best."""
        if trial.status == FAILED:
            return
        ended = ranked([one for one in self.trials if one.status != WAITING], self._mode)
        for one in ended[KEPT:]:
            self._fitted().members.pop(one.number, None)

    def _folds(self, given: Samples) -> list[Fold]:
        if self.cv is None:
            return [Fold.of(given)]
        if given.held is not None:
            raise GradusError("cv validates on each fold in turn: leave out validation_data.")
        y = given.data.y
        labelled = isinstance(y, np.ndarray) and y.dtype.kind in "iub" and y.ndim == 1
        count = len(jax.tree.leaves(given.data.x)[0])
        pairs = k_folds(y if labelled else count, self.cv, self.seed)
        first = Fold.of(given)
        made: Sequence[tuple[np.ndarray, np.ndarray]] = pairs
        return [first.with_rows(rows, held, k) for k, (rows, held) in enumerate(made)]


def _watched(model: Model) -> str | None:
    """Return the validation's first metric of which the direction is known, else None."""
    metrics = model.settings.get("metrics") or ()
    names = [metrics] if isinstance(metrics, str) else metrics
    for name in names:
        if isinstance(name, str) and name in GROWING:
            return f"val_{name}"
    return None
