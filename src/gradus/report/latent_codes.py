"""Figures of latent codes: the vectors of an encoder as points in a plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.data.arrays import as_array
from gradus.drawing import style
from gradus.drawing.charts import legend_below
from gradus.drawing.labels import place_labels
from gradus.errors import DataError
from gradus.report.predictions import MAX_POINTS, class_texts, labels_of

MAX_WORDS = 100  # that are written beside their points; more are shown under the mouse alone
MARGIN = 0.08  # around the points, of their range
NEAR = 20  # pixels, from which on a word has a line to its point


def codes(
    codes: Any,
    labels: Any = None,
    class_names: Sequence[object] | None = None,
    words: Sequence[object] | None = None,
) -> Any:
    """Draw codes as points, colored by class, each class name at the center of its points.

    Codes of more than two dimensions are projected on their first two principal components; the
    axes tell the share of the variance of each. Of more than 3,000 samples, evenly spaced ones are
    drawn.

    Args:
        codes: `(n, d)` with d ≥ 2.
        labels: labels of the samples, `(n,)`, or one-hot rows; None for no classes.
        class_names: names of the labels 0, 1, ….
        words: a word beside each point, if there are at most 100 and it has room; else the mouse
            shows it.

    Raises:
        DataError: if the codes have another shape or are not finite, or the number of labels or
            words differs from theirs.

    Examples:
        >>> figure = gr.figures.codes(np.eye(4), labels=[0, 0, 1, 1], class_names=["cat", "dog"])
        >>> [points.name for points in figure.data]
        ['cat', 'dog']
    """
    vectors = as_array(codes, "codes", wide=True)
    if vectors.ndim != 2 or vectors.shape[1] < 2 or not np.isfinite(vectors).all():
        raise DataError(
            f"codes draws finite rows of two or more numbers, but the shape is {vectors.shape}."
        )
    for name, values in (("labels", labels), ("words", words)):
        if values is not None and len(values) != len(vectors):
            raise DataError(f"There are {len(vectors)} codes but {len(values)} {name}.")
    plane, axes = _project(vectors)
    drawn = style.evenly_spaced(len(plane), MAX_POINTS)
    figure = style.figure("Codes", height=480)
    if labels is None:
        _draw_points(figure, plane, drawn, "codes", 0, words)
    else:
        classes = labels_of(labels, "labels")
        for index, name in enumerate(class_texts(class_names, int(classes.max()) + 1)):
            rows = drawn[classes[drawn] == index]
            if len(rows):
                _draw_points(figure, plane, rows, name, index, words)
                if words is None:
                    _label_center(figure, np.median(plane[rows], axis=0), name)
    figure.update_xaxes(title_text=axes[0])
    figure.update_yaxes(title_text=axes[1], showgrid=False)
    if words is not None and len(words) <= MAX_WORDS:
        _label_points(figure, plane, [str(word) for word in words])
    figure.update_layout(hovermode="closest")
    legend_below(figure)
    return figure


def principal(rows: Any, count: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return the first principal components of `rows`, and the share of the variance of each.

    The centered rows are U·S·Vᵀ; the components are the columns of U·S (Pearson 1901). Each sign,
    which is arbitrary, is chosen to make the largest element of its row of Vᵀ positive.

    Args:
        rows: `(n, d)`.
        count: the number of components, at most d.

    Returns:
        The components `(n, count)` and their shares `(count,)`.
    """
    rows = np.asarray(rows, float)
    left, sizes, right = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    variance = sizes**2
    shares = variance / max(variance.sum(), np.finfo(float).tiny)
    return (left * sizes * signs)[:, :count], shares[:count]


def _project(vectors: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Project vectors on a plane: return points `(n, 2)` and the labels of the axes."""
    if vectors.shape[1] == 2:
        return vectors, ["first dimension", "second dimension"]
    plane, shares = principal(vectors)
    names = zip(("first", "second"), shares, strict=True)
    return plane, [f"{name} component ({style.percent(float(part))})" for name, part in names]


def _draw_points(
    figure: Any,
    plane: np.ndarray,
    rows: np.ndarray,
    name: str,
    index: int,
    words: Sequence[object] | None,
) -> None:
    labels = None if words is None else [style.escape(words[row]) for row in rows]
    figure.add_scatter(
        x=plane[rows, 0],
        y=plane[rows, 1],
        name=name,
        mode="markers",
        text=labels,
        marker={
            "size": 6 if len(plane) > 100 else 9,
            "color": style.translucent(style.pick(index), 0.7),
            # When colors repeat, symbols change.
            "symbol": style.pick(index + index // len(style.COLORS), style.SYMBOLS),
        },
        hovertemplate=f"{'%{text}' if labels else name} (%{{x:.3g}}, %{{y:.3g}})<extra></extra>",
    )


def _label_points(figure: Any, plane: np.ndarray, words: Sequence[str]) -> None:
    """Write words beside their points, with a line to those farther off, where there is room."""
    low, high = plane.min(axis=0), plane.max(axis=0)
    room = MARGIN * np.where(high > low, high - low, 1)
    figure.update_xaxes(range=[low[0] - room[0], high[0] + room[0]])
    figure.update_yaxes(range=[low[1] - room[1], high[1] + room[1]])
    offsets = place_labels((plane - low + room) / (high - low + 2 * room), words)
    for point, word, offset in zip(plane, words, offsets, strict=True):
        if offset is not None:
            figure.add_annotation(
                x=point[0],
                y=point[1],
                ax=offset[0],
                ay=-offset[1],
                text=style.escape(word),
                font={"size": 12},
                arrowhead=0,
                arrowwidth=1,
                arrowcolor=style.MUTED if np.hypot(*offset) > NEAR else "rgba(0, 0, 0, 0)",
                standoff=4,
                borderpad=0,
            )


def _label_center(figure: Any, center: np.ndarray, name: str) -> None:
    figure.add_annotation(
        x=center[0],
        y=center[1],
        text=f"<b>{name}</b>",
        showarrow=False,
        font={"size": 13},
        bgcolor="rgba(255, 255, 255, 0.75)",
        borderpad=1,
    )
