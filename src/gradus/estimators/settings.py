"""From an estimator's arguments to the settings of an experiment, the recipe of `gradus train`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from msgspec import structs

from gradus.errors import GradusError, unknown
from gradus.experiments.settings.defaults import DataSummary, fill_defaults
from gradus.experiments.settings.experiment import Experiment, ExperimentError
from gradus.experiments.settings.experiment_file import check_experiment
from gradus.foreign_names.lookup import said_here
from gradus.foreign_names.table import ARGUMENTS
from gradus.hyperparameters import find_hyperparameters
from gradus.nn.layer import Layer
from gradus.optim.base import Optimizer

# Where an experiment has each argument of an estimator.
PATHS = {
    "conv": "network.conv",
    "layers": "network.layers",
    "activation": "network.activation",
    "dropout": "network.dropout",
    "batch_norm": "network.batch_norm",
    "initializer": "network.initializer",
    "flip": "augmentation.flip",
    "shift": "augmentation.shift",
    "rotation": "augmentation.rotation",
    "zoom": "augmentation.zoom",
    "optimizer": "optimizer.name",
    "learning_rate": "optimizer.learning_rate",
    "momentum": "optimizer.momentum",
    "weight_decay": "optimizer.weight_decay",
    "clipnorm": "optimizer.clipnorm",
    "schedule": "schedule.name",
    "loss": "loss.name",
    "metrics": "metrics",
    "l1": "penalty.l1",
    "l2": "penalty.l2",
    "epochs": "training.epochs",
    "batch_size": "training.batch_size",
    "validation": "validation",
    "patience": "training.patience",
    "monitor": "training.monitor",
    "min_delta": "training.min_delta",
    "scaling": "preprocessing.scaling",
    "missing": "preprocessing.missing",
    "indicator": "preprocessing.indicator",
    "one_hot_limit": "preprocessing.one_hot_limit",
    "text_features": "preprocessing.text_features",
    "columns": "table.columns",
    "keep_columns": "keep_columns",
    "drop_columns": "drop_columns",
}
OPTIMIZER_SETTINGS = ("learning_rate", "momentum", "weight_decay", "clipnorm")
LISTS = ("conv", "layers", "metrics", "keep_columns", "drop_columns")
SOURCE = "X"  # what an experiment says its data are


def check_no_spaces(arguments: Mapping[str, Any], owner: str) -> None:
    """Refuse sets of values.

    Raises:
        GradusError: naming the argument.
    """
    for name, value in arguments.items():
        for hyper in find_hyperparameters(value).values():
            raise GradusError(
                f"{owner}({name}={value!r}): {hyper.space!r} is a set of values. To try them write "
                f'gr.SearchCV(gr.{owner}(), {{"{name}": …}}), or a gr.Sweep of a gr.Model.'
            )


def model_arguments(arguments: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Return the arguments of `Model` that are objects of gradus: a network, an optimizer.

    Raises:
        GradusError: for a network that is no layer, or settings beside an object that has them.
    """
    found: dict[str, Any] = {}
    network, optimizer = arguments["network"], arguments["optimizer"]
    if network is not None:
        if not isinstance(network, Layer):
            raise GradusError(
                f"{owner}(network={network!r}): write a layer, such as gr.Sequential([…])."
            )
        names = ("conv", "layers", "activation", "dropout", "batch_norm", "initializer")
        _refuse_beside(arguments, names, "network", owner)
        found["net"] = network
    if isinstance(optimizer, Optimizer):
        _refuse_beside(arguments, (*OPTIMIZER_SETTINGS, "schedule"), "optimizer", owner)
        found["optimizer"] = optimizer
    return found


def complete_experiment(
    arguments: Mapping[str, Any], owner: str, seed: int, summary: DataSummary
) -> Experiment:
    """Return the experiment of an estimator, with every setting chosen for the data.

    Where the recipe holds rows out only to train once more on all of them, none are held out.

    Args:
        arguments: of the estimator, None where the data decide.
        owner: the name of its class, for errors.
        seed: of weights, dropout, the order of samples, and the rows held out.
        summary: of the data.

    Raises:
        ExperimentError: for invalid settings, each called as the argument is.
    """
    raw: dict[str, Any] = {"data": SOURCE, "seed": seed, "shuffle_seed": seed}
    for name, path in PATHS.items():
        value = _plain(arguments[name])
        if value is None or isinstance(value, Optimizer):
            continue
        section, _, key = path.rpartition(".")
        _check_kind(name, value, key, owner)
        if key == "name" and isinstance(value, Mapping):
            raw[section] = {**raw.get(section, {}), **value}
        elif section:
            raw.setdefault(section, {})[key] = value
        else:
            raw[key] = value
    try:
        experiment = check_experiment(raw, owner)
        complete = fill_defaults(experiment, summary)
    except GradusError as error:
        raise ExperimentError(in_arguments(str(error))) from None
    training = complete.training
    if arguments["validation"] is not None or not training.refit:
        return structs.replace(complete, training=structs.replace(training, refit=False))
    monitor = "loss" if arguments["monitor"] is None else training.monitor
    training = structs.replace(training, refit=False, monitor=monitor)
    return structs.replace(complete, validation=0.0, training=training)


def in_arguments(message: str) -> str:
    """Return a message with an estimator's arguments in place of the settings of a file."""
    for name, path in PATHS.items():
        message = message.replace(f" {path} = ", f" {name} = ")
        message = message.replace(f" {path}[", f" {name}[")
    for short in ("keep", "drop"):
        message = message.replace(f" {short}=[", f" {short}_columns=[")
    of_column = r"(column '([^']*)'.* say so: )"
    message = re.sub(of_column + r"kind=('\w+')", r"\1columns={'\2': \3}", message)
    message = re.sub(
        of_column + r"missing=(\['[^']*'\])", r"\1columns={'\2': {'missing': \3}}", message
    )
    return message.replace(" | null", "")


def unknown_parameter(owner: str, name: str, known: Collection[str]) -> GradusError:
    """Return the error for a parameter that an estimator lacks, with what it is here."""
    here = said_here(ARGUMENTS, ["NetworkEstimator"], name, known)
    kind = f"parameter of {owner}"
    return GradusError(f"Unknown {kind} {name!r}.{here}") if here else unknown(kind, name, known)


def _check_kind(name: str, value: Any, key: str, owner: str) -> None:
    """Check that a setting is a list, or a name, where it must be."""
    if name in LISTS and not isinstance(value, list):
        items = value.split(",") if isinstance(value, str) else [value]
        listed = [int(item) if str(item).strip().isdecimal() else item for item in items]
        raise ExperimentError(f"{owner}({name}={value!r}): write a list, {listed!r}.")
    if key == "name" and not isinstance(value, str | Mapping):
        hint = " A schedule as an object belongs to an optimizer: optimizer=gr.Adam(schedule)."
        raise ExperimentError(
            f"{owner}({name}={value!r}): write a name, or a dict of name and settings."
            + hint * (name == "schedule")
        )


def _refuse_beside(
    arguments: Mapping[str, Any], names: tuple[str, ...], given: str, owner: str
) -> None:
    for name in names:
        if arguments[name] is not None:
            raise GradusError(
                f"{owner}({name}={arguments[name]!r}): the {given}, "
                f"{type(arguments[given]).__name__}(…), has its own; leave out one of the two."
            )


def _plain(value: Any) -> Any:
    """Return a setting with Python's own numbers, lists, and dicts, as files have them."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value
