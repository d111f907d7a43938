"""Panels of what a network makes of samples, what is lost most, and of the samples it generates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.drawing.charts import bars
from gradus.report.images import images, reconstructions
from gradus.report.latent_codes import codes
from gradus.report.page import Panel

GENERATED = 500  # samples of each kind that a figure compares
PICTURES, WORST = 10, 20  # images of a panel; columns of the figure
LEAST_SIDE = 8  # of rows that are drawn as square images
CHANNELS = (1, 3)


def reconstruction_panels(
    x: Any, outputs: Any, noisy: Any = None, columns: Sequence[str] = ()
) -> list[Panel]:
    """Return panels that compare samples with their reconstructions; none for several inputs.

    Of images these are the first ones and the worst ones, of anything else the columns that are
    reconstructed worst.

    Args:
        x: samples, (n, ...).
        outputs: their reconstructions, (n, ...).
        noisy: the samples with noise, of which the reconstructions are made.
        columns: the names of a table's columns; with them, samples are no images.
    """
    if isinstance(x, dict | tuple) or np.shape(x) != np.shape(outputs):
        return []
    x, outputs = np.asarray(x, np.float64), np.asarray(outputs, np.float64)
    if _are_images(x) and not columns:
        return _image_panels(x, outputs, None if noisy is None else np.asarray(noisy))
    return _column_panels(x, outputs, columns)


def generated_panels(x: Any, samples: Any) -> list[Panel]:
    """Return the panel that shows generated samples beside the data; none for a single column.

    Args:
        x: data, (n, ...).
        samples: as many generated ones of the same shape, or fewer.
    """
    if isinstance(x, dict | tuple) or np.shape(x)[1:] != np.shape(samples)[1:]:
        return []
    x, samples = np.asarray(x, np.float64)[: len(samples)], np.asarray(samples, np.float64)
    if _are_images(x):
        shown = np.concatenate([x[: 2 * PICTURES], samples[: 2 * PICTURES]])
        caption = "Two rows of the data, and below them two of generated samples."
        return [Panel("Generated samples", caption, images(shown, PICTURES), wide=True)]
    x, samples = x.reshape(len(x), -1), samples.reshape(len(samples), -1)
    if x.shape[1] < 2:
        return []
    kinds = np.repeat([0, 1], [len(x), len(samples)])
    figure = codes(np.concatenate([x, samples]), kinds, ["data", "generated"])
    figure.update_layout(annotations=[])  # the names, which would stand on each other
    caption = "Generated samples among the data: where they are alike, each covers the other."
    return [Panel("Generated samples", caption, figure, wide=True)]


def _are_images(x: np.ndarray) -> bool:
    if x.ndim == 2:
        side = math.isqrt(x.shape[1])
        return side >= LEAST_SIDE and side * side == x.shape[1]
    return x.ndim == 4 and x.shape[-1] in CHANNELS


def _image_panels(x: np.ndarray, outputs: np.ndarray, noisy: np.ndarray | None) -> list[Panel]:
    errors = ((x - outputs) ** 2).reshape(len(x), -1).mean(axis=1)
    worst = np.argsort(-errors, kind="stable")[:PICTURES]
    below = "" if noisy is None else "with the noise that it was given, and "
    panels = []
    for title, which, rows in (
        ("Reconstructions", "The first samples", np.arange(len(x))[:PICTURES]),
        ("Worst reconstructions", "The samples with the largest squared error", worst),
    ):
        given = None if noisy is None else noisy[rows]
        figure = reconstructions(outputs[rows], x[rows], given, PICTURES)
        caption = f"{which}, above {below}what the network makes of each."
        panels.append(Panel(title, caption, figure, wide=True))
    return panels


def _column_panels(x: np.ndarray, outputs: np.ndarray, columns: Sequence[str]) -> list[Panel]:
    """Return the figure of the columns of which the largest share of the variance is lost."""
    if x.ndim < 2 or x.shape[-1] < 2:
        return []
    x, outputs = x.reshape(-1, x.shape[-1]), outputs.reshape(-1, x.shape[-1])
    variance = x.var(axis=0)
    varied = np.flatnonzero(variance > 0)
    lost = ((x - outputs) ** 2).mean(axis=0)[varied] / variance[varied]
    names = columns or [f"column {number}" for number in range(1, x.shape[-1] + 1)]
    order = np.argsort(-lost, kind="stable")[:WORST]
    shown = {names[varied[place]]: float(lost[place]) for place in order}
    if not shown:
        return []
    caption = (
        "The squared error of each column in variances of it, the worst first: 0 is reproduced "
        "exactly, and 1 is no better than always answering its mean."
    )
    if len(lost) > WORST:
        caption += f" The {WORST} worst of {len(lost)} columns."
    title = "Columns by what is lost"
    return [Panel(title, caption, bars(shown, "squared error / variance", title=title))]
