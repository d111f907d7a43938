"""Checkpoints: the train state and history on disk, to resume training as if never interrupted.

A checkpoint is a folder with `checkpoint.json`, which holds the fingerprint of the training, and
`checkpoint.safetensors`: the train state's leaves under "train_state/", by their path in its tree,
and the history's arrays under "history/" and "probes/".
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import jax
import numpy as np
from msgspec import Struct

from gradus import files, manifests
from gradus.errors import SavedError
from gradus.fingerprint import digest, fingerprint
from gradus.folder_lock import hold_folder
from gradus.records import as_plain
from gradus.train.history import History
from gradus.train.state import TrainState
from gradus.train.training_program import FitConfig

if TYPE_CHECKING:
    from jaxtyping import Float, Int, PyTree, Shaped

T = TypeVar("T")
Arrays = dict[str, np.ndarray]

MANIFEST, ARRAYS = "checkpoint.json", "checkpoint.safetensors"


class HistoryMetadata(Struct):
    """The attributes of a history besides its arrays (`History`); findings are plain data."""

    layers: list[str]
    weights: list[str]
    seconds: list[float]
    compile_seconds: float
    stopped: str
    best_epoch: int
    notes: list[str]
    findings: list[Any] | None


class CheckpointManifest(manifests.Manifest, tag="checkpoint"):
    """What a checkpoint is of.

    Attributes:
        fingerprint: of the training.
        history: its history, besides the arrays.
    """

    fingerprint: dict[str, Any]
    history: HistoryMetadata


@contextlib.contextmanager
def open_checkpoint(
    folder: Path | None, fingerprint: Mapping[str, Any], every: float
) -> Iterator[CheckpointWriter | None]:
    """Yield a writer of checkpoints, and hold the folder within the block; None without a folder.

    Raises:
        SavedError: if the folder cannot be written, or another training holds it.
    """
    if folder is None:
        yield None
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(hold_folder(folder))
        except OSError as error:
            raise SavedError(f"{str(folder)!r} cannot be written: {error.strerror}.") from None
        yield CheckpointWriter(folder, fingerprint, every)


class CheckpointWriter:
    """A listener that writes a checkpoint every few seconds, and the last state at the end.

    If writing fails, it ends the training and `close` raises the error, so that the weights are not
    lost.

    Args:
        folder: where to write; the previous checkpoint stays valid until the new one is complete.
        fingerprint: what must be the same to resume, from `training_fingerprint`.
        every: seconds from one checkpoint to the next; 0 for one after each call of the program.

    Raises:
        SavedError: if the folder cannot be written.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, Any], every: float) -> None:
        self.folder, self.fingerprint, self.every = folder, fingerprint, every
        self._written = time.monotonic()
        self._last: tuple[TrainState, History] | None = None
        self._error: SavedError | None = None
        with files.replacing(folder):  # fails now if the folder cannot be written
            pass

    def __call__(self, train_state: TrainState, history: History) -> bool:
        """Write a checkpoint if one is due; return whether that failed."""
        self._last = train_state, history
        if time.monotonic() - self._written >= self.every:
            try:
                self._write_last()
            except SavedError as error:
                self._error = error
        return self._error is not None

    def close(self) -> None:
        """Write the last state, unless it is written already.

        Raises:
            SavedError: if it cannot be written, or an earlier checkpoint could not.
        """
        if self._error is not None:
            raise self._error
        self._write_last()

    def _write_last(self) -> None:
        if self._last is not None:
            write_checkpoint(self.folder, *self._last, self.fingerprint)
            self._written, self._last = time.monotonic(), None


def write_checkpoint(
    folder: Path, train_state: TrainState, history: History, fingerprint: Mapping[str, Any]
) -> None:
    """Write a checkpoint.

    Raises:
        SavedError: if the folder cannot be written; the previous checkpoint stays valid.
    """
    arrays, metadata = history_to_arrays(history)
    with files.replacing(folder) as new:
        files.write_arrays(new / ARRAYS, leaves_by_path(train_state, "train_state") | arrays)
        content = {"fingerprint": dict(fingerprint), "history": as_plain(metadata)}
        manifests.write_manifest(new, MANIFEST, CheckpointManifest, content)


def read_checkpoint(
    folder: Path, template: TrainState, fingerprint: Mapping[str, Any]
) -> tuple[TrainState, History]:
    """Return the train state and the history of a checkpoint.

    Args:
        folder: where it was written.
        template: a train state of the training to resume, with leaves of the same shapes.
        fingerprint: that of the training to resume.

    Raises:
        SavedError: if the folder holds no complete checkpoint, or that of another network,
            optimizer, data or settings; it says which.
    """
    manifest = manifests.read_manifest(folder, MANIFEST, CheckpointManifest)
    arrays = files.read_arrays(manifests.verified_path(folder, ARRAYS, manifest))
    where = f"The checkpoint {str(folder)!r}"
    train_state = fill_leaves(template, arrays, "train_state", where)
    _check_fingerprint(manifest.fingerprint, fingerprint, where)
    return train_state, history_from_arrays(arrays, manifest.history)


def read_checkpoint_history(folder: Path) -> History:
    """Return the history of a checkpoint alone, whatever its training is of.

    Raises:
        SavedError: if the folder holds no complete checkpoint.
    """
    manifest = manifests.read_manifest(folder, MANIFEST, CheckpointManifest)
    arrays = files.read_arrays(manifests.verified_path(folder, ARRAYS, manifest))
    return history_from_arrays(arrays, manifest.history)


def training_fingerprint(
    config: FitConfig,
    x: PyTree[Shaped[Any, "samples ..."]],
    y: PyTree[Shaped[Any, "samples ..."]],
    weight: Float[Any, "samples"] | None,
    rows: Int[Any, "train"] | None,
    validation: PyTree[Shaped[Any, "_ ..."]],
    **settings: Any,
) -> dict[str, Any]:
    """Return what must be the same for a training to resume bit for bit, by name.

    Args:
        config: how much is trained, and in which order; its last epoch may differ.
        x: the inputs.
        y: the targets.
        weight: the samples' weights, or None.
        rows: which samples are trained on, or None for all.
        validation: what is evaluated, a tree of arrays, or None.
        settings: whatever else matters: net, optimizer, task, …
    """
    count = len(jax.tree.leaves(x)[0])
    return {
        "seed": config.seed,
        "shuffle_seed": config.shuffle_seed if config.shuffle else "none, as shuffle=False",
        "batch_size": config.batch_size,
        "probes": config.probes,
        "number of samples": count if rows is None else len(rows),
        "x": digest(x),
        "y": digest(y),
        "sample weights": digest(weight),
        "rows": digest(rows),
        "validation": digest(validation),
        **fingerprint(settings),
    }


def leaves_by_path(tree: PyTree[Shaped[Any, "..."]], prefix: str) -> Arrays:
    """Return the leaves of a tree by their path: "train_state/params/dense/kernel"."""
    keyed = jax.tree_util.tree_leaves_with_path(tree)
    return {_leaf_name(path, prefix): np.asarray(leaf) for path, leaf in keyed}


def fill_leaves(template: T, arrays: Mapping[str, np.ndarray], prefix: str, where: str) -> T:
    """Return `template` with its leaves replaced by the arrays of `leaves_by_path`.

    Raises:
        SavedError: naming the first leaf that is missing or has another shape.
    """
    keyed, structure = jax.tree_util.tree_flatten_with_path(template)
    names = [_leaf_name(path, prefix) for path, _ in keyed]
    for name, (_, leaf) in zip(names, keyed, strict=True):
        path, expected = name.removeprefix(f"{prefix}/"), np.asarray(leaf)
        if name not in arrays:
            raise SavedError(
                f"{where} was written by another network or optimizer: it has no {path!r}, of "
                f"shape {expected.shape}."
            )
        array = arrays[name]
        if array.shape != expected.shape or array.dtype != expected.dtype:
            raise SavedError(
                f"{where} was written by another network or optimizer: its {path!r} has shape "
                f"{array.shape} ({array.dtype}), but {expected.shape} ({expected.dtype}) is needed."
            )
    known = set(names)
    extra = [name for name in arrays if name.startswith(f"{prefix}/") and name not in known]
    if extra:
        raise SavedError(
            f"{where} was written by another network or optimizer: it has "
            f"{extra[0].removeprefix(f'{prefix}/')!r}, which is not needed here."
        )
    # `jnp.asarray` would compile a program for each shape.
    return jax.tree.unflatten(structure, jax.device_put([arrays[name] for name in names]))


def history_to_arrays(history: History) -> tuple[Arrays, HistoryMetadata]:
    """Return a history as arrays by name and as metadata."""
    arrays = {f"history/{name}": values for name, values in history.items()}
    arrays |= {f"probes/{name}": values for name, values in history.probes.items()}
    metadata = {name: getattr(history, name) for name in HistoryMetadata.__struct_fields__}
    if history.findings is not None:
        metadata["findings"] = history.findings.to_plain()["findings"]
    return arrays, HistoryMetadata(**metadata)


def history_from_arrays(arrays: Mapping[str, np.ndarray], metadata: HistoryMetadata) -> History:
    """Return the history of the results of `history_to_arrays`."""
    history = History()
    for name in metadata.__struct_fields__:
        setattr(history, name, getattr(metadata, name))
    history.findings = None  # whoever knows their types restores them
    values = dict(sorted(_with_prefix(arrays, "history/").items()))  # files have no order
    history.extend(values, max(map(len, values.values()), default=0))
    history.probes = _with_prefix(arrays, "probes/")
    return history


def _check_fingerprint(written: Mapping[str, Any], current: Mapping[str, Any], where: str) -> None:
    """Check that a checkpoint is of the training to resume."""
    differing = [name for name in {**current, **written} if written.get(name) != current.get(name)]
    if not differing:
        return
    name = differing[0]
    before, now = (terms.get(name, "absent") for terms in (written, current))
    hashed = name in ("x", "y", "sample weights", "rows", "validation", "files")
    reason = f"other data ({name})" if hashed else f"{name} = {before}, not {now}"
    raise SavedError(
        f"{where} was written by a training with {reason}: it resumes only with the same settings "
        "and data. Pass those, or leave out resume to start over."
    )


def _with_prefix(arrays: Mapping[str, np.ndarray], prefix: str) -> Arrays:
    return {
        name.removeprefix(prefix): values
        for name, values in arrays.items()
        if name.startswith(prefix)
    }


def _leaf_name(path: tuple[Any, ...], prefix: str) -> str:
    return "/".join([prefix, *(jax.tree_util.keystr((part,), simple=True) for part in path)])
