"""`stream_arrays`: from the path of an .npz file to arrays that are read in parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gradus.data.array_preprocessor import ArrayPreprocessor
from gradus.data.array_trees import check_same_length
from gradus.data.datasets import Dataset
from gradus.data.images import ImageSize
from gradus.data.preprocessing import AUTOMATIC, Preprocessing
from gradus.data.reading.compression import check_unpacked_size
from gradus.data.sources.load import resized
from gradus.data.sources.npz_files import (
    array_dataset,
    test_key,
    training_keys,
    unused_arrays_note,
)
from gradus.data.streaming import split_rows
from gradus.data.streaming.array_stream import ArrayStream, MappedRows
from gradus.data.streaming.mapped_files import map_npz
from gradus.host_memory import host_free_bytes


def stream_arrays(
    path: Path,
    *,
    task: str | None = None,
    classes: Sequence[str] = (),
    image_size: ImageSize = None,
    preprocessing: Preprocessing = AUTOMATIC,
    preprocessor: ArrayPreprocessor | None = None,
) -> ArrayStream:
    """Open the arrays of an .npz file that are larger than memory.

    What the inputs are, such as images, is inferred from a sample of them, as from all in `load`.

    Args:
        path: of the file; its arrays are named as in `load`.
        task: as in `load`.
        classes: as in `load`.
        image_size: as in `load`.
        preprocessing: how inputs are scaled.
        preprocessor: of other rows, those of a training, by which these are encoded.

    Raises:
        DataError: if the file is compressed or damaged, has other arrays, or its targets do not fit
            into memory.
    """
    arrays = map_npz(path)
    x_key, y_key = training_keys(list(arrays), str(path))
    test_keys = test_key(x_key), test_key(y_key)
    whole = _stream(arrays, (x_key, y_key), path, task, classes, image_size)
    others = [key for key in arrays if key not in (x_key, y_key, *test_keys)]
    if others:
        notes = (*whole.example.notes, unused_arrays_note(others))
        whole = replace(whole, example=replace(whole.example, notes=notes))
    whole = replace(whole, preprocessing=preprocessing, fitted=preprocessor)
    if test_keys[0] not in arrays:
        return whole
    known = whole.example
    test = _stream(arrays, test_keys, path, known.task, known.class_names, image_size)
    return replace(whole, test=replace(test, fitted=preprocessor, part="its test part"))


def _stream(
    arrays: Mapping[str, np.ndarray],
    keys: tuple[str, str],
    path: Path,
    task: str | None,
    classes: Sequence[str],
    image_size: ImageSize,
) -> ArrayStream:
    """Return the rows of inputs and targets, by the names of their arrays."""
    (x_key, y_key), name = keys, repr(str(path))
    x, y = arrays[x_key], arrays.get(y_key)
    check_same_length(x, y)
    source = MappedRows(x, path, name)
    blocks = source.spread_blocks(split_rows.SAMPLE_ROWS, split_rows.SAMPLE_PARTS)
    sample = np.concatenate([source.read(block) for block in blocks])
    example = resized(array_dataset(sample, name=path.stem, x_name=x_key), image_size)
    if example.x.dtype.kind in "iub" and example.x.dtype != np.uint8:
        example = replace(example, x=example.x.astype(np.float64))
    if y is None:
        return ArrayStream(source, example)
    check_unpacked_size(4 * y.nbytes, host_free_bytes(), f"The array {y_key} of {name}", "needs")
    labels = _labels(np.array(y), task, classes)
    notes = (*example.notes, *labels.notes)
    example = replace(example, task=labels.task, class_names=labels.class_names, notes=notes)
    return ArrayStream(source, example, labels.y)


def _labels(y: np.ndarray, task: str | None, classes: Sequence[str]) -> Dataset:
    """Return targets as a data set whose inputs are nothing."""
    return array_dataset(np.zeros((len(y), 1), bool), y, task, classes)
