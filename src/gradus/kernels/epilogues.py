"""What follows a matrix product and is done within its call: a bias, a rectifier, and its gate.

Each is a primitive of its own. When it is lowered and its operand is the kernel's product, that
call is written once more, with the epilogue; the one without it is then used by nothing, and XLA
drops it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import core, lax
from jax.extend.core import Primitive
from jax.interpreters import ad, mlir

from gradus.kernels.library import in_use
from gradus.kernels.matmul import call_kernel, find_call, matmul, multiply, takes_product
from gradus.kernels.primitive import define_kernel

FUSED = ("b", "r", "br", "g")  # what a call does after its product, letter by letter


def affine(x: jax.Array, kernel: jax.Array, bias: jax.Array | None) -> jax.Array:
    """Return `x @ kernel + bias`, by the native kernel if it is in use and takes these arrays.

    Args:
        x: shape `(..., d)`.
        kernel: shape `(d, units)`.
        bias: shape `(units,)`, or None.
    """
    if bias is None:
        return matmul(x, kernel)
    if not (in_use() and takes_product(x, kernel) and bias.dtype == jnp.float32):
        return matmul(x, kernel) + bias
    product = matmul(x.reshape(-1, x.shape[-1]), kernel)
    z: jax.Array = _add_bias.bind(product, bias)
    return z.reshape(*x.shape[:-1], kernel.shape[-1])


def rectify(x: jax.Array) -> jax.Array:
    """Return x where it is above zero, and zero elsewhere, with the derivative 0 at zero."""
    if not (in_use() and x.dtype == jnp.float32):
        return plain_rectify(x)
    rectified: jax.Array = _rectify.bind(x)
    return rectified


def plain_rectify(x: jax.Array) -> jax.Array:
    """Return what `rectify` does."""
    return plain_gate(x, x)  # maximum(x, 0) has derivative ½ at 0; NaN stays NaN


def plain_gate(g: jax.Array, y: jax.Array) -> jax.Array:
    """Return g where y is above zero, and zero elsewhere: the derivative of `rectify`."""
    # lax.select: jnp.where is a jitted function, which costs time in each trace.
    return lax.select(y <= 0, lax.full_like(g, 0), g)


def plain_add_bias(z: jax.Array, bias: jax.Array) -> jax.Array:
    """Return `z + bias`."""
    return z + bias


def _lowering(letter: str, plain: Callable[..., jax.Array]) -> Callable[..., Any]:
    """Return how an epilogue is lowered: as a part of its operand's call, or else as `plain`."""
    alone = mlir.lower_fun(plain, multiple_results=False)

    def lower(context: Any, product: Any, *own: Any) -> Any:
        call = find_call(product)
        if call is None or call.then + letter not in FUSED:
            return alone(context, product, *own)
        operands, then = [*call.operands, *own], call.then + letter
        return call_kernel(context, call._replace(operands=operands, then=then))

    return lower


def _bias_jvp(primals: Any, tangents: Any) -> Any:
    of_z, of_bias = tangents
    z = _add_bias.bind(*primals)
    if isinstance(of_bias, ad.Zero):
        return z, of_z
    # As the weights of an input that is one: so its gradient is a product, as a kernel's is.
    rows = multiply(jnp.ones((z.shape[0], 1), z.dtype), of_bias.reshape(1, -1), False, False)
    return z, rows if isinstance(of_z, ad.Zero) else of_z + rows


def _rectify_jvp(primals: Any, tangents: Any) -> Any:
    y = _rectify.bind(*primals)
    return y, _gate.bind(*tangents, y)


def _gate_jvp(primals: Any, tangents: Any) -> Any:
    """Return the derivative with respect to g; that with respect to y is zero."""
    of_g, y = tangents[0], primals[1]
    gated = _gate.bind(*primals)
    return gated, of_g if isinstance(of_g, ad.Zero) else _gate.bind(of_g, y)


def _transpose_gate(g: Any, _: Any, y: Any) -> Any:
    return g if isinstance(g, ad.Zero) else _gate.bind(g, y), None


def _define(name: str, letter: str, plain: Callable[..., jax.Array], jvp: Any) -> Primitive:
    primitive = Primitive(f"gradus_{name}")
    primitive.def_abstract_eval(lambda x, *_: core.ShapedArray(x.shape, x.dtype))
    define_kernel(primitive, plain, _lowering(letter, plain), elementwise=True)
    ad.primitive_jvps[primitive] = jvp
    return primitive


_add_bias = _define("add_bias", "b", plain_add_bias, _bias_jvp)
_rectify = _define("rectify", "r", plain_rectify, _rectify_jvp)
_gate = _define("gate", "g", plain_gate, _gate_jvp)
ad.primitive_transposes[_gate] = _transpose_gate
