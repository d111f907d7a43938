"""Files in which other tools log a training, as rows of numbers by name.

A format is recognized by its content: TensorBoard events by their first bytes, JSON by its first
character; anything else must be a table with a header.
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from gradus.errors import DataError
from gradus.records import MAX_BYTES

Row: TypeAlias = dict[str, Any]  # of numbers; what is none stays as it was given

FORMATS = (
    "a Keras history as JSON, the CSV of Keras's or Lightning's CSVLogger, Hugging Face's "
    "trainer_state.json, or TensorBoard events"
)
NAMES = ("trainer_state.json", "metrics.csv")  # of files that tools write into a folder
EVENTS = "events.out.tfevents.*"
PARTS = {"train": "", "validation": "val_"}  # the folders of Keras's events, and what names get
LARGEST = 3.5e38  # there is no larger float32
MISSING = ("", "na", "n/a", "none", "null")


def locate_log(path: Path) -> Path | None:
    """Return the log at a path: a file, or one in a folder; None if there is none.

    The folders "train" and "validation", to which Keras writes events, are one log: their folder.
    """
    if not path.is_dir():
        return path if path.exists() else None
    named = [path / name for name in NAMES if (path / name).is_file()]
    if named:
        return named[0]
    events = sorted(path.glob(EVENTS))
    if len(events) == 1:
        return events[0]
    return path if events or any((path / "train").glob(EVENTS)) else None


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a log in their order, with the names that the log has.

    Args:
        path: of a file; or of a folder of TensorBoard events.

    Raises:
        DataError: if the file cannot be read, is damaged, empty, or no log.
    """
    if path.is_dir():
        return _read_events(path)
    content = _content(path)
    where, start = repr(str(path)), content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if b"brain.Event:" in content[:64] or "tfevents" in path.name:
        return _read_events(path)
    if not content.strip():
        raise DataError(f"{where} is empty: give {FORMATS}.")
    if start[:1] in (b"{", b"["):
        return _json_rows(_parse_json(content, where), where)
    if b"\0" in start and not start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _no_log(where, "it is not text")
    return _csv_rows(content, where)


def as_number(value: Any) -> float | None:
    """Return a number of a log; None where it is missing.

    Raises:
        ValueError: if it is something else.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() in MISSING):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is no number")
    try:
        number = float(value)
    except OverflowError:
        return math.inf
    return (
        number if abs(number) <= LARGEST or math.isnan(number) else math.copysign(math.inf, number)
    )


def _content(path: Path) -> bytes:
    where = repr(str(path))
    if path.exists() and not path.is_file():  # a pipe might wait forever
        raise _no_log(where, "it is no regular file")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(
                f"{where} has {size / 2**20:,.0f} MiB; a log may have {MAX_BYTES // 2**20}: write "
                "fewer of its rows to another file."
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"There is no file {where}.") from None
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror or error}.") from None


def _no_log(where: str, reason: str) -> DataError:
    return DataError(f"{where} is no log of a training, as {reason}: give {FORMATS}.")


# --- JSON --------------------------------------------------------------------------------------


def _parse_json(content: bytes, where: str) -> Any:
    # Not by msgspec, as of records.read_json: Python's json writes NaN, which JSON lacks.
    try:
        return json.loads(content)
    except RecursionError:
        raise DataError(f"{where} is damaged: it is nested too deeply.") from None
    except ValueError as error:
        raise DataError(f"{where} is damaged or was cut short: {error}.") from None


def _json_rows(parsed: Any, where: str) -> list[Row]:
    """Return the rows of `log_history`, of a list of them, or of columns by name."""
    if isinstance(parsed, dict) and isinstance(parsed.get("log_history"), list):
        entries = [entry for entry in parsed["log_history"] if isinstance(entry, dict)]
        if not entries:
            raise DataError(f"{where} has an empty log_history: train with logging_steps.")
        return [_from_first_epoch(entry) for entry in entries]
    if isinstance(parsed, dict) and isinstance(parsed.get("history"), dict):
        parsed = parsed["history"]
    if isinstance(parsed, list) and parsed and all(isinstance(entry, dict) for entry in parsed):
        return list(parsed)
    if not parsed:
        raise DataError(f"{where} is empty: write json.dump(history.history, file).")
    columns = parsed.items() if isinstance(parsed, dict) else ()
    lists = {name: _column(values) for name, values in columns}
    known = {name: values for name, values in lists.items() if values is not None}
    if not known:
        raise _no_log(where, "it has no lists of numbers by name")
    if not any(known.values()):
        raise DataError(f"{where} has no epochs: train for more, and write the history then.")
    return _rows_of_columns(known)


def _from_first_epoch(entry: Row) -> Row:
    """Return an entry with a share of the first epoch as a number of that epoch."""
    epoch = entry.get("epoch")
    # An evaluation before the first step has epoch 0; a loss that is rounded to it is of the first.
    if isinstance(epoch, float | int) and epoch <= 0 and "loss" in entry:
        return {**entry, "epoch": 1}
    return entry


def _column(values: Any) -> list[Any] | None:
    """Return the values of a column: a list, or a dict by row as pandas writes it; else None."""
    if isinstance(values, dict) and all(key.isdecimal() for key in values):
        values = list(values.values())
    return values if isinstance(values, list) else None


def _rows_of_columns(columns: Mapping[str, Sequence[Any]]) -> list[Row]:
    """Return rows of columns; a shorter one has a value in every second, third, … row."""
    length = max(len(values) for values in columns.values())
    rows: list[Row] = [{} for _ in range(length)]
    for name, values in columns.items():
        every = length // len(values) if values else 1
        for index, value in enumerate(values):
            rows[(index + 1) * every - 1][name] = value
    return rows


# --- CSV ---------------------------------------------------------------------------------------


def _csv_rows(content: bytes, where: str) -> list[Row]:
    from gradus.data.reading.delimited_text import read_delimited  # imports Polars, which is slow

    return list(read_delimited(content, where, header=True).frame.iter_rows(named=True))


# --- TensorBoard -------------------------------------------------------------------------------


def _read_events(path: Path) -> list[Row]:
    """Return the scalars of an event file, or of all in a folder, a row for each step."""
    where = repr(str(path))
    if path.is_dir() and not any(path.glob(EVENTS)):
        parts = {prefix: path / name for name, prefix in PARTS.items() if (path / name).is_dir()}
    else:
        parts = {"": path}
    rows: dict[int, Row] = {}
    for prefix, part in parts.items():
        for tag, step, value in _scalars(part, where):
            rows.setdefault(step, {"step": step})[prefix + tag] = value
    if not rows:
        raise DataError(f"{where} holds no scalars: log the loss, or give another log.")
    return [rows[step] for step in sorted(rows)]


def _scalars(path: Path, where: str) -> Iterator[tuple[str, int, float]]:
    """Yield tag, step, and value; Keras writes scalars as tensors."""
    folder = "tensorboard.backend.event_processing.event_accumulator"
    try:
        accumulator = importlib.import_module(folder)
        tensors = importlib.import_module("tensorboard.util.tensor_util")
    except ImportError:
        raise DataError(
            f"{where} is a log of TensorBoard, which needs its package to be read: write "
            "pip install tensorboard, or give a log as CSV or JSON."
        ) from None
    try:
        log = accumulator.EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0})
        tags = log.Reload().Tags()
        for tag in tags["scalars"]:
            yield from ((tag, event.step, event.value) for event in log.Scalars(tag))
        for tag in tags["tensors"]:
            for event in log.Tensors(tag):
                array = tensors.make_ndarray(event.tensor_proto)
                if array.shape == () and array.dtype.kind == "f":
                    yield tag, event.step, float(array)
    except Exception as error:  # of TensorBoard, whatever it is
        raise DataError(f"{where} cannot be read by TensorBoard: {error}.") from None
