"""Trains a sweep on a Ray cluster: each task trains a chunk of members on one node.

If a node dies, its chunks are trained again elsewhere, from the train states that were sent. Only
complete chunks are received, so nothing is counted twice.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import logging
import math
import socket
import time
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from gradus.checks import whole_number
from gradus.errors import GradusError
from gradus.optional import import_optional
from gradus.sweep.execution import ray_task
from gradus.sweep.execution.executor import CHUNK
from gradus.sweep.members.factory import MemberFactory
from gradus.sweep.members.member import Member

MAX_TASK_CPUS = 16  # per task, whose threads share one Python process
TASKS_AHEAD = 2  # tasks submitted per running task, so that no node idles
MAX_RETRIES = 3  # by Ray, and as often again by this module
POLL_SECONDS = (
    5.0  # seconds without a result, after which it is asked whether the tasks still fit a node
)
CONNECT_ATTEMPTS = 3  # to a listening head, which may be busy or no Ray server at all
CONNECT_SECONDS = 10.0  # for a head to accept a connection
NODE_WAIT_SECONDS = 60.0  # for a node that can run a task to join the cluster


class TaskLayout(NamedTuple):
    """The cores of each task, and how many tasks run at a time."""

    cpus: int
    tasks: int


@dataclasses.dataclass
class Chunk:
    """The members of one task.

    Attributes:
        members: members of one sweep.
        cpus: the cores of the task, once it is submitted.
        losses: how often it was lost after all of Ray's retries.
    """

    members: list[Member]
    cpus: int = 0
    losses: int = 0


class Cluster:
    """Trains on a Ray cluster: each task trains a chunk of members on the cores of one node.

    Args:
        address: "auto" for the cluster of this machine or of `ray.init`; else the address of its
            head, "ray://host:10001".
        cpus: the cores of each task, with a thread for each; None to fill the nodes.
        gpus: the GPUs of each task; with 0 it trains on the CPU.
        width: the number of members vectorized (`jax.vmap`); None for 1 on a CPU and 16 on a GPU,
            without autotuning.

    Raises:
        GradusError: for invalid numbers; in training, if Ray, its cluster, or a suitable node is
            missing.
    """

    def __init__(
        self,
        address: str = "auto",
        *,
        cpus: int | None = None,
        gpus: int = 0,
        width: int | None = None,
    ) -> None:
        self.address, self.gpus = address, whole_number("gpus", gpus)
        self.width = None if width is None else whole_number("width", width, 1)
        self.cpus = None if cpus is None else whole_number("cpus", cpus, 1)
        self._sent: dict[tuple[MemberFactory, str], tuple[Any, Any]] = {}

    def run(self, members: Iterable[Member], until: int | None = None) -> Iterator[list[Member]]:
        """Train members, built one after another, and yield them as they are done.

        Running tasks are canceled when the caller stops, also by Ctrl-C.
        """
        factory = getattr(members, "factory", None)
        if factory is None:
            raise GradusError("Only the members of a Sweep can be trained on other machines.")
        ray = self._connect()
        stream = iter(members)
        pending: deque[Chunk] = deque()
        jobs: dict[Any, Chunk] = {}
        try:
            while True:
                layout = self._task_layout(ray, wait=not jobs)
                max_jobs = TASKS_AHEAD * layout.tasks
                if not pending and len(jobs) < max_jobs:
                    size = layout.tasks * layout.cpus * CHUNK
                    pending.extend(make_chunks(list(itertools.islice(stream, size)), layout))
                while pending and len(jobs) < max_jobs:
                    chunk = pending.popleft()
                    jobs[self._submit(ray, factory, chunk, layout.cpus, until)] = chunk
                if not jobs:
                    return
                for chunk in self._collect(ray, jobs, pending):
                    yield chunk.members
        finally:
            _cancel(ray, jobs)

    def _submit(
        self, ray: Any, factory: MemberFactory, chunk: Chunk, cpus: int, until: int | None
    ) -> Any:
        """Submit a chunk; return the reference to its result."""
        requests = [ray_task.MemberRequest.create(member) for member in chunk.members]
        train, payload = self._task_and_payload(ray, factory)
        chunk.cpus = cpus
        sizes = {"num_cpus": cpus, "num_gpus": self.gpus, "max_retries": MAX_RETRIES}
        return train.options(**sizes).remote(payload, requests, until, cpus, self.width)

    def _task_and_payload(self, ray: Any, factory: MemberFactory) -> tuple[Any, Any]:
        """Return the Ray task and the payload, put into Ray's store once per sweep and job."""
        key = factory, ray.get_runtime_context().get_job_id()
        if key not in self._sent:
            payload = ray.put(ray_task.SweepPayload.create(factory))
            self._sent = {key: (ray.remote(ray_task.train_members), payload)}
        return self._sent[key]

    def _collect(self, ray: Any, jobs: dict[Any, Chunk], pending: deque[Chunk]) -> Iterator[Chunk]:
        """Yield finished chunks; requeue those that were lost or fit no node any more."""
        ready, _ = ray.wait(list(jobs), timeout=POLL_SECONDS)
        if not ready:
            nodes = _nodes(ray)
            unplaceable = [
                ref
                for ref, chunk in jobs.items()
                if not any(_tasks_per_node(node, chunk.cpus, self.gpus) for node in nodes)
            ]
            _cancel(ray, unplaceable)
            pending.extend(jobs.pop(ref) for ref in unplaceable)
        for ref in ready:
            chunk = jobs.pop(ref)
            if _receive(ray, ref, chunk):
                yield chunk
            else:
                pending.append(chunk)

    def _task_layout(self, ray: Any, wait: bool) -> TaskLayout:
        """Return the layout of tasks; if no node can run one, wait for a node if `wait` is set.

        Raises:
            GradusError: if no such node joins in time.
        """
        started = time.monotonic()
        while True:
            layout = plan_tasks(_nodes(ray), self.cpus, self.gpus)
            if layout is not None or not wait:
                return layout or TaskLayout(0, 0)
            if time.monotonic() - started > NODE_WAIT_SECONDS:
                raise GradusError(
                    f"No node of the Ray cluster has {self.cpus or 1} CPUs and {self.gpus} GPUs: "
                    "start one with ray start --address=HEAD:6379, or ask for less in "
                    "Cluster(cpus=…, gpus=…). The trials that have ended are kept."
                )
            time.sleep(0.2)

    def _connect(self) -> Any:
        """Return Ray, connected to the cluster."""
        ray = import_optional("ray", "A sweep on a Ray cluster", "ray")
        client = self.address.startswith("ray://")
        if client:
            import_optional("grpc", "A sweep on a Ray cluster by ray://", "ray")
        if not ray.is_initialized():
            attempts = _is_listening(self.address) * CONNECT_ATTEMPTS if client else 1
            while attempts:
                try:
                    ray.init(self.address, logging_level=logging.WARNING, log_to_driver=False)
                    return ray
                except ConnectionError:  # also from a busy head, which has 30 s to answer
                    attempts -= 1
            where = f"at {self.address}" if client else "that this machine is a node of"
            raise GradusError(
                f"There is no Ray cluster {where}: run ray start --head on one machine and "
                "ray start --address=HEAD:6379 on each of the others, then write "
                "executor='ray' on one of them, or executor='ray://HEAD:10001' elsewhere."
            )
        if client and not ray.util.client.ray.is_connected():
            raise GradusError(
                f"Ray is connected to another cluster than {self.address}: write executor='ray' "
                "for that one, or call ray.shutdown() first."
            )
        return ray


def plan_tasks(
    nodes: Sequence[Mapping[str, float]], cpus: int | None, gpus: int
) -> TaskLayout | None:
    """Return the layout with the largest tasks that use at least 90 % of the usable cores.

    Args:
        nodes: the "CPU" and "GPU" counts of each node.
        cpus: the cores of each task; None to choose.
        gpus: the GPUs of each task.

    Returns:
        The layout; None if no node can run a task.
    """
    sizes = {cpus} if cpus else {_cpus_per_task(node, gpus) for node in nodes} - {0}
    layouts = [
        TaskLayout(size, sum(_tasks_per_node(node, size, gpus) for node in nodes)) for size in sizes
    ]
    most = max((layout.cpus * layout.tasks for layout in layouts), default=0)
    return max((c for c in layouts if c.tasks and c.cpus * c.tasks >= 0.9 * most), default=None)


def make_chunks(members: Sequence[Member], layout: TaskLayout) -> list[Chunk]:
    """Return members in chunks; members of one program are next to each other."""
    by_program: dict[Hashable, list[Member]] = {}
    for member in members:
        by_program.setdefault(member.program_key, []).append(member)
    ordered = [member for group in by_program.values() for member in group]
    # Spread work over all nodes before filling one; several tasks per node, to finish together.
    least = min(layout.cpus, math.ceil(len(ordered) / layout.tasks))
    balanced = math.ceil(len(ordered) / (TASKS_AHEAD * layout.tasks))
    size = max(1, least, min(balanced, layout.cpus * CHUNK))
    return [Chunk(ordered[start : start + size]) for start in range(0, len(ordered), size)]


def _is_listening(address: str) -> bool:
    """Return whether a server listens at an address of the form ray://host:port."""
    try:
        parts = urlsplit(address)
        socket.create_connection(
            (parts.hostname, parts.port or 10001), timeout=CONNECT_SECONDS
        ).close()
    except (OSError, ValueError):
        return False
    return True


def _cpus_per_task(node: Mapping[str, float], gpus: int) -> int:
    """Return the cores of a task if a node is filled with one task, or one per set of GPUs."""
    tasks = int(node.get("GPU", 0) // gpus) if gpus else 1
    return min(MAX_TASK_CPUS, int(node.get("CPU", 0) // tasks)) if tasks else 0


def _tasks_per_node(node: Mapping[str, float], cpus: int, gpus: int) -> int:
    """Return how many tasks a node can run at a time."""
    tasks = int(node.get("CPU", 0) // cpus)
    return min(tasks, int(node.get("GPU", 0) // gpus)) if gpus else tasks


def _nodes(ray: Any) -> list[dict[str, float]]:
    """Return the resources of each node that is alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _receive(ray: Any, ref: Any, chunk: Chunk) -> bool:
    """Set a chunk's members to the results; return False if the task was lost."""
    try:
        # Copies, as Ray's results stay in its store, which many trials would fill.
        results = copy.deepcopy(ray.get(ref))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, GradusError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError:
        chunk.losses += 1
        if chunk.losses > MAX_RETRIES:
            raise
        return False
    for member, result in zip(chunk.members, results, strict=True):
        if isinstance(result, str):
            member.error = result
        else:
            member.train_state, member.model.history = result
    return True


def _cancel(ray: Any, refs: Iterable[Any]) -> None:
    for ref in refs:
        ray.cancel(ref, force=True)
