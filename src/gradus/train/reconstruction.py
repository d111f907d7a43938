"""What an autoencoder learns: to give back its input."""

from __future__ import annotations

from typing import Any

import jax

from gradus.nn.layer import Layer
from gradus.nn.pytree import pytree, static
from gradus.train.batches import Batch
from gradus.train.task import Accumulators, Supervised, Task


@pytree
class Reconstruction(Task):
    """Inputs that are their own targets; they lie in memory once, and are gathered once.

    Attributes:
        supervised: how outputs are compared with inputs.
        added: what the mean of what the layers add to the loss is called in the history, such as
            "sparsity"; "" where it is not told apart.
    """

    supervised: Supervised
    added: str = static(default="")

    def measure(self, net: Layer, batch: Batch) -> tuple[jax.Array, Accumulators]:
        """Return the loss of the outputs against the inputs, and the sums."""
        return self.supervised.measure(net, batch._replace(y=batch.x))

    def compute(self, sums: Accumulators) -> dict[str, jax.Array]:
        """Return "loss", each metric, and what the layers have added."""
        found = self.supervised.compute(sums)
        return found | ({self.added: sums["penalty"] / sums["samples"]} if self.added else {})

    def metric_names(self) -> list[str]:
        """Return the names that `compute` gives."""
        return self.supervised.metric_names() + ([self.added] if self.added else [])

    def predict(self, heads: Any) -> Any:
        """Return the reconstruction: with "binary_crossentropy" probabilities, else the outputs."""
        return self.supervised.predict(heads)
