"""Calls the native kernels with random shapes, for the sanitizers: `make sanitize`.

    python tests/fuzz/native_kernels.py LIBRARY SECONDS

Sizes are small and odd; results are compared with NumPy in float64. Calls with shapes or rows that
do not fit must be errors.
"""

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("GRADUS_KERNELS", "on")
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np

from gradus.kernels import library as kernel_library
from gradus.kernels.adam import AdamLeaf, adam_step, plain_adam_step
from gradus.kernels.library import kernels
from gradus.kernels.matmul import _multiply
from gradus.kernels.rows import gather_rows

CALLS = 40  # in a program: compiling takes longer than running


def draw(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def check_products(rng):
    """Multiply matrices of all kinds, some of them by several threads."""
    cases = []
    for _ in range(CALLS):
        rows, depth, columns = (int(2 ** rng.uniform(0, most)) for most in (10, 9.5, 7))
        kind = bool(rng.integers(2)), bool(rng.integers(2))
        cases.append((draw(rng, rows, depth), draw(rng, depth, columns), kind))
    pairs = [(a.T if of_a else a, b.T if of_b else b) for a, b, (of_a, of_b) in cases]
    found = jax.jit(lambda pairs: [_multiply(*pair, *cases[i][2]) for i, pair in enumerate(pairs)])(
        pairs
    )
    for product, (a, b, _) in zip(found, cases, strict=True):
        expected = a.astype(np.float64) @ b.astype(np.float64)
        np.testing.assert_allclose(product, expected, atol=1e-3)


def check_adam(rng):
    """Update weights of many shapes."""
    shapes = [tuple(rng.integers(1, 12, rng.integers(0, 4))) for _ in range(CALLS)]
    leaves = [AdamLeaf(*(abs(draw(rng, *shape)) for _ in range(4))) for shape in shapes]
    numbers, decays = jnp.array([0.9, 0.99, 0.01, 1e-6]), jnp.full(CALLS, 0.01)
    found = jax.jit(adam_step)(numbers, decays, leaves)
    for one, other in zip(found, plain_adam_step(numbers, decays, leaves), strict=True):
        for array, expected in zip(one, other, strict=True):
            np.testing.assert_allclose(array, expected, rtol=1e-4, atol=1e-5)


def check_products_with_adam(rng):
    """Update weights whose gradients are products, some of them by several threads."""
    shapes = [tuple(int(2 ** rng.uniform(0, most)) for most in (8, 9.5, 7)) for _ in range(CALLS)]
    factors = [(draw(rng, n, d), draw(rng, n, units)) for n, d, units in shapes]
    states = [[abs(draw(rng, *shape[1:])) for _ in range(3)] for shape in shapes]
    numbers, decays = jnp.array([0.9, 0.99, 0.01, 1e-3]), jnp.full(CALLS, 0.01)

    def update(product):
        def run(factors, states):
            gradients = [product(*pair) for pair in factors]
            leaves = [AdamLeaf(g, *state) for g, state in zip(gradients, states, strict=True)]
            return adam_step(numbers, decays, leaves)

        return jax.jit(run)(factors, states)

    found = update(lambda a, b: _multiply(a, b, True, False))
    for one, other in zip(found, update(lambda a, b: a.T @ b), strict=True):
        for array, expected in zip(one, other, strict=True):
            np.testing.assert_allclose(array, expected, rtol=1e-3, atol=1e-3)


def check_rows(rng):
    """Take rows of tables of many shapes."""
    shapes = [tuple(rng.integers(1, 9, rng.integers(1, 4))) for _ in range(CALLS)]
    tables = [draw(rng, *shape) for shape in shapes]
    rows = [rng.integers(0, shape[0], rng.integers(1, 9)).astype(np.int32) for shape in shapes]
    with kernels():
        found = jax.jit(lambda *pair: list(map(gather_rows, *pair)))(tables, rows)
    for taken, table, numbers in zip(found, tables, rows, strict=True):
        np.testing.assert_array_equal(taken, table[numbers])


def check_errors(rng):
    """Call with shapes that do not fit, and with rows that are not there."""
    a, b, c = (tuple(int(size) for size in rng.integers(1, 9, 2)) for _ in range(3))
    if a[1] == b[0] and c == (a[0], b[1]):
        return
    result = jax.ShapeDtypeStruct(c, jnp.float32)
    calls = [
        lambda: jax.ffi.ffi_call("gradus_matmul", result)(
            jnp.zeros(a), jnp.zeros(b), transpose_a=False, transpose_b=False
        ),
        lambda: jax.ffi.ffi_call("gradus_take_rows", jax.ShapeDtypeStruct((1, a[1]), jnp.float32))(
            jnp.zeros(a), jnp.array([a[0] + c[0] - 1], jnp.int32)
        ),
    ]
    for call in calls:
        try:
            jax.block_until_ready(call())
        except jax.errors.JaxRuntimeError:
            continue
        raise AssertionError(f"no error for shapes {a}, {b}, {c}")


CHECKS = check_products, check_adam, check_products_with_adam, check_rows, check_errors


def main(path, seconds):
    """Check again and again, each time with other shapes."""
    kernel_library._path = lambda: Path(path)
    assert kernel_library.library().instructions, kernel_library.library()
    end, round_ = time.monotonic() + float(seconds), 0
    while time.monotonic() < end or round_ == 0:
        rng = np.random.default_rng(round_)
        for check in CHECKS:
            check(rng)
        jax.clear_caches()
        round_ += 1
    print(f"{round_} rounds with {kernel_library.library().instructions}")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
