"""Models of an experiment whose settings may be search spaces."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from gradus.experiments.preparation.model_builder import build_model
from gradus.experiments.preparation.outputs import make_losses
from gradus.experiments.preparation.prepare_in_memory import PreparedData, prepare_split
from gradus.experiments.preparation.prepare_streamed import StreamedPreparedData, in_parts
from gradus.experiments.preparation.splitting import SplitData
from gradus.experiments.settings import defaults
from gradus.experiments.settings.defaults import DataSummary
from gradus.experiments.settings.experiment import ExperimentError, Settings
from gradus.experiments.settings.experiment_file import check_experiment
from gradus.experiments.settings.spaces import flatten_spaces
from gradus.hyperparameters import Hyperparameter, find_hyperparameters, resolve
from gradus.models.model import Model
from gradus.space import Choice, choice
from gradus.sweep.search.values import values_activating


class TrialConfigurator:
    """From the settings of a trial to its data and model; each preprocessing is fitted once.

    Args:
        data: the split data that all trials share.
        count: the number of rows that a trial is trained on.
    """

    def __init__(self, data: SplitData, count: int) -> None:
        self.data, self.count = data, count
        self._prepared: dict[Any, PreparedData] = {}

    @property
    def summary(self) -> DataSummary:
        """The facts that the defaults depend on."""
        return self.data.summary

    def prepare(self, settings: Mapping[str, Any], where: str = "The experiment") -> PreparedData:
        """Return the preprocessed data of settings without spaces.

        Args:
            settings: the settings.
            where: their file, for errors.

        Raises:
            DataError: for a preprocessing that does not apply to the data.
            ExperimentError: for invalid settings.
        """
        experiment = check_experiment(flatten_spaces(settings), where)
        experiment = defaults.fill_defaults(experiment, self.data.summary)
        columns = tuple(experiment.drop_columns), tuple(experiment.keep_columns)
        key = experiment.preprocessing, columns, repr(experiment.loss)
        if key not in self._prepared:
            self._prepared[key] = prepare_split(self.data, experiment)
        return replace(self._prepared[key], experiment=experiment)

    def build_model(
        self, settings: Mapping[str, Any], where: str = "The experiment", count: int | None = None
    ) -> Model:
        """Return the model that `gradus train` would build for settings without spaces.

        Args:
            settings: the settings.
            where: their file, for errors.
            count: the number of training rows; that of a trial if None.
        """
        prepared = self.prepare(settings, where)
        batch = prepared.experiment.training.batch_size
        rows = self.count if count is None else count
        steps = 1 if batch in ("all", None) else math.ceil(rows / int(str(batch)))
        return build_model(prepared.experiment, prepared.target, prepared.input_layers, steps)


class StreamedTrials(TrialConfigurator):
    """From the settings of a trial to its model, of trials that share data read in parts.

    Args:
        prepared: the data.
    """

    def __init__(self, prepared: StreamedPreparedData) -> None:
        self._shared, self.count = prepared, prepared.row_counts["training"]

    @property
    def summary(self) -> DataSummary:
        """The facts that the defaults depend on."""
        return self._shared.summary

    def prepare(self, settings: Mapping[str, Any], where: str = "The experiment") -> PreparedData:
        """Return the data with the settings of a trial, which have no spaces."""
        experiment = check_experiment(flatten_spaces(settings), where)
        experiment = defaults.fill_defaults(in_parts(experiment), self.summary)
        return replace(self._shared, experiment=experiment, loss=make_losses(experiment.loss))

    def check_spaces(self, settings: Settings) -> None:
        """Check that all trials can be trained on the same batches.

        Raises:
            ExperimentError: naming the setting, with what to write instead.
        """
        loss, training = settings.get("loss", {}), settings.get("training", {})
        shared = {
            "[preprocessing]": settings.get("preprocessing"),
            "drop_columns": settings.get("drop_columns"),
            "keep_columns": settings.get("keep_columns"),
            "shuffle_seed": settings.get("shuffle_seed"),
            "batch_size in [training]": training.get("batch_size"),
        }
        if self.summary.task != "regression":  # whose targets no loss encodes otherwise
            shared["name in [loss]"] = loss.get("name")
        for name, value in shared.items():
            if find_hyperparameters(value):
                raise ExperimentError(
                    f"{name} has several values to try, but the data are read in parts (stream), "
                    "and all trials are trained on the same batches: write one value, or sweep "
                    "over a sample of the rows that fits into memory."
                )


class ExperimentModel(Model):
    """The model of an experiment; with spaces in its settings, it is for `Sweep`.

    Defaults that depend on several settings (the initializer on the activation, the length of a
    schedule on the epochs) are chosen when all settings are known, as for `gradus train`.

    Args:
        configurator: of the sweep.
        settings: of the experiment, from `parse_spaces`.
        seed: of the weights, dropout and noise.
    """

    def __init__(self, configurator: TrialConfigurator, settings: Settings, seed: Any = 0) -> None:
        arguments = {"configurator": configurator, "settings": settings, "seed": seed}
        if spaces := find_hyperparameters(arguments):
            super().__init__(choice(None), "mse")  # the network and the loss are still open
            self.settings, self.spaces = arguments, spaces
        else:
            super().__init__(**{**configurator.build_model(settings).settings, "seed": seed})


def check_trials(configurator: TrialConfigurator, settings: Settings, where: str) -> None:
    """Build a model at each end of every space, so that errors appear before any training.

    Raises:
        ExperimentError: for invalid settings.
    """
    hypers = find_hyperparameters(settings)
    for name, hyper in hypers.items():
        for position in _ends(hyper):
            values = values_activating(hypers, {name: position})
            configurator.build_model(resolve(settings, hypers, values), where)


def _ends(hyper: Hyperparameter) -> list[float]:
    """Return the positions in a space to check: all options of a choice, both ends of numbers."""
    if isinstance(hyper.space, Choice):
        options, size = hyper.space.options, len(hyper.space.options)
        indices: Iterable[int] = range(size)
        if {type(option) for option in options} in ({int}, {float}):
            ordered = sorted(indices, key=options.__getitem__)
            indices = (ordered[0], ordered[-1])
        return [(index + 0.5) / size for index in indices]
    return [1e-12, 1 - 1e-12]
