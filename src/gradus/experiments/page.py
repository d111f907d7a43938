"""The report of a run, in the target's units and class names."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus import files
from gradus.data import Dataset, TablePreprocessor, Target
from gradus.data.array_preprocessor import Preprocessor
from gradus.data.targets import require_target
from gradus.drawing.charts import bars
from gradus.experiments import runs
from gradus.experiments.column_importance import column_importance, score_name
from gradus.experiments.evaluation import (
    Metrics,
    constant_metrics,
    encoded_labels,
    evaluate_in_units,
    headline_part,
)
from gradus.experiments.prepare import XY, PreparedData
from gradus.experiments.prepare_streamed import prepare_data
from gradus.experiments.run import Run
from gradus.experiments.settings import experiment_file
from gradus.models.model import Model
from gradus.objectives import losses

if TYPE_CHECKING:
    from gradus.report.page import Panel

MAX_BARS = 40  # columns whose importance is drawn
REFITTED = (
    "The saved network was trained once more, on the training and validation rows. Scores of these "
    "and curves are of the first one, which never saw the validation rows."
)


def write_page(run: Run, parts: dict[str, Metrics], prepared: PreparedData | None) -> Path:
    """Write the `report.html` of a run and return its path.

    Args:
        run: the run.
        parts: the metrics of each part of the data.
        prepared: the data, which the report describes and whose predictions it shows, or None.
    """
    from gradus.report.page import write_report
    from gradus.report.report_builder import build_report, result_panels

    settings = files.current_path(run.folder, experiment_file.FILE).read_text("utf-8")
    notes = runs.read_findings(run.folder)
    lines = [] if prepared is None else [" ".join(row.split()) for row in prepared.summary_lines]
    if run.is_refitted:
        lines.append(REFITTED)
    title = run.folder.resolve().name
    report = build_report(run.scored_model, title=title, data=lines, settings=settings, notes=notes)
    figures: Any = ()
    if prepared is not None:
        shown = headline_part(parts)
        model, part = run.model_of_part(shown), prepared.parts[shown]
        figures = [
            *result_panels(*_predictions(model, part, run.target), run.target.class_names or None),
            *_importance_panels(model, prepared.raw[shown], run.preprocessor),
        ]
    ordered = sorted(parts, key=("training", "validation", "test").index)
    metrics = {name: parts[name] for name in ordered}
    columns = {} if prepared is None else {n: f"{k}: {how}" for n, k, how in prepared.columns}
    constant: Metrics = {}
    if prepared is not None:
        known, shown_y = (prepared.parts[part][1] for part in ("training", headline_part(parts)))
        constant = constant_metrics(known, shown_y, run.target)
    whole = dataclasses.replace(
        report, metrics=metrics, figures=figures, columns=columns, constant=constant
    )
    return write_report(run.folder / runs.REPORT, whole)


def rewrite_page(run: Run) -> tuple[Path, str]:
    """Rewrite `report.html`; return its path and a sentence on what is missing from it, or "".

    The figures of predictions need the data that the run was trained on. If these cannot be read,
    an existing report stays as it is.
    """
    experiment, preprocessor = run.experiment, run.preprocessor
    try:
        prepared = prepare_data(experiment, preprocessor)
    except (ValueError, OSError) as error:
        path = run.folder / runs.REPORT
        if path.exists():
            return path, f"The data cannot be read, so the report stays as it was: {error}"
        missing = f"The data cannot be read, so their figures are left out: {error}"
        return write_page(run, _with_nan(run.record.parts), None), missing
    parts = {
        name: evaluate_in_units(run.model_of_part(name), x, y, run.target)
        for name, (x, y) in prepared.parts.items()
    }
    return write_page(run, parts, prepared), ""


def _with_nan(parts: Mapping[str, runs.Metrics]) -> dict[str, Metrics]:
    """Return the metrics of a record, in which None is a number that is not finite."""
    return {
        part: {name: np.nan if value is None else value for name, value in metrics.items()}
        for part, metrics in parts.items()
    }


def _importance_panels(model: Model, data: Dataset, preprocessor: Preprocessor) -> list[Panel]:
    """Return the figure of a table's columns; none for arrays, or too many columns."""
    from gradus.report.page import Panel

    if not isinstance(preprocessor, TablePreprocessor) or len(preprocessor.columns) > MAX_BARS:
        return []
    falls = column_importance(model, data, preprocessor)
    score = score_name(model, require_target(preprocessor.target))
    caption = (
        f"By how much the {score} falls if a column's values are shuffled among the rows. Columns "
        "that tell the same share it: each alone may seem to matter little."
    )
    figure = bars(falls, f"fall of the {score}", title="Importance of columns")
    return [Panel("Importance of columns", caption, figure)]


def _predictions(model: Model, part: XY, target: Target) -> tuple[str, np.ndarray, np.ndarray]:
    """Return "values" or "classes", the true targets and the predictions, for `result_panels`."""
    x, y = part
    outputs = np.asarray(model.predict(x))
    if target.task == "regression":
        return "values", target.inverse(y), target.inverse(outputs)
    if losses.get(model.settings["loss"]).link is None and outputs.shape[1] == 1:
        outputs = outputs + 0.5  # the threshold of a hinge's scores is 0, that of the figures ½
    return "classes", encoded_labels(y), outputs
