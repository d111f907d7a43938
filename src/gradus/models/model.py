"""The object that people hold: a network, what it learns, how, and what happened so far."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.data.arrays import as_tree, check_finite, check_same_length
from gradus.errors import DataError, GradusError, ShapeError, unknown
from gradus.models import arguments
from gradus.models.arguments import DEFAULT_BATCH, whole
from gradus.models.course import begin, conclude
from gradus.models.objective import check, prepared, supervised
from gradus.models.samples import Samples, arrays, samples
from gradus.nn.layer import Layer
from gradus.nn.network import outline, replace, weights
from gradus.optim import optimizers
from gradus.settings import find
from gradus.space import Space
from gradus.train import checkpoint as checkpoints
from gradus.train import distributed, inference, loop, memory
from gradus.train.devices import mesh_of
from gradus.train.fault import locate
from gradus.train.finder import RangeTest, range_test
from gradus.train.history import History
from gradus.train.program import Carry, Data
from gradus.train.progress import Progress
from gradus.train.reconstruction import Reconstruction
from gradus.train.task import Supervised, Target, Task

Callback = Callable[["Model", int, Mapping[str, float]], Any]


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
        spaces: the hyperparameters that are sets of values, by name; a model with any is for
            `Sweep`.
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
        if not isinstance(net, Layer | Space):
            raise GradusError(f"Model(net=…) takes a layer such as Sequential([...]), not {net!r}.")
        self.settings = {
            "net": net,
            "loss": loss,
            "optimizer": optimizer,
            "metrics": metrics,
            "loss_weights": loss_weights,
            "penalty": penalty,
            "seed": seed,
        }
        self.net, self.optimizer, self.task, self.seed = net, optimizer, loss, seed
        self.spaces = find(self.settings)
        if not self.spaces:
            self.seed = whole("seed", seed)
            self.optimizer = optimizers.get(optimizer)
            if not isinstance(loss, Task):
                self.task = supervised(loss, metrics, loss_weights, penalty)
        self.history = History()
        self._carry: Carry | None = None
        self._watched: tuple[str, str] | None = None
        self._example: Any = None

    @property
    def built(self) -> bool:
        """Whether the network has its weights."""
        return self.net.built

    def build(self, x: Any) -> Model:
        """Draw the weights for inputs like `x`, a batch of them; `fit` does it by itself."""
        self._require_values()
        if self._example is None:
            self._example = arguments.shapes_of(as_tree(x))
        if not self.built:
            made = outline(self.net, self._example)
            memory.check_weights(made, memory.host_free())
            self.net = made.draw(self.seed)
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
        mode: str | None = None,
        min_delta: float = 0.0,
        target: float | None = None,
        restore_best: bool = True,
        callbacks: Sequence[Callback] = (),
        checkpoint: str | Path | None = None,
        checkpoint_every: float = 30.0,
        resume: str | Path | None = None,
        probes: bool = True,
        devices: Any = None,
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
            class_weight: a dict from label to weight, or "balanced"; validation is without it.
            sample_weight: the weight of each sample in the loss, `(n,)`: a batch's loss is
                `Σ w l / n`, as in Keras, so that a weight of 2 is a sample seen twice.
            shuffle_seed: of the order of samples and of the validation split.
            patience: epochs without improvement after which training stops; None for never.
            monitor: what is watched, such as "val_loss" (the default with validation, else
                "loss") or "val_accuracy".
            mode: "min" or "max", whether less or more of it is better, where its name does not
                tell.
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
            devices: how many devices share each batch, or "all" of them; None for one. The result
                is the same to rounding. See `gr.distributed` for several processes.
            verbose: whether progress is shown.

        Returns:
            The record of all training so far.

        Raises:
            DataError: for data that cannot be trained on.
            GradusError: for settings that cannot be.
        """
        self._require_values()
        arguments.refuse_spaces(locals())
        shuffle_seed = whole("shuffle_seed", shuffle_seed)
        split = validation_split, validation_data, shuffle_seed
        given = samples(x, y, sample_weight, class_weight, *split)
        self._check_input(given.data.x)
        regime = loop.Regime(
            epochs=whole("epochs", epochs),
            batch_size=arguments.batch_size(batch_size, given.count, self.optimizer.full_batch),
            seed=self.seed,
            shuffle_seed=shuffle_seed,
            probes=probes,
            each=bool(callbacks),
            mesh=mesh_of(devices),
        )
        task = self._prepared(given)
        stopping = arguments.stopping(
            task.names(), given.held is not None, patience, monitor, mode, min_delta, target
        )
        keep_best = restore_best and (patience is not None or target is not None)
        terms: dict[str, Any] = {}
        leads = distributed.leads(regime.mesh)
        if checkpoint is not None or resume is not None or distributed.several(regime.mesh):
            settings = {"net": self.net, "optimizer": self.optimizer, "task": self.task}
            data_terms = regime, *given.data, given.rows, given.held
            terms = checkpoints.terms(*data_terms, stopping=stopping, **settings)
        carry = begin(self, stopping, keep_best)
        if resume is None:
            regime = dataclasses.replace(regime, epochs=int(carry.epoch) + regime.epochs)
        else:
            carry, self.history = checkpoints.read(Path(resume), carry, terms)
        terms_of_all = {"epochs": regime.epochs, "callbacks": regime.each, **terms}
        distributed.check_same(regime.mesh, terms_of_all, carry)
        data, rows = given.whole() if regime.batch_size is None else (given.data, given.rows)
        watchers: list[loop.Watcher] = [self._callback(callback) for callback in callbacks]
        writer = None
        if checkpoint is not None and leads:
            writer = checkpoints.Writer(Path(checkpoint), terms, checkpoint_every)
            watchers.append(writer)
        with Progress(verbose and leads, given.count, regime.epochs) as progress:
            watchers.insert(0, progress)
            course = loop.Course.of(
                self.net, self.optimizer, task, stopping, data, rows, given.feed(), regime, carry
            )
            carry = loop.train(course, carry, watchers, self.history)
        conclude(self, carry, stopping, progress.interrupted)
        if bool(carry.failed) and not progress.interrupted:
            place = locate(carry, self.net, self.optimizer, task, data, rows, regime)
            self.history.notes.append(place)
        progress.conclude(self.history)
        if writer is not None:
            writer.close()
        return self.history

    def evaluate(self, x: Any, y: Any = None, sample_weight: Any = None) -> dict[str, Any]:
        """Return the loss and the metrics on some data, exact for any number of rows."""
        self._require_built("evaluate")
        x, y, weight = arrays(x, y, sample_weight)
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
        if not isinstance(self.task, Supervised):
            raise GradusError("predict_classes needs a loss; this model has a task of its own.")
        predicted, targets = self.predict(x), self.task.targets
        if isinstance(targets, Target):
            return arguments.classes_of(predicted, targets.loss)
        if isinstance(targets, dict):
            return {n: arguments.classes_of(predicted[n], targets[n].loss) for n in targets}
        pairs = zip(predicted, targets, strict=True)
        return tuple(arguments.classes_of(each, target.loss) for each, target in pairs)

    def find_learning_rate(
        self,
        x: Any,
        y: Any,
        *,
        lowest: float = 1e-6,
        highest: float = 10.0,
        steps: int = 100,
        batch_size: int = DEFAULT_BATCH,
    ) -> RangeTest:
        """Try growing learning rates on one short training, which leaves the model as it is.

        Args:
            x: inputs, as in `fit`.
            y: targets, as in `fit`.
            lowest: the first rate.
            highest: the last.
            steps: how many steps, each at a higher rate.
            batch_size: samples of a step.

        Returns:
            The loss at each rate and a rate to start with; `gr.figures.range_test` draws it.
        """
        if not 0 < lowest < highest:
            raise GradusError(
                f"lowest={lowest!r}, highest={highest!r}: write 0 < lowest < highest."
            )
        x, y, weight = arrays(x, y, None)
        self.build(jax.tree.map(lambda a: a[:2], x))
        self._check_input(x)
        task = self._ready(x, y)
        size = min(whole("batch_size", batch_size, 1), len(jax.tree.leaves(x)[0]))
        count = whole("steps", steps, 2)
        data = jax.device_put(Data(x, y, weight))
        return range_test(
            self.net, self.optimizer, task, data, lowest, highest, count, size, self.seed
        )

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

    def load_weights(self, path: str | Path, skip_missing: bool = False) -> list[str]:
        """Put saved weights into the built network, by the names of their layers.

        Args:
            path: the folder of a saved model, or a safetensors file.
            skip_missing: whether weights that only one side has are passed over.

        Returns:
            The paths of the weights that were loaded.

        Raises:
            SavedError: if a weight does not fit; it names the layer and both shapes.
        """
        from gradus.models.saving import load_weights

        self._require_built("load_weights")
        return load_weights(self, Path(path), skip_missing)

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

    def _prepared(self, given: Samples) -> Task:
        """Build the network for the samples, and return the task fitted to them."""
        self.build(given.example)
        arguments.check_trainable(self.net, self.optimizer.layer_rates)
        task: Task = self._ready(given.data.x, given.data.y)
        if isinstance(given.held, Data):
            self._check_input(given.held.x)
            self._ready(given.held.x, given.held.y, "validation y")
        return task

    def _ready(self, x: Any, y: Any, where: str = "y") -> Any:
        """Return the task fitted to the targets, after all checks of network, loss and data."""
        if isinstance(self.task, Reconstruction):
            if y is not None:
                raise DataError("An autoencoder's target is its input: write fit(x), without y.")
            objective = self._checked(self.task.objective, x, x, where.replace("y", "x"))
            return dataclasses.replace(self.task, objective=objective)
        if not isinstance(self.task, Supervised):
            return self.task
        if y is None:
            raise DataError("fit and evaluate need targets: write fit(x, y).")
        return self._checked(self.task, x, y, where)

    def _checked(self, task: Supervised, x: Any, y: Any, where: str) -> Supervised:
        """Return what is supervised fitted to the targets, and note what is doubtful."""
        notes = check(self.net, task, jax.tree.map(lambda a: a[:64], x), y, where)
        for note in notes:
            if note not in self.history.notes:
                self.history.notes.append(note)
        return prepared(task, y)

    def _callback(self, callback: Callback) -> loop.Watcher:
        def watch(carry: Carry, history: History) -> bool:
            self._carry = carry
            self.net = replace(self.net, carry.params | carry.state)
            return bool(callback(self, int(carry.epoch), history.last()))

        return watch

    def _check_input(self, x: Any) -> None:
        """Refuse inputs that the built network cannot take."""
        if self._example is not None:
            arguments.check_shapes(self._example, x)

    def _require_values(self) -> None:
        for name, hyper in self.spaces.items():
            raise GradusError(
                f"{name} is {hyper.space!r}, a set of values: to try them write "
                "gr.Sweep(model, trials=…).fit(x, y), or give it one value."
            )

    def _require_built(self, verb: str) -> None:
        if not self.built:
            raise GradusError(f"{verb}: the network has no weights yet; call fit or build(x).")
