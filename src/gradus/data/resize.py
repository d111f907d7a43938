"""Images of another size."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.errors import DataError


def resize_images(x: Any, size: tuple[int, int]) -> np.ndarray:
    """Return images of another size, by Pillow's bilinear filter, which averages where it shrinks.

    Args:
        x: `(n, height, width, channels)`, bytes or floats.
        size: (height, width).

    Returns:
        bytes or float32, as x is.

    Raises:
        DataError: if x is no array of images, or the size cannot be.
    """
    if not isinstance(x, np.ndarray) or x.ndim != 4:
        raise DataError(
            f"image_size = {size!r} is for images, arrays (n, height, width, channels): leave it "
            "out for other data."
        )
    if len(size) != 2 or min(size) < 1:
        raise DataError(f"image_size = {size!r}: write a height and a width, such as (28, 28).")
    if x.shape[1:3] == tuple(size):
        return x
    kind = np.uint8 if x.dtype == np.uint8 else np.float32
    made = np.empty((len(x), *size, x.shape[3]), kind)
    for into, image in zip(made, x.astype(kind, copy=False), strict=True):
        for channel in range(x.shape[3]):
            into[..., channel] = _resized(image[..., channel], size)
    return made


def _resized(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
