"""One training of an estimator: its data prepared by the recipe, and the model to train."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
from msgspec import structs

from gradus.data import Dataset
from gradus.data.array_preprocessor import Preprocessor
from gradus.errors import warn
from gradus.experiments.fitting import fit_model
from gradus.experiments.preparation.model_builder import build_model
from gradus.experiments.preparation.prepare_in_memory import PreparedData, prepare_split
from gradus.experiments.preparation.splitting import split_data
from gradus.experiments.settings.experiment import Experiment
from gradus.models.model import Model
from gradus.nn.layers.containers import Sequential
from gradus.nn.layers.reshaping import Flatten


@dataclass(frozen=True)
class Training:
    """What an estimator trains.

    Attributes:
        prepared: the data, and the settings chosen for them.
        model: the model, which is built when it is trained.
    """

    prepared: PreparedData
    model: Model

    def start_from(self, trained: Model) -> None:
        """Give the model the weights of a trained one.

        Raises:
            GradusError: if they do not fit, as the network has changed.
        """
        self.model.build(jax.tree.map(lambda array: array[:2], self.prepared.parts["training"][0]))
        self.model.set_weights(trained.weights)

    def run(self, verbose: bool = False) -> None:
        """Train the model."""
        fit_model(self.model, self.prepared, verbose=verbose)


def prepare_training(
    data: Dataset,
    experiment: Experiment,
    preprocessor: Preprocessor | None = None,
    done: dict[Any, PreparedData] | None = None,
) -> PreparedData:
    """Return the data of an experiment, split, and preprocessed by its training rows.

    Args:
        data: in memory.
        experiment: the settings.
        preprocessor: of an earlier training, to use instead of fitting one.
        done: of the same data, by the settings that it depends on; it gets what is not yet there.
    """
    done = {} if done is None else done
    columns = tuple(experiment.drop_columns), tuple(experiment.keep_columns)
    held_out = experiment.validation and (experiment.validation, experiment.shuffle_seed)
    key = experiment.preprocessing, columns, experiment.loss["name"], held_out
    if key not in done:
        # Its own batches are checked below: those that are too large are made smaller.
        whole = structs.replace(experiment.training, batch_size="all")
        checked = structs.replace(experiment, training=whole)
        done[key] = prepare_split(split_data(data, experiment), checked, preprocessor)
    return _with_fitting_batches(dataclasses.replace(done[key], experiment=experiment))


def make_training(prepared: PreparedData, arguments: Mapping[str, Any]) -> Training:
    """Return the training of prepared data.

    Args:
        prepared: the data.
        arguments: those of `Model` that stand in place of what the experiment says; a network
            follows the input layers, and gets images as they are.
    """
    model = build_model(prepared.experiment, prepared.target, prepared.input_layers, prepared.steps)
    if arguments:
        settings = {**model.settings, **arguments}
        if "net" in arguments:
            first = [layer for layer in prepared.input_layers if not isinstance(layer, Flatten)]
            settings["net"] = Sequential([*first, arguments["net"]])
        model = Model(**settings)
    return Training(prepared, model)


def _with_fitting_batches(prepared: PreparedData) -> PreparedData:
    """Return the training with batches of at most all rows, as there may be fewer in a fold."""
    training = prepared.experiment.training
    rows, batch = len(prepared.parts["training"][1]), training.batch_size
    if not isinstance(batch, int) or batch <= rows:
        return prepared
    warn(
        f"batch_size={batch} is more than the {rows} rows to train on: they are one batch.",
        UserWarning,
    )
    training = structs.replace(training, batch_size=rows)
    experiment = structs.replace(prepared.experiment, training=training)
    return dataclasses.replace(prepared, experiment=experiment)
