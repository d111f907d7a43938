"""Runs of Trackio."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gradus.errors import GradusError
from gradus.foreign_names.arguments import explain_methods
from gradus.optional import import_optional

_PRINTING = threading.Lock()


@explain_methods
class Trackio:
    """Logs trainings and trials as runs of Trackio: `trackio show --project wine`.

    Args:
        project: the project.
        name: of the run, and of the group of a sweep's trials; None for one that is made up.

    Examples:
        >>> gr.trackers.Trackio("wine").project
        'wine'
    """

    package, extra = "trackio", "trackio"

    def __init__(self, project: str = "gradus", name: str | None = None) -> None:
        if not (isinstance(project, str) and project):
            raise GradusError(f'Trackio(project={project!r}): write a name, such as "wine".')
        if name is not None and not (isinstance(name, str) and name):
            raise GradusError(f"Trackio(name={name!r}): write a string, or leave it out.")
        self.project, self.name = project, name
        self._trackio: Any = None

    def check(self) -> None:
        """Import Trackio.

        Raises:
            GradusError: if it is not installed.
        """
        self._trackio = import_optional(self.package, "The tracker Trackio", self.extra)

    def start(self, name: str, settings: Mapping[str, Any]) -> TrackioRun:
        """Begin a run; see `Tracker`."""
        with _without_printing():
            run = self._trackio.init(
                self.project,
                name="/".join(part for part in (self.name, name) if part) or None,
                group=self.name if name else None,
                config=dict(settings),
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        return TrackioRun(run)


class TrackioRun:
    """A run of Trackio.

    Args:
        run: what `trackio.init` returned.
    """

    def __init__(self, run: Any) -> None:
        self.run = run

    def log(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """Log the numbers of an epoch."""
        self.run.log(dict(numbers), step=epoch)

    def end(self, status: str, findings: Sequence[str]) -> None:
        """Say status and findings as alerts, which Trackio lists by run, and end the run."""
        from trackio import AlertLevel

        with _without_printing():
            for finding in findings:
                self.run.alert("Finding", finding)
            self.run.alert("Status", status, AlertLevel.INFO)
            self.run.finish()


class _OthersOnly:
    """A stream on which what one thread prints does not appear.

    Args:
        stream: the stream.
    """

    def __init__(self, stream: Any) -> None:
        self.stream, self.thread = stream, threading.get_ident()

    def write(self, text: str) -> int:
        """Write what another thread prints."""
        return len(text) if threading.get_ident() == self.thread else self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def _without_printing() -> Iterator[None]:
    """Drop the lines that Trackio prints for each run: a program may read stdout, as JSON.

    One tracker at a time, as the stream belongs to the whole process.
    """
    with _PRINTING, contextlib.redirect_stdout(_OthersOnly(sys.stdout)):  # type: ignore[type-var]
        yield
