"""The page that compares runs: what each reached, where they differ, and their curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gradus.drawing import style
from gradus.report.page import Panel, fill_template, lay_out, write_html
from gradus.report.training import curves_of
from gradus.train.history import History

MAX_CURVES = 21  # that colors and dashes tell apart


def write_runs(
    path: str | Path,
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    histories: Mapping[str, Mapping[str, History]],
) -> Path:
    """Write the page of some runs as self-contained HTML.

    Args:
        path: the file to write.
        title: what the runs have in common, such as their folder.
        header: the columns of the table.
        rows: a row for each run.
        histories: by the name of the data, and that of the run.

    Returns:
        The path.

    Raises:
        SavedError: if it cannot be written; an existing file stays as it is.
    """
    sections = [(f"Curves on {data}", lay_out(_panels(runs))) for data, runs in histories.items()]
    page = fill_template(
        "runs.html",
        run={"title": title, "data": [f"{len(rows)} runs"]},
        tiles=[],
        header=header,
        rows=rows,
        sections=sections,
    )
    return write_html(path, page)


def _panels(histories: Mapping[str, History]) -> list[Panel]:
    """Return a figure for each number that several runs on the same data report."""
    panels = []
    for name in ("val_loss", "loss"):
        having = {run: history for run, history in histories.items() if name in history}
        if having:
            panels.append(_panel(name, having))
            break
    metrics = dict.fromkeys(
        name
        for history in histories.values()
        for name, values in history.items()
        if name.startswith("val_") and name != "val_loss" and values.ndim == 1
    )
    for name in metrics:
        panels.append(_panel(name, {run: h for run, h in histories.items() if name in h}))
    return panels


def _panel(name: str, histories: Mapping[str, History]) -> Panel:
    shown = dict(list(histories.items())[:MAX_CURVES])
    label = style.heading(name)
    caption = "After each epoch."
    if len(histories) > len(shown):
        caption += f" The first {len(shown)} of {len(histories)} runs."
    return Panel(label, caption, curves_of(shown, name))
