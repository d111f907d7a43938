"""The pictures that lessons are about: scikit-learn's small digits, or MNIST on request."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gradus.data import load, split


class Pictures(NamedTuple):
    """Pictures of digits, in [0, 1], `(n, side, side, 1)`, and their labels, `(n,)`.

    Attributes:
        x: for training.
        y: their labels.
        x_test: for testing.
        y_test: their labels.
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    @property
    def flat(self) -> Pictures:
        """The same with each picture as one row of numbers, `(n, side · side)`."""
        x, x_test = (a.reshape(len(a), -1) for a in (self.x, self.x_test))
        return self._replace(x=x, x_test=x_test)


def pictures(data: str = "digits", seed: int = 0) -> Pictures:
    """Return the pictures of a data set: "digits" (8 × 8), "mnist" or its like (28 × 28).

    Args:
        data: a name or a path that `gradus.data.load` knows; MNIST is looked for in the folder
            that the environment variable GRADUS_DATA names.
        seed: of what is held out for testing, a quarter, where the data set does not say.

    Raises:
        DataError: if there is no such data set.
    """
    found = load(data)
    test = found.test
    if test is None:
        rows, held = split(np.asarray(found.y), 0.25, seed)
        found, test = found.take(rows), found.take(held)
    x, x_test = (
        np.asarray(each.x, np.float32) / np.float32(np.max(found.x)) for each in (found, test)
    )
    if x.ndim == 3:
        x, x_test = x[..., None], x_test[..., None]
    return Pictures(x, np.asarray(found.y), x_test, np.asarray(test.y))
