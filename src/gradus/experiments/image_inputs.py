"""Image files as the network of a run takes them: in the size and the colors of its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gradus.data import Dataset, Target
from gradus.data.files import existing_file, file_suffix
from gradus.data.images import MODES, is_picture, read_image
from gradus.data.sources.idx_files import idx_parts
from gradus.data.sources.image_folders import (
    image_dataset,
    read_image_folder,
    read_unlabeled_images,
)
from gradus.data.table_files import TABLE_SUFFIXES
from gradus.errors import DataError
from gradus.models.model import Model
from gradus.nn.layers.reshaping import Rescaling

LARGEST_BYTE = 255


def are_image_files(source: Any) -> bool:
    """Return whether a source is an image file, a folder of them, or a list of their paths."""
    if isinstance(source, list | tuple):
        return bool(source) and all(isinstance(each, str | Path) for each in source)
    path = Path(source).expanduser()
    if path.is_dir():
        return not idx_parts(path)
    return path.is_file() and file_suffix(path) not in (".npz", *TABLE_SUFFIXES)


def takes_images(model: Model) -> bool:
    """Return whether a network takes images with channels, `(n, height, width, channels)`."""
    return len(getattr(model.example, "shape", ())) == 4


def check_kind(source: str, model: Model, is_table: bool) -> None:
    """Refuse an image where a run was trained on something else, and a table where on images.

    Raises:
        DataError: saying on what it was trained.
    """
    path = Path(source)
    if takes_images(model):
        if path.is_file() and file_suffix(path) in TABLE_SUFFIXES:
            raise DataError(f"The run was trained on images, but {source!r} is a table.")
    elif is_picture(path):
        kind = "a table" if is_table else "arrays"
        raise DataError(f"The run was trained on {kind}, but {source!r} is an image.")


def read_image_files(source: Any, model: Model, target: Target | None) -> Dataset:
    """Return image files as a data set, in the size and the colors of the training.

    Args:
        source: as `are_image_files` accepts.
        model: of the run.
        target: of the run, if the folder has a subfolder of each class; None to read all images
            without classes.

    Raises:
        DataError: for files that cannot be read, or a network that takes no such images.
    """
    height, width, channels = _image_shape(model)
    size = height, width
    if isinstance(source, list | tuple):
        if target is not None:
            raise DataError(
                "A list of images has no classes: name a folder with one of each class."
            )
        data = image_dataset([existing_file(each) for each in source], size, channels)
    elif target is None:
        data = read_unlabeled_images(source, size, channels)
    else:
        data = read_image_folder(source, target.class_names, size, channels)
    return _in_range(data, model)


def read_image_body(model: Model, content: bytes) -> np.ndarray:
    """Return the content of an image file as the input of a network, (1, height, width, channels).

    Raises:
        DataError: as `read_image_files`.
    """
    height, width, channels = _image_shape(model)
    image, _ = read_image(content, (height, width), channels)
    return _in_range(Dataset(image[None]), model).x


def _image_shape(model: Model) -> Sequence[int]:
    """Return height, width, and channels of the images of bytes that a network takes.

    Raises:
        DataError: if it takes others, which files do not hold.
    """
    shape: Sequence[int] = model.example.shape[1:]
    if model.example.dtype != np.uint8:
        raise DataError(
            "The images of training were floats, which files do not hold: pass an array of their "
            "range."
        )
    if shape[2] not in MODES:
        raise DataError(
            f"The images of training had {shape[2]} channels, which files do not have: pass an "
            "array."
        )
    return shape


def _in_range(data: Dataset, model: Model) -> Dataset:
    """Return images in the range of training where that was less than that of files, to 255."""
    largest = _largest_value(model)
    if largest >= LARGEST_BYTE:
        return data
    x = np.round(data.x * (largest / LARGEST_BYTE)).astype(np.uint8)
    note = f"pixels from 0 to 255 were scaled to those of training, 0 to {largest}"
    test = None if data.test is None else _in_range(data.test, model)
    return replace(data, x=x, test=test, notes=(*data.notes, note))


def _largest_value(model: Model) -> int:
    """Return the pixel that a network divides by, the largest one of the training."""
    for layer in getattr(model.net, "layers", ()):
        if isinstance(layer, Rescaling) and np.ndim(layer.scale) == 0 and not np.any(layer.offset):
            return round(1 / float(layer.scale))
    return LARGEST_BYTE
