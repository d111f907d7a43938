"""Calls the native kernels with random shapes, for the sanitizers: `make sanitize`.

    python tests/fuzz/native_kernels.py LIBRARY SECONDS

Sizes are small and odd; results are compared with NumPy in float64. Calls with shapes or rows that
do not fit must be errors.
"""

import functools
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
from gradus.kernels.cross_entropy import plain_softmax_cross_entropy, softmax_cross_entropy
from gradus.kernels.epilogues import affine, plain_rectify, rectify
from gradus.kernels.finite import all_finite
from gradus.kernels.library import kernels
from gradus.kernels.matmul import multiply
from gradus.kernels.recurrence import (
    CELLS,
    _gradient,
    _sequence,
    plain_gradient,
    plain_sequence,
)
from gradus.kernels.rows import gather_rows
from gradus.kernels.statistics import Outputs, WeightChange, plain_statistics, statistics
from gradus.kernels.threefry import keep_mask
from gradus.kernels.updates import RULES, Leaf, Rule, plain_update, update

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
    found = jax.jit(lambda pairs: [multiply(*pair, *cases[i][2]) for i, pair in enumerate(pairs)])(
        pairs
    )
    for product, (a, b, _) in zip(found, cases, strict=True):
        expected = a.astype(np.float64) @ b.astype(np.float64)
        np.testing.assert_allclose(product, expected, atol=1e-3)


def unfused_affine(x, kernel, bias):
    return multiply(x, kernel, False, False) + bias  # with the bits of the kernel, so the same gate


def check_dense(rng):
    """Differentiate a layer with all that follows a product, some by several threads."""
    for _ in range(4):
        rows, depth, units = (int(2 ** rng.uniform(0, most)) for most in (10, 9.5, 7))
        arguments = draw(rng, rows, depth), draw(rng, depth, units), draw(rng, units)
        last = draw(rng, units, 3)

        def loss(arguments, affine, rectify, last=last):
            return jnp.sum((rectify(affine(*arguments)) @ last) ** 2) / 1e3

        with kernels():
            found = jax.jit(lambda arguments: jax.grad(loss)(arguments, affine, rectify))(arguments)
        expected = jax.jit(jax.grad(loss), static_argnums=(1, 2))(
            arguments, unfused_affine, plain_rectify
        )
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def draw_rule(rng):
    """Draw a rule, and how many states it has."""
    name = str(rng.choice(list(RULES)))
    return Rule(name, 0.01, 0.9, 0.99, 1e-3, 0.01), {"adam": 2, "sgd": 0}.get(name, 1)


def check_updates(rng):
    """Update weights of many shapes."""
    rule, count = draw_rule(rng)
    shapes = [tuple(rng.integers(1, 12, rng.integers(0, 4))) for _ in range(CALLS)]
    leaves = [
        Leaf(draw(rng, *shape), draw(rng, *shape), (abs(draw(rng, *shape)),) * count)
        for shape in shapes
    ]
    decaying = [bool(rng.integers(2)) for _ in leaves]
    found = jax.jit(lambda leaves: update(rule, decaying, leaves))(leaves)
    for one, other in zip(found, plain_update(rule, decaying, leaves), strict=True):
        for array, expected in zip(one, other, strict=True):
            np.testing.assert_allclose(array, expected, rtol=1e-4, atol=1e-5)


def check_products_with_updates(rng):
    """Update weights whose gradients are products, half of them penalized, some by threads."""
    rule, count = draw_rule(rng)
    shapes = [tuple(int(2 ** rng.uniform(0, most)) for most in (8, 9.5, 7)) for _ in range(CALLS)]
    factors = [(draw(rng, n, d), draw(rng, n, units)) for n, d, units in shapes]
    states = [[abs(draw(rng, *shape[1:])) for _ in range(1 + count)] for shape in shapes]

    def run_with(product):
        def run(factors, states):
            pairs = zip(factors, states, strict=True)
            leaves = [
                Leaf(product(*pair) + (i % 2 * w if i % 2 else 0), w, tuple(own))
                for i, (pair, (w, *own)) in enumerate(pairs)
            ]
            return update(rule, [True] * CALLS, leaves)

        return jax.jit(run)(factors, states)

    found = run_with(lambda a, b: multiply(a, b, True, False))
    for one, other in zip(found, run_with(lambda a, b: a.T @ b), strict=True):
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


def check_sequences(rng):
    """Run recurrent layers over short sequences and back, some of them by several threads."""
    for cell in CELLS:
        steps, batch, units = (int(2 ** rng.uniform(0, most)) for most in (3, 8, 5))
        width = {"lstm": 4, "gru": 3}[cell] * units
        x, kernel, bias = draw(rng, steps, batch, width), draw(rng, units, width), draw(rng, width)
        mask = [rng.random((steps, batch)) < 0.8] if rng.integers(2) else []
        options = {"cell": cell, "masked": bool(mask)}
        sequence = functools.partial(_sequence.bind, biased=True, **options)
        found = jax.jit(sequence)(x, kernel / units, *mask, bias)
        expected = plain_sequence(x, kernel / units, *mask, bias, biased=True, **options)
        dh = draw(rng, steps, batch, units)[-1 if rng.integers(2) else slice(None)]
        given = [expected[1], kernel / units, *mask, expected[0], dh]
        found += jax.jit(functools.partial(_gradient.bind, **options))(*given)
        expected += plain_gradient(*given, **options)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def check_statistics(rng):
    """Add up outputs and weights of many shapes, a few of them large."""
    most = [9 if i % 10 else 400 for i in range(CALLS)]
    shapes = [tuple(rng.integers(1, m, rng.integers(1, 4 if m < 10 else 3))) for m in most]
    outputs = [draw(rng, *shape) + 1 for shape in shapes]
    layers = [Outputs(o, o > 1.5 if rng.integers(2) else None) for o in outputs]
    layers.insert(int(rng.integers(CALLS)), Outputs(None))
    changes = [WeightChange(*(draw(rng, *shape[1:]) for _ in range(3))) for shape in shapes]
    with kernels():
        found = jax.jit(statistics)(layers, changes)
    expected = jax.jit(plain_statistics)(layers, changes)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def check_masks(rng):
    """Draw masks of many shapes, a few of them for several threads."""
    key = rng.integers(0, 2**32, 2, dtype=np.uint32)
    most = [9 if i % 10 else 600 for i in range(CALLS)]
    shapes = [tuple(rng.integers(0, m, rng.integers(0, 3))) for m in most]
    rates = rng.random(CALLS, dtype=np.float32)
    numbers = [rng.integers(0, 2**32, rng.integers(0, 4), dtype=np.uint32) for _ in shapes]

    def masks():
        given = zip(numbers, rates, shapes, strict=True)
        return [keep_mask(key, list(folded), rate, shape) for folded, rate, shape in given]

    with kernels():
        found = jax.jit(masks)()
    for one, other in zip(found, masks(), strict=True):
        np.testing.assert_array_equal(one, other)


def check_cross_entropies(rng):
    """Compare values and gradients of many shapes, a few of them for several threads."""
    given = []
    for i in range(CALLS):
        rows, classes = (int(size) for size in rng.integers(1, 40 if i % 10 else 900, 2))
        labels = rng.integers(-2, classes + 2, rows)
        given.append((3 * draw(rng, rows, classes), labels, rng.random(dtype=np.float32)))

    def total(function, z, *others):
        return function(z, *others).sum()

    def derived(function):
        each = jax.value_and_grad(functools.partial(total, function))
        return jax.jit(lambda all_given: [each(*one) for one in all_given])(given)

    with kernels():
        found = derived(softmax_cross_entropy)
    expected = derived(plain_softmax_cross_entropy)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def check_finite(rng):
    """Look for one number among many that is not finite."""
    shapes = [rng.integers(1, 70, rng.integers(1, 5)) for _ in range(CALLS)]
    given = [[draw(rng, int(size)) for size in sizes] for sizes in shapes]
    numbers = rng.choice([np.nan, np.inf, 1e38], CALLS)
    for arrays, number in zip(given, numbers, strict=True):
        arrays[-1][rng.integers(len(arrays[-1]))] = number
    with kernels():
        found = jax.jit(lambda: [all_finite(arrays) for arrays in given])()
    np.testing.assert_array_equal(found, np.isfinite(numbers))


def check_errors(rng):
    """Call with shapes that do not fit, and with rows that are not there."""
    a, b, c = (tuple(int(size) for size in rng.integers(1, 9, 2)) for _ in range(3))
    if a[1] == b[0] and c == (a[0], b[1]):
        return
    result = jax.ShapeDtypeStruct(c, jnp.float32)
    calls = [
        lambda: jax.ffi.ffi_call("gradus_matmul", result)(
            jnp.zeros(a), jnp.zeros(b), transpose_a=False, transpose_b=False, then=""
        ),
        lambda: jax.ffi.ffi_call("gradus_take_rows", jax.ShapeDtypeStruct((1, a[1]), jnp.float32))(
            jnp.array([a[0] + c[0] - 1], jnp.int32), jnp.zeros(a)
        ),
        lambda: jax.ffi.ffi_call("gradus_statistics", result.update(shape=(6,)))(
            jnp.zeros(a), layers="-s"[int(rng.integers(2))]
        ),
        lambda: jax.ffi.ffi_call("gradus_keep_mask", result.update(dtype=bool))(
            jnp.zeros(2 + a[0], jnp.uint32), jnp.float32(0.5)
        ),
        lambda: jax.ffi.ffi_call("gradus_cross_entropy", (result.update(shape=c[:1]), result))(
            jnp.zeros((c[0], c[1] + 1)), jnp.zeros(c[0], jnp.int32), jnp.float32(0)
        ),
    ]
    for call in calls:
        try:
            jax.block_until_ready(call())
        except jax.errors.JaxRuntimeError:
            continue
        raise AssertionError(f"no error for shapes {a}, {b}, {c}")


CHECKS = (
    check_products,
    check_dense,
    check_updates,
    check_products_with_updates,
    check_rows,
    check_sequences,
    check_statistics,
    check_masks,
    check_cross_entropies,
    check_finite,
    check_errors,
)


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
