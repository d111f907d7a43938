"""A trained network as StableHLO, serialized by `jax.export`.

Such a file needs nothing but JAX to run:

    from pathlib import Path
    import jax

    exported = jax.export.deserialize(Path("model.stablehlo").read_bytes())
    predictions = exported.call(x)

It holds the network with its weights, not the preprocessing, as JAX has no strings: it takes the
arrays that `Model.predict` takes, any number of samples, and returns what that returns. JAX reads
what a version of at most six months before wrote, and at most three weeks after (the guarantees of
`jax.export`): to keep a model for longer, keep the run, and export it anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
from jax import export as jax_export

from gradus.checks import as_items
from gradus.errors import GradusError, unknown
from gradus.exports.trained import Trained
from gradus.nn.casting import with_standard_promotion
from gradus.nn.network import forward, fresh
from gradus.optional import import_optional

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def stablehlo_bytes(trained: Trained, platforms: Sequence[str] | None = None) -> bytes:
    """Return the content of a file of StableHLO.

    Args:
        trained: the model; of its preprocessing the file holds nothing.
        platforms: on which it is to run, some of "cpu", "cuda", "rocm", and "tpu"; None for that of
            this process.

    Raises:
        GradusError: for an unknown platform, or a layer of the user's own that needs to know the
            number of samples.
    """
    import_optional("flatbuffers", "export to StableHLO", "stablehlo")
    net, task = trained.model.net, trained.model.task

    @with_standard_promotion
    def predict(x: Any) -> Any:
        return task.predict(forward(fresh(net), x))

    (batch,) = jax_export.symbolic_shape("batch")
    x = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((batch, *leaf.shape[1:]), leaf.dtype),
        trained.model.example,
    )
    exporter = jax_export.export(jax.jit(predict), platforms=_checked(platforms))
    try:
        exported = exporter(x)
    except (jax.errors.JAXTypeError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise GradusError(
            f"The network cannot be exported for any number of samples: {reason} In layers of your "
            "own, write x.shape[0] for the number of samples rather than len(x)."
        ) from error
    return bytes(exported.serialize())


def _checked(platforms: Any) -> list[str] | None:
    """Return platforms as a list, None for that of this process."""
    if platforms is None:
        return None
    names = [platforms] if isinstance(platforms, str) else as_items(platforms)
    if not names:
        raise GradusError(f"platforms={platforms!r}: write some of {', '.join(PLATFORMS)}.")
    for name in names:
        if name not in PLATFORMS:
            raise unknown("platform", name, PLATFORMS)
    return list(names)
