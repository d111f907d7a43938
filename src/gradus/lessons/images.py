"""The images that lessons use: scikit-learn's small digits, or MNIST on request."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gradus.data import load, split


class Images(NamedTuple):
    """Images of digits in [0, 1], `(n, side, side, 1)`, and their labels, `(n,)`.

    Attributes:
        x: training images.
        y: labels of the training images.
        x_test: test images.
        y_test: labels of the test images.
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    @property
    def flat(self) -> Images:
        """The same images, each as one row of pixels, `(n, side · side)`."""
        x, x_test = (a.reshape(len(a), -1) for a in (self.x, self.x_test))
        return self._replace(x=x, x_test=x_test)


def load_images(data: str = "digits", seed: int = 0) -> Images:
    """Return the images of a data set: "digits" (8 × 8), "mnist", or a similar one (28 × 28).

    Args:
        data: a name or path for `gradus.data.load`, which looks for MNIST in the folder that the
            environment variable GRADUS_DATA names.
        seed: seed of the split, if the data set has no test images; a quarter is held out.

    Raises:
        DataError: if there is no such data set.
    """
    train = load(data)
    test = train.test
    if test is None:
        rows, held_out = split(np.asarray(train.y), 0.25, seed)
        train, test = train.take(rows), train.take(held_out)
    x, x_test = (
        np.asarray(part.x, np.float32) / np.float32(np.max(train.x)) for part in (train, test)
    )
    if x.ndim == 3:
        x, x_test = x[..., None], x_test[..., None]
    return Images(x, np.asarray(train.y), x_test, np.asarray(test.y))
