"""What every kernel that is a primitive of JAX has: a plain function, mapping, and lowering."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir


def define_kernel(
    primitive: Primitive,
    plain: Callable[..., Any],
    lower: Callable[..., Any],
    elementwise: bool = False,
) -> None:
    """Define how a primitive runs, is differentiated, mapped, and lowered.

    Its derivative is that of `plain` unless it is defined otherwise.

    Args:
        primitive: has its abstract evaluation already.
        plain: what the kernel does, written with JAX: used on every device but the CPU.
        lower: the lowering that calls the kernel, on the CPU.
        elementwise: whether `plain` gives a member of a population the bits that it has alone, so
            that it is mapped in place of the kernel.
    """

    def run(*arguments: Any, **kind: Any) -> Any:
        """Run outside a program, and inside one that runs under `jax.disable_jit`."""
        with jax.disable_jit(False):
            return jax.jit(lambda *own: primitive.bind(*own, **kind))(*arguments)

    def jvp(primals: Any, tangents: Any, **kind: Any) -> Any:
        tangents = [ad.instantiate_zeros(tangent) for tangent in tangents]
        return jax.jvp(lambda *own: plain(*own, **kind), tuple(primals), tuple(tangents))

    def map_members(arguments: Any, axes: Any, **kind: Any) -> tuple[Any, Any]:
        """Run the members of a population one by one, so each has the bits that it has alone."""
        if elementwise:
            return jax.vmap(lambda *own: plain(*own, **kind), axes)(*arguments), 0
        stacked = [
            None if axis is None else jnp.moveaxis(argument, axis, 0)
            for argument, axis in zip(arguments, axes, strict=True)
        ]

        def one(own: Any) -> Any:
            pairs = zip(own, arguments, strict=True)
            member = [shared if mine is None else mine for mine, shared in pairs]
            return primitive.bind(*member, **kind)

        results = lax.map(one, stacked)
        return results, [0] * len(results) if primitive.multiple_results else 0

    primitive.def_impl(run)
    ad.primitive_jvps[primitive] = jvp
    batching.primitive_batchers[primitive] = map_members
    several = primitive.multiple_results
    mlir.register_lowering(primitive, mlir.lower_fun(plain, multiple_results=several))
    mlir.register_lowering(primitive, lower, platform="cpu", cacheable=False)
