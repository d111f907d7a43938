"""What an autoencoder learns: to reproduce its input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradus.nn.heads import Head
from gradus.nn.layer import Layer
from gradus.nn.pytree import pytree, static
from gradus.train.batches import Batch
from gradus.train.tasks.base import Accumulators, Supervised, Task

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree, Shaped


@pytree
class Reconstruction(Task):
    """Inputs that are their own targets; memory holds them once, and each step gathers them once.

    Attributes:
        supervised: how outputs are compared with inputs.
        added: the name in the history of the mean loss that layers add, such as "sparsity"; "" to
            leave it out.
    """

    supervised: Supervised
    added: str = static(default="")

    def measure(self, net: Layer, batch: Batch) -> tuple[Float[Array, ""], Accumulators]:
        """Return the loss of the outputs against the inputs, and the sums."""
        return self.supervised.measure(net, batch._replace(y=batch.x))

    def compute(self, accumulators: Accumulators) -> dict[str, Shaped[Array, "..."]]:
        """Return "loss", each metric, and the loss that layers add."""
        computed = self.supervised.compute(accumulators)
        if self.added:
            computed[self.added] = accumulators["penalty"] / accumulators["samples"]
        return computed

    def metric_names(self) -> list[str]:
        """Return the names of the numbers that `compute` returns."""
        return self.supervised.metric_names() + ([self.added] if self.added else [])

    def predict(self, heads: PyTree[Head]) -> PyTree[Shaped[Array, "batch ..."]]:
        """Return the reconstruction: with "binary_crossentropy" probabilities, else the outputs."""
        return self.supervised.predict(heads)
