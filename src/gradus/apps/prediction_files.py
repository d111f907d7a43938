"""Predictions as a table, and the files that it is written to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradus import files
from gradus.apps.output import print_table_file
from gradus.errors import DataError, SavedError
from gradus.experiments import inference
from gradus.experiments.run import Run, unused_note

if TYPE_CHECKING:
    import polars as pl

EXTENSIONS = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class PredictionTable:
    """Predictions, a row for each row of the data.

    Attributes:
        frame: the columns that were kept, or the "file" of an image; "prediction", and
            "probability_<class>", ….
        notes: what cannot be trusted, and what was not used, in sentences.
        summary: the number of rows, the notes, the counts of unseen values by column, and files
            that cannot be read.
    """

    frame: pl.DataFrame
    notes: list[str]
    summary: dict[str, Any]


def predict_table(
    run: Run, source: str, keep: Sequence[str], threshold: float | None
) -> PredictionTable:
    """Return the predictions of a run as a table.

    Args:
        run: the run.
        source: the data.
        keep: columns of the data to carry through.
        threshold: of two classes, from which probability on the second is predicted.

    Raises:
        DataError: for data that the run cannot predict from, or a column to keep that is absent
            or named as a prediction.
        GradusError: for a threshold where there are not two classes with probabilities.
    """
    import polars as pl

    inference.check_threshold(threshold, run.loss, run.target)
    rows = run.predicted_rows(source, keep)
    columns = inference.prediction_columns(rows.outputs, run.loss, run.target, threshold)
    files = {"file": rows.data.files} if rows.data.files else {}
    values = {name: column.tolist() for name, column in columns.items()}
    frame = pl.DataFrame({**files, **values})
    if keep:
        kept = inference.kept_columns(rows.data, keep)
        for name in kept.columns:
            if name in columns:
                raise DataError(
                    f"--keep {name}: a column of the predictions has this name; rename it in the "
                    "data, or leave it out."
                )
        frame = pl.concat([kept, frame], how="horizontal")
    notes = [*rows.data.notes, *rows.notes]
    if threshold is not None:
        positive = "a label" if run.target.task == "multilabel" else repr(run.classes[1])
        notes = [f"{positive} is predicted where its probability is above {threshold}", *notes]
    if rows.unused:
        notes = [*notes, unused_note(rows.unused)]
    unseen = [
        {"column": found.column, "kind": found.kind, "count": found.count} for found in rows.unseen
    ]
    summary: dict[str, Any] = {"rows": frame.height, "notes": notes, "unseen": unseen}
    if rows.data.unreadable:
        summary["unreadable"] = list(rows.data.unreadable)
    return PredictionTable(frame, notes, summary)


def write_predictions(frame: pl.DataFrame, out: str | None) -> None:
    """Write predictions to a file by its extension, or as CSV to standard output.

    Raises:
        SavedError: for an unknown extension, or a file that cannot be written.
    """
    if out is None or out == "-":
        print_table_file(frame.write_csv())
        return
    path = check_output_path(out)
    try:
        if path.suffix == ".parquet":
            files.write_table(path, frame)
        else:
            frame.write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")
    except OSError as error:
        raise SavedError(f"{out!r} cannot be written: {error.strerror or error}.") from None


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
