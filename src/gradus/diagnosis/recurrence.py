"""How much of the first steps of a sequence reaches the last output of recurrent layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gradus.nn import mask_tracking
from gradus.nn.heads import record_heads
from gradus.nn.layer import Layer, named_children, named_layers
from gradus.nn.layers.bidirectional import Bidirectional
from gradus.nn.layers.containers import Sequential
from gradus.nn.layers.rnn import Recurrent
from gradus.nn.network import fresh, recorded

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

SAMPLES = 64  # are looked at, evenly from all
SHORTEST = 8  # steps, of which a quarter says something
FIRST = 4  # the first steps are one of so many parts


class Readers(NamedTuple):
    """The recurrent layers of a network from the first to the one that gives the last output.

    Attributes:
        first: the path of the first one.
        last: the path of the last one.
        start: the number of the first among the layers of the network.
        end: the number behind the last.
    """

    first: str
    last: str
    start: int
    end: int


def readers_of(net: Layer) -> Readers | None:
    """Return the recurrent layers that read sequences to one output.

    None where there are none, or where there is another way from the first steps to the output:
    reading in both directions, the outputs of all steps, or a network that is not sequential.
    """
    if type(net) is not Sequential:
        return None
    both = Bidirectional, Recurrent
    readers = {
        n: (path, layer)
        for n, (path, layer) in enumerate(named_children(net))
        if isinstance(layer, Recurrent)
    }
    ends = [n for n, (_, layer) in readers.items() if not layer.return_sequences]
    backward = any(
        isinstance(each, both) and getattr(each, "go_backwards", True)
        for _, each in named_layers(net)
    )
    if not ends or backward:
        return None
    start, end = next(iter(readers)), ends[0]
    return Readers(readers[start][0], readers[end][0], start, end + 1)


def first_steps(
    x: Shaped[np.ndarray, "samples steps ..."],
) -> Shaped[np.ndarray, "samples first ..."]:
    """Return the first quarter of the steps of sequences."""
    return x[:, : max(1, x.shape[1] // FIRST)]


def carried_share(
    net: Layer, readers: Readers, x: Shaped[np.ndarray, "samples steps ..."]
) -> tuple[int, float] | None:
    """Return how many steps are read, and how much of the first ones reaches the last output.

    The gradient of the output, in a random direction, by the inputs of each step; of each sample
    its root mean square over the first quarter of the steps that are no padding, as a share of the
    largest; the median of the samples. None where too few have steps enough.

    Args:
        net: the trained network, for which `readers_of` returned `readers`.
        readers: its recurrent layers.
        x: the inputs.
    """
    rows = np.linspace(0, len(x) - 1, min(len(x), SAMPLES)).astype(int)

    @jax.jit
    def gradients(net: Any, x: Any) -> Any:
        copy = fresh(net, recording=True)
        with record_heads(), mask_tracking.tracking():
            copy(x)
            taken = recorded(copy)[0][readers.first][0]
            mask = mask_tracking.get_mask(taken)

        def last(taken: Any) -> Any:
            with record_heads(), mask_tracking.tracking():
                h = taken
                if mask is not None:
                    mask_tracking.set_mask(h, mask)
                for layer in fresh(net).layers[readers.start : readers.end]:
                    h = layer(h)
            return (h * jax.random.rademacher(jax.random.key(0), h.shape, h.dtype)).sum()

        sizes = jnp.sqrt(jnp.square(jax.grad(last)(taken)).sum(-1))
        return sizes, jnp.ones(sizes.shape, bool) if mask is None else mask

    sizes, real = map(np.asarray, gradients(net, x[rows]))
    shares = [_first_share(one[kept]) for one, kept in zip(sizes, real, strict=True)]
    known = [share for share in shares if share is not None]
    return (sizes.shape[1], float(np.median(known))) if len(known) > len(rows) / 2 else None


def _first_share(sizes: Float[np.ndarray, "steps"]) -> float | None:
    """Return the size of the gradient in the first quarter as a share of the largest."""
    if len(sizes) < SHORTEST or not np.isfinite(sizes).all() or not sizes.max() > 0:
        return None
    first = sizes[: len(sizes) // FIRST].astype(np.float64)
    return float(np.sqrt(np.square(first).mean()) / sizes.max())
