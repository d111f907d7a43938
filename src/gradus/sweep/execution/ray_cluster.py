"""The trainings of a sweep on a Ray cluster: chunks of members are tasks, each sized to a node.

The members of a chunk whose machine dies are trained again elsewhere, from where they stood when
they were sent. As only whole chunks are taken over, nothing is counted twice.
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

MOST_CPUS = 16  # of one task, whose threads share one Python
AHEAD = 2  # tasks submitted for each that can run, so that no node waits for the next
RETRIES = 3  # by Ray, and as often again by ourselves
TICK = 5.0  # seconds without a result, after which it is asked whether the tasks still fit a node
CALLS = 3  # to a head that listens, until it is taken for another server
KNOCK = 10.0  # seconds in which a head accepts a connection
GRACE = 60.0  # seconds in which a cluster without a fitting node may get one


class TaskLayout(NamedTuple):
    """How the nodes are used: the cores of each task, and how many tasks run at a time."""

    cpus: int
    tasks: int


@dataclasses.dataclass
class Chunk:
    """Members that are one task.

    Attributes:
        members: at most one sweep's.
        cpus: of the task, once it is submitted.
        losses: how often it was lost though Ray had tried it several times.
    """

    members: list[Member]
    cpus: int = 0
    losses: int = 0


class Cluster:
    """A Ray cluster: each task trains a chunk of members on the cores of one node.

    Args:
        address: "auto" for the cluster that this machine is a node of, or that `ray.init` was
            called for; else its head's, "ray://host:10001".
        cpus: of each task, a thread for each; None for what fills the nodes.
        gpus: of each task; without any it trains on the CPU.
        width: how many members are trained side by side, by mapping the program; None for 1 on a
            CPU and 16 on a GPU, without measuring what is faster there.

    Raises:
        GradusError: for numbers that cannot be; and when members are trained, if Ray, its cluster
            or a fitting node is missing.
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
        self._known: tuple[MemberFactory, str] | None = None
        self._sent: tuple[Any, Any] = (None, None)

    def run(self, members: Iterable[Member], until: int | None = None) -> Iterator[list[Member]]:
        """Train members, built one after another, and yield them as they are done.

        What is under way when the caller leaves, by Ctrl-C too, is cancelled.
        """
        factory = getattr(members, "factory", None)
        if factory is None:
            raise GradusError("Only the members of a Sweep can be trained on other machines.")
        ray = self._connect()
        stream = iter(members)
        todo: deque[Chunk] = deque()
        jobs: dict[Any, Chunk] = {}
        try:
            while True:
                layout = self._task_layout(ray, wait=not jobs)
                most = AHEAD * layout.tasks
                if not todo and len(jobs) < most:
                    size = layout.tasks * layout.cpus * CHUNK
                    todo.extend(make_chunks(list(itertools.islice(stream, size)), layout))
                while todo and len(jobs) < most:
                    chunk = todo.popleft()
                    jobs[self._submit(ray, factory, chunk, layout.cpus, until)] = chunk
                if not jobs:
                    return
                for chunk in self._arrived(ray, jobs, todo):
                    yield chunk.members
        finally:
            _cancel(ray, jobs)

    def _submit(
        self, ray: Any, factory: MemberFactory, chunk: Chunk, cpus: int, until: int | None
    ) -> Any:
        """Return a reference to what the training of a chunk will give."""
        requests = [ray_task.MemberRequest.create(member) for member in chunk.members]
        train, payload = self._task_and_payload(ray, factory)
        chunk.cpus = cpus
        sizes = {"num_cpus": cpus, "num_gpus": self.gpus, "max_retries": RETRIES}
        return train.options(**sizes).remote(payload, requests, until, cpus, self.width)

    def _task_and_payload(self, ray: Any, factory: MemberFactory) -> tuple[Any, Any]:
        """Return the task, and what all members are made of, put into Ray's store once."""
        known = factory, ray.get_runtime_context().get_job_id()
        if known != self._known:
            payload = ray.put(ray_task.SweepPayload.create(factory))
            self._known, self._sent = known, (ray.remote(ray_task.train_members), payload)
        return self._sent

    def _arrived(self, ray: Any, jobs: dict[Any, Chunk], todo: deque[Chunk]) -> Iterator[Chunk]:
        """Yield what has come back; what was lost, or fits no node any more, is to do again."""
        ready, _ = ray.wait(list(jobs), timeout=TICK)
        if not ready:
            nodes = _nodes(ray)
            stuck = [
                ref
                for ref, chunk in jobs.items()
                if not any(_tasks_on(node, chunk.cpus, self.gpus) for node in nodes)
            ]
            _cancel(ray, stuck)
            todo.extend(jobs.pop(ref) for ref in stuck)
        for ref in ready:
            chunk = jobs.pop(ref)
            if _took_over(ray, ref, chunk):
                yield chunk
            else:
                todo.append(chunk)

    def _task_layout(self, ray: Any, wait: bool) -> TaskLayout:
        """Return how the nodes are used; where none can be, wait for one if there is nothing else.

        Raises:
            GradusError: if it waited in vain.
        """
        began = time.monotonic()
        while True:
            layout = plan_tasks(_nodes(ray), self.cpus, self.gpus)
            if layout is not None or not wait:
                return layout or TaskLayout(0, 0)
            if time.monotonic() - began > GRACE:
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
            tries = _listens(self.address) * CALLS if client else 1
            while tries:
                try:
                    ray.init(self.address, logging_level=logging.WARNING, log_to_driver=False)
                    return ray
                except ConnectionError:  # of a busy head too, which has 30 s to answer
                    tries -= 1
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
    """Return how nodes are used: tasks as large as leaves at most a tenth of the cores idle.

    Args:
        nodes: how many "CPU" and "GPU" each has.
        cpus: of each task; None for what suits.
        gpus: of each task.

    Returns:
        The cores of a task, and how many tasks run at a time; None if no node can run one.
    """
    sizes = {cpus} if cpus else {_cpus_per_task(node, gpus) for node in nodes} - {0}
    crews = [TaskLayout(size, sum(_tasks_on(node, size, gpus) for node in nodes)) for size in sizes]
    most = max((layout.cpus * layout.tasks for layout in crews), default=0)
    return max((c for c in crews if c.tasks and c.cpus * c.tasks >= 0.9 * most), default=None)


def make_chunks(members: Sequence[Member], layout: TaskLayout) -> list[Chunk]:
    """Return members in chunks; those of one structure, one program, are side by side."""
    kinds: dict[Hashable, list[Member]] = {}
    for member in members:
        kinds.setdefault(member.program_key, []).append(member)
    ordered = [member for kind in kinds.values() for member in kind]
    # All nodes have something to do before all cores of one; several tasks each, to end evenly.
    least = min(layout.cpus, math.ceil(len(ordered) / layout.tasks))
    even = math.ceil(len(ordered) / (AHEAD * layout.tasks))
    size = max(1, least, min(even, layout.cpus * CHUNK))
    return [Chunk(ordered[at : at + size]) for at in range(0, len(ordered), size)]


def _listens(address: str) -> bool:
    """Return whether anything listens at an address of the form ray://host:port."""
    try:
        parts = urlsplit(address)
        socket.create_connection((parts.hostname, parts.port or 10001), timeout=KNOCK).close()
    except (OSError, ValueError):
        return False
    return True


def _cpus_per_task(node: Mapping[str, float], gpus: int) -> int:
    """Return the cores of a task that fills a node, with as many others as its GPUs are for."""
    tasks = int(node.get("GPU", 0) // gpus) if gpus else 1
    return min(MOST_CPUS, int(node.get("CPU", 0) // tasks)) if tasks else 0


def _tasks_on(node: Mapping[str, float], cpus: int, gpus: int) -> int:
    """Return how many tasks a node can run at a time."""
    tasks = int(node.get("CPU", 0) // cpus)
    return min(tasks, int(node.get("GPU", 0) // gpus)) if gpus else tasks


def _nodes(ray: Any) -> list[dict[str, float]]:
    """Return what each node that is alive has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _took_over(ray: Any, ref: Any, chunk: Chunk) -> bool:
    """Put what came back into a chunk's members; return whether it came back."""
    try:
        # Copies: what Ray gives lies in its store, which many trials would fill.
        found = copy.deepcopy(ray.get(ref))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, GradusError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError:
        chunk.losses += 1
        if chunk.losses > RETRIES:
            raise
        return False
    for member, one in zip(chunk.members, found, strict=True):
        if isinstance(one, str):
            member.error = one
        else:
            member.train_state, member.model.history = one
    return True


def _cancel(ray: Any, refs: Iterable[Any]) -> None:
    for ref in refs:
        ray.cancel(ref, force=True)
