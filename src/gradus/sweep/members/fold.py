"""One split of the data: the samples to train on and the samples to validate on."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from jax.sharding import Mesh

from gradus.models.inputs.training_data import TrainingData
from gradus.train.batches import BatchSource, Samples, validation_source
from gradus.train.devices import DeviceArrays, put_on_device


@dataclasses.dataclass(frozen=True)
class Fold:
    """The training samples and validation batches of members, on the device.

    Attributes:
        data: the data in host memory.
        samples: all samples, on the device.
        validation: the validation batches, on the device.
        number: the number of the fold.
        replicas: copies of the arrays on several devices, shared by all folds of these samples.
    """

    data: TrainingData
    samples: Samples
    validation: BatchSource | None
    number: int = 0
    replicas: dict[Mesh, DeviceArrays] = dataclasses.field(default_factory=dict)

    @classmethod
    def create(cls, data: TrainingData, number: int = 0) -> Fold:
        """Return a fold whose samples are put on the device."""
        samples, validation = put_on_device((data.samples, data.validation_source()))
        return cls(data, samples, validation, number)

    def with_rows(self, rows: np.ndarray, held: np.ndarray, number: int) -> Fold:
        """Return a fold of the same device arrays with other rows held out."""
        data = dataclasses.replace(self.data, rows=rows, validation=held)
        unweighted = self.samples._replace(weight=data.sample_weight)  # class weights train only
        validation = jax.device_put(validation_source(unweighted, held))
        return Fold(data, self.samples, validation, number, self.replicas)

    def on_devices(self, mesh: Mesh) -> tuple[Samples, BatchSource | None]:
        """Return samples and validation batches replicated on several devices, copied once."""
        copied = self.replicas.setdefault(mesh, {})
        both: tuple[Samples, BatchSource | None] = put_on_device(
            (self.samples, self.validation), mesh, copied
        )
        return both
