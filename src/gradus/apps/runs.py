"""Run folders: the files that a training writes, and reading them."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gradus import files
from gradus.apps import experiment_file
from gradus.apps.experiment_file import Experiment
from gradus.data import Target, preprocessor_from_dict
from gradus.data.targets import require_target
from gradus.errors import SavedError, nearest
from gradus.models.model import Model

RUNS = "runs"
RECORD, KIND = "run.json", "run"
PREPROCESSING, FINDINGS, REPORT = "preprocessing.json", "findings.json", "report.html"
CHECKPOINT = "checkpoint"
SWEEP = "sweep.toml"


@dataclass(frozen=True)
class Run:
    """The folder of a training, whose files are read when they are needed.

    Attributes:
        folder: its path.
    """

    folder: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        """The results of the training: `metrics`, `split`, `parts`, `epochs`, …."""
        return files.read_manifest(self.folder, RECORD, KIND)

    @cached_property
    def experiment(self) -> Experiment:
        """The settings that repeat the training."""
        return experiment_file.check_experiment(
            experiment_file.read_settings(self.folder / experiment_file.FILE),
            str(self.folder / experiment_file.FILE),
        )

    @cached_property
    def preprocessor(self) -> Any:
        """The fitted preprocessor, from data to the network's inputs."""
        saved = files.read_manifest(self.folder, PREPROCESSING, "preprocessing")
        return preprocessor_from_dict(saved)

    @cached_property
    def target(self) -> Target:
        """The fitted target."""
        return require_target(self.preprocessor.target)

    @cached_property
    def model(self) -> Model:
        """The trained model."""
        return Model.load(self.folder)


def open_run(name: str | Path) -> Run:
    """Open the run at a path, or with a name in the folder `runs`.

    Raises:
        SavedError: if there is none (with the nearest name), it is unfinished, or it is too new.
    """
    folder = find_run(name)
    run = Run(folder)
    finished = files.valid(folder, RECORD).exists()
    if not finished and files.valid(folder, SWEEP).exists():
        raise SavedError(
            f"The sweep of {str(folder)!r} has not finished. To resume it: gradus sweep --resume "
            f"{folder}"
        )
    if not finished and files.valid(folder, experiment_file.FILE).exists():
        raise SavedError(
            f"The training of {str(folder)!r} has not finished. To resume it: gradus train "
            f"--resume {folder}"
        )
    run.record  # noqa: B018 - reading it is the check
    return run


def find_run(name: str | Path) -> Path:
    """Return the run folder at a path, or with a name in the folder `runs`.

    Raises:
        SavedError: if there is none, with the nearest name.
    """
    folder = Path(name).expanduser()
    for candidate in (folder, Path(RUNS) / folder):
        if candidate.is_dir():
            return candidate
    known = [entry.name for entry in Path(RUNS).glob("*/")] if Path(RUNS).is_dir() else []
    close = nearest(folder.name, known)
    hint = f" Did you mean {str(Path(RUNS) / close)!r}?" if close else ""
    raise SavedError(f"There is no run {str(name)!r}.{hint} `gradus runs` lists them.")


def make_run_folder(out: str | None, data: str) -> Path:
    """Create and return an empty folder for a run: `out`, or the next free `runs/<data>-<n>`.

    Raises:
        SavedError: if `out` is not empty, or the folder cannot be created.
    """
    try:
        if out is not None:
            folder = Path(out).expanduser()
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise SavedError(
                    f"{str(folder)!r} is not empty, and a run never overwrites files: choose "
                    f"another --out, or resume the run in it: --resume {folder}"
                )
            return folder
        stem = Path(data).name.split(".")[0] or "run"
        Path(RUNS).mkdir(exist_ok=True)
        numbers = (
            int(p.name.removeprefix(f"{stem}-"))
            for p in Path(RUNS).glob(f"{stem}-*")
            if p.name.removeprefix(f"{stem}-").isdecimal()
        )
        number = max(numbers, default=0) + 1
        while True:  # another process may take the same number at the same time
            folder = Path(RUNS) / f"{stem}-{number}"
            try:
                folder.mkdir()
            except FileExistsError:
                number += 1
            else:
                return folder
    except OSError as error:
        where = out or RUNS
        raise SavedError(
            f"The run folder cannot be created in {where!r}: {error.strerror}. Choose another with "
            "--out DIR."
        ) from None


def start_run(folder: Path, experiment: Experiment, preprocessor: Any) -> None:
    """Write the experiment and preprocessing before the first epoch, so that a run can resume."""
    experiment_file.write_experiment(folder / experiment_file.FILE, experiment)
    with files.replacing(folder) as new:
        files.write_manifest(new, PREPROCESSING, "preprocessing", preprocessor.to_dict())


def discard_run(folder: Path) -> None:
    """Remove the folder of a training that failed before its first checkpoint."""
    if not (folder / CHECKPOINT).exists():
        shutil.rmtree(folder, ignore_errors=True)


def finish_run(folder: Path, model: Model, record: Mapping[str, Any], notes: list[str]) -> None:
    """Write the model, the notes and the results of the training."""
    model.save(folder)
    findings = [{"kind": "note", "message": note} for note in notes]
    with files.replacing(folder) as new:
        files.write_manifest(new, FINDINGS, "findings", {"findings": findings})
        files.write_manifest(new, RECORD, KIND, finite_or_none(record))


def finite_or_none(value: Any) -> Any:
    """Return `value` with None instead of NaN and infinity, which JSON lacks."""
    if isinstance(value, Mapping):
        return {key: finite_or_none(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite_or_none(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def list_runs(folder: Path) -> list[dict[str, Any]]:
    """Return a summary of each run in a folder, oldest first.

    Raises:
        SavedError: if there is no such folder.
    """
    if not folder.is_dir():
        if folder == Path(RUNS):
            return []
        raise SavedError(f"There is no folder {str(folder)!r}.")
    times = {entry: _start_time(entry) for entry in folder.iterdir()}
    runs = sorted((time, entry) for entry, time in times.items() if time is not None)
    return [_summarize(entry) for _, entry in runs]


def _start_time(folder: Path) -> float | None:
    """Return the time a run's experiment was written, or None if the folder is not a run."""
    paths = [files.valid(folder, name) for name in (experiment_file.FILE, SWEEP)]
    return next((path.stat().st_mtime for path in paths if path.exists()), None)


def _summarize(folder: Path) -> dict[str, Any]:
    """Return the summary of a run; its status is the error if it cannot be read."""
    summary: dict[str, Any] = {"run": str(folder)}
    try:
        record = Run(folder).record
    except SavedError as error:
        finished = files.valid(folder, RECORD).exists()
        return {**summary, "status": str(error) if finished else "unfinished"}
    keys = ("status", "data", "task", "split", "metrics", "epochs", "parameters", "seconds")
    return {**summary, **{key: record.get(key) for key in keys}}


def read_findings(folder: Path) -> list[str]:
    """Return the notes of a run."""
    try:
        content = json.loads(files.valid(folder, FINDINGS).read_text("utf-8"))
        return [finding["message"] for finding in content["findings"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
