"""Runs of MLflow."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradus.errors import GradusError
from gradus.foreign_names.arguments import explain_methods
from gradus.optional import import_optional

STATUSES = {"interrupted": "KILLED", "finished": "FINISHED"}  # any other one is FAILED
FLUSH_SECONDS = 1.0  # between two requests of a run
MOST_METRICS = 1000  # of one request, MLflow's own limit
MOST_CHARACTERS = 6000  # of a setting, likewise
SQLITE = "sqlite:///"
REACH_SECONDS = 5.0  # within which a server must answer


@explain_methods
class MLflow:
    """Logs trainings and trials as runs of MLflow: curves, parameters, and findings as tags.

    Args:
        uri: of the tracking store: "sqlite:///mlflow.db", "http://host:5000", or a folder; None for
            the environment variable MLFLOW_TRACKING_URI, or else MLflow's own default.
        experiment: the name of the experiment; None for MLflow's "Default", or that of the
            environment variable MLFLOW_EXPERIMENT_NAME.
        name: of the run; None for one that MLflow makes up.

    Examples:
        >>> gr.trackers.MLflow("sqlite:///mlflow.db", experiment="wine").experiment
        'wine'
    """

    package, extra = "mlflow", "mlflow"

    def __init__(
        self, uri: str | None = None, experiment: str | None = None, name: str | None = None
    ) -> None:
        for argument, value in (("uri", uri), ("experiment", experiment), ("name", name)):
            if value is not None and not (isinstance(value, str) and value):
                raise GradusError(f"MLflow({argument}={value!r}): write a string, or leave it out.")
        self.uri, self.experiment, self.name = uri, experiment, name
        self._client: Any = None
        self._experiment_id = ""

    def check(self) -> None:
        """Import MLflow, and find or create the experiment.

        Raises:
            GradusError: if it is not installed, or the store cannot be used.
        """
        mlflow = import_optional(self.package, "The tracker MLflow", self.extra)
        name = self.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "Default"
        uri = self.uri or mlflow.get_tracking_uri()
        try:
            _reach(uri)
            self._client = mlflow.MlflowClient(uri)
            found = self._client.get_experiment_by_name(name)
            self._experiment_id = (
                self._client.create_experiment(name) if found is None else found.experiment_id
            )
        except Exception as error:  # of any of MLflow's stores
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise GradusError(f"MLflow(uri={uri!r}) cannot be used: {reason}") from None

    def start(self, name: str, settings: Mapping[str, Any]) -> MLflowRun:
        """Begin a run; see `Tracker`."""
        title = "/".join(part for part in (self.name, name) if part) or None
        run = self._client.create_run(self._experiment_id, run_name=title)
        return MLflowRun(self._client, run.info.run_id, settings)


def _reach(uri: str) -> None:
    """Raise an error at once for a server or a file that MLflow itself would try for minutes."""
    if uri.startswith(("http://", "https://")):
        import requests

        requests.get(uri, timeout=REACH_SECONDS)
    elif uri.startswith(SQLITE) and uri != SQLITE:
        path = Path(uri.removeprefix(SQLITE))
        path.parent.mkdir(parents=True, exist_ok=True)
        sqlite3.connect(path).close()


def _name(name: str) -> str:
    """Return a name with underscores for the characters that MLflow refuses."""
    return re.sub(r"[^\w\-. :/]", "_", name)


class MLflowRun:
    """A run of MLflow; numbers are sent in batches, as a request takes long.

    Args:
        client: of the tracking store.
        run_id: of the run.
        settings: its parameters.
    """

    def __init__(self, client: Any, run_id: str, settings: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        self.client, self.run_id = client, run_id
        self._waiting: list[Any] = []
        self._sent = time.monotonic()
        shown = {_name(key): str(value)[:MOST_CHARACTERS] for key, value in settings.items()}
        params = [Param(key, value) for key, value in shown.items()]
        for start in range(0, len(params), 100):
            client.log_batch(run_id, params=params[start : start + 100])

    def log(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """Keep the numbers of an epoch, and send those that are kept if it is time."""
        from mlflow.entities import Metric

        now = round(time.time() * 1000)
        self._waiting += [Metric(_name(name), value, now, epoch) for name, value in numbers.items()]
        if len(self._waiting) > MOST_METRICS or time.monotonic() - self._sent > FLUSH_SECONDS:
            self._send()

    def end(self, status: str, findings: Sequence[str]) -> None:
        """Send what is left, and end the run; findings are a tag and its description."""
        self._send()
        self.client.set_tag(self.run_id, "status", status)
        if findings:
            text = "\n".join(f"- {finding}" for finding in findings)
            self.client.set_tag(self.run_id, "findings", text[:MOST_CHARACTERS])
        self.client.set_terminated(self.run_id, STATUSES.get(status, "FAILED"))

    def _send(self) -> None:
        for start in range(0, len(self._waiting), MOST_METRICS):
            batch = self._waiting[start : start + MOST_METRICS]
            self.client.log_batch(self.run_id, metrics=batch)
        self._waiting, self._sent = [], time.monotonic()
