"""`Sweep`: many trainings of one model with other settings, as few compiled programs."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradus.checks import whole_number
from gradus.errors import GradusError
from gradus.hyperparameters import find_hyperparameters
from gradus.models.arguments import DEFAULT_BATCH
from gradus.models.model import Model
from gradus.sweep.execution import get_executor
from gradus.sweep.execution.executor import Executor
from gradus.sweep.execution.resume import ResumableRunner
from gradus.sweep.members.branch_fusion import fusible_choices
from gradus.sweep.members.cost_model import fusion_pays
from gradus.sweep.members.data import SweepData
from gradus.sweep.members.factory import MemberBuilder, MemberFactory
from gradus.sweep.monitor import choose_monitor
from gradus.sweep.progress import SweepProgress
from gradus.sweep.results.ensemble import build_ensemble
from gradus.sweep.results.fingerprint import sweep_fingerprint
from gradus.sweep.results.importance import Importance, hyperparameter_importance
from gradus.sweep.results.storage import Storage, get_storage
from gradus.sweep.search import get_search
from gradus.sweep.search.base import Search
from gradus.sweep.search.trial import FAILED, WAITING, Trial, rank_trials, table_rows
from gradus.sweep.strategies import get_strategy
from gradus.sweep.strategies.base import Strategy
from gradus.train import memory
from gradus.train.early_stopping import EarlyStopping

DEFAULT_TRIALS = 32
MAX_KEPT = 32  # trials whose weights are kept; the others are trained again when asked for
KEPT_SHARE = 8  # the weights that are kept take at most one part in so many of the free memory


class Sweep:
    """Trains a model with many settings, side by side, and keeps the best.

        net = gr.Sequential([gr.Dense(gr.choice(64, 128), "relu"), gr.Dense(10, "softmax")])
        model = gr.Model(net, loss="sparse_categorical_crossentropy", metrics=["accuracy"],
                         optimizer=gr.Adam(gr.log_uniform(1e-4, 1e-1)))
        sweep = gr.Sweep(model, trials=64).fit(x, y, epochs=10)
        sweep.best.predict(x_new)

    Trials that differ in numbers alone share one compiled program, and those that differ in
    activations or the kind of optimiser too where it pays (`fuse`); widths and batch sizes make
    programs of their own, which compile beside the training of others. A trial is what `Model.fit`
    with its settings would be, its seeds included.

    Args:
        model: a model with spaces in the places of hyperparameters.
        trials: how many settings are tried; for a grid None for all of it, else 32.
        search: "random", "sobol" (evenly), "grid", "tpe" or "cmaes" (both learn from what was
            tried, 16 trials at a time).
        seeds: how many seeds each is trained with, `seed`, `seed + 1`, …
        cv: how many folds each is validated on in turn; None for one part held out.
        strategy: how far each is trained: "full" (the default: to its end), "halving",
            "hyperband", "population", or one such as `SuccessiveHalving(factor=4)`.
        executor: where they are trained: "local" (the default: this machine's cores), "ray",
            "ray://head:10001" for a Ray cluster, or one such as `Cluster(cpus=4)`.
        storage: where the sweep is kept as it goes, so that it can be stopped and gone on with:
            the path of an SQLite file, a URL, or a `Storage`.
        fuse: whether activations and kinds of optimiser are chosen inside a program, which
            compiles fewer of them and slows each a little; None for where it is expected to pay.
        seed: of the draws.

    Attributes:
        hypers: the hyperparameters by name.
        trials: what was tried, in the order of their numbers.
        seconds: the wall time of the last `fit`.
        interrupted: whether Ctrl-C ended it; what had ended by then counts.

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
        strategy: str | Strategy | None = None,
        executor: str | Executor | None = None,
        storage: str | Path | Storage | None = None,
        fuse: bool | None = None,
        seed: int = 0,
    ) -> None:
        if not isinstance(model, Model):
            raise GradusError(f"Sweep takes a model such as gr.Model(net, …), not {model!r}.")
        self.model, self.search = model, search
        self.count = None if trials is None else whole_number("trials", trials, 1)
        self.seeds, self.seed = whole_number("seeds", seeds, 1), whole_number("seed", seed)
        self.cv = None if cv is None else whole_number("cv", cv, 2)
        self.strategy, self.executor = (
            get_strategy(strategy),
            get_executor(executor),
        )
        self.storage, self.fuse = get_storage(storage), fuse
        self.hypers = find_hyperparameters(model.settings)
        self.trials: list[Trial] = []
        self.seconds = 0.0
        self.interrupted = False
        self._runner: ResumableRunner | None = None
        self._progress: SweepProgress | None = None

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

        `batch_size`, `epochs`, `patience`, `min_delta` and `shuffle_seed` may be spaces too; so may
        what is trained on, `x` or a part of `validation_data`, be a choice of arrays. Two choices
        of one name go together: `x=gr.choice({"raw": a, "scaled": b}, name="inputs")` and
        `validation_data=(gr.choice(a_held, b_held, name="inputs"), y_held)`.

        Args:
            x: inputs, `(n, ...)`, or what a function makes of settings, `gr.prepared(…)`.
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
            GradusError: for settings that cannot be, losses that cannot be compared, or if no trial
                could be built.
        """
        started = time.perf_counter()
        fit_settings = {
            "batch_size": batch_size, "epochs": epochs, "patience": patience,
            "min_delta": min_delta, "shuffle_seed": shuffle_seed,
        }  # fmt: skip
        settings = self.model.settings | fit_settings
        arrays = {
            "x": x, "y": y, "sample_weight": sample_weight, "class_weight": class_weight,
            "validation_data": validation_data,
        }  # fmt: skip
        self.hypers = find_hyperparameters(settings, arrays)
        if not self.hypers:
            raise GradusError(
                "The model has no hyperparameter to try: write a space in the place of a value, "
                "such as Adam(gr.log_uniform(1e-4, 1e-1))."
            )
        data = SweepData(arrays, self.hypers, validation_split, self.cv, self.seed)
        if not data.names:
            data.folds({})  # what is wrong with data that all trials share is no trial's fault
        validated = bool(self.cv or validation_data is not None or validation_split)
        options = {
            "monitor": choose_monitor(settings, monitor, validated), "mode": mode, "target": target,
            "restore_best": restore_best, "probes": probes,
        }  # fmt: skip
        search = get_search(self.search, self.hypers, self._trial_count(), self.seed)
        builder = MemberBuilder(options)
        factory = MemberFactory(type(self.model), settings, self.hypers, data, builder)
        factory = self._with_fused_choices(factory, search)
        self.trials, self.interrupted = [], False
        self._runner = ResumableRunner(
            factory, self.seeds, self.executor, self._on_trial_end, self.seed
        )
        try:
            self._open_storage(search, settings, data, options)
            self._restore_batches(search)
            self._run_batches(search, verbose)
        finally:
            if self.storage is not None:
                self.storage.close()
        self.seconds = time.perf_counter() - started
        self._require_a_trial()
        return self

    def _trial_count(self) -> int:
        """Return how many trials a search is asked for; 0 for all of a grid."""
        return self.count or (0 if self.search == "grid" else DEFAULT_TRIALS)

    def _with_fused_choices(self, factory: MemberFactory, search: Search) -> MemberFactory:
        """Return the factory with the choices that members of one program may differ in."""
        names = fusible_choices(factory.settings, factory.hypers)
        members = search.trials * self.seeds * factory.data.fold_count
        fuse = fusion_pays(factory, names, members) if self.fuse is None else self.fuse
        return dataclasses.replace(factory, fused=names) if fuse else factory

    def _open_storage(
        self,
        search: Search,
        settings: Mapping[str, Any],
        data: SweepData,
        options: Mapping[str, Any],
    ) -> None:
        """Read what a storage knows of the sweep."""
        if self.storage is None:
            return
        runner = self._fitted()
        runner.find_early_stopping(search)
        fingerprint = self._fingerprint(settings, data, options)
        runner.records = self.storage.open(fingerprint, self.hypers, self.monitor, self.mode)

    def _restore_batches(self, search: Search) -> None:
        """Take over the batches of which a storage knows all trials."""
        while len(self.trials) < search.trials:
            batch = self._fitted().recorded_batch(search, len(self.trials))
            if not batch:
                return
            self.trials += batch
            search.tell(batch, self.mode)

    def _run_batches(self, search: Search, verbose: bool) -> None:
        """Train what the search asks for, batch after batch, until the last or Ctrl-C."""
        runner = self._fitted()
        with SweepProgress(self, search.trials, verbose) as self._progress:
            try:
                while len(self.trials) < search.trials:
                    first, anew = len(self.trials), self.strategy.shares_weights
                    batch = runner.next_batch(search, first, anew)
                    self.trials += batch
                    self.strategy.run(runner, batch)
                    search.tell(
                        batch, runner.early_stopping.mode if runner.early_stopping else "min"
                    )
            except KeyboardInterrupt:
                self.interrupted = True
            if self.interrupted and not runner.end_finished(self.trials):
                raise KeyboardInterrupt

    def _require_a_trial(self) -> None:
        """Raise the reason if no trial could be built."""
        if all(trial.status == FAILED for trial in self.trials):
            reason = self.trials[0].error
            same = all(trial.error == reason for trial in self.trials)
            raise GradusError(reason if same else f"No trial could be built: {reason}")

    def _fingerprint(
        self, settings: Mapping[str, Any], data: SweepData, options: Mapping[str, Any]
    ) -> dict[str, str]:
        """Return what decides the results, by which a storage recognizes the sweep."""
        own = {name: getattr(self, name) for name in ("search", "seed", "seeds", "cv", "mode")}
        judged = {"monitor": self.monitor, "target": options["target"]}
        return sweep_fingerprint(
            settings,
            data.variants(),
            model=type(self.model).__name__,
            strategy=[type(self.strategy).__name__, vars(self.strategy)],
            restore_best=options["restore_best"],
            **own,
            **judged,
        )

    @property
    def ranking(self) -> list[Trial]:
        """The trials from the best to the worst, those without a score at the end."""
        return rank_trials(self.trials, self.mode)

    @property
    def best(self) -> Model:
        """The best trial's model, trained; with several seeds or folds the best of its members.

        Its inputs are to be prepared as `best_settings` says, where that was tried too.

        Raises:
            GradusError: if no trial has a score.
        """
        if math.isnan(self.ranking[0].score):
            raise GradusError(
                "No trial has a score, as every one diverged or failed (see sweep.table()): lower "
                "the learning rates, or try more trials."
            )
        return self.member_models(self.ranking[0])[0]

    @property
    def best_settings(self) -> dict[str, Any]:
        """What was drawn for the best trial, as tables call it, of the hyperparameters it has."""
        drawn = self.ranking[0].settings(self.hypers)
        return {name: value for name, value in drawn.items() if name in self.ranking[0].values}

    def member_models(self, trial: Trial, probes: bool = False) -> list[Model]:
        """Return a trial's models, one of each seed and fold, from the best to the worst.

        Args:
            trial: one of this sweep that has ended.
            probes: whether it is trained once more, to the same weights, with the layers' vital
                signs recorded.
        """
        runner = self._fitted()
        members = (runner.with_probes() if probes else runner).trained_members(trial)
        trial.histories = trial.histories or [member.model.history for member in members]
        sign = 1 if self.mode == "min" else -1
        order = sorted(range(len(members)), key=lambda k: sign * trial.scores[k])
        return [members[k].model for k in order]

    def ensemble(self, k: int = 5, method: str = "best") -> Model:
        """Return the best trials' models as one, which predicts the mean of what they predict.

        It is a model like any other: it predicts as one program, and is measured and saved as one.
        Where inputs were tried that are prepared in several ways, it is of trials that had those of
        the best one, `best_settings`.

        Args:
            k: how many trials at most, with all their seeds and folds; of a greedy selection how
                many rounds.
            method: "best" for the k best trials, each counting the same; "greedy" for a selection
                with replacement of what does best together on the samples held out (Caruana et
                al. 2004, "Ensemble selection from libraries of models").

        Raises:
            GradusError: for another method, no trial with a score, or a selection without one part
                held out.
        """
        return build_ensemble(self._fitted(), self.ranking, k, method)

    def importance(self, seed: int = 0) -> Importance:
        """Return which hyperparameter mattered, and the score to expect at its values.

        A random forest learns the score from the settings, and its variance is divided among the
        hyperparameters (functional ANOVA). Trials that diverged count as the worst.

        Args:
            seed: of the forest.

        Raises:
            GradusError: for fewer than 8 trials with a score.
        """
        return hyperparameter_importance(self.trials, self.hypers, self.monitor, self.mode, seed)

    def table(self) -> Any:
        """Return a Polars data frame: a row for each trial, its settings, numbers and status.

        A setting that has the name of a number, such as a choice of losses beside the loss that
        was reached, is in a column of its own, `setting_loss`.
        """
        import polars

        return polars.DataFrame(table_rows(self.trials, self.hypers), infer_schema_length=None)

    def __repr__(self) -> str:
        return f"Sweep({len(self.trials)} trials of {', '.join(self.hypers) or 'nothing'})"

    @property
    def monitor(self) -> str:
        """The number that the trials are judged by."""
        return self._early_stopping.monitor

    @property
    def mode(self) -> str:
        """Whether less ("min") or more ("max") of it is better."""
        return self._early_stopping.mode

    @property
    def fused(self) -> tuple[str, ...]:
        """The choices that trials of one program differ in; see `fuse`."""
        return self._fitted().factory.fused

    @property
    def _early_stopping(self) -> EarlyStopping:
        early_stopping = self._fitted().early_stopping
        if early_stopping is None:
            raise GradusError("No trial of this sweep could be built.")
        return early_stopping

    def _fitted(self) -> ResumableRunner:
        if self._runner is None:
            raise GradusError("This sweep has tried nothing yet: call fit(x, y).")
        return self._runner

    def _on_trial_end(self, trial: Trial) -> None:
        """Note that a trial has ended, and let go of the weights of all but the best."""
        if self._progress is not None:
            self._progress(trial)
        if self.storage is not None:
            self.storage.write(self._fitted().record(trial))
        if trial.status == FAILED:
            return
        held = self._fitted().members
        ended = [one for one in self.trials if one.number in held and one.status != WAITING]
        for one in rank_trials(ended, self.mode)[self._max_kept(trial) :]:
            held.pop(one.number)

    def _max_kept(self, trial: Trial) -> int:
        """Return how many trials like this one are kept with their weights."""
        runner = self._fitted()
        size = memory.tree_bytes(
            [member.train_state for member in runner.members.get(trial.number, [])]
        )
        room = runner.factory.builder.free_bytes // KEPT_SHARE
        return min(MAX_KEPT, max(1, room // max(1, size)))
