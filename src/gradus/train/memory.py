"""How much memory is free, and how much a training needs: checked before it is allocated."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

import jax

from gradus.errors import TooLargeError
from gradus.host_memory import UNKNOWN, host_free_bytes, readable
from gradus.nn.network import AbstractNetwork, weights
from gradus.optim.base import Optimizer

if TYPE_CHECKING:
    from jaxtyping import PyTree, Shaped

PLENTY = 64  # times the weights: with as much, no optimizer state needs to be counted

_program_bytes: dict[bytes | None, int] = {}  # by the fingerprint of the program


def free_bytes() -> int:
    """Return the free bytes where programs run: those of the device, or `host_free_bytes()`."""
    if jax.default_backend() == "cpu":
        return host_free_bytes()
    stats: dict[str, int] | None = None
    with contextlib.suppress(jax.errors.JaxRuntimeError):  # some devices keep no count
        stats = jax.local_devices()[0].memory_stats()
    if not stats or "bytes_limit" not in stats:
        return UNKNOWN
    return stats["bytes_limit"] - stats["bytes_in_use"]


def tree_bytes(tree: PyTree[Shaped[Any, "..."]]) -> int:
    """Return the bytes of a tree's arrays."""
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def program_bytes(compiled: jax.stages.Compiled) -> int:
    """Return the bytes that a compiled program needs besides its arguments, as XLA reports them.

    XLA takes 10 to 40 ms for a training, so it is asked once for each program.
    """
    fingerprint = getattr(compiled.runtime_executable(), "fingerprint", None)
    if fingerprint is None or fingerprint not in _program_bytes:
        stats = compiled.memory_analysis()
        _program_bytes[fingerprint] = 0
        if stats is not None:
            new = stats.output_size_in_bytes - stats.alias_size_in_bytes
            _program_bytes[fingerprint] = int(new + stats.temp_size_in_bytes)
    return _program_bytes[fingerprint]


def check_weights(network: AbstractNetwork, free: int) -> None:
    """Check, before the weights of a network are drawn, that they fit into memory.

    Args:
        network: the network.
        free: the bytes that are free.

    Raises:
        TooLargeError: if its weights need more; it names the largest.
    """
    total = sum(_weight_bytes(network).values())
    if total > free:
        raise TooLargeError(
            f"This network is too large: {_describe_weights(network)}. {_advice(free)}"
        )


def check_training(network: AbstractNetwork, optimizer: Optimizer, free: int) -> None:
    """Check, before the weights of a network are drawn, that it can be trained in memory.

    This counts what every training needs: weights and optimizer state twice, before and after a
    call of the program, and the gradients.

    Args:
        network: the network.
        optimizer: the optimizer.
        free: the bytes that are free.

    Raises:
        TooLargeError: if it needs more; it names the largest weight.
    """
    total = sum(_weight_bytes(network).values())
    if PLENTY * total <= free:
        return
    params = {
        path: jax.ShapeDtypeStruct(weight.shape, weight.dtype)
        for path, weight in weights(network.net, "param").items()
    }
    need = 2 * (total + tree_bytes(optimizer.shapes(params))) + tree_bytes(params)
    if need > free:
        raise TooLargeError(
            f"This network takes at least {readable(need)} to train: {_describe_weights(network)}. "
            f"{_advice(free)}"
        )


def check_program(need: int, free: int) -> None:
    """Check, before a compiled program runs, that it fits into memory.

    Args:
        need: the bytes that it needs.
        free: the bytes that are free.

    Raises:
        TooLargeError: if it needs more.
    """
    if need > free:
        raise TooLargeError(
            f"This training takes about {readable(need)}, including the layers' outputs for a "
            f"batch. {_advice(free, 'a smaller batch_size or ')}"
        )


def _weight_bytes(network: AbstractNetwork) -> dict[str, int]:
    """Return the bytes of each weight, by path; all are float32."""
    return {path: 4 * math.prod(spec.shape) for path, spec in network.specs.items()}


def _describe_weights(network: AbstractNetwork) -> str:
    """Return in words how large a network's weights are, and which is the largest."""
    sizes = _weight_bytes(network)
    path = max(sizes, key=sizes.__getitem__)
    shape = " × ".join(f"{length:,}" for length in network.specs[path].shape)
    return f"its weights are {readable(sum(sizes.values()))}, {path} alone is {shape}"


def _advice(free: int, alternative: str = "") -> str:
    return f"{readable(free)} are free here: write {alternative}a smaller network."
