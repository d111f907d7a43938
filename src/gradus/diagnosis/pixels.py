"""What the layers that know the range of a pixel are given: the range of the values before them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from gradus.diagnosis.record_entries import PixelRecord
from gradus.nn.layer import Layer, named_layers
from gradus.nn.layers.augmentation import RandomBrightness, RandomContrast
from gradus.nn.network import forward, fresh, recorded
from gradus.nn.pytree import canonicalize
from gradus.program_cache import cached_program

if TYPE_CHECKING:
    from jaxtyping import PyTree, Shaped

SAMPLES = 32  # are looked at, evenly from all


def pixel_records(
    net: Layer, x: PyTree[Shaped[np.ndarray, "samples ..."]]
) -> tuple[PixelRecord, ...]:
    """Return what each layer that changes the brightness or the contrast of images is given.

    Args:
        net: the built network.
        x: all inputs.
    """
    layers = {
        path: layer
        for path, layer in named_layers(net)
        if isinstance(layer, RandomBrightness | RandomContrast)
    }
    if not layers:
        return ()

    rows = np.linspace(0, len(jax.tree.leaves(x)[0]) - 1, SAMPLES).astype(int)
    some = jax.tree.map(lambda leaf: leaf[rows], x)
    return tuple(
        PixelRecord(
            path=path,
            kind=type(layers[path]).__name__,
            factor=float(layers[path].factor),
            low=float(layers[path].value_range[0]),
            high=float(layers[path].value_range[1]),
            minimum=float(least),
            maximum=float(most),
        )
        for path, (least, most) in _ends(canonicalize(net), some, tuple(layers)).items()
    )


@cached_program
@functools.partial(jax.jit, static_argnames="paths")
def _ends(net: Layer, x: Any, paths: tuple[str, ...]) -> dict[str, Any]:
    """Return the least and the greatest pixel that each layer of `paths` is given."""
    copy = fresh(net, recording=True)
    forward(copy, x)
    given = {path: pixels for path, (pixels, *_) in recorded(copy)[0].items() if path in paths}
    return {path: (pixels.min(), pixels.max()) for path, pixels in given.items()}
