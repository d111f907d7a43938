"""Figures of codes: what a network makes of samples, as points in a plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.errors import DataError
from gradus.report import style
from gradus.report.charts import legend_below
from gradus.report.predictions import MOST_POINTS, class_texts, labels_of


def codes(
    codes: Any,
    labels: Any = None,
    class_names: Sequence[object] | None = None,
    words: Sequence[object] | None = None,
) -> Any:
    """Return codes as points, each class in a colour, its name at the middle of its points.

    Of codes of more than two numbers the two principal components are drawn, and the share of the
    variance that each holds is told. Of more than 3,000
    samples evenly spaced ones are drawn.

    Args:
        codes: `(n, d)` with d ≥ 2.
        labels: of the samples, `(n,)`, or one-hot rows; None for no classes.
        class_names: what the labels 0, 1, … stand for.
        words: a word beside each point.

    Raises:
        DataError: if the codes have another shape, or there are not as many labels or words.
    """
    found = np.asarray(codes, float)
    if found.ndim != 2 or found.shape[1] < 2 or not np.isfinite(found).all():
        raise DataError(
            f"codes draws finite rows of two numbers or more, but was given {found.shape}."
        )
    for what, given in (("labels", labels), ("words", words)):
        if given is not None and len(given) != len(found):
            raise DataError(f"There are {len(found)} codes but {len(given)} {what}.")
    plane, axes = _plane(found)
    kept = style.thin(len(plane), MOST_POINTS)
    shown = style.figure("Codes", height=480)
    if labels is None:
        _points(shown, plane, kept, "codes", 0, words)
    else:
        classes = labels_of(labels, "labels")
        for index, name in enumerate(class_texts(class_names, int(classes.max()) + 1)):
            rows = kept[classes[kept] == index]
            if len(rows):
                _points(shown, plane, rows, name, index, words)
                if words is None:
                    _name_middle(shown, np.median(plane[rows], axis=0), name)
    shown.update_xaxes(title_text=axes[0])
    shown.update_yaxes(title_text=axes[1], showgrid=False)
    shown.update_layout(hovermode="closest")
    legend_below(shown)
    return shown


def principal(rows: Any, count: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return the first principal components of rows, and the share of the variance of each.

    The rows less their mean are U·S·Vᵀ; the components are the columns of U·S (Pearson 1901). A
    component's sign, which is free, makes the largest element of its row of Vᵀ positive.

    Args:
        rows: `(n, d)`.
        count: how many components, at most d.

    Returns:
        The components `(n, count)` and their shares `(count,)`.
    """
    rows = np.asarray(rows, float)
    left, sizes, right = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    variance = sizes**2
    shares = variance / max(variance.sum(), np.finfo(float).tiny)
    return (left * sizes * signs)[:, :count], shares[:count]


def _plane(found: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return points in a plane, `(n, 2)`, and what its axes are."""
    if found.shape[1] == 2:
        return found, ["first number", "second number"]
    plane, shares = principal(found)
    names = zip(("first", "second"), shares, strict=True)
    return plane, [f"{name} component ({style.share(float(part))})" for name, part in names]


def _points(
    shown: Any,
    plane: np.ndarray,
    rows: np.ndarray,
    name: str,
    index: int,
    words: Sequence[object] | None,
) -> None:
    said = None if words is None else [style.text(words[row]) for row in rows]
    shown.add_scatter(
        x=plane[rows, 0],
        y=plane[rows, 1],
        name=name,
        mode="markers" if said is None else "markers+text",
        text=said,
        textposition="top center",
        marker={
            "size": 6 if len(plane) > 100 else 9,
            "color": style.faint(style.pick(index), 0.7),
            # The second time round, a colour comes with another symbol.
            "symbol": style.pick(index + index // len(style.COLOURS), style.SYMBOLS),
        },
        hovertemplate=("%{text} " if said else f"{name} ") + "(%{x:.3g}, %{y:.3g})<extra></extra>",
    )


def _name_middle(shown: Any, middle: np.ndarray, name: str) -> None:
    shown.add_annotation(
        x=middle[0],
        y=middle[1],
        text=f"<b>{name}</b>",
        showarrow=False,
        font={"size": 13},
        bgcolor="rgba(255, 255, 255, 0.75)",
        borderpad=1,
    )
