"""What users pass as data: what holds numbers in memory, what yields them, and what is no data.

No other package is imported: an object is known by what it can do.
"""

from __future__ import annotations

import inspect
import io
import os
from collections import UserList, deque
from collections.abc import ItemsView, KeysView, Sequence, Set, ValuesView
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gradus.errors import DataError, warn
from gradus.host_memory import host_free_bytes, readable

DENSE_SHARE = 0.5  # of the free memory, which a sparse matrix may take as a dense one
_CONTAINERS = (list, tuple, range, dict, str, bytes, deque, UserList)  # their items end
_ARRAY_PROTOCOLS = ("__array__", "__array_interface__", "__array_struct__")
_FLOAT = np.dtype(np.float32).itemsize


def tell_other_order(x: Any, y: Any, names: tuple[str, str] = ("x", "y")) -> None:
    """Warn of inputs and targets of pandas whose indexes have the same rows in another order.

    Rows are paired by their place, as everywhere in NumPy and scikit-learn.

    Args:
        x: the inputs, as a user passes them.
        y: the targets, likewise.
        names: what the warning calls them.
    """
    first: Any = getattr(x, "index", None)
    second: Any = getattr(y, "index", None)
    if not (hasattr(first, "equals") and hasattr(second, "equals")) or first.equals(second):
        return
    if len(first) == len(second) and first.is_unique and first.isin(second).all():
        warn(
            f"The indexes of {names[0]} and {names[1]} have the same rows in another order. Rows "
            f"are paired by their place: if they belong together by their index, write "
            f"{names[1]}.loc[{names[0]}.index].",
            RuntimeWarning,
        )


def is_container(values: Any) -> bool:
    """Whether values are one of Python's own containers, whose items end."""
    return isinstance(values, _CONTAINERS)


def has_array_protocol(values: Any) -> bool:
    """Whether an object says how it becomes an array, as arrays, tensors, and series do."""
    return any(hasattr(values, word) for word in _ARRAY_PROTOCOLS)


def is_sparse(values: Any) -> bool:
    """Whether values are a sparse matrix, such as those of SciPy."""
    return hasattr(values, "toarray") and hasattr(values, "nnz")


def is_lazy(values: Any) -> bool:
    """Whether values are a lazy frame of Polars, whose rows are not read yet."""
    return type(values).__name__ == "LazyFrame" and type(values).__module__.startswith("polars.")


def is_column(values: Any) -> bool:
    """Whether values are a column of a data set of Hugging Face, a sequence that is not in memory.

    Other sequences may be data sets, whose items are samples.
    """
    return isinstance(values, Sequence) and type(values).__module__.startswith("datasets.")


def in_memory(values: Any, name: str = "x") -> Any:
    """Return data of other packages as arrays and frames, and anything else as it is.

    A lazy frame is collected, what speaks Arrow's protocol becomes a frame of Polars, and a sparse
    matrix becomes dense where that fits into memory.

    Args:
        values: one input, or a dict or tuple of several.
        name: what errors call them.

    Raises:
        DataError: for a sparse matrix that is too large, or a lazy frame that cannot be collected.

    Examples:
        >>> import polars as pl
        >>> from gradus.data.containers import in_memory
        >>> in_memory({"age": pl.LazyFrame({"a": [1]})})["age"].columns
        ['a']
    """
    if type(values) is dict:
        return {key: in_memory(part, f"{name}[{key!r}]") for key, part in values.items()}
    if type(values) is tuple:
        return tuple(in_memory(part, f"{name}[{index}]") for index, part in enumerate(values))
    if is_lazy(values):
        try:
            return values.collect()
        except Exception as error:  # whatever its steps raise
            reason = str(error).split("\n")[0]
            raise DataError(f"{name} is a lazy frame that cannot be collected: {reason}.") from None
    if _is_arrow_table(values):
        import polars as pl

        return pl.DataFrame(values)
    if is_column(values):
        return list(values)
    return dense(values, name) if is_sparse(values) else values


def in_memory_unless_large(values: Any, name: str = "x") -> Any:
    """Return data as `in_memory` does, but a sparse matrix too large to be dense as it is."""
    return values if is_sparse(values) and not fits_when_dense(values) else in_memory(values, name)


def _is_arrow_table(values: Any) -> bool:
    """Whether values are a table by Arrow's protocol, rather than a frame that NumPy takes."""
    has_rows = hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__")
    is_frame = hasattr(values, "iloc") or type(values).__module__.startswith("polars.")
    return has_rows and not is_frame and hasattr(values, "schema")


def fits_when_dense(values: Any) -> bool:
    """Whether a sparse matrix takes at most half of the free memory as a dense one."""
    return _dense_size(values) <= DENSE_SHARE * host_free_bytes()


def sparse_note(values: Any, name: str = "x") -> str:
    """Return a note on a sparse matrix: that it becomes dense, at once or batch by batch."""
    size = readable(_dense_size(values))
    if fits_when_dense(values):
        return f"{name} is a sparse matrix, which becomes a dense one of {size}"
    return f"{name} is a sparse matrix, whose rows become dense in their batch: all take {size}"


def dense(values: Any, name: str) -> np.ndarray:
    """Return a sparse matrix as a dense one.

    Raises:
        DataError: if it does not fit into memory.
    """
    if not fits_when_dense(values):
        raise DataError(
            f"{name} is a sparse matrix that takes {readable(_dense_size(values))} as a dense one, "
            f"more than half of the {readable(host_free_bytes())} that are free: reduce its "
            "columns, as with sklearn.decomposition.TruncatedSVD."
        )
    return np.asarray(values.toarray())


def _dense_size(values: Any) -> int:
    return int(values.shape[0]) * int(np.prod(values.shape[1:], dtype=object)) * _FLOAT


def refuse_no_data(values: Any, name: str) -> None:
    """Refuse what holds no numbers and yields none, by what it is.

    Args:
        values: as users pass them.
        name: what errors call them.

    Raises:
        DataError: for text, a path, a module, a class, a model, an open file, a set, or a table
            that is read in parts, with what to write.

    Examples:
        >>> from gradus.data.containers import refuse_no_data
        >>> refuse_no_data("cats.csv", "x")
        Traceback (most recent call last):
        gradus.errors.DataError: x is the path 'cats.csv', not data: write data = gr.data...
    """
    found = "" if is_sparse(values) else _what_it_is(values, name)  # some sparse ones are dicts
    if found:
        raise DataError(f"{name} is {found}.")


def _what_it_is(values: Any, name: str) -> str:
    """Return what something is that is no data, and what to write; "" for anything else."""
    if isinstance(values, str | os.PathLike):
        text = os.fspath(values)
        if isinstance(values, os.PathLike) or Path(str(text)).suffix or "/" in str(text):
            frame = f"pass a data frame, such as pandas.read_csv({text!r})"  # to an estimator
            arrays = (
                f"write data = gr.data.load({text!r}, target), and x, y = "
                "data.xy(data.preprocessor())"
            )
            return f"the path {text!r}, not data: {frame if name == 'X' else arrays}"
        return f"the text {text[:40]!r}, not data: pass an array whose first axis is rows"
    if values is None:
        return "None: pass an array whose first axis is rows"
    if isinstance(values, ModuleType):
        return f"the module {values.__name__!r}, not data"
    if inspect.isclass(values):
        return f"the class {values.__name__}, not data: make an object of it, {values.__name__}(…)"
    if hasattr(values, "fit") and hasattr(values, "predict"):
        return f"a model (a {type(values).__name__}), not data"
    if isinstance(values, io.IOBase):
        path = getattr(values, "name", "")
        which = f" {path!r}" if isinstance(path, str) and path else ""
        return f"an open file{which}, not data: gr.data.load reads a path"
    if isinstance(values, Set | KeysView | ItemsView | ValuesView):
        kind = type(values).__name__
        return f"a {kind}, which is no array, as its rows have no order: write a list"
    if hasattr(values, "xy") and hasattr(values, "preprocessor"):
        return (
            "a data set as gr.data.load returns it: write x, y = data.xy(data.preprocessor()), "
            "and pass these"
        )
    if hasattr(values, "sample") and hasattr(values, "preprocessor"):
        return (
            f"{values!r}, which is read in parts, but this takes rows in memory: pass a sample of "
            "them, x, y = rows.preprocessor().xy(rows.sample(10_000).x)"
        )
    if isinstance(values, dict) and {"data", "target", "feature_names"} <= values.keys():
        return f"a {type(values).__name__} of scikit-learn: pass its .data as x, its .target as y"
    if isinstance(values, dict) and values and all(map(_is_split, values.values())):
        first = next(iter(values))
        return f"a dict of data sets, {', '.join(map(repr, values))}: pass one, {name}[{first!r}]"
    return ""


def _is_split(values: Any) -> bool:
    """Whether values are a data set of Hugging Face, of which a dict holds one for each part."""
    return hasattr(values, "features") and hasattr(values, "column_names")
