"""`Model`: a network with its loss and optimizer, and methods to train, save and load it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import jax

from gradus import files
from gradus.checks import flag, number, whole_number
from gradus.diagnosis.record_files import write_record
from gradus.errors import GradusError
from gradus.models import saving
from gradus.models.base import BaseModel
from gradus.models.diagnosing import ON_FAULT, FaultWatch, diagnose_fit, with_settings
from gradus.models.doctor_link import doctor
from gradus.models.fit_state import begin_fit, end_fit
from gradus.models.inputs import arguments
from gradus.models.inputs.arguments import DEFAULT_BATCH
from gradus.models.inputs.callbacks import Callbacks
from gradus.models.inputs.streamed_data import StreamedData, data_to_fit
from gradus.models.inputs.training_data import TrainingData, check_arrays
from gradus.models.tracked_fit import TrackedFit
from gradus.nn.casting import with_standard_promotion
from gradus.tracking.tracker import get_trackers
from gradus.tracking.tracking import Tracking
from gradus.train import checkpoint as checkpoints
from gradus.train import distributed
from gradus.train.batches import Samples
from gradus.train.devices import make_mesh
from gradus.train.divergence import locate_divergence
from gradus.train.early_stopping import EarlyStopping
from gradus.train.history import History
from gradus.train.loop import Listener, run_training
from gradus.train.lr_range_test import RangeTest, run_range_test
from gradus.train.progress import TrainingProgress
from gradus.train.state import TrainState
from gradus.train.streaming.stream_program import StreamProgram, of_whole_epochs
from gradus.train.tasks.base import Task
from gradus.train.training_program import FitConfig, TrainingProgram


class Model(BaseModel):
    """A network with its loss, optimizer and metrics, to train, evaluate, use and save.

    Args:
        net: a layer, usually `Sequential`; it is copied and built when the data are first seen.
        loss: a name, a loss or a function of `(y_true, y_pred)`; for several outputs a dict or a
            list of them; or a `Task` of your own.
        optimizer: a name or an optimizer.
        metrics: names, metrics or functions.
        loss_weights: for several outputs, the weight of each loss.
        penalty: a penalty on every trained weight of two axes or more, such as `L2(1e-4)`.
        seed: of the weights, dropout and noise.

    Attributes:
        net: the network; built after the first `fit`, `build` or `load`.
        spaces: the hyperparameters that are sets of values, by name; a model with any is for
            `Sweep`.
        history: the record of all training so far.
        record: what the findings of the last training are made from; None before the first.

    Raises:
        GradusError: for unknown names, with the nearest valid one.

    Examples:
        >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
        >>> net = gr.Sequential([gr.Dense(4, "tanh"), gr.Dense(2, "softmax")])
        >>> model = gr.Model(net, "sparse_categorical_crossentropy", gr.Adam(0.05), ["accuracy"])
        >>> history = model.fit(x, (x[:, 0] > 0).astype(int), epochs=9, verbose=False)
        >>> model.predict_classes(x[[0, -1]]).tolist()
        [0, 1]
    """

    @with_standard_promotion
    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        batch_size: int | None = DEFAULT_BATCH,
        epochs: int = 10,
        validation_split: float = 0.0,
        validation_data: Any = None,
        class_weight: Any = None,
        sample_weight: Any = None,
        shuffle: bool = True,
        shuffle_seed: int = 0,
        steps_per_epoch: int | None = None,
        patience: float | None = None,
        monitor: str | None = None,
        mode: str | None = None,
        min_delta: float = 0.0,
        target: float | None = None,
        restore_best: bool = True,
        callbacks: Any = (),
        trackers: Any = (),
        checkpoint: str | Path | None = None,
        checkpoint_every: float = 30.0,
        resume: str | Path | None = None,
        probes: bool = True,
        devices: Any = None,
        verbose: bool = True,
        strict: bool = False,
        on_fault: str = "warn",
    ) -> History:
        """Train for `epochs` more epochs; a second call continues where the first one ended.

        Args:
            x: inputs, `(n, ...)`: an array, or a dict or tuple of arrays for several inputs. Or
                what yields batches `(x, y)` or `(x, y, weight)`, such as a `DataLoader`, a
                generator, or a function that returns one; or a data set with a length and items.
                They are trained on as they are read; what needs all samples is refused.
            y: targets, `(n, ...)`; None for a task that needs none, and for batches. If these are
                dicts, the key of the targets.
            batch_size: samples of a step, 1 for online training, None for all (full batch). The
                default is reduced to the number of samples if there are fewer.
            epochs: how often each sample is seen.
            validation_split: the share of samples, drawn at random and stratified if y are labels,
                that is not trained on but evaluated after each epoch.
            validation_data: `(x, y)` or `(x, y, weight)` to evaluate instead.
            class_weight: a dict from label to weight, or "balanced"; validation ignores it.
            sample_weight: the weight of each sample in the loss, `(n,)`: a batch's loss is
                `Σ w l / n`, as in Keras, so that a weight of 2 is a sample seen twice.
            shuffle: whether each epoch has an order of its own; False trains in the given order.
                A validation split is drawn at random all the same.
            shuffle_seed: of the order of samples and of the validation split.
            steps_per_epoch: batches of an epoch, for an `x` that yields more, or never ends.
            patience: epochs without improvement after which training stops; None for never.
            monitor: the monitored number, such as "val_loss" (the default with validation, else
                "loss") or "val_accuracy".
            mode: "min" or "max", whether smaller or larger values are better; only needed if the
                name does not tell.
            min_delta: an improvement is more than this.
            target: training stops when the monitored number is at least as good.
            restore_best: whether, with `patience` or `target`, the best epoch's weights are kept.
            callbacks: functions `f(model, epoch, logs)`, or one, called after each epoch, or
                objects with `on_epoch_end(epoch, logs)`, such as Keras's. One that returns True,
                or sets `model.stop_training = True`, ends the training.
            trackers: where the training is logged: "tensorboard", "mlflow", "wandb", "trackio", one
                of `gr.trackers` such as `gr.trackers.TensorBoard("logs")`, or a list of them.
            checkpoint: a folder for checkpoints, to resume from.
            checkpoint_every: seconds between two checkpoints.
            resume: the folder of a checkpoint to resume from, to `epochs` in total, bit for bit as
                if training had never been interrupted.
            probes: whether layer statistics are recorded, which takes a few percent of the time.
            devices: how many devices share each batch, or "all" of them; None for one. The result
                is the same to rounding. See `gr.distributed` for several processes.
            verbose: whether progress is shown.
            strict: whether a fault that `check` finds is an error, not a note.
            on_fault: what to do where going on is pointless, as all numbers are lost, a layer is
                dead, or its units are equal: "warn" to say so, "stop" to end the training, "repair"
                to end it and try remedies, as `gr.repair` does: the model becomes the best one.

        Returns:
            The record of all training so far.

        Raises:
            DataError: for data that cannot be trained on.
            FaultError: for a fault, if `strict`.
            GradusError: for invalid settings.
        """
        self.require_values()
        arguments.refuse_spaces(locals())
        called, given = Callbacks(callbacks), get_trackers(trackers)
        restore_best, probes = flag("restore_best", restore_best), flag("probes", probes)
        shuffle, verbose, strict = (
            flag("shuffle", shuffle),
            flag("verbose", verbose),
            flag("strict", strict),
        )
        on_fault = arguments.known_word("on_fault", on_fault, ON_FAULT)
        if checkpoint is not None:
            checkpoint = arguments.folder_to_write("checkpoint", checkpoint)
        resume = None if resume is None else arguments.folder("resume", resume)
        checkpoint_every = number("checkpoint_every", checkpoint_every, 0)
        epochs, shuffle_seed = (
            whole_number("epochs", epochs),
            whole_number("shuffle_seed", shuffle_seed),
        )
        data, batch = data_to_fit(
            x,
            y,
            first_epoch=0 if self.train_state is None else int(self.train_state.epoch),
            batch_size=batch_size,
            full_batch=self.optimizer.full_batch,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            shuffle_seed=shuffle_seed,
            shuffle=shuffle,
            sample_weight=sample_weight,
            class_weight=class_weight,
            validation_split=validation_split,
            validation_data=validation_data,
            needs_arrays={"devices": devices, "checkpoint": checkpoint, "resume": resume},
        )
        self.check_input(data.samples.x)
        config = FitConfig(
            epochs=epochs,
            batch_size=batch,
            seed=self.seed,
            shuffle_seed=shuffle_seed,
            shuffle=shuffle,
            probes=probes,
            one_epoch_per_call=bool(called),
            mesh=make_mesh(devices),
        )
        task, record = self.prepare_task(data, strict)
        early_stopping = arguments.early_stopping(
            task.metric_names(), data.validated, patience, monitor, mode, min_delta, target
        )
        keep_best = restore_best and (patience is not None or target is not None)
        train_state = begin_fit(self, early_stopping, keep_best)
        fingerprint = self._fingerprint(config, data, early_stopping, checkpoint or resume)
        if resume is None:
            config = dataclasses.replace(config, epochs=int(train_state.epoch) + config.epochs)
        else:
            train_state, self.history = checkpoints.read_checkpoint(
                resume, train_state, fingerprint
            )
        record = with_settings(record, config, data, early_stopping, keep_best)
        distributed.check_processes_agree(
            config.mesh,
            {"epochs": config.epochs, "callbacks": config.one_epoch_per_call, **fingerprint},
            train_state,
        )
        training = self._program(data, task, early_stopping, config, train_state)
        saving.add_notes(self, data.notes)
        main = distributed.is_main_process(config.mesh)
        with (
            Tracking(given if main else ()) as tracking,
            checkpoints.open_checkpoint(
                checkpoint if main else None, fingerprint, checkpoint_every
            ) as writer,
        ):
            if writer is not None:  # if the process is killed, the checkpoint can be examined
                with files.replacing(writer.folder) as new:
                    write_record(new, record)
            self.record = record
            tracked = TrackedFit(tracking, self, config, early_stopping, resume is not None)
            with TrainingProgress(
                verbose and main, data.epoch_count, config.epochs, early_stopping.monitor
            ) as progress:
                watch = FaultWatch(self.net, record, data.samples.x, progress.report, on_fault)
                listeners: list[Listener] = [
                    *(progress, watch, tracked, called.begin(self, config.epochs)),
                    *([of_whole_epochs(writer, training)] if writer is not None else []),
                ]
                progress.report_notes(self.history)
                train_state = run_training(
                    training, train_state, listeners, self.history, progress.was_interrupted
                )
            end_fit(self, train_state, early_stopping, progress.interrupted)
            called.end(self)
            divergence = None if progress.interrupted else self._divergence(training, train_state)
            diagnose_fit(self, task, record, data, divergence)
            if on_fault == "repair" and self.history.stopped in ("diverged", "fault"):
                doctor("repair").mend(self, data)
            tracked.end()
            progress.report_end(self.history)
            if writer is not None:
                writer.close()
        return self.history

    @with_standard_promotion
    def find_learning_rate(
        self,
        x: Any,
        y: Any = None,
        *,
        lowest: float = 1e-6,
        highest: float = 10.0,
        steps: int = 100,
        batch_size: int = DEFAULT_BATCH,
    ) -> RangeTest:
        """Try growing learning rates in one short training, which leaves the model unchanged.

        Args:
            x: inputs in memory, as in `fit`.
            y: targets, as in `fit`.
            lowest: the first rate.
            highest: the last.
            steps: how many steps, each at a higher rate.
            batch_size: samples of a step.

        Returns:
            The loss at each rate and a rate to start with; `gr.figures.range_test` draws it.
        """
        lowest, highest = number("lowest", lowest), number("highest", highest)
        if not 0 < lowest < highest:
            raise GradusError(
                f"lowest={lowest!r}, highest={highest!r}: write 0 < lowest < highest."
            )
        x, y, weight = check_arrays(x, y, None)
        self.build(x)
        self.check_input(x)
        task = self.task_for(x, y)
        size = min(whole_number("batch_size", batch_size, 1), len(jax.tree.leaves(x)[0]))
        count = whole_number("steps", steps, 2)
        samples = jax.device_put(Samples(x, y, weight))
        return run_range_test(
            self.net, self.optimizer, task, samples, lowest, highest, count, size, self.seed
        )

    def save(self, path: str | Path) -> Path:
        """Save the model to the folder `path`: settings, weights and history, without pickle.

        Warns:
            UserWarning: for a name that ends as a file of another library, such as "model.keras".

        Raises:
            SavedError: if the folder cannot be written, or is that of a run; what was saved there
                before stays intact.
        """
        return saving.save_model(self, arguments.folder_to_write("path", path))

    @classmethod
    def load(cls, path: str | Path, custom: Sequence[type] = ()) -> Model:
        """Return the model saved in the folder `path`; of a run, with a warning, the network alone.

        Args:
            path: the folder.
            custom: your own classes (layers, losses, ...) that the model uses.

        Raises:
            SavedError: if the folder holds no model, was altered, or needs a class not in `custom`.
        """
        return cast("Model", saving.load_model(arguments.folder("path", path), custom, True))

    def load_weights(self, path: str | Path, skip_missing: bool = False) -> list[str]:
        """Load saved weights into the built network, by the names of their layers.

        Args:
            path: the folder of a saved model, or a safetensors file.
            skip_missing: whether to skip weights that only one side has.

        Returns:
            The paths of the weights that were loaded.

        Raises:
            SavedError: if a weight does not fit; it names the layer and both shapes.
        """
        self.require_built("load_weights")
        skip_missing = flag("skip_missing", skip_missing)
        return saving.load_weights(self, arguments.folder("path", path), skip_missing)

    # --- the steps of fit ----------------------------------------------------------------------

    def _fingerprint(
        self, config: FitConfig, data: TrainingData, early_stopping: EarlyStopping, saved: Any
    ) -> dict[str, Any]:
        """Return the fingerprint of a training; empty if nothing will compare it."""
        if saved is None and not distributed.is_multi_process(config.mesh):
            return {}
        settings = {"net": self.net, "optimizer": self.optimizer, "task": self.task}
        found = checkpoints.training_fingerprint(
            config,
            *data.samples,
            data.rows,
            data.validation,
            **{"stopping": early_stopping, **settings},
        )
        return found | data.identity

    def _program(
        self,
        data: TrainingData,
        task: Task,
        early_stopping: EarlyStopping,
        config: FitConfig,
        train_state: TrainState,
    ) -> TrainingProgram | StreamProgram:
        """Return the program of a training, bound to its arguments."""
        parts = self.net, self.optimizer, task, early_stopping
        validation = data.validation_source()
        if isinstance(data, StreamedData):
            batches = data.checked_batches(functools.partial(self.check_batch, task))
            return StreamProgram.create(*parts, batches, data.first, data.steps, validation, config)
        samples, rows = data.for_batches(config.batch_size)
        return TrainingProgram.create(*parts, samples, rows, validation, config, train_state)

    def _divergence(
        self, training: TrainingProgram | StreamProgram, train_state: TrainState
    ) -> tuple[str, str] | None:
        """Return where a training diverged; of a stream, whose batches are gone, that is unknown.

        Raises:
            DataError: of a batch that could not be trained on.
        """
        if isinstance(training, StreamProgram):
            training.raise_error()
            return None
        if not train_state.diverged:
            return None
        task, samples, rows = training.components.task, training.samples, training.rows
        return locate_divergence(
            train_state, self.net, self.optimizer, task, samples, rows, training.config
        )
