"""The members of one program in an execution round: they wait while a thread compiles it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from gradus.errors import TooLargeError
from gradus.sweep.execution import autotune
from gradus.sweep.execution.memory_budget import MemoryBudget
from gradus.sweep.execution.population_program import PopulationProgram
from gradus.sweep.execution.vectorize import Parallelism
from gradus.sweep.execution.worker_config import WorkerConfig
from gradus.sweep.members.member import Member
from gradus.train import memory

CHUNK_SECONDS = 0.25  # of training at most before the results of a chunk are returned


class ProgramGroup:
    """Members of one program.

    Args:
        example_member: one of the members; it must be added too.
        config: how the machine trains.
        budget: the memory that all groups of the round share.
        until: the epoch to train to; None for each member's last.

    Attributes:
        program: the program.
        built: how many members were added.
        waiting: those that wait for a thread.
        compiling: whether compilation has started.
        compiled: done once the program is compiled.
    """

    def __init__(
        self, example_member: Member, config: WorkerConfig, budget: MemoryBudget, until: int | None
    ) -> None:
        self.config, self.budget, self.until = config, budget, until
        parallelism = config.parallelism or autotune.default_parallelism()
        self.program = PopulationProgram(example_member, parallelism)
        self.built = 0
        self.waiting: list[Member] = []
        self.compiling = False
        self.compiled: Future[None] = Future()

    def add(self, member: Member) -> None:
        """Add a member that was built."""
        self.waiting.append(member)
        self.built += 1

    @property
    def has_a_call(self) -> bool:
        """Whether enough members wait for one call of the program."""
        return len(self.waiting) >= self.program.parallelism.members

    def start_compiling(
        self, pool: ThreadPoolExecutor, expected_members: Callable[[], float]
    ) -> None:
        """Have a thread compile the program, unless one does, or did in an earlier round.

        Args:
            pool: the threads.
            expected_members: returns how many members the group is expected to have in the end.
        """
        if self.compiling:
            return
        self.compiling = True
        stats = self.config.program_stats.get(self.program.example_member.program_key)
        if stats is not None:
            self.program.stats = stats
            self.compiled.set_result(None)
        else:
            self.compiled = pool.submit(self._compile, expected_members)

    def _compile(self, expected_members: Callable[[], float]) -> None:
        """Compile the program for the parallelism that suits the machine and its memory.

        Raises:
            TooLargeError: if one member does not fit into memory.
        """
        program, available = self.program, self.budget.size
        with self.budget.working(0):
            program.note_varying(list(self.waiting))
            lowered = program.compile()
        memory.check_program(program.bytes_per_call // program.parallelism.members, available)
        if self.config.parallelism is None:
            chosen = self._choose_parallelism(lowered.as_text(), expected_members)
            program.set_parallelism(chosen)
        program.fit_memory(available // self.config.workers)
        memory.check_program(program.bytes_per_call, available)
        self.config.program_stats[program.example_member.program_key] = program.stats

    def _choose_parallelism(
        self, program_text: str, expected_members: Callable[[], float]
    ) -> Parallelism:
        """Return the best parallelism: cached, measured if training is long, or the default."""
        program, workers = self.program, self.config.workers
        cache_key = autotune.cache_key(program_text, workers)
        parallelism = autotune.load_cached(cache_key)
        program.note_varying(list(self.waiting))
        group_seconds = expected_members() * self._member_seconds / workers
        if parallelism is None and group_seconds >= autotune.MIN_TRAINING_SECONDS:
            with self.budget.exclusive():
                parallelism = autotune.measure_parallelism(program, workers, self.budget.size)
            if parallelism is not None:
                autotune.save_cached(cache_key, parallelism)
        return parallelism or program.parallelism

    @property
    def is_compiling(self) -> bool:
        """Whether a thread compiles the program now."""
        return self.compiling and not self.compiled.done()

    @property
    def is_ready(self) -> bool:
        """Whether members wait for a thread only: compilation has ended, in success or not."""
        return bool(self.waiting) and self.compiled.done()

    def take_failed(self) -> list[Member]:
        """Remove the waiting members if the program is too large, and note that in each of them.

        Raises:
            BaseException: any other error of compilation.
        """
        error = self.compiled.exception()
        if error is None:
            return []
        if not isinstance(error, TooLargeError):
            raise error
        members = self.take(len(self.waiting))
        for member in members:
            member.error = str(error)
        return members

    @property
    def chunk_size(self) -> int:
        """The number of members in a chunk: few if each trains for long."""
        members = self.program.parallelism.members
        if members > 1:
            return members
        return max(1, min(self.config.chunk, int(CHUNK_SECONDS / self._member_seconds)))

    @property
    def _member_seconds(self) -> float:
        """The expected seconds of training one member."""
        example = self.program.example_member
        last = min(example.config.epochs, self.until or example.config.epochs)
        epochs = max(1, last - int(example.train_state.epoch))
        return epochs * self.program.step_seconds * example.training.shape.steps_per_epoch

    def take(self, count: int) -> list[Member]:
        """Remove some of the waiting members, those that have waited longest."""
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken

    def train(self, chunk: list[Member], canceled: threading.Event) -> list[Member]:
        """Train a chunk call by call, each once there is memory for it; return its members.

        Args:
            chunk: the members, taken from those that waited.
            canceled: if set, training stops after the current call.
        """
        count = self.program.parallelism.members
        for start in range(0, len(chunk), count):
            with self.budget.working(self.program.bytes_per_call):
                self.program.train(chunk[start : start + count], self.until, canceled)
        return chunk
