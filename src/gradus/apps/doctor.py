"""The commands `gradus diagnose` and `gradus repair`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from gradus.apps import summaries
from gradus.apps.options import WHOLE, OutOption, QuietOption, RunArgument, TrainingArgument
from gradus.apps.output import DONE, FAILED, Json, Output
from gradus.drawing.status import doing
from gradus.experiments.settings.commands import format_command

if TYPE_CHECKING:
    from gradus.doctor.repair import Repair
    from gradus.experiments.run import Run
    from gradus.experiments.settings.experiment import Experiment

REPAIRED = "repaired.toml"


def diagnose(
    run: TrainingArgument,
    /,
    *,
    counterfactuals: Annotated[
        bool,
        Parameter(negative="", help="Train without each suspected cause, and prove which it is."),
    ] = False,
    twins: Annotated[
        bool,
        Parameter(negative="", help="Train on inputs of zeros and on shuffled targets beside it."),
    ] = False,
    fail_on: Annotated[
        Literal["fault", "note"] | None,
        Parameter(help="Exit with 1 if there is such a finding, for scripts."),
    ] = None,
    ignore: Annotated[
        list[str] | None, Parameter(help="A code to leave out; may be repeated.", negative="")
    ] = None,
    json: Json = False,
) -> int:
    """Say what is wrong with the training of a run, with evidence and a remedy.

    gradus diagnose runs/digits-1

    gradus diagnose runs/titanic-1 --fail-on fault

    gradus diagnose runs/titanic-1 --counterfactuals

    gradus diagnose lightning_logs/version_0/metrics.csv
    """
    from gradus.apps.diagnose_run import diagnose_run, prove_run
    from gradus.experiments.runs import is_finished

    output = Output(json)
    doing(f"training beside {run}" if counterfactuals or twins else f"examining {run}")
    if counterfactuals or twins:
        source, diagnosis = prove_run(run, ignore or [], counterfactuals, twins)
    else:
        source, diagnosis = diagnose_run(run, ignore or [])
    summaries.print_diagnosis(diagnosis, output)
    # No remedy mends labels that the inputs do not tell.
    has_remedies = any(each.code != "labels-shuffled" for each in diagnosis.faults)
    if has_remedies and is_finished(source.get("run")):
        output.print_line(f"To try remedies: {format_command('repair', source['run'])}")
    output.print_json(source | diagnosis.to_plain())
    failing = {"fault": diagnosis.faults, "note": diagnosis.findings, None: ()}[fail_on]
    return FAILED if failing else DONE


def repair_command(
    run: RunArgument,
    /,
    *,
    budget: Annotated[
        float, Parameter(help="How many trainings of full length all remedies may take together.")
    ] = 6.0,
    seeds: Annotated[
        int, Parameter(help="Seeds that the best remedies are compared with.", **WHOLE)
    ] = 3,
    seed: Annotated[
        int, Parameter(help="Of rows to compare on, if the run has none.", **WHOLE)
    ] = 0,
    apply: Annotated[
        bool, Parameter(negative="", help="Train with what helped, and write a new run.")
    ] = False,
    out: OutOption = None,
    quiet: QuietOption = False,
    json: Json = False,
) -> int:
    """Try remedies for what is wrong with a run, and say which helped, by how much.

    gradus repair runs/digits-1

    gradus repair runs/titanic-1 --apply
    """
    from gradus.experiments import train_run
    from gradus.experiments.loading import open_run
    from gradus.experiments.runs import hold_run
    from gradus.experiments.settings import experiment_file

    output = Output(json)
    opened = open_run(run)
    if apply and out is not None:
        with hold_run(out, opened.experiment.data, None):
            pass  # a folder that cannot be written is told before the search, which takes long
    doing(f"trying remedies for {run}")
    found = _try_remedies(opened, budget, seeds, seed)
    summaries.print_diagnosis(found.diagnosis, output)
    summaries.print_repair(found, output)
    result: dict[str, Any] = {"run": str(opened.folder), **found.to_plain()}
    if found.settings:
        experiment, path = _repaired(opened, found), opened.folder / REPAIRED
        experiment_file.write_experiment(path, experiment)
        result["experiment"] = str(path)
        output.print_line(f"Settings with it are in {path}: {format_command('train', path)}")
        if apply:
            record = train_run.train_run(experiment, out, None, output.print_line, not quiet)
            summaries.print_training_summary(record, output)
            result["repaired"] = record
    output.print_json(result)
    return DONE if found.helped or found.diagnosis.healthy else FAILED


def _try_remedies(run: Run, budget: float, seeds: int, seed: int) -> Repair:
    """Try remedies for a run on its own data."""
    from gradus.doctor.repair import repair
    from gradus.experiments.preparation.prepare import prepare_data

    prepared = prepare_data(run.experiment)
    return repair(
        run.scored_model,
        *prepared.parts["training"],
        sample_weight=prepared.weights["training"],
        validation_data=prepared.weighted_validation,
        budget=budget,
        seeds=seeds,
        seed=seed,
    )


def _repaired(run: Run, found: Repair) -> Experiment:
    """Return the experiment of a run with the changes that helped."""
    import msgspec

    from gradus.experiments.settings.experiment_file import check_experiment, merge_settings

    raw = msgspec.to_builtins(run.experiment)
    return check_experiment(merge_settings(raw, found.settings), REPAIRED)
