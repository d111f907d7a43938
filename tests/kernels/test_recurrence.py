"""The kernels of LSTM and GRU against the scan that they replace, which is tested against Keras."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus.kernels import library as kernel_library
from gradus.kernels.library import kernels
from gradus.kernels.matmul import count_operations
from gradus.kernels.recurrence import recur
from gradus.nn import activations
from gradus.nn.ops.rnn import gru_cell, lstm_cell, scan_cell

pytestmark = pytest.mark.usefixtures("native")
RNG = np.random.default_rng(0)
TANH, SIGMOID = activations.get("tanh"), activations.get("sigmoid")
CELLS = {"lstm": (lstm_cell(TANH, SIGMOID), 2), "gru": (gru_cell(TANH, SIGMOID), 1)}
PARTS = {"lstm": 4, "gru": 3}
SHAPES = ((1, 1, 1), (5, 3, 4), (4, 10, 17), (3, 70, 33))  # steps, batch, units


def draw(*shape, scale=1.0):
    return (scale * RNG.normal(size=shape)).astype(np.float32)


def weights(cell, units):
    width = PARTS[cell] * units
    return draw(units, width, scale=units**-0.5), draw(width)


def scanned(cell, x, kernel, bias, mask, all_steps):
    function, states = CELLS[cell]
    start = (jnp.zeros((x.shape[1], len(kernel)), x.dtype),) * states
    return scan_cell(function, x, kernel, bias, start, mask, all_steps)


def outputs_and_gradients(run, case, arguments):
    cell, masked, biased, all_steps = case
    x, kernel, bias, mask = arguments

    def loss(x, kernel, bias):
        h = run(cell, x, kernel, bias if biased else None, mask if masked else None, all_steps)
        return (h * jnp.cos(jnp.arange(h.size)).reshape(h.shape)).sum(), h

    return jax.value_and_grad(loss, (0, 1, 2), has_aux=True)(x, kernel, bias)


@pytest.mark.slow
def test_outputs_and_gradients_are_those_of_the_scan():
    cases = itertools.product(CELLS, (False, True), (False, True), (False, True))
    pairs = [(SHAPES[k * 3 // 2 % len(SHAPES)], case) for k, case in enumerate(cases)]
    given = [
        (
            draw(steps, batch, PARTS[cell] * units, scale=2.0),
            *weights(cell, units),
            RNG.random((steps, batch)) < 0.7,
        )
        for (steps, batch, units), (cell, *_) in pairs
    ]
    results = []
    for run in (recur, scanned):
        with kernels():
            together = [functools.partial(outputs_and_gradients, run, case) for _, case in pairs]
            results.append(jax.jit(lambda given, calls=together: [
                call(each) for call, each in zip(calls, given, strict=True)
            ])(given))  # fmt: skip
    for pair, found, expected in zip(pairs, *results, strict=True):
        for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
            scale = np.abs(other).max() + 1e-6
            np.testing.assert_allclose(one / scale, other / scale, atol=1e-5, err_msg=str(pair))


@pytest.mark.parametrize("setting", ["avx512", "avx2", "baseline"])
def test_every_instruction_set_is_exact_and_keeps_what_is_no_number(setting, using):
    z = np.array([-np.inf, -200, -88, -9, -0.625, -1e-3, 0, 1e-30, 0.3, 1, 30, 200, np.inf, np.nan])
    wide = z.astype(np.float64)
    with np.errstate(over="ignore"):
        gate = 1 / (1 + np.exp(-wide))
    with using(setting):
        if kernel_library.library().instructions is None:
            pytest.skip("this processor lacks them")
        found = {}
        for cell, parts in PARTS.items():  # one step of 14 units, without a product
            x = np.tile(z.astype(np.float32), parts)[None, None]
            kernel = np.zeros((14, parts * 14), np.float32)
            with kernels():
                found[cell] = recur(cell, x, kernel, None, None, False)[0]
    exact = {"lstm": gate * np.tanh(gate * np.tanh(wide)), "gru": (1 - gate) * np.tanh(wide)}
    for cell, h in found.items():
        np.testing.assert_allclose(h, exact[cell], rtol=1e-6, atol=6e-8, err_msg=cell)


@pytest.mark.parametrize("cell", CELLS)
def test_samples_do_not_depend_on_others(cell):
    x, (kernel, bias) = draw(6, 130, PARTS[cell] * 20), weights(cell, 20)

    @jax.jit
    def both(x, mask):
        with kernels():
            h, back = jax.vjp(lambda x: recur(cell, x, kernel, bias, mask, True), x)
            return h, *back(h)

    mask = RNG.random((6, 130)) < 0.8
    whole = both(x, mask)
    for part in (slice(40, 73), slice(129, 130)):
        for one, other in zip(both(x[:, part], mask[:, part]), whole, strict=True):
            np.testing.assert_array_equal(one, other[:, part])
    mapped = jax.vmap(both)(x.swapaxes(0, 1)[:3, :, None], mask.T[:3, :, None])
    for one, other in zip(mapped, whole, strict=True):
        np.testing.assert_array_equal(one[2, :, 0], other[:, 2])


@pytest.mark.parametrize("cell", CELLS)
def test_they_have_derivatives_of_second_order(cell):
    x, (kernel, bias) = draw(3, 2, PARTS[cell] * 3), weights(cell, 3)

    def penalty(run):
        def slope(kernel):
            return jax.grad(lambda x: run(cell, x, kernel, bias, None, False).sum())(x)

        with kernels():
            return jax.jit(jax.grad(lambda kernel: (slope(kernel) ** 2).sum()))(kernel)

    np.testing.assert_allclose(penalty(recur), penalty(scanned), rtol=1e-4, atol=1e-5)


def program_of(layer, x):
    with kernels():
        return str(jax.make_jaxpr(gr.init(layer, 0, x))(x))


def test_what_the_kernel_does_not_have_is_scanned():
    x = draw(2, 3, 4)
    for layer in (gr.LSTM, gr.GRU):
        assert "gradus_recurrence" in program_of(layer(5), x)
        assert "gradus_recurrence" not in program_of(layer(5, activation="relu"), x)
        hard = layer(5, recurrent_activation="hard_sigmoid")
        assert "gradus_recurrence" not in program_of(hard, x)
        assert "gradus_recurrence" not in program_of(layer(610), x)
        assert "gradus_recurrence" not in str(jax.make_jaxpr(gr.init(layer(5), 0, x))(x))
    assert "gradus_recurrence" not in program_of(gr.GRU(5, reset_after=False), x)


def test_operations_are_counted():
    x, (kernel, bias) = draw(5, 3, 16), weights("lstm", 4)
    with kernels():
        run = jax.jit(jax.grad(lambda x: recur("lstm", x, kernel, bias, None, True).sum()))
        program = run.lower(x).as_text()
    assert count_operations(program) == 2 * (5 * 3) * (4 * 16) * 2  # either way


@pytest.mark.parametrize(
    ("shape", "others"),
    [((2, 3, 8), [(3, 8)]), ((2, 3, 9), [(2, 8)]), ((2, 3, 8), [(2, 8), (7,)]), ((2, 3, 8), [])],
)
def test_shapes_that_do_not_fit_are_an_error(shape, others):
    results = [jax.ShapeDtypeStruct((2, 3, size), jnp.float32) for size in (2, 10)]
    call = jax.ffi.ffi_call("gradus_recurrence", results)
    options = {"cell": "lstm", "masked": False, "biased": len(others) > 1}
    with pytest.raises(jax.errors.JaxRuntimeError, match="fit"):
        jax.block_until_ready(call(jnp.zeros(shape), *map(jnp.zeros, others), **options))
