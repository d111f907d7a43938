"""From an experiment to preprocessed data that are read in parts, where memory is too small."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from msgspec import structs

from gradus.data import Dataset, Preprocessing, TablePreprocessor, stream
from gradus.data.array_preprocessor import Preprocessor
from gradus.data.columns.unseen import written
from gradus.data.streaming.array_stream import ArrayStream
from gradus.data.streaming.held_out import ByGroup, ByNumber, ByTime, HeldOut
from gradus.data.streaming.open_arrays import stream_arrays
from gradus.data.streaming.split_rows import MOST_HELD_OUT, SplitRows
from gradus.data.streaming.table_stream import TableStream
from gradus.data.targets import require_target
from gradus.errors import DataError, no_column
from gradus.experiments.preparation.outputs import encode_targets
from gradus.experiments.preparation.prepare_in_memory import (
    PreparedData,
    fit_preprocessor,
    load_and_split,
    load_data,
    prepare_split,
    table_options,
)
from gradus.experiments.preparation.reading_in_parts import (
    NPZ,
    is_too_large,
)
from gradus.experiments.preparation.splitting import (
    SplitData,
    check_split,
    input_time_notes,
    share_notes,
    summarize_data,
    test_share,
    untrained_notes,
    unused_inputs,
)
from gradus.experiments.settings import defaults
from gradus.experiments.settings.experiment import Experiment, ExperimentError

SHOWN_ROWS = 20_000  # of the training rows, on which the training part is scored


@dataclass(frozen=True, kw_only=True)
class StreamedPreparedData(PreparedData):
    """Data that are read in parts; the part "training" is a sample of the training rows.

    Attributes:
        rows: all training rows, which are trained on.
        all_rows: these and the validation rows.
        summary: the facts that the defaults depend on.
    """

    rows: SplitRows
    all_rows: SplitRows
    summary: defaults.DataSummary

    @property
    def fit_data(self) -> tuple[Any, Any]:
        """What `fit` trains on: the rows as they are read."""
        return self.rows, None

    def with_validation_rows(self) -> PreparedData:
        """Return the data with the validation rows among those of training, and no other part."""
        names = ("training", "validation")
        return replace(
            self,
            rows=self.all_rows,
            parts={"training": self.parts["training"]},
            counts={"training": sum(self.counts[name] for name in names)},
        )

    @property
    def balanced_weight(self) -> Any:
        """The weights that give rare classes as much as the others, of all rows."""
        counts = self.rows.class_counts()
        counts = {label: count for label, count in counts.items() if count}
        return {k: sum(counts.values()) / (len(counts) * count) for k, count in counts.items()}


def prepare_streamed(experiment: Experiment, preprocessor: Preprocessor | None) -> PreparedData:
    """Prepare data that are read in parts, for training and for validation.

    Args:
        experiment: the settings.
        preprocessor: of an earlier training, to use instead of fitting one.
    """
    whole = _opened(experiment)
    example = whole.example
    test: SplitRows | None = whole.test if isinstance(whole, ArrayStream) else None
    check_split(example, experiment, 0 if test is None else len(test))
    experiment = in_parts(experiment)
    rest: SplitRows = whole
    if test_part := test_share(experiment):
        rest, test = whole.split_by(_rule(whole, experiment, test_part))
    summary = replace(summarize_data(example), rows=len(rest))
    complete = defaults.fill_defaults(experiment, summary)
    share = float(complete.validation or 0.0)
    training, held_out = rest, None
    if share:
        most = rest.share_of(share, MOST_HELD_OUT)
        training, held_out = rest.split_by(_rule(rest, experiment, most))
    if preprocessor is not None:
        training = training.encoded_by(preprocessor)
        held_out = None if held_out is None else held_out.encoded_by(preprocessor)
    fitted = training.preprocessor()
    parts = {"training": training.sample(SHOWN_ROWS)}
    if held_out is not None:
        parts["validation"] = held_out.load()
    if test is not None:
        test = test.encoded_by(fitted)
        parts["test"] = test.sample(round(SHOWN_ROWS / (test_part or 1)))
    elif isinstance(experiment.test, str):
        test, parts["test"] = _test_part(experiment.test, example, fitted)
    counts = {name: len(part) for name, part in parts.items()}
    counts["training"] = training.count_rows()
    if test is not None:
        counts["test"] = test.count_rows()
    prepared = prepare_split(SplitData(summary, len(whole), parts), complete, fitted)
    encode = functools.partial(encode_targets, loss=prepared.loss, target=prepared.target)
    notes = _notes(rest, counts, share, len(parts["training"]))
    notes += _split_notes(training, counts, complete)
    if test is not None:
        notes.append(_test_note(parts["test"]))
    fields = {name: getattr(prepared, name) for name in prepared.__dataclass_fields__}
    streams = {}
    if test is not None:
        streams["test"] = test.encoded_by(prepared.preprocessor).labeled(encode)
    lines = [*prepared.summary_lines[:-1], f"rows      {_sizes(counts)}, read in parts"]
    return StreamedPreparedData(
        **{
            **fields,
            "notes": [*notes, *prepared.notes],
            "summary_lines": lines,
            "streams": streams,
            "counts": counts,
        },
        rows=training.encoded_by(prepared.preprocessor).labeled(encode),
        all_rows=rest.encoded_by(prepared.preprocessor).labeled(encode),
        summary=summary,
    )


def in_parts(experiment: Experiment) -> Experiment:
    """Return an experiment whose data are read in parts; it is trained once unless it says so."""
    training = structs.replace(experiment.training, refit=bool(experiment.training.refit))
    return structs.replace(experiment, stream=True, training=training)


def _rule(rows: SplitRows, experiment: Experiment, share: float) -> HeldOut:
    """Return the rule by which a share of rows is held out, for the test or for validation.

    Raises:
        DataError: for a column to split by that does not exist, or is missing values.
    """
    seed = experiment.validation_seed
    seed = rows.split_seed(experiment.shuffle_seed if seed is None else seed)
    group, time = experiment.group, experiment.split_by_time
    if not isinstance(rows, TableStream):
        return ByNumber(share, seed)
    for name in (group, time):
        if name is not None and name not in rows.source.names:
            raise no_column(name, rows.source.names)
    if group is not None:
        return ByGroup.fit(rows.frames(columns=[group]), share, group, seed)
    if time is not None:
        return ByTime.fit(rows.frames(columns=[time]), share, len(rows), time)
    return ByNumber(share, seed)


def _split_notes(
    training: SplitRows, counts: Mapping[str, int], experiment: Experiment
) -> list[str]:
    """Return how the rows were split by a column, and what a reader of the scores must know."""
    parts = ["test"] * bool(test_share(experiment)) + ["validation"] * bool(experiment.validation)
    rules, notes = dict(zip(parts, training.rules, strict=True)), list[str]()
    if any(isinstance(rule, ByGroup) for rule in rules.values()):
        notes = [
            f"groups of {experiment.group!r} stay whole, drawn by a hash of their names; it is no "
            "input of the network"
        ]
    later = [
        f"{part} is later than {written(rule.last, _kind(training, rule.column))}"
        for part, rule in rules.items()
        if isinstance(rule, ByTime)
    ]
    if later:
        told = f"rows are split by {experiment.split_by_time!r}: {', '.join(later)}"
        notes = [told, *input_time_notes(experiment)]
    if notes:
        shown = {name: count for name, count in counts.items() if name in ("training", *rules)}
        notes += share_notes(shown, {part: rule.share for part, rule in rules.items()})
    target = require_target(training.preprocessor().target)
    for part in target.parts or (target,) if training.fitted is None else ():
        counted = training.class_counts(part)
        notes += untrained_notes([part.class_names[label] for label, n in counted.items() if not n])
    return notes


def _kind(rows: SplitRows, column: str) -> str:
    """Return the kind of a column, such as "date"."""
    return str(rows.example.formats[column].kind)


def prepare_with_streamed_test(
    experiment: Experiment, test: str, preprocessor: Preprocessor | None
) -> PreparedData:
    """Prepare data in memory, whose test file is too large for it."""
    split = load_and_split(structs.replace(experiment, test=None))
    training = split.parts["training"]
    complete = defaults.fill_defaults(experiment, split.summary)
    fitted = preprocessor or fit_preprocessor(training, complete)
    rows, shown = _test_part(test, training, fitted)
    split = replace(split, parts={**split.parts, "test": shown})
    prepared = prepare_split(split, experiment, fitted)
    if rows is None:
        return prepared
    encode = functools.partial(encode_targets, loss=prepared.loss, target=prepared.target)
    prepared = replace(
        prepared,
        notes=[*prepared.notes, _test_note(shown)],
        streams={"test": rows.encoded_by(prepared.preprocessor).labeled(encode)},
        counts={"test": rows.count_rows()},
    )
    sizes = _sizes(prepared.row_counts)
    return replace(prepared, summary_lines=[*prepared.summary_lines[:-1], f"rows      {sizes}"])


def _sizes(counts: Mapping[str, int]) -> str:
    """Return how many rows each part has, "90 training, 10 validation"."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _test_note(shown: Dataset) -> str:
    """Return what becomes of a test part that is read in parts, in a sentence."""
    return (
        f"the test part is read in parts: it is scored on all of its rows, and the report shows "
        f"{len(shown):,} of them"
    )


def _opened(experiment: Experiment) -> SplitRows:
    """Return all rows of the data of an experiment.

    Raises:
        DataError: if they cannot be read in parts.
    """
    preprocessing = Preprocessing(**structs.asdict(experiment.preprocessing))
    if not experiment.data.lower().endswith(NPZ):
        return stream(
            experiment.data,
            experiment.target,
            task=experiment.task,
            keep=experiment.keep_columns,
            drop=unused_inputs(experiment),
            preprocessing=preprocessing,
            options=table_options(experiment),
        )
    for setting in ("target", "keep_columns", "drop_columns"):
        if value := getattr(experiment, setting):
            raise ExperimentError(
                f"{setting} = {value!r} names columns of a table, but "
                f"{Path(experiment.data).name!r} is arrays: leave it out."
            )
    rows = stream_arrays(
        Path(experiment.data),
        task=experiment.task,
        image_size=preprocessing.image_size or defaults.MOST_PIXELS,
        preprocessing=preprocessing,
    )
    if rows.y is None:
        raise DataError(
            f"{experiment.data!r} has inputs but no targets, so there is nothing to learn."
        )
    return rows


def _test_part(
    source: str, example: Dataset, fitted: Preprocessor
) -> tuple[SplitRows | None, Dataset]:
    """Return the rows of a test file, read in parts if it is too large, and those that are shown.

    A file that fits into memory has all of its rows shown, and no others.
    """
    path, target = Path(source), require_target(fitted.target)
    if not is_too_large(path):
        columns = (target.columns or target.name) if example.is_table else None
        size = example.x.shape[1:3] if example.resized else None
        known = example.formats or None
        rest = (target.task, target.classes, example.options, known, size)
        return None, load_data(source, columns, *rest)
    rows: SplitRows
    if isinstance(fitted, TablePreprocessor):
        rows = stream(path, preprocessor=fitted).labeled()
    else:
        rows = stream_arrays(
            path, task=target.task, classes=target.class_names, preprocessor=fitted
        ).labeled()
    return rows, rows.sample(SHOWN_ROWS)


def _notes(rest: SplitRows, counts: Mapping[str, int], share: float, shown: int) -> list[str]:
    """Return what differs from data in memory, in sentences."""
    notes = [
        f"the rows are read in parts in each epoch, mixed among parts that are read together; "
        f"the score of the training part is that of {shown:,} of its rows"
    ]
    if share * len(rest) > MOST_HELD_OUT:
        notes.append(
            f"validation = {share:g} would be {share * len(rest):,.0f} rows, but they stay in "
            f"memory: {counts['validation']:,} are held out"
        )
    return notes
