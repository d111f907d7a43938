"""What a run predicts or is evaluated on, read in parts where memory is too small for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradus.data import TablePreprocessor, stream
from gradus.data.array_preprocessor import Preprocessor
from gradus.data.columns.unseen import UnseenValues, joined
from gradus.data.streaming.array_stream import ArrayStream
from gradus.data.streaming.open_arrays import stream_arrays
from gradus.data.streaming.table_stream import TableStream
from gradus.data.streaming.trees import count_rows, join_rows
from gradus.experiments.inference import PredictedRows, of_other_kind
from gradus.experiments.preparation.reading_in_parts import NPZ, is_too_large
from gradus.files import user_path


def rows_in_parts(data: Any, preprocessor: Preprocessor) -> TableStream | ArrayStream | None:
    """Return rows that are read in parts, or None for data that are read whole.

    Args:
        data: as `Run.predict` takes them.
        preprocessor: of the run.

    Raises:
        DataError: for data that cannot be read in parts, or are of another kind.
    """
    if not isinstance(data, str | Path):
        return None
    path = user_path(data)
    is_table = isinstance(preprocessor, TablePreprocessor)
    if not is_too_large(path):
        return None
    if is_table == (path.suffix.lower() == NPZ):
        raise of_other_kind(data, is_table)
    if isinstance(preprocessor, TablePreprocessor):
        return stream(path, preprocessor=preprocessor)
    target = preprocessor.target
    task, classes = (None, ()) if target is None else (target.task, target.class_names)
    rows = stream_arrays(path, task=task, classes=classes, preprocessor=preprocessor)
    return rows if rows.test is None else rows.test


@dataclass
class PredictedParts:
    """What is known of predictions once all of their parts were added.

    Attributes:
        rows: how many there are.
        unseen: the cells whose values did not occur in the training data.
        unused: the columns that are not used.
        about_data: what was said of the data when they were read.
        from_files: whether the rows are image files.
        unreadable: the names of the files of a folder that could not be read as images.
    """

    rows: int = 0
    unseen: list[UnseenValues] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    about_data: Sequence[str] = ()
    from_files: bool = False
    unreadable: Sequence[str] = ()

    def add(self, part: PredictedRows) -> None:
        """Add the rows that come next."""
        self.unseen = joined(self.unseen, (each.after(self.rows) for each in part.unseen))
        self.rows += count_rows(part.outputs)
        self.unused = part.unused
        self.about_data = part.data.notes
        self.unreadable = part.data.unreadable
        self.from_files = bool(part.data.files)

    @property
    def notes(self) -> list[str]:
        """What cannot be trusted, and what was done to image files, in sentences."""
        about_files = self.about_data if self.from_files else ()
        return [*about_files, *(unseen.note for unseen in self.unseen)]


def concatenated_outputs(parts: Iterator[PredictedRows], told: PredictedParts) -> Any:
    """Return the outputs of all parts, (n, k) or a dict, and add the parts to what is told."""
    outputs = []
    for part in parts:
        told.add(part)
        outputs.append(part.outputs)
    return join_rows(outputs)
