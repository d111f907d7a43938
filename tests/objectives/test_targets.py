"""Checks of targets: each error names the problem and says what to write."""

import jax.numpy as jnp
import numpy as np
import pytest

from gradus.errors import DataError, GradusError, ShapeError
from gradus.objectives import losses

EYE = np.eye(3)

GOOD = [
    ("mse", np.zeros((4, 2)), (None, 2)),
    ("mse", np.zeros(4), (None,)),
    ("mae", np.zeros((4, 2, 3), np.uint8), (8, 2, 3)),
    ("bce", np.array([[0], [1]]), (None, 1)),
    ("bce", np.array([[True, False]]), (None, 2)),
    ("bce", np.array([[0.0, 0.5, 1.0]]), (None, 3)),
    ("bce", jnp.array([[0.5]], jnp.bfloat16), (None, 1)),
    ("sparse_categorical_crossentropy", np.array([0, 2]), (None, 3)),
    ("sparse_categorical_crossentropy", np.array([True, False]), (None, 2)),
    ("sparse_categorical_crossentropy", np.array([0.0, 2.0]), (None, 3)),
    ("sparse_categorical_crossentropy", np.array([[0, 2], [1, 1]], np.uint8), (None, 2, 3)),
    ("sparse_categorical_crossentropy", [0, 1, 1], (None, 2)),
    ("categorical_crossentropy", EYE[[0, 1]], (None, 3)),
    ("categorical_crossentropy", np.full((5, 3), 1 / 3, np.float32), (None, 3)),
    ("categorical_focal_crossentropy", EYE[[0, 1]], (None, 3)),
    ("categorical_focal_crossentropy", np.array([0, 2]), (None, 3)),
    ("kl_divergence", EYE, (None, 3)),
    ("hinge", np.array([[-1], [1]]), (None, 1)),
    ("squared_hinge", np.array([[0.0], [1.0]]), (None, 1)),
    ("categorical_hinge", EYE, (None, 3)),
    ("poisson", np.array([[0], [17]]), (None, 1)),
]

SPARSE = "sparse_categorical_crossentropy"
DENSE = "categorical_crossentropy"

BAD = [
    ("mse", np.zeros(4), (None, 1), r"\(n,\) but outputs \(n, 1\)\. Write y\[:, None\]\."),
    ("mse", np.zeros((4, 1)), (None,), r"\(n, 1\) but outputs \(n,\)\. Write y\[:, 0\]\."),
    ("mse", np.zeros((4, 5)), (None, 5, 1), r"Write y\[\.\.\., None\]"),
    ("mse", np.zeros((4, 3)), (None, 2), r"\(n, 3\) but outputs \(n, 2\).*Dense\(3\)"),
    ("mse", np.zeros(4), (None, 2), r"\(n,\) but outputs \(n, 2\).*one target for each output"),
    (
        "mse",
        np.array([["1"], ["b"]]),
        (None, 1),
        r"must be numbers, but these are '1', 'b'.*np.uni",
    ),
    ("mse", np.array([[1.0], [None]]), (None, 1), "must be numbers, but these are 1.0, None"),
    ("mse", np.array([[0.0], [np.nan], [np.inf]]), (None, 1), "2 of 3 targets are NaN .* row 1"),
    ("mse", np.zeros((0, 1)), (None, 1), "contain no samples"),
    ("mse", np.float32(3), (None, 1), "contain no samples"),
    ("bce", np.zeros(4), (None, 1), r"Write y\[:, None\]"),
    ("bce", np.array([1, 2, 0]), (None, 3), f"softmax with {SPARSE}"),
    ("bce", np.array([[0], [200]]), (None, 1), r"run from 0 to 200.*in \[0, 1\]\. .*y / 255"),
    ("bce", np.array([[-1], [1]]), (None, 1), r"write \(y \+ 1\) / 2"),
    ("bce", np.array([[1], [2]]), (None, 1), r"write y - 1"),
    ("bce", np.array([[0], [2]]), (None, 1), f"more than two classes use softmax with {SPARSE}"),
    ("bce", np.array([[0.0], [1.5]]), (None, 1), "run from 0 to 1.5"),
    ("binary_focal_crossentropy", np.array([[0.0], [1.5]]), (None, 1), "run from 0 to 1.5"),
    (SPARSE, np.arange(1, 11), (None, 10), "from 1 to 10 but the output has 10 classes 0…9. Subtr"),
    (SPARSE, np.arange(12), (None, 10), r"from 0 to 11 but .*10 classes 0…9\. .*Dense\(12\)"),
    (SPARSE, np.array([-1, 0, 1]), (None, 3), "Negative labels are not classes"),
    (SPARSE, np.array([-1, 1]), (None, 2), r"write \(y \+ 1\) // 2"),
    (SPARSE, np.array([0, 1.5]), (None, 3), "whole numbers 0…2, but 1.5 is among them"),
    (SPARSE, EYE, (None, 3), rf"look like one-hot targets: use {DENSE}, or write y.argmax\(-1\)"),
    (SPARSE, np.zeros((4, 1), int), (None, 3), r"\(n, 1\) but outputs \(n, 3\)\. Write y\[:, 0\]"),
    (SPARSE, np.zeros((4, 2), int), (None, 3), r"Labels must have shape \(n,\)"),
    (SPARSE, np.array(["cat", "dog"]), (None, 2), "these are 'cat', 'dog'"),
    (SPARSE, np.array([0, 1]), (None, 1), r"softmax of one output is always 1.*Dense\(1, \"sigm"),
    (SPARSE, np.array([0, 1]), (None,), r"no axis of classes.*Dense\(K, \"softmax\"\)"),
    (DENSE, np.array([0, 2]), (None, 3), rf"integer labels use {SPARSE}, or .*np.eye\(3, .*\[y\]"),
    (DENSE, np.array([[0], [2]]), (None, 3), r"np.eye\(3, dtype=np.float32\)\[y\[\.\.\., 0\]\]"),
    (DENSE, np.zeros((4, 2)), (None, 3), r"\(n, 2\) but outputs \(n, 3\)"),
    (DENSE, np.array([[1, 0, 0], [1, 1, 0]]), (None, 3), "row 1 they sum to 2. For several labels"),
    (
        DENSE,
        np.array([[0, 0, 0], [1, 0, 0]]),
        (None, 3),
        "row 0 they sum to 0. To exclude samples",
    ),
    (DENSE, np.array([[2, -1, 0]]), (None, 3), "cannot be negative, but -1 is among them"),
    (DENSE, np.array([[1.0], [1.0]]), (None, 1), "softmax of one output is always 1"),
    ("categorical_focal_crossentropy", np.array([0, 3]), (None, 3), r"Dense\(4\)"),
    ("categorical_focal_crossentropy", np.ones((2, 3)), (None, 3), "they sum to 3"),
    ("kl_divergence", np.ones((2, 3)), (None, 3), "they sum to 3"),
    ("categorical_hinge", np.array([0, 2]), (None, 3), SPARSE),
    ("hinge", np.array([[-1], [2]]), (None, 1), "labels -1 and 1 or 0 and 1, not 2"),
    (
        "squared_hinge",
        np.array([[-1], [0], [1]]),
        (None, 1),
        "three classes: use categorical_hinge",
    ),
    ("poisson", np.array([[3], [-2]]), (None, 1), "non-negative targets, but -2"),
    ("huber", np.zeros(3), (None, 1), r"Write y\[:, None\]"),
]


@pytest.mark.parametrize(("name", "y", "shape"), GOOD)
def test_targets_that_fit_pass(name, y, shape):
    losses.get(name).check(y, shape, "y")


@pytest.mark.parametrize(("name", "y", "shape", "message"), BAD)
def test_targets_that_do_not_fit_are_refused_with_what_to_write(name, y, shape, message):
    with pytest.raises(GradusError, match=message) as caught:
        losses.get(name).check(y, shape, "validation_data")
    assert str(caught.value).startswith("validation_data: ")
    assert isinstance(caught.value, DataError | ShapeError)


def test_what_the_message_says_to_write_is_accepted():
    sparse, y = losses.get(SPARSE), np.arange(1, 11)
    sparse.check(y - 1, (None, 10), "y")
    sparse.check((np.array([-1, 1]) + 1) // 2, (None, 2), "y")
    sparse.check(EYE.argmax(-1), (None, 3), "y")
    classes, labels = np.unique(["cat", "dog", "cat"], return_inverse=True)
    sparse.check(labels, (None, len(classes)), "y")
    losses.get(DENSE).check(np.eye(3, dtype=np.float32)[np.array([[0], [2]])[..., 0]], (9, 3), "y")
    losses.get("mse").check(np.zeros(4)[:, None], (None, 1), "y")


def test_a_function_is_checked_for_numbers_only():
    own = losses.get(lambda y_true, y_pred: y_pred)
    own.check(np.zeros((3, 7)), (None, 2), "y")
    with pytest.raises(DataError, match="y: 1 of 2 targets are NaN"):
        own.check([0.0, np.nan], (None, 2), "y")
