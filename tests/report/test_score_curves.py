"""Curves of probabilities against scikit-learn's, and by hand."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from gradus.errors import DataError
from gradus.objectives.ranking_metrics import roc_area
from gradus.report import figures


def test_roc_curve_and_area_are_scikit_learns():
    draw = np.random.default_rng(2)
    true = draw.integers(0, 2, 300)
    score = np.round(np.clip(0.3 * true + 0.7 * draw.random(300), 0, 1), 2)  # with ties
    figure = figures.roc_curve(true, score[:, None])
    line = figure.data[1]
    x, y, _ = metrics.roc_curve(true, score, drop_intermediate=False)
    np.testing.assert_allclose(line.x, x)
    np.testing.assert_allclose(line.y, y)
    assert line.name == f"network, area {metrics.roc_auc_score(true, score):.3f}"
    assert roc_area(true, score) == pytest.approx(metrics.roc_auc_score(true, score), rel=1e-12)
    # The marked point is what p > ½ decides.
    assert figure.data[2].y[0] == metrics.recall_score(true, score > 0.5)
    both = figures.roc_curve(true, np.stack([1 - score, score], axis=1))
    np.testing.assert_array_equal(both.data[1].y, line.y)


def test_roc_curve_needs_both_classes():
    with pytest.raises(DataError, match="both labels 0 and 1"):
        figures.roc_curve([1, 1], [0.2, 0.3])


def test_precision_recall_curve_and_average_are_scikit_learns():
    draw = np.random.default_rng(2)
    true = draw.integers(0, 2, 300)
    score = np.round(np.clip(0.3 * true + 0.7 * draw.random(300), 0, 1), 2)  # with ties
    line = figures.precision_recall_curve(true, score).data[1]
    precision, recall, _ = metrics.precision_recall_curve(true, score)
    np.testing.assert_allclose(line.x, recall[:-1][::-1])  # theirs ends in a point of its own
    np.testing.assert_allclose(line.y, precision[:-1][::-1])
    average = metrics.average_precision_score(true, score)
    assert line.name == f"network, average precision {average:.3f}"
    with pytest.raises(DataError, match="precision_recall_curve needs both labels"):
        figures.precision_recall_curve([1, 1], [0.2, 0.3])


def test_calibration_of_two_classes_is_scikit_learns():
    draw = np.random.default_rng(3)
    score = draw.random(500)
    true = (draw.random(500) < score**2).astype(int)
    line = figures.calibration(true, score).data[1]
    shares, means = calibration_curve(true, score, n_bins=10)
    np.testing.assert_allclose(line.x, means)
    np.testing.assert_allclose(line.y, shares)
    both = figures.calibration(true, np.stack([1 - score, score], axis=1)).data[1]
    np.testing.assert_array_equal(both.y, line.y)
    layout = figures.calibration(true, score, "pleased & glad").layout
    assert layout.xaxis.title.text == "probability of pleased &amp; glad"
    assert layout.yaxis.title.text == "share that is pleased &amp; glad"


def test_calibration_of_several_classes_is_that_of_the_predicted_one():
    probability = np.array([[0.7, 0.2, 0.1], [0.72, 0.18, 0.1], [0.05, 0.95, 0.0]])
    line = figures.calibration([0, 1, 1], probability).data[1]
    np.testing.assert_allclose(line.x, [0.71, 0.95])
    np.testing.assert_allclose(line.y, [0.5, 1.0])
    error = (2 * 0.21 + 0.05) / 3
    assert line.name == f"network, expected calibration error {error:.3f}"
    assert line.marker.size[0] > line.marker.size[1]  # two samples, and one
    with pytest.raises(DataError, match="2 labels but there are 3 probabilities"):
        figures.calibration([0, 1], probability)
