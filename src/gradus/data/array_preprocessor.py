"""From arrays to what a network is trained on: learnt once, saved as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradus.data.arrays import as_array, as_tree, check_finite
from gradus.data.preprocessing import AUTOMATIC, Preprocessing
from gradus.data.resize import resize_images
from gradus.data.table_preprocessor import TablePreprocessor
from gradus.data.targets import Target, optional_target
from gradus.errors import DataError, SavedError


@dataclass(frozen=True)
class Scaling:
    """A shift and a scale for the last axis of an array: `(x - mean) / std`.

    Attributes:
        mean: one number, or one for each column (each channel of an image).
        std: likewise; never 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, x: np.ndarray) -> Scaling:
        """Measure the mean and deviation of each column over all other axes; std 0 counts as 1."""
        axes = tuple(range(x.ndim - 1)) if x.ndim > 1 else (0,)
        mean = np.mean(x, axis=axes, dtype=np.float64)
        std = np.std(x, axis=axes, dtype=np.float64)
        return cls._of(mean, std)

    @classmethod
    def between(cls, x: np.ndarray) -> Scaling:
        """Measure the smallest and the largest number of each column, which become 0 and 1."""
        axes = tuple(range(x.ndim - 1)) if x.ndim > 1 else (0,)
        low, high = np.min(x, axis=axes), np.max(x, axis=axes)
        return cls._of(low.astype(np.float64), high.astype(np.float64) - low)

    @classmethod
    def _of(cls, mean: Any, std: Any) -> Scaling:
        std = np.where(std > 1e-12 * np.maximum(np.abs(mean), 1e-30), std, 1.0)
        return cls(tuple(np.ravel(mean).tolist()), tuple(np.ravel(std).tolist()))

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Return `(x - mean) / std` as float32, of x's shape.

        Raises:
            DataError: if the last axis of x has another length than what was measured.
        """
        if len(self.mean) not in (1, x.shape[-1]):
            raise DataError(
                f"x has shape {x.shape}, but the scaling was learnt from {len(self.mean)} columns."
            )
        shifted = x - np.asarray(self.mean, np.float32)
        return (shifted / np.asarray(self.std, np.float32)).astype(np.float32, copy=False)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict; `from_dict` gives back an equal object."""
        return {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Scaling:
        """Return the object that `to_dict` saved."""
        return cls(tuple(saved["mean"]), tuple(saved["std"]))


@dataclass(frozen=True)
class ArrayPreprocessor:
    """What was learnt from training arrays: a scaling of x, and the target's kind and scale.

    Attributes:
        scaling: of float inputs and images; None leaves the inputs as they are.
        target: the target's kind and scale, or None.
        size: (height, width) that images are resized to; None leaves them as they are.
    """

    scaling: Scaling | None = None
    target: Target | None = None
    size: tuple[int, int] | None = None

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
        """Learn from the training rows; float inputs are standardised by column or channel.

        Args:
            x: the inputs: one array, or a tree of several, which are not scaled.
            y: the targets, shape (n,) or (n, k), or None.
            task: as in `Target.fit`; so is `classes`.
            classes: the classes' names, where `y` may lack some.
            scaling: known constants, such as those of an image data set.
            preprocessing: which scaling, if another one; and the size of images.

        Raises:
            DataError: as `as_array`, `check_finite` and `Target.fit`; and for a treatment that
                arrays cannot have.
        """
        preprocessing.check_for("arrays", ("scaling", "image_size"))
        size = None if preprocessing.image_size is None else tuple(preprocessing.image_size)
        x = as_tree(x)
        check_finite(x)
        if size is not None:
            x = resize_images(x, size)
        learnt = _scaling(x, preprocessing.scaling, scaling)
        return cls(learnt, None if y is None else Target.fit(y, task, classes, "y"), size)

    def transform(self, x: Any) -> Any:
        """Return the inputs for a network: scaled float32, or integers as they are."""
        x = as_tree(x)
        check_finite(x)
        if self.size is not None:
            x = resize_images(x, self.size)
        return x if self.scaling is None else self.scaling.transform(as_array(x))

    def transform_target(self, y: Any) -> np.ndarray:
        """Return int32 labels (n,), or standardised targets, float32 (n, k)."""
        return self._needed_target().transform(y)

    def inverse_target(self, outputs: Any) -> np.ndarray:
        """Return predictions in the target's own units, or as class names (`Target.inverse`)."""
        return self._needed_target().inverse(outputs)

    def _needed_target(self) -> Target:
        if self.target is None:
            raise DataError("This preprocessor was fitted without targets.")
        return self.target

    def describe(self) -> str:
        """Say in a line or two what is done to inputs and target."""
        inputs = "inputs as they are" if self.scaling is None else "inputs shifted and scaled"
        if self.size is not None:
            inputs = f"images of {' × '.join(map(str, self.size))}, {inputs}"
        return inputs if self.target is None else f"{inputs}\ntarget {self.target.describe()}"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict; `from_dict` gives back an equal object."""
        return {
            "preprocessor": "array",
            "scaling": None if self.scaling is None else self.scaling.to_dict(),
            "target": None if self.target is None else self.target.to_dict(),
            "size": None if self.size is None else list(self.size),
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> ArrayPreprocessor:
        """Return the object that `to_dict` saved.

        Raises:
            SavedError: if `saved` is no such dict.
        """
        try:
            scaling = None if saved["scaling"] is None else Scaling.from_dict(saved["scaling"])
            size = saved.get("size")
            return cls(scaling, optional_target(saved), None if size is None else tuple(size))
        except (KeyError, TypeError) as error:
            raise SavedError(f"The saved preprocessing cannot be read: {error!r}.") from None


def _scaling(x: Any, how: str, known: Scaling | None) -> Scaling | None:
    """Return the scaling of arrays that a treatment's word stands for.

    Args:
        x: the inputs.
        how: the word.
        known: constants for "auto", or None.
    """
    array = isinstance(x, np.ndarray)
    if how == "auto":
        floats = array and x.dtype.kind == "f" and x.ndim > 1
        return Scaling.fit(x) if known is None and floats else known
    if how == "none":
        return None
    if how == "normal" or not array:
        what = "several inputs" if how != "normal" else "arrays"
        raise DataError(f'scaling = "{how}" means nothing for {what}: write "auto" or "none".')
    return Scaling.fit(x) if how == "standard" else Scaling.between(x)


def preprocessor_from_dict(saved: dict[str, Any]) -> TablePreprocessor | ArrayPreprocessor:
    """Return the preprocessor, of either kind, that `to_dict` saved.

    Raises:
        SavedError: if `saved` is no such dict.
    """
    kind = saved.get("preprocessor") if isinstance(saved, dict) else None
    if kind == "table":
        return TablePreprocessor.from_dict(saved)
    if kind == "array":
        return ArrayPreprocessor.from_dict(saved)
    raise SavedError(f"The saved preprocessing is of unknown kind {kind!r}.")
