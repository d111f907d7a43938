"""`stream`: from a path to a table that is read in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradus.data.columns.formats import texts
from gradus.data.preprocessing import AUTOMATIC, Preprocessing
from gradus.data.sources.load import load
from gradus.data.streaming import split_rows, table_stream
from gradus.data.streaming.open_rows import open_rows, typed_copy
from gradus.data.streaming.row_source import RowSource
from gradus.data.table_options import AUTOMATIC_TABLE, TableOptions
from gradus.data.table_preprocessor import TablePreprocessor
from gradus.data.tables import no_target_note
from gradus.data.targets.naming import TargetName
from gradus.errors import DataError
from gradus.foreign_names.arguments import explain_arguments


@explain_arguments
def stream(
    source: str | Path,
    target: TargetName | None = None,
    *,
    task: str | None = None,
    classes: Sequence[str] = (),
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    preprocessing: Preprocessing = AUTOMATIC,
    preprocessor: TablePreprocessor | None = None,
    options: TableOptions = AUTOMATIC_TABLE,
) -> table_stream.TableStream:
    """Open a table that is larger than memory: it is read in parts, again in each epoch.

    Formats and kinds of columns are inferred from a sample of 100,000 rows, spread over the files.
    A .csv file is copied as Parquet into the folder for temporary files, which takes as much disk.

    Args:
        source: the path of a .parquet, .npy, or .csv file, or of a folder of .parquet files.
        target: the column to predict, its name or number, or several of them, as in `load`.
        task: as in `load`.
        classes: as in `load`.
        keep: columns to use even if they look useless or like a leak.
        drop: columns not to use.
        preprocessing: how values are scaled, filled in and encoded.
        preprocessor: of other rows, those of a training, by which these are read and encoded; it
            says the target, too. A file without the target can be predicted.
        options: how the table is read.

    Raises:
        DataError: if there is no such table, it is damaged, its files have other columns, or it
            lacks a column of the preprocessor.

    Examples:
        >>> import pathlib, polars, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "rows.parquet")
        >>> table = {"a": [0.1 * i for i in range(99)], "b": range(99)}
        >>> polars.DataFrame(table).write_parquet(path)
        >>> rows = gr.data.stream(path, target="b", keep=["a"])
        >>> len(rows), rows.schema
        (99, {'a': 'number', 'b': 'number'})
        >>> model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse")
        >>> history = model.fit(rows, batch_size=32, epochs=2, verbose=False)
    """
    import polars as pl

    if not isinstance(source, str | Path):
        raise DataError(
            f"source is a {type(source).__name__}, not a path: write that of a .parquet or .csv "
            "file, or of a folder of .parquet files; gr.data.load reads what is in memory."
        )
    if preprocessor is not None:
        chosen = {"target": target, "task": task, "classes": classes, "keep": keep, "drop": drop}
        _check_says_all(preprocessor, [name for name, value in chosen.items() if value])
    opened = open_rows(source, options)
    if preprocessor is not None:
        target, task, classes = _known_target(preprocessor, opened.rows)
    parts = opened.rows.spread_blocks(split_rows.SAMPLE_ROWS, split_rows.SAMPLE_PARTS)
    sample = pl.concat([opened.rows.read(block) for block in parts])
    formats = None if preprocessor is None else preprocessor.formats
    known: Any = {"classes": classes, "options": opened.options, "formats": formats}
    example = load(sample, target, task=task, **known)
    name = Path(source).name.split(".")[0]
    without = no_target_note(sample.height - len(example), example.target_columns)
    told = tuple(note for note in example.notes if note != without)  # all of them are counted later
    if sample.height < len(opened.rows):
        told = tuple(f"in a sample of {sample.height:,} rows: {note}" for note in told)
    example = replace(example, name=name, notes=(*opened.rows.notes, *told))
    rows = opened.rows if opened.typed else typed_copy(opened.rows, example)
    return table_stream.TableStream(
        rows,
        example,
        preprocessing=preprocessing,
        keep=texts("keep", keep),
        drop=texts("drop", drop),
        fitted=preprocessor,
    )


def _check_says_all(preprocessor: Any, chosen: Sequence[str]) -> None:
    """Check that nothing else is chosen beside a preprocessor."""
    if not isinstance(preprocessor, TablePreprocessor):
        raise DataError(
            f"preprocessor={preprocessor!r}: write that of the rows that were trained on, "
            "training.preprocessor()."
        )
    if chosen:
        raise DataError(f"The preprocessor says {' and '.join(chosen)}: leave {chosen[0]} out.")


def _known_target(
    preprocessor: TablePreprocessor, rows: RowSource
) -> tuple[TargetName | None, str | None, Any]:
    """Return target, task, and classes that a preprocessor has learned; none where they lack."""
    target = preprocessor.target
    names = () if target is None else target.column_names
    missing = [column for column in preprocessor.formats if column not in {*rows.names, *names}]
    if missing:
        raise DataError(
            f"{rows.name} lacks {', '.join(map(repr, missing))}, which the preprocessor was fitted "
            f"to. Its columns: {', '.join(rows.names)}."
        )
    if target is None or any(name not in rows.names for name in names):
        return None, None, ()
    return target.columns or target.name, target.task, target.classes
