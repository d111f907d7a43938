"""`repair`: tries remedies for the findings of a training, and recommends what helped."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradus.checks import number, whole_number
from gradus.diagnosis.findings import Diagnosis, three_digits
from gradus.diagnosis.record import Record
from gradus.doctor.candidate import Change, make_candidate, make_data, unweighted_note
from gradus.doctor.candidate_training import CandidateTraining
from gradus.doctor.catalog import candidates_for
from gradus.doctor.counterfactuals import Outcome, failures, try_remedies
from gradus.doctor.other_seeds import try_other_seeds
from gradus.doctor.proving import BUDGET, SEEDS, doubts_labels, with_outcomes
from gradus.errors import GradusError, counted
from gradus.foreign_names.arguments import explain_arguments
from gradus.models.inputs.training_data import TrainingData
from gradus.models.model import Model
from gradus.nn.casting import with_standard_promotion

DEPENDS = "No remedy helped, but other seeds did: the result of this training depends on its seed."
UNTOLD = (
    "No setting mends labels that the inputs do not tell, and labels are never changed: check that "
    "the rows of x and y match. Only what does better than a constant prediction counts as help."
)


@dataclasses.dataclass(frozen=True, eq=False)
class Repair:
    """What became of the remedies for a training.

    Attributes:
        diagnosis: the findings, with what the trainings proved.
        outcomes: of the remedies that were tried, the best first.
        model: the trained model with the best remedy; None if none helped.
        trainings: how many trainings of full length all took together.
        seconds: the time they took.
        notes: what should be known of them, in sentences.
    """

    diagnosis: Diagnosis
    outcomes: tuple[Outcome, ...]
    model: Model | None
    trainings: float
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def helped(self) -> bool:
        """Whether a remedy helped, beyond the noise of several seeds."""
        return self.model is not None

    @property
    def changes(self) -> tuple[Change, ...]:
        """What to change: the best remedy's changes; () if none helped."""
        return self.outcomes[0].candidate.shown_changes if self.helped else ()

    @property
    def settings(self) -> dict[str, Any]:
        """The same as sections of experiment.toml, such as {"optimizer": {"learning_rate": 0.1}}.

        What has no setting there, such as scaled targets, which a run always has, is left out.
        """
        settings: dict[str, Any] = {}
        for change in self.outcomes[0].candidate.changes if self.helped else ():
            section, _, name = change.setting.partition(".")
            if name:
                settings.setdefault(section, {})[name] = change.value
            elif section:
                is_section = isinstance(change.value, Mapping)  # which later changes add to
                settings[section] = dict(change.value) if is_section else change.value
        return settings

    def diff(self) -> str:
        """Return the changes as lines to take out (-) and to put in (+)."""
        return "\n".join(
            f"- {change.where} = {change.before}\n+ {change.where} = {change.after}"
            for change in self.changes
        )

    def frame(self) -> Any:
        """Return a Polars data frame with a row for each remedy that was tried."""
        import polars

        rows = [_row(outcome) for outcome in self.outcomes]
        types = {
            "remedy": polars.String,
            "changes": polars.String,
            "error": polars.Float64,
            "as_it_is": polars.Float64,
            "noise": polars.Float64,
            "seeds": polars.Int64,
            "helps": polars.Boolean,
        }
        return polars.DataFrame(rows, schema=types)

    def to_plain(self) -> dict[str, Any]:
        """Return all of it but the model as dicts, lists, strings, and numbers."""
        return {
            "helped": self.helped,
            "changes": list(map(str, self.changes)),
            "settings": self.settings,
            "remedies": [_row(outcome) for outcome in self.outcomes],
            "trainings": self.trainings,
            "seconds": self.seconds,
            "notes": list(self.notes),
            **self.diagnosis.to_plain(),
        }

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return in words what was tried, what to change, and the notes."""
        return [*self._result(), *self.notes]

    def _result(self) -> list[str]:
        if not self.outcomes:
            return ["Repair: nothing was tried because no finding has a remedy."]
        best, comparison = self.outcomes[0], self.outcomes[0].comparison
        spent = f"{self.trainings:.1f} full trainings, {self.seconds:.1f} s"
        count = len(self.outcomes)
        number = f"{count} {'remedy' if count == 1 else 'remedies'}"
        tried = f"Tried {number} ({spent})."
        shown = (
            f"{best.candidate.name}: error {three_digits(comparison.after)} instead of "
            f"{three_digits(comparison.before)} (noise {three_digits(comparison.noise)}, "
            f"{counted(best.seeds, 'seed')})"
        )
        if best.failure:
            return [f"Repair: no remedy could be trained. {tried}"]
        if not self.helped:
            return [
                f"Repair: no remedy helped beyond noise. {tried}",
                f"The best was {shown}. A larger budget, such as budget=15, tries more.",
            ]
        return [f"Repair: {shown}.", *self.diff().splitlines(), tried]


@explain_arguments
@with_standard_promotion
def repair(
    model: Model,
    x: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    validation_data: Any = None,
    budget: float = BUDGET,
    seeds: int = SEEDS,
    seed: int = 0,
) -> Repair:
    """Try remedies for what is wrong with a trained model, and return what helped.

    Remedies are trained side by side for a part of the epochs, then others on top of the best one;
    the best of all are trained in full, and with several seeds beside the training as it is. A
    remedy helps if it lowers the error on validation samples by more than two standard errors, over
    samples and seeds, and by more than 2%. If none helps, but the training as it is does better
    with other seeds, those seeds are recommended. The model stays as it is, and so do its data:
    labels are never changed.

    Args:
        model: a model that was trained.
        x: inputs, as in `fit`.
        y: targets, as in `fit`.
        sample_weight: the weight of each sample, as in `fit`; errors are weighted, too.
        validation_data: `(x, y)` or `(x, y, weight)` to compare trainings on; by default a fifth
            of the samples.
        budget: how many trainings of full length all may take together; two thirds as many programs
            are compiled. More are allowed of trainings that take less time than compiling one, and
            the training as it is with other seeds, where no remedy helps, is not counted.
        seeds: how many seeds the best remedies are compared with; up to four times as many where
            these cannot tell and the budget lasts.
        seed: of the samples that are held out.

    Returns:
        What was tried and what helped: `.model` is trained with it, `.diff()` shows it.

    Raises:
        DataError: for data that cannot be trained on.
        GradusError: for a model that was never trained, or invalid settings.

    Examples:
        >>> x = np.random.default_rng(0).normal(size=(300, 4)).astype("float32")
        >>> net = gr.Sequential([gr.Dense(8, "tanh"), gr.Dense(1)])
        >>> model = gr.Model(net, "mse", gr.SGD(1e-5))
        >>> history = model.fit(x, x[:, :1], epochs=10, verbose=False)
        >>> repair = gr.repair(model, x, x[:, :1])
        >>> repair.helped
        True
    """
    if isinstance(model, str | Path):
        raise GradusError(
            f"repair(model=…) takes a trained gr.Model, not the path {str(model)!r}: write "
            f"gradus repair {model} in a shell, which has the run's data, or give "
            f"gr.load({str(model)!r}).model here."
        )
    if not isinstance(model, Model):
        is_within = isinstance(getattr(model, "model", None), Model)
        hint = ": give its .model" if is_within else ""
        raise GradusError(
            f"repair(model=…) takes a trained gr.Model, not {type(model).__name__}{hint}."
        )
    budget, seeds = number("budget", budget, 1), whole_number("seeds", seeds, 2)
    data = make_data(model, x, y, validation_data, whole_number("seed", seed), sample_weight)
    if not model.history.epochs and model.record is None:
        raise GradusError(
            "repair: the model was never trained. model.check(x, y) says what settings and data "
            "show before training."
        )
    return try_to_repair(model, data, budget, seeds, seed)


def try_to_repair(model: Model, data: TrainingData, budget: float, seeds: int, seed: int) -> Repair:
    """Try remedies for a trained model; the arguments are those of `repair`."""
    diagnosis, record = model.diagnose(), model.record or Record()
    began = time.perf_counter()
    original = make_candidate(model, data, seed)
    training = CandidateTraining(original, record)
    training.doubts_labels = doubts_labels(diagnosis)
    remedies = candidates_for(original, record, diagnosis, notes=True)
    outcomes = try_remedies(training, original, remedies, budget, seeds, record, pairs=True)
    proved = with_outcomes(diagnosis, outcomes) if diagnosis.faults else diagnosis
    notes = [unweighted_note(model, data), *failures(outcomes)]
    notes += [UNTOLD] * training.doubts_labels
    if outcomes and not outcomes[0].helps:
        other = try_other_seeds(training, original, seeds)
        outcomes.insert(0 if other.helps else len(outcomes), other)
        notes += [DEPENDS] * other.helps
    helped = bool(outcomes) and outcomes[0].helps
    return Repair(
        proved,
        tuple(outcomes),
        training.model(outcomes[0].candidate, 0) if helped else None,
        training.trained_epochs / original.fit["epochs"],
        time.perf_counter() - began,
        tuple(filter(None, notes)),
    )


def mend(model: Model, data: TrainingData) -> None:
    """Make a model that a fault ended what it is with the best remedy; note what that is.

    If none helps, it stays as it is, with a note.

    Args:
        model: the model, after the training that a fault ended.
        data: what it was trained on.
    """
    try:
        found = try_to_repair(model, data, BUDGET, SEEDS, model.seed)
    except GradusError as error:
        model.history.add_note(f"Nothing was repaired. {error}")
        return
    if found.model is None:
        model.history.add_note("No remedy helped: try gr.repair with a larger budget.")
        return
    ended = model.history.stopped
    vars(model).update(vars(found.model))
    changes = "; ".join(map(str, found.changes))
    model.history.add_note(f"Training was ended ({ended}) and repaired: {changes}.")


def _row(outcome: Outcome) -> dict[str, Any]:
    return {
        "remedy": outcome.candidate.name,
        "changes": "; ".join(map(str, outcome.candidate.shown_changes)),
        "error": outcome.comparison.after,
        "as_it_is": outcome.comparison.before,
        "noise": outcome.comparison.noise,
        "seeds": outcome.seeds,
        "helps": outcome.helps,
    }
