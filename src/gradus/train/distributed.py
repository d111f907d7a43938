"""Several processes that train one model together, on one machine or on many.

Each runs the same script on the same data and holds the whole model; `fit(devices="all")` has each
compute its share of every batch. JAX connects them and XLA moves the numbers.
"""

from __future__ import annotations

import json
import socket
import time
import zlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from gradus.errors import GradusError


def start(address: str, processes: int, index: int, timeout: int = 300) -> None:
    """Connect this process with the others; to be called before anything is computed.

    It returns when all are there; JAX ends a process that waited in vain for others. With one
    process there is nothing to connect.

    Args:
        address: "host:port" of process 0, the same in all of them.
        processes: how many there are.
        index: which of them this is, counted from 0.
        timeout: seconds to wait for the others.

    Raises:
        GradusError: for arguments that cannot be, after the first computation, or if process 0
            does not answer in time.
    """
    host, _, port = str(address).rpartition(":")
    if not host or not port.isdigit():
        raise GradusError(
            f"address={address!r}: write the host and a free port of process 0, '10.0.0.1:1234'."
        )
    for name, value, least in (("processes", processes, 1), ("index", index, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise GradusError(f"{name}={value!r}: write a whole number of at least {least}.")
    if index >= processes:
        raise GradusError(
            f"index={index} of {processes} processes: they are counted from 0 to {processes - 1}."
        )
    if processes == 1:
        return
    if jax.distributed.is_initialized():
        raise GradusError("gr.distributed.start was called before: once in a process is enough.")
    if index > 0:
        _await(host.strip("[]"), int(port), timeout)
    try:
        jax.distributed.initialize(address, processes, index, initialization_timeout=timeout)
    except RuntimeError as error:
        if "before any JAX" in str(error):
            raise GradusError(
                "gr.distributed.start comes too late: JAX has computed already. Call it first of "
                "all, before a network is built or data are put on a device."
            ) from None
        raise GradusError(
            f"The {processes} processes did not come together at {address} (this is number "
            f"{index}): {error}"
        ) from None


def _await(host: str, port: int, timeout: float) -> None:
    """Wait until process 0 listens: JAX would end this process without a word of who is missing."""
    last = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError as error:
            if time.monotonic() > last:
                raise GradusError(
                    f"Nobody answers at {host}:{port} after {timeout} s ({error}): is process 0 "
                    "started, does address= name its machine, and is the port open?"
                ) from None
            time.sleep(0.1)


def is_multi_process(mesh: Mesh | None) -> bool:
    """Return whether a training's devices are those of several processes."""
    return mesh is not None and mesh.is_multi_process


def is_main_process(mesh: Mesh | None) -> bool:
    """Return whether this process writes and shows what all of a training's processes know."""
    return not is_multi_process(mesh) or jax.process_index() == 0


def max_over_processes(mesh: Mesh | None, *numbers: float) -> tuple[float, ...]:
    """Return the largest of each number over a training's processes, the same in all of them."""
    if not is_multi_process(mesh):
        return numbers
    gathered = multihost_utils.process_allgather(np.asarray(numbers, np.float32))
    return tuple(float(number) for number in np.max(gathered, axis=0))


def check_processes_agree(mesh: Mesh | None, terms: Mapping[str, Any], train_state: Any) -> None:
    """Check that a training's processes were given the same.

    Args:
        mesh: the devices of the training.
        terms: what must be the same, by name, as JSON can hold it.
        train_state: where training stands, a tree of arrays.

    Raises:
        GradusError: in all processes, naming what differs and in which.
    """
    if not is_multi_process(mesh):
        return
    sums = {name: zlib.crc32(json.dumps(value).encode()) for name, value in terms.items()}
    sums["weights"] = 0
    for leaf in jax.tree.leaves(train_state):
        sums["weights"] = zlib.crc32(np.asarray(leaf).tobytes(), sums["weights"])
    mine = np.array(list(sums.values()), np.uint32)
    differ = np.argwhere(np.diff(multihost_utils.process_allgather(mine), axis=0))
    if len(differ):
        process, term = differ[0]
        raise GradusError(
            f"Processes {process} and {process + 1} differ in {list(sums)[term]!r}: all that train "
            "one model together are given the same model, data and settings."
        )
