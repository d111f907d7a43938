"""Training a network with the settings of an experiment, and once more on all of its rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import jax
from msgspec import structs

from gradus.experiments.preparation.model_builder import build_model
from gradus.experiments.preparation.prepare_in_memory import PreparedData
from gradus.models.model import Model
from gradus.tracking.tracker import Tracker


def new_model(prepared: PreparedData) -> Model:
    """Return the built, untrained model of an experiment."""
    model = build_model(prepared.experiment, prepared.target, prepared.input_layers, prepared.steps)
    model.build(jax.tree.map(lambda a: a[:2], prepared.parts["training"][0]))
    model.validated_later = prepared.experiment.split_by_time is not None
    return model


def fit_model(
    model: Model,
    prepared: PreparedData,
    checkpoint: Path | None = None,
    resume: bool = False,
    verbose: bool = False,
    trackers: Sequence[Tracker] = (),
) -> None:
    """Train the model with the experiment's settings.

    Args:
        model: the built model.
        prepared: the data.
        checkpoint: the folder of the checkpoints, or None for none.
        resume: whether to resume from the checkpoint there.
        verbose: whether to show progress.
        trackers: where the training is logged.
    """
    experiment, training = prepared.experiment, prepared.experiment.training
    x, y = prepared.fit_data
    model.fit(
        x,
        y,
        batch_size=None if training.batch_size == "all" else training.batch_size,
        epochs=training.epochs or 1,
        validation_data=prepared.weighted_validation,
        sample_weight=prepared.weights["training"],
        class_weight=prepared.class_weight,
        shuffle_seed=experiment.shuffle_seed,
        patience=training.patience or None,
        monitor=training.monitor,
        min_delta=training.min_delta,
        trackers=trackers,
        checkpoint=checkpoint,
        resume=checkpoint if resume else None,
        verbose=verbose,
    )


def refit(model: Model, prepared: PreparedData) -> Model:
    """Return the model to keep: trained once more, if the experiment says so, on all rows.

    These are the training and validation rows. The new model starts from the same seed and is
    trained for as many epochs as the given one, whose history it gets: that of the training in
    which the validation rows were held out.
    """
    wanted = prepared.experiment.training.refit and "validation" in prepared.parts
    if not wanted or model.history.stopped:  # by a divergence or Ctrl-C
        return model
    training = structs.replace(prepared.experiment.training, monitor="loss")
    experiment = structs.replace(prepared.experiment, training=training)
    whole = dataclasses.replace(prepared.with_validation_rows(), experiment=experiment)
    final = new_model(whole)
    fit_model(final, whole)
    final.history, final.record = model.history, model.record
    return final
