"""Repairing a run: remedies for its findings, tried on its data."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gradus.apps.prepare import prepare
from gradus.apps.runs import Run
from gradus.apps.settings.experiment import Experiment
from gradus.apps.settings.experiment_file import check_experiment, merge_settings, write_experiment
from gradus.doctor.repair import Repair, repair

REPAIRED = "repaired.toml"


def repair_run(run: Run, budget: float, seeds: int, seed: int) -> Repair:
    """Try remedies for what is wrong with the training of a run.

    Args:
        run: the run.
        budget: how many trainings of full length all may take together.
        seeds: how many seeds the best remedy is compared with.
        seed: of the samples that are held out, if the run has no validation samples.
    """
    prepared = prepare(run.experiment)
    x, y = prepared.parts["training"]
    return repair(
        run.scored_model,
        x,
        y,
        validation_data=prepared.parts.get("validation"),
        budget=budget,
        seeds=seeds,
        seed=seed,
    )


def repaired_experiment(run: Run, found: Repair) -> Experiment:
    """Return the experiment of a run with the changes that helped."""
    raw = msgspec.to_builtins(run.experiment)
    return check_experiment(merge_settings(raw, found.settings), REPAIRED)


def write_repaired(run: Run, experiment: Experiment) -> Path:
    """Write a repaired experiment beside that of its run, and return the file."""
    path = run.folder / REPAIRED
    write_experiment(path, experiment)
    return path
