"""A whole training: from an experiment to a run folder."""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gradus.apps import runs
from gradus.apps.evaluation import evaluate_in_units, headline_part
from gradus.apps.experiment_file import Experiment
from gradus.apps.model_builder import build_model
from gradus.apps.page import write_page
from gradus.apps.prepare import PreparedData, prepare
from gradus.errors import SavedError
from gradus.models.model import Model

Say = Callable[[str], None]
_NONE: Mapping[str, Any] = {}


def train_run(
    experiment: Experiment,
    out: str | None,
    resume: Path | None,
    say: Say,
    verbose: bool = True,
) -> dict[str, Any]:
    """Train, and write the run.

    Args:
        experiment: what to train; what it leaves open is chosen.
        out: the run's folder; None for the next free one in `runs`.
        resume: the folder of a run that is to go on, or None.
        say: shows a line.
        verbose: whether progress is shown.

    Returns:
        The record of the run: `run`, `metrics`, `split`, `parts`, `status`, ….

    Raises:
        GradusError: for data or settings that cannot be, or a folder that cannot be written.
    """
    began = time.perf_counter()
    folder = runs.new_folder(out, experiment.data) if resume is None else resume
    try:
        prepared = prepare(experiment)
        model = build_model(
            prepared.experiment, prepared.target, prepared.input_layers, prepared.steps
        )
        model.build(_few(prepared.parts["training"][0]))
        for line in [
            *prepared.summary_lines,
            f"network   {describe_network(model)}",
            f"training  {describe_training(prepared)}",
        ]:
            say(line)
        for note in prepared.notes:
            say(f"note      {note}")
        say("")
        runs.start_run(folder, prepared.experiment, prepared.preprocessor)
        fit_model(model, prepared, folder, resume, verbose)
    except BaseException:
        if resume is None:
            runs.discard_run(folder)
        raise
    return write_run(folder, model, prepared, began)


def write_run(
    folder: Path,
    model: Model,
    prepared: PreparedData,
    began: float,
    more: Mapping[str, Any] = _NONE,
) -> dict[str, Any]:
    """Measure a trained model, write all of its run but the experiment, and return the record.

    Args:
        folder: the run's folder.
        model: trained.
        prepared: what on.
        began: when, by `time.perf_counter`.
        more: further entries of the record.
    """
    parts = {
        name: evaluate_in_units(model, x, y, prepared.target)
        for name, (x, y) in prepared.parts.items()
    }
    history = model.history
    split = headline_part(parts)
    record = {
        "run": str(folder),
        "status": history.stopped or "finished",
        "metrics": parts[split],
        "split": split,
        "parts": parts,
        "data": prepared.experiment.data,
        "task": prepared.target.task,
        "rows": {name: len(y) for name, (_, y) in prepared.parts.items()},
        "epochs": history.epochs,
        "best_epoch": history.best_epoch,
        "parameters": count_weights(model),
        "seconds": round(time.perf_counter() - began, 3),
        "training_seconds": round(sum(history.seconds), 3),
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        **more,
    }
    notes = list(dict.fromkeys([*prepared.notes, *history.notes]))
    runs.finish_run(folder, model, record, notes)
    write_page(runs.Run(folder), model, parts, prepared.parts[split], prepared.summary_lines)
    return runs.finite_or_none(record)


def fit_model(
    model: Model, prepared: PreparedData, folder: Path, resume: Path | None, verbose: bool
) -> None:
    """Train the model as the experiment says, with checkpoints in the run's folder.

    Raises:
        SavedError: if a run is to go on that has no checkpoint.
    """
    experiment, training = prepared.experiment, prepared.experiment.training
    checkpoint = folder / runs.CHECKPOINT
    if resume is not None and not checkpoint.is_dir():
        raise SavedError(
            f"{str(resume)!r} was interrupted before its first checkpoint: train anew, with "
            f"gradus train {resume}/experiment.toml"
        )
    x, y = prepared.parts["training"]
    model.fit(
        x,
        y,
        batch_size=None if training.batch_size == "all" else training.batch_size,
        epochs=training.epochs or 1,
        validation_data=prepared.parts.get("validation"),
        class_weight=None if training.class_weight == "none" else training.class_weight,
        shuffle_seed=experiment.shuffle_seed,
        patience=training.patience or None,
        monitor=training.monitor,
        min_delta=training.min_delta,
        checkpoint=checkpoint,
        resume=None if resume is None else checkpoint,
        verbose=verbose,
    )


def describe_network(model: Model) -> str:
    """Return the network in one line: "Flatten → Dense(128, 'relu') → Dense(10, 'softmax')"."""
    layers = [_brief(layer) for layer in getattr(model.net, "layers", [model.net])]
    return f"{' → '.join(layers)}, {count_weights(model):,} weights"


def _brief(layer: Any) -> str:
    kind = type(layer).__name__
    if hasattr(layer, "units"):
        name = layer.activation
        return f"{kind} {layer.units}{f' {name}' if name else ''}"
    if hasattr(layer, "rate"):
        return f"{kind} {float(layer.rate):.3g}"
    return f"{kind} {layer.activation}" if kind == "Activation" else kind


def describe_training(prepared: PreparedData) -> str:
    """Return how is trained, in one line."""
    experiment, training = prepared.experiment, prepared.experiment.training
    settings = {k: v for k, v in experiment.optimizer.items() if k != "name"}
    options = "".join(f", {key} {value}" for key, value in settings.items())
    early = f", the weights of the best {training.monitor} kept"
    if (training.patience or 0) < (training.epochs or 0):
        early = f", until {training.monitor} has not improved for {training.patience}"
    schedule = experiment.schedule["name"]
    return (
        f"{experiment.optimizer['name']}{options}"
        f"{'' if schedule == 'none' else f', schedule {schedule}'}, {prepared.loss.name}, "
        f"batches of {training.batch_size}, at most {training.epochs} epochs"
        f"{early if training.patience else ''}"
    )


def count_weights(model: Model) -> int:
    """Return the number of trained weights."""
    return sum(value.size for value in model.weights.values())


def _few(x: Any) -> Any:
    return {key: value[:2] for key, value in x.items()} if isinstance(x, dict) else x[:2]
