"""Runs by their path or name: `load` and `open_run`, and what is there instead of one."""

from __future__ import annotations

from pathlib import Path

from gradus import files
from gradus.data.sources.built_in import BUILT_IN
from gradus.errors import SavedError
from gradus.experiments import runs
from gradus.experiments.run import Run
from gradus.experiments.settings.commands import format_command
from gradus.foreign_names.arguments import explain_arguments
from gradus.models.saving import MANIFEST as MODEL
from gradus.train import checkpoint


@explain_arguments
def load(path: str | Path) -> Run:
    """Return a run of the command line: `gradus train`, the best of `gradus sweep`, or `repair`.

    Args:
        path: the folder of the run, or its name in the folder `runs`.

    Returns:
        The run, complete: its model, its preprocessing, and its settings have been read.

    Raises:
        SavedError: if there is no such run (with the nearest name), it is unfinished or damaged,
            or the folder holds something else, with what to write instead.

    Examples:
        >>> import tempfile
        >>> from gradus.apps.cli import main
        >>> folder = tempfile.mkdtemp() + "/iris"
        >>> status = main(["train", "iris", "--epochs", "60", "--quiet", "--out", folder])
        data      iris: 150 rows, 4 features
        ...
        >>> run = gr.load(folder)
        >>> run.classes
        ('setosa', 'versicolor', 'virginica')
        >>> run.predict([[5.1, 3.5, 1.4, 0.2], [6.9, 3.1, 5.4, 2.1]]).tolist()
        ['setosa', 'virginica']
        >>> run.predict_proba([[5.1, 3.5, 1.4, 0.2]]).shape
        (1, 3)
    """
    if not isinstance(path, str | Path):
        raise SavedError(
            f"gr.load takes the folder of a run, such as 'runs/iris-1', not {type(path).__name__}; "
            "data are loaded by gr.data.load."
        )
    run = open_run(path)
    run.experiment, run.preprocessor, run.model  # noqa: B018 - reading them is the check
    return run


def open_run(name: str | Path) -> Run:
    """Open the run at a path, or with a name in the folder `runs`; its files are read when needed.

    Raises:
        SavedError: if there is none (with the nearest name), it is unfinished, or it is too new.
    """
    try:
        folder = runs.find_run(name)
    except SavedError as error:
        if str(name) not in BUILT_IN:
            raise
        train = format_command("train", name)
        raise SavedError(f"{error} {str(name)!r} is a data set; to make a run: {train}") from None
    run, kind = Run(folder), runs.kind_of_run(folder)
    if kind is not None and not runs.is_finished(folder):
        raise SavedError(
            f"The {'sweep' if kind == 'sweep' else 'training'} of {str(folder)!r} has not "
            f"finished. To resume it: {format_command(kind, '--resume', folder)}"
        )
    if not runs.is_finished(folder) and (other := _what_else(folder)):
        raise SavedError(f"{str(folder)!r} is not a run, but {other}")
    run.record  # noqa: B018 - reading it is the check
    return run


def _what_else(folder: Path) -> str:
    """Return what a folder holds instead of a run, and what to write then; "" if unknown."""
    if files.current_path(folder, MODEL).exists():
        return (
            "a model that was saved alone, which takes the network's own inputs. In Python, load "
            f"it with model = gr.Model.load({str(folder)!r}), and call model.predict(x), "
            "model.diagnose(x, y), or gr.repair(model, x, y)."
        )
    if files.current_path(folder, checkpoint.MANIFEST).exists():
        if runs.kind_of_run(folder.parent):
            return f"the checkpoint of one: name {str(folder.parent)!r}."
        return f"the checkpoint of a training: write fit(…, resume={str(folder)!r})."
    inside = runs.runs_in(folder)
    return f"a folder of runs: name one of them, such as {str(inside[0])!r}." if inside else ""
