"""Rosenblatt's perceptron and its learning rule."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.checks import number
from gradus.data.arrays import as_array
from gradus.diagnosis.record import Record
from gradus.errors import DataError, counted
from gradus.models.inputs.training_data import TrainingData
from gradus.models.model import Model
from gradus.nn.activations import step
from gradus.nn.layer import Layer
from gradus.nn.layers.dense import Dense
from gradus.nn.network import forward
from gradus.nn.pytree import pytree
from gradus.optim.optimizers import SGD
from gradus.space import given_values
from gradus.train.batches import Batch
from gradus.train.history import History
from gradus.train.tasks.base import Accumulators, Task


@pytree
class PerceptronRule(Task):
    """The rule `w ← w + η (y − ŷ) x`, written as gradient descent.

    It is the descent of `Σ (ŷ − y) z`, with `z = x·w + b` and the output `ŷ = step(z − θ)` held
    fixed: the derivative with respect to w is `(ŷ − y) x` (Rosenblatt 1958).

    Attributes:
        threshold: θ, which the weighted sum must exceed.
    """

    threshold: float = 0.0

    def measure(self, net: Layer, batch: Batch) -> tuple[jax.Array, Accumulators]:
        """Return the surrogate loss of the batch, and the numbers of errors and of samples."""
        z = forward(net, batch.x).logits  # (batch, units)
        error = jax.lax.stop_gradient(step(z - self.threshold)) - batch.y
        surrogate = jnp.sum(batch.weight * jnp.sum(error * z, axis=-1))
        is_wrong = batch.present * jnp.any(error != 0, axis=-1)
        return surrogate, {"errors": jnp.sum(is_wrong), "samples": jnp.sum(batch.present)}

    def compute(self, accumulators: Accumulators) -> dict[str, jax.Array]:
        """Return the number of errors and the accuracy; "loss" is the share of errors."""
        errors = accumulators["errors"]
        share = errors / jnp.maximum(accumulators["samples"], 1)
        return {"loss": share, "errors": errors, "accuracy": 1 - share}

    def metric_names(self) -> list[str]:
        """Return the names of the numbers that `compute` returns."""
        return ["loss", "errors", "accuracy"]

    def predict(self, heads: Any) -> jax.Array:
        """Return 0 or 1 for each unit."""
        return step(heads.logits - self.threshold)


class Perceptron(Model):
    """One layer of threshold units, `ŷ = 1 if x·w + b > θ else 0`, trained by its own rule.

    Each misclassified sample updates the weights, `w ← w + η (y − ŷ) x`, until an epoch passes
    without an error or all epochs are done. If a hyperplane separates the classes, training
    converges (Novikoff 1962): AND and OR are separable, XOR is not. Weights start at zero.

    Args:
        units: the number of outputs.
        learning_rate: η; with weights of zero and θ = 0 its value does not change the decisions.
        threshold: θ.

    Examples:
        >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
        >>> model = gr.Perceptron()
        >>> history = model.fit(x, x.all(1), epochs=20, verbose=False)  # AND
        >>> model.predict_classes(x).tolist(), model.separated
        ([0, 0, 0, 1], True)
    """

    def __init__(self, units: int = 1, learning_rate: float = 1.0, threshold: float = 0.0) -> None:
        for value in given_values(threshold):
            number("threshold", value)
        net = Dense(units, kernel_initializer="zeros")
        super().__init__(net, PerceptronRule(threshold), SGD(learning_rate))
        self.settings = {"units": units, "learning_rate": learning_rate, "threshold": threshold}
        self.units = units

    def fit(  # type: ignore[override]  # the rule fixes batch size and monitor
        self, x: Any, y: Any, *, epochs: int = 100, shuffle_seed: int = 0, **options: Any
    ) -> History:
        """Train sample by sample until an epoch passes without an error.

        Args:
            x: inputs, `(n, d)`.
            y: targets 0 or 1, `(n,)` for one unit or `(n, units)`.
            epochs: the maximum number of epochs.
            shuffle_seed: of the order of samples.
            options: other arguments of `Model.fit`, such as `verbose`.

        Raises:
            DataError: for targets other than 0 and 1 or of another shape.
        """
        targets = self._check_targets(y)
        history = super().fit(
            x,
            targets,
            epochs=epochs,
            batch_size=1,
            shuffle_seed=shuffle_seed,
            monitor="errors",
            mode="min",
            target=0,
            restore_best=False,
            **options,
        )
        if not self.separated:
            history.add_note(
                f"After {counted(history.epochs, 'epoch')} {int(history['errors'][-1])} of "
                f"{len(targets)} samples were still wrong in the last one: perhaps no hyperplane "
                "separates these classes, as for XOR. A network with a hidden layer can: gr.mlp."
            )
        return history

    def record_before(self, task: Task, data: TrainingData) -> Record:
        """Return the record of an experiment, whose rule is not that of `SGD`: any η is right."""
        record = super().record_before(task, data)
        settings = record.settings and dataclasses.replace(record.settings, optimizer="Perceptron")
        return dataclasses.replace(record, settings=settings)

    def evaluate(
        self, x: Any, y: Any = None, sample_weight: Any = None, **options: Any
    ) -> dict[str, Any]:
        """Return the number of errors and the accuracy on some data, as `Model.evaluate` does."""
        return super().evaluate(x, self._check_targets(y), sample_weight, **options)

    def predict_classes(self, x: Any) -> np.ndarray:
        """Return the outputs 0 and 1, `(n,)` for one unit or `(n, units)`."""
        outputs = self.predict(x).astype(np.int32)
        return outputs[:, 0] if self.units == 1 else outputs

    @property
    def separated(self) -> bool:
        """Whether the last epoch passed without an error."""
        return bool(self.history.epochs and self.history["errors"][-1] == 0)

    def _check_targets(self, y: Any) -> np.ndarray:
        targets = as_array(y, "y")
        targets = targets[:, None] if targets.ndim == 1 else targets
        if targets.ndim != 2 or targets.shape[1] != self.units:
            raise DataError(
                f"y has shape {np.shape(y)}: write (n,) for one unit or (n, {self.units})."
            )
        if not np.isin(targets, (0, 1)).all():
            raise DataError(f"y has the values {np.unique(targets)[:5]}: write 0 and 1.")
        return targets.astype(np.float32)
