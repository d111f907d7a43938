"""Executors: they train the members of trials, on this machine or on a Ray cluster."""

from __future__ import annotations

from typing import Any

from gradus.checks import is_word
from gradus.errors import GradusError, unknown
from gradus.sweep.execution.executor import Executor
from gradus.sweep.execution.local import Local
from gradus.sweep.execution.ray_cluster import Cluster


def get_executor(executor: Any) -> Executor:
    """Return the executor with a name, or an executor as it is; `Local()` for None.

    Args:
        executor: "local", "ray", the address of a Ray cluster such as "ray://head:10001", or an
            object with `run(members, until)`.

    Raises:
        GradusError: for an unknown name, with the nearest valid one, or anything else.
    """
    if executor is None or is_word(executor, ("local",)):
        return Local()
    if is_word(executor, ("ray",)):
        return Cluster()
    if isinstance(executor, str):
        if executor.startswith("ray://") and len(executor) > len("ray://"):
            return Cluster(executor)
        raise unknown("executor", executor, ["local", "ray", "ray://HOST:10001"])
    if not callable(getattr(executor, "run", None)):
        raise GradusError(
            f"executor={executor!r} is no executor: write 'local', 'ray', 'ray://HOST:10001', or "
            "an object such as Local(workers=2) or Cluster(cpus=4)."
        )
    custom: Executor = executor
    return custom
