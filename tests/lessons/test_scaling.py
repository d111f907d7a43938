"""The same unit learns from standardized inputs and not from raw ones."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from gradus.lessons.catalog import run_lesson
from gradus.lessons.scaling import curvature


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_the_unit_learns_only_from_standardized_inputs(seed):
    _, _, numbers = run_lesson("scaling", quiet=True, epochs=150, seed=seed)
    assert numbers["standardized_accuracy"] > 0.9
    assert numbers["raw_accuracy"] < numbers["always_no_accuracy"] + 0.05
    assert numbers["raw_condition_number"] > 1e5 * numbers["standardized_condition_number"]


def test_the_curvature_is_that_of_the_cross_entropy(rng):
    x, y = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)
    design = np.column_stack([x, np.ones(20)])

    def gradient(w):
        return design.T @ (1 / (1 + np.exp(-design @ w)) - y) / len(y)

    hessian = approx_fprime(np.zeros(4), gradient, 1e-6)
    np.testing.assert_allclose(curvature(x), np.linalg.eigvalsh(hessian), rtol=1e-4)
