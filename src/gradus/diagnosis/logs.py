"""Logs of trainings by other tools: their curves as a record, and what curves alone can tell."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from gradus.diagnosis.findings import Diagnosis
from gradus.diagnosis.log_files import Row, as_number, locate_log, read_rows
from gradus.diagnosis.record import Record
from gradus.diagnosis.symptoms import examine
from gradus.diagnosis.training import TrainingRecord
from gradus.errors import DataError, nearest
from gradus.files import user_path

LIMITS = (
    "A log has no layers, inputs or settings: train with gradus, or call model.check, for those."
)

# The likeliest name first, in lower case with "_" for other characters.
LOSSES = (
    *("loss", "train_loss_epoch", "loss_epoch", "train_loss", "training_loss", "epoch_loss"),
    *("loss_train", "train_epoch_loss", "train_loss_step", "loss_step"),
)
VALIDATION_LOSSES = (
    *("val_loss", "val_loss_epoch", "valid_loss", "validation_loss", "eval_loss", "dev_loss"),
    *("val_epoch_loss", "loss_val", "validation_epoch_loss"),
)
EPOCHS, STEPS = ("epoch", "epochs", "train_epoch"), ("step", "steps", "global_step")
GRADIENTS = ("grad_norm", "train_grad_norm")
SKIPPED = 2  # gradients in a row that are not finite may be steps that mixed precision skips

Points: TypeAlias = dict[int, list[float]]  # the values of a column in their order, by epoch


def diagnose_log(path: str | Path, ignore: Iterable[str] = ()) -> Diagnosis:
    """Return what the curves of a log show to be wrong with its training.

    Args:
        path: of the log, as of `read_log`.
        ignore: codes that are left out.

    Raises:
        DataError: as `read_log` does.
        GradusError: for an unknown code, with the nearest one, and for what is no code.
    """
    return Diagnosis(examine(Record(training=read_log(path)), ignore), [LIMITS])


def read_log(path: str | Path) -> TrainingRecord:
    """Return the record of a training from the log of another tool: only its curves are known.

    Values within an epoch are averaged. An epoch without a value has that of the epoch before.
    Where the log counts only steps, its losses are the parts of one epoch. A file to which several
    trainings were appended is read from where its epochs last begin again; one whose last epoch
    comes first, from its end.

    Args:
        path: of a Keras history as JSON, the CSV of Keras's or Lightning's CSVLogger, Hugging
            Face's trainer_state.json, or TensorBoard events; or of a folder that holds one.

    Raises:
        DataError: if there is no log, it is damaged or empty, has no training loss (with the
            columns that it has), or a single one.
    """
    found = locate_log(user_path(path))
    if found is None:
        raise DataError(f"There is no log in {str(path)!r}: name its file.")
    where, rows = repr(str(found)), read_rows(found)
    names = list(dict.fromkeys(name for row in rows for name in row))
    loss = _named(names, LOSSES)
    if loss is None:
        raise _no_loss(where, names)
    epochs = _epochs(rows, names, loss)
    if _descends(rows, epochs, loss):
        rows, epochs = rows[::-1], epochs[::-1]
    start = _last_start(rows, epochs, loss)
    rows, epochs = rows[start:], epochs[start:]
    if _named(names, STEPS) is None and len(set(epochs)) == len(epochs):
        rows = [_with_loss(row, loss) for row in rows]
    columns = {name: _points(rows, epochs, name) for name in names}
    known = {name: points for name, points in columns.items() if points}
    if loss not in known:
        raise _not_numbers(where, loss, rows)
    if start and len(known[loss]) < 2 and len(known[loss][epochs[0]]) < 2:
        raise DataError(
            f"{where} has a single loss from row {start + 1} on, where its epochs last begin "
            "again: sort its rows by epoch, or leave out that row."
        )
    return _make_record(known, loss, where)


def is_log(path: Path) -> bool:
    """Return whether a file can be read as the log of a training."""
    try:
        read_log(path)
    except DataError:
        return False
    return True


# --- from rows to columns ----------------------------------------------------------------------


def _named(names: Iterable[str], wanted: Sequence[str]) -> str | None:
    """Return the first of the wanted names that there is, however it is written; or None."""
    plain = {re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_"): name for name in names}
    return next((plain[name] for name in wanted if name in plain), None)


def _no_loss(where: str, names: Sequence[str]) -> DataError:
    """Return the error for a log without a training loss, with the nearest of its columns."""
    others = [name for name in names if not re.match(r"val|eval|dev|test", name.lower())]
    close = nearest("train_loss", others) or nearest("loss", others)
    hint = f" If it is {close!r}, rename that to 'loss'." if close else ""
    shown = ", ".join(names[:30]) + (", …" if len(names) > 30 else "")
    return DataError(
        f"{where} has no training loss, such as a column 'loss' or 'train_loss'.{hint} Its "
        f"columns: {shown}."
    )


def _not_numbers(where: str, name: str, rows: Sequence[Row]) -> DataError:
    for row in rows:
        try:
            as_number(row.get(name))
        except ValueError:
            given = str(row[name])[:40]
            return DataError(f"{where}: the column {name!r} must have numbers, not {given!r}.")
    return DataError(f"{where}: the column {name!r} must have numbers; it has none.")


def _epochs(rows: Sequence[Row], names: Sequence[str], loss: str) -> list[int]:
    """Return the epoch of each row, counted from anything; all are one where only steps are known.

    A share of an epoch, as Hugging Face writes it, belongs to the epoch that it is a share of.
    """
    name, steps = _named(names, EPOCHS), _named(names, STEPS)
    if _named([loss], ("epoch_loss", "train_epoch_loss")):  # Keras's TensorBoard counts epochs
        name = steps
    if name is None:
        return [0] * len(rows) if steps is not None else list(range(len(rows)))
    found, last = [], 0
    for row in rows:
        number = _number(row.get(name))
        if number is not None and math.isfinite(number):
            last = math.ceil(number - 1e-6)
        found.append(last)
    return found


def _number(value: object) -> float | None:
    """Return a number of a log; None where it is missing or something else."""
    try:
        return as_number(value)
    except ValueError:
        return None


def _last_start(rows: Sequence[Row], epochs: Sequence[int], loss: str) -> int:
    """Return the row in which the last training begins: where epochs last begin again."""
    start, before = 0, -math.inf
    for index, (row, epoch) in enumerate(zip(rows, epochs, strict=True)):
        if _number(row.get(loss)) is None:  # a test after the training may count from 0
            continue
        if epoch < before:
            start = index
        before = epoch
    return start


def _descends(rows: Sequence[Row], epochs: Sequence[int], loss: str) -> bool:
    """Return whether the last epoch comes first, as in a table that was sorted that way."""
    own = [
        epoch for row, epoch in zip(rows, epochs, strict=True) if _number(row.get(loss)) is not None
    ]
    return len(own) > 2 and all(later < before for before, later in itertools.pairwise(own))


def _with_loss(row: Row, loss: str) -> Row:
    """Return the only row of an epoch: pandas leaves out a loss that is not a number."""
    is_blank = loss in row and (row[loss] is None or row[loss] == "")
    return {**row, loss: math.nan} if is_blank else row


def _points(rows: Sequence[Row], epochs: Sequence[int], name: str) -> Points:
    """Return the numbers of a column; none if one of its values is something else."""
    points: Points = {}
    for row, epoch in zip(rows, epochs, strict=True):
        try:
            number = as_number(row.get(name))
        except ValueError:
            return {}
        if number is not None:
            points.setdefault(epoch, []).append(number)
    return points


# --- from columns to curves --------------------------------------------------------------------


def _make_record(columns: Mapping[str, Points], loss: str, where: str) -> TrainingRecord:
    """Return the record of columns of numbers, up to where the training diverged."""
    losses = columns[loss]
    validation = _named(columns, VALIDATION_LOSSES)
    parts = columns.get(loss.replace("epoch", "step"), losses)
    divergence = _divergence(columns, losses)
    keys = [key for key in losses if divergence is None or key <= divergence[0]]
    segments = [value for key in keys for value in parts.get(key, ())]
    if divergence is None and len(keys) < 2 and len(segments) < 2:
        raise DataError(
            f"{where} has the loss of a single epoch: train for more, as one number is no curve."
        )
    others = set(columns) - {loss, validation, *_counters(columns)}
    return TrainingRecord(
        epochs=len(keys),
        stopped="" if divergence is None else "diverged",
        loss=np.array([_mean(losses[key]) for key in keys]),
        validation_loss=None if validation is None else _by_epoch(columns[validation], keys),
        metrics={name: _by_epoch(columns[name], keys) for name in columns if name in others},
        segments=np.array(segments if len(segments) > len(keys) else []),
        epoch=np.zeros(0, int),
        layers={},
        weights={},
        divergence=None if divergence is None else divergence[1:],
    )


def _counters(names: Iterable[str]) -> list[str]:
    """Return the names that count epochs and steps."""
    return [name for name in names if _named([name], (*EPOCHS, *STEPS))]


def _mean(values: Sequence[float]) -> float:
    """Return the mean of an epoch's losses; NaN if it ended with one that is not finite."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if math.isfinite(values[-1]) else math.nan


def _by_epoch(points: Points, keys: Sequence[int]) -> np.ndarray:
    """Return the last number of each epoch; where there is none, the one before, or the first."""
    known = [points[key][-1] for key in keys if key in points]
    found, last = [], known[0] if known else math.nan
    for key in keys:
        last = points[key][-1] if key in points else last
        found.append(last)
    return np.array(found)


def _divergence(columns: Mapping[str, Points], losses: Points) -> tuple[int, str, str] | None:
    """Return since when numbers are not finite until the end, in words, and what to try."""
    gradients = columns.get(_named(columns, GRADIENTS) or "", {})
    # Hugging Face logs a loss of 0 for one that is not finite, but the true norm of gradients.
    for what, points, fewest in (("loss", losses, 1), ("gradient", gradients, SKIPPED + 1)):
        values = [(key, value) for key in points for value in points[key]]
        tail = 0
        while tail < len(values) and not math.isfinite(values[-1 - tail][1]):
            tail += 1
        if tail < fewest:
            continue
        epoch = values[-tail][0]
        number, count = list(points).index(epoch) + 1, len(points)
        since = f"epoch {number} of {count}" if count > 1 else f"value {len(values) - tail + 1}"
        remedy = "Use a tenth of the learning rate, or clip the gradient norm at 1."
        return max(epoch, min(losses)), f"The {what} is not finite from {since} onward.", remedy
    return None
