"""Plotly figures of training, trained networks and sweeps; `figure.show()` displays one."""

from __future__ import annotations

from gradus.drawing.charts import bars, lines
from gradus.foreign_names.arguments import explain_arguments
from gradus.report.attention import attention_map
from gradus.report.images import feature_maps, filters, images, reconstructions
from gradus.report.importance_figure import importance
from gradus.report.latent_codes import codes
from gradus.report.layer_values import forward_values, gradient_flow
from gradus.report.loss_surfaces import paths, surface
from gradus.report.predictions import (
    confusion_matrix,
    predicted_against_true,
    scores_by_class,
)
from gradus.report.score_curves import calibration, precision_recall_curve, roc_curve
from gradus.report.statistics_figures import (
    activations_by_layer,
    gradients_by_layer,
    updates_by_layer,
)
from gradus.report.sweeps import metric_by, parallel, trial_curves
from gradus.report.trained_network import activation_histograms, decision_boundary
from gradus.report.training import curves_of, learning_curves, learning_rate, range_test

__all__ = [
    "activation_histograms",
    "activations_by_layer",
    "attention_map",
    "bars",
    "calibration",
    "codes",
    "confusion_matrix",
    "curves_of",
    "decision_boundary",
    "feature_maps",
    "filters",
    "forward_values",
    "gradient_flow",
    "gradients_by_layer",
    "images",
    "importance",
    "learning_curves",
    "learning_rate",
    "lines",
    "metric_by",
    "parallel",
    "paths",
    "precision_recall_curve",
    "predicted_against_true",
    "range_test",
    "reconstructions",
    "roc_curve",
    "scores_by_class",
    "surface",
    "trial_curves",
    "updates_by_layer",
]

for _name in __all__:  # wrong arguments are told here as at other public functions
    globals()[_name] = explain_arguments(globals()[_name])
