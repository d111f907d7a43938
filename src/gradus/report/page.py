"""The report of a run: one self-contained HTML page that opens offline."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradus.diagnosis.findings import Diagnosis, Finding
from gradus.drawing import pages, style
from gradus.errors import SavedError
from gradus.files import user_path
from gradus.report import statistics_figures, training
from gradus.streams import in_words
from gradus.train.history import History

if TYPE_CHECKING:
    import jinja2

MAX_TILES = 4
CURVES_BELOW = ("Loss", "Accuracy")
STOP_MESSAGES = {
    "patience": "Training stopped early because the monitored metric had stopped improving.",
    "target": "Training stopped when the target was reached.",
    "diverged": "Training stopped because the loss was no longer finite.",
    "interrupted": "Training was interrupted.",
    "callback": "Training was stopped by a callback.",
    "fault": "Training was stopped because a fault made it pointless to go on.",
}


class Picture(NamedTuple):
    """An image on the page.

    Attributes:
        source: its address, which holds its pixels.
        label: a text below it.
        title: a text that is shown on hovering.
    """

    source: str
    label: str
    title: str = ""


class Panel(NamedTuple):
    """A figure on the page.

    Attributes:
        title: the heading.
        caption: a sentence that says how to read the figure.
        figure: a Plotly figure, whose own title is not shown; None for pictures.
        wide: whether the panel takes the full width of the page.
        min_width: the width in pixels below which the panel scrolls.
        pictures: images that stand in place of the figure.
    """

    title: str
    caption: str
    figure: Any
    wide: bool = False
    min_width: int = 0
    pictures: Sequence[Picture] = ()


@dataclasses.dataclass(frozen=True)
class Report:
    """The content of a run's page; empty parts are left out.

    Attributes:
        title: the run's name.
        data: lines about the data: its source, the number of samples, the split.
        metrics: metrics by split, {"test": {"loss": 0.1, "accuracy": 0.97}}; those of "test", or
            else of the last split, are the most prominent.
        history: the training history, drawn as learning curves and layer statistics.
        figures: results on data: `Panel`s or (title, caption, figure).
        inside: more figures of the network's layers.
        settings: the experiment, as a nested mapping or as TOML text.
        environment: versions, device, and date of the run.
        notes: findings, in sentences.
        columns: of a table: what each became, by its name.
        overrides: what can be said of a column instead, the flag that says it, and the setting.
        constant: what the best constant prediction scores on the part that is shown first.
        diagnosis: what the training showed to be wrong; None for the findings of the history.
        penalized: whether penalties of the weights are in the training loss.
        shown: the split that `figures` show, as in `metrics`; "" if they show none of them.
    """

    title: str
    data: Sequence[str] = ()
    metrics: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    history: History | None = None
    figures: Sequence[Panel | tuple[str, str, Any]] = ()
    inside: Sequence[Panel | tuple[str, str, Any]] = ()
    settings: Mapping[str, Any] | str = ""
    environment: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    overrides: Sequence[tuple[str, str, str]] = ()
    constant: Mapping[str, float] = dataclasses.field(default_factory=dict)
    diagnosis: Diagnosis | None = None
    penalized: bool = False
    shown: str = ""


def write_report(path: str | Path, run: Report) -> Path:
    """Write the page of a run to `path`, atomically.

    Returns:
        The path.

    Raises:
        SavedError: if it cannot be written; an existing file stays as it is.
    """
    return write_html(path, render(run))


def write_html(path: str | Path, page: str) -> Path:
    """Write a page atomically, as `write_report` does.

    Raises:
        SavedError: if it cannot be written; also for a name that is none of a page, such as that
            of the data, which it would replace.
    """
    path, temporary = user_path(path), None
    if path.suffix.lower() not in (".html", ".htm"):
        raise SavedError(
            f"{str(path)!r} is no name of a page: write one that ends in .html, such as "
            "'report.html'."
        )
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=path.name, suffix=".part", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(page)
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise SavedError(
            f"The report cannot be written to {str(path)!r}: {error.strerror or error}. "
            "Choose a folder that exists, is writable and has space."
        ) from error
    return path


def render(run: Report) -> str:
    """Return the page of a run as self-contained HTML."""
    history = run.history if run.history is not None and run.history.epochs else None
    diagnosis = run.diagnosis
    if diagnosis is None and history is not None:
        diagnosis = history.findings
    return fill_template(
        "report.html",
        run=run,
        tiles=_tiles(run, history),
        metric_names=list(dict.fromkeys(name for split in run.metrics.values() for name in split)),
        diagnosis=diagnosis,
        notes=_notes(run, history, diagnosis),
        words=in_words,
        sections=[
            (
                "Learning",
                False,
                lay_out(_learning_panels(history, run.penalized) if history else []),
            ),
            (
                f"Results on {run.shown} samples" if run.shown else "Results",
                False,
                lay_out(run.figures),
            ),
            (
                "Inside the network",
                True,
                lay_out([*(_statistics_panels(history) if history else []), *run.inside]),
            ),
        ],
        settings=run.settings if isinstance(run.settings, str) else _flatten(run.settings),
        environment=run.environment,
    )


def fill_template(template: str, **content: Any) -> str:
    """Render a template of this package as a self-contained page."""
    parts = {
        "style": _read_resource("report.css") + pages.page_style(),
        "plotly": pages.compressed_plotly(),
        "drawing": pages.drawing_script(),
    }
    return _templates().get_template(template).render(**parts, **content)


@functools.cache
def _templates() -> jinja2.Environment:
    """Return what keeps the templates of this package, each compiled once."""
    import jinja2

    templates = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read_resource),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["sentence"] = _sentence
    templates.globals.update(
        number=format_number, chart=_chart_json, label=style.axis_label, evidence=_evidence
    )
    return templates


def format_number(name: str, value: float) -> str:
    """Format a metric: "97.3%" for an accuracy, otherwise four digits."""
    if not math.isfinite(value):
        return "not finite"
    if style.is_percentage(name):
        return style.percent(value)
    if -1e-3 < value < 0:  # a score such as R², which is about zero
        return f"{value:.4f}"
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def format_duration(seconds: float) -> str:
    """Format a time: "17 ms", "3.1 s", "2 min 5 s", "1 h 4 min"."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


# --- parts of the page -------------------------------------------------------------------------


def _tiles(run: Report, history: History | None) -> list[tuple[str, str, list[str]]]:
    """Return the key figures of the header: label, value, and remarks."""
    tiles = []
    if run.metrics:
        split = "test" if "test" in run.metrics else list(run.metrics)[-1]
        for name in _names_of_tiles(run.metrics[split]):
            others = [
                f"{other} {format_number(name, numbers[name])}"
                for other, numbers in run.metrics.items()
                if other != split and name in numbers
            ]
            if name in run.constant:
                others.append(f"constant guess {format_number(name, run.constant[name])}")
            value = format_number(name, run.metrics[split][name])
            tiles.append((f"{split} {style.axis_label(name)}", value, others))
    if history:
        remark = [f"weights of epoch {history.best_epoch} kept"] if history.best_epoch else []
        tiles.append(("epochs", str(history.epochs), remark))
        if history.seconds:
            pace = [
                f"{format_duration(sum(history.seconds) / history.epochs)} per epoch",
                f"plus {format_duration(history.compile_seconds)} to compile",
            ]
            tiles.append(("training time", format_duration(sum(history.seconds)), pace))
    return tiles


def _names_of_tiles(metrics: Mapping[str, float]) -> list[str]:
    """Return the metrics for `MAX_TILES` tiles: of several targets, those of all or of none."""
    shown: list[str] = []
    names = sorted(metrics, key=lambda name: name == "loss")
    for _, group in itertools.groupby(names, key=lambda name: name.partition(" ")[0]):
        found = list(group)
        if not shown or len(shown) + len(found) <= MAX_TILES:
            shown += found[:MAX_TILES]
    return shown


def _notes(run: Report, history: History | None, diagnosis: Diagnosis | None) -> list[str]:
    if history is None:
        return list(run.notes)
    reason = [STOP_MESSAGES[history.stopped]] if history.stopped in STOP_MESSAGES else []
    shown = {finding.note for finding in diagnosis or ()}  # they have a list of their own
    notes = dict.fromkeys([*run.notes, *history.notes, *reason])
    return [note for note in notes if note not in shown]


def _evidence(finding: Finding) -> Panel | None:
    """Return the figure of a fault that others follow from, unless it is a curve shown below."""
    if finding.severity != "fault" or finding.cause or finding.chart is None:
        return None
    if finding.chart.title in CURVES_BELOW:
        return None
    return Panel(finding.chart.title, finding.message, finding.figure())


def _learning_panels(history: History, penalized: bool) -> list[Panel]:
    validated = ", and on the validation samples after each epoch."
    panels = [
        Panel(
            style.heading(name),
            "On the training samples, averaged while the weights change"
            + (", penalties of the weights included" if penalized and name == "loss" else "")
            + (validated if f"val_{name}" in history else "."),
            training.learning_curves(history, [name]),
        )
        for name in training.curve_names(history)
        if np.isfinite([history[name], history.get(f"val_{name}", history[name])]).any()
    ]
    if "learning_rate" in history and np.ptp(history["learning_rate"]) > 0:
        panels.append(
            Panel(
                "Learning rate",
                "The learning rate at the end of each epoch.",
                training.learning_rate(history),
            )
        )
    return panels


def _statistics_panels(history: History) -> list[Panel]:
    recorded = [history.probes.get(name) for name in statistics_figures.FIRST]
    if not all(values is not None and np.isfinite(values).any() for values in recorded):
        return []  # without layer statistics, or diverged before the first of them
    return [
        Panel(
            "Activations",
            "The outputs of each layer, from the first (purple) to the last (green): a healthy "
            "layer keeps its spread and has few saturated or silent units.",
            statistics_figures.activations_by_layer(history),
            wide=True,
        ),
        Panel(
            "Gradients",
            "The norm of each weight's gradient, biases dotted: lines that are orders of magnitude "
            "apart mean vanishing or exploding gradients.",
            statistics_figures.gradients_by_layer(history),
        ),
        Panel(
            "Updates",
            "How far a step moves each layer's weights, relative to their norm: below the green "
            "band the learning rate is probably too low, above it too high.",
            statistics_figures.updates_by_layer(history),
        ),
    ]


def lay_out(panels: Sequence[Any]) -> list[Panel]:
    """Lay panels out two to a row; one that would be alone in its row gets the full width."""
    panels_out: list[Panel] = []
    alone = False
    for panel in (Panel(*panel) for panel in panels):
        if panel.wide and alone:
            panels_out[-1] = panels_out[-1]._replace(wide=True)
        alone = not panel.wide and not alone
        panels_out.append(panel)
    if alone:
        panels_out[-1] = panels_out[-1]._replace(wide=True)
    return panels_out


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a nested mapping, joining names with dots."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        key = f"{prefix}{name}"
        flat.update(_flatten(value, f"{key}.") if isinstance(value, Mapping) else {key: value})
    return flat


def _read_resource(name: str) -> str:
    return resources.files("gradus.report").joinpath(name).read_text("utf-8")


def _sentence(text: str) -> Any:
    """Return a message with a period at its end, and flags that no line breaks."""
    from markupsafe import Markup, escape

    ended = text if text.endswith((".", "?", "!")) else f"{text}."
    flagged = re.sub(r"--[a-z][\w-]*", r'<span class="flag">\g<0></span>', str(escape(ended)))
    return Markup(flagged)  # noqa: S704


def _chart_json(panel: Panel) -> Any:
    """Return a figure as JSON without "<", safe inside a script element."""
    from markupsafe import Markup
    from plotly.graph_objects import Figure

    figure = Figure(panel.figure)  # a copy: the panel's figure keeps its title
    figure.layout.title = None
    figure.layout.margin.t = 44 if _has_legend(figure) else 24
    return Markup(figure.to_json().replace("<", "\\u003c"))  # noqa: S704


def _has_legend(figure: Any) -> bool:
    return sum(getattr(trace, "showlegend", False) is not False for trace in figure.data) > 1
