"""Curves of how good probabilities are: over all thresholds, and as probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.drawing import style
from gradus.errors import DataError
from gradus.objectives.ranking_metrics import roc_area
from gradus.report.predictions import labels_of

BINS = 10  # of equal width, in which probabilities are compared with shares
MAX_POINTS = 1000  # of a curve


def roc_curve(y_true: Any, probability: Any) -> Any:
    """Draw the ROC curve: the true positive rate against the false positive rate.

    The area under the curve is the probability that a random positive scores higher than a random
    negative (ties count half): ½ is guessing, 1 is perfect.

    Args:
        y_true: 0 or 1, `(n,)` or `(n, 1)`.
        probability: of class 1, `(n,)` or `(n, 1)`; or of both, `(n, 2)`.

    Raises:
        DataError: if the lengths differ, or only one class occurs.

    Examples:
        >>> figure = gr.figures.roc_curve([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9])
        >>> figure.data[1].name
        'network, area 0.750'
    """
    true, score = _true_and_score(y_true, probability, "roc_curve")
    order = np.argsort(-score, kind="stable")
    ends = _last_of_equal(score[order])
    true_positives = np.append(0, np.cumsum(true[order])[ends])
    false_positives = np.append(0, ends + 1) - true_positives
    x, y = false_positives / false_positives[-1], true_positives / true_positives[-1]
    drawn = style.evenly_spaced(len(x), MAX_POINTS)
    figure = _shares("ROC curve", "false positive rate", "true positive rate")
    _add_reference(figure, "guessing", [0, 1])
    figure.add_scatter(
        x=x[drawn],
        y=y[drawn],
        name=f"network, area {roc_area(true, score):.3f}",
        mode="lines",
        customdata=np.append(np.inf, score[order][ends])[drawn],
        line={"color": style.BLUE, "width": 2.5},
        hovertemplate="threshold %{customdata:.3f}: true positive rate %{y:.1%},"
        " false positive rate %{x:.1%}<extra></extra>",
    )
    half = int(np.sum(score[order][ends] > 0.5))
    figure.add_scatter(
        x=[x[half]],
        y=[y[half]],
        mode="markers",
        name="threshold ½",
        marker={"size": 10, "color": style.VERMILION},
        hovertemplate="threshold ½: true positive rate %{y:.1%},"
        " false positive rate %{x:.1%}<extra></extra>",
    )
    return figure


def precision_recall_curve(y_true: Any, probability: Any) -> Any:
    """Draw the precision against the recall, over all thresholds.

    The precision is the share of positives among what is predicted as positive, the recall the
    share of all positives that is. Guessing has the precision of the positives' share. The average
    precision is `Σ_k (R_k − R_{k−1}) P_k` over the thresholds k, as in scikit-learn.

    Args:
        y_true: 0 or 1, `(n,)` or `(n, 1)`.
        probability: of class 1, `(n,)` or `(n, 1)`; or of both, `(n, 2)`.

    Raises:
        DataError: if the lengths differ, or only one class occurs.

    Examples:
        >>> figure = gr.figures.precision_recall_curve([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9])
        >>> figure.data[1].name
        'network, average precision 0.833'
    """
    true, score = _true_and_score(y_true, probability, "precision_recall_curve")
    order = np.argsort(-score, kind="stable")
    ends = _last_of_equal(score[order])
    right = np.cumsum(true[order])[ends]
    precision, recall = right / (ends + 1), right / true.sum()
    average = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    drawn = style.evenly_spaced(len(ends), MAX_POINTS)
    figure = _shares("Precision-recall curve", "recall", "precision")
    _add_reference(figure, "guessing", [true.mean()] * 2)
    figure.add_scatter(
        x=recall[drawn],
        y=precision[drawn],
        name=f"network, average precision {average:.3f}",
        mode="lines",
        customdata=score[order][ends][drawn],
        line={"color": style.BLUE, "width": 2.5},
        hovertemplate="threshold %{customdata:.3f}: precision %{y:.1%},"
        " recall %{x:.1%}<extra></extra>",
    )
    return figure


def calibration(y_true: Any, probability: Any, class_name: object = "class 1") -> Any:
    """Draw how often a prediction is right against how probable the network said it is.

    The points of calibrated probabilities lie on the line. Two classes are compared by the
    probability of class 1, more by that of the predicted class, in ten bins of equal width. The
    expected calibration error is the mean distance from the line, weighted by the samples of a bin
    (Naeini et al. 2015).

    Args:
        y_true: labels `(n,)` or `(n, 1)`, or one-hot rows.
        probability: of class 1, `(n,)` or `(n, 1)`; or of each class, `(n, classes)`.
        class_name: what class 1 of two is called on the axes.

    Raises:
        DataError: if the lengths differ.

    Examples:
        >>> figure = gr.figures.calibration([0, 1, 1, 1], [0.15, 0.85, 0.85, 0.85])
        >>> figure.data[1].name
        'network, expected calibration error 0.150'
    """
    true, given = labels_of(y_true, "y_true"), np.asarray(probability, float)
    if len(true) != len(given):
        raise DataError(f"y_true has {len(true)} labels but there are {len(given)} probabilities.")
    if given.size == 2 * len(given):
        given = given[:, 1]
    if given.size == len(given):
        said, right = given.reshape(-1), true == 1
        name = style.escape(class_name)
        titles = f"probability of {name}", f"share that is {name}"
    else:
        said, right = given.max(axis=1), given.argmax(axis=1) == true
        titles = "probability of the predicted class", "share that is right"
    bins = np.minimum((said * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    kept = counts > 0
    means = np.bincount(bins, said, BINS)[kept] / counts[kept]
    shares = np.bincount(bins, right, BINS)[kept] / counts[kept]
    error = float(np.sum(counts[kept] * np.abs(shares - means)) / len(said))
    figure = _shares("Calibration", *titles)
    _add_reference(figure, "calibrated", [0, 1])
    figure.add_scatter(
        x=means,
        y=shares,
        name=f"network, expected calibration error {error:.3f}",
        mode="lines+markers",
        customdata=counts[kept],
        marker={
            "size": 6 + 10 * np.sqrt(counts[kept] / counts.max()),
            "opacity": 1,  # Plotly outlines markers of several sizes, and sees through them
            "line": {"width": 0},
        },
        line={"color": style.BLUE, "width": 2.5},
        hovertemplate="said %{x:.1%}, found %{y:.1%} of %{customdata:,} samples<extra></extra>",
    )
    return figure


def _shares(title: str, x: str, y: str) -> Any:
    """Return an empty figure of shares against shares."""
    figure = style.figure(title, height=400)
    figure.update_xaxes(title_text=x, tickformat=".0%", range=[-0.02, 1.02])
    return figure.update_yaxes(title_text=y, tickformat=".0%", range=[-0.02, 1.04])


def _add_reference(figure: Any, name: str, y: list[float]) -> None:
    """Add a straight line that the curve is compared with."""
    line = {"color": "#9AA5B1", "width": 1, "dash": "dot"}
    figure.add_scatter(x=[0, 1], y=y, mode="lines", hoverinfo="skip", name=name, line=line)


def _true_and_score(y_true: Any, probability: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return labels of 0 and 1 and the probabilities of 1, (n,)."""
    true = labels_of(y_true, "y_true")
    score = np.asarray(probability, float)
    if score.ndim == 2 and score.shape[1] == 2:
        score = score[:, 1]
    score = score.reshape(-1)
    if len(true) != len(score):
        raise DataError(f"y_true has {len(true)} labels but there are {len(score)} probabilities.")
    if not np.array_equal(np.unique(true), [0, 1]):
        raise DataError(f"{name} needs both labels 0 and 1, but y_true has {np.unique(true)}.")
    return true, score


def _last_of_equal(scores: np.ndarray) -> np.ndarray:
    """Return the last place of each of some sorted scores: equal ones share a threshold."""
    return np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
