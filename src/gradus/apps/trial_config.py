"""Models as an experiment's settings say, where the settings may hold spaces."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gradus.apps import defaults
from gradus.apps.experiment_file import Named, check_experiment
from gradus.apps.model_builder import build_model
from gradus.apps.prepare import PreparedData, SplitData, prepare_split
from gradus.apps.spaces import flatten_spaces
from gradus.hyperparameters import Hyperparameter, find_hyperparameters, resolve
from gradus.models.model import Model
from gradus.space import Choice, choice
from gradus.sweep.search.trial import values_reaching


class TrialConfigurator:
    """What all trials of a sweep share, and how one's settings become an experiment.

    Args:
        rows: the data.
        count: how many rows a trial is trained on.
    """

    def __init__(self, rows: SplitData, count: int) -> None:
        self.rows, self.count = rows, count
        self._prepared: dict[Any, PreparedData] = {}

    def prepare(self, settled: Mapping[str, Any], where: str = "The experiment") -> PreparedData:
        """Return what is trained with settings without spaces, each preprocessing learnt once.

        Args:
            settled: the settings.
            where: their file, for messages.

        Raises:
            DataError: for a preprocessing that the data cannot have.
            SpecError: for settings that cannot be.
        """
        chosen = defaults.fill_defaults(
            check_experiment(flatten_spaces(settled), where), self.rows.summary
        )
        columns = tuple(chosen.drop_columns), tuple(chosen.keep_columns)
        key = chosen.preprocessing, columns, chosen.loss.get("name")
        if key not in self._prepared:
            self._prepared[key] = prepare_split(self.rows, chosen)
        return replace(self._prepared[key], experiment=chosen)

    def build_model(
        self, settled: Mapping[str, Any], where: str = "The experiment", count: int | None = None
    ) -> Model:
        """Return the model that is trained with settings, as `gradus train` would make it.

        Args:
            settled: the settings.
            where: their file, for messages.
            count: how many rows it is trained on; those of a trial if None.
        """
        made = self.prepare(settled, where)
        batch = made.experiment.training.batch_size
        rows = self.count if count is None else count
        steps = 1 if batch in ("all", None) else math.ceil(rows / int(str(batch)))
        return build_model(made.experiment, made.target, made.input_layers, steps)


class ExperimentModel(Model):
    """A model as settings say; one whose settings hold spaces is for `Sweep`.

    What depends on several settings (an initialiser on the activation, a schedule's length on the
    epochs) is chosen when all are known, as in a training alone.

    Args:
        configurator: what all trials share.
        settings: of an experiment, from `spaces.parse`.
        seed: of the weights, dropout and noise.
    """

    def __init__(self, configurator: TrialConfigurator, settings: Named, seed: Any = 0) -> None:
        given = {"plan": configurator, "settings": settings, "seed": seed}
        if find_hyperparameters(given):
            super().__init__(choice(None), "mse")  # the network and the loss are still open
            self.settings, self.spaces = given, find_hyperparameters(given)
        else:
            super().__init__(**{**configurator.build_model(settings).settings, "seed": seed})


def check_trials(configurator: TrialConfigurator, settings: Named, where: str) -> None:
    """Make a model at each end of every space, so that what cannot be is said before any training.

    Raises:
        SpecError: for settings that cannot be.
    """
    hypers = find_hyperparameters(settings)
    for name, hyper in hypers.items():
        for share in _ends(hyper):
            values = values_reaching(hypers, {name: share})
            configurator.build_model(resolve(settings, hypers, values), where)


def _ends(hyper: Hyperparameter) -> list[float]:
    """Return the shares of a space that are tried: of a choice all options, of a range its ends."""
    if isinstance(hyper.space, Choice):
        size = len(hyper.space.options)
        return [(place + 0.5) / size for place in range(size)]
    return [1e-12, 1 - 1e-12]
