"""A sweep on rows that are read in parts: what it cannot do, and how its trials are trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradus.data.streaming.batch_stream import Items, RowStream, as_stream
from gradus.errors import DataError, GradusError
from gradus.space import Space
from gradus.sweep.execution.executor import Executor
from gradus.sweep.execution.local import Local
from gradus.sweep.execution.shared_batches import SharedBatches
from gradus.sweep.members.data import PreparedInputs, SharedOrder


def refuse_batches(data: Mapping[str, Any]) -> None:
    """Refuse what yields its own batches or samples, such as a `DataLoader` or a generator.

    Args:
        data: the arguments of `Sweep.fit` by their names: x and validation_data.

    Raises:
        DataError: with what to write instead.
    """
    for name, given in data.items():
        if isinstance(given, Space | PreparedInputs | RowStream | tuple | list):
            continue
        stream = as_stream(given, name)
        if stream is not None:
            gathered = "stack" if isinstance(stream, Items) else "concatenate"
            raise DataError(
                f"{stream.name} gives samples in its own way, but a sweep takes arrays, or rows of "
                'a file that are read in parts, gr.data.stream("rows.parquet"). To sweep over its '
                f"samples, gather them: x, y = map(np.{gathered}, zip(*data))."
            )


def shared_order(
    x: Any, given: Mapping[str, Any], cv: int | None, fuse: bool | None
) -> SharedOrder | None:
    """Return in which batches rows that are read in parts come to all trials; None for arrays.

    Args:
        x: the inputs of the sweep.
        given: the arguments of `Sweep.fit`.
        cv: the number of folds, or None.
        fuse: as in `Sweep`.

    Raises:
        GradusError: for what needs all rows in memory, with what to write instead.
    """
    if not isinstance(x, RowStream):
        return None
    for name in ("batch_size", "shuffle_seed"):
        if isinstance(given[name], Space):
            raise GradusError(
                f"{name} = {given[name]!r}: the trials share the batches of {x.name}, which is "
                "read in parts, so it has one value: write that, or sweep over a sample of the "
                "rows, rows.preprocessor().xy(rows.sample(10_000).x)."
            )
    wanted = {"cv": cv, "fuse": fuse, "groups": given["groups"], "times": given["times"]}
    for name, value in wanted.items():
        if value not in (None, False):
            raise GradusError(
                f"{name}={value!r} needs all rows in memory, but {x.name} is read in parts: leave "
                "it out. validation_split and validation_data score the trials."
            )
    return SharedOrder(given["batch_size"], given["shuffle_seed"], given["shuffle"])


def stream_executor(executor: Executor) -> Executor:
    """Return what trains members on the batches that they share, on this machine.

    Raises:
        GradusError: for an executor on others, or one that vectorizes members.
    """
    if not isinstance(executor, Local) or executor.config.parallelism is not None:
        raise GradusError(
            f"executor={executor!r}: on rows that are read in parts, trials take their steps "
            'together, in threads of this machine: leave it out, or write "local" or '
            "Local(workers=2)."
        )
    return SharedBatches(executor.config.workers)
