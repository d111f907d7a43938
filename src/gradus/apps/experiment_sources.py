"""Where the settings of `train` and `sweep` come from: data, an experiment, or a run to resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradus.apps.options import TrainOptions

COMMAND_LINE = "The command line"


def resume_folder(resume: str | None, out: str | None, command: str) -> Path | None:
    """Return the folder of the run that `train` or `sweep` is to resume, or None."""
    from gradus.experiments import runs
    from gradus.experiments.settings.experiment import ExperimentError

    if resume is not None and out is not None:
        raise ExperimentError("--resume writes to the folder of its run: leave out --out.")
    return None if resume is None else runs.find_resumable(resume, command)


def read_experiment(data: str, options: TrainOptions) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Return the raw settings, where they come from, and the settings of the flags."""
    from gradus.experiments import runs
    from gradus.experiments.settings import experiment_file
    from gradus.experiments.settings.commands import format_command
    from gradus.experiments.settings.experiment import ExperimentError

    flags = options.settings()
    if isinstance(flags.get("test"), str):
        flags["test"] = experiment_file.absolute_source(flags["test"], Path.cwd())
    if kind := runs.kind_of_run(Path(data)):
        toml = Path(data, runs.SWEEP if kind == "sweep" else experiment_file.FILE)
        raise ExperimentError(
            f"{data!r} is the folder of a run, not data. To repeat it: "
            f"{format_command(kind, toml)}. To go on with it: "
            f"{format_command(kind, '--resume', data)}"
        )
    if runs.holds_only_runs(Path(data)):
        raise ExperimentError(
            f"{data!r} is a folder of runs, not data. To list them: {format_command('runs', data)}"
        )
    if data.endswith(".toml"):
        return experiment_file.read_settings(Path(data)), data, flags
    return {"data": experiment_file.absolute_source(data, Path.cwd())}, COMMAND_LINE, flags
