"""Conversion and checks of the arrays that users pass as x and y."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import numpy as np

from gradus.data.containers import has_array_protocol, in_memory, is_container, refuse_no_data
from gradus.errors import DataError

ALIGNMENT = 64  # bytes; XLA requires it of an array on the CPU
LARGE = 1 << 25  # bytes that two threads copy
_NO_NUMBERS = ("date", "duration", "time", "period", "categ", "enum")  # types of columns
_SMALL_INTEGERS = ("int8", "uint8", "int16", "uint16", "int32")
_FILL_IN = (
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
    where = _place(gaps.index(True), array.shape)
    raise DataError(f"{name} has {values} (None or NA), the first at {where}. {_FILL_IN}")


def _place(index: int, shape: tuple[int, ...]) -> str:
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


def aligned(array: Any, dtype: Any = None) -> Any:
    """Return an array whose memory begins at a multiple of 64 bytes, copied only if necessary.

    JAX puts such an array on the CPU device without a copy; it copies NumPy's own arrays, which
    are aligned to 16 bytes. Anything but a NumPy array is returned unchanged.

    Args:
        array: any array.
        dtype: the type to convert to, or None.
    """
    if not isinstance(array, np.ndarray):
        return array
    dtype = np.dtype(array.dtype if dtype is None else dtype)
    if array.dtype == dtype and array.ctypes.data % ALIGNMENT == 0 and array.flags.c_contiguous:
        return array
    copy = empty_aligned(array.shape, dtype)
    if array.dtype != dtype or copy.nbytes < LARGE:
        copy[...] = array
        return copy
    half = len(array) // 2
    with ThreadPoolExecutor(1) as pool:  # one core reads and writes at half the rate of two
        rest = pool.submit(np.copyto, copy[half:], array[half:])
        copy[:half] = array[:half]
        rest.result()
    return copy


def empty_aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an array of undefined values whose memory begins at a multiple of 64 bytes."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


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


def as_tree(x: Any, name: str = "x", wide: bool = False) -> Any:
    """Convert one input, or a dict or tuple of several, with `as_array`.

    A list is always one array; a tuple is several inputs if each member is an array.

    Args:
        x: the input or inputs.
        name: what errors call it.
        wide: as in `as_array`.

    Raises:
        DataError: as `as_array`, naming the input; or if a dict is empty or has a key that is not
            a string.

    Examples:
        >>> inputs = gr.data.as_tree({"image": np.zeros((2, 8, 8)), "age": [20, 30]})
        >>> {name: (x.shape, x.dtype.name) for name, x in inputs.items()}
        {'image': ((2, 8, 8), 'float32'), 'age': ((2,), 'int32')}
    """
    if isinstance(x, dict):
        if not x or not all(isinstance(key, str) for key in x):
            raise DataError(f"{name} is a dict of inputs: its keys must be names, at least one.")
        return {key: as_tree(value, f"{name}[{key!r}]", wide) for key, value in x.items()}
    if _is_inputs(x):
        return tuple(as_tree(value, f"{name}[{index}]", wide) for index, value in enumerate(x))
    return as_array(x, name, wide)


def _is_inputs(x: Any) -> bool:
    def is_input(member: Any) -> bool:
        shape = getattr(member, "shape", ())
        return isinstance(member, dict) or len(shape) > 0 or _is_inputs(member)

    return isinstance(x, tuple) and len(x) > 0 and all(is_input(member) for member in x)


def named_leaves(tree: Any, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each array of `tree` with its name: `x`, `x['image']`, `x[0]`."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from named_leaves(value, f"{name}[{key!r}]")
    elif isinstance(tree, tuple):
        for index, value in enumerate(tree):
            yield from named_leaves(value, f"{name}[{index}]")
    else:
        is_array = hasattr(tree, "reshape") and hasattr(tree, "dtype")
        yield name, tree if is_array else as_numpy(tree, name)


def check_finite(tree: Any, name: str = "x") -> None:
    """Check that no array of `tree` has NaN or infinity.

    Raises:
        DataError: with their number, and the row and column of the first.

    Examples:
        >>> gr.data.check_finite(np.array([[1.0, 2.0], [3.0, np.nan]]))
        Traceback (most recent call last):
        gradus.errors.DataError: x has 1 value that is not finite (1 NaN, 0 infinite), the first ...
    """
    for leaf_name, array in named_leaves(tree, name):
        if array.dtype.kind == "f":
            _check_array_finite(array, leaf_name)


def _check_array_finite(array: np.ndarray, name: str) -> None:
    # One pass of BLAS, on all cores: the sum of squares is finite only if every value is. A sum
    # that merely overflows leads to the exact count, which then finds nothing.
    flat = array.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.dot(flat, flat)):
            return
    array = np.atleast_1d(array)
    bad = ~np.isfinite(array)
    count = int(np.count_nonzero(bad))
    if count == 0:
        return
    nans = int(np.count_nonzero(np.isnan(array)))
    where = _place(int(bad.argmax()), array.shape)
    values = "1 value that is" if count == 1 else f"{count} values that are"
    raise DataError(
        f"{name} has {values} not finite ({nans} NaN, {count - nans} infinite), the first at "
        f"{where}. {_FILL_IN}"
    )


def check_same_length(x: Any, y: Any = None, weights: Any = None) -> int:
    """Check that inputs, targets and weights have the same number of rows, and return it.

    Args:
        x: an array or a tree of arrays.
        y: likewise, or None.
        weights: likewise, or None.

    Raises:
        DataError: if the numbers of rows differ, or there are no rows, or nothing in them.

    Examples:
        >>> gr.data.check_same_length(np.zeros((3, 2)), np.zeros(3))
        3
    """
    return same_length({"x": x, "y": y, "sample_weight": weights})


def same_length(parts: Mapping[str, Any]) -> int:
    """Check that arrays, or trees of them, have the same number of rows, and return it.

    Args:
        parts: by their names in an error; None for those that there are not.

    Raises:
        DataError: if the numbers of rows differ, or there are no rows, or nothing in them.
    """
    rows = {}
    for part, tree in parts.items():
        for name, array in () if tree is None else named_leaves(tree, part):
            if not np.shape(array):
                raise DataError(
                    f"{name} is a single value; pass an array whose first axis is rows."
                )
            if 0 in np.shape(array)[1:]:
                raise DataError(
                    f"{name} has shape {np.shape(array)}: its rows are empty; pass columns."
                )
            rows[name] = len(array)
    if not rows:
        raise DataError("There are no inputs: x is None.")
    if len(set(rows.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in rows.items())
        second = getattr(parts.get("x"), "shape", ())[1:2]  # a list of inputs became one array
        is_list = any(size in rows.values() and size != rows["x"] for size in second)
        hint = " Of several inputs write a tuple or a dict, not a list." if is_list else ""
        raise DataError(f"The numbers of rows differ: {listed}.{hint}")
    count = next(iter(rows.values()))
    if count == 0:
        raise DataError("There are no rows: the first axis of x has length 0.")
    return count
