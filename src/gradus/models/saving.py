"""Saved models: a folder of settings, weights, history and train state.

`model.json` describes the network and the task (`gradus.serialization`) and holds the checksums;
`weights.safetensors` holds the weights by path; `history.parquet` the numbers by epoch;
`training.safetensors` the layer statistics and the optimizer state, so that `fit` continues where
it ended; `record.json` what else a diagnosis is made from (`gradus.diagnosis.record_files`).
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import msgspec
import numpy as np

from gradus import files, manifests
from gradus.diagnosis.findings import Diagnosis, Finding
from gradus.diagnosis.record_files import FILE as RECORD
from gradus.diagnosis.record_files import read_record, write_record
from gradus.errors import SavedError, nearest, warn
from gradus.models.base import BaseModel
from gradus.nn.layer import named_layers
from gradus.nn.network import weights
from gradus.records import as_plain, as_record
from gradus.serialization import check_custom, deserialize, serialize
from gradus.train import checkpoint
from gradus.train.early_stopping import EarlyStopping
from gradus.train.state import init_train_state

MANIFEST, WEIGHTS, HISTORY, TRAINING = (
    "model.json",
    "weights.safetensors",
    "history.parquet",
    "training.safetensors",
)
FOREIGN_SUFFIXES = (".keras", ".h5", ".hdf5", ".pt", ".pth", ".pkl", ".joblib", ".onnx")
# The parts of the train state that `fit` continues from; it initializes the others.
SAVED_PARTS = ("epoch", "opt_states", "plateau_state")


class ModelManifest(manifests.Manifest, tag="model"):
    """What a saved model is made of.

    Attributes:
        model: the name of its class.
        settings: the arguments of the class, serialized.
        example: the dtypes and shapes of its inputs, serialized.
        frozen: the paths of its frozen layers.
        history: of its training, besides the arrays.
        columns: the names of the columns that were trained on; older versions did not write them.
    """

    model: str
    settings: dict[str, Any]
    example: Any
    frozen: list[str]
    history: checkpoint.HistoryMetadata
    columns: dict[str, list[str]] = msgspec.field(default_factory=dict)


def save_model(model: BaseModel, folder: Path) -> Path:
    """Write a model to `folder` and return it; other files there stay.

    Raises:
        SavedError: if something in its settings cannot be serialized, such as a lambda, or the
            folder cannot be written; a model saved there before stays intact.
    """
    folder, example = files.user_path(folder), model.example
    if folder.suffix.lower() in FOREIGN_SUFFIXES:
        warn(
            f"save: {folder.name!r} becomes a folder of gradus, which Model.load reads, and no "
            f"{folder.suffix} file: for another library write gr.export(model, 'model.keras'), or "
            "gr.to_torch(model).",
            UserWarning,
        )
    if not model.built or example is None:
        raise SavedError("The model has no weights to save yet: call fit or build(x) first.")
    settings = {name: serialize(value, name) for name, value in model.settings.items()}
    if "optimizer" in settings:
        settings["optimizer"] = serialize(model.optimizer, "optimizer")
    arrays, metadata = checkpoint.history_to_arrays(model.history)
    content = {
        "model": _class_name(model),
        "settings": settings,
        "example": serialize(jax.tree.map(_write_shape, example)),
        "frozen": _frozen_paths(model.net),
        "history": as_plain(metadata),
        "columns": {where: list(names) for where, names in model.columns.items()},
    }
    train_state = model.train_state
    if train_state is not None and set(train_state.params) == set(weights(model.net, "param")):
        for name in SAVED_PARTS:
            arrays |= checkpoint.leaves_by_path(getattr(train_state, name), name)
    with files.replacing(folder) as new:
        if model.record is not None:
            write_record(new, model.record)
        files.write_arrays(new / WEIGHTS, weights(model.net))
        files.write_arrays(
            new / TRAINING, {k: v for k, v in arrays.items() if not _is_column(k, v)}
        )
        files.write_table(new / HISTORY, model.history.frame())
        manifests.write_manifest(new, MANIFEST, ModelManifest, content)
    return folder


def add_notes(model: BaseModel, notes: Iterable[str]) -> None:
    """Add notes on the data to a model's history, and one if the model cannot be saved."""
    for note in notes:
        model.history.add_note(note)
    if (reason := why_not_savable(model)) is not None:
        model.history.add_note(f"the model cannot be saved: {reason}")


def why_not_savable(model: BaseModel) -> str | None:
    """Return why a model could not be saved after training, or None if it could."""
    try:
        for name, value in model.settings.items():
            serialize(value, name)
    except SavedError as error:
        return str(error)
    return None


def load_model(folder: Path, custom: Sequence[type] = (), tell_of_run: bool = False) -> BaseModel:
    """Return the model that was saved in `folder`.

    Args:
        folder: the folder.
        custom: the user's own classes that the model uses.
        tell_of_run: whether to warn that the model of a run does not take raw data.

    Raises:
        SavedError: if there is none, it was altered or written by a newer version, or it needs a
            class that is not in `custom`.
    """
    check_custom(custom)
    folder = files.user_path(folder)
    manifest = manifests.read_manifest(folder, MANIFEST, ModelManifest)
    if tell_of_run and (folder / manifests.PREPROCESSING).exists():
        warn(
            f"Model.load: {str(folder)!r} is a run, of which this is the network alone: it takes "
            "what the preprocessing makes of data, not the data. gr.load has both.",
            UserWarning,
        )
    try:
        settings = {k: deserialize(v, custom) for k, v in manifest.settings.items()}
        model = _find_class(manifest.model, custom)(**settings)
        model.build(jax.tree.map(_read_shape, deserialize(manifest.example)))
        frozen = set(manifest.frozen)
        for path, layer in named_layers(model.net):
            if layer.trainable is (path in frozen):
                layer.trainable = path not in frozen
    except SavedError:
        raise
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise SavedError(
            f"{str(folder / MANIFEST)!r} does not describe a model: {error}"
        ) from error
    load_weights(model, folder)
    model.columns = manifest.columns
    arrays = files.read_arrays(manifests.verified_path(folder, TRAINING, manifest))
    columns = _read_columns(manifests.verified_path(folder, HISTORY, manifest))
    model.history = checkpoint.history_from_arrays(columns | arrays, manifest.history)
    if (plain := manifest.history.findings) is not None:
        found = as_record(plain, list[Finding], f"{str(folder / MANIFEST)!r}", whole=False)
        model.history.findings = Diagnosis(found)
    if RECORD in manifest.files:  # older versions of gradus did not write it
        manifests.verified_path(folder, RECORD, manifest)
        model.record = read_record(folder, model.history)
    if "epoch" in arrays:
        train_state = init_train_state(
            model.net, model.optimizer, model.task, EarlyStopping("loss", "min"), False
        )
        where = f"The model {str(folder)!r}"
        parts = {
            name: checkpoint.fill_leaves(getattr(train_state, name), arrays, name, where)
            for name in SAVED_PARTS
        }
        model.train_state = dataclasses.replace(train_state, **parts)
    return model


def load_weights(model: BaseModel, path: Path, skip_missing: bool = False) -> list[str]:
    """Load saved weights into a built model, by the names of their layers.

    Args:
        model: the model; its other weights stay.
        path: the folder of a saved model, or a safetensors file.
        skip_missing: whether to skip weights that only one side has.

    Returns:
        The paths of the weights that were loaded.

    Raises:
        SavedError: if the file is incomplete, or a weight does not fit; it names the layer and
            both shapes.
    """
    path = files.user_path(path)
    arrays = _read_weights(path)
    current = weights(model.net)
    for where, value in current.items():
        if where not in arrays:
            if skip_missing:
                continue
            raise SavedError(_missing_message(where, path, arrays))
        if arrays[where].shape != value.shape:
            layer, _, name = where.rpartition("/")
            raise SavedError(
                f"The weights in {str(path)!r} do not fit layer {layer!r}: its {name} has shape "
                f"{tuple(value.shape)}, but the saved one {arrays[where].shape}."
            )
    extra = sorted(set(arrays) - set(current))
    if extra and not skip_missing:
        raise SavedError(
            f"{str(path)!r} has weights that the network does not have: {', '.join(extra[:5])}. To "
            "load only those that both have, write load_weights(path, skip_missing=True)."
        )
    for where in sorted(set(arrays) & set(current)):
        _check_numbers(arrays[where], where, path)
    loaded = {
        name: jax.device_put(value.astype(np.float32))
        for name, value in arrays.items()
        if name in current
    }
    if not loaded:
        raise SavedError(f"No weight in {str(path)!r} has the name of one of the network's.")
    model.replace_weights(loaded)
    return sorted(loaded)


def _check_numbers(array: np.ndarray, where: str, path: Path) -> None:
    """Check that saved weights are finite floats.

    Raises:
        SavedError: naming the weight.
    """
    if array.dtype.kind != "f":
        raise SavedError(f"{str(path)!r}: {where} is {array.dtype}, but weights are floats.")
    if not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise SavedError(
            f"{str(path)!r}: {count} of the {array.size} numbers of {where} are NaN or infinite: "
            "the file is damaged, or of a training that diverged."
        )


def _class_name(model: BaseModel) -> str:
    cls = type(model)
    if set(model.settings) - set(inspect.signature(cls).parameters):
        raise SavedError(
            f"{cls.__name__} cannot be saved: end its __init__ with self.settings = {{...}}, a "
            "dict of its own arguments, from which it is created again."
        )
    return cls.__name__


def _find_class(name: str, custom: Sequence[type]) -> type[BaseModel]:
    """Return the model class of a name, from `custom` or from gradus."""
    from gradus import models

    known: dict[str, Any] = {cls.__name__: cls for cls in custom}
    for info in pkgutil.iter_modules(models.__path__):
        known |= vars(importlib.import_module(f"{models.__name__}.{info.name}"))
    cls = known.get(name)
    if not isinstance(cls, type) or not issubclass(cls, BaseModel):
        raise SavedError(f"The model is a {name!r}: write load(path, custom=[{name}]).")
    return cls


def _read_weights(path: Path) -> dict[str, np.ndarray]:
    if path.is_file():
        return files.read_arrays(path)
    manifest = manifests.read_manifest(path, MANIFEST, ModelManifest)
    return files.read_arrays(manifests.verified_path(path, WEIGHTS, manifest))


def _missing_message(where: str, path: Path, arrays: Mapping[str, Any]) -> str:
    layer, _, name = where.rpartition("/")
    close = nearest(where, arrays)
    hint = f" The nearest there is {close!r}." if close else ""
    return (
        f"{str(path)!r} has no weights for layer {layer!r} ({name}).{hint} Name the layers alike "
        "with .named(…), or skip what is missing: load_weights(path, skip_missing=True)."
    )


def _frozen_paths(net: Any) -> list[str]:
    """Return the paths of the layers that are currently frozen in the built network."""
    return [path for path, layer in named_layers(net) if not layer.trainable]


def _is_column(name: str, values: np.ndarray) -> bool:
    """Return whether an array is a column of the history's table."""
    return name.startswith("history/") and values.ndim == 1


def _read_columns(path: Path) -> dict[str, np.ndarray]:
    import polars

    frame = polars.read_parquet(path).drop("epoch")
    return {f"history/{column.name}": column.to_numpy() for column in frame}


def _write_shape(leaf: Any) -> str:
    """Return "float32 2 784" for a shape of (2, 784)."""
    return " ".join([np.dtype(leaf.dtype).name, *map(str, leaf.shape)])


def _read_shape(text: str) -> np.ndarray:
    dtype, *sizes = text.split()
    return np.zeros(tuple(map(int, sizes)), dtype)
