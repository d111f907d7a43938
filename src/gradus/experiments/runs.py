"""The folders of runs: finding one, holding it, and the files that a training writes there."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gradus import files, manifests
from gradus.data.table_sources import source_name
from gradus.diagnosis.logs import is_log
from gradus.errors import SavedError, nearest
from gradus.experiments.settings import experiment_file
from gradus.experiments.settings.commands import format_command
from gradus.experiments.settings.experiment import Experiment
from gradus.folder_lock import LOCK, hold_folder
from gradus.models.model import Model
from gradus.models.saving import MANIFEST as MODEL
from gradus.models.saving import save_model
from gradus.records import finite_or_none
from gradus.train import checkpoint

Metrics = dict[str, float | None]  # None is a number that is not finite

RUNS = "runs"
RECORD = "run.json"
PREPROCESSING, NOTES, REPORT = manifests.PREPROCESSING, "notes.json", "report.html"
CHECKPOINT = "checkpoint"
SCORED = "scored"  # the folder of the model that was scored, if another one is kept
SCORED_MODEL = f"{SCORED}/{MODEL}"
RUN_FILES = (experiment_file.FILE, PREPROCESSING, MODEL)  # that belong to a record
SWEEP = "sweep.toml"
RUN_STARTS = (experiment_file.FILE, SWEEP)  # what is written before the first epoch


class RunRecord(manifests.Manifest, tag="run"):
    """The entries of a run's record that gradus reads.

    Its `files` are those that `Run` reads: experiment, preprocessing, findings, and `model.json`,
    which in turn has the checksums of weights, history, and train state.
    """

    status: str
    data: str
    task: str
    split: str
    metrics: Metrics
    parts: dict[str, Metrics]
    epochs: int
    parameters: int
    seconds: float
    date: str
    rows: dict[str, int]


class SweepRecord(RunRecord, tag="run"):
    """The entries of the record of a sweep's best trial."""

    sweep_seconds: float
    interrupted: bool


class SavedPreprocessing(manifests.Manifest, tag="preprocessing"):
    """The preprocessor of a run, as a dict."""

    fitted: dict[str, Any]


class Notes(manifests.Manifest, tag="notes"):
    """What the user should know of a run, in sentences."""

    notes: list[str]


def is_finished(folder: str | Path | None) -> bool:
    """Whether a folder is that of a run whose training has ended."""
    return folder is not None and files.current_path(Path(folder), RECORD).exists()


def runs_in(folder: Path) -> list[Path]:
    """Return the folders of runs in a folder; none if there is no such folder."""
    return sorted(entry for entry in folder.glob("*/") if kind_of_run(entry))


def holds_only_runs(folder: Path) -> bool:
    """Return whether a folder has folders of runs, and nothing else but hidden files."""
    inside = runs_in(folder)
    return bool(inside) and set(inside) == {e for e in folder.iterdir() if e.name[0] != "."}


def find_run(name: str | Path) -> Path:
    """Return the run folder at a path, or with a name in the folder `runs`.

    Raises:
        SavedError: if there is none, with the nearest name.
    """
    folder = files.user_path(name)
    for candidate in (folder, Path(RUNS) / folder):
        if candidate.is_dir():
            return candidate
    if folder.is_file():
        raise SavedError(_no_folder(folder))
    known = [entry.name for entry in Path(RUNS).glob("*/")] if Path(RUNS).is_dir() else []
    close = nearest(folder.name, known)
    hint = f" Did you mean {str(Path(RUNS) / close)!r}?" if close else ""
    raise SavedError(f"There is no run {str(name)!r}.{hint} `gradus runs` lists them.")


def _no_folder(path: Path) -> str:
    """Return what to write instead of a file where the folder of a run is wanted."""
    if is_finished(path.parent):
        return f"{str(path)!r} is a file of a run: name its folder, {str(path.parent)!r}."
    train = format_command("train", path)
    if is_log(path):
        return (
            f"{str(path)!r} is a file, not the folder of a run. As the log of a training it has "
            f"curves alone, so nothing can be trained again: {format_command('diagnose', path)} "
            f"says what they show. As a table of data, it makes a run: {train}"
        )
    return (
        f"{str(path)!r} is a file, not the folder of a run. To train on it and make a run: {train}"
    )


def find_resumable(name: str | Path, kind: str) -> Path:
    """Return the folder of the training ("train"), or of the sweep ("sweep"), to resume.

    Raises:
        SavedError: if there is none, or it cannot be resumed, with the command to write instead.
    """
    folder = find_run(name)
    found = kind_of_run(folder)
    if found is None:
        raise SavedError(
            f"{str(folder)!r} contains no run to resume. To make one there: "
            f"{format_command(kind, 'DATA', '--out', folder)}"
        )
    if found != kind:
        raise SavedError(
            f"{str(folder)!r} is the folder of a {'sweep' if found == 'sweep' else 'training'}. "
            f"To resume it: {format_command(found, '--resume', folder)}"
        )
    if (
        kind == "train"
        and files.current_path(folder, RECORD).exists()
        and not has_checkpoint(folder)
    ):
        again = format_command("train", folder / experiment_file.FILE)
        raise SavedError(f"{str(folder)!r} has lost its checkpoint. To train it again: {again}")
    return folder


def has_checkpoint(folder: Path) -> bool:
    """Whether a run can resume from a checkpoint; one that was killed early has none."""
    return files.current_path(folder / CHECKPOINT, checkpoint.MANIFEST).exists()


def kind_of_run(folder: Path) -> str | None:
    """Return the command that made the run in a folder, "train" or "sweep"; None if none did."""
    kinds = {"sweep": SWEEP, "train": experiment_file.FILE}
    return next(
        (kind for kind, name in kinds.items() if files.current_path(folder, name).exists()), None
    )


@contextlib.contextmanager
def hold_run(out: str | None, data: str, resume: Path | None) -> Iterator[Path]:
    """Yield the folder of a run, in which no other process trains within the block.

    Args:
        out: an empty or new folder; None for the next free `runs/<data>-<n>`.
        data: the source of the data.
        resume: the folder of a run to resume, instead of a new one.

    Raises:
        SavedError: if the folder is in use, is not empty, or cannot be created or written.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder = resume or (_numbered_folder(data) if out is None else files.user_path(out))
            stack.enter_context(hold_folder(folder))
        except OSError as error:
            raise SavedError(
                f"The run folder cannot be created in {str(resume or out or RUNS)!r}: "
                f"{error.strerror}. Choose another with --out DIR."
            ) from None
        if resume is None:
            _check_empty(folder)
        yield folder


def _numbered_folder(data: str) -> Path:
    """Create and return the next free folder `runs/<data>-<n>`."""
    stem = source_name(data) or "run"
    Path(RUNS).mkdir(exist_ok=True)
    names = (path.name.rpartition("-") for path in Path(RUNS).iterdir())
    taken = (int(number) for name, _, number in names if name == stem and number.isdecimal())
    number = max(taken, default=0) + 1
    while True:
        folder = Path(RUNS, f"{stem}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:  # another process has just taken the number
            number += 1
        else:
            return folder


def _check_empty(folder: Path) -> None:
    """Check that a folder that this process holds contains nothing else.

    Raises:
        SavedError: with the command to resume the run in it.
    """
    if all(entry.name == LOCK for entry in folder.iterdir()):
        return
    kind = kind_of_run(folder)
    hint = f", or resume the run in it: {format_command(kind, '--resume', folder)}" if kind else ""
    raise SavedError(
        f"{str(folder)!r} is not empty, and a run never overwrites files: choose another "
        f"--out{hint}"
    )


def start_run(folder: Path, experiment: Experiment, preprocessor: Any) -> None:
    """Write the experiment and preprocessing before the first epoch, so that a run can resume.

    The record of an earlier training in the folder is removed, unless the files stay the same.
    """
    before = _settings_files(folder)
    experiment_file.write_experiment(folder / experiment_file.FILE, experiment)
    with files.replacing(folder) as new:
        content = {"fitted": preprocessor.to_dict()}
        manifests.write_manifest(new, PREPROCESSING, SavedPreprocessing, content)
    if _settings_files(folder) != before:
        files.current_path(folder, RECORD).unlink(missing_ok=True)


@contextlib.contextmanager
def resumed_run(folder: Path) -> Iterator[None]:
    """Put back the experiment, preprocessing and record if a run refuses to resume.

    It does so for other data or settings, before the first epoch.
    """
    before = {**_settings_files(folder), RECORD: _content(files.current_path(folder, RECORD))}
    try:
        yield
    except SavedError:
        with files.replacing(folder) as new:
            for name, content in before.items():
                if content is not None:
                    (new / name).write_bytes(content)
        raise


def _settings_files(folder: Path) -> dict[str, bytes | None]:
    """Return the content of the files that `start_run` writes; None where there is none."""
    names = (experiment_file.FILE, PREPROCESSING)
    return {name: _content(files.current_path(folder, name)) for name in names}


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def discard_run(folder: Path) -> None:
    """Empty the folder of a new run that has failed, which is then removed as it is released."""
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name != LOCK:
            with contextlib.suppress(OSError):
                entry.unlink()


def finish_run(
    folder: Path,
    model: Model,
    scored: Model | None,
    record: Mapping[str, Any],
    notes: list[str],
) -> None:
    """Write the model, the notes and the results of the training.

    Args:
        folder: of the run.
        model: the trained model.
        scored: the model that was scored on the validation rows, if it is another one.
        record: the results.
        notes: sentences.
    """
    shutil.rmtree(folder / SCORED, ignore_errors=True)
    if scored is not None:
        save_model(scored, folder / SCORED)
    save_model(model, folder)
    with files.replacing(folder) as new:
        manifests.write_manifest(new, NOTES, Notes, {"notes": list(notes)})
        names = RUN_FILES if scored is None else (*RUN_FILES, SCORED_MODEL)
        others = {name: files.current_path(folder, name) for name in names}
        manifests.write_manifest(new, RECORD, RunRecord, finite_or_none(record), others)


def read_notes(folder: Path) -> list[str]:
    """Return the notes of a run.

    Raises:
        SavedError: if they are missing or damaged.
    """
    return manifests.read_manifest(folder, NOTES, Notes).notes
