"""Reading images: IDX files (MNIST's format) and folders of image files by class."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from gradus.data.array_preprocessor import Scaling
from gradus.data.datasets import Dataset, labeled_dataset
from gradus.data.files import existing_file, read_bytes
from gradus.errors import DataError

EIGHT_BIT = Scaling((0.0,), (255.0,))
ORIENTATION = 0x0112  # the EXIF tag
QUARTER_TURNS = (5, 6, 7, 8)  # its values that exchange width and height

_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


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
    x = x[..., None] if x.ndim == 3 else x
    return labeled_dataset(x, y, "multiclass", classes, name=name, scaling=EIGHT_BIT)


def read_image_folder(folder: str | Path, classes: tuple[str, ...] = ()) -> Dataset:
    """Read a folder with one subfolder of image files per class.

    All images are turned as their EXIF data say, then resized to the most common size; they are
    gray if every file is, else RGB. The images of a class may be in subfolders. If the subfolders
    are `train` and `test` (or `val`) and hold the classes, `test` is the test part.

    Args:
        folder: the folder.
        classes: all class names, if the folder may lack some.

    Returns:
        uint8 images (n, h, w, 1 or 3) and labels; a note says how many were resized.

    Raises:
        DataError: if there are fewer than two classes, a class has no images, or a file cannot
            be read as an image.

    Examples:
        >>> import pathlib, tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name, gray in (("cat", 10), ("dog", 20)):
        ...         pathlib.Path(folder, name).mkdir()
        ...         Image.new("L", (6, 4), gray).save(pathlib.Path(folder, name, "1.png"))
        ...     data = gr.data.read_image_folder(folder)
        >>> data.x.shape, data.class_names
        ((2, 4, 6, 1), ('cat', 'dog'))
    """
    folder = _without_wrappers(existing_file(folder))
    subfolders = {entry.name: entry for entry in sorted(folder.iterdir()) if _visible_dir(entry)}
    for test_name in ("test", "val", "validation"):
        if set(subfolders) == {"train", test_name}:
            train = read_image_folder(subfolders["train"], classes)
            test = _read_classes(
                subfolders[test_name], train.class_names, train.x.shape[1:3], train.x.shape[3]
            )
            return replace(train, name=folder.name, test=test)
    return _read_classes(folder, classes)


def _without_wrappers(folder: Path) -> Path:
    """Return the folder of the classes, which others may wrap: archive/archive/cat."""
    subfolders = [entry for entry in folder.iterdir() if _visible_dir(entry)]
    if len(subfolders) != 1:
        return folder
    inner = _without_wrappers(subfolders[0])
    return inner if sum(map(_visible_dir, inner.iterdir())) > 1 else folder


def _visible_dir(entry: Path) -> bool:
    return entry.is_dir() and not entry.name.startswith(".")


def _read_classes(
    folder: Path,
    classes: tuple[str, ...] = (),
    size: tuple[int, int] | None = None,
    channels: int | None = None,
) -> Dataset:
    from PIL import Image

    suffixes = Image.registered_extensions()
    files: list[Path] = []
    names: list[str] = []
    for subfolder in sorted(entry for entry in folder.iterdir() if _visible_dir(entry)):
        images = [file for file in sorted(subfolder.rglob("*")) if file.suffix.lower() in suffixes]
        if not images:
            raise DataError(f"The class folder {str(subfolder)!r} has no images.")
        files += images
        names += [subfolder.name] * len(images)
    if not files:
        raise DataError(
            f"{str(folder)!r} has no folders of images; put the images of each class into a "
            "subfolder with the name of the class."
        )
    common_size, gray = _read_headers(files)
    size = size or common_size
    channels = channels or (1 if gray else 3)
    x = np.empty((len(files), *size, channels), np.uint8)
    resized = 0
    for index, file in enumerate(files):
        x[index], changed = _read_image(file, size, channels)
        resized += changed
    height, width = size
    note = f"{resized} of {len(files)} images were resized to {height}×{width}"
    return labeled_dataset(
        x,
        names,
        "multiclass",
        classes,
        name=folder.name,
        notes=(note,) if resized else (),
        scaling=EIGHT_BIT,
    )


def _read_headers(files: list[Path]) -> tuple[tuple[int, int], bool]:
    """Return the most common (height, width) once turned, and whether all images are gray."""
    from PIL import Image

    sizes: Counter[tuple[int, int]] = Counter()
    gray = True
    for file in files:
        try:
            with Image.open(file) as image:
                turned = image.getexif().get(ORIENTATION, 1) in QUARTER_TURNS
                sizes[image.size if turned else image.size[::-1]] += 1
                gray = gray and image.mode in ("1", "L", "LA")
                if image.mode[0] in "IF":
                    raise DataError(
                        f"{str(file)!r} has more than 8 bits per channel (mode {image.mode}); save "
                        "it with 8, or save the images as an .npz of float arrays."
                    )
        except (OSError, Image.DecompressionBombError) as error:
            raise DataError(f"{str(file)!r} cannot be read as an image: {error}.") from None
    return sizes.most_common(1)[0][0], gray


def _read_image(file: Path, size: tuple[int, int], channels: int) -> tuple[np.ndarray, bool]:
    """Return the image as uint8 (h, w, c), and whether it was resized."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened).convert("L" if channels == 1 else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{str(file)!r} cannot be read as an image: {error}.") from None
    changed = (image.height, image.width) != size
    if changed:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(*size, channels), changed
