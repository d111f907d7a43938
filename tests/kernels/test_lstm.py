"""The LSTM's kernel against the scan that it replaces, which is tested against Keras."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus.kernels import library as kernel_library
from gradus.kernels.library import kernels
from gradus.kernels.lstm import lstm
from gradus.kernels.matmul import count_operations
from gradus.nn import activations
from gradus.nn.ops.rnn import lstm_cell, scan_cell

pytestmark = pytest.mark.usefixtures("native")
RNG = np.random.default_rng(0)
CELL = lstm_cell(activations.get("tanh"), activations.get("sigmoid"))
SHAPES = ((1, 1, 1), (5, 3, 4), (4, 10, 17), (3, 70, 33))  # steps, batch, units


def draw(*shape, scale=1.0):
    return (scale * RNG.normal(size=shape)).astype(np.float32)


def weights(units):
    return draw(units, 4 * units, scale=units**-0.5), draw(4 * units)


def scanned(x, kernel, bias, mask, all_steps):
    start = (jnp.zeros((x.shape[1], len(kernel)), x.dtype),) * 2
    return scan_cell(CELL, x, kernel, bias, start, mask, all_steps)


def outputs_and_gradients(run, case, arguments):
    masked, biased, all_steps = case
    x, kernel, bias, mask = arguments

    def loss(x, kernel, bias):
        h = run(x, kernel, bias if biased else None, mask if masked else None, all_steps)
        return (h * jnp.cos(jnp.arange(h.size)).reshape(h.shape)).sum(), h

    return jax.value_and_grad(loss, (0, 1, 2), has_aux=True)(x, kernel, bias)


@pytest.mark.slow
def test_outputs_and_gradients_are_those_of_the_scan():
    cases = list(itertools.product((False, True), repeat=3))
    pairs = [(SHAPES[k % len(SHAPES)], case) for k, case in enumerate(cases + cases[2:])]
    given = [
        (draw(*shape[:2], 4 * shape[2], scale=2.0), *weights(shape[2]), RNG.random(shape[:2]) < 0.7)
        for shape, _ in pairs
    ]
    results = []
    for run in (lstm, scanned):
        with kernels():
            together = [functools.partial(outputs_and_gradients, run, case) for _, case in pairs]
            results.append(jax.jit(lambda given, calls=together: [
                call(each) for call, each in zip(calls, given, strict=True)
            ])(given))  # fmt: skip
    for pair, found, expected in zip(pairs, *results, strict=True):
        for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
            scale = np.abs(other).max() + 1e-6
            np.testing.assert_allclose(one / scale, other / scale, atol=3e-6, err_msg=str(pair))


@pytest.mark.parametrize("setting", ["avx512", "avx2", "baseline"])
def test_every_instruction_set_is_exact_and_keeps_what_is_no_number(setting, using):
    z = np.array([-np.inf, -200, -88, -9, -0.625, -1e-3, 0, 1e-30, 0.3, 1, 30, 200, np.inf, np.nan])
    x = np.tile(z.astype(np.float32), 4)[None, None]  # one step of 14 units: no product
    kernel = np.zeros((14, 56), np.float32)
    wide = z.astype(np.float64)
    with np.errstate(over="ignore"):
        gate = 1 / (1 + np.exp(-wide))
    with using(setting):
        if kernel_library.library().instructions is None:
            pytest.skip("this processor lacks them")
        with kernels():
            found = jax.jit(lambda: lstm(x, kernel, None, None, False))()[0]
    np.testing.assert_allclose(found, gate * np.tanh(gate * np.tanh(wide)), rtol=1e-6, atol=1e-37)


def test_samples_do_not_depend_on_others():
    x, (kernel, bias) = draw(6, 130, 4 * 20), weights(20)

    @jax.jit
    def both(x, mask):
        with kernels():
            return jax.value_and_grad(lambda x: (lstm(x, kernel, bias, mask, True) ** 2).sum())(x)[
                1
            ], lstm(x, kernel, bias, mask, True)

    mask = RNG.random((6, 130)) < 0.8
    whole = both(x, mask)
    for part in (slice(40, 73), slice(129, 130)):
        for one, other in zip(both(x[:, part], mask[:, part]), whole, strict=True):
            np.testing.assert_array_equal(one, other[:, part])
    mapped = jax.vmap(both)(x.swapaxes(0, 1)[:3, :, None], mask.T[:3, :, None])
    np.testing.assert_array_equal(mapped[1][2, :, 0], whole[1][:, 2])


def test_it_has_derivatives_of_second_order():
    x, (kernel, bias) = draw(3, 2, 12), weights(3)

    def penalty(run):
        def slope(kernel):
            return jax.grad(lambda x: run(x, kernel, bias, None, False).sum())(x)

        with kernels():
            return jax.jit(jax.grad(lambda kernel: (slope(kernel) ** 2).sum()))(kernel)

    np.testing.assert_allclose(penalty(lstm), penalty(scanned), rtol=1e-4, atol=1e-5)


def program_of(layer, x):
    with kernels():
        return str(jax.make_jaxpr(gr.init(layer, 0, x))(x))


def test_what_the_kernel_does_not_have_is_scanned():
    x = draw(2, 3, 4)
    assert "gradus_lstm" in program_of(gr.LSTM(5), x)
    assert "gradus_lstm" not in program_of(gr.LSTM(5, activation="relu"), x)
    assert "gradus_lstm" not in program_of(gr.LSTM(5, recurrent_activation="hard_sigmoid"), x)
    assert "gradus_lstm" not in program_of(gr.LSTM(530), x)
    assert "gradus_lstm" not in str(jax.make_jaxpr(gr.init(gr.LSTM(5), 0, x))(x))


def test_operations_are_counted():
    x, (kernel, bias) = draw(5, 3, 16), weights(4)
    with kernels():
        forward = jax.jit(lambda x: lstm(x, kernel, bias, None, True)).lower(x).as_text()
    assert count_operations(forward) == 2 * (5 * 3) * (4 * 16)


@pytest.mark.parametrize(
    ("shape", "others"),
    [((2, 3, 8), [(3, 8)]), ((2, 3, 9), [(2, 8)]), ((2, 3, 8), [(2, 8), (7,)]), ((2, 3, 8), [])],
)
def test_shapes_that_do_not_fit_are_an_error(shape, others):
    results = [jax.ShapeDtypeStruct((2, 3, size), jnp.float32) for size in (2, 2, 8)]
    call = jax.ffi.ffi_call("gradus_lstm", results)
    options = {"masked": False, "biased": len(others) > 1}
    with pytest.raises(jax.errors.JaxRuntimeError, match="fit"):
        jax.block_until_ready(call(jnp.zeros(shape), *map(jnp.zeros, others), **options))
