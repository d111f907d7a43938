"""Runs of Weights & Biases."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradus.errors import GradusError, unknown
from gradus.files import user_path
from gradus.foreign_names.arguments import explain_methods
from gradus.optional import import_optional

MODES = ("online", "offline", "disabled", "shared")


@explain_methods
class WandB:
    """Logs trainings and trials as runs of Weights & Biases.

    Args:
        project: the project; None for the environment variable WANDB_PROJECT, or else
            "uncategorized".
        mode: "online", "offline" (a folder that `wandb sync` sends later), "disabled", or "shared";
            None for the environment variable WANDB_MODE, or else "online".
        name: of the run, and of the group of a sweep's trials; None for one that is made up.
        dir: the folder that holds the folder `wandb`; None for the current one.

    Examples:
        >>> gr.trackers.WandB("wine", mode="offline").mode
        'offline'
    """

    package, extra = "wandb", "wandb"

    def __init__(
        self,
        project: str | None = None,
        mode: str | None = None,
        name: str | None = None,
        dir: str | Path | None = None,  # noqa: A002 - the name of wandb.init's
    ) -> None:
        for argument, value in (("project", project), ("name", name)):
            if value is not None and not (isinstance(value, str) and value):
                raise GradusError(f"WandB({argument}={value!r}): write a string, or leave it out.")
        if mode is not None and mode not in MODES:
            raise unknown("mode of WandB", mode, MODES)
        self.project, self.mode, self.name = project, mode, name
        self.dir = None if dir is None else user_path(dir)
        self._wandb: Any = None

    def check(self) -> None:
        """Import wandb, and log in if runs are sent, which asks for the key if there is none.

        Raises:
            GradusError: if it is not installed, or nobody is logged in.
        """
        self._wandb = import_optional(self.package, "The tracker WandB", self.extra)
        mode = self.mode or os.environ.get("WANDB_MODE") or "online"
        if mode not in ("online", "shared"):
            return
        try:
            logged_in = self._wandb.login()
        except Exception:  # it has many: of usage, of the network
            logged_in = False
        if not logged_in:
            raise GradusError(
                "WandB is not logged in: run the command wandb login, set WANDB_API_KEY, or write "
                'gr.trackers.WandB(…, mode="offline").'
            )

    def start(self, name: str, settings: Mapping[str, Any]) -> WandBRun:
        """Begin a run; see `Tracker`."""
        run = self._wandb.init(
            project=self.project,
            mode=self.mode,
            name="/".join(part for part in (self.name, name) if part) or None,
            group=self.name if name else None,
            dir=self.dir,
            config=dict(settings),
            reinit="create_new",  # beside a run that is open already
            settings=self._wandb.Settings(silent=True, console="off"),
        )
        return WandBRun(run)


class WandBRun:
    """A run of Weights & Biases.

    Args:
        run: what `wandb.init` returned.
    """

    def __init__(self, run: Any) -> None:
        self.run = run

    def log(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """Log the numbers of an epoch."""
        self.run.log(dict(numbers), step=epoch)

    def end(self, status: str, findings: Sequence[str]) -> None:
        """End the run; status and findings are in its summary."""
        self.run.summary["status"] = status
        if findings:
            self.run.summary["findings"] = list(findings)
        self.run.finish(exit_code=0 if status == "finished" else 1)
