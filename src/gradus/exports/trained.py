"""What is exported: a trained model, its preprocessing, and the run that they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradus.data import ArrayPreprocessor, TablePreprocessor, Target
from gradus.errors import GradusError, SavedError
from gradus.experiments import runs
from gradus.experiments.loading import open_run
from gradus.experiments.run import Run
from gradus.files import current_path
from gradus.models.model import Model
from gradus.models.saving import MANIFEST
from gradus.sweep.sweep import Sweep


@dataclass(frozen=True)
class Trained:
    """A trained model, and what is known of it.

    Attributes:
        model: the model.
        preprocessor: from data to the network's inputs; None if the network takes them as they are.
        run: the run that it was trained in, or None.
    """

    model: Model
    preprocessor: Any = None
    run: Run | None = None

    @property
    def target(self) -> Target | None:
        """The target, if the preprocessor knows one."""
        return None if self.preprocessor is None else self.preprocessor.target

    @property
    def is_table(self) -> bool:
        """Whether the inputs are the columns of a table."""
        return isinstance(self.preprocessor, TablePreprocessor)


def as_trained(model: Any, preprocessor: Any = None) -> Trained:
    """Return what is to be exported.

    Args:
        model: a model, a run, or the folder of a run or of a saved model.
        preprocessor: of a model's data; a run has its own.

    Raises:
        GradusError: for anything else, a model without weights or whose inputs have no known
            shape, or a second preprocessor.
        SavedError: for a folder that is neither.
    """
    if isinstance(model, str | Path):
        model = _open(model)
    if isinstance(model, Run):
        if preprocessor is not None:
            raise GradusError("export: a run has its own preprocessor: leave out preprocessor=….")
        return Trained(model.model, model.preprocessor, model)
    if not isinstance(model, Model):
        hint = ": write its best model, sweep.best" if isinstance(model, Sweep) else ""
        if hasattr(model, "model_"):  # an estimator of scikit-learn's kind
            hint = ": write its model_, and preprocessor=…, its preprocessor_"
        raise GradusError(
            "export takes a trained model, or the folder of a run, such as 'runs/titanic-1', not a "
            f"{type(model).__name__}{hint}."
        )
    if not isinstance(preprocessor, TablePreprocessor | ArrayPreprocessor | None):
        raise GradusError(
            "export: the preprocessor is what the model's data were transformed with, a "
            "gr.data.TablePreprocessor or ArrayPreprocessor, not a "
            f"{type(preprocessor).__name__}."
        )
    model.require_built("export")
    if model.example is None:  # read from Keras, with lengths that are left open
        raise GradusError("export: the shape of the inputs is not known yet: call build(x).")
    return Trained(model, preprocessor)


def network_notes(trained: Trained) -> list[str]:
    """Return what the file leaves out of a model with a preprocessor, in a sentence."""
    if trained.preprocessor is None:
        return []
    what = "the columns of a table" if trained.is_table else "raw arrays"
    targets = [] if trained.target is None else trained.target.parts or [trained.target]
    scaled = any(target.task == "regression" for target in targets)
    units = ", and returns standardized values, not those in the target's units" if scaled else ""
    return [
        f"the file holds the network alone: it takes the arrays that the preprocessing makes, not "
        f"{what}{units}"
    ]


def _open(name: str | Path) -> Run | Model:
    """Return the run, or the saved model, in a folder.

    Raises:
        SavedError: if it contains neither.
    """
    folder = runs.find_run(name)
    if runs.kind_of_run(folder) is not None:
        return open_run(folder)
    if current_path(folder, MANIFEST).exists():
        return Model.load(folder)
    raise SavedError(
        f"{str(folder)!r} contains neither a run nor a saved model. To make a run: gradus train "
        "DATA; to save a model: model.save(folder)."
    )
