"""The importance of columns: what a network uses, and what it does not."""

import numpy as np
import polars as pl
import pytest

import gradus as gr
from gradus.data import Dataset, TablePreprocessor
from gradus.errors import DataError
from gradus.experiments.column_importance import column_importance, score_name
from gradus.experiments.preparation.outputs import losses_of
from gradus.experiments.run_report import importance_panels

RNG = np.random.default_rng(0)
FRAME = pl.DataFrame(
    {
        "used": RNG.normal(size=200),
        "idle": RNG.normal(size=200),
        "word": RNG.choice(["a", "b"], 200),
    }
)


def data(y, task):
    names = ("low", "high") if task == "binary" else ()
    frame = FRAME.with_columns(pl.Series("y", y))
    return Dataset(frame, y, task, names, tuple(FRAME.columns), target="y")


def fitted(values, task):
    frame = FRAME.with_columns(pl.Series("y", values))
    return TablePreprocessor.fit(frame, "y", task, keep=["used"])  # it determines y


def test_a_regression_loses_its_r2_where_the_column_it_uses_is_shuffled(monkeypatch):
    y = 3.0 * FRAME["used"].to_numpy() + 1.0
    preprocessor = fitted(y, "regression")
    x = preprocessor.transform(FRAME)
    model = gr.Model(gr.Dense(1), "mse").build(x[:2])
    model.set_weights({"kernel": np.eye(x.shape[1], 1), "bias": [0.0]})
    falls = column_importance(model, data(y, "regression"), preprocessor)
    assert list(falls) == ["used", "idle", "word"]
    # Shuffled, two independent values of one variance differ by twice the variance: R² = 1 − 2.
    assert falls["used"] == pytest.approx(2.0, abs=0.3)
    assert falls["idle"] == falls["word"] == 0.0
    assert score_name(losses_of(model), preprocessor.target) == "R²"
    monkeypatch.setattr("gradus.experiments.column_importance.NUMBERS", 4000)  # 5 orders at once
    again = column_importance(model, data(y, "regression"), preprocessor)  # the same, by its seed
    assert again == pytest.approx(falls, abs=1e-5)
    monkeypatch.setattr("gradus.experiments.run_report.MAX_BARS", 1)
    (panel,) = importance_panels(model, data(y, "regression"), preprocessor)
    assert panel.figure.layout.yaxis.ticktext == ("used",)
    assert panel.caption.endswith("Not drawn: 2 less important columns.")


def test_classes_lose_likelihood():
    labels = (FRAME["used"].to_numpy() > 0).astype(np.int32)
    preprocessor = fitted(np.array(["low", "high"])[labels], "binary")
    x = preprocessor.transform(FRAME)
    model = gr.Model(gr.Dense(1, "sigmoid"), "binary_crossentropy").build(x[:2])
    sign = 1.0 if preprocessor.target.class_names[1] == "high" else -1.0
    model.set_weights({"kernel": np.eye(x.shape[1], 1) * 4 * sign, "bias": [0.0]})
    y = labels if sign > 0 else 1 - labels
    falls = column_importance(model, data(y, "binary"), preprocessor)
    assert falls["used"] > 0.5
    assert falls["idle"] == falls["word"] == 0.0
    assert score_name(losses_of(model), preprocessor.target) == "log-likelihood"
    hinge = gr.Model(gr.Dense(1), "hinge").build(x[:2])
    assert score_name(losses_of(hinge), preprocessor.target) == "accuracy"


def test_data_without_targets_have_no_importance():
    y = FRAME["used"].to_numpy()
    preprocessor = fitted(y, "regression")
    model = gr.Model(gr.Dense(1), "mse").build(preprocessor.transform(FRAME)[:2])
    with pytest.raises(DataError, match="cannot be told"):
        column_importance(model, Dataset(FRAME), preprocessor)
