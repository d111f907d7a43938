"""Where a network's output came from: the logits behind a softmax or sigmoid that ends it.

Cross-entropy must be computed from logits, whoever applied the softmax: a layer's `activation=`,
or `gr.softmax` at the end of a user's `call`. So the activations report what they do, and whoever
traces a network asks afterwards:

    with record_heads() as recorder:
        output = network(x)
        head = recorder.head_of(output)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import jax

from gradus.errors import GradusError


class Head(NamedTuple):
    """What ends a network.

    Attributes:
        activation: "softmax", "log_softmax", "sigmoid", or "linear" for anything else.
        logits: what the activation was given; the output itself when `activation` is "linear".
        mask: which steps of the output are real, `(batch, steps)`; None for all.
    """

    activation: str
    logits: jax.Array
    mask: Any = None


class HeadRecorder:
    """Remembers, by identity, which arrays an activation made, and from what."""

    def __init__(self) -> None:
        # The output is held too: while it lives, no other object can have its `id`.
        self._heads: dict[int, tuple[Head, jax.Array]] | None = {}

    def record(self, activation: str, logits: jax.Array, output: jax.Array) -> None:
        """Remember that `output` is the activation `activation` of `logits`."""
        if self._heads is not None:
            self._heads[id(output)] = (Head(activation, logits), output)

    def head_of(self, output: jax.Array) -> Head:
        """Return what made `output`; anything unknown is a linear head.

        Raises:
            GradusError: if the `with record_heads()` block has ended.
        """
        if self._heads is None:
            raise GradusError(
                "head_of was called after its `with record_heads()` block ended, when all is"
                " forgotten; call it inside the block."
            )
        found = self._heads.get(id(output))
        return found[0] if found else Head("linear", output)

    def close(self) -> None:
        """Forget everything, so that no tracer outlives its trace."""
        self._heads = None


_active: ContextVar[HeadRecorder | None] = ContextVar("gradus_heads", default=None)


@contextmanager
def record_heads() -> Iterator[HeadRecorder]:
    """Record every softmax, log-softmax and sigmoid applied in the block; blocks may be nested.

    Yields:
        The recorder to ask `head_of(output)`, until the block ends.
    """
    recorder = HeadRecorder()
    token = _active.set(recorder)
    try:
        yield recorder
    finally:
        _active.reset(token)
        recorder.close()


def record_activation(activation: str, logits: jax.Array, output: jax.Array) -> None:
    """Tell the active recorder, if there is one, that `output` is `activation` of `logits`."""
    recorder = _active.get()
    if recorder is not None:
        recorder.record(activation, logits, output)
