"""Predictions as a table, and the files that it is written to."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradus import files
from gradus.apps.output import print_table_file
from gradus.errors import DataError, SavedError
from gradus.experiments import inference
from gradus.experiments.inference import unused_note
from gradus.experiments.rows_in_parts import PredictedParts
from gradus.experiments.run import Run

if TYPE_CHECKING:
    import polars as pl

EXTENSIONS = (".csv", ".tsv", ".parquet")
TIMES = "%Y-%m-%d %H:%M:%S%.f"  # of a column that is kept; a fraction only where there is one


@dataclass
class PredictionTable:
    """Predictions as a table that comes in parts, a row for each row of the data.

    Its columns are those that were kept, or the "file" of an image; "prediction", and
    "probability_<class>", ….

    Args:
        run: the run.
        source: the data.
        keep: columns of the data to carry through.
        threshold: of two classes, from which probability on the second is predicted.

    Raises:
        GradusError: for a threshold where there are not two classes with probabilities.
    """

    run: Run
    source: str
    keep: Sequence[str]
    threshold: float | None
    told: PredictedParts = field(default_factory=PredictedParts)

    def __post_init__(self) -> None:
        inference.check_threshold(self.threshold, self.run.loss, self.run.target)

    def parts(self) -> Iterator[pl.DataFrame]:
        """Yield the rows, all at once or, of a file that memory is too small for, in parts.

        Raises:
            DataError: for data that the run cannot predict from, or a column to keep that is absent
                or named as a prediction.
        """
        for rows in self.run.predicted_parts(self.source, self.keep):
            self.told.add(rows)
            yield self._frame(rows)

    def _frame(self, rows: inference.PredictedRows) -> pl.DataFrame:
        import polars as pl

        run = self.run
        columns = inference.prediction_columns(rows.outputs, run.loss, run.target, self.threshold)
        files = {"file": rows.data.files} if rows.data.files else {}
        values = {name: column.tolist() for name, column in columns.items()}
        frame = pl.DataFrame({**files, **values})
        if not self.keep:
            return frame
        kept = inference.kept_columns(rows.data, self.keep)
        for name in kept.columns:
            if name in columns:
                raise DataError(
                    f"--keep {name}: a column of the predictions has this name; rename it in the "
                    "data, or leave it out."
                )
        return pl.concat([kept, frame], how="horizontal")

    def notes(self) -> list[str]:
        """Return what cannot be trusted, and what was not used, in sentences, after all parts."""
        notes = [*self.told.about_data, *(unseen.note for unseen in self.told.unseen)]
        if self.threshold is not None:
            several = self.run.target.task == "multilabel"
            positive = "a label" if several else repr(self.run.classes[1])
            above = f"{positive} is predicted where its probability is above {self.threshold}"
            notes = [above, *notes]
        return [*notes, unused_note(self.told.unused)] if self.told.unused else notes

    def summary(self) -> dict[str, Any]:
        """Return the rows, the notes, the counts of unseen values, and files that are unreadable.

        The last of these is there only if there are such files.
        """
        unseen = [
            {"column": found.column, "kind": found.kind, "count": found.count}
            for found in self.told.unseen
        ]
        found = {"rows": self.told.rows, "notes": self.notes(), "unseen": unseen}
        unreadable = {"unreadable": list(self.told.unreadable)} if self.told.unreadable else {}
        return found | unreadable


def write_predictions(parts: Iterable[pl.DataFrame], out: str | None) -> list[str]:
    """Write predictions to a file by its extension, or as CSV to standard output.

    A file is replaced once all of its parts are written; on standard output they come one by one.

    Returns:
        The names of the columns.

    Raises:
        SavedError: for an unknown extension, or a file that cannot be written.
    """
    columns: list[str] = []
    if out is None or out == "-":
        for frame in parts:
            print_table_file(frame.write_csv(include_header=not columns, datetime_format=TIMES))
            columns = frame.columns
        return columns
    path = check_output_path(out)
    try:
        with tempfile.TemporaryDirectory(prefix=".gradus-", dir=path.parent) as folder:
            written = Path(folder, path.name)
            columns = (_write_parquet if path.suffix == ".parquet" else _write_text)(written, parts)
            written.replace(path)
    except OSError as error:
        raise SavedError(f"{out!r} cannot be written: {error.strerror or error}.") from None
    return columns


def as_lists(parts: Iterable[pl.DataFrame]) -> dict[str, list[Any]]:
    """Return the columns of predictions, which are all in memory."""
    import polars as pl

    return pl.concat(parts).to_dict(as_series=False)


def _write_text(path: Path, parts: Iterable[pl.DataFrame]) -> list[str]:
    columns: list[str] = []
    with path.open("wb") as file:
        for frame in parts:
            separator = "\t" if path.suffix == ".tsv" else ","
            frame.write_csv(
                file,
                separator=separator,
                include_header=not columns,
                datetime_format=TIMES,
            )
            columns = frame.columns
    return columns


def _write_parquet(path: Path, parts: Iterable[pl.DataFrame]) -> list[str]:
    """Write parts to files of their own, and then these to one, a part at a time."""
    import polars as pl

    written, columns = [], list[str]()
    for number, frame in enumerate(parts):
        written.append(path.with_name(f"{number}.parquet"))
        files.write_table(written[-1], frame)
        columns = frame.columns
    if len(written) == 1:
        written[0].replace(path)
    else:
        pl.scan_parquet(written).sink_parquet(path)
    return columns


def check_output_path(out: str, source: str = "") -> Path:
    """Return the path of an output file, whose extension is its format.

    Raises:
        SavedError: for an unknown extension, a folder that does not exist, or the file `source`,
            which is read.
    """
    path, read = files.user_path(out), files.user_path(source)
    if source and path.exists() and read.exists() and path.samefile(read):
        raise SavedError(f"--out {out} is the file that is read: choose another.")
    if path.suffix not in EXTENSIONS:
        raise SavedError(f"--out {out}: the extension must be one of {', '.join(EXTENSIONS)}.")
    if not path.parent.is_dir():
        raise SavedError(f"--out {out}: there is no folder {str(path.parent)!r}; create it first.")
    return path
