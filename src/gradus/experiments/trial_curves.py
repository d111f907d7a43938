"""The learning curves of a sweep's trials, kept in the folder of its best run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradus import files
from gradus.errors import SavedError
from gradus.sweep.search.trial import Trial
from gradus.train.history import History

FILE = "curves.parquet"
KEYS = ("trial", "member", "epoch")


def write_curves(folder: Path, trials: Sequence[Trial]) -> None:
    """Write the curves of all trials that have some: a row for each epoch of each member.

    Args:
        folder: where `curves.parquet` is written.
        trials: of a sweep.
    """
    import polars as pl

    frames = [
        history.frame().select(
            pl.lit(trial.number).alias("trial"), pl.lit(member).alias("member"), pl.all()
        )
        for trial in trials
        for member, history in enumerate(trial.histories)
        if history.epochs
    ]
    if frames:
        files.write_table(folder / FILE, pl.concat(frames, how="diagonal_relaxed"))


def restore_curves(folder: Path, trials: Sequence[Trial]) -> None:
    """Give trials without histories those that were written for them.

    Args:
        folder: that has the file; without it the trials stay as they are.
        trials: of the same sweep, taken from its storage.

    Raises:
        SavedError: if the file is damaged.
    """
    import polars as pl

    path = files.current_path(folder, FILE)
    if not path.exists():
        return
    try:
        kept = pl.read_parquet(path).partition_by("trial", as_dict=True)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SavedError(f"{str(path)!r} is damaged: {error}") from None
    for trial in trials:
        frame = kept.get((trial.number,))
        if frame is None or trial.histories or frame["epoch"].max() != trial.epochs:
            continue
        for part in frame.partition_by("member"):
            history = History()
            columns = [
                series for series in part if series.name not in KEYS and series.is_not_null().any()
            ]
            history.extend({series.name: series.to_numpy() for series in columns}, part.height)
            trial.histories.append(history)
