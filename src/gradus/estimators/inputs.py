"""What is passed to an estimator, as a data set: frames, arrays, and sparse matrices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from sklearn.utils.validation import check_X_y, validate_data

from gradus.data import Dataset, TableOptions, load
from gradus.data.columns.usefulness import determines
from gradus.data.containers import (
    has_array_protocol,
    in_memory,
    is_container,
    is_lazy,
    refuse_no_data,
    tell_other_order,
)
from gradus.data.frames import column_name
from gradus.data.reading.delimited_text import check_names
from gradus.data.sources.npz_files import array_dataset
from gradus.data.streaming.batch_stream import RowStream
from gradus.errors import DataError, TooLargeError
from gradus.experiments.preparation.prepare_in_memory import integers_to_floats
from gradus.host_memory import host_free_bytes

FLOATS = (np.float64, np.float32)
FRAME_HINT = (
    " gradus fills missing values in, and encodes text, where X is a data frame: pass one, such as "
    "pandas.DataFrame(X)."
)


def is_frame(X: Any) -> bool:
    """Whether inputs are a table of named columns."""
    return hasattr(X, "columns") and hasattr(X, "shape")


def column_labels(X: Any) -> tuple[str, ...]:
    """Return the names of the columns of a frame as text; none for an array."""
    if not is_frame(X):
        return ()
    # Arrow calls the columns themselves so.
    return tuple(map(column_name, getattr(X, "column_names", None) or X.columns))


def row_shape(X: Any) -> tuple[int, ...]:
    """Return the shape of a row of an array of more than two axes; () for anything else."""
    return tuple(X.shape[1:]) if isinstance(X, np.ndarray) and X.ndim > 2 else ()


def checked_data(
    estimator: Any,
    X: Any,
    y: Any = "no_validation",
    names: Sequence[str] | None = None,
    numeric: bool = False,
    fewest: int = 1,
    shape: tuple[int, ...] | None = None,
) -> tuple[Any, Any]:
    """Return inputs and targets after scikit-learn's checks.

    Args:
        estimator: gets `n_features_in_` and `feature_names_in_` if it is fitted to these inputs,
            and must agree with them otherwise.
        X: a frame, also a lazy one, an array of numbers (n, p), a sparse matrix, or images (n, …).
        y: the targets (n,) or (n, k); by default there are none.
        names: of the columns of the frame that the estimator was fitted to, none for an array;
            None to fit it to these inputs.
        numeric: whether the targets are numbers.
        fewest: the least number of rows.
        shape: of each row of what the estimator was fitted to, as `row_shape` returns it.

    Returns:
        The frame, columns of an array by their names in the frame of `fit`, an array of floats, or
        images as they are; and the targets.

    Raises:
        ValueError: as scikit-learn does, such as for columns in another order.
    """
    _check_kind(X)
    if is_lazy(X):
        X = in_memory(X, "X")
    if is_frame(X) and not X.shape[1]:
        raise DataError(f"X is a frame of shape {X.shape}: it has no columns to learn from.")
    check_names(column_labels(X), "X")
    _check_row_shape(X, shape)
    reset, has_targets = names is None, not (isinstance(y, str) and y == "no_validation")
    if has_targets:
        tell_other_order(X, y, ("X", "y"))
        _check_targets(y, numeric)
    as_table = is_frame(X) if names is None else bool(names)
    rules: dict[str, Any] = {"ensure_min_samples": fewest}
    if has_targets:
        rules |= {"multi_output": True, "y_numeric": numeric}
    if as_table and is_frame(X):
        validate_data(estimator, X, y, reset=reset, skip_check_array=True)
        if has_targets:
            y = check_X_y(np.zeros((len(X), 1)), y, estimator=estimator, **rules)[1]
        return X, y
    if as_table:  # whose columns may hold missing values and text
        rules |= {"dtype": None, "ensure_all_finite": "allow-nan"}
    elif _axes(X) > 2:  # whose bytes the network scales
        rules |= {"dtype": "numeric", "allow_nd": True}
    else:
        rules["dtype"] = FLOATS
    try:
        X = validate_data(estimator, X, y, reset=reset, accept_sparse=True, **rules)
    except ValueError as error:
        raise _with_hint(error) from None
    X, y = X if has_targets else (X, y)
    X = _dense(X)
    return (dict(zip(names or (), X.T, strict=True)) if as_table else X), y


def _check_kind(X: Any) -> None:
    """Refuse inputs that scikit-learn's checks would misname."""
    if isinstance(X, Mapping) and not hasattr(X, "shape"):  # as some sparse matrices are
        advice = "X.to_dataframe()" if hasattr(X, "to_dataframe") else "pandas.DataFrame(X)"
        raise DataError(f"X is a dict, whose rows scikit-learn cannot take: write {advice}.")
    if isinstance(X, RowStream):
        raise DataError(
            f"X is {X.name}, read in parts, but an estimator needs all rows in memory: gr.Model's "
            "fit takes it, and gradus train."
        )
    refuse_no_data(X, "X")
    if hasattr(X, "to_pandas") and hasattr(X, "features"):
        raise DataError("X is a data set of Hugging Face: write X.to_pandas().")
    is_array = is_container(X) or has_array_protocol(X) or _axes(X) or is_lazy(X)
    if not is_array and (isinstance(X, Iterable) or hasattr(X, "__getitem__")):
        raise DataError(
            f"X is a {type(X).__name__}, but an estimator needs all rows at once: pass a frame or "
            "an array. gr.Model's fit takes what yields batches."
        )
    if isinstance(X, list | tuple) and X and all(_axes(row) > 1 for row in X):
        raise DataError(f"X is a {type(X).__name__} of arrays: write np.stack(X).")
    if getattr(getattr(X, "dtype", None), "names", None):
        raise DataError(
            "X is a structured array, whose columns have types of their own: write "
            "pandas.DataFrame(X)."
        )
    _check_mask(X, "X", "pandas.DataFrame(X), in which they are missing values")


def _check_mask(values: Any, name: str, remedy: str) -> None:
    """Refuse masked entries, which scikit-learn's checks would take for values."""
    masked = np.count_nonzero(np.ma.getmaskarray(values)) if np.ma.isMaskedArray(values) else 0
    if masked:
        entries = "a masked entry" if masked == 1 else f"{masked} masked entries"
        raise DataError(f"{name} has {entries}: write {remedy}.")


def _check_targets(y: Any, numeric: bool) -> None:
    """Refuse targets that are no values, or values that a network cannot learn."""
    if isinstance(y, str):
        raise DataError(f"y is the text {y!r}: pass the values, such as y=X.pop({y!r}).")
    rows = y if isinstance(y, list | tuple) else ()
    if len({len(row) for row in rows if isinstance(row, list | tuple | set)}) > 1:
        raise DataError(
            "y has lists of several lengths: for several labels of a row write flags of 0 and 1, "
            "sklearn.preprocessing.MultiLabelBinarizer().fit_transform(y)."
        )
    _check_mask(y, "y", "X[~y.mask] and y.compressed(), which leaves such rows out")
    values = None if y is None or hasattr(y, "toarray") else np.asarray(y)
    if numeric and values is not None and _are_times(values):
        raise DataError(
            "y has dates or time spans, but a Regressor predicts numbers: write them in a unit, "
            "such as (y - y.min()) / pandas.Timedelta(days=1)."
        )
    if values is None or values.dtype.kind not in "OUST":
        return
    for number, value in enumerate(values.ravel() if values.dtype.kind == "O" else ()):
        is_nan = isinstance(value, float) and np.isnan(value)
        if value is None or type(value).__name__ == "NAType" or is_nan:
            row = number // max(values[:1].size, 1)
            raise DataError(
                f"y has a missing value in row {row} (counted from 0): leave such rows out."
            )
    if numeric and not _are_numbers(values):
        example = next(value for value in values.ravel() if not _are_numbers(np.asarray(value)))
        raise DataError(
            f"y has text, such as {str(example)!r}, but a Regressor predicts numbers: classes are "
            "for gr.Classifier."
        )


def _are_times(values: np.ndarray) -> bool:
    """Whether targets are dates or time spans, also as Python's objects, by the first of them."""
    if values.dtype.kind == "O":
        return isinstance(next(iter(values.ravel()), None), date | timedelta)
    return values.dtype.kind in "mM"


def _are_numbers(values: np.ndarray) -> bool:
    try:
        values.astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True


def as_dataset(X: Any, columns: Any) -> Dataset:
    """Return checked inputs as a data set without targets.

    Args:
        X: a frame, columns by name, an array of floats, or images.
        columns: how columns of a frame are read, as in `TableOptions`, or None.
    """
    if columns is not None and not isinstance(columns, Mapping):
        raise DataError(
            f'columns={columns!r}: write a dict from names to kinds, such as {{"zip": "category"}}.'
        )
    if isinstance(X, np.ndarray):
        if columns:
            raise DataError(f"columns={dict(columns)!r} are of a data frame, but X is an array.")
        if X.ndim > 2:
            return integers_to_floats(array_dataset(X, x_name="X"))
        return Dataset(X, feature_names=tuple(f"x{index}" for index in range(X.shape[1])))
    if hasattr(X, "reset_index"):
        X = X.reset_index(drop=True)  # rows of a split keep their numbers, which tell nothing
    return load(X, options=TableOptions(columns=columns or {}))


def leak_notes(data: Dataset) -> list[str]:
    """Return a note on each column of a frame that determines the targets."""
    if not data.is_table or data.y is None or data.y.ndim > 1:
        return []
    target, classes = pl.Series("y", data.y), len(data.class_names)
    return [
        f"column {name!r} determines y: a leak? If it is not known before y, leave it out: "
        f"drop_columns=[{name!r}]"
        for name in data.feature_names
        if determines(data.x[name], target, classes)
    ]


def _axes(X: Any) -> int:
    """Return the number of axes of an array; 0 for what has no shape, such as a list."""
    return len(getattr(X, "shape", ()))


def _check_row_shape(X: Any, shape: tuple[int, ...] | None) -> None:
    """Check that images are of the shape that an estimator was fitted to, and others are none."""
    given = tuple(getattr(X, "shape", ()))
    if shape is None or given[1:] == shape or not (shape or _axes(X) > 2):
        return
    if not shape:
        raise DataError(f"X has shape {given}, but the estimator was fitted to columns, (n, p).")
    single = " For one of them write X[None]." if given == shape else ""
    raise DataError(
        f"X has shape {given}, but the estimator was fitted to rows of shape {shape}.{single}"
    )


def _dense(X: Any) -> Any:
    if not hasattr(X, "toarray"):
        return X
    size = X.shape[0] * X.shape[1] * X.dtype.itemsize
    if size > host_free_bytes():
        raise TooLargeError(
            f"X is a sparse matrix of shape {X.shape}, which a network needs as a dense one of "
            f"{size / 1e9:.1f} GB, more than there is: reduce its columns, as with "
            "sklearn.decomposition.TruncatedSVD."
        )
    return X.toarray()


def _with_hint(error: ValueError) -> ValueError:
    """Return an error of scikit-learn, saying that frames may have what an array must not."""
    message = str(error)
    if "Input X contains NaN" in message:
        return DataError(message.partition("\n")[0] + FRAME_HINT)
    if "could not convert string" in message:
        return DataError(f"X has text: {message}.{FRAME_HINT}")
    return error
