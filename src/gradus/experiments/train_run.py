"""Training from an experiment to a run folder."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gradus.diagnosis.record import Record
from gradus.diagnosis.symptoms import examine
from gradus.drawing.status import doing
from gradus.errors import counted
from gradus.experiments import runs
from gradus.experiments.column_overrides import HINT
from gradus.experiments.evaluation import constant_metrics, evaluate_parts, headline_part
from gradus.experiments.fitting import fit_model, new_model, refit
from gradus.experiments.preparation.leaks import telling_column_of
from gradus.experiments.preparation.prepare import prepare_data
from gradus.experiments.preparation.prepare_in_memory import PreparedData
from gradus.experiments.preparation.reading_in_parts import reading_lines
from gradus.experiments.resuming import check_epochs, ended_line
from gradus.experiments.run import Run
from gradus.experiments.run_report import write_page
from gradus.experiments.settings.commands import format_command
from gradus.experiments.settings.experiment import Experiment
from gradus.experiments.trackers import trackers_of
from gradus.models.model import Model
from gradus.nn.network import weights
from gradus.records import finite_or_none
from gradus.tracking.tracker import require_packages

PrintLine = Callable[[str], None]
MAX_COLUMNS = 12  # of a table, which the terminal shows
_NO_ENTRIES: Mapping[str, Any] = {}


def train_run(
    experiment: Experiment,
    out: str | None,
    resume: Path | None,
    print_line: PrintLine,
    verbose: bool = True,
) -> dict[str, Any]:
    """Train a network and write its run.

    Args:
        experiment: the settings; open ones are chosen for the data.
        out: the folder of the run; None for the next free one in `runs`.
        resume: the folder of a run to resume, or None.
        print_line: prints a line.
        verbose: whether to show progress.

    Returns:
        The record of the run: `run`, `metrics`, `split`, `parts`, `status`, ….

    Raises:
        GradusError: for invalid data or settings, or a folder that cannot be written.
    """
    started = time.perf_counter()
    require_packages(experiment.track)
    with (
        runs.hold_run(out, experiment.data, resume) as folder,
        _saying_what_is_left(folder, new=resume is None),
    ):
        from_checkpoint = resume is not None and runs.has_checkpoint(folder)
        doing(f"reading {Path(experiment.data).name}")
        for line in reading_lines(experiment, from_checkpoint):
            print_line(line)
        prepared = prepare_data(experiment, again=from_checkpoint)
        model = new_model(prepared)
        if resume is not None and not from_checkpoint:
            print_line(f"{folder} was stopped before its first checkpoint: it begins again.")
        if from_checkpoint:
            check_epochs(folder, prepared)
        if from_checkpoint and (line := ended_line(folder, prepared.experiment)):
            print_line(line)
        for line in [
            *prepared.summary_lines,
            f"network   {describe_network(model)}",
            f"training  {describe_training(prepared)}",
        ]:
            print_line(line)
        for line in column_lines(prepared.columns):
            print_line(line)
        for note in prepared.notes:
            print_line(f"note      {note}")
        for finding in examine(prepared.record):
            print_line(f"{finding.severity:<10}{finding.note}")
        print_line("")
        with contextlib.ExitStack() as stack:
            if from_checkpoint:
                stack.enter_context(runs.resumed_run(folder))
            runs.start_run(folder, prepared.experiment, prepared.preprocessor)
            trackers = trackers_of(experiment.track, folder)
            checkpoint = folder / runs.CHECKPOINT
            doing("starting the training")
            fit_model(model, prepared, checkpoint, from_checkpoint, verbose, trackers)
        return write_run(folder, model, prepared, started)


@contextlib.contextmanager
def _saying_what_is_left(folder: Path, new: bool) -> Iterator[None]:
    """Discard a new run that has no checkpoint when it fails; have Ctrl-C say how to go on."""
    try:
        yield
    except BaseException as error:
        left = f"To resume: {format_command('train', '--resume', folder)}"
        if new and not runs.has_checkpoint(folder):
            runs.discard_run(folder)
            left = "Nothing was saved, as there was no checkpoint yet."
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(f"Interrupted. {left}") from None
        raise


def write_run(
    folder: Path,
    model: Model,
    prepared: PreparedData,
    started: float,
    extra: Mapping[str, Any] = _NO_ENTRIES,
) -> dict[str, Any]:
    """Evaluate a trained model, write its run except the experiment, and return the record.

    If the experiment says `refit`, the run keeps a second model, trained on all rows. Training and
    validation are scored by the given model, and the test part by the one that is kept.

    Args:
        folder: of the run.
        model: the trained model.
        prepared: the data that it was trained on.
        started: start time, by `time.perf_counter`.
        extra: additional entries of the record.
    """
    doing("training once more on all rows" if prepared.experiment.training.refit else "scoring")
    kept = refit(model, prepared)
    doing("scoring")
    parts = evaluate_parts(
        lambda name: kept if name == "test" else model,
        prepared.parts,
        prepared.target,
        prepared.streams,
    )
    history = model.history
    if model.record is not None:
        _tell_of_data(model, with_data(model.record, prepared))
    split = headline_part(parts)
    record = {
        "run": str(folder),
        "status": history.stopped or "finished",
        "metrics": parts[split],
        "split": split,
        "parts": parts,
        "constant": constant_metrics(
            prepared.parts["training"][1],
            prepared.streams.get(split, prepared.parts[split][1]),
            prepared.target,
            parts[split],
        ),
        "data": prepared.experiment.data,
        "task": prepared.target.task,
        "rows": dict(prepared.row_counts),
        "epochs": history.epochs,
        "best_epoch": history.best_epoch,
        "parameters": count_weights(model),
        "seconds": round(time.perf_counter() - started, 3),
        "training_seconds": round(sum(history.seconds), 3),
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        **extra,
    }
    notes = list(dict.fromkeys([*prepared.notes, *history.notes]))
    runs.finish_run(folder, kept, None if kept is model else model, record, notes)
    doing("writing the report")
    write_page(Run(folder), parts, prepared)
    return finite_or_none(record)


def with_data(record: Record, prepared: PreparedData) -> Record:
    """Return the record of a training with what preparing its data showed."""
    data, training, inputs = prepared.record, prepared.raw.get("training"), record.inputs
    if training is not None and training.is_table and inputs:
        telling = telling_column_of(training, [name for name, _, _ in prepared.columns])
        others = [dataclasses.replace(each, telling=None) for each in inputs[1:]]
        inputs = (dataclasses.replace(inputs[0], telling=telling), *others)
    comparisons = (*record.comparisons, *data.comparisons)
    return dataclasses.replace(record, inputs=inputs, comparisons=comparisons, order=data.order)


def _tell_of_data(model: Model, record: Record) -> None:
    """Give a model the record of its training and its data, and what both show to be wrong."""
    untold = {finding.note for finding in model.history.findings or ()}
    model.record, diagnosis = record, examine(record)
    untold -= {finding.note for finding in diagnosis}
    model.history.notes = [note for note in model.history.notes if note not in untold]
    model.add_findings(diagnosis)


def column_lines(columns: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return lines that say what the columns of a table became, at most `MAX_COLUMNS` of them."""
    if not columns:
        return []
    widths = [max(len(row[index]) for row in columns[:MAX_COLUMNS]) for index in (0, 1)]
    lines = [f"{n:<{widths[0]}}  {k:<{widths[1]}}  {how}" for n, k, how in columns[:MAX_COLUMNS]]
    if len(columns) > MAX_COLUMNS:
        lines.append(f"… and {len(columns) - MAX_COLUMNS} more, all in the report")
    lines.append(HINT)
    return [f"{'' if index else 'columns':<10}{line}" for index, line in enumerate(lines)]


def describe_network(model: Model) -> str:
    """Describe the network in one line: "Flatten → Dense 128 relu → Dense 10 softmax, …"."""
    layers = [_describe_layer(layer) for layer in getattr(model.net, "layers", [model.net])]
    return f"{' → '.join(layers)}, {count_weights(model):,} weights"


def _describe_layer(layer: Any) -> str:
    kind = type(layer).__name__
    if isinstance(branches := getattr(layer, "branches", None), Mapping):
        return " + ".join(f"{_describe_layer(of)} for {name}" for name, of in branches.items())
    if hasattr(layer, "units") or hasattr(layer, "filters"):
        name = layer.activation
        size = layer.units if hasattr(layer, "units") else layer.filters
        return f"{kind} {size}{f' {name}' if name else ''}"
    if hasattr(layer, "rate"):
        return f"{kind} {float(layer.rate):.3g}"
    return f"{kind} {layer.activation}" if kind == "Activation" else kind


def describe_training(prepared: PreparedData) -> str:
    """Describe the training in one line."""
    experiment, training = prepared.experiment, prepared.experiment.training
    settings = {k: v for k, v in experiment.optimizer.items() if k != "name"}
    options = "".join(f", {key} {value}" for key, value in settings.items())
    stopping = f", keep the weights with the best {training.monitor}"
    if (training.patience or 0) < (training.epochs or 0):
        stopping = f", stop if {training.monitor} does not improve for {training.patience}"
    schedule, penalty = experiment.schedule["name"], experiment.penalty
    penalties = "".join(
        f", {name.upper()} {value}"
        for name, value in (("l1", penalty.l1), ("l2", penalty.l2))
        if value
    )
    return (
        f"{experiment.optimizer['name']}{options}"
        f"{'' if schedule == 'none' else f', schedule {schedule}'}, {_loss_names(prepared.loss)}"
        f"{penalties}, batch size {training.batch_size}, "
        f"{'at most ' if training.patience else ''}{counted(training.epochs or 1, 'epoch')}"
        f"{stopping if training.patience else ''}"
        f"{', then once more on all rows' if training.refit else ''}"
    )


def _loss_names(loss: Any) -> str:
    several = loss.values() if isinstance(loss, Mapping) else [loss]
    return " + ".join(one.name for one in several)


def count_weights(model: Model) -> int:
    """Return the number of trainable weights."""
    return sum(value.size for value in weights(model.net, "param").values())
