"""Fitting with weights, and once more on all rows."""

import dataclasses

import numpy as np
import pytest

from gradus.data import load
from gradus.experiments.fitting import fit_model, new_model, refit
from gradus.experiments.preparation.prepare_in_memory import prepare_split
from gradus.experiments.preparation.splitting import split_data
from gradus.experiments.settings.experiment_file import check_experiment


@pytest.mark.slow
def test_weights_of_rows_count_in_both_trainings():
    rng = np.random.default_rng(0)
    data = dataclasses.replace(load("iris"), weight=rng.integers(0, 3, 150).astype(float))
    experiment = check_experiment(
        {"data": "iris", "validation": 0.2, "network": {"layers": []},
         "training": {"epochs": 2, "batch_size": "all", "refit": True}}
    )  # fmt: skip
    prepared = prepare_split(split_data(data, experiment), experiment)
    assert prepared.weights["validation"].shape == (30,)
    model = new_model(prepared)
    fit_model(model, prepared)
    final = refit(model, prepared)

    parts = [prepared.parts[name] for name in ("training", "validation")]
    x, y = (np.concatenate(pair) for pair in zip(*parts, strict=True))
    weight = np.concatenate([prepared.weights[name] for name in ("training", "validation")])
    by_hand = new_model(prepared)
    by_hand.fit(x, y, sample_weight=weight, epochs=2, batch_size=None, verbose=False)
    for name, value in by_hand.weights.items():
        np.testing.assert_array_equal(final.weights[name], value)
    assert final.history is model.history


def test_later_rows_are_not_told_as_prepared_otherwise():
    x = np.random.default_rng(0).normal(size=(200, 3))
    x[150:] = 20 * x[150:] + 50
    columns = dict(zip("abc", x.T, strict=True))
    table = load({**columns, "day": np.arange(200), "y": x.sum(axis=1)}, "y")
    experiment = check_experiment(
        {"data": "t", "target": "y", "validation": 0.25, "split_by_time": "day"}
    )
    prepared = prepare_split(split_data(table, experiment), experiment)
    model = new_model(prepared)

    def codes():
        training, validation = (prepared.parts[name] for name in ("training", "validation"))
        return {finding.code for finding in model.check(*training, validation_data=validation)}

    assert "preprocessing-mismatch" not in codes()
    model.validated_later = False
    assert "preprocessing-mismatch" in codes()
