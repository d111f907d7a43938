"""Preprocessing of arrays: fitted to the training rows, saved as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data.array_trees import as_tree, check_finite, check_same_length
from gradus.data.arrays import as_array
from gradus.data.columns.conversions import LARGEST, is_constant
from gradus.data.images import resize_images
from gradus.data.preprocessing import AUTOMATIC, SAVED_AS, Preprocessing, check_preprocessing
from gradus.data.table_preprocessor import TablePreprocessor
from gradus.data.targets import Target, require_target
from gradus.errors import DataError, SavedError
from gradus.foreign_names.arguments import explain_methods
from gradus.foreign_names.attributes import refuse_attribute
from gradus.records import as_plain, as_record

CHANNELS = (1, 3, 4)
SMALLEST_IMAGE = 4  # pixels of a side
FEW_GRAY_LEVELS = 32  # an image of bytes has values as large


@dataclass(frozen=True)
class Scaling:
    """A shift and a scale for the last axis of an array: `(x - mean) / std`.

    Attributes:
        mean: one number, or one for each column (each channel of an image).
        std: likewise; never 0.

    Examples:
        >>> scaling = gr.data.Scaling.fit(np.array([[0.0, 10.0], [2.0, 30.0]]))
        >>> scaling
        Scaling(mean=(1.0, 20.0), std=(1.0, 10.0))
        >>> scaling.transform(np.array([[3.0, 20.0]])).tolist()
        [[2.0, 0.0]]
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, x: np.ndarray) -> Scaling:
        """Standardize each column over all other axes; a constant column gets std 1."""
        x = as_array(x, wide=True)
        check_same_length(x)
        largest = float(max(x.max(), -float(x.min())))
        if largest > LARGEST:
            raise DataError(f"x has values as large as {largest:.3g}; rescale it.")
        axes = tuple(range(x.ndim - 1)) if x.ndim > 1 else (0,)
        mean = np.mean(x, axis=axes, dtype=np.float64)
        std = np.std(x, axis=axes, dtype=np.float64)
        return cls._from_arrays(mean, np.where(is_constant(x, axes), 1.0, std))

    @classmethod
    def between(cls, x: np.ndarray) -> Scaling:
        """Map the smallest number of each column to 0 and the largest to 1."""
        x = as_array(x, wide=True)
        axes = tuple(range(x.ndim - 1)) if x.ndim > 1 else (0,)
        low, high = np.min(x, axis=axes), np.max(x, axis=axes)
        span = high.astype(np.float64) - low
        return cls._from_arrays(low.astype(np.float64), np.where(span > 0, span, 1.0))

    @classmethod
    def _from_arrays(cls, mean: Any, std: Any) -> Scaling:
        return cls(tuple(np.ravel(mean).tolist()), tuple(np.ravel(std).tolist()))

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Return `(x - mean) / std` as float32, of x's shape.

        Raises:
            DataError: if x has a different number of columns than the data of `fit`.
        """
        x = as_array(x, wide=True)
        if len(self.mean) not in (1, x.shape[-1]):
            raise DataError(
                f"x has shape {x.shape}, but the scaling was learned from {len(self.mean)} columns."
            )
        dtype = np.float64 if x.dtype == np.float64 else np.float32
        shifted = x - np.asarray(self.mean, dtype)
        return (shifted / np.asarray(self.std, dtype)).astype(np.float32, copy=False)


EIGHT_BIT = Scaling((0.0,), (255.0,))


@explain_methods
@dataclass(frozen=True)
class ArrayPreprocessor:
    """Preprocessing learned from training arrays: a scaling of x, and the target's kind and scale.

    Attributes:
        scaling: of float inputs and images; None leaves the inputs unchanged.
        target: the target's kind and scale, or None.
        size: (height, width) that images are resized to; None leaves them unchanged.

    Examples:
        >>> fitted = gr.data.ArrayPreprocessor.fit(np.array([[0.0], [2.0]]), ["no", "yes"])
        >>> fitted.transform([[2.0]]).tolist(), fitted.transform_target(["yes"]).tolist()
        ([[1.0]], [1])
    """

    scaling: Scaling | None = None
    target: Target | None = None
    size: tuple[int, int] | None = None

    if not TYPE_CHECKING:  # for mypy an unknown attribute stays a fault
        __getattr__ = refuse_attribute

    @classmethod
    def fit(
        cls,
        x: Any,
        y: Any = None,
        task: str | None = None,
        *,
        classes: Sequence[str] = (),
        scaling: Scaling | None = None,
        preprocessing: Preprocessing = AUTOMATIC,
    ) -> ArrayPreprocessor:
        """Fit to the training rows; float inputs are standardized by column or channel.

        Args:
            x: the inputs: one array, or a tree of several, which are not scaled.
            y: the targets, shape (n,) or (n, k), or None.
            task: as in `Target.fit`.
            classes: all class names, if `y` may lack some.
            scaling: known constants, such as those of an image data set.
            preprocessing: how inputs are scaled, and the size of images.

        Raises:
            DataError: as `as_array`, `check_finite` and `Target.fit`; and for a setting that does
                not apply to arrays.
        """
        check_preprocessing(preprocessing).check_for("arrays", ("scaling", "image_size"))
        size = None if preprocessing.image_size is None else tuple(preprocessing.image_size)
        x = as_tree(x, wide=True)
        check_same_length(x)
        check_finite(x)
        if size is not None:
            x = resize_images(x, size)
        fitted = _fit_scaling(x, preprocessing.scaling, scaling)
        if y is not None and hasattr(y, "__len__"):
            check_same_length(x, np.empty(len(y)))
        return cls(fitted, None if y is None else Target.fit(y, task, classes, "y"), size)

    def transform(self, x: Any) -> Any:
        """Return the inputs of the network: scaled float32, or unchanged integers.

        Raises:
            DataError: as `fit`, and for images of another range than those of training.
        """
        x = as_tree(x, wide=True)
        check_finite(x)
        if self.scaling is not None and isinstance(x, np.ndarray) and x.ndim > 2 and x.size:
            _check_range(x, self.scaling)
        if self.size is not None:
            if isinstance(x, np.ndarray) and x.ndim == 3:
                raise DataError(
                    f"x has shape {x.shape}, but images have shape (n, height, width, channels): "
                    "for a single image write x[None]."
                )
            x = resize_images(x, self.size)
        return as_tree(x) if self.scaling is None else self.scaling.transform(x)

    def transform_target(self, y: Any) -> np.ndarray:
        """Return int32 labels (n,), or standardized targets, float32 (n, k)."""
        return require_target(self.target).transform(y)

    def inverse_target(self, outputs: Any) -> np.ndarray:
        """Return predictions in the target's units, or as class names (`Target.inverse`)."""
        return require_target(self.target).inverse(outputs)

    def describe(self) -> str:
        """Describe the preprocessing of inputs and target in a line or two."""
        inputs = "inputs unchanged" if self.scaling is None else "inputs shifted and scaled"
        if self.size is not None:
            inputs = f"images of {' × '.join(map(str, self.size))}, {inputs}"
        return inputs if self.target is None else f"{inputs}\ntarget {self.target.describe()}"

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that fits into JSON; `from_dict` restores an equal object."""
        return {"preprocessor": "array", **as_plain(self)}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> ArrayPreprocessor:
        """Restore the object that `to_dict` saved.

        Raises:
            SavedError: if `saved` is not such a dict.
        """
        return as_record(saved, cls, SAVED_AS)


Preprocessor = TablePreprocessor | ArrayPreprocessor


def _check_range(x: np.ndarray, scaling: Scaling) -> None:
    """Check that images are bytes, or floats from 0 to 1, as those of training were."""
    is_fraction = x.dtype.kind == "f" and 0 <= x.min() < x.max() <= 1 and (x % 1 != 0).any()
    if scaling == EIGHT_BIT and is_fraction:
        raise DataError(
            "x has floats from 0 to 1, but the images of training were bytes from 0 to 255: "
            "multiply them by 255."
        )
    is_small = max(*map(abs, scaling.mean), *scaling.std) <= 1
    is_whole = x.dtype.kind in "iu" or bool((x % 1 == 0).all())
    if is_small and is_whole and x.max() >= FEW_GRAY_LEVELS:
        raise DataError(
            f"x has whole numbers to {x.max():g}, but the images of training had values of about 0 "
            "to 1: divide them by 255."
        )


def _fit_scaling(x: Any, method: str, constants: Scaling | None) -> Scaling | None:
    """Return the scaling of arrays by a method of `Preprocessing.scaling`.

    Args:
        x: the inputs.
        method: "auto", "standard", "minmax", ….
        constants: the scaling of "auto", or None.
    """
    is_array = isinstance(x, np.ndarray)
    if method == "auto":
        is_float = is_array and x.dtype.kind == "f" and x.ndim > 1
        return Scaling.fit(x) if constants is None and is_float else constants
    if method == "none":
        return None
    if method == "normal" or not is_array:
        kind = "several inputs" if method != "normal" else "arrays"
        raise DataError(f'scaling = "{method}" does not apply to {kind}: write "auto" or "none".')
    return Scaling.fit(x) if method == "standard" else Scaling.between(x)


def preprocessor_from_dict(saved: dict[str, Any]) -> Preprocessor:
    """Restore the preprocessor, of either kind, that `to_dict` saved.

    Raises:
        SavedError: if `saved` is not such a dict.

    Examples:
        >>> preprocessor = gr.data.TablePreprocessor.fit({"age": [20, 30, 60]})
        >>> gr.data.preprocessor_from_dict(preprocessor.to_dict()) == preprocessor
        True
    """
    kind = saved.get("preprocessor") if isinstance(saved, dict) else None
    if kind == "table":
        return TablePreprocessor.from_dict(saved)
    if kind == "array":
        return ArrayPreprocessor.from_dict(saved)
    raise SavedError(f"The saved preprocessing has an unknown kind, {kind!r}.")


def standard_images(x: np.ndarray, name: str) -> tuple[np.ndarray, list[str]]:
    """Return images with their channels last, and as bytes if they are whole numbers to 255.

    Images of other whole numbers become floats, so that they are scaled.
    """
    notes: list[str] = []
    if x.ndim not in (3, 4) or min(sorted(x.shape[1:])[-2:]) < SMALLEST_IMAGE:
        return x, notes
    if x.ndim == 4 and x.shape[1] in CHANNELS and x.shape[3] not in CHANNELS:
        notes.append(f"{name} of shape {x.shape} has its channels first: they are moved last")
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    is_wide = x.dtype.kind in "iu" and x.dtype != np.uint8 and x.size > 0
    is_image = x.shape[3] in CHANNELS if x.ndim == 4 else x.shape[1] == x.shape[2]
    if not is_wide or not is_image:
        return x, notes
    if x.min() >= 0 and FEW_GRAY_LEVELS <= x.max() <= 255:
        notes.append(f"{name} has whole numbers to {x.max()}: read as the bytes of images")
        x = x.astype(np.uint8)
    elif x.ndim == 4:
        notes.append(f"{name} has whole numbers from {x.min()} to {x.max()}: they are standardized")
        x = x.astype(np.float64)
    return x, notes


def read_image_bytes(x: np.ndarray, name: str) -> tuple[np.ndarray, Scaling | None, list[str]]:
    """Return bytes as images, with the scaling of their range, or as numbers, which have none.

    Images have three or four axes and at least 4 × 4 pixels; all else is numbers.
    """
    notes: list[str] = []
    if x.ndim not in (3, 4) or min(x.shape[1:3]) < SMALLEST_IMAGE:
        notes.append(f"the bytes of {name}, of shape {x.shape}, are read as numbers, not as images")
        return x.astype(np.float32), None, notes
    if x.ndim == 3:
        notes.append(f"{name} of shape {x.shape} is read as gray images: an axis is added")
        x = x[..., None]
    scaling, more = byte_scaling(x, name)
    return x, scaling, notes + more


def byte_scaling(x: np.ndarray, name: str) -> tuple[Scaling, list[str]]:
    """Return the scaling of the bytes of images by their range, and a note if it is not 255."""
    largest = int(x.max(initial=0))
    if largest >= FEW_GRAY_LEVELS:
        return EIGHT_BIT, []
    note = f"the largest value of {name} is {largest}, not 255: training divides it by {largest}"
    return Scaling((0.0,), (float(max(largest, 1)),)), [note]
