"""Data sets of arrays, and the .npz files that hold them."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gradus.data.array_preprocessor import read_image_bytes, standard_images
from gradus.data.array_trees import check_finite
from gradus.data.arrays import as_array
from gradus.data.datasets import Dataset, labeled_dataset
from gradus.data.files import read_bytes
from gradus.data.reading.compression import check_unpacked_size
from gradus.errors import DataError
from gradus.host_memory import host_free_bytes

_NPZ_KEYS = (("x", "y"), ("X", "y"), ("x_train", "y_train"), ("X_train", "y_train"))


def read_npz(path: Path, task: str | None, classes: Sequence[str]) -> Dataset:
    """Read the arrays of inputs and targets in a file, and its test part if it has one.

    Args:
        path: of the file.
        task: as in `load`.
        classes: as in `load`.

    Raises:
        DataError: if it is damaged, too large, or has no arrays of known names.
    """
    arrays, keys, others = _npz_arrays(path)
    train = _npz_part(arrays, keys, task, classes, path.stem)
    if others:
        note = unused_arrays_note(others)
        train = replace(train, notes=(*train.notes, note))
    test_keys = (test_key(keys[0]), test_key(keys[1]))
    if test_keys[0] not in arrays:
        return train
    test = _npz_part(arrays, test_keys, train.task, train.class_names, path.stem)
    return replace(train, test=test)


def unused_arrays_note(names: Sequence[str]) -> str:
    """Return which arrays of a file are not used, in a sentence without its end."""
    if len(names) == 1:
        return f"the array {names[0]} is not used"
    return f"the arrays {', '.join(names)} are not used"


def test_key(key: str) -> str:
    """Return the name of the test part beside that of the training part, "x_test" for "x"."""
    return key.replace("train", "test") if "train" in key else f"{key}_test"


def _npz_arrays(path: Path) -> tuple[dict[str, np.ndarray], tuple[str, str], list[str]]:
    """Return the arrays of inputs and targets in an .npz file, and the names of those to train on.

    Other arrays are not unpacked; their names come last.
    """
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as archive:
            keys = training_keys(archive.files, str(path))
            wanted = [key for key in (*keys, *map(test_key, keys)) if key in archive.files]
            sizes = {info.filename: info.file_size for info in archive.zip.infolist()}
            size = sum(sizes.get(f"{key}.npy", sizes.get(key, 0)) for key in wanted)
            check_unpacked_size(size, host_free_bytes(), repr(str(path)))
            others = [key for key in archive.files if key not in wanted]
            return {key: archive[key] for key in wanted}, keys, others
    except DataError:
        raise
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
        raise DataError(f"{str(path)!r} is not an .npz file, or is damaged: {error}.") from None
    except (MemoryError, OverflowError) as error:
        raise DataError(f"{str(path)!r} is damaged, or too large: {error}.") from None
    except ValueError as error:
        raise DataError(
            f"{str(path)!r} cannot be read: {error}. Arrays of Python objects are pickles, which "
            "gradus never loads; save arrays of numbers, or of fixed-width text."
        ) from None


def training_keys(names: Sequence[str], path: str) -> tuple[str, str]:
    """Return the names of the inputs and targets to train on among the arrays of a file."""
    for keys in _NPZ_KEYS:
        if keys[0] in names:
            return keys
    if len(names) == 1:
        return names[0], "y"
    raise DataError(
        f"{path!r} has the arrays {', '.join(names)}; name them x and y, or x_train, y_train, "
        "x_test and y_test."
    )


def _npz_part(
    arrays: dict[str, np.ndarray],
    keys: tuple[str, str],
    task: str | None,
    classes: Sequence[str],
    name: str,
) -> Dataset:
    x_key, y_key = keys
    return array_dataset(arrays[x_key], arrays.get(y_key), task, classes, name, x_key)


def array_dataset(
    x: Any,
    y: Any = None,
    task: str | None = None,
    classes: Sequence[str] = (),
    name: str = "",
    x_name: str = "x",
) -> Dataset:
    """Return arrays as a data set, as those of an .npz file: images are recognized.

    Args:
        x: the inputs, (n, …).
        y: the targets, (n,) or (n, k), or None.
        task: as in `load`.
        classes: as in `load`.
        name: of the data set.
        x_name: what errors call the inputs.

    Raises:
        DataError: as `as_array`, `check_finite`, and `Target.fit`.
    """
    x = as_array(x, x_name, wide=True)
    check_finite(x, x_name)
    x, notes = standard_images(x, x_name)
    scaling = None
    if x.dtype == np.uint8:
        x, scaling, more = read_image_bytes(x, x_name)
        notes += more
    if y is None:
        return Dataset(x, name=name, notes=tuple(notes), scaling=scaling)
    return labeled_dataset(x, y, task, classes, name=name, notes=tuple(notes), scaling=scaling)
