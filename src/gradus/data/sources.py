"""`load`: from a name, a path or a frame to a data set."""

from __future__ import annotations

import io
import os
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gradus.data.array_preprocessor import read_image_bytes, standard_images
from gradus.data.arrays import as_array, check_finite
from gradus.data.columns.formats import ColumnFormat, texts
from gradus.data.columns.labels import regression_notes, regression_targets
from gradus.data.columns.tasks import check_task
from gradus.data.datasets import BUILT_IN, Dataset, labeled_dataset
from gradus.data.files import existing_file, file_suffix, read_bytes
from gradus.data.frames import column_name
from gradus.data.idx_files import idx_parts, read_idx_folder
from gradus.data.image_folders import read_image_folder
from gradus.data.images import ImageSize, chosen_size, is_picture, resize_images
from gradus.data.reading.compression import check_unpacked_size
from gradus.data.several_targets import Classes, SeveralTargets
from gradus.data.table_options import AUTOMATIC_TABLE, TableOptions
from gradus.data.table_sources import (
    is_in_archive,
    is_no_path,
    is_pattern,
    source_name,
    tables_in_folder,
)
from gradus.data.tables import Table, as_table
from gradus.data.targets import Target
from gradus.errors import DataError, nearest, no_column
from gradus.foreign_names.arguments import explain_arguments
from gradus.host_memory import host_free_bytes

IN_DATA_FOLDER = ("mnist", "fashion-mnist")
"""Names of data sets that `load` looks for in the folder named by GRADUS_DATA."""

TargetName = str | int | Sequence[str | int]
"""The name or number of a target column, or those of several; "a,b" names several, too."""

_NPZ_KEYS = (("x", "y"), ("X", "y"), ("x_train", "y_train"), ("X_train", "y_train"))


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
    if str(source) in BUILT_IN:
        _check_no_target(target, source)
        return resized(BUILT_IN.find(str(source))(), image_size)
    if is_no_path(source) or is_pattern(source) or is_in_archive(source):
        return _table(source, source_name(source), target, task, known, options, formats)
    path = _locate(source)
    if path.is_dir() and not tables_in_folder(path):
        _check_no_target(target, source)
        return _folder(path, labels, image_size)
    if file_suffix(path) == ".npz":
        _check_no_target(target, source)
        return resized(_read_npz(path, task, labels), image_size)
    if is_picture(path):
        raise DataError(
            f"{str(source)!r} is one image: name a folder with a subfolder of images of each class."
        )
    return _table(path, source_name(path), target, task, known, options, formats)


def _check_no_target(target: TargetName | None, source: Any) -> None:
    if target is not None:
        raise DataError(f"{str(source)!r} has its own target; target={target!r} is for tables.")


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
    files = [entry.name for entry in Path.cwd().iterdir() if not entry.name.startswith(".")]
    close = nearest(str(source), [*BUILT_IN, *files])
    hint = f" Did you mean {close!r}?" if close else ""
    raise DataError(
        f"There is no data set and no file {str(source)!r}.{hint} Built in: {', '.join(BUILT_IN)}."
    )


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
    if options.header is None and _is_in_first_row(table, target):
        table = as_table(source, replace(options, header=True), formats)
    names, options = table.frame.columns, table.options
    if target is None:
        return Dataset(
            table.frame, feature_names=tuple(names), name=name, notes=table.notes,
            formats=table.formats, options=options,
        )  # fmt: skip
    targets = _find_targets(target, table)
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


def _is_in_first_row(table: Table, target: TargetName | None) -> bool:
    """Return whether a file's first row, taken for data, names the target."""
    if target is None or table.options.header is not False or target in table.source.columns:
        return False
    if table.source.height < 2:
        return False
    first = table.source.row(0)
    return str(target) in first or all(str(part) in first for part in _target_parts(target))


def _target_parts(target: TargetName) -> list[str | int]:
    """Return the names or numbers of the several columns that a target may name."""
    if isinstance(target, str):
        return [part.strip() for part in target.split(",")]
    return list(target) if isinstance(target, Sequence) else [target]


def _find_targets(target: TargetName, table: Table) -> tuple[str, ...]:
    """Return the names of the target columns; a column whose own name has a comma comes first.

    Raises:
        DataError: if there is no such column, or one is named twice.
    """
    if column_name(target) in table.source.columns:
        return (column_name(target),)
    found = tuple(_find_target(part, table) for part in _target_parts(target))
    if not found:
        raise DataError("target=[] names no column: leave it out, or name one.")
    for index, name in enumerate(found):
        if name in found[:index]:
            raise DataError(f"The target {name!r} is named twice: write each column once.")
    return found


def _find_target(target: str | int, table: Table) -> str:
    """Return the name of the target column, which may be given by its number.

    Raises:
        DataError: if there is no such column.
    """
    names = table.source.columns
    if column_name(target) in names:
        return column_name(target)
    if re.fullmatch(r"-?\d+", str(target)):
        number = int(target)
        if 1 <= abs(number) <= len(names):
            return names[number - 1 if number > 0 else number]
    error = no_column(target, names, "target column")
    index = next((note for note in table.notes if note.startswith(f"the index {target!r}")), None)
    if index is not None:
        raise DataError(f"{error} But {index}.")
    sheet = next((note for note in table.notes if note.startswith("the sheet ")), None)
    if sheet is not None:
        raise DataError(f"{error} Note that {sheet}.")
    if table.options.header is False:
        raise DataError(
            f"{error} The file has no header, so a column goes by its number: target={len(names)}, "
            "or -1 for the last."
        )
    if len(names) > 1 or table.options.header is None:
        raise error
    raise DataError(
        f"{error} The file is read as one column: if something else than a comma, semicolon, tab, "
        "or bar divides its values, say so: separator=…; a file of fixed widths must become a .csv."
    )


def _read_npz(path: Path, task: str | None, classes: Sequence[str]) -> Dataset:
    arrays, keys, others = _npz_arrays(path)
    train = _npz_part(arrays, keys, task, classes, path.stem)
    if others:
        note = unused_arrays_note(others)
        train = replace(train, notes=(*train.notes, note))
    test_keys = (test_key(keys[0]), test_key(keys[1]))
    if test_keys[0] not in arrays:
        return train
    test = _npz_part(arrays, test_keys, train.task, train.class_names, path.stem)
    return replace(train, test=test)


def unused_arrays_note(names: Sequence[str]) -> str:
    """Return which arrays of a file are not used, in a sentence without its end."""
    if len(names) == 1:
        return f"the array {names[0]} is not used"
    return f"the arrays {', '.join(names)} are not used"


def test_key(key: str) -> str:
    """Return the name of the test part beside that of the training part, "x_test" for "x"."""
    return key.replace("train", "test") if "train" in key else f"{key}_test"


def _npz_arrays(path: Path) -> tuple[dict[str, np.ndarray], tuple[str, str], list[str]]:
    """Return the arrays of inputs and targets in an .npz file, and the names of those to train on.

    Other arrays are not unpacked; their names come last.
    """
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as archive:
            keys = training_keys(archive.files, str(path))
            wanted = [key for key in (*keys, *map(test_key, keys)) if key in archive.files]
            sizes = {info.filename: info.file_size for info in archive.zip.infolist()}
            size = sum(sizes.get(f"{key}.npy", sizes.get(key, 0)) for key in wanted)
            check_unpacked_size(size, host_free_bytes(), repr(str(path)))
            others = [key for key in archive.files if key not in wanted]
            return {key: archive[key] for key in wanted}, keys, others
    except DataError:
        raise
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
        raise DataError(f"{str(path)!r} is not an .npz file, or is damaged: {error}.") from None
    except (MemoryError, OverflowError) as error:
        raise DataError(f"{str(path)!r} is damaged, or too large: {error}.") from None
    except ValueError as error:
        raise DataError(
            f"{str(path)!r} cannot be read: {error}. Arrays of Python objects are pickles, which "
            "gradus never loads; save arrays of numbers, or of fixed-width text."
        ) from None


def training_keys(names: Sequence[str], path: str) -> tuple[str, str]:
    """Return the names of the inputs and targets to train on among the arrays of a file."""
    for keys in _NPZ_KEYS:
        if keys[0] in names:
            return keys
    if len(names) == 1:
        return names[0], "y"
    raise DataError(
        f"{path!r} has the arrays {', '.join(names)}; name them x and y, or x_train, y_train, "
        "x_test and y_test."
    )


def _npz_part(
    arrays: dict[str, np.ndarray],
    keys: tuple[str, str],
    task: str | None,
    classes: Sequence[str],
    name: str,
) -> Dataset:
    x_key, y_key = keys
    return array_dataset(arrays[x_key], arrays.get(y_key), task, classes, name, x_key)


def array_dataset(
    x: Any,
    y: Any = None,
    task: str | None = None,
    classes: Sequence[str] = (),
    name: str = "",
    x_name: str = "x",
) -> Dataset:
    """Return arrays as a data set, as those of an .npz file: images are recognized.

    Args:
        x: the inputs, (n, …).
        y: the targets, (n,) or (n, k), or None.
        task: as in `load`.
        classes: as in `load`.
        name: of the data set.
        x_name: what errors call the inputs.

    Raises:
        DataError: as `as_array`, `check_finite`, and `Target.fit`.
    """
    x = as_array(x, x_name, wide=True)
    check_finite(x, x_name)
    x, notes = standard_images(x, x_name)
    scaling = None
    if x.dtype == np.uint8:
        x, scaling, more = read_image_bytes(x, x_name)
        notes += more
    if y is None:
        return Dataset(x, name=name, notes=tuple(notes), scaling=scaling)
    return labeled_dataset(x, y, task, classes, name=name, notes=tuple(notes), scaling=scaling)
