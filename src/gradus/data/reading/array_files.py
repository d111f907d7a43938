"""Tables in .npy files: the columns of an array."""

from __future__ import annotations

import io

import numpy as np

from gradus.errors import DataError

NPY_MAGIC = b"\x93NUMPY"


def read_npy(content: bytes, name: str) -> np.ndarray:
    """Return the array in the bytes of an .npy file.

    Args:
        content: of the file.
        name: what errors call it.

    Raises:
        DataError: if it is damaged, or holds Python objects.
    """
    try:
        return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{name} is not an .npy file of numbers, or is damaged: {error}.") from None


def names_of_columns(array: np.ndarray, name: str) -> list[str]:
    """Return the names of an array's columns: those that it has, or column_1, column_2, ….

    Args:
        array: (n, columns), or (n,) with named columns.
        name: what errors call it.

    Raises:
        DataError: for an array of another shape.
    """
    if array.dtype.names and array.ndim == 1:
        return list(array.dtype.names)
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(
            f"{name} has shape {array.shape}, but a table has rows and columns; save inputs of "
            "other shapes beside their targets: np.savez(path, x=…, y=…)."
        )
    return [f"column_{index}" for index in range(1, array.shape[1] + 1)]


def array_columns(array: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    """Return the columns of an array by their names, as `names_of_columns` returns them."""
    if array.dtype.names:
        return {name: array[name] for name in names}
    return {name: array[:, int(name.split("_")[1]) - 1] for name in names}


def unnamed_notes(array: np.ndarray) -> tuple[str, ...]:
    """Return a note on an array whose columns have no names."""
    if array.dtype.names:
        return ()
    last = array.shape[1]
    named = (
        "its column is named column_1"
        if last == 1
        else f"its columns are column_1 to column_{last}"
    )
    return (f"an array has no names: {named}, and target=-1 names the last",)
