"""`descend` returns the optimizer's path, step by step."""

import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError, ShapeError


def bowl(point):
    """½ (x² + 4 y²)."""
    return 0.5 * (point[0] ** 2 + 4 * point[1] ** 2)


def test_plain_descent_by_hand():
    # The gradient is (x, 4 y): with η = 0.1 a step takes x to 0.9 x and y to 0.6 y.
    path = gr.descend(bowl, [1.0, 2.0], gr.SGD(0.1), 5)
    count = np.arange(6)
    np.testing.assert_allclose(path, np.stack([0.9**count, 2 * 0.6**count], 1), rtol=1e-5)


def test_momentum_by_hand():
    path, v, x = gr.descend(bowl, [1.0, 0.0], gr.SGD(0.1, momentum=0.5), 4)[:, 0], 0.0, 1.0
    for point in path[1:]:
        v = 0.5 * v + x
        x -= 0.1 * v
        assert point == pytest.approx(x, rel=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", gr.LBFGS()], ids=["a name", "full batch"])
def test_every_kind_goes_down(optimizer):
    path = gr.descend(bowl, [1.0, 2.0], optimizer, 8)
    assert bowl(path[-1]) < bowl(path[0])


def test_no_steps_is_the_start_alone():
    np.testing.assert_array_equal(gr.descend(bowl, [1, 2], "sgd", 0), [[1, 2]])


def test_what_cannot_be_descended_is_refused():
    with pytest.raises(ShapeError, match=r"shape \(2,\)"):
        gr.descend(lambda p: p * jnp.ones(2), [1.0, 2.0], "sgd", 3)
    with pytest.raises(GradusError, match="whole number"):
        gr.descend(bowl, [1.0, 2.0], "sgd", -1)
    with pytest.raises(GradusError, match="Did you mean 'adam'"):
        gr.descend(bowl, [1.0, 2.0], "adm", 1)
