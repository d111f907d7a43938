"""The report of a run, in the target's units and class names."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus import files
from gradus.data import Dataset, TablePreprocessor, Target
from gradus.data.array_preprocessor import Preprocessor
from gradus.data.targets import require_target
from gradus.drawing.charts import bars
from gradus.errors import counted, four_digits
from gradus.experiments import runs
from gradus.experiments.column_importance import MAX_COLUMNS, column_importance, score_name
from gradus.experiments.column_overrides import override_rows
from gradus.experiments.evaluation import constant_metrics, evaluate_parts, headline_part
from gradus.experiments.preparation.outputs import decide_classes, losses_of
from gradus.experiments.preparation.prepare import prepare_data
from gradus.experiments.preparation.prepare_in_memory import XY, PreparedData
from gradus.experiments.run import Run
from gradus.experiments.settings import experiment_file
from gradus.experiments.settings.commands import format_command
from gradus.experiments.unit_scores import Metrics, encoded_labels
from gradus.models.model import Model
from gradus.objectives.loss import Loss

if TYPE_CHECKING:
    from gradus.report.page import Panel

MAX_BARS = 40  # columns whose importance is drawn
MANY_BARS = 15  # of which a figure is much higher than others
MAX_TARGETS = 6  # whose predictions are drawn
REFITTED = (
    "The saved network was trained once more, on the training and validation rows together. The "
    "scores of both and the curves are those of the first network, which never saw the validation "
    "rows."
)


def write_page(run: Run, parts: dict[str, Metrics], prepared: PreparedData | None) -> Path:
    """Write the `report.html` of a run and return its path.

    Args:
        run: the run.
        parts: the metrics of each part of the data.
        prepared: the data, which the report describes and whose predictions it shows, or None.
    """
    from gradus.report.image_panels import filter_panels
    from gradus.report.page import write_report
    from gradus.report.report_builder import build_report, result_panels

    settings = files.current_path(run.folder, experiment_file.FILE).read_text("utf-8")
    notes = runs.read_notes(run.folder)
    lines = [] if prepared is None else prepared.page_lines
    if run.is_refitted:
        lines.append(REFITTED)
    if _has_too_many_columns(run.preprocessor):
        notes.append(f"The importance of columns is shown of tables of up to {MAX_COLUMNS}.")
    title = run.folder.resolve().name
    report = build_report(run.scored_model, title=title, data=lines, settings=settings, notes=notes)
    figures: Any = ()
    inside: Any = ()
    if prepared is not None:
        shown = headline_part(parts)
        model, part = run.model_of_part(shown), prepared.parts[shown]
        importance = importance_panels(model, prepared.raw[shown], run.preprocessor)
        if run.target.columns:
            figures = [*_panels_of_targets(model, part, run.target), *importance]
        else:
            predicted = _predictions(model, part, run.target)
            names = run.target.class_names or None
            images = _image_panels(model, prepared, shown, *predicted[1:])
            figures = [*result_panels(*predicted, names), *importance, *images]
        inside = filter_panels(model)
    ordered = sorted(parts, key=("training", "validation", "test").index)
    metrics = {name: parts[name] for name in ordered}
    columns = {} if prepared is None else {n: f"{k}: {how}" for n, k, how in prepared.columns}
    overrides = [] if prepared is None else override_rows(prepared.columns)
    constant: Metrics = {}
    if prepared is not None:
        split = headline_part(parts)
        known, shown_y = (prepared.parts[part][1] for part in ("training", split))
        scored = prepared.streams.get(split, shown_y)
        constant = constant_metrics(known, scored, run.target, parts[split])
    whole = dataclasses.replace(
        report,
        metrics=metrics,
        figures=figures,
        inside=inside,
        columns=columns,
        overrides=overrides,
        constant=constant,
        shown="" if prepared is None else headline_part(parts),
    )
    return write_report(run.folder / runs.REPORT, whole)


def rewrite_page(run: Run) -> tuple[Path, str]:
    """Rewrite `report.html`; return its path and a sentence on what is missing from it, or "".

    The figures of predictions need the data that the run was trained on. If these cannot be read
    or have changed, an existing report stays as it is.
    """
    try:
        prepared = prepare_data(run.experiment, run.preprocessor)
    except (ValueError, OSError) as error:
        return _page_without_data(run, "cannot be read", f": {error}")
    parts = evaluate_parts(run.model_of_part, prepared.parts, run.target, prepared.streams)
    if not _same_losses(parts, run.record.parts):
        command = format_command("evaluate", run.folder, run.experiment.data)
        return _page_without_data(
            run, "have changed since the training", f". To score the run on them: {command}"
        )
    return write_page(run, parts, prepared), ""


def _page_without_data(run: Run, reason: str, more: str) -> tuple[Path, str]:
    """Keep a report, or write one without figures of the data, and say which and why."""
    path = run.folder / runs.REPORT
    if path.exists():
        return path, f"The data {reason}, so the report stays as it was{more}"
    page = write_page(run, _with_nan(run.record.parts), None)
    return page, f"The data {reason}, so their figures are left out{more}"


def _same_losses(parts: Mapping[str, Metrics], recorded: Mapping[str, runs.Metrics]) -> bool:
    """Return whether the parts of the data have the losses that they had after the training."""
    before = _with_nan(recorded)
    return parts.keys() == before.keys() and all(
        np.isclose(metrics["loss"], before[name]["loss"], rtol=1e-3, equal_nan=True)
        for name, metrics in parts.items()
    )


def _with_nan(parts: Mapping[str, runs.Metrics]) -> dict[str, Metrics]:
    """Return the metrics of a record, in which None is a number that is not finite."""
    return {
        part: {name: np.nan if value is None else value for name, value in metrics.items()}
        for part, metrics in parts.items()
    }


def importance_panels(model: Model, data: Dataset, preprocessor: Preprocessor) -> list[Panel]:
    """Return the figure of a table's most important columns; none for arrays, or too many."""
    from gradus.report.page import Panel

    if not isinstance(preprocessor, TablePreprocessor) or _has_too_many_columns(preprocessor):
        return []
    falls, panels = column_importance(model, data, preprocessor), []
    target, loss = require_target(preprocessor.target), losses_of(model)
    for one in target.parts[:MAX_TARGETS] or [target]:
        score = score_name(loss[one.name] if target.parts else loss, one)
        title = f"Importance of columns{f' for {one.name}' * bool(target.parts)}"
        caption = (
            f"By how much the {score} falls if a column's values are shuffled among the rows. "
            "Columns that tell the same share it: each alone may seem to matter little."
        )
        every = falls[one.name] if target.parts else falls
        shown = dict(itertools.islice(every.items(), MAX_BARS))
        if left_out := len(every) - len(shown):
            caption += f" Not drawn: {counted(left_out, 'less important column')}."
        figure = bars(shown, f"fall of the {score}", title=title)
        panels.append(Panel(title, caption, figure, wide=len(shown) > MANY_BARS))
    return panels


def _has_too_many_columns(preprocessor: Preprocessor) -> bool:
    """Return whether a table has more columns than are permuted in a reasonable time."""
    return (
        isinstance(preprocessor, TablePreprocessor)
        and len(preprocessor.column_rows()) > MAX_COLUMNS
    )


def _image_panels(
    model: Model, prepared: PreparedData, shown: str, true: np.ndarray, predicted: np.ndarray
) -> list[Panel]:
    """Return the mistakes on a part, and samples of the training; none but for images."""
    from gradus.report.image_panels import mistake_panels, sample_panels

    target, raw = prepared.target, prepared.raw
    if raw["training"].is_table:
        return []
    (x, y), names = prepared.parts["training"], target.class_names
    if names:
        labels = [names[label] for label in encoded_labels(y)]
        wrong = mistake_panels(prepared.parts[shown][0], true, predicted, names, raw[shown].files)
    else:
        labels, wrong = [four_digits(value) for value in target.inverse(y)[:, 0]], []
    return [*wrong, *sample_panels(model, x, labels, raw["training"].files)]


def _panels_of_targets(model: Model, part: XY, target: Target) -> list[Panel]:
    """Return a figure of predictions for each of the first of several targets."""
    from gradus.report.report_builder import result_panels

    panels = []
    shown = zip(target.columns[:MAX_TARGETS], _each_comparison(model, part, target), strict=False)
    for k, (column, compared) in enumerate(shown):
        first = result_panels(*compared)[0]
        left_out = len(target.columns) - MAX_TARGETS
        more = f" {left_out} more targets are not drawn." * (left_out > 0 and k == MAX_TARGETS - 1)
        caption = f"{first.caption}{more}"
        panels.append(first._replace(title=f"{first.title}: {column}", caption=caption))
    return panels


def _each_comparison(
    model: Model, part: XY, target: Target
) -> Iterator[tuple[str, np.ndarray, np.ndarray, Sequence[str] | None]]:
    """Yield for each of several targets the arguments of `result_panels`."""
    x, y = part
    outputs, loss = model.predict(x), losses_of(model)
    for one in target.parts:
        compared = _comparison(outputs[one.name], y[one.name], loss[one.name], one)
        yield *compared, one.class_names or None
    if target.parts:
        return
    true, predicted = target.inverse(y), target.inverse(outputs)
    if target.task == "multilabel":
        predicted = decide_classes(np.asarray(outputs), loss, target)
    kind, names = ("values", None) if target.task == "regression" else ("classes", ("0", "1"))
    for k in range(len(target.columns)):
        yield kind, true[:, k], predicted[:, k], names


def _predictions(model: Model, part: XY, target: Target) -> tuple[str, np.ndarray, np.ndarray]:
    """Return "values" or "classes", the true targets and the predictions, for `result_panels`."""
    x, y = part
    return _comparison(np.asarray(model.predict(x)), y, losses_of(model), target)


def _comparison(
    outputs: np.ndarray, y: np.ndarray, loss: Loss, target: Target
) -> tuple[str, np.ndarray, np.ndarray]:
    """Return what `_predictions` does for the outputs of one target."""
    if target.task == "regression":
        return "values", target.inverse(y), target.inverse(outputs)
    if loss.link is None and outputs.shape[1] == 1:
        outputs = outputs + 0.5  # the threshold of a hinge's scores is 0, that of the figures ½
    return "classes", encoded_labels(y), outputs
