"""The object that people hold: a network, what it learns, how, and what happened so far."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.data.arrays import as_tree, check_finite, check_same_length
from gradus.data.splits import split
from gradus.errors import DataError, GradusError, ShapeError, unknown
from gradus.models import arguments
from gradus.models.arguments import DEFAULT_BATCH, whole
from gradus.models.objective import check, prepared, supervised
from gradus.nn.layer import Layer
from gradus.nn.network import init, replace, weights
from gradus.optim import optimizers
from gradus.train import checkpoint as checkpoints
from gradus.train import inference, loop, probes
from gradus.train.fault import locate
from gradus.train.history import History
from gradus.train.program import Carry, Data, start
from gradus.train.progress import Progress
from gradus.train.stopping import Stopping
from gradus.train.task import Task

Callback = Callable[["Model", int, Mapping[str, float]], Any]
# Numbers of which more is better; of all others less is.
GROWING = ("accuracy", "precision", "recall", "f1", "auc", "r2", "top_k")


class Model:
    """A network with its loss, optimiser and metrics: trained, measured, used and saved.

    Args:
        net: a layer, usually `Sequential`; it is copied and built when the data are first seen.
        loss: a name, a loss or a function of `(y_true, y_pred)`; for several outputs a dict or a
            list of them; or a `Task` of one's own.
        optimizer: a name or an optimiser.
        metrics: names, metrics or functions.
        loss_weights: for several outputs the share of each loss.
        penalty: a penalty on every kernel, such as `L2(1e-4)`.
        seed: of the weights, dropout and noise.

    Attributes:
        net: the network; built after the first `fit`, `build` or `load`.
        history: the record of all training so far.

    Raises:
        GradusError: for unknown names, with the nearest valid one.
    """

    def __init__(
        self,
        net: Layer,
        loss: Any,
        optimizer: Any = "adam",
        metrics: Any = (),
        loss_weights: Any = None,
        penalty: Any = None,
        seed: int = 0,
    ) -> None:
        if not isinstance(net, Layer):
            raise GradusError(
                f"Model(net=…) takes a layer such as Sequential([...]), not {net!r}."
            )
        self.settings = {
            "net": net,
            "loss": loss,
            "optimizer": optimizer,
            "metrics": metrics,
            "loss_weights": loss_weights,
            "penalty": penalty,
            "seed": whole("seed", seed),
        }
        self.net = net
        self.optimizer = optimizers.get(optimizer)
        self.task = loss if isinstance(loss, Task) else supervised(loss, metrics, loss_weights, penalty)
        self.seed = seed
        self.history = History()
        self._carry: Carry | None = None
        self._example: Any = None

    @property
    def built(self) -> bool:
        """Whether the network has its weights."""
        return self.net.built

    def build(self, x: Any) -> Model:
        """Draw the weights for inputs like `x`, a batch of them; `fit` does it by itself."""
        if not self.built:
            self._example = arguments.shapes_of(as_tree(x))
            self.net = init(self.net, self.seed, self._example)
        return self

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
        shuffle_seed: int = 0,
        patience: float | None = None,
        monitor: str | None = None,
        min_delta: float = 0.0,
        target: float | None = None,
        restore_best: bool = True,
        callbacks: Sequence[Callback] = (),
        checkpoint: str | Path | None = None,
        checkpoint_every: float = 30.0,
        resume: str | Path | None = None,
        probes: bool = True,
        verbose: bool = True,
    ) -> History:
        """Train for `epochs` more epochs; a second call goes on where the first one ended.

        Args:
            x: inputs, `(n, ...)`: an array, or a dict or tuple of arrays for several inputs.
            y: targets, `(n, ...)`; None for a task that needs none.
            batch_size: samples of a step, 1 for online training, None for all (full batch). The
                default is lowered to the number of samples where those are fewer.
            epochs: how often each sample is seen.
            validation_split: the share of samples, drawn at random and by class where y are
                labels, that is not trained on but measured after each epoch.
            validation_data: `(x, y)` or `(x, y, weight)` to measure instead.
            class_weight: a dict from label to weight, or "balanced".
            sample_weight: the weight of each sample in the loss, `(n,)`.
            shuffle_seed: of the order of samples and of the validation split.
            patience: epochs without improvement after which training stops; None for never.
            monitor: what is watched, such as "val_loss" (the default with validation, else
                "loss") or "val_accuracy".
            min_delta: what counts as an improvement is more than this.
            target: training stops when the watched number is at least as good.
            restore_best: whether, with `patience` or `target`, the best epoch's weights are kept.
            callbacks: functions `f(model, epoch, logs)` called after each epoch; one that returns
                True ends the training.
            checkpoint: a folder that is written from time to time, to go on from.
            checkpoint_every: seconds between two checkpoints.
            resume: a checkpoint's folder to go on from, to `epochs` in all, bit for bit as if
                training had never been interrupted.
            probes: whether the layers' vital signs are recorded, at a few percent of the time.
            verbose: whether progress is shown.

        Returns:
            The record of all training so far.

        Raises:
            DataError: for data that cannot be trained on.
            GradusError: for settings that cannot be.
        """
        x, y, weight = arguments.arrays(x, y, sample_weight, class_weight)
        self._check_input(x)
        rows, measured = self._validation(x, y, weight, validation_split, validation_data, shuffle_seed)
        count = len(rows) if rows is not None else len(jax.tree.leaves(x)[0])
        regime = loop.Regime(
            epochs=whole("epochs", epochs),
            batch_size=arguments.batch_size(batch_size, count, self.optimizer.full_batch),
            seed=self.seed,
            shuffle_seed=whole("shuffle_seed", shuffle_seed),
            probes=probes,
            each=bool(callbacks),
        )
        self.build(jax.tree.map(lambda a: a[:2], x))
        task = self._ready(x, y)
        stopping = self._stopping(
            task, x, y, measured is not None, patience, monitor, min_delta, target
        )
        keep_best = restore_best and (patience is not None or target is not None)
        carry, regime = self._begin(stopping, keep_best, regime, resume)
        if regime.batch_size is None and rows is not None:
            x, y, weight = jax.tree.map(lambda a: a[rows], (x, y, weight))
            rows = None
        data = jax.device_put(Data(x, y, weight))
        feed = None
        if measured is not None:
            held, held_rows = measured
            # A split shares the training's arrays, so that nothing is held in memory twice.
            feed = loop.validation_feed(data if held is None else jax.device_put(held), held_rows)
        watchers: list[loop.Watcher] = [self._callback(callback) for callback in callbacks]
        if checkpoint is not None:
            watchers.append(checkpoints.Writer(Path(checkpoint), self, checkpoint_every))
        with Progress(verbose, count, regime.epochs) as progress:
            watchers.insert(0, progress)
            carry = loop.train(
                carry, self.net, self.optimizer, task, stopping, data, rows, feed, regime,
                watchers, self.history,
            )
        self._conclude(carry, task, data, rows, regime, keep_best, progress)
        return self.history

    def evaluate(self, x: Any, y: Any = None, sample_weight: Any = None) -> dict[str, Any]:
        """Return the loss and the metrics on some data, exact for any number of rows."""
        self._require_built("evaluate")
        x, y, weight = arguments.arrays(x, y, sample_weight, None)
        self._check_input(x)
        task = self._ready(x, y)
        found = inference.evaluate(self.net, task, x, y, weight)
        return {name: float(v) if v.ndim == 0 else v for name, v in found.items()}

    def predict(self, x: Any, logits: bool = False) -> Any:
        """Return predictions, `(n, ...)`: probabilities where the loss is about classes.

        Args:
            x: inputs, as in `fit`.
            logits: whether outputs are given before the final softmax or sigmoid.
        """
        self._require_built("predict")
        x = as_tree(x)
        check_same_length(x)
        check_finite(x)
        self._check_input(x)
        return inference.predict(self.net, self.task, x, logits)

    def predict_classes(self, x: Any) -> Any:
        """Return the most probable class of each row, integers `(n,)`.

        With one sigmoid output that is 1 where its probability exceeds ½; with several, for
        several labels a sample, an array `(n, labels)` of 0 and 1.
        """
        return jax.tree.map(arguments.classes_of, self.predict(x), self._flags())

    def save(self, path: str | Path) -> Path:
        """Save the model to the folder `path`: settings, weights and history, without pickle.

        Raises:
            SavedError: if the folder cannot be written; a former one stays whole.
        """
        from gradus.models.saving import save

        return save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, custom: Sequence[type] = ()) -> Model:
        """Return the model saved in the folder `path`.

        Args:
            path: the folder.
            custom: classes of one's own (layers, losses, ...) that the model uses.

        Raises:
            SavedError: if the folder is no model's, was altered, or needs a class not given.
        """
        from gradus.models.saving import load

        return load(Path(path), custom)

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """The weights by path, as NumPy arrays: "dense_1/kernel"."""
        self._require_built("weights")
        return {path: np.asarray(value) for path, value in weights(self.net).items()}

    def set_weights(self, values: Mapping[str, Any]) -> None:
        """Replace weights by path.

        Raises:
            GradusError: if a path is unknown.
            ShapeError: if a shape does not fit; it names the weight and both shapes.
        """
        have = self.weights
        for path, value in values.items():
            if path not in have:
                raise unknown("weight", path, have)
            if np.shape(value) != have[path].shape:
                raise ShapeError(
                    f"The weight {path!r} has shape {have[path].shape} but was given "
                    f"{np.shape(value)}."
                )
        made = {path: jnp.asarray(value, jnp.float32) for path, value in values.items()}
        self.net = replace(self.net, made)
        if self._carry is not None:
            now = weights(self.net, "param"), weights(self.net, "state")
            self._carry = dataclasses.replace(self._carry, params=now[0], state=now[1])

    def summary(self) -> str:
        """Return a table of the layers: shapes, weights and floating-point operations a sample."""
        from gradus.models.summary import summary

        self._require_built("summary")
        return summary(self.net, self._example)

    def __repr__(self) -> str:
        return f"Model({self.net!r}, optimizer={self.optimizer!r})"

    # --- the steps of fit ----------------------------------------------------------------------

    def _ready(self, x: Any, y: Any) -> Any:
        """Return the task fitted to the targets, after all checks of network, loss and data."""
        from gradus.train.task import Supervised

        if not isinstance(self.task, Supervised):
            return self.task
        if y is None:
            raise DataError("fit and evaluate need targets: write fit(x, y).")
        notes = check(self.net, self.task, jax.tree.map(lambda a: a[:64], x), y)
        for note in notes:
            if note not in self.history.notes:
                self.history.notes.append(note)
        return prepared(self.task, y)

    def _validation(
        self, x: Any, y: Any, weight: Any, share: float, given: Any, seed: int
    ) -> tuple[np.ndarray | None, tuple[Data | None, np.ndarray | None] | None]:
        """Return the rows to train on (None: all) and what to measure: data and rows, or None."""
        if given is not None:
            if share:
                raise GradusError("Give validation_split or validation_data, not both.")
            parts = tuple(given)
            if not 1 <= len(parts) <= 3:
                raise DataError("validation_data is (x, y) or (x, y, weight).")
            where = "validation x", "validation y"
            held = arguments.arrays(*(*parts, None, None)[:3], None, where)
            return None, (Data(*held), None)
        if not share:
            return None, None
        if not isinstance(share, int | float) or not 0 < share < 1:
            raise GradusError(f"validation_split={share!r}: write a share between 0 and 1.")
        labels = y if isinstance(y, np.ndarray) and y.dtype.kind in "iub" else None
        by = labels if labels is not None and labels.ndim == 1 else len(jax.tree.leaves(x)[0])
        train_rows, held_rows = split(by, share, seed)
        return train_rows, (None, held_rows)

    def _stopping(
        self, task: Task, x: Any, y: Any, validated: bool, patience: Any, monitor: Any,
        min_delta: float, target: Any,
    ) -> Stopping:
        names = task.names()
        known = names + [f"val_{name}" for name in names] if validated else names
        monitor = monitor or ("val_loss" if validated else "loss")
        if monitor not in known:
            raise unknown("monitor", monitor, known)
        if patience is not None and (not isinstance(patience, int | float) or patience < 1):
            raise GradusError(f"patience={patience!r}: write a number of epochs of at least 1.")
        mode = "max" if any(word in monitor for word in GROWING) else "min"
        worst = -math.inf if mode == "min" else math.inf
        return Stopping(
            monitor=monitor,
            mode=mode,
            patience=math.inf if patience is None else patience,
            min_delta=min_delta,
            target=worst if target is None else target,
        )

    def _begin(
        self, stopping: Stopping, keep_best: bool, regime: loop.Regime, resume: Any
    ) -> tuple[Carry, loop.Regime]:
        """Return the carry to go on from, and the regime with its last epoch."""
        if not self.history.epochs:
            notes = self.history.notes
            self.history = History(*probes.names(self.net))
            self.history.notes = notes
        carry = self._carry or start(self.net, self.optimizer, stopping, False)
        best = jax.tree.map(jnp.copy, (carry.params, carry.state)) if keep_best else None
        never = jnp.bool_(False)
        carry = dataclasses.replace(
            carry, best=best, stopping=stopping.start(), stopped=never, failed=never
        )
        if resume is not None:
            carry, self.history = checkpoints.read(Path(resume), carry)
            return carry, regime
        return carry, dataclasses.replace(regime, epochs=int(carry.epoch) + regime.epochs)

    def _callback(self, callback: Callback) -> loop.Watcher:
        def watch(carry: Carry, history: History) -> bool:
            self.net = replace(self.net, carry.params | carry.state)
            return bool(callback(self, int(carry.epoch), history.last()))

        return watch

    def _conclude(
        self, carry: Carry, task: Any, data: Data, rows: Any, regime: loop.Regime,
        keep_best: bool, progress: Progress,
    ) -> None:
        """Take the weights over and say how training ended."""
        history = self.history
        if progress.interrupted:
            history.stopped = "interrupted"
        elif bool(carry.failed):
            history.stopped = "diverged"
            history.notes.append(
                locate(carry, self.net, self.optimizer, task, data, rows, regime)
            )
        elif bool(carry.stopped):
            history.stopped = "patience"
        self._carry = carry
        params, state = carry.params, carry.state
        if keep_best and int(carry.stopping["epoch"]):
            history.best_epoch = int(carry.stopping["epoch"])
            params, state = carry.best
            self._carry = dataclasses.replace(carry, params=params, state=state)
        self.net = replace(self.net, params | state)
        progress.conclude(history)

    def _check_input(self, x: Any) -> None:
        """Refuse inputs that the built network cannot take."""
        if self._example is None:
            return
        have = jax.tree.map(lambda a: tuple(a.shape[1:]), self._example)
        given = jax.tree.map(lambda a: tuple(a.shape[1:]), x)
        if have != given:
            raise ShapeError(
                f"The network was built for samples of shape {have} but x has samples of shape "
                f"{given}."
            )

    def _require_built(self, verb: str) -> None:
        if not self.built:
            raise GradusError(f"{verb}: the network has no weights yet; call fit or build(x) first.")

    def _flags(self) -> Any:
        from gradus.train.task import Supervised

        if not isinstance(self.task, Supervised):
            return None
        return jax.tree.map(
            lambda target: target.loss.kind == "flags",
            self.task.targets,
            is_leaf=lambda part: hasattr(part, "loss"),
        )
