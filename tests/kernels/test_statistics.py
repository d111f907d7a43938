"""The sums behind layer statistics, by the kernel and by the JAX function beside it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradus.kernels import statistics as kernel
from gradus.kernels.library import kernels
from gradus.kernels.statistics import (
    UNRECORDED,
    Outputs,
    WeightChange,
    plain_statistics,
    statistics,
)

pytestmark = pytest.mark.usefixtures("native")
# Outputs of a batch: numbers alone, of dense layers, of a wide one that several threads take, of
# sequences, and of images.
SHAPES = [(7,), (1, 1), (33, 10), (64, 3001), (9, 4, 5), (8, 6, 5, 3)]
WEIGHTS = [(), (1,), (17, 10), (3, 3, 2, 4), (300, 257)]


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def arrays():
    outputs = [draw(*shape, seed=i) + 0.5 for i, shape in enumerate(SHAPES)]
    outputs[2][:, 3:5] = 0  # two silent units of ten
    outputs[5][..., 1] = 0  # a silent channel of three
    layers = [Outputs(o, o > 0.8 if i % 2 else None) for i, o in enumerate(outputs)]
    changes = [WeightChange(*(draw(*shape, seed=s) for s in range(3))) for shape in WEIGHTS]
    return [*layers[:3], Outputs(None), *layers[3:]], changes


def by_numpy(layers, changes):
    """Return the numbers in float64, from what their names mean."""
    found = []
    for values, saturated in layers:
        if values is None:
            found += [UNRECORDED] * 5
            continue
        flat = values.reshape(len(values), -1).astype(np.float64)
        channels = values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1)
        found += [flat.mean(), (channels == 0).all(0).mean(), flat.mean(0).var()]
        found += [flat.var(0).mean(), UNRECORDED if saturated is None else saturated.mean()]
    for gradient, weight, updated in changes:
        arrays = gradient, weight, updated - weight
        found += [np.sum(np.square(array.astype(np.float64))) for array in arrays]
    return found


def in_program(layers, changes):
    with kernels():
        return statistics(layers, changes)


def test_statistics_are_those_of_numpy(monkeypatch):
    expected = by_numpy(*arrays())
    np.testing.assert_allclose(jax.jit(in_program)(*arrays()), expected, rtol=2e-6)
    plain = jax.jit(plain_statistics)
    np.testing.assert_allclose(plain(*arrays()), expected, rtol=1e-5, atol=1e-7)
    monkeypatch.setattr(kernel, "SMALL", 0)  # large arrays are added up one by one
    plain.clear_cache()
    np.testing.assert_allclose(plain(*arrays()), expected, rtol=1e-5, atol=1e-7)


def test_members_that_are_mapped_have_the_bits_of_one_alone():
    layers, changes = (
        [Outputs(draw(3, 16, 5), draw(3, 16, 5) > 0)],
        [WeightChange(*draw(3, 3, 4, 2))],
    )
    mapped = jax.jit(jax.vmap(in_program))(layers, changes)
    alone = jax.jit(in_program)(*jax.tree.map(lambda array: array[1], (layers, changes)))
    np.testing.assert_array_equal(mapped[1], alone)


def test_what_is_not_finite_stays_so():
    broken = np.float32([[1, np.nan], [np.inf, 2]])
    found = jax.jit(in_program)([Outputs(broken)], [WeightChange(broken, broken, broken)])
    assert not np.isfinite(np.delete(found, [1, 4])).any()
    huge = np.full((2, 2), 1e30, np.float32)  # whose squares float32 does not have
    found = jax.jit(in_program)([], [WeightChange(huge, huge, huge)])
    assert found.tolist() == [np.inf, np.inf, 0]


def test_other_dtypes_and_no_samples_take_the_path_of_jax():
    half = Outputs(jnp.ones((2, 3), jnp.bfloat16))
    for layers in ([half], [Outputs(jnp.ones((0, 3)))]):
        with kernels():
            assert "gradus_statistics" not in str(jax.make_jaxpr(statistics)(layers, []))


@pytest.mark.parametrize(
    ("shapes", "size", "layers"),
    [
        ([(2, 3)], 4, "-"),
        ([(2, 3)], 6, "-"),
        ([(2, 3), (2, 3)], 5, "s"),  # the mask must be of booleans
        ([()], 5, "-"),
        ([(0, 3)], 5, "-"),
        ([], 5, "-"),
        ([(2, 3), (2, 3)], 3, ""),
        ([(2, 3), (2, 3), (3, 3)], 3, ""),
        ([(2, 3)] * 3, 2, ""),
    ],
)
def test_arrays_that_do_not_fit_are_an_error(shapes, size, layers):
    call = jax.ffi.ffi_call("gradus_statistics", jax.ShapeDtypeStruct((size,), jnp.float32))
    with pytest.raises(jax.errors.JaxRuntimeError, match="fit"):
        jax.block_until_ready(call(*map(jnp.zeros, shapes), layers=layers))
