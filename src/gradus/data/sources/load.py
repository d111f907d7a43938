"""`load`: from a name, a path or a frame to a data set."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradus.data.columns.formats import ColumnFormat, texts
from gradus.data.columns.labels import regression_notes, regression_targets
from gradus.data.columns.tasks import check_task
from gradus.data.datasets import Dataset
from gradus.data.files import existing_file, file_suffix
from gradus.data.images import ImageSize, chosen_size, is_picture, resize_images
from gradus.data.sources.built_in import BUILT_IN
from gradus.data.sources.idx_files import idx_parts, read_idx_folder
from gradus.data.sources.image_folders import read_image_folder
from gradus.data.sources.npz_files import read_npz
from gradus.data.table_files import TABLE_SUFFIXES
from gradus.data.table_options import AUTOMATIC_TABLE, TableOptions
from gradus.data.table_sources import (
    is_in_archive,
    is_no_path,
    is_pattern,
    source_name,
    tables_in_folder,
)
from gradus.data.tables import Table, as_table
from gradus.data.targets import Classes, SeveralTargets, Target
from gradus.data.targets.naming import TargetName, find_targets, is_in_first_row
from gradus.errors import DataError, nearest
from gradus.foreign_names.arguments import explain_arguments

IN_DATA_FOLDER = ("mnist", "fashion-mnist")
"""Names of data sets that `load` looks for in the folder named by GRADUS_DATA."""


@explain_arguments
def load(
    source: Any,
    target: TargetName | None = None,
    *,
    task: str | None = None,
    classes: Sequence[str] | Classes = (),
    options: TableOptions = AUTOMATIC_TABLE,
    formats: Mapping[str, ColumnFormat] | None = None,
    image_size: ImageSize = None,
) -> Dataset:
    """Load a data set.

    Args:
        source: a built-in name; the path of a table's file (`read_table` lists the formats), of an
            .npz file, of a folder of IDX files, or of a folder of images by class; several files
            of one table, as a pattern ("part-*.csv") or a folder; the address of a table; "-" for
            one on standard input; or a table (a frame of Polars, pandas or Arrow, a dict of
            columns, a list of dicts, a structured array).
        target: for a table, the column to predict, its name or number (the first is 1, the last
            -1); or several columns, a list or "a,b"; without it the data set has no y. Rows without
            a target are dropped, with a note.
        task: "binary", "multiclass", "classification", "multilabel" or "regression"; inferred from
            the target by default. "multitask" gives each of several columns a task of its own.
        classes: all class names in the order of their labels, if this source may lack some, as
            when it evaluates a run; of several targets that have a task each, a dict of such.
        options: for a table, how it is read.
        formats: for a table, those of its columns that were learned from another one
            (`TablePreprocessor.formats`): they are imposed, and other columns stay text.
        image_size: (height, width) that images are resized to; or the most pixels of their longer
            side, above which they are shrunk.

    Returns:
        The data set; for a table, x is a frame of typed columns (see `Dataset.preprocessor`).

    Raises:
        DataError: if there is no such source, with the nearest name, or it cannot be read.

    Examples:
        >>> gr.data.load("digits").x.shape
        (1797, 8, 8, 1)
        >>> data = gr.data.load({"age": [20, 40, 60], "paid": ["no", "yes", "yes"]}, target="paid")
        >>> data.y.tolist(), data.class_names
        ([0, 1, 1], ('no', 'yes'))
    """
    check_task(task)
    known = classes if isinstance(classes, Mapping) else texts("classes", classes)
    labels = tuple(known)
    if not isinstance(source, str | Path):
        return _table(source, "table", target, task, known, options, formats)
    if target is not None and has_own_target(source):
        raise _no_table(source, target)
    if str(source) in BUILT_IN:
        return resized(BUILT_IN.find(str(source))(), image_size)
    if is_no_path(source) or is_pattern(source) or is_in_archive(source):
        return _table(source, source_name(source), target, task, known, options, formats)
    path = _locate(source)
    if path.is_dir() and not tables_in_folder(path):
        return _folder(path, labels, image_size)
    if file_suffix(path) == ".npz":
        return resized(read_npz(path, task, labels), image_size)
    if is_picture(path):
        raise DataError(
            f"{str(source)!r} is one image: name a folder with a subfolder of images of each class."
        )
    return _table(path, source_name(path), target, task, known, options, formats)


def has_own_target(source: str | Path) -> bool:
    """Whether data have targets apart from their columns: a data set, images in folders, arrays.

    Args:
        source: the name of a data set, or a path.
    """
    path = Path(source).expanduser()
    in_folder = path.is_dir() and not tables_in_folder(path)
    return str(source) in BUILT_IN or in_folder or file_suffix(path) == ".npz"


def _no_table(source: str | Path, target: TargetName) -> DataError:
    """Return the error for a target of what is no table, such as a folder of images."""
    path, name = Path(source).expanduser(), str(source)
    if path.is_dir():
        below = sorted(p for p in path.glob("*/*") if file_suffix(p) in TABLE_SUFFIXES)
        if below:
            pattern = path / "*" / f"*{file_suffix(below[0])}"
            return DataError(f"{name!r} has tables in its folders: write '{pattern}' for them.")
        if not any(path.iterdir()):
            return DataError(f"{name!r} is an empty folder.")
    return DataError(f"{name!r} has its own target; target={target!r} is for tables.")


def _locate(source: str | Path) -> Path:
    path = Path(source).expanduser()
    if path.exists():
        return path
    looks_like_path = len(path.parts) > 1 or path.suffix != ""
    if looks_like_path:
        return existing_file(path)
    if str(source) in IN_DATA_FOLDER:
        folder = Path(os.environ.get("GRADUS_DATA", "."), str(source))
        if folder.is_dir():
            return folder
        raise DataError(
            f"{str(source)!r} is not here: pass the path of the folder with its four IDX files, "
            "or set GRADUS_DATA to the folder that contains it."
        )
    files = [entry.name for entry in Path.cwd().iterdir() if _may_be_data(entry)]
    close = nearest(str(source), [*BUILT_IN, *files], cutoff=0.6)
    hint = f" Did you mean {close!r}?" if close else ""
    raise DataError(
        f"There is no data set and no file {str(source)!r}.{hint} Built in: {', '.join(BUILT_IN)}."
    )


def _may_be_data(path: Path) -> bool:
    readable = path.is_dir() or file_suffix(path) in (*TABLE_SUFFIXES, ".npz")
    return readable and not path.name.startswith(".")


def _folder(path: Path, classes: tuple[str, ...], image_size: ImageSize) -> Dataset:
    if idx_parts(path):
        return resized(read_idx_folder(path, classes), image_size)
    return read_image_folder(path, classes, image_size)


def resized(data: Dataset, size: ImageSize) -> Dataset:
    """Return a data set of arrays with its images resized; a number only shrinks them."""
    is_bound = isinstance(size, int)
    if size is None or (is_bound and (data.is_table or data.x.ndim != 4)):
        return data
    chosen = chosen_size(size, data.x.shape[1:3])
    if chosen == data.x.shape[1:3]:
        return data
    test = None if data.test is None else replace(data.test, x=resize_images(data.test.x, chosen))
    height, width = data.x.shape[1:3] if data.x.ndim == 4 else (0, 0)
    note = f"images of {height}×{width} pixels were resized to {chosen[0]}×{chosen[1]}"
    notes = (*data.notes, note)
    return replace(data, x=resize_images(data.x, chosen), test=test, notes=notes, resized=True)


def _table(
    source: Any,
    name: str,
    target: TargetName | None,
    task: str | None,
    classes: Sequence[str] | Classes,
    options: TableOptions,
    formats: Mapping[str, ColumnFormat] | None,
) -> Dataset:
    table = as_table(source, options, formats)
    if options.header is None and is_in_first_row(table, target):
        table = as_table(source, replace(options, header=True), formats)
    names, options = table.frame.columns, table.options
    if target is None:
        return Dataset(
            table.frame, feature_names=tuple(names), name=name, notes=table.notes,
            formats=table.formats, options=options,
        )  # fmt: skip
    targets = find_targets(target, table)
    if len(targets) > 1:
        return _table_of_several(table, targets, task, classes, name)
    target, classes = targets[0], tuple(classes)
    table, dropped = table.with_labels(target, task, classes).with_target(target)
    frame, column = table.frame, table.frame[target]
    fitted = None
    if task != "regression":  # whose targets may all be the same, as those of one row to evaluate
        fitted = Target.fit_column(column, task, classes, table.format_of(target).levels)
    if fitted is None or fitted.task == "regression":
        y = regression_targets(column)
        more = [] if fitted is None else regression_notes(y, target)
    else:
        y, more = fitted.transform_column(column), fitted.class_name_notes()
    return Dataset(
        frame,
        y,
        task if fitted is None else fitted.task,
        () if fitted is None else fitted.class_names,
        tuple(column for column in names if column != target),
        name,
        (*table.notes, *dropped, *more),
        target=target,
        formats=table.formats,
        options=options,
    )


def _table_of_several(
    table: Table,
    targets: tuple[str, ...],
    task: str | None,
    classes: Sequence[str] | Classes,
    name: str,
) -> Dataset:
    """Return the data set of a table with several target columns."""
    several = SeveralTargets.of(table, targets, task, classes)
    y, class_names = several.values()
    table = several.table
    return Dataset(
        table.frame,
        y,
        several.task,
        class_names,
        tuple(column for column in table.source.columns if column not in targets),
        name,
        (*table.notes, *several.notes, *several.class_notes()),
        target=targets,
        formats=table.formats,
        options=table.options,
    )
