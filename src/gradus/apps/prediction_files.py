"""The files that predictions are written to."""

from __future__ import annotations

from pathlib import Path

from gradus import files
from gradus.apps.output import print_table_file
from gradus.errors import SavedError
from gradus.experiments.inference import Columns

EXTENSIONS = (".csv", ".tsv", ".parquet")


def write_predictions(columns: Columns, out: str | None) -> None:
    """Write predictions to a file by its extension, or as CSV to standard output.

    Raises:
        SavedError: for an unknown extension, or a file that cannot be written.
    """
    import polars as pl

    frame = pl.DataFrame({name: values.tolist() for name, values in columns.items()})
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
