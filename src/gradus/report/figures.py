"""Figures of trainings and trained networks, each a Plotly figure: `figure.show()` displays it."""

from __future__ import annotations

from gradus.report.outcome import (
    confusion_matrix,
    predicted_against_true,
    roc_curve,
    scores_by_class,
)
from gradus.report.portrait import activation_histograms, decision_boundary
from gradus.report.training import curves_of, learning_curves, learning_rate, range_test
from gradus.report.vitals import activations_by_layer, gradients_by_layer, updates_by_layer

__all__ = [
    "activation_histograms",
    "activations_by_layer",
    "confusion_matrix",
    "curves_of",
    "decision_boundary",
    "gradients_by_layer",
    "learning_curves",
    "learning_rate",
    "predicted_against_true",
    "range_test",
    "roc_curve",
    "scores_by_class",
    "updates_by_layer",
]
