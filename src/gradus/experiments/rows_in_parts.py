"""A table that a run predicts or is evaluated on, in parts where memory is too small for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from gradus.data import Dataset, TablePreprocessor, stream
from gradus.data.columns.unseen import UnseenValues, joined
from gradus.data.streaming.table_stream import TableStream
from gradus.experiments.inference import PredictedRows
from gradus.experiments.preparation.prepare_streamed import is_too_large


def rows_in_parts(data: Any, preprocessor: Any) -> TableStream | None:
    """Return a table that is read in parts, or None for data that are read whole.

    Args:
        data: as `Run.predict` takes them.
        preprocessor: of the run.

    Raises:
        DataError: for a table that cannot be read in parts.
    """
    if not isinstance(preprocessor, TablePreprocessor) or not isinstance(data, str | Path):
        return None
    path = Path(data).expanduser()
    return stream(path, preprocessor=preprocessor) if is_too_large(path) else None


def raw_parts(rows: TableStream) -> Iterator[Dataset]:
    """Yield all rows of a table, part by part, as data sets without a target."""
    for frame in rows.inputs().frames():
        yield replace(
            rows.example, x=frame, y=None, task=None, target=None, notes=rows.source.notes
        )


@dataclass
class PredictedParts:
    """What is known of predictions once all of their parts were added.

    Attributes:
        rows: how many there are.
        unseen: the cells that the training data had no like of.
        unused: the columns that are not used.
        about_data: what was said of the data when they were read.
        from_files: whether the rows are image files.
    """

    rows: int = 0
    unseen: list[UnseenValues] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    about_data: Sequence[str] = ()
    from_files: bool = False

    def add(self, part: PredictedRows) -> None:
        """Add the rows that come next."""
        self.unseen = joined(self.unseen, (each.after(self.rows) for each in part.unseen))
        self.rows += len(part.outputs)
        self.unused = part.unused
        self.about_data = part.data.notes
        self.from_files = bool(part.data.files)

    @property
    def notes(self) -> list[str]:
        """What cannot be trusted, and what was done to image files, in sentences."""
        about_files = self.about_data if self.from_files else ()
        return [*about_files, *(unseen.note for unseen in self.unseen)]


def concatenated_outputs(parts: Iterator[PredictedRows], told: PredictedParts) -> np.ndarray:
    """Return the outputs of all parts, (n, k), and add the parts to what is told of them."""
    outputs = []
    for part in parts:
        told.add(part)
        outputs.append(part.outputs)
    return np.concatenate(outputs)
