"""What ends a network: its last activation, and the logits behind a softmax or sigmoid.

Cross-entropy must be computed from logits, wherever the softmax is: in a layer's `activation=`, or
as `gr.softmax` at the end of a user's `call`. So activations report their calls, and the code that
traces a network asks for the head:

    with record_heads() as recorder:
        output = network(x)
        head = recorder.head_of(output)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import jax

from gradus.errors import GradusError

WITH_LOGITS = ("softmax", "log_softmax", "sigmoid")


class Head(NamedTuple):
    """What ends a network.

    Attributes:
        activation: the name of the last activation; "linear" if none made the output.
        logits: the input of a softmax, log-softmax, or sigmoid; the output itself otherwise.
        mask: which steps of the output are real, `(batch, steps)`; None for all.
        before: the name of the activation that made the logits; "linear" if none did.
    """

    activation: str
    logits: jax.Array
    mask: jax.Array | None = None
    before: str = "linear"


class HeadRecorder:
    """Maps the output of each activation, by identity, to its head."""

    def __init__(self) -> None:
        # The output is kept so that no other object can have its `id`.
        self._heads: dict[int, tuple[Head, jax.Array]] | None = {}

    def record(self, activation: str, x: jax.Array, output: jax.Array) -> None:
        """Record that `output` is `activation` of `x`."""
        if self._heads is not None and output is not x:
            before = self._heads[id(x)][0].activation if id(x) in self._heads else "linear"
            logits = x if activation in WITH_LOGITS else output
            self._heads[id(output)] = (Head(activation, logits, before=before), output)

    def head_of(self, output: jax.Array) -> Head:
        """Return the head that made `output`; a linear one if no activation did.

        Raises:
            GradusError: if the `with record_heads()` block has ended.
        """
        if self._heads is None:
            raise GradusError(
                "head_of was called after its `with record_heads()` block ended; call it inside"
                " the block."
            )
        entry = self._heads.get(id(output))
        return entry[0] if entry else Head("linear", output)

    def close(self) -> None:
        """Drop all records, so that no tracer outlives its trace."""
        self._heads = None

    def record_reshape(self, output: jax.Array, reshaped: jax.Array) -> None:
        """Record that `reshaped` has the values of `output`, and its last axis."""
        if self._heads is not None and id(output) in self._heads and reshaped is not output:
            head = self._heads[id(output)][0]
            logits = head.logits.reshape(reshaped.shape)
            self._heads[id(reshaped)] = (head._replace(logits=logits), reshaped)


_active: ContextVar[HeadRecorder | None] = ContextVar("gradus_heads", default=None)


@contextmanager
def record_heads() -> Iterator[HeadRecorder]:
    """Record every activation applied in the block; blocks may be nested.

    Yields:
        The recorder, whose `head_of(output)` works until the block ends.
    """
    recorder = HeadRecorder()
    token = _active.set(recorder)
    try:
        yield recorder
    finally:
        _active.reset(token)
        recorder.close()


def reshape_steps(output: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return an array with other axes before the last one, which has the same head."""
    reshaped, recorder = output.reshape(shape), _active.get()
    if recorder is not None:
        recorder.record_reshape(output, reshaped)
    return reshaped


def record_activation(activation: str, x: jax.Array, output: jax.Array) -> None:
    """Record in the active recorder, if any, that `output` is `activation` of `x`."""
    recorder = _active.get()
    if recorder is not None:
        recorder.record(activation, x, output)
