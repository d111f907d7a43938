"""Whether data are read in parts: as the settings say, or because memory is too small for them."""

from __future__ import annotations

from pathlib import Path

from gradus.data import stream
from gradus.data.reading.compression import PACKED
from gradus.data.streaming.mapped_files import is_packed
from gradus.data.streaming.open_rows import is_streamed
from gradus.errors import DataError
from gradus.experiments.settings.experiment import Experiment, ExperimentError
from gradus.host_memory import host_free_bytes

IN_MEMORY, ARRAYS_IN_MEMORY = 6, 3  # times the bytes of a file, which reading and encoding takes
NPZ = ".npz"
UNPACKED = 5  # times the bytes of a packed file, which its text has


def reads_in_parts(experiment: Experiment, again: bool = False) -> bool:
    """Return whether an experiment's data are read in parts, as it says or as memory is small.

    Other rows are held out in parts than in memory, so data of an earlier training are read as they
    were then.

    Args:
        experiment: the settings.
        again: whether they are those of an earlier training.
    """
    if experiment.stream is not None or again:
        return bool(experiment.stream)
    return is_too_large(Path(experiment.data))


def reading_lines(experiment: Experiment, again: bool = False) -> list[str]:
    """Return what to say before data are read that may be larger than memory.

    Args:
        experiment: the settings.
        again: whether an earlier training goes on.
    """
    if reads_in_parts(experiment, again):
        return ["reading   all rows in parts: to check them, for statistics, in each epoch"]
    if again and experiment.stream is None and is_too_large(Path(experiment.data)):
        return [
            "reading   all rows into memory, as they were before, although they may not fit into "
            "what is free"
        ]
    return []


def is_too_large(path: Path) -> bool:
    """Return whether a table would take more than the free memory.

    Args:
        path: of the table; what is no file or folder of a table takes none.
    """
    if path.is_dir():
        files = [entry for entry in path.iterdir() if entry.suffix.lower() == ".parquet"]
    else:
        files = [path] if path.is_file() and _can_be_streamed(path) else []
    suffix = path.suffix.lower()
    times = ARRAYS_IN_MEMORY if suffix == NPZ else IN_MEMORY * (UNPACKED if suffix in PACKED else 1)
    return times * sum(file.stat().st_size for file in files) > host_free_bytes()


def _can_be_streamed(path: Path) -> bool:
    """Return whether a file can be read in parts, as a compressed .npz file cannot."""
    return is_streamed(path) or (path.suffix.lower() == NPZ and not is_packed(path))


def check_settings(experiment: Experiment, path: Path) -> None:
    """Check that an experiment has no settings that data in parts lack.

    Raises:
        ExperimentError: naming the setting, with what to write instead.
        DataError: for data that are no table.
    """
    training = experiment.training
    is_arrays = path.suffix.lower() == NPZ
    if not path.exists() or not (path.is_dir() or is_arrays or is_streamed(path)):
        raise DataError(
            f"stream = true reads .parquet files, folders of them, .csv, .npy, and .npz files in "
            f"parts, not {experiment.data!r}: leave it out."
        )
    if training.batch_size == "all":
        raise ExperimentError(
            'batch_size = "all" needs all rows in memory, but they are read in parts (stream): '
            "write a number, such as 1024."
        )
    if experiment.target is None and not is_arrays:
        names = ", ".join(stream(experiment.data).schema)
        raise ExperimentError(
            f"{path.name} is a table: name the column to predict, with --target COLUMN or "
            f'target = "…". Its columns: {names}.'
        )
