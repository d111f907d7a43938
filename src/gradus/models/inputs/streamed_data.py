"""What `fit` trains on: arrays, or a stream of batches, whose first rows are checked beforehand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax

from gradus.checks import whole_number
from gradus.data.containers import fits_when_dense, in_memory, is_container, is_sparse, sparse_note
from gradus.data.streaming.batch_stream import (
    BatchStream,
    Items,
    RowStream,
    SparseRows,
    as_stream,
    head_of,
)
from gradus.data.streaming.mapped_arrays import MappedArrays, is_larger_than
from gradus.errors import DataError, GradusError, warn
from gradus.host_memory import host_free_bytes
from gradus.models.inputs.arguments import DEFAULT_BATCH, check_batch_size
from gradus.models.inputs.arguments import batch_size as step_size
from gradus.models.inputs.training_data import (
    TrainingData,
    apply_class_weight,
    check_arrays,
    check_columns,
    column_names,
    make_training_data,
    split_validation,
    validation_share,
)
from gradus.models.inputs.yielded_batches import checked_batch, concatenated
from gradus.train.batches import Samples

HEAD_ROWS = 2048  # that are checked before the first step, and that the doctor looks at
SPARSE_ROWS = 256  # of a sparse matrix, which are dense at once where none is trained on
NEEDS_ARRAYS = "This optimizer needs all samples at once: pass arrays."
VALIDATION_SHARE = 0.5  # of the free memory, which validation batches may take


@dataclasses.dataclass(frozen=True, kw_only=True)
class StreamedData(TrainingData):
    """What is trained on, batch by batch. `samples` are its first rows alone.

    Attributes:
        first: the first batch.
        batches: returns the batches of an epoch, given its number.
        steps: the batches of an epoch; None if only its end tells.
        files: what differs if they become other batches; "" if that cannot be told.
    """

    first: Samples
    batches: Callable[[int], Iterator[Samples]]
    steps: int | None
    files: str = ""

    def checked_batches(
        self, check: Callable[[Samples, int], None]
    ) -> Callable[[int], Iterator[Samples]]:
        """Return `batches` with a check of each, given its number, before it is trained on."""

        def checked(epoch: int) -> Iterator[Samples]:
            for number, batch in enumerate(self.batches(epoch)):
                check(batch, number)
                yield batch

        return checked

    def no_targets(self) -> DataError:
        """Return the error for a loss that needs targets where a batch has none."""
        x = self.first.x
        if not isinstance(x, dict):
            return DataError("The loss needs targets, but batches have none: yield pairs (x, y).")
        return DataError(
            f"The loss needs targets, but batches are dicts of {', '.join(map(repr, x))}: "
            f"name that of the targets, as in fit(x, {[*x][-1]!r})."
        )

    @property
    def identity(self) -> dict[str, str]:
        """What else than the samples at hand tells these data from others."""
        return {"files": self.files}

    @property
    def epoch_count(self) -> int | None:
        """The number of samples of an epoch; None if only its end tells."""
        return None if self.steps is None else self.count

    @property
    def count(self) -> int:
        """The number of samples of an epoch; of those at hand if only its end tells."""
        if self.steps is None:
            return len(jax.tree.leaves(self.samples.x)[0])
        return self.steps * len(jax.tree.leaves(self.first.x)[0])


def data_to_fit(
    x: Any,
    y: Any,
    *,
    first_epoch: int,
    batch_size: Any,
    full_batch: bool,
    epochs: int,
    steps_per_epoch: Any,
    shuffle_seed: int,
    shuffle: bool,
    needs_arrays: Mapping[str, Any],
    sample_weight: Any,
    class_weight: Any,
    validation_split: Any,
    validation_data: Any,
) -> tuple[TrainingData, int | None]:
    """Return what `Model.fit` trains on, in memory or as a stream, and the samples of a step.

    Args:
        x: as in `fit`.
        y: as in `fit`.
        first_epoch: the number of the first epoch.
        batch_size: as in `fit`.
        full_batch: whether the optimizer needs all samples in each step.
        epochs: as in `fit`.
        steps_per_epoch: as in `fit`.
        shuffle_seed: as in `fit`.
        shuffle: as in `fit`.
        needs_arrays: other arguments of `fit`, which must be None for a stream.
        sample_weight: as in `fit`.
        class_weight: as in `fit`.
        validation_split: as in `fit`.
        validation_data: as in `fit`.

    Raises:
        DataError: for data that cannot be trained on.
        GradusError: for arguments that do not go with the data.
    """
    if batch_size is not None and is_larger_than(x, y, host_free_bytes()):
        x, y = MappedArrays(x, y), None
        warn(
            "x and y take more than half of the free memory, so this memory map is read in parts: "
            "rows are mixed among parts that are read together.",
            RuntimeWarning,
        )
    check_batch_size(batch_size)
    x, validation_split, validation_data = _with_rows_held_out(
        x, validation_split, validation_data, shuffle_seed
    )
    if isinstance(x, RowStream):
        _check_row_stream(x, y, batch_size)
    if steps_per_epoch is not None:
        steps_per_epoch = whole_number("steps_per_epoch", steps_per_epoch, 1)
    order_seed = shuffle_seed if shuffle else None
    columns = column_names(x) if isinstance(x, RowStream) else {}
    if columns and isinstance(validation_data, RowStream):
        check_columns(columns, column_names(validation_data), "validation ")
    notes = [sparse_note(x)] if is_sparse(x) else []
    stream = _sparse_stream(x, y, sample_weight, batch_size, order_seed)
    if stream is not None:
        y = sample_weight = None
    else:
        x, y = in_memory(x, "x"), in_memory(y, "y")
        stream = as_stream(
            x,
            batch_size=batch_size,
            steps_per_epoch=steps_per_epoch,
            epochs=epochs,
            shuffle_seed=order_seed,
        )
    weights = {"sample_weight": sample_weight, "class_weight": class_weight}
    stream, validation_split, validation_data = _with_validation(
        stream, y, validation_split, validation_data, shuffle_seed
    )
    held_out = {"validation_split": validation_split, "validation_data": validation_data}
    if stream is None:
        if steps_per_epoch is not None:
            raise GradusError(
                f"steps_per_epoch={steps_per_epoch} is for an x that yields batches; an epoch is "
                "all samples of an array: leave it out."
            )
        arrays = make_training_data(x, y, **weights, **held_out, shuffle_seed=shuffle_seed)
        arrays = dataclasses.replace(arrays, notes=tuple(notes))
        return arrays, step_size(batch_size, arrays.count, full_batch)
    for name, value in needs_arrays.items():
        resumes = stream.identity and name in ("checkpoint", "resume")
        if value is not None and not resumes:
            raise GradusError(
                f"{name} needs all samples in memory, but {stream.name} is read: leave it out."
            )
    if full_batch:
        raise GradusError(NEEDS_ARRAYS)
    data = make_streamed_data(stream, y, first_epoch, **weights, **held_out)
    data = dataclasses.replace(data, notes=tuple(notes), columns=columns)
    size = len(jax.tree.leaves(data.first.x)[0])
    if batch_size not in (None, DEFAULT_BATCH, size) and not stream.takes_batch_size:
        raise GradusError(
            f"batch_size={batch_size}, but the batches of {stream.name} have {size} rows: leave it "
            "out."
        )
    return data, size


def _with_rows_held_out(x: Any, share: Any, data: Any, seed: int) -> tuple[Any, Any, Any]:
    """Return inputs, what is to be split off them, and validation data; rows in parts are split."""
    if not isinstance(x, RowStream) or not share or data is not None:
        return x, share, data
    rows, held_out = x.hold_out(validation_share(share), seed)
    return rows, None, held_out


def _with_validation(
    stream: BatchStream | None, y: Any, share: Any, data: Any, seed: int
) -> tuple[BatchStream | None, Any, Any]:
    """Return a stream, what is to be split off arrays, and validation data as arrays.

    Numbered items are split by their numbers.
    """
    if isinstance(stream, Items) and share and data is None:
        stream, data = stream.split(validation_share(share), seed)
        share = None
    return stream, share, validation_arrays(data, y if isinstance(y, str) else None)


def _check_row_stream(rows: RowStream, y: Any, batch_size: Any) -> None:
    """Check that rows that are read in parts are trained on in batches, and with their own target.

    Raises:
        DataError: for a target beside them.
        GradusError: for all rows as one batch.
    """
    if batch_size is None:
        raise GradusError(f"batch_size=None needs all samples in memory, but {rows.name} is read.")
    if y is not None:
        given = f"target {y!r}" if isinstance(y, str) else "targets"
        raise DataError(f"x is {rows.name}, which yields its {given}, too: leave y out.")


def _sparse_stream(
    x: Any, y: Any, sample_weight: Any, batch_size: int | None, shuffle_seed: int | None
) -> BatchStream | None:
    """Return the batches of a sparse matrix that is too large to be dense, or None."""
    if not is_sparse(x) or fits_when_dense(x):
        return None
    name = "x (a sparse matrix too large to be dense)"
    return SparseRows(x, y, sample_weight, name, batch_size, shuffle_seed)


def make_streamed_data(
    stream: BatchStream,
    y: Any,
    first_epoch: int,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    validation_split: Any = 0.0,
    validation_data: Any = None,
) -> StreamedData:
    """Return the data of a training on a stream, after reading its first batches.

    Args:
        stream: yields the batches.
        y: the key of the targets, where a batch is a dict; None where it is `(x, y)`.
        first_epoch: the number of the first epoch.
        sample_weight: must be None: a batch has its own.
        class_weight: a dict from label to weight, or None.
        validation_split: must be 0.
        validation_data: `(x, y)` or `(x, y, weight)`.

    Raises:
        DataError: for batches that cannot be trained on.
        GradusError: for arguments that need all samples at once.
    """
    if validation_split:
        raise GradusError(
            f"validation_split={validation_split!r} needs all samples at once, but {stream.name} "
            "yields them in batches: pass validation_data."
        )
    if sample_weight is not None:
        raise GradusError(
            f"sample_weight: {stream.name} yields batches; yield the weights, as (x, y, weight)."
        )
    if class_weight is not None and not isinstance(class_weight, dict):
        raise GradusError(
            f"class_weight={class_weight!r} needs all samples at once, but {stream.name} yields "
            "them in batches: write a dict such as {0: 1.0, 1: 5.0}."
        )
    if y is not None and not isinstance(y, str):
        raise DataError(
            f"{stream.name} yields batches, so y is not given beside it: yield pairs (x, y), or, "
            "for batches that are dicts, write the key of the targets, as in y='label'."
        )

    def converted(items: Iterable[Any]) -> Iterator[Samples]:
        for number, item in enumerate(items):
            x, targets, weight = checked_batch(item, y, stream.name, number)
            yield Samples(x, targets, apply_class_weight(weight, targets, class_weight))

    head, whole = head_of(stream, first_epoch, HEAD_ROWS)
    if not head:
        raise DataError(f"{stream.name} has no batches.")
    samples = list(converted(head))
    opened: dict[int, Iterator[Any]] = {first_epoch: whole}

    def batches(epoch: int) -> Iterator[Samples]:
        return converted(opened.pop(epoch) if epoch in opened else stream.epoch(epoch))

    _, validation = split_validation(None, None, 0.0, validation_data, 0)
    return StreamedData(
        samples=concatenated(samples),
        rows=None,
        validation=validation,
        sample_weight=None,
        class_weight=class_weight,
        first=samples[0],
        batches=batches,
        steps=stream.steps,
        files=stream.identity,
    )


def validation_arrays(validation_data: Any, y: str | None = None) -> Any:
    """Return validation data as `Model.fit` takes arrays; batches are read once, and kept.

    Args:
        validation_data: arrays, or what yields batches.
        y: the key of the targets, where a batch is a dict; else None.

    Raises:
        DataError: if they take more than half of the free memory, or cannot be evaluated.
    """
    if is_container(validation_data):
        return validation_data
    stream = validation_data
    if not isinstance(stream, BatchStream):
        stream = as_stream(validation_data, "validation_data")
    if stream is None:
        return validation_data
    free, read = VALIDATION_SHARE * host_free_bytes(), 0
    parts = []
    for number, item in enumerate(stream.epoch(0)):
        key = y if isinstance(item, dict) else None
        parts.append(checked_batch(item, key, stream.name, number, "validation "))
        read += sum(leaf.nbytes for leaf in jax.tree.leaves(parts[-1]))
        if read > free:
            raise DataError(
                f"{stream.name} is kept in memory, but its first {number + 1} batches take half of "
                "what is free: evaluate on fewer."
            )
    if not parts:
        raise DataError(f"{stream.name} has no batches.")
    return tuple(concatenated(parts))


def parts_of(x: Any, y: Any, sample_weight: Any) -> Iterator[Samples]:
    """Yield what is evaluated or predicted: arrays at once, or a stream batch by batch.

    Raises:
        DataError: for data that a network cannot take, or targets beside a stream.
    """
    sparse = _sparse_stream(x, y, sample_weight, SPARSE_ROWS, None)
    if sparse is not None:
        y = sample_weight = None
    stream = sparse or as_stream(x)
    if stream is None:
        yield Samples(*check_arrays(x, y, sample_weight))
        return
    if sample_weight is not None or not (y is None or isinstance(y, str)):
        raise DataError(f"{stream.name} yields batches: it yields their targets and weights, too.")
    number = -1
    for number, item in enumerate(stream.epoch(0)):
        yield checked_batch(item, y, stream.name, number)
    if number < 0:
        raise DataError(f"{stream.name} has no batches.")
