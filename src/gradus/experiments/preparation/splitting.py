"""The parts of a data set: training, validation, and test rows, at random, by group or by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data import Dataset, split
from gradus.diagnosis.comparison import Part, PartComparison, compare_parts
from gradus.diagnosis.order import TimeOrder, neighbor_likeness
from gradus.diagnosis.record import Record
from gradus.errors import DataError, no_column
from gradus.experiments.settings import defaults
from gradus.experiments.settings.defaults import DataSummary
from gradus.experiments.settings.experiment import Experiment, ExperimentError

if TYPE_CHECKING:
    import polars as pl

FEWEST_DATES = 20  # different ones, of which an order is none by chance
FAR = 1.5  # times its share, from which on a part of whole groups is told to be far from it


@dataclass(frozen=True)
class SplitData:
    """Raw data, split into parts.

    Attributes:
        summary: the facts that the default settings depend on.
        rows: how many the source has, without a test part of its own.
        parts: "training", and "validation" and "test" if they exist.
        record: what the split, and the test part beside the other rows, show.
        notes: how rows were split by a column, in sentences.
    """

    summary: DataSummary
    rows: int
    parts: dict[str, Dataset]
    record: Record = field(default_factory=Record)
    notes: tuple[str, ...] = ()


def summarize_data(data: Dataset) -> DataSummary:
    """Return the facts that the defaults depend on."""
    is_image = not data.is_table and data.x.ndim > 2
    size = data.x.shape[1:3] if is_image and data.x.ndim == 4 else None
    own = 0 if data.validation is None else len(data.validation)
    rows = len(data) + own
    share = own / rows if own else None
    tasks = {} if data.task != "multitask" else _tasks(data.class_names)
    return DataSummary(rows, str(data.task), is_image, size, data.resized, share, tasks)


def _tasks(class_names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the task of each of several targets."""
    kinds = {0: "regression", 2: "binary"}
    return {name: kinds.get(len(of), "multiclass") for name, of in class_names.items()}


def split_data(data: Dataset, experiment: Experiment) -> SplitData:
    """Split data that have targets, which may be in memory, into parts.

    A share of test rows is held out first, so that all else is as if they were in another file.

    Args:
        data: the data, and their test part if they have one.
        experiment: the settings; `data` and `target` are not read.

    Raises:
        DataError: for a column to split by that is missing values, or has too few of them.
        ExperimentError: for settings that contradict each other, or the data.
    """
    check_split(data, experiment, 0 if data.test is None else len(data.test))
    is_random = experiment.split_by_time is None
    share, test, count = test_share(experiment), data.test, summarize_data(data).rows
    if share:
        data, test = _held_out(data, share, experiment)
    summary = summarize_data(data)
    validation = defaults.fill_defaults(experiment, summary).validation
    parts = {"training": data}
    if validation and data.validation is not None:
        parts["validation"] = data.validation
    elif validation:
        training, held = _held_out(data, validation, experiment)
        parts = {"training": training, "validation": held}
    if test is not None:
        parts["test"] = test
    comparisons = [_compare(data, parts["test"])] if "test" in parts else []
    if share:  # rows of one source were prepared alike, however they differ
        comparisons = [replace(each, shifts=()) for each in comparisons]
    order = _time_order(data) if validation and is_random else None
    record = Record(comparisons=tuple(comparisons), order=order)
    shares = {"test": share or 0.0, "validation": validation or 0.0}
    notes = (*_own_part_notes(data, validation), *_split_notes(parts, experiment, shares))
    return SplitData(summary, count, parts, record, notes)


def test_share(experiment: Experiment) -> float | None:
    """Return the share of rows that are held out for the test; None if it is no share.

    Raises:
        ExperimentError: for a number that is none.
    """
    share = experiment.test
    if share is None or isinstance(share, str):
        return None
    if 0 < share < 1:
        return float(share)
    percent = f"{share / 100:g} for {share:g} %" if 1 < share < 100 else "0.2"
    raise ExperimentError(
        f"test = {share:g}: write the share of the rows to hold out, above 0 and below 1, such as "
        f"{percent}, or the name of a file of test data."
    )


def unused_inputs(experiment: Experiment) -> list[str]:
    """Return the columns that are no inputs: those to drop, and that of the groups."""
    groups = [] if experiment.group is None else [experiment.group]
    return list(dict.fromkeys([*experiment.drop_columns, *groups]))


def order_values(data: Dataset, experiment: Experiment) -> dict[str, Any]:
    """Return the groups or times of rows, as `split` takes them; nothing for a random split."""
    if experiment.group is not None:
        groups = _column(data, experiment.group, "group").rank("dense")
        return {"groups": groups.to_numpy()}
    if experiment.split_by_time is not None:
        times = _column(data, experiment.split_by_time, "split_by_time")
        return {"times": times.to_physical().to_numpy()}
    return {}


def _each_target(data: Dataset) -> list[tuple[np.ndarray, tuple[str, ...]]]:
    """Return the targets one by one, with their classes; labels of a row count as numbers."""
    if data.y is None:
        return []
    if data.task == "multitask":
        return [(data.y[name], classes) for name, classes in data.class_names.items()]
    return [(data.y, () if data.task == "multilabel" else data.class_names)]


def _held_out(data: Dataset, share: float, experiment: Experiment) -> tuple[Dataset, Dataset]:
    """Return the rows to go on with, and a share of them that is held out."""
    seed = experiment.validation_seed
    seed = experiment.shuffle_seed if seed is None else seed
    rows_or_targets: Any = len(data) if data.y is None or data.task == "regression" else data.y
    try:
        rest, held = split(rows_or_targets, share, seed, **order_values(data, experiment))
    except DataError as error:
        column = experiment.group or experiment.split_by_time
        if column is None:
            raise
        raise DataError(f"Column {column!r} cannot split {len(data)} rows: {error}") from None
    return data.take(rest), data.take(held)


def check_split(data: Dataset, experiment: Experiment, own_test: int) -> None:
    """Check that the settings of the split fit each other, and the data.

    Args:
        data: the data, or a sample of them.
        experiment: the settings.
        own_test: the rows of a test part of their own.

    Raises:
        ExperimentError: for settings that do not.
    """
    group, time = experiment.group, experiment.split_by_time
    if group is not None and time is not None:
        raise ExperimentError(
            f"group = {group!r} and split_by_time = {time!r}: rows are split by the one or the "
            "other; leave out one."
        )
    if test_share(experiment) and own_test:
        raise ExperimentError(
            f"{Path(data.name or experiment.data).name!r} has a test part of its own, of "
            f"{own_test:,} rows, which is scored at the end: leave out "
            f"test = {experiment.test}."
        )
    if group is not None and group in experiment.keep_columns:
        raise ExperimentError(f"group = {group!r} is no input: take it out of keep_columns.")
    for setting, column in (("group", group), ("split_by_time", time)):
        if column is None:
            continue
        if not data.is_table:
            raise ExperimentError(
                f"{setting} = {column!r} names a column of a table, but "
                f"{Path(data.name or experiment.data).name!r} is arrays: leave it out."
            )
        if column in data.target_columns:
            raise ExperimentError(
                f"{setting} = {column!r} is the target, by whose values rows cannot be split: name "
                "another column."
            )


def _column(data: Dataset, name: str, setting: str) -> pl.Series:
    """Return a column to split by, in which no value is missing.

    Raises:
        DataError: for a column that does not exist, is missing values, or has no order in time.
    """
    if name not in data.x.columns:
        raise no_column(name, data.x.columns)
    column: pl.Series = data.x[name]
    missing = column.is_null()
    if column.dtype.is_float():
        missing = missing | column.is_nan()
    if missing.any():
        first = int(missing.arg_max() or 0) + 1
        raise DataError(
            f"Column {name!r} is empty in {int(missing.sum())} of {len(column)} rows, the first of "
            f"them row {first}, so {setting} = {name!r} cannot place them: fill them in, or leave "
            "these rows out."
        )
    if setting == "split_by_time" and not (column.dtype.is_temporal() or column.dtype.is_numeric()):
        raise DataError(
            f"Column {name!r} is read as text, such as {column[0]!r}, and a split by time needs "
            f'dates or numbers. If it holds dates, say how they are written: --column "{name}=date;'
            'date=%d/%m/%Y".'
        )
    return column


def _own_part_notes(data: Dataset, share: float | None) -> list[str]:
    """Return what becomes of the data's own validation part, which has whatever share it has."""
    if data.validation is None:
        return []
    size = f"{len(data.validation):,} rows"
    if not share:
        return [f"the data's own validation part, {size}, is not used"]
    return [f"the data have a validation part of their own, {size}: no other rows are held out"]


def _split_notes(
    parts: dict[str, Dataset], experiment: Experiment, shares: dict[str, float]
) -> tuple[str, ...]:
    """Return how the rows were split by a column, and what a reader of the scores must know."""
    if experiment.group is not None:
        notes = _group_notes(parts, experiment, experiment.group)
    elif experiment.split_by_time is not None:
        notes = _time_notes(parts, experiment, experiment.split_by_time)
    else:
        return ()
    sizes = {name: len(part) for name, part in parts.items()}
    return (*notes, *share_notes(sizes, shares), *_untrained_classes(parts))


def share_notes(sizes: Mapping[str, int], shares: Mapping[str, float]) -> list[str]:
    """Return a note on each part that is far from its share, as groups and times are not divided.

    Args:
        sizes: the rows of each part.
        shares: the share of "test" in all rows, and of "validation" in the others; 0 for none.
    """
    others = sizes["training"] + sizes.get("validation", 0)
    found = {
        "test": sizes.get("test", 0) / (others + sizes.get("test", 0)),
        "validation": sizes.get("validation", 0) / others,
    }
    return [
        f"{name} has {found[name]:.0%} of the rows instead of {share:.0%}, as groups and times are "
        "not divided"
        for name, share in shares.items()
        if share and not share / FAR <= found[name] <= share * FAR
    ]


def _group_notes(parts: dict[str, Dataset], experiment: Experiment, name: str) -> list[str]:
    own_file = isinstance(experiment.test, str)
    split_here = {p: part for p, part in parts.items() if p != "test" or not own_file}
    groups = {part: set(data.x[name].to_list()) for part, data in split_here.items()}
    counts = ", ".join(f"{len(found):,} in {part}" for part, found in groups.items())
    notes = [f"groups of {name!r} stay whole: {counts}; it is no input of the network"]
    if sum(map(len, groups.values())) == sum(map(len, split_here.values())):
        notes.append(f"each row has a group of its own in {name!r}, so this is a random split")
    if own_file and "test" in parts and name in parts["test"].x.columns:
        known = set[Any]().union(*groups.values())
        shared = len(known & set(parts["test"].x[name].to_list()))
        if shared:
            notes.append(f"{shared:,} groups of {name!r} are in the test file, too")
    return notes


def _time_notes(parts: dict[str, Dataset], experiment: Experiment, name: str) -> list[str]:
    own_file = isinstance(experiment.test, str)
    spans = [
        f"{part} {data.x[name].min()} to {data.x[name].max()}"
        for part, data in parts.items()
        if part != "test" or not own_file
    ]
    notes = [f"rows are split by {name!r}: {', '.join(spans)}"]
    return notes + input_time_notes(experiment) if len(spans) > 1 else notes


def input_time_notes(experiment: Experiment) -> list[str]:
    """Return a note if the column of times is an input, too."""
    name = experiment.split_by_time
    if name is None or name in experiment.drop_columns:
        return []
    return [
        f"column {name!r} stays an input, although its later values were never trained on: "
        f"drop={[name]!r} leaves it out"
    ]


def _untrained_classes(parts: dict[str, Dataset]) -> list[str]:
    """Return a note on the classes that no training row has, though others have."""
    notes = []
    for number, (y, classes) in enumerate(_each_target(parts["training"])):
        others = [_each_target(part)[number][0] for part in parts.values() if part.y is not None]
        if classes:
            absent = set(np.concatenate(others)) - set(y)
            notes += untrained_notes([classes[label] for label in sorted(absent)])
    return notes


def untrained_notes(names: Sequence[str]) -> list[str]:
    """Return a note on classes that no training row has, if there are any."""
    if not names:
        return []
    word = "class" if len(names) == 1 else "classes"
    listed = ", ".join(names)
    return [f"no training row has the {word} {listed}, which can never be predicted right"]


def _compare(data: Dataset, test: Dataset) -> PartComparison:
    """Return what the rows of a test part have in common with the others, as they were read."""
    if not data.is_table:
        return compare_parts(Part(data.x, data.y), Part(test.x, test.y), "test")
    names = [name for name in data.feature_names if name in test.x.columns]
    numbers = [name for name in names if data.x[name].dtype.is_numeric()]
    if not numbers:
        return PartComparison("test")
    parts = []
    for part in (data, test):
        columns = part.x.select(numbers).fill_null(0).to_numpy().astype(np.float64)
        # Words tell equal rows, and have no scale.
        others = part.x.select(name for name in names if name not in numbers)
        words = [series.hash().to_numpy() % 2**24 for series in others.get_columns()]
        parts.append(Part(columns, (part.y, *words)))
    training, other = parts
    return compare_parts(training, other, "test")


def _time_order(data: Dataset) -> TimeOrder | None:
    """Return the first column of dates in whose order the rows of a table stand, or None."""
    if not data.is_table or data.y is None:
        return None
    for name in data.feature_names:
        dates = data.x[name].drop_nulls()
        if not dates.dtype.is_temporal() or dates.n_unique() < FEWEST_DATES:
            continue
        if dates.is_sorted() or dates.is_sorted(descending=True):
            each = [neighbor_likeness(y, bool(known)) for y, known in _each_target(data)]
            return TimeOrder(name, len(data), float(np.mean(each)))
    return None
