"""Conversion of what users pass as x and y to arrays."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np

from gradus.data.aligned_arrays import aligned
from gradus.data.containers import has_array_protocol, in_memory, is_container, refuse_no_data
from gradus.errors import DataError

_NO_NUMBERS = ("date", "duration", "time", "period", "categ", "enum")  # types of columns
_SMALL_INTEGERS = ("int8", "uint8", "int16", "uint16", "int32")
FILL_IN = (
    "Remove those rows or fill in the values; for a table, gradus.data.TablePreprocessor does."
)


def as_array(values: Any, name: str = "x", wide: bool = False) -> np.ndarray:
    """Convert `values` to a contiguous NumPy array of a type that a network accepts.

    Floats become float32 (a float32 array is not copied); booleans and integers of up to 32 bits
    keep their type; wider integers become int32.

    Args:
        values: a NumPy, JAX, pandas, Polars, or Arrow array, series or frame of numbers, a sparse
            matrix, or a list.
        name: what errors call it.
        wide: whether float64 stays, and integers beyond 32 bits become float64, for values that
            will be scaled before they become float32.

    Raises:
        DataError: if the values are text or objects, have missing entries, rows of unequal length
            or no axis of rows, or do not fit into 32 bits.

    Examples:
        >>> gr.data.as_array([[1, 2], [3, 4]]).dtype, gr.data.as_array([0.5]).dtype
        (dtype('int32'), dtype('float32'))
    """
    array = as_numpy(values, name)
    if array.ndim == 0:
        single = "a single value" if _is_number(array.item()) else _article(values)
        raise DataError(f"{name} is {single}; pass an array whose first axis is rows.")
    is_long = array.dtype.kind == "f" and array.dtype.itemsize > 4  # of either byte order
    if wide and (is_long or _is_beyond_int32(array)):
        return np.ascontiguousarray(array, np.float64)
    if array.dtype.kind == "f" or array.dtype.name == "bfloat16":
        return np.ascontiguousarray(_as_float32(array, name))
    if array.dtype.kind in "iu":
        return np.ascontiguousarray(_as_small_integers(array, name))
    if array.dtype.kind == "b":
        return np.ascontiguousarray(array)
    if array.dtype.kind == "O" and all(map(_is_number, array.flat)):
        return as_array(_as_float64(array, name), name, wide)
    if array.dtype.kind == "O":
        _refuse_gaps(array, name)
    if array.dtype.kind in "USO" and _spells_numbers(array):
        raise DataError(
            f"{name} holds numbers as text, such as {str(array.flat[0])!r}: write "
            f"np.asarray({name}, float), or int for labels and codes."
        )
    if array.dtype.kind in "USO" and name.removeprefix("validation ").startswith("y"):
        raise DataError(
            f"{name} holds {_kind(array)}, not numbers. For class names, write "
            "classes, y = np.unique(y, return_inverse=True); for those of validation data, "
            "np.searchsorted(classes, y)."
        )
    if array.dtype.kind == "c":
        raise DataError(
            f"{name} holds complex numbers: write their parts as features, "
            f"np.stack([{name}.real, {name}.imag], axis=-1), or np.abs({name})."
        )
    if isinstance(values, list | tuple) and all(isinstance(each, str) for each in values):
        raise DataError(
            f"{name} holds texts: write gradus.data.TextVectorizer().fit(texts).transform(texts), "
            "whose codes an Embedding takes; of image files, gradus.data.load(folder)."
        )
    columns = _columns_without_numbers(values)
    which = f" in {columns}" if columns else ""
    raise DataError(
        f"{name} holds {_kind(array)}, not numbers{which}. If it is a table, use "
        "gradus.data.TablePreprocessor, which encodes text, dates and missing values."
    )


def _columns_without_numbers(values: Any) -> str:
    """Return the columns of a frame of pandas or Polars that are no numbers; "" for none."""
    dtypes = zip(getattr(values, "columns", ()), getattr(values, "dtypes", ()), strict=False)
    kinds = [(column, str(dtype).split("(")[0].lower()) for column, dtype in dtypes]
    names = [repr(column) for column, kind in kinds if kind in ("object", "str", "string")]
    if not names:
        return ""
    more = ", …" if len(names) > 5 else ""
    return f"the column{'s' * (len(names) > 1)} {', '.join(names[:5])}{more}"


def _spells_numbers(array: np.ndarray) -> bool:
    """Return whether all items are text that is a number: "3" or "2.5"."""
    if not array.size or not all(isinstance(item, str) for item in array.flat):
        return False
    try:
        array.astype(np.float64)
    except ValueError:
        return False
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal | np.number | np.bool_) and not isinstance(
        value, complex
    )


def _refuse_gaps(array: np.ndarray, name: str) -> None:
    """Refuse numbers of which some are None or pandas' NA, by the first that is.

    Raises:
        DataError: with their number, and the row and column of the first.
    """
    gaps = [value is None or type(value).__name__ == "NAType" for value in array.flat]
    if not any(gaps) or not all(map(operator.or_, gaps, map(_is_number, array.flat))):
        return
    values = "1 missing value" if sum(gaps) == 1 else f"{sum(gaps)} missing values"
    where = place_in(gaps.index(True), array.shape)
    raise DataError(f"{name} has {values} (None or NA), the first at {where}. {FILL_IN}")


def place_in(index: int, shape: tuple[int, ...]) -> str:
    """Return where in an array its item of an index is, such as "row 3, column 1"."""
    row, *column = (int(each) for each in np.unravel_index(index, shape))
    where = f"row {row}"
    if column:
        where += f", column {column[0]}" if len(column) == 1 else f", position {tuple(column)}"
    return f"{where} (counted from 0)"


def as_numpy(values: Any, name: str) -> np.ndarray:
    """Return what NumPy makes of values, of whatever type.

    Raises:
        DataError: if they are no data, are masked, or cannot be an array.
    """
    refuse_no_data(values, name)
    values = in_memory(values, name)
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise DataError(f"{name} has masked entries; fill them first, with {name}.filled(value).")
    _refuse_declared(values, name)
    for part in (values, *values[:1]) if isinstance(values, list | tuple) else (values,):
        _refuse_items(part, name)
    try:
        return np.asarray(values)
    except Exception as error:  # an object of another library fails in its own way
        told = f"{name} cannot be converted to an array: {str(error).rstrip('.')}."
        raise DataError(told + _what_rows_must_be(values, name)) from None


def _what_rows_must_be(values: Any, name: str) -> str:
    """Return what to write instead of a list of rows that differ; "" for anything else."""
    if not isinstance(values, list | tuple):
        return ""
    if all(isinstance(row, tuple) and len(row) == 2 for row in values):
        x, y = map(np.shape, values[0])
        if x and x[:1] == y[:1]:
            return f" Its items are batches: pass a function that returns them, lambda: {name}."
        return (
            f" Its items are pairs, as of inputs and targets: {name}, y = map(np.stack, "
            f"zip(*{name}))."
        )
    return (
        " Rows must have equal length (gradus.data.pad_sequences pads sequences, gradus.data.load "
        "brings the images of a folder to one size); pass several inputs as a tuple or a dict of "
        "arrays."
    )


def _refuse_declared(values: Any, name: str) -> None:
    """Refuse a frame with dates or categories, which NumPy would make numbers without units."""
    if not hasattr(values, "columns"):
        return
    for column, dtype in zip(values.columns, getattr(values, "dtypes", ()), strict=False):
        if str(dtype).lower().startswith(_NO_NUMBERS):
            raise DataError(
                f"{name} has the column {column!r} of the type {str(dtype).split('(')[0]}, not "
                "numbers: use gradus.data.TablePreprocessor, which encodes dates and categories."
            )


def _refuse_items(values: Any, name: str) -> None:
    """Refuse a generator, and an object with items, such as a PyTorch `Dataset`.

    NumPy would ask such an object for items until it raises IndexError, which it may never do.
    """
    if isinstance(values, Iterator):
        raise DataError(f"{name} is an iterator ({_article(values)}): write list({name}).")
    has_items = hasattr(values, "__len__") and hasattr(values, "__getitem__")
    if not has_items or is_container(values) or has_array_protocol(values):
        return
    try:
        memoryview(values)
    except TypeError:
        raise DataError(
            f"{name} is {_article(values)}, not an array. With data for that object, write "
            "np.stack([data[i] for i in range(len(data))]); if its items are pairs of an input and "
            "a target, x = np.stack([data[i][0] for i in range(len(data))]) and "
            "y = np.array([data[i][1] for i in range(len(data))])."
        ) from None


def _article(values: Any) -> str:
    kind = type(values).__name__
    return f"an {kind}" if kind[0] in "AEIOUaeiou" else f"a {kind}"


def _as_float64(array: np.ndarray, name: str) -> np.ndarray:
    """Return Python's numbers as float64."""
    try:
        return array.astype(np.float64)
    except OverflowError:
        raise DataError(f"{name} has a whole number of more than 308 digits.") from None


def _kind(array: np.ndarray) -> str:
    kinds = {"U": "text", "S": "bytes", "M": "dates", "m": "time spans", "V": "columns of its own"}
    return kinds.get(array.dtype.kind, "Python objects (text, missing values or mixed types)")


def _as_float32(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype == np.float32:
        return array
    try:
        with np.errstate(over="raise"):
            return aligned(array, np.float32)
    except FloatingPointError:
        raise DataError(
            f"{name} has values beyond ±{np.finfo(np.float32).max:.2g}, the range of float32; "
            "scale them first."
        ) from None


def _as_small_integers(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype.name in _SMALL_INTEGERS:
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if _is_beyond_int32(array):
        raise DataError(
            f"{name} has integers beyond the range of int32 ({array.min()} to {array.max()}); "
            "pass floats, or codes that count from 0."
        )
    return array.astype(np.int32)


def _is_beyond_int32(array: np.ndarray) -> bool:
    bounds = np.iinfo(np.int32)
    wide = array.dtype.kind in "iu" and array.dtype.name not in _SMALL_INTEGERS and array.size
    return bool(wide and (array.min() < bounds.min or array.max() > bounds.max))
