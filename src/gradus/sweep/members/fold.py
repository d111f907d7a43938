"""One division of the data: the samples that members train on, and those that judge them."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from jax.sharding import Mesh

from gradus.models.training_data import TrainingData
from gradus.train import loop
from gradus.train.batches import BatchSource, Samples


@dataclasses.dataclass(frozen=True)
class Fold:
    """Samples on the device: what is trained on, and what is evaluated.

    Attributes:
        data: as they were given, in the host's memory.
        samples: all of them, on the device.
        validation: the batches to evaluate, on the device.
        number: which of several folds this is.
        replicas: arrays of this fold, and of the others of the same samples, that are whole on
            each of several devices, where they were asked for.
    """

    data: TrainingData
    samples: Samples
    validation: BatchSource | None
    number: int = 0
    replicas: dict[Mesh, loop.DeviceArrays] = dataclasses.field(default_factory=dict)

    @classmethod
    def create(cls, data: TrainingData, number: int = 0) -> Fold:
        """Return samples put on the device."""
        samples, validation = loop.put_on_device((data.samples, data.validation_source()))
        return cls(data, samples, validation, number)

    def with_rows(self, rows: np.ndarray, held: np.ndarray, number: int) -> Fold:
        """Return the same samples, on the device once, with other rows held out."""
        data = dataclasses.replace(self.data, rows=rows, validation=held)
        samples = self.samples
        if data.sample_weight is not None:
            samples = samples._replace(weight=data.sample_weight)
        validation = jax.device_put(loop.validation_source(samples, held))
        return Fold(data, self.samples, validation, number, self.replicas)

    def on_devices(self, mesh: Mesh) -> tuple[Samples, BatchSource | None]:
        """Return samples and validation batches, whole on each of some devices, copied once."""
        known = self.replicas.setdefault(mesh, {})
        both: tuple[Samples, BatchSource | None] = loop.put_on_device(
            (self.samples, self.validation), mesh, known
        )
        return both
