"""A run as a Python script, as a person would write it, that builds and trains the same model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import structs

from gradus.data import Preprocessing, TableOptions, Target
from gradus.data.sources.image_folders import has_validation_part
from gradus.errors import GradusError
from gradus.experiments.preparation.outputs import Losses, output_layer
from gradus.experiments.preparation.splitting import test_share, unused_inputs
from gradus.experiments.run import Run
from gradus.experiments.settings.experiment import Experiment
from gradus.exports.code import Call, Name, assignment, expression
from gradus.exports.trained import Trained
from gradus.models.inputs.arguments import DEFAULT_BATCH
from gradus.objectives.loss import Loss
from gradus.optional import installed_version

MODEL = ("net", "loss", "optimizer", "metrics", "loss_weights", "penalty", "seed")
IN_PARTS = (
    "# The run read them in parts, with other rows held out, by a hash: gr.data.stream reads so.",
    "# This script loads all of them into memory.",
)
_NONE: tuple[Any, ...] = (None, (), [], {})


def script(trained: Trained) -> str:
    """Return a script that trains what a run trained, and prints how well it does.

    Raises:
        GradusError: for a model that no run has trained, whose data are unknown.
    """
    run = trained.run
    if run is None:
        raise GradusError(
            "A script is written of a run, which knows its data; this is a model. Write the folder "
            "of a run of gradus train."
        )
    body = "\n".join(
        [
            *_data_lines(run, trained.is_table),
            *_model_lines(run),
            *_evaluation_lines(run),
        ]
    )
    imports = [line for name, line in _IMPORTS.items() if re.search(rf"\b{name}\.", body)]
    name = run.folder.resolve().name.replace("\\", "/").replace('"', "'")
    title = f'"""Train what the run {name} trained; written by gradus {installed_version()}."""'
    return "\n".join([title, "", *imports, *[""] * bool(imports), "import gradus as gr", body, ""])


_IMPORTS = {"dataclasses": "import dataclasses", "np": "import numpy as np"}


def _data_lines(run: Run, is_table: bool) -> list[str]:
    """Return how the data are loaded, split, and preprocessed."""
    experiment = run.experiment
    lines = [
        "",
        "# The data, and their preprocessing, which learns from the training rows.",
        *(IN_PARTS if experiment.stream else ()),
        *_loading(experiment, is_table),
        *_splitting(experiment, run.target),
        *_preprocessing(experiment),
    ]
    if not is_table and run.model.example.dtype == "uint8":
        lines.append(
            "preprocessor = dataclasses.replace(preprocessor, scaling=None)  # the network scales"
        )
    lines += ["", *_xy_lines(run, "x, y", "training")]
    if experiment.validation:
        held_out = "data.validation" if _has_own(experiment) else "data.take(held_out)"
        lines += _xy_lines(run, "x_held_out, y_held_out", held_out)
    return lines


def _loading(experiment: Experiment, is_table: bool) -> list[str]:
    arguments: dict[str, Any] = {"target": experiment.target} if is_table else {}
    arguments["task"] = experiment.task
    arguments["image_size"] = experiment.preprocessing.image_size
    options = _changed(structs.asdict(experiment.table), TableOptions())
    if options:
        arguments["options"] = Call("gr.data.TableOptions", named=options)
    lines = [_assigned_call("data", "gr.data.load", [experiment.data], arguments)]
    if experiment.data.endswith(".npz"):
        lines += [
            'if data.x.dtype.kind in "iu" and data.x.dtype != "uint8":',
            '    data = dataclasses.replace(data, x=data.x.astype("float64"))',
        ]
    return lines


def _splitting(experiment: Experiment, target: Target) -> list[str]:
    lines = []
    if share := test_share(experiment):
        lines = [
            assignment("rest, test_rows", _split_call(experiment, target, share)),
            "data, test = data.take(rest), data.take(test_rows)",
        ]
    if not experiment.validation or _has_own(experiment):
        return [*lines, "training = data"]
    split = _split_call(experiment, target, experiment.validation)
    return [*lines, assignment("rows, held_out", split), "training = data.take(rows)"]


def _has_own(experiment: Experiment) -> bool:
    """Whether the validation rows are a part of the data, rather than a share of them."""
    return bool(experiment.validation) and has_validation_part(experiment.data)


def _split_call(experiment: Experiment, target: Target, share: float) -> Call:
    """Return the call that holds out a share of the rows, as `split_data` does."""
    seed = experiment.validation_seed
    seed = experiment.shuffle_seed if seed is None else seed
    rows = Name("len(data)" if target.task == "regression" else "data.y")
    by: dict[str, Any] = {}
    if experiment.group is not None:
        by["groups"] = Name(f"data.x[{expression(experiment.group)}]")
    elif experiment.split_by_time is not None:
        by["times"] = Name(f"data.x[{expression(experiment.split_by_time)}]")
    return Call("gr.data.split", [rows, share], {"seed": seed, **by})


def _preprocessing(experiment: Experiment) -> list[str]:
    arguments: dict[str, Any] = {"keep": experiment.keep_columns, "drop": unused_inputs(experiment)}
    settings = _changed(structs.asdict(experiment.preprocessing), Preprocessing())
    if settings:
        arguments["preprocessing"] = Call("gr.data.Preprocessing", named=settings)
    return [_assigned_call("preprocessor", "training.preprocessor", [], arguments)]


def _xy_lines(run: Run, names: str, source: str) -> list[str]:
    """Return how some rows become the inputs of the network, and targets of its loss."""
    y, loss = names.split(", ")[1], run.loss
    lines = [f"{names} = {source}.xy(preprocessor)"]
    for part in run.target.parts or (run.target,):
        one = f"{y}[{expression(part.name)}]" if run.target.parts else y
        encoded = _encoded(one, part, loss[part.name] if run.target.parts else loss)
        lines += [f"{one} = {encoded}"] if encoded else []
    return lines


def _encoded(y: str, target: Target, loss: Loss) -> str | None:
    """Return targets as the loss takes them, as `encode_targets` does; None if they are so."""
    if target.task == "multilabel":
        return f'{y}.astype("float32")'
    if target.task == "regression" or loss.name == "sparse_categorical_crossentropy":
        return None
    units, _ = output_layer(loss, target)
    return None if units == 1 else f'np.eye({units}, dtype="float32")[{y}]'


def _model_lines(run: Run) -> list[str]:
    """Return how the network and its model are made and trained."""
    settings = {name: run.scored_model.settings[name] for name in MODEL}
    settings["loss"] = _plain_losses(run.loss)
    settings["seed"] = settings["seed"] or None
    held_out = Name("(x_held_out, y_held_out)") if run.experiment.validation else None
    fit = Call("model.fit", [Name("x"), Name("y")], _fit_arguments(run.experiment, held_out))
    if run.is_refitted:
        return _two_trainings(run, settings, fit)
    return [
        "",
        "# The network, and how it learns.",
        assignment("net", settings.pop("net")),
        _assigned_call("model", "gr.Model", [Name("net")], settings),
        "",
        expression(fit),
    ]


def _plain_losses(loss: Losses) -> Any:
    """Return losses by their names, if they have no other settings."""
    if isinstance(loss, Mapping):
        return {name: _plain_losses(one) for name, one in loss.items()}
    return loss.name if type(loss)() == loss else loss


def _two_trainings(run: Run, settings: dict[str, Any], fit: Call) -> list[str]:
    """Return the training that is scored, and that of the model that is kept, on all rows."""
    net, optimizer = settings.pop("net"), settings["optimizer"]
    made = Call("gr.Model", [Name("net")], _given(settings | {"optimizer": Name("optimizer")}))
    again = _fit_arguments(run.experiment, None)
    again.pop("monitor", None)
    return [
        "",
        "",
        "def new_model(optimizer):",
        '    """Return the untrained model."""',
        assignment("net", net, 1),
        f"    return {expression(made, 'return ', 1)}",
        "",
        "",
        _assigned_call("model", "new_model", [optimizer], {}),
        expression(fit),
        "",
        "# Once more on all rows, for as many epochs: this is the model that the run kept.",
        *_all_rows(run),
        _assigned_call("final", "new_model", [run.model.settings["optimizer"]], {}),
        expression(Call("final.fit", [Name("x_all"), Name("y_all")], again)),
    ]


def _all_rows(run: Run) -> list[str]:
    """Return how the rows of training and validation become inputs and targets."""
    if not _has_own(run.experiment):
        return _xy_lines(run, "x_all, y_all", "data.take(np.concatenate([rows, held_out]))")
    return [f"{name}_all = np.concatenate([{name}, {name}_held_out])" for name in ("x", "y")]


def _fit_arguments(experiment: Experiment, held_out: Name | None) -> dict[str, Any]:
    """Return the arguments of `fit` that are not its defaults, as `fit_model` passes them."""
    training = experiment.training
    monitored = "loss" if held_out is None else "val_loss"
    defaults: dict[str, Any] = {"batch_size": DEFAULT_BATCH, "shuffle_seed": 0, "min_delta": 0.0}
    defaults["monitor"] = monitored
    arguments = {
        "epochs": training.epochs or 1,
        "batch_size": None if training.batch_size == "all" else training.batch_size,
        "validation_data": held_out,
        "class_weight": None if training.class_weight == "none" else training.class_weight,
        "shuffle_seed": experiment.shuffle_seed,
        "patience": training.patience or None,
        "monitor": training.monitor,
        "min_delta": training.min_delta,
    }
    return {name: value for name, value in arguments.items() if value != defaults.get(name)}


def _evaluation_lines(run: Run) -> list[str]:
    """Return how the model is evaluated on the rows that were held out, and on test data."""
    experiment, lines = run.experiment, [""]
    if experiment.validation:
        lines.append("print(model.evaluate(x_held_out, y_held_out))")
    else:
        lines.append("print(model.evaluate(x, y))")
    if "test" not in run.record.parts:
        return lines
    source = "test" if test_share(experiment) else "data.test"
    if isinstance(experiment.test, str):
        known: dict[str, Any] = {
            "target": Name("data.target"),
            "task": Name("data.task"),
            "classes": Name("data.class_names"),
            "options": Name("data.options"),
            "formats": Name("data.formats or None"),
        }
        if experiment.preprocessing.image_size is not None:
            known["image_size"] = experiment.preprocessing.image_size
        lines.append(assignment("test", Call("gr.data.load", [experiment.test], known)))
        source = "test"
    kept = "final" if run.is_refitted else "model"
    return [
        *lines,
        *_xy_lines(run, "x_test, y_test", source),
        f"print({kept}.evaluate(x_test, y_test))",
    ]


def _changed(settings: Mapping[str, Any], defaults: Any) -> dict[str, Any]:
    """Return the settings that differ from the attributes of an object of defaults."""
    return {k: v for k, v in settings.items() if v != getattr(defaults, k) and v not in _NONE}


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that are not None or empty."""
    return {
        name: value
        for name, value in arguments.items()
        if value is not None and (value or not isinstance(value, tuple | list | dict))
    }


def _assigned_call(
    name: str, function: str, positional: Iterable[Any], named: Mapping[str, Any]
) -> str:
    return assignment(name, Call(function, list(positional), _given(named)))
