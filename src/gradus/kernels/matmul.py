"""Matrix products of float32 on a CPU, with derivatives of every order."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import core
from jax.extend.core import Primitive
from jax.extend.mlir import ir
from jax.interpreters import ad

from gradus.kernels.library import in_use
from gradus.kernels.primitive import define_kernel

# Where something follows a product, the product alone stands in the program, too, and is left out.
_CALL = re.compile(
    r'@gradus_matmul\(.*then = "".*: \(tensor<(\d+)x(\d+)xf32>, .*-> tensor<\d+x(\d+)xf32>'
)
# A recurrent layer's call, either way: each step has a product with U, or with its transpose.
_SEQUENCES = re.compile(
    r"@gradus_recurrence\w*\(.*: \(tensor<(\d+)x(\d+)x\d+xf32>, tensor<(\d+)x(\d+)xf32>"
)
MOST_OPERATIONS = 1e8  # multiply-adds of a product, above which XLA's is as fast


def matmul(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return `x @ kernel`, by the native kernel if it is in use and takes these arrays.

    Args:
        x: shape `(..., d)`.
        kernel: shape `(d, units)`.
    """
    if not (in_use() and takes_product(x, kernel)):
        return x @ kernel
    rows = x.reshape(-1, x.shape[-1])
    product: jax.Array = _product.bind(rows, kernel, transpose_a=False, transpose_b=False)
    return product.reshape(*x.shape[:-1], kernel.shape[-1])


def takes_product(x: Any, kernel: Any) -> bool:
    """Return whether the kernel takes these arrays."""
    operations = math.prod(x.shape) * kernel.shape[-1]  # as many as of its two derivatives
    return 0 < operations <= MOST_OPERATIONS and x.dtype == kernel.dtype == jnp.float32


def plain_product(a: jax.Array, b: jax.Array, *, transpose_a: bool, transpose_b: bool) -> jax.Array:
    """Return `a @ b`, either of them transposed first if that is wanted: what the kernel does."""
    return (a.T if transpose_a else a) @ (b.T if transpose_b else b)


def count_operations(program: str) -> int:
    """Return the floating-point operations of the kernels in a lowered program, each counted once.

    XLA's own count has none of them.
    """
    factors = [*_CALL.findall(program), *_SEQUENCES.findall(program)]
    return sum(2 * math.prod(map(int, each)) for each in factors)


def multiply(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    """Return what `plain_product` does, by the kernel."""
    return _product.bind(a, b, transpose_a=transpose_a, transpose_b=transpose_b)


def _shape(a: Any, b: Any, *, transpose_a: bool, transpose_b: bool) -> Any:
    rows, depth = reversed(a.shape) if transpose_a else a.shape
    other, columns = reversed(b.shape) if transpose_b else b.shape
    if depth != other:
        raise ValueError(f"a product of {a.shape} and {b.shape}")
    return core.ShapedArray((rows, columns), a.dtype)


def _gradient_of_a(g: Any, _: Any, b: Any, *, transpose_a: bool, transpose_b: bool) -> Any:
    if transpose_a:
        return multiply(b, g, transpose_b, True)
    return multiply(g, b, False, not transpose_b)


def _gradient_of_b(g: Any, a: Any, _: Any, *, transpose_a: bool, transpose_b: bool) -> Any:
    if transpose_b:
        return multiply(g, a, True, transpose_a)
    return multiply(a, g, not transpose_a, False)


class ProductCall(NamedTuple):
    """A call of the kernel in a program being lowered.

    Attributes:
        operands: the two matrices, and those of `then`.
        transpose_a: whether the first is transposed.
        transpose_b: whether the second is.
        then: what is done with the product, a letter each (`epilogues.py`).
    """

    operands: list[Any]
    transpose_a: bool
    transpose_b: bool
    then: str = ""


def call_kernel(context: Any, call: ProductCall) -> Any:
    """Write a call into a program being lowered, and return its results."""
    shapes = [core.ShapedArray(operand.type.shape, jnp.float32) for operand in call.operands]
    operands, *kind = call
    named = dict(zip(ProductCall._fields[1:], kind, strict=True))
    return _WRITE(context.replace(avals_in=shapes), *operands, **named)


def find_operation(value: Any, name: str) -> Any:
    """Return the operation of a name whose result a value being lowered is, or None."""
    operation = getattr(value.owner, "operation", None)  # of an argument, it is a block
    known = operation is not None and operation.name == f"stablehlo.{name}"
    return operation if known else None


def find_call(value: Any) -> ProductCall | None:
    """Return the call whose result a value of a program being lowered is, or None."""
    operation = find_operation(value, "custom_call")
    if operation is None:
        return None
    attributes = operation.attributes
    if ir.StringAttr(attributes["call_target_name"]).value != "gradus_matmul":
        return None
    kind = attributes["mhlo.backend_config"]
    of_a, of_b = (ir.BoolAttr(kind[name]).value for name in ("transpose_a", "transpose_b"))
    return ProductCall(list(operation.operands), of_a, of_b, ir.StringAttr(kind["then"]).value)


def factors_of_product(value: Any) -> list[Any]:
    """Return a and b if a value of a program being lowered is the kernel's aᵀ b, or nothing."""
    reshaping = find_operation(value, "reshape")  # that of a bias is a row
    if reshaping is not None:
        value = reshaping.operands[0]
    call = find_call(value)
    return call.operands if call and call[1:] == (True, False, "") else []


def _lower(context: Any, a: Any, b: Any, *, transpose_a: bool, transpose_b: bool) -> Any:
    return call_kernel(context, ProductCall([a, b], transpose_a, transpose_b))


_WRITE = jax.ffi.ffi_lowering("gradus_matmul")
_product = Primitive("gradus_matmul")
_product.def_abstract_eval(_shape)
define_kernel(_product, plain_product, _lower)
ad.defbilinear(_product, _gradient_of_a, _gradient_of_b)
