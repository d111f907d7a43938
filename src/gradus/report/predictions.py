"""Figures of predictions against the truth: right and wrong classes, and values near and far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.errors import DataError
from gradus.report import style

MOST_POINTS = 3000  # of a cloud of samples
AXIS_LETTERS = 18  # of a class's name beside an axis
MOST_WORDS = 25  # classes up to which a confusion matrix shows its counts


def confusion_counts(y_true: Any, y_pred: Any, classes: int | None = None) -> np.ndarray:
    """Return how often each class was taken for each: `(true, predicted)`, integers.

    Args:
        y_true: labels `(n,)` or one-hot rows `(n, classes)`.
        y_pred: labels `(n,)` or probabilities `(n, classes)`.
        classes: how many classes there are; by default those that occur.

    Raises:
        DataError: if the two differ in length, or hold something else than labels.
    """
    true, guess = labels_of(y_true, "y_true"), labels_of(y_pred, "y_pred")
    if len(true) != len(guess):
        raise DataError(f"y_true has {len(true)} labels but y_pred has {len(guess)}.")
    count = int(max(true.max(), guess.max())) + 1
    if classes is not None and classes < count:
        raise DataError(f"There are {classes} classes but a label is {count - 1}: labels are 0 …")
    counts = np.zeros((classes or count,) * 2, int)
    np.add.at(counts, (true, guess), 1)
    return counts


def confusion_matrix(y_true: Any, y_pred: Any, class_names: Sequence[object] | None = None) -> Any:
    """Return how often each class (row) was taken for each (column).

    A cell holds the count; its colour is the share of its row, blue where the answer was right
    and orange where it was wrong (full orange is the largest share of wrong answers, at least a
    tenth, so that small errors are seen).

    Args:
        y_true: labels `(n,)` or one-hot rows `(n, classes)`.
        y_pred: labels `(n,)` or probabilities `(n, classes)`.
        class_names: what the labels 0, 1, … stand for.

    Raises:
        DataError: if the two differ in length, or hold something else than labels.
    """
    counts = confusion_counts(y_true, y_pred, None if class_names is None else len(class_names))
    size = len(counts)
    names = class_texts(class_names, size)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = np.eye(size, dtype=bool)
    shown = style.figure("Confusion matrix", height=min(620, 300 + 34 * max(size - 2, 0)))
    for part, mask, colour, most in (
        ("right", right, style.BLUE, 1.0),
        ("wrong", ~right, style.VERMILION, max(0.1, float(shares[~right].max(initial=0)))),
    ):
        shown.add_heatmap(
            z=np.where(mask, shares, np.nan),
            name=part,
            text=np.where(mask & (counts > 0), counts.astype(str), ""),
            texttemplate="%{text}" if size <= MOST_WORDS else None,
            textfont={"size": 15 if size <= 5 else 12 if size <= 12 else 9},
            customdata=[
                [(int(counts[i, j]), names[i], names[j]) for j in range(size)] for i in range(size)
            ],
            hovertemplate="true %{customdata[1]}, predicted %{customdata[2]}: %{customdata[0]}"
            " (%{z:.1%} of the row)<extra></extra>",
            colorscale=[[0, "#F7F9FB"], [1, colour]],
            zmin=0,
            zmax=most,
            showscale=False,
            xgap=1.5,
            ygap=1.5,
            hoverongaps=False,
        )
    marks = {
        "tickmode": "array",
        "tickvals": np.arange(size),
        "ticktext": class_texts(class_names, len(counts), AXIS_LETTERS),
        "showgrid": False,
        "showline": False,
        "ticks": "",
    }
    shown.update_xaxes(title_text="predicted", **marks)
    shown.update_yaxes(title_text="true", autorange="reversed", **marks)
    return shown


def scores_by_class(y_true: Any, y_pred: Any, class_names: Sequence[object] | None = None) -> Any:
    """Return precision and recall of each class.

    Precision is the share of right answers among all that named the class, recall among all
    samples of the class. A class that was never named, or never occurs, has no such point.

    Args:
        y_true: labels `(n,)` or one-hot rows `(n, classes)`.
        y_pred: labels `(n,)` or probabilities `(n, classes)`.
        class_names: what the labels 0, 1, … stand for.

    Raises:
        DataError: if the two differ in length, or hold something else than labels.
    """
    counts = confusion_counts(y_true, y_pred, None if class_names is None else len(class_names))
    names = class_texts(class_names, len(counts))
    places = np.arange(len(counts))
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.diag(counts) / counts.sum(axis=0)
        recall = np.diag(counts) / counts.sum(axis=1)
    shown = style.figure(
        "Precision and recall by class", height=min(620, 300 + 34 * max(len(counts) - 2, 0))
    )
    for place in places:
        shown.add_scatter(
            x=[precision[place], recall[place]],
            y=[place, place],
            mode="lines",
            showlegend=False,
            line={"color": "#CBD2D9", "width": 2},
            hoverinfo="skip",
        )
    for name, values, colour, marker in (
        ("precision", precision, style.BLUE, {"symbol": "circle", "size": 8}),
        (
            "recall",
            recall,
            style.VERMILION,
            {"symbol": "diamond-open", "size": 13, "line": {"width": 2}},
        ),
    ):
        shown.add_scatter(
            x=values,
            y=places,
            name=name,
            mode="markers",
            customdata=names,
            marker={"color": colour, **marker},
            cliponaxis=False,
            hovertemplate=f"%{{customdata}}: {name} %{{x:.1%}}<extra></extra>",
        )
    seen = np.concatenate([precision, recall])
    lowest = float(np.nanmin(seen)) if np.isfinite(seen).any() else 0.0
    shown.update_xaxes(tickformat=".0%", showgrid=True, range=[max(0, lowest - 0.02), 1])
    shown.update_yaxes(
        tickmode="array",
        tickvals=places,
        ticktext=class_texts(class_names, len(counts), AXIS_LETTERS),
        range=[len(counts) - 0.5, -0.5],
        showgrid=False,
    )
    return shown


def roc_curve(y_true: Any, probability: Any) -> Any:
    """Return the share of true alarms against that of false ones, over all thresholds.

    The area under the curve is the probability that a random positive is given more than a
    random negative (ties counting half): ½ is guessing, 1 is perfect.

    Args:
        y_true: 0 or 1, `(n,)` or `(n, 1)`.
        probability: of class 1, `(n,)` or `(n, 1)`; or of both, `(n, 2)`.

    Raises:
        DataError: if the lengths differ, or only one class occurs.
    """
    true = labels_of(y_true, "y_true")
    score = np.asarray(probability, float)
    score = (
        score[:, 1] if score.ndim == 2 and score.shape[1] == 2 else score.reshape(len(score), -1)
    )
    score = score.reshape(-1)
    if len(true) != len(score):
        raise DataError(f"y_true has {len(true)} labels but there are {len(score)} probabilities.")
    if not np.array_equal(np.unique(true), [0, 1]):
        raise DataError(
            f"roc_curve needs labels 0 and 1, both of them, but y_true has {np.unique(true)}."
        )
    order = np.argsort(-score, kind="stable")
    ends = np.append(
        np.flatnonzero(np.diff(score[order])), len(score) - 1
    )  # equal ones go together
    hits = np.append(0, np.cumsum(true[order])[ends])
    alarms = np.append(0, ends + 1) - hits
    x, y = alarms / alarms[-1], hits / hits[-1]
    area = float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))
    kept = style.thin(len(x), 1000)
    shown = style.figure("ROC curve", height=400)
    shown.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        hoverinfo="skip",
        name="guessing",
        line={"color": "#9AA5B1", "width": 1, "dash": "dot"},
    )
    shown.add_scatter(
        x=x[kept],
        y=y[kept],
        name=f"network, area {area:.3f}",
        mode="lines",
        customdata=np.append(np.inf, score[order][ends])[kept],
        line={"color": style.BLUE, "width": 2.5},
        hovertemplate="threshold %{customdata:.3f}: %{y:.1%} of positives found,"
        " %{x:.1%} of negatives alarmed<extra></extra>",
    )
    half = int(np.sum(score[order][ends] > 0.5))
    shown.add_scatter(
        x=[x[half]],
        y=[y[half]],
        mode="markers",
        name="threshold ½",
        marker={"size": 10, "color": style.VERMILION},
        hovertemplate="threshold ½: %{y:.1%}, %{x:.1%}<extra></extra>",
    )
    shown.update_xaxes(
        title_text="false alarms, share of negatives", tickformat=".0%", range=[-0.02, 1.02]
    )
    shown.update_yaxes(
        title_text="found, share of positives", tickformat=".0%", range=[-0.02, 1.04]
    )
    return shown


def predicted_against_true(y_true: Any, y_pred: Any, unit: str = "") -> Any:
    """Return predictions against the truth, and what was left over against the prediction.

    Above, a perfect network lies on the line. Below, residuals (true − predicted) without a
    pattern around zero mean that no more is to be had from the inputs in this way. Of more than
    3,000 samples evenly spaced ones are drawn.

    Args:
        y_true: values `(n,)` or `(n, 1)`.
        y_pred: predictions, the same.
        unit: of the values, such as "€" or "mg/l".

    Raises:
        DataError: if the two differ in length or hold several outputs.
    """
    true, guess = np.asarray(y_true, float), np.asarray(y_pred, float)
    if true.size != guess.size or true.size != len(true) or not true.size:
        raise DataError(
            f"predicted_against_true needs one value a sample: y_true has shape {true.shape} and "
            f"y_pred {guess.shape}."
        )
    true, guess = true.reshape(-1), guess.reshape(-1)
    kept = style.thin(len(true), MOST_POINTS)
    unit = f" ({style.text(unit)})" if unit else ""
    shown = style.figure(
        "Predicted against true", 2, 640, row_heights=[0.62, 0.38], vertical_spacing=0.16
    )
    low = float(min(true.min(), guess.min()))
    high = float(max(true.max(), guess.max()))
    dot = {"size": 6, "color": style.faint(style.BLUE, 0.55 if len(kept) < 600 else 0.3)}
    line = {"color": style.VERMILION, "width": 1.5}
    shown.add_scatter(
        x=[low, high],
        y=[low, high],
        mode="lines",
        line=line,
        name="perfect",
        hoverinfo="skip",
        row=1,
        col=1,
    )
    shown.add_scatter(
        x=true[kept],
        y=guess[kept],
        mode="markers",
        marker=dot,
        name="samples",
        hovertemplate="true %{x:.4g}, predicted %{y:.4g}<extra></extra>",
        row=1,
        col=1,
    )
    shown.add_scatter(
        x=guess[kept],
        y=(true - guess)[kept],
        mode="markers",
        marker=dot,
        showlegend=False,
        row=2,
        col=1,
        hovertemplate="predicted %{x:.4g}, residual %{y:.4g}<extra></extra>",
    )
    shown.add_hline(y=0, line=line, row=2, col=1)
    shown.update_xaxes(title_text=f"true{unit}", row=1)
    shown.update_yaxes(title_text=f"predicted{unit}", row=1)
    shown.update_xaxes(title_text=f"predicted{unit}", row=2)
    shown.update_yaxes(title_text="true − predicted", row=2)
    shown.update_layout(hovermode="closest")
    return shown


# --- what figures of classes share --------------------------------------------------------------


def labels_of(y: Any, where: str) -> np.ndarray:
    """Return labels `(n,)` from labels, one-hot rows or probabilities of several classes.

    Raises:
        DataError: if `y`, called `where`, holds something else.
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] > 1:
        return y.argmax(axis=1)
    if y.ndim not in (1, 2) or not y.size:
        raise DataError(f"{where} has shape {y.shape}: write one label for each sample.")
    if y.dtype.kind not in "iubf" or not (y == np.rint(y)).all() or (y < 0).any():
        raise DataError(
            f"{where} holds more than labels: write the whole numbers 0, 1, …, one for each "
            "sample, and for the class of a single probability (p > 0.5)."
        )
    return y.reshape(-1).astype(int)


def class_texts(
    class_names: Sequence[object] | None, count: int, most: int | None = None
) -> list[str]:
    """Return the names of `count` classes as Plotly shows them letter by letter.

    Args:
        class_names: the names; by default the labels.
        count: how many there must be.
        most: letters after which a name is cut off; None for all of it.

    Raises:
        DataError: if there are fewer names than classes.
    """
    names = [str(name) for name in (range(count) if class_names is None else class_names)]
    if len(names) < count:
        raise DataError(f"There are {count} classes but only {len(names)} class names.")
    cut = [n if most is None or len(n) <= most else f"{n[: most - 1]}…" for n in names]
    return [style.text(name) for name in cut]
