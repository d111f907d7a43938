"""Reading images in IDX files (MNIST's format)."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np

from gradus.data.array_preprocessor import byte_scaling, standard_images
from gradus.data.datasets import Dataset, labeled_dataset
from gradus.data.files import existing_file, read_bytes
from gradus.errors import DataError
from gradus.foreign_names.arguments import explain_arguments

_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


@explain_arguments
def read_idx(path: str | Path) -> np.ndarray:
    """Read an IDX file, plain or gzipped, as an array of the type and shape in its header.

    The format: two zero bytes, a byte for the type, a byte for the number of axes, each axis's
    length as a big-endian 32-bit integer, then the values (http://yann.lecun.com/exdb/mnist).

    Raises:
        DataError: if the file is absent or truncated, its magic number is wrong, or its size does
            not fit the shape in its header.

    Examples:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "labels-idx1-ubyte")
        ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        ...     gr.data.read_idx(path).tolist()
        [7, 2, 1]
    """
    content = read_bytes(path)
    name = repr(str(path))
    dtype = _IDX_TYPES.get(content[2]) if len(content) >= 4 else None
    if content[:2] != b"\0\0" or dtype is None or content[3] == 0:
        raise DataError(
            f"{name} is not an IDX file: its magic number is 0x{content[:4].hex()}; MNIST has "
            "0x00000803 (images) and 0x00000801 (labels)."
        )
    axes = content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise DataError(f"{name} is cut short: it ends in its header.")
    shape = struct.unpack(f">{axes}I", content[4:start])
    values = np.prod([int(length) for length in shape], dtype=object)
    size = values * np.dtype(dtype).itemsize
    if len(content) - start != size:
        problem = "is cut short" if len(content) - start < size else "is too long"
        raise DataError(
            f"{name} {problem}: its shape {shape} takes {size} bytes, "
            f"but there are {len(content) - start}."
        )
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return array.astype(array.dtype.newbyteorder("="))


def idx_parts(folder: str | Path) -> dict[str, tuple[Path, Path]]:
    """Return the pairs (images, labels) of IDX files in a folder by part: "train", "t10k"."""
    pairs = {}
    for images in sorted(Path(folder).glob("*-images*idx*")):
        part = images.name.split("-images")[0]
        labels = sorted(Path(folder).glob(f"{part}-labels*idx*"))
        if labels:
            pairs[part] = (images, labels[0])
    return pairs


@explain_arguments
def read_idx_folder(folder: str | Path, classes: tuple[str, ...] = ()) -> Dataset:
    """Read MNIST or a data set in its format: `train-images…`, `train-labels…`, `t10k-…`.

    Args:
        folder: the folder.
        classes: all class names, if the labels may lack some.

    Returns:
        uint8 images (n, h, w, 1) and labels, with the `t10k` (or `test`) pair as the test part.

    Raises:
        DataError: if there is no pair of files, or images and labels differ in number.

    Examples:
        >>> import pathlib, tempfile
        >>> images = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 255])
        >>> labels = bytes([0, 0, 8, 1, 0, 0, 0, 2, 3, 4])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = pathlib.Path(folder, "train-images-idx3-ubyte").write_bytes(images)
        ...     _ = pathlib.Path(folder, "train-labels-idx1-ubyte").write_bytes(labels)
        ...     data = gr.data.read_idx_folder(folder)
        >>> data.x.shape, data.y.tolist(), data.class_names
        ((2, 1, 1, 1), [0, 1], ('3', '4'))
    """
    parts = idx_parts(existing_file(folder))
    if not parts:
        raise DataError(f"{str(folder)!r} has no pair of IDX files (train-images…, train-labels…).")
    name = Path(folder).name
    first = "train" if "train" in parts else next(iter(parts))
    train = _read_pair(*parts[first], name, classes)
    for part in ("t10k", "test"):
        if part in parts and part != first:
            test = _read_pair(*parts[part], name, train.class_names)
            return replace(train, test=test)
    return train


def _read_pair(images: Path, labels: Path, name: str, classes: tuple[str, ...] = ()) -> Dataset:
    x, y = read_idx(images), read_idx(labels)
    if len(x) != len(y):
        raise DataError(
            f"{str(images)!r} has {len(x)} images, but {labels.name!r} has {len(y)} labels."
        )
    x, notes = standard_images(x[..., None] if x.ndim == 3 else x, images.name)
    scaling = None
    if x.dtype == np.uint8:
        scaling, more = byte_scaling(x, images.name)
        notes += more
    return labeled_dataset(
        x, y, "multiclass", classes, name=name, notes=tuple(notes), scaling=scaling
    )
