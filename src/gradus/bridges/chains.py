"""A network as a chain of layers, and the shape of what each layer is given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax

from gradus.nn.layer import Layer
from gradus.nn.layers.containers import Repeat, Sequential
from gradus.nn.network import fresh, recorded


def chain_of(net: Layer) -> Iterable[Layer]:
    """Yield the layers of a network in order, those of containers one by one."""
    if isinstance(net, Sequential | Repeat):
        for each in net.layers:
            yield from chain_of(each)
    else:
        yield net


def input_shapes(net: Layer, example: Any) -> dict[str, tuple[int, ...]]:
    """Return the shape of the first input of each layer, by its path."""
    shapes: dict[str, tuple[int, ...]] = {}

    def call(x: Any) -> None:
        copy = fresh(net, recording=True)
        copy(x)
        for path, inputs in recorded(copy)[0].items():
            shapes[path] = getattr(inputs[0], "shape", ())

    jax.eval_shape(call, example)
    return shapes
