"""The preprocessing of a table that is read in parts: a sample, and statistics of all rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from msgspec import structs

from gradus.data.column_encoders import CategoryEncoder, ColumnEncoder, DateEncoder, NumberEncoder
from gradus.data.columns.conversions import LARGEST, to_names
from gradus.data.columns.labels import sorted_names
from gradus.data.columns.spellings import spelling_notes
from gradus.data.datasets import Dataset
from gradus.data.preprocessing import Preprocessing
from gradus.data.streaming.column_statistics import (
    MAX_LEVELS,
    LevelCounts,
    Moments,
    TableStatistics,
)
from gradus.data.table_preprocessor import TablePreprocessor
from gradus.data.targets import Target

if TYPE_CHECKING:
    import polars as pl

ROUNDING = 1e-15  # of a mean, below which a deviation is none


def fit_in_parts(
    sample: Dataset,
    parts: Iterable[pl.DataFrame],
    preprocessing: Preprocessing,
    keep: Sequence[str],
    drop: Sequence[str],
    others: Iterable[pl.DataFrame] = (),
) -> tuple[TablePreprocessor, TableStatistics]:
    """Fit a preprocessor to the rows of a table that come in parts.

    Means, deviations, ranges, categories, classes, and whether cells are missing are those of all
    rows; medians, quantiles, and which columns are dropped are those of the sample, completed by
    rows with what it lacks.

    Args:
        sample: some of the rows, as a data set with its target.
        parts: all rows, with the types of the sample.
        preprocessing: how values are scaled, filled in and encoded.
        keep: columns to use even if they look useless or like a leak.
        drop: columns not to use.
        others: rows that are held out, of which the classes of the target alone are learned.

    Returns:
        The preprocessor, and the statistics.

    Raises:
        DataError: as `TablePreprocessor.fit`.
    """
    import polars as pl

    kinds = {name: given.kind for name, given in sample.formats.items()}
    categories = {name for name, kind in kinds.items() if kind == "category"}
    targets = _targets_of_classes(sample)
    categories |= set(targets)
    statistics = TableStatistics(sample.x, categories)
    for part in parts:
        statistics.add(part)
    frame = pl.concat([sample.x, *statistics.telling_rows()])
    found = {name: set(statistics.levels[name].counts) for name in targets}
    for part in others if targets else ():
        for name in targets:
            found[name] |= set(to_names(part[name].unique()))
    names = {
        n: sorted_names(list(all_), sample.formats[n].levels or ()) for n, all_ in found.items()
    }
    classes: Any = next(iter(names.values()), ())
    if sample.task == "multitask":
        classes = {name: names.get(name, ()) for name in sample.target_columns}
    fitted = TablePreprocessor.fit(
        frame,
        sample.target,
        sample.task,
        classes=classes,
        keep=keep,
        drop=drop,
        preprocessing=preprocessing,
        options=sample.options,
        formats=sample.formats,
    )
    notes: list[str] = []
    columns = tuple(_exact(c, statistics, preprocessing, fitted, notes) for c in fitted.columns)
    target = None if fitted.target is None else _exact_target(fitted.target, statistics)
    again = tuple(  # what is told of all rows
        f"levels of column {c.name!r}"
        for c in columns
        if isinstance(c, CategoryEncoder) and not fitted.formats[c.name].levels
    )
    known = [note for note in fitted.notes if not note.startswith(again)]
    own = dict.fromkeys((*sample.notes, *known, *notes))
    return replace(fitted, columns=columns, target=target, notes=tuple(own)), statistics


def _targets_of_classes(sample: Dataset) -> list[str]:
    """Return the target columns that are classes."""
    if sample.task == "multitask":
        return [name for name, classes in sample.class_names.items() if classes]
    is_classes = isinstance(sample.target, str) and sample.task != "regression"
    return list(sample.target_columns) if is_classes else []


def _exact(
    encoder: ColumnEncoder,
    statistics: TableStatistics,
    preprocessing: Preprocessing,
    fitted: TablePreprocessor,
    notes: list[str],
) -> ColumnEncoder:
    """Return an encoder of a sample with what is known of all rows."""
    if isinstance(encoder, NumberEncoder):
        return _exact_number(encoder, statistics.moments[encoder.name][""], preprocessing)
    if isinstance(encoder, DateEncoder):
        moments = statistics.moments[encoder.name]
        parts = [_exact_number(part, moments[part.name], preprocessing) for part in encoder.parts]
        return structs.replace(encoder, parts=tuple(parts))
    if isinstance(encoder, CategoryEncoder) and fitted.formats[encoder.name].levels is None:
        return _exact_levels(encoder, statistics.levels[encoder.name], preprocessing, notes)
    return encoder


def _exact_number(
    encoder: NumberEncoder, moments: Moments, preprocessing: Preprocessing
) -> NumberEncoder:
    """Return the encoder of a number with the mean, the deviation, and the range of all rows."""
    if preprocessing.missing == "mean":
        encoder = structs.replace(encoder, fill=moments.mean)
    if encoder.knots or encoder.scaling == "none":
        return encoder
    if encoder.scaling == "minmax":
        span = moments.high - moments.low
        return structs.replace(encoder, mean=moments.low, std=span or 1.0)
    least = max(ROUNDING * abs(moments.mean), 1 / LARGEST)
    std = moments.std if moments.std > least else 1.0
    return structs.replace(encoder, mean=moments.mean, std=std)


def _exact_levels(
    encoder: CategoryEncoder,
    levels: LevelCounts,
    preprocessing: Preprocessing,
    notes: list[str],
) -> CategoryEncoder:
    """Return the encoder of a category with the levels of all rows (`CategoryEncoder.fit`)."""
    if levels.exceeded:
        notes.append(
            f"column {encoder.name!r} has more than {MAX_LEVELS:,} categories: the "
            f"{len(encoder.levels):,} of the sample are used, others count as unknown"
        )
        notes += spelling_notes(encoder.levels, f"levels of column {encoder.name!r}")
        return encoder
    names = list(levels.counts)
    embedded = len(names) > preprocessing.one_hot_limit
    if embedded:
        names = [name for name in names if levels.counts[name] > 1] or names
    notes += spelling_notes(sorted(names), f"levels of column {encoder.name!r}")
    return structs.replace(encoder, levels=tuple(sorted(names)), embedded=embedded)


def _exact_target(target: Target, statistics: TableStatistics) -> Target:
    """Return a target with the mean and the deviation of all rows; its classes are known."""
    if target.parts:
        return replace(target, parts=tuple(_exact_target(p, statistics) for p in target.parts))
    if target.task != "regression":
        return target
    found = [statistics.moments[name][""] for name in target.column_names]
    return replace(
        target, mean=tuple(each.mean for each in found), std=tuple(each.std for each in found)
    )
