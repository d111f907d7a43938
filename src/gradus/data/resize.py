"""Resizing of images."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.errors import DataError


def resize_images(x: Any, size: tuple[int, int]) -> np.ndarray:
    """Resize images with Pillow's bilinear filter, which averages when it shrinks.

    Args:
        x: `(n, height, width, channels)`, uint8 or floats.
        size: (height, width).

    Returns:
        uint8 or float32, as x is.

    Raises:
        DataError: if x is not an array of images, or the size is invalid.
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
    dtype = np.uint8 if x.dtype == np.uint8 else np.float32
    resized = np.empty((len(x), *size, x.shape[3]), dtype)
    for target, image in zip(resized, x.astype(dtype, copy=False), strict=True):
        for channel in range(x.shape[3]):
            target[..., channel] = _resize_channel(image[..., channel], size)
    return resized


def _resize_channel(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
