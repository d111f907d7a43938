"""Marking which steps of a sequence are padding."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from gradus.errors import ShapeError
from gradus.nn import mask_tracking
from gradus.nn.arguments import check_numbers
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer


class Masking(Layer):
    """Mask the steps whose features all equal `mask_value` in all layers that follow.

    `x` has shape `(batch, steps, features, ...)`; the output has zeros in those steps. Recurrent
    layers skip them, and a loss at each step does not count them.

    Args:
        mask_value: the padding value; a swept setting.

    Raises:
        ShapeError: for an input without an axis of steps.

    Examples:
        >>> x = jnp.array([[[1.0], [2.0], [0.0]]])
        >>> net = gr.init(gr.Sequential([gr.Masking(), gr.GlobalAveragePooling1D()]), 0, x)
        >>> net(x).tolist()
        [[1.5]]
    """

    hypers = ("mask_value",)

    def __init__(self, mask_value: float = 0.0) -> None:
        self.mask_value = mask_value
        check_numbers(self, "mask_value")

    def call(self, x: Any) -> Any:
        """Return `x` with zeros in the padded steps, and set its mask."""
        if x.ndim < 3:
            raise ShapeError(
                f"{self._label()} takes sequences, shape (batch, steps, features), but was given "
                f"shape {tuple(x.shape)}: for one feature per step write x[..., None]; codes are "
                "masked by Embedding(mask_zero=True)."
            )
        real = x != self.mask_value
        mask = real.any(tuple(range(2, x.ndim)))
        y = jnp.where(jnp.expand_dims(mask, tuple(range(2, x.ndim))), as_float(x), 0.0)
        mask_tracking.set_mask(y, mask)
        return y
