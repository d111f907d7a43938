"""Figures that compare predictions with targets, for classification and regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.data.arrays import as_array
from gradus.drawing import style
from gradus.errors import DataError

MAX_POINTS = 3000  # samples in a scatter plot
MAX_AXIS_LETTERS = 18  # of a class name beside an axis
MAX_COUNTED_CLASSES = 25  # up to which a confusion matrix shows its counts


def confusion_counts(y_true: Any, y_pred: Any, classes: int | None = None) -> np.ndarray:
    """Return the confusion matrix: counts `(true, predicted)`, integers.

    Args:
        y_true: labels `(n,)` or one-hot rows `(n, classes)`.
        y_pred: labels `(n,)` or probabilities `(n, classes)`.
        classes: the number of classes; by default one more than the largest label.

    Raises:
        DataError: if the two differ in length, or hold anything but labels.
    """
    if np.ndim(y_pred) == 1 and np.ndim(y_true) == 2 and not np.isin(y_true, (0, 1)).all():
        raise DataError(
            "y_true holds probabilities and y_pred labels: write what is true first, (y, "
            "model.predict(x))."
        )
    true, predicted = labels_of(y_true, "y_true"), labels_of(y_pred, "y_pred")
    if len(true) != len(predicted):
        raise DataError(f"y_true has {len(true)} labels but y_pred has {len(predicted)}.")
    count = int(max(true.max(), predicted.max())) + 1
    if classes is not None and classes < count:
        raise DataError(f"There are {classes} classes but a label is {count - 1}: labels are 0 …")
    counts = np.zeros((classes or count,) * 2, int)
    np.add.at(counts, (true, predicted), 1)
    return counts


def _height(classes: int) -> int:
    """Return the height in pixels of a figure with a row for each class."""
    return min(620, 300 + 34 * max(classes - 2, 0))


def confusion_matrix(y_true: Any, y_pred: Any, class_names: Sequence[object] | None = None) -> Any:
    """Draw how often each class (row) was predicted as each class (column).

    A cell shows its count; its color shows the fraction of its row, blue where the prediction is
    right and orange where it is wrong (full orange is the largest wrong fraction, at least a
    tenth, so that small errors are visible).

    Args:
        y_true: labels `(n,)` or one-hot rows `(n, classes)`.
        y_pred: labels `(n,)` or probabilities `(n, classes)`.
        class_names: names of the labels 0, 1, ….

    Raises:
        DataError: if the two differ in length, or hold anything but labels.

    Examples:
        >>> figure = gr.figures.confusion_matrix([0, 0, 1], [0, 1, 1], ["cat", "dog"])
        >>> figure.layout.xaxis.ticktext
        ('cat', 'dog')
    """
    counts = confusion_counts(y_true, y_pred, None if class_names is None else len(class_names))
    size = len(counts)
    names = class_texts(class_names, size)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = np.eye(size, dtype=bool)
    figure = style.figure("Confusion matrix", height=_height(size))
    for part, mask, color, full in (
        ("right", right, style.BLUE, 1.0),
        ("wrong", ~right, style.VERMILION, max(0.1, float(shares[~right].max(initial=0)))),
    ):
        figure.add_heatmap(
            z=np.where(mask, shares, np.nan),
            name=part,
            text=np.where(mask & ((counts > 0) | (size <= 5)), counts.astype(str), ""),
            texttemplate="%{text}" if size <= MAX_COUNTED_CLASSES else None,
            textfont={"size": 15 if size <= 5 else 12 if size <= 12 else 9},
            customdata=[
                [(int(counts[i, j]), names[i], names[j]) for j in range(size)] for i in range(size)
            ],
            hovertemplate="true %{customdata[1]}, predicted %{customdata[2]}: %{customdata[0]}"
            " (%{z:.1%} of the row)<extra></extra>",
            colorscale=[[0, "#F7F9FB"], [1, color]],
            zmin=0,
            zmax=full,
            showscale=False,
            xgap=1.5,
            ygap=1.5,
            hoverongaps=False,
        )
    axis = {
        "tickmode": "array",
        "tickvals": np.arange(size),
        "ticktext": class_texts(class_names, len(counts), MAX_AXIS_LETTERS),
        "showgrid": False,
        "showline": False,
        "ticks": "",
    }
    figure.update_xaxes(title_text="predicted", **axis)
    figure.update_yaxes(title_text="true", autorange="reversed", **axis)
    return figure


def scores_by_class(y_true: Any, y_pred: Any, class_names: Sequence[object] | None = None) -> Any:
    """Draw the precision and recall of each class.

    Precision is the fraction of right predictions among all predictions of the class, recall among
    all samples of the class. A class that is never predicted, or never occurs, lacks that point.

    Args:
        y_true: labels `(n,)` or one-hot rows `(n, classes)`.
        y_pred: labels `(n,)` or probabilities `(n, classes)`.
        class_names: names of the labels 0, 1, ….

    Raises:
        DataError: if the two differ in length, or hold anything but labels.

    Examples:
        >>> precision, recall = gr.figures.scores_by_class([0, 0, 1], [0, 1, 1]).data[-2:]
        >>> precision.x.tolist(), recall.x.tolist()
        ([1.0, 0.5], [0.5, 1.0])
    """
    counts = confusion_counts(y_true, y_pred, None if class_names is None else len(class_names))
    names = class_texts(class_names, len(counts))
    positions = np.arange(len(counts))
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.diag(counts) / counts.sum(axis=0)
        recall = np.diag(counts) / counts.sum(axis=1)
    figure = style.figure("Precision and recall by class", height=_height(len(counts)))
    for position in positions:
        figure.add_scatter(
            x=[precision[position], recall[position]],
            y=[position, position],
            mode="lines",
            showlegend=False,
            line={"color": "#CBD2D9", "width": 2},
            hoverinfo="skip",
        )
    for name, values, color, marker in (
        ("precision", precision, style.BLUE, {"symbol": "circle", "size": 8}),
        (
            "recall",
            recall,
            style.VERMILION,
            {"symbol": "diamond-open", "size": 13, "line": {"width": 2}},
        ),
    ):
        figure.add_scatter(
            x=values,
            y=positions,
            name=name,
            mode="markers",
            customdata=names,
            marker={"color": color, **marker},
            cliponaxis=False,
            hovertemplate=f"%{{customdata}}: {name} %{{x:.1%}}<extra></extra>",
        )
    scores = np.concatenate([precision, recall])
    lowest = float(np.nanmin(scores)) if np.isfinite(scores).any() else 0.0
    # No mark covers a name, and ticks closer than 1% would repeat their labels.
    start = min(lowest - 0.05 * (1 - lowest), 0.9)
    figure.update_xaxes(tickformat=".0%", showgrid=True, range=[start, 1])
    figure.update_yaxes(
        tickmode="array",
        tickvals=positions,
        ticktext=class_texts(class_names, len(counts), MAX_AXIS_LETTERS),
        range=[len(counts) - 0.5, -0.5],
        showgrid=False,
    )
    return figure


def predicted_against_true(y_true: Any, y_pred: Any, unit: str = "") -> Any:
    """Draw predictions against targets, and the residuals against the predictions.

    Above, the points of a perfect network lie on the line. Below, residuals (true − predicted) that
    scatter around zero without a pattern mean that the network has used what the inputs tell. Of
    more than 3,000 samples, evenly spaced ones are drawn.

    Args:
        y_true: targets `(n,)` or `(n, 1)`.
        y_pred: predictions of the same shape.
        unit: the unit of the values, such as "€" or "mg/l".

    Raises:
        DataError: if the two differ in length or have several columns.

    Examples:
        >>> figure = gr.figures.predicted_against_true([1.0, 2.0], [1.5, 2.0], unit="kg")
        >>> figure.data[2].y.tolist(), figure.layout.xaxis.title.text
        ([-0.5, 0.0], 'true (kg)')
    """
    true, predicted = as_array(y_true, "y_true", wide=True), as_array(y_pred, "y_pred", wide=True)
    if true.size != predicted.size or not true.ndim or true.size != len(true) or not true.size:
        raise DataError(
            f"predicted_against_true needs one value per sample: y_true has shape {true.shape} and "
            f"y_pred {predicted.shape}."
        )
    true, predicted = true.reshape(-1), predicted.reshape(-1)
    drawn = style.evenly_spaced(len(true), MAX_POINTS)
    unit = f" ({style.escape(unit)})" if unit else ""
    figure = style.figure(
        "Predicted against true", 2, 640, row_heights=[0.62, 0.38], vertical_spacing=0.16
    )
    low = float(min(true.min(), predicted.min()))
    high = float(max(true.max(), predicted.max()))
    dot = {"size": 6, "color": style.translucent(style.BLUE, 0.55 if len(drawn) < 600 else 0.3)}
    line = {"color": style.VERMILION, "width": 1.5}
    figure.add_scatter(
        x=[low, high],
        y=[low, high],
        mode="lines",
        line=line,
        name="perfect",
        hoverinfo="skip",
        row=1,
        col=1,
    )
    figure.add_scatter(
        x=true[drawn],
        y=predicted[drawn],
        mode="markers",
        marker=dot,
        name="samples",
        hovertemplate="true %{x:.4g}, predicted %{y:.4g}<extra></extra>",
        row=1,
        col=1,
    )
    figure.add_scatter(
        x=predicted[drawn],
        y=(true - predicted)[drawn],
        mode="markers",
        marker=dot,
        showlegend=False,
        row=2,
        col=1,
        hovertemplate="predicted %{x:.4g}, residual %{y:.4g}<extra></extra>",
    )
    figure.add_hline(y=0, line=line, row=2, col=1)
    figure.update_xaxes(title_text=f"true{unit}", row=1)
    figure.update_yaxes(title_text=f"predicted{unit}", row=1)
    figure.update_xaxes(title_text=f"predicted{unit}", row=2)
    figure.update_yaxes(title_text="true − predicted", row=2)
    figure.update_layout(hovermode="closest")
    return figure


# --- labels and class names -------------------------------------------------------------------


def labels_of(y: Any, where: str) -> np.ndarray:
    """Return labels `(n,)` from labels, one-hot rows or probabilities of several classes.

    Raises:
        DataError: if `y` holds anything else; the message calls it `where`.
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] > 1:
        return y.argmax(axis=1)
    if y.ndim not in (1, 2) or not y.size:
        raise DataError(f"{where} has shape {y.shape}: write one label per sample.")
    if y.dtype.kind not in "iubf" or not (y == np.rint(y)).all() or (y < 0).any():
        raise DataError(
            f"{where} does not hold labels: write the integers 0, 1, …, one per sample; from a "
            "single probability p, write (p > 0.5)."
        )
    return y.reshape(-1).astype(int)


def class_texts(
    class_names: Sequence[object] | None, count: int, max_letters: int | None = None
) -> list[str]:
    """Return the names of `count` classes, escaped for Plotly.

    Args:
        class_names: the names; by default the labels.
        count: the number of classes.
        max_letters: longer names are cut to this length; None keeps them whole.

    Raises:
        DataError: if there are fewer names than classes.
    """
    names = [str(name) for name in (range(count) if class_names is None else class_names)]
    if len(names) < count:
        raise DataError(f"There are {count} classes but only {len(names)} class names.")
    if max_letters is not None:
        names = [n if len(n) <= max_letters else f"{n[: max_letters - 1]}…" for n in names]
    return [style.escape(name) for name in names]
