"""The samples passed to `fit`, checked and converted to what training takes."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from gradus.checks import is_number, number
from gradus.data.array_trees import as_tree, check_finite, same_length
from gradus.data.arrays import as_array
from gradus.data.containers import in_memory, tell_other_order
from gradus.data.splitting.splits import split
from gradus.data.streaming.batch_stream import RowStream
from gradus.diagnosis.comparison import Part, PartComparison, compare_parts
from gradus.errors import DataError, GradusError
from gradus.train.batches import BatchSource, Samples, validation_source

Columns = Mapping[str, Sequence[str]]
ENCODING = "encoding"  # among columns: that of rows that are read in parts
NO_TARGETS = "The loss needs targets: give y, as in fit(x, y)."


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """What is trained on, and what is evaluated after each epoch.

    Attributes:
        samples: all samples, with their weights in training.
        rows: which of them are trained on; None for all.
        validation: what is evaluated: other samples, rows of these, or None.
        sample_weight: the weights of the samples without class weights, which count in training
            only.
        columns: the column names of inputs that were frames.
        notes: what was done to the data, in sentences.
        class_weight: the weights of the classes, as in `Model.fit`.
    """

    samples: Samples
    rows: np.ndarray | None
    validation: Samples | np.ndarray | None
    sample_weight: np.ndarray | None
    columns: Columns = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    class_weight: Any = None

    @property
    def count(self) -> int:
        """The number of samples that are trained on."""
        return len(self.rows) if self.rows is not None else len(jax.tree.leaves(self.samples.x)[0])

    @property
    def epoch_count(self) -> int | None:
        """The number of samples of an epoch, if it is known."""
        return self.count

    @property
    def identity(self) -> dict[str, str]:
        """What else than the samples tells these data from others, for checkpoints."""
        return {}

    @property
    def validated(self) -> bool:
        """Whether anything is evaluated after each epoch."""
        return self.validation is not None

    def no_targets(self) -> DataError:
        """Return the error for a loss that needs targets where there are none."""
        return DataError(NO_TARGETS)

    @property
    def example(self) -> Any:
        """Two inputs, for which to build a network."""
        return jax.tree.map(lambda a: a[:2], self.samples.x)

    def targets(self) -> tuple[Any, Any]:
        """Return the targets that are trained on, and those that are evaluated, or None."""
        y, held_out = self.samples.y, self.validation
        trained = y if self.rows is None else jax.tree.map(lambda a: a[self.rows], y)
        if held_out is None or isinstance(held_out, Samples):
            return trained, None if held_out is None else held_out.y
        return trained, jax.tree.map(lambda a: a[held_out], y)

    @property
    def weight(self) -> np.ndarray | None:
        """The weight of each sample that is trained on; None for 1."""
        weight = self.samples.weight
        return weight if weight is None or self.rows is None else weight[self.rows]

    @functools.cached_property
    def comparison(self) -> PartComparison | None:
        """What the validation samples have in common with the others; None without any."""
        samples, held_out = self.samples, self.validation
        if held_out is None:
            return None
        own, rows = (samples, held_out) if not isinstance(held_out, Samples) else (held_out, None)
        training = Part(samples.x, samples.y, self.rows)
        return compare_parts(training, Part(own.x, own.y, rows), "validation")

    def validation_source(self) -> BatchSource | None:
        """Return the batches to evaluate; a split shares the arrays of training."""
        if self.validation is None:
            return None
        if isinstance(self.validation, Samples):
            return validation_source(self.validation, None)
        unweighted = self.samples._replace(weight=self.sample_weight)
        return validation_source(unweighted, self.validation)

    def for_batches(self, batch_size: int | None) -> tuple[Samples, np.ndarray | None]:
        """Return the samples that batches are gathered from, and the rows to train on.

        A full batch is all samples, so it returns only the training samples, without rows.
        """
        if batch_size is not None or self.rows is None:
            return self.samples, self.rows
        return jax.tree.map(lambda a: a[self.rows], self.samples), None


def make_training_data(
    x: Any,
    y: Any,
    sample_weight: Any = None,
    class_weight: Any = None,
    validation_split: Any = 0.0,
    validation_data: Any = None,
    shuffle_seed: int = 0,
) -> TrainingData:
    """Return the samples of a training, from the arguments of `Model.fit`.

    Raises:
        DataError: for data that cannot be trained on.
        GradusError: for invalid class weights or an invalid validation split.
    """
    x, y = in_memory(x, "x"), in_memory(y, "y")
    columns = column_names(x)
    x, y, sample_weight = check_arrays(x, y, sample_weight)
    weight = apply_class_weight(sample_weight, y, class_weight)
    rows, validation = split_validation(x, y, validation_split, validation_data, shuffle_seed)
    if isinstance(validation, Samples):
        check_columns(columns, column_names(validation_data[0]), "validation ")
    samples = Samples(x, y, weight)
    return TrainingData(
        samples, rows, validation, sample_weight, columns, class_weight=class_weight
    )


def check_arrays(
    x: Any, y: Any, sample_weight: Any, where: tuple[str, str] = ("x", "y")
) -> tuple[Any, Any, np.ndarray | None]:
    """Return inputs, targets and weights as NumPy arrays, all finite and of one length.

    Raises:
        DataError: saying which of them is invalid, and why.
    """
    tell_other_order(x, y, where)
    x = as_tree(x, where[0])
    y = None if y is None else as_tree(y, where[1])
    weight = None if sample_weight is None else as_array(sample_weight, "sample_weight")
    same_length({where[0]: x, where[1]: y, "sample_weight": weight})
    check_finite(x, where[0])
    if y is not None and y is not x:
        check_finite(y, where[1])
    if weight is not None:
        weight = weight.astype(np.float32)
        if weight.ndim != 1 or weight.min() < 0 or not weight.sum() > 0:
            raise DataError(
                f"sample_weight has shape {weight.shape} and its smallest value is "
                f"{weight.min():g}: write one number for each sample, none negative, not all zero."
            )
    return x, y, weight


def apply_class_weight(weight: np.ndarray | None, y: Any, class_weight: Any) -> np.ndarray | None:
    """Return the samples' weights times those of their classes.

    Args:
        weight: of the samples, or None for 1 each.
        y: their targets.
        class_weight: as in `Model.fit`, or None.

    Raises:
        GradusError: for targets that are not classes, or invalid weights.
    """
    if class_weight is None:
        return weight
    by_class = _class_weights(y, class_weight)
    return by_class if weight is None else weight * by_class


def _labels(y: Any) -> np.ndarray:
    """Return class labels, `(n,)`, from labels or from one-hot rows."""
    if isinstance(y, np.ndarray):
        if y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1):
            labels = y.reshape(-1)
            if (labels == np.rint(labels)).all():
                return labels.astype(int)
        elif y.ndim == 2 and np.isin(y, (0, 1)).all() and (y.sum(-1) == 1).all():
            return y.argmax(-1)
    raise GradusError(
        "class_weight needs one class for each sample, as a label or a one-hot row; for other "
        "targets use sample_weight."
    )


def _class_weights(y: Any, class_weight: Any) -> np.ndarray:
    """Return the weight of each sample from those of the classes."""
    labels = _labels(y)
    classes, counts = np.unique(labels, return_counts=True)
    if class_weight == "balanced":
        class_weight = {
            int(label): len(labels) / (len(classes) * count)
            for label, count in zip(classes, counts, strict=True)
        }
    if not isinstance(class_weight, Mapping):
        raise GradusError(
            f"class_weight={class_weight!r}: write a dict such as {{0: 1.0, 1: 5.0}}, or "
            "'balanced'."
        )
    others = [key for key in class_weight if not _is_class(key, classes)]
    if others:
        known = ", ".join(map(str, classes[:20])) + (", …" if len(classes) > 20 else "")
        raise GradusError(
            f"class_weight has {', '.join(map(repr, others))}, but the classes of y are {known}."
        )
    missing = [int(label) for label in classes if label not in class_weight]
    if missing:
        raise GradusError(f"class_weight has no entry for the classes {missing}, which y has.")
    weights = [number(f"class_weight[{c}]", class_weight[int(c)], 0) for c in classes]
    if not 0 < sum(weights) < math.inf:
        raise GradusError(f"class_weight={class_weight!r}: write finite weights, not all zero.")
    return np.asarray(weights, np.float32)[np.searchsorted(classes, labels)]


def _is_class(key: Any, classes: np.ndarray) -> bool:
    """Return whether a weight's class may be one: one between others may have no sample."""
    is_number = isinstance(key, int | float | np.number)
    return is_number and (key in classes or 0 <= key <= classes.max())


def split_validation(
    x: Any, y: Any, validation_split: Any, validation_data: Any, seed: int
) -> tuple[np.ndarray | None, Samples | np.ndarray | None]:
    """Return the rows to train on (None: all) and what to evaluate: other data, rows, or None.

    Raises:
        DataError: for invalid validation data.
        GradusError: for both data and a split, or a split outside (0, 1).
    """
    if validation_data is not None:
        if validation_split:
            raise GradusError("Give validation_split or validation_data, not both.")
        if not isinstance(validation_data, tuple | list) or not 1 <= len(validation_data) <= 3:
            raise DataError("validation_data is (x, y) or (x, y, weight).")
        x, y, weight = (*validation_data, None, None)[:3]
        return None, Samples(*check_arrays(x, y, weight, ("validation x", "validation y")))
    if validation_split is None or (is_number(validation_split) and validation_split == 0):
        return None, None
    share = validation_share(validation_split)
    targets = y if isinstance(y, np.ndarray | dict) else len(jax.tree.leaves(x)[0])
    return split(targets, share, seed)


def validation_share(validation_split: Any) -> float:
    """Return the share of samples to hold out.

    Raises:
        GradusError: if it is none.
    """
    if not is_number(validation_split) or not 0 < validation_split < 1:
        raise GradusError(f"validation_split={validation_split!r}: write a share between 0 and 1.")
    return float(validation_split)


def column_names(x: Any, where: str = "x") -> dict[str, list[str]]:
    """Return the column names of inputs that are frames, by what errors call the input.

    Of rows that are read in parts it is their encoding, by `ENCODING`.

    Args:
        x: the inputs, as a user passes them.
        where: what errors call them.
    """
    if isinstance(x, RowStream):
        return {ENCODING: [x.encoding]} if x.encoding else {}
    if isinstance(x, dict):
        parts = {f"{where}[{key!r}]": part for key, part in x.items()}
    elif isinstance(x, tuple):
        parts = {f"{where}[{index}]": part for index, part in enumerate(x)}
    else:
        names = list(getattr(x, "columns", ()))
        # pandas numbers the columns of an array, which says nothing about them.
        return {where: names} if names and all(isinstance(name, str) for name in names) else {}
    return {key: names for name, part in parts.items() for key, names in _named(part, name)}


def _named(part: Any, name: str) -> list[tuple[str, list[str]]]:
    return list(column_names(part, name).items())


def check_columns(trained: Columns, given: Columns, prefix: str = "") -> None:
    """Check that frames have the columns of those that were trained on, in their order.

    A network takes columns by their place, so another order gives wrong predictions. Arrays have no
    names, and pass.

    Args:
        trained: the column names of the training.
        given: those of other inputs.
        prefix: of what errors call the other inputs.

    Raises:
        DataError: with what to write.
    """
    for place, names in given.items():
        where, expected = prefix + place, list(trained.get(place, names))
        if names == expected:
            continue
        if place == ENCODING:
            raise DataError(
                f"{prefix}x is encoded by its own rows, but the network was trained on the "
                "encoding of others: write gr.data.stream(path, preprocessor=training."
                "preprocessor()), where training is what it was trained on."
            )
        missing = [name for name in expected if name not in names]
        extra = [name for name in names if name not in expected]
        if missing:
            raise DataError(
                f"{where} lacks {_listed(missing)}, which the network was trained on. It has "
                f"{_listed(names)}."
            )
        what = f"has {_listed(extra)}, too" if extra else "has its columns in another order"
        raise DataError(
            f"{where} {what}, but the network was trained on {_listed(expected)}, in this order: "
            f"write {place}[[{', '.join(map(repr, expected[:12]))}{', …' * (len(expected) > 12)}]]."
        )


def _listed(names: Sequence[str]) -> str:
    kind = "the column" if len(names) == 1 else "the columns"
    more = ", …" if len(names) > 12 else ""
    return f"{kind} {', '.join(map(repr, names[:12]))}{more}"
