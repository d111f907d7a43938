"""The metrics of the parts of a run."""

from types import SimpleNamespace

import numpy as np
import pytest

from gradus.data import Target
from gradus.experiments.evaluation import constant_metrics, evaluate_parts


def test_uneven_classes_of_one_part_have_all_parts_scored_alike():
    target = Target.fit(np.array(["no", "yes"] * 10))
    model = SimpleNamespace(
        evaluate=lambda x, y: {"loss": 1.0},
        predict=lambda x: x,  # the probabilities
        settings={"loss": "binary_crossentropy"},
    )
    even, uneven = np.array([0, 1, 0, 1]), np.array([0, 0, 0, 0, 0, 0, 0, 1])
    said = {"training": np.array([0.1, 0.9, 0.9, 0.9]), "test": np.full(8, 0.1)}
    parts = {"training": (said["training"][:, None], even), "test": (said["test"][:, None], uneven)}
    scored = evaluate_parts(lambda part: model, parts, target)
    assert scored["training"]["balanced_accuracy"] == pytest.approx((0.5 + 1) / 2)
    assert scored["test"]["balanced_accuracy"] == pytest.approx((1 + 0) / 2)
    assert constant_metrics(even, even, target, scored["training"])["balanced_accuracy"] == 0.5
    assert "balanced_accuracy" not in constant_metrics(even, even, target)
    alone = evaluate_parts(lambda part: model, {"training": parts["training"]}, target)
    assert "balanced_accuracy" not in alone["training"]
