"""`Sweep`: trains one model with many settings, as few compiled programs."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradus.checks import flag, number, whole_number
from gradus.drawing.notebook import records_table
from gradus.errors import GradusError
from gradus.foreign_names.arguments import explain_methods
from gradus.foreign_names.attributes import refuse_attribute
from gradus.hyperparameters import find_hyperparameters
from gradus.models.inputs.arguments import DEFAULT_BATCH
from gradus.models.model import Model
from gradus.nn.casting import with_standard_promotion
from gradus.objectives.metrics import needs_of
from gradus.sweep.execution import get_executor
from gradus.sweep.execution.executor import Executor
from gradus.sweep.execution.on_stream import refuse_batches, shared_order, stream_executor
from gradus.sweep.execution.sweep_runner import SweepRunner
from gradus.sweep.execution.trial_runner import TrialRunner
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
from gradus.sweep.search.trial import DIVERGED, FAILED, STOPPED, Trial, rank_trials, table_rows
from gradus.sweep.strategies import get_strategy
from gradus.sweep.strategies.base import Strategy
from gradus.sweep.tracked_trials import TrackedTrials
from gradus.tracking.tracker import get_trackers
from gradus.tracking.tracking import Tracking
from gradus.train import memory
from gradus.train.early_stopping import EarlyStopping

SHOWN_TRIALS = 10  # in a notebook
MAX_KEPT = 32  # trials whose weights are kept; others are trained again when their model is needed
MEMORY_SHARE = 8  # the kept weights take at most 1/MEMORY_SHARE of the free memory


@explain_methods
class Sweep:
    """Trains a model with many hyperparameter settings side by side and keeps the best.

    Trials that differ only in numbers share one compiled program. So do trials with different
    activations or optimizers, where that is expected to save time (`fuse`). Each width and batch
    size needs its own program, which compiles while others train. A trial gives the same result as
    `Model.fit` with its settings and seed.

    Args:
        model: a model with spaces in place of hyperparameters.
        trials: the number of trials; None means 32, or the whole grid with `search="grid"`.
        search: "random", "sobol" (evenly spread), "grid", "tpe" or "cmaes" (both learn from
            finished trials, 16 at a time).
        seeds: the number of seeds that each trial is trained with: the model's `seed`, `seed + 1`…
        cv: the number of cross-validation folds; None for a single validation set.
        strategy: how long each trial is trained: "full" (the default), "halving", "hyperband",
            "population", or an object such as `SuccessiveHalving(factor=4)`.
        executor: where trials are trained: "local" (the default: this machine's cores), "ray" or
            "ray://head:10001" for a Ray cluster, or an object such as `Cluster(cpus=4)`.
        storage: where finished trials are written, so that a stopped sweep can resume: the path
            of an SQLite file, a database URL, or a `Storage`.
        fuse: whether one program switches between activations and optimizers: fewer programs to
            compile, each a little slower. None decides by the expected time.
        seed: the seed of the search.

    Attributes:
        hypers: the hyperparameters by name.
        trials: the trials, by number.
        seconds: the wall time of the last `fit`.
        interrupted: whether Ctrl-C ended it; the trials that had finished by then are kept, and on
            rows that are read in parts all of them, as they were after their last whole epoch.

    Raises:
        GradusError: for invalid settings.

    Examples:
        >>> x = np.linspace(-1, 1, 32, dtype="float32")[:, None]
        >>> model = gr.Model(gr.Dense(1), "mse", gr.SGD(gr.choice(0.001, 0.1)))
        >>> sweep = gr.Sweep(model, search="grid").fit(x, 2 * x, epochs=5, verbose=False)
        >>> sweep.best_settings
        {'optimizer.learning_rate': 0.1}
    """

    if not TYPE_CHECKING:  # for mypy an unknown attribute stays a fault
        __getattr__ = refuse_attribute

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
        self.trial_count = None if trials is None else whole_number("trials", trials, 1)
        self.seeds, self.seed = whole_number("seeds", seeds, 1), whole_number("seed", seed)
        self.cv = None if cv is None else whole_number("cv", cv, 2)
        self.strategy, self.executor = get_strategy(strategy), get_executor(executor)
        self.storage = get_storage(storage)
        self.fuse = None if fuse is None else flag("fuse", fuse)
        self.hypers = find_hyperparameters(model.settings)
        self.trials: list[Trial] = []
        self.seconds = 0.0
        self.interrupted = False
        self._runner: SweepRunner | None = None
        self._progress: SweepProgress | None = None
        self._tracked: TrackedTrials | None = None
        self._only_restores = False

    def restore(self, *data: Any, **settings: Any) -> Sweep:
        """Take the results of the trials in the storage, and train none.

        The trials have no histories, as a storage has none; those that have not ended wait.

        Args:
            data: x and y, as of `fit`.
            settings: the other arguments of `fit`.

        Raises:
            GradusError: without a storage, and as `fit`, such as for one that has other data.
        """
        if self.storage is None:
            raise GradusError("restore: this sweep has no storage; write Sweep(…, storage=…).")
        self._only_restores = True
        try:
            return self.fit(*data, **settings)  # type: ignore[no-any-return]
        finally:
            self._only_restores = False

    @with_standard_promotion
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
        groups: Any = None,
        times: Any = None,
        shuffle: bool = True,
        shuffle_seed: Any = 0,
        patience: Any = None,
        monitor: str | None = None,
        mode: str | None = None,
        min_delta: Any = 0.0,
        target: float | None = None,
        restore_best: bool = True,
        probes: bool = False,
        trackers: Any = (),
        verbose: bool = True,
    ) -> Sweep:
        """Train all trials; the arguments are those of `Model.fit`, except as noted here.

        `batch_size`, `epochs`, `patience`, `min_delta` and `shuffle_seed` may be spaces too; `x`
        and the parts of `validation_data` may be choices of arrays. Choices with the same name are
        drawn together: `x=gr.choice({"raw": a, "scaled": b}, name="inputs")` and
        `validation_data=(gr.choice(a_held, b_held, name="inputs"), y_held)`.

        Args:
            x: inputs, `(n, ...)`, or inputs that a function makes from settings, `gr.prepared(…)`;
                or rows that are read in parts (`gr.data.stream`), once in an epoch for all trials
                that fit into memory together.
            y: targets, `(n, ...)`.
            batch_size: samples per step.
            epochs: the maximum number of epochs.
            validation_split: the fraction of samples held out to score the trials.
            validation_data: `(x, y)` to score them on instead.
            class_weight: a dict from label to weight, or "balanced".
            sample_weight: the weight of each sample in the loss, `(n,)`.
            groups: of each sample the group, such as a patient, that stays in one fold of `cv`.
            times: of each sample a number or a date: each fold of `cv` is later than the samples
                that its models are trained on, as in `gr.data.k_folds`.
            shuffle: whether each epoch has an order of its own.
            shuffle_seed: the seed of the sample order; the sweep's `seed` draws the hold-out.
            patience: stop a trial after this many epochs without improvement.
            monitor: the metric that scores trials; by default the first validation metric with a
                known direction, else the validation loss.
            mode: "min" or "max": whether lower or higher is better.
            min_delta: the smallest change that counts as an improvement.
            target: stop a trial once the monitored metric is at least this good.
            restore_best: whether to keep the best epoch's weights, with `patience` or `target`.
            probes: whether to record layer statistics; unlike `Model.fit`, a sweep does not by
                default.
            trackers: where each trial is logged as a run when it has ended, as in `Model.fit`;
                curves are averaged over the seeds and folds of a trial.
            verbose: whether to show progress.

        Returns:
            The sweep itself.

        Raises:
            DataError: for data that cannot be trained on.
            GradusError: for invalid settings, losses that cannot be compared, or if no trial could
                be built.
        """
        started = time.perf_counter()
        fit_settings = {
            "batch_size": batch_size, "epochs": epochs, "patience": patience,
            "min_delta": min_delta, "shuffle_seed": shuffle_seed,
        }  # fmt: skip
        restore_best, probes = flag("restore_best", restore_best), flag("probes", probes)
        verbose, shuffle = flag("verbose", verbose), flag("shuffle", shuffle)
        given_trackers = get_trackers(trackers)
        settings = self.model.settings | fit_settings
        arrays = {
            "x": x, "y": y, "sample_weight": sample_weight, "class_weight": class_weight,
            "validation_data": validation_data,
        }  # fmt: skip
        self.hypers = find_hyperparameters(settings, arrays)
        if not self.hypers:
            raise GradusError(
                "The model has no hyperparameter to search: write a space in place of a value, "
                "such as Adam(gr.log_uniform(1e-4, 1e-1))."
            )
        refuse_batches({"x": x, "validation_data": validation_data})
        order = shared_order(
            x,
            {**fit_settings, "shuffle": shuffle, "groups": groups, "times": times},
            self.cv,
            self.fuse,
        )
        executor = self.executor if order is None else stream_executor(self.executor)
        if validation_split is not None:
            validation_split = number("validation_split", validation_split)
        held_out = validation_split, self.cv, self.seed, groups, times
        data = SweepData(arrays, self.hypers, *held_out, order)
        if not data.names:
            data.folds({})  # an error in data that all trials share is no single trial's failure
        validated = bool(self.cv or validation_data is not None or validation_split)
        options = {
            "monitor": choose_monitor(settings, monitor, validated), "mode": mode, "target": target,
            "restore_best": restore_best, "probes": probes, "shuffle": shuffle,
        }  # fmt: skip
        search = get_search(self.search, self.hypers, self.trial_count, self.seed)
        builder = MemberBuilder(options)
        factory = MemberFactory(type(self.model), settings, self.hypers, data, builder)
        if order is None:
            factory = self._with_fused_choices(factory, search)
        with Tracking(given_trackers) as tracking:  # one that fails leaves the last trials
            self.trials, self.interrupted = [], False
            self._runner = SweepRunner(factory, self.seeds, executor, self._on_trial_end, self.seed)
            self._tracked = TrackedTrials(tracking, self.hypers)
            try:
                self._open_storage(search, settings, data, options)
                if self._only_restores:
                    self.trials = self._fitted_runner().recorded_trials(search)
                else:
                    self._restore_batches(search)
                    self._run_batches(search, verbose)
            finally:
                if self.storage is not None:
                    self.storage.close()
            self._tracked.end()
        self.seconds = time.perf_counter() - started
        self._require_a_built_trial()
        return self

    def _with_fused_choices(self, factory: MemberFactory, search: Search) -> MemberFactory:
        """Return the factory with the choices that one program switches between."""
        names = fusible_choices(factory.settings, factory.hypers)
        members = search.trials * self.seeds * factory.data.fold_count
        fuse = fusion_pays(factory, names, members) if self.fuse is None else self.fuse
        return dataclasses.replace(factory, fused_names=names) if fuse else factory

    def _open_storage(
        self,
        search: Search,
        settings: Mapping[str, Any],
        data: SweepData,
        options: Mapping[str, Any],
    ) -> None:
        """Open the storage and read the records of finished trials."""
        if self.storage is None:
            return
        runner = self._fitted_runner()
        runner.find_monitor(search)
        fingerprint = self._fingerprint(settings, data, options)
        runner.records = self.storage.open(fingerprint, self.hypers, self.monitor, self.mode)

    def _restore_batches(self, search: Search) -> None:
        """Restore the batches whose trials the storage has all recorded."""
        while len(self.trials) < search.trials:
            batch = self._fitted_runner().recorded_batch(search, len(self.trials))
            if not batch:
                return
            self.trials += batch
            search.tell(batch, self.mode)

    def _run_batches(self, search: Search, verbose: bool) -> None:
        """Train batch after batch of the search until the last one or Ctrl-C."""
        runner = self._fitted_runner()
        with SweepProgress(self, search.trials, verbose) as self._progress:
            try:
                while len(self.trials) < search.trials:
                    first, retrain = len(self.trials), self.strategy.shares_weights
                    batch = runner.next_batch(search, first, retrain)
                    self.trials += batch
                    self.strategy.run(runner, batch)
                    stopping = runner.early_stopping
                    search.tell(batch, stopping.mode if stopping else "min")
            except KeyboardInterrupt:
                self.interrupted = True
            if self.interrupted:
                runner.end_finished(self.trials)
                runner.stop_in_step(self.trials)
                if not any(trial.ended for trial in self.trials):
                    raise KeyboardInterrupt

    def _require_a_built_trial(self) -> None:
        """Raise the reason if no trial could be built."""
        if all(trial.status == FAILED for trial in self.trials):
            reason = self.trials[0].error
            same = all(trial.error == reason for trial in self.trials)
            raise GradusError(reason if same else f"No trial could be built: {reason}")

    def _fingerprint(
        self, settings: Mapping[str, Any], data: SweepData, options: Mapping[str, Any]
    ) -> dict[str, str]:
        """Return everything that decides the results, by which a storage recognizes the sweep."""
        names = ("search", "seed", "seeds", "cv", "mode", "monitor")
        return sweep_fingerprint(
            settings,
            data.variants(),
            model=type(self.model).__name__,
            strategy=[type(self.strategy).__name__, vars(self.strategy)],
            restore_best=options["restore_best"],
            **{name: getattr(self, name) for name in names},
            target=options["target"],
            **({} if options["shuffle"] else {"shuffle": False}),
            **({} if data.groups is None else {"groups": data.groups}),
        )

    @property
    def ranking(self) -> list[Trial]:
        """The trials from best to worst, those without a score last."""
        return rank_trials(self.trials, self.mode)

    @property
    def best(self) -> Model:
        """The best trial's trained model; with several seeds or folds the best of them.

        If the sweep searched over inputs, prepare its inputs as `best_settings` says.

        Raises:
            GradusError: if no trial has a score.
        """
        self.require_a_score()
        return self.member_models(self.ranking[0])[0]

    def require_a_score(self) -> None:
        """Raise, with the reason, if no trial has a score.

        Raises:
            GradusError: if they diverged or failed, or the score is not a number for any of them.
        """
        if not math.isnan(self.ranking[0].score):
            return
        kinds = Counter(trial.status for trial in self.trials)
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        if kinds[DIVERGED] + kinds[FAILED] < len(self.trials):
            needs = needs_of(self.monitor)
            why = f", as it needs {needs}" if needs else ""
            raise GradusError(
                f"No trial has a score ({counts}): {self.monitor} is not a number{why}. Monitor "
                "another metric, or validate on other samples."
            )
        raise GradusError(
            f"No trial has a score ({counts}; see sweep.table()). Lower the learning rates or run "
            "more trials."
        )

    @property
    def best_settings(self) -> dict[str, Any]:
        """The best trial's settings, labeled as in tables; only its active hyperparameters."""
        drawn = self.ranking[0].settings(self.hypers)
        return {name: value for name, value in drawn.items() if name in self.ranking[0].values}

    def member_models(self, trial: Trial, probes: bool = False) -> list[Model]:
        """Return a trial's models, one for each seed and fold, from best to worst.

        Args:
            trial: a finished trial of this sweep.
            probes: whether to train it again, to the same weights, and record layer statistics.
        """
        runner: TrialRunner = self._fitted_runner()
        runner = runner.with_probes() if probes else runner
        members = runner.trained_members(trial)
        runner.diagnose_members(trial)
        trial.histories = trial.histories or [member.model.history for member in members]
        sign = 1 if self.mode == "min" else -1
        order = sorted(range(len(members)), key=lambda k: sign * trial.scores[k])
        return [members[k].model for k in order]

    def ensemble(self, k: int = 5, method: str = "best") -> Model:
        """Return one model that predicts the mean of the best trials' predictions.

        It is a model like any other: it predicts as one program and can be evaluated and saved. If
        the sweep searched over inputs, it consists of trials with the best trial's inputs.

        Args:
            k: the maximum number of trials, each with all its seeds and folds; the number of rounds
                of a greedy selection.
            method: "best" for the k best trials with equal weights; "greedy" for greedy selection
                with replacement on the validation set (Caruana et al. 2004, "Ensemble selection
                from libraries of models").

        Raises:
            GradusError: for an unknown method, no trial with a score, or a greedy selection
                without a validation set.
        """
        return build_ensemble(self._fitted_runner(), self.ranking, k, method)

    def importance(self, seed: int = 0) -> Importance:
        """Return how important each hyperparameter was, and the expected score at its values.

        A random forest predicts the score from the settings, and its variance is divided among the
        hyperparameters (functional ANOVA). Diverged trials count as the worst.

        Args:
            seed: the seed of the forest.

        Raises:
            GradusError: for fewer than 8 trials with a score.
        """
        return hyperparameter_importance(self.trials, self.hypers, self.monitor, self.mode, seed)

    def table(self) -> Any:
        """Return a Polars data frame with one row per trial: settings, metrics and status.

        A setting with the name of a metric, such as a choice of losses, is in the column
        `setting_loss`.
        """
        import polars

        return polars.DataFrame(table_rows(self.trials, self.hypers), infer_schema_length=None)

    def __repr__(self) -> str:
        return f"Sweep({len(self.trials)} trials of {', '.join(self.hypers) or 'nothing'})"

    def _repr_html_(self) -> str:
        """Return for a notebook the best trials."""
        best = [] if self._runner is None else table_rows(self.ranking[:SHOWN_TRIALS], self.hypers)
        left_out = len(self.trials) > len(best) > 0
        return records_table(best, f"{self!r}{f': the best {len(best)}' * left_out}")

    @property
    def monitor(self) -> str:
        """The metric that scores the trials."""
        return self._early_stopping.monitor

    @property
    def mode(self) -> str:
        """Whether lower ("min") or higher ("max") is better."""
        return self._early_stopping.mode

    @property
    def fused(self) -> tuple[str, ...]:
        """The choices that programs switch between; see `fuse`."""
        return self._fitted_runner().factory.fused_names

    @property
    def _early_stopping(self) -> EarlyStopping:
        early_stopping = self._fitted_runner().early_stopping
        if early_stopping is None:
            raise GradusError("No trial of this sweep could be built.")
        return early_stopping

    def _fitted_runner(self) -> SweepRunner:
        if self._runner is None:
            raise GradusError("This sweep has not run yet: call fit(x, y).")
        return self._runner

    def _on_trial_end(self, trial: Trial) -> None:
        """Report and store a trial that has ended; drop the weights of all but the best."""
        if self._progress is not None:
            self._progress(trial)
        if self._tracked is not None and trial.number not in self._fitted_runner().records:
            self._tracked(trial)
        cut = self.interrupted and trial.status == STOPPED  # and trained to its end when resumed
        if self.storage is not None and not cut:
            self.storage.write(self._fitted_runner().record(trial))
        if trial.status == FAILED:
            return
        held = self._fitted_runner().members
        ended = [other for other in self.trials if other.number in held and other.ended]
        for other in rank_trials(ended, self.mode)[self._max_kept(trial) :]:
            held.pop(other.number)

    def _max_kept(self, trial: Trial) -> int:
        """Return how many trials of this size keep their weights."""
        runner = self._fitted_runner()
        members = runner.members.get(trial.number, [])
        size = memory.tree_bytes([member.train_state for member in members])
        available = runner.factory.builder.free_bytes // MEMORY_SHARE
        return min(MAX_KEPT, max(1, available // max(1, size)))
