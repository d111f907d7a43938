"""A recurrent layer that reads a sequence in both directions."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from gradus.checks import is_word
from gradus.errors import GradusError, unknown
from gradus.nn import mask_tracking
from gradus.nn.layer import Layer
from gradus.nn.layers.rnn import Recurrent
from gradus.nn.network import copy_structure

MERGES = ("concat", "sum", "mul", "ave")


class Bidirectional(Layer):
    """A recurrent layer and a copy that reads backward, with their outputs merged step by step.

    The copy, "backward", has its own weights. Outputs of padded steps are zero, as in Keras
    (Schuster & Paliwal 1997, "Bidirectional recurrent neural networks").

    Args:
        layer: an `LSTM`, `GRU`, or `SimpleRNN`.
        merge_mode: "concat" (along the last axis), "sum", "mul", or "ave"; None for a tuple of
            both outputs.

    Raises:
        GradusError: for a layer that is not recurrent or already reads backward; for an unknown
            `merge_mode`.

    Examples:
        >>> x = jnp.zeros((2, 5, 3))
        >>> gr.init(gr.Bidirectional(gr.LSTM(4)), 0, x)(x).shape
        (2, 8)
    """

    def __init__(self, layer: Recurrent, merge_mode: str | None = "concat") -> None:
        if not isinstance(layer, Recurrent):
            raise GradusError(
                f"Bidirectional({layer!r}) needs a recurrent layer: write "
                "Bidirectional(LSTM(64)), for example."
            )
        if layer.go_backwards:
            raise GradusError("Bidirectional reads both ways itself: leave out go_backwards.")
        if merge_mode is not None and not is_word(merge_mode, MERGES):
            raise unknown("merge_mode", merge_mode, MERGES)
        self.layer = layer
        self.merge_mode = merge_mode

    def build(self, shape: tuple[int, ...]) -> None:
        """Create the copy that reads backward."""
        self.backward = copy_structure(self.layer)
        self.backward.__dict__.pop("_name", None)
        self.backward.go_backwards = True

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return the merged outputs, or both; with `return_sequences` step by step."""
        forward, back = self.layer(x, mask=mask), self.backward(x, mask=mask)
        if self.layer.return_sequences:
            back = jnp.flip(back, 1)
            if mask is not None:
                forward, back = (jnp.where(mask[..., None], h, 0.0) for h in (forward, back))
                mask_tracking.set_mask(forward, mask)
                mask_tracking.set_mask(back, mask)
        if self.merge_mode == "concat":
            return jnp.concatenate([forward, back], axis=-1)
        if self.merge_mode == "sum":
            return forward + back
        if self.merge_mode == "mul":
            return forward * back
        if self.merge_mode == "ave":
            return (forward + back) / 2
        return forward, back
