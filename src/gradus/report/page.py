"""The report of a run: one page that opens anywhere, off line, with all that it needs inside."""

from __future__ import annotations

import dataclasses
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradus.errors import SavedError
from gradus.report import layer_statistics, style, training
from gradus.train.history import History

MOST_TILES = 4
ENDINGS = {
    "patience": "Training ended early, as the watched number had stopped improving.",
    "target": "Training ended when the target was reached.",
    "diverged": "Training broke off because the loss was no longer a finite number.",
    "interrupted": "Training was interrupted.",
}


class Panel(NamedTuple):
    """A figure on the page.

    Attributes:
        title: its heading.
        caption: a sentence on how to read it.
        figure: a Plotly figure; its own title is left out.
        wide: whether it takes the page's whole width.
        least: the width in pixels below which it is scrolled.
    """

    title: str
    caption: str
    figure: Any
    wide: bool = False
    least: int = 0


@dataclasses.dataclass(frozen=True)
class Report:
    """What the page of a run shows; whatever is left empty is left out.

    Attributes:
        title: the run's name.
        data: lines on the data: where from, how many samples, which split.
        metrics: the numbers by split, {"test": {"loss": 0.1, "accuracy": 0.97}}; those of "test",
            or else of the last split, stand largest.
        history: the record of training, from which its curves and the probes' figures are made.
        figures: what the network does on data: `Panel`s or (title, caption, figure).
        inside: further figures of the network's inside.
        settings: the experiment, as a nested mapping or as TOML text.
        environment: what it ran on: versions, device, date.
        notes: findings, in sentences.
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


def write_report(path: str | Path, run: Report) -> Path:
    """Write the page of a run to `path`, under another name first, so that it is never half there.

    Returns:
        The path.

    Raises:
        SavedError: if it cannot be written; what stood there before stays whole.
    """
    return write_html(path, render(run))


def write_html(path: str | Path, page: str) -> Path:
    """Write a page as `write_report` does."""
    path, temporary = Path(path), None
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
            "Write it to a folder that exists, has room and may be written to."
        ) from error
    return path


def render(run: Report) -> str:
    """Return the page of a run as HTML that loads nothing from anywhere."""
    history = run.history if run.history is not None and run.history.epochs else None
    return fill_template(
        "report.html",
        run=run,
        tiles=_tiles(run, history),
        metric_names=list(dict.fromkeys(name for split in run.metrics.values() for name in split)),
        notes=_notes(run, history),
        sections=[
            ("Learning", False, laid_out(_learning(history) if history else [])),
            ("Results", False, laid_out(run.figures)),
            (
                "Inside the network",
                True,
                laid_out([*(_probes(history) if history else []), *run.inside]),
            ),
        ],
        settings=run.settings if isinstance(run.settings, str) else _flat(run.settings),
        environment=run.environment,
    )


def fill_template(template: str, **content: Any) -> str:
    """Return a template of this package as a page that loads nothing from anywhere."""
    import jinja2
    from plotly.offline import get_plotlyjs

    pages = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.globals.update(number=format_number, chart=_chart, label=style.axis_label)
    style_sheet, plotly = _source("report.css"), get_plotlyjs()
    return pages.get_template(template).render(style=style_sheet, plotly=plotly, **content)


def format_number(name: str, value: float) -> str:
    """Return a metric as people read it: "97.3%" for an accuracy, else four digits."""
    if not math.isfinite(value):
        return "not finite"
    if style.is_share(name):
        return style.share(value)
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def format_duration(seconds: float) -> str:
    """Return a time as people read it: "17 ms", "3.1 s", "2 min 5 s", "1 h 4 min"."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


# --- what stands on the page -------------------------------------------------------------------


def _tiles(run: Report, history: History | None) -> list[tuple[str, str, list[str]]]:
    """Return the header's key numbers: the label, the number, and words on it."""
    tiles = []
    if run.metrics:
        split = "test" if "test" in run.metrics else list(run.metrics)[-1]
        names = sorted(run.metrics[split], key=lambda name: name == "loss")
        for name in names[:MOST_TILES]:
            others = [
                f"{other} {format_number(name, numbers[name])}"
                for other, numbers in run.metrics.items()
                if other != split and name in numbers
            ]
            value = format_number(name, run.metrics[split][name])
            tiles.append((f"{split} {style.axis_label(name)}", value, others))
    if history:
        kept = [f"weights of epoch {history.best_epoch} kept"] if history.best_epoch else []
        tiles.append(("epochs", str(history.epochs), kept))
        if history.seconds:
            each = [
                f"{format_duration(sum(history.seconds) / history.epochs)} an epoch",
                f"and {format_duration(history.compile_seconds)} to compile",
            ]
            tiles.append(("training time", format_duration(sum(history.seconds)), each))
    return tiles


def _notes(run: Report, history: History | None) -> list[str]:
    if history is None:
        return list(run.notes)
    ending = [ENDINGS[history.stopped]] if history.stopped in ENDINGS else []
    return list(dict.fromkeys([*run.notes, *history.notes, *ending]))


def _learning(history: History) -> list[Panel]:
    panels = [
        Panel(
            style.heading(name),
            "On the samples trained on, measured while the weights still move"
            + (", and after each epoch on those held back." if f"val_{name}" in history else "."),
            training.learning_curves(history, [name]),
        )
        for name in training.curve_names(history)
    ]
    if "learning_rate" in history and np.ptp(history["learning_rate"]) > 0:
        panels.append(
            Panel(
                "Learning rate",
                "How far a step goes, at the end of each epoch.",
                training.learning_rate(history),
            )
        )
    return panels


def _probes(history: History) -> list[Panel]:
    if not any(np.isfinite(values).any() for values in history.probes.values()):
        return []
    return [
        Panel(
            "Activations",
            "What comes out of each layer, from the first (dark) to the last (light): a healthy "
            "layer keeps its width and has few saturated or silent units.",
            layer_statistics.activations_by_layer(history),
            wide=True,
        ),
        Panel(
            "Gradients",
            "The norm of each weight's gradient, biases dotted: lines that lie orders of magnitude "
            "apart mean gradients that vanish or explode.",
            layer_statistics.gradients_by_layer(history),
        ),
        Panel(
            "Updates",
            "How far a step moves each layer's weights, as a share of them: below the green band "
            "the learning rate is likely too low, above it too high.",
            layer_statistics.updates_by_layer(history),
        ),
    ]


def laid_out(panels: Sequence[Any]) -> list[Panel]:
    """Return the panels, two to a row, those that would stand alone in one over its whole width."""
    laid: list[Panel] = []
    alone = False
    for panel in (Panel(*panel) for panel in panels):
        if panel.wide and alone:
            laid[-1] = laid[-1]._replace(wide=True)
        alone = not panel.wide and not alone
        laid.append(panel)
    if alone:
        laid[-1] = laid[-1]._replace(wide=True)
    return laid


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested mapping as one level, its names joined by dots."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        key = f"{prefix}{name}"
        flat.update(_flat(value, f"{key}.") if isinstance(value, Mapping) else {key: value})
    return flat


def _source(name: str) -> str:
    return resources.files("gradus.report").joinpath(name).read_text("utf-8")


def _chart(panel: Panel) -> Any:
    """Return a figure as JSON that may stand in a page's script: it holds no "<"."""
    from markupsafe import Markup
    from plotly.graph_objects import Figure

    figure = Figure(panel.figure)  # a copy: the panel's own keeps its title
    figure.layout.title = None
    figure.layout.margin.t = 44 if _has_legend(figure) else 24
    return Markup(figure.to_json().replace("<", "\\u003c"))  # noqa: S704


def _has_legend(figure: Any) -> bool:
    return sum(getattr(trace, "showlegend", False) is not False for trace in figure.data) > 1
