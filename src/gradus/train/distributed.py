"""Training one model with several processes, on one machine or on many.

Each process runs the same script on the same data and holds the whole model; with
`fit(devices="all")` each computes its share of every batch. JAX connects the processes, and XLA
moves the data between them.
"""

from __future__ import annotations

import json
import socket
import time
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from gradus.checks import whole_number
from gradus.errors import GradusError
from gradus.foreign_names.arguments import explain_arguments

if TYPE_CHECKING:
    from jaxtyping import PyTree, Shaped


@explain_arguments
def start(address: str, processes: int, index: int, timeout: int = 300) -> None:
    """Connect this process with the others; call it before JAX computes anything.

    It returns when all processes have connected; JAX ends a process whose wait times out. With one
    process there is nothing to connect.

    Args:
        address: "host:port" of process 0, the same in all of them.
        processes: how many there are.
        index: the number of this process, counted from 0.
        timeout: seconds to wait for the others.

    Raises:
        GradusError: for invalid arguments, after the first computation, or if process 0 does not
            answer in time.

    Examples:
        Process 0 of a training by one process; by two, start the script twice, with index 0 and 1.

        >>> gr.distributed.start("localhost:1234", processes=1, index=0)
    """
    host, _, port = str(address).rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise GradusError(
            f"address={address!r}: write the host and a free port of process 0, '10.0.0.1:1234'."
        )
    for name, value, least in (("processes", processes, 1), ("index", index, 0)):
        whole_number(name, value, least)
    if index >= processes:
        raise GradusError(
            f"index={index} of {processes} processes: they are counted from 0 to {processes - 1}."
        )
    if processes == 1:
        return
    if jax.distributed.is_initialized():
        raise GradusError("gr.distributed.start was called already: call it once in a process.")
    if index > 0:
        _await_main_process(host.strip("[]"), int(port), timeout)
    try:
        jax.distributed.initialize(address, processes, index, initialization_timeout=timeout)
    except RuntimeError as error:
        if "before any JAX" in str(error):
            raise GradusError(
                "gr.distributed.start comes too late: JAX has already computed something. Call it "
                "first, before a network is built or data are put on a device."
            ) from None
        raise GradusError(
            f"The {processes} processes did not connect at {address} (this is number {index}): "
            f"{error}"
        ) from None


def _await_main_process(host: str, port: int, timeout: float) -> None:
    """Wait until process 0 listens: JAX would end this process without saying which is missing."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise GradusError(
                    f"No answer from {host}:{port} after {timeout} s ({error}): is process 0 "
                    "started, does address= name its machine, and is the port open?"
                ) from None
            time.sleep(0.1)


def is_multi_process(mesh: Mesh | None) -> bool:
    """Return whether the devices of a training belong to several processes.

    Args:
        mesh: the devices, or None for one.

    Examples:
        >>> gr.distributed.is_multi_process(None)
        False
    """
    return mesh is not None and mesh.is_multi_process


def is_main_process(mesh: Mesh | None) -> bool:
    """Return whether this process writes files and shows progress for all of a training.

    Args:
        mesh: the devices, or None for one.

    Examples:
        >>> gr.distributed.is_main_process(None)
        True
    """
    return not is_multi_process(mesh) or jax.process_index() == 0


def max_over_processes(mesh: Mesh | None, *numbers: float) -> tuple[float, ...]:
    """Return the largest value of each number over all processes of a training.

    Args:
        mesh: the devices, or None for one.
        numbers: those of this process.

    Examples:
        >>> gr.distributed.max_over_processes(None, 0.5, 2.0)
        (0.5, 2.0)
    """
    if not is_multi_process(mesh):
        return numbers
    gathered = multihost_utils.process_allgather(np.asarray(numbers, np.float32))
    return tuple(float(number) for number in np.max(gathered, axis=0))


def check_processes_agree(
    mesh: Mesh | None, fingerprint: Mapping[str, Any], train_state: PyTree[Shaped[Any, "..."]]
) -> None:
    """Check that all processes of a training have the same model, data and settings.

    Args:
        mesh: the devices, or None for one.
        fingerprint: what must be the same, by name, as JSON holds it.
        train_state: the state before the first epoch.

    Raises:
        GradusError: in all processes, naming what differs and in which.

    Examples:
        >>> gr.distributed.check_processes_agree(None, {"epochs": 10}, train_state={})
    """
    if not is_multi_process(mesh):
        return
    sums = {name: zlib.crc32(json.dumps(value).encode()) for name, value in fingerprint.items()}
    sums["weights"] = 0
    for leaf in jax.tree.leaves(train_state):
        sums["weights"] = zlib.crc32(np.asarray(leaf).tobytes(), sums["weights"])
    own_sums = np.array(list(sums.values()), np.uint32)
    differences = np.argwhere(np.diff(multihost_utils.process_allgather(own_sums), axis=0))
    if len(differences):
        process, entry = differences[0]
        raise GradusError(
            f"Processes {process} and {process + 1} differ in {list(sums)[entry]!r}: give all "
            "processes of a training the same model, data and settings."
        )
