"""`Regressor`: one output or several, in the units of the targets."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_regression

import gradus as gr

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"layers": (16,), "epochs": 40, "learning_rate": 0.02, "l2": 0.0, "random_state": 0}


@pytest.fixture(scope="module")
def plane():
    x, y = make_regression(200, 5, n_targets=2, random_state=0)
    return x, 1000 + y


def test_several_targets_are_learned_in_their_units(plane):
    x, y = plane
    both = gr.Regressor(**SMALL).fit(x, y)
    assert both.predict(x).shape == (200, 2)
    assert both.score(x, y) > 0.95
    np.testing.assert_allclose(both.predict(x).mean(axis=0), y.mean(axis=0), rtol=0.01)


def test_predictions_have_the_shape_of_the_targets(plane):
    x, y = plane
    flat = gr.Regressor(**SMALL).fit(x, y[:, 0])
    column = gr.Regressor(**SMALL).fit(x, y[:, :1])
    assert flat.predict(x).shape == (200,)
    assert flat.score(x, y[:, 0]) > 0.95
    np.testing.assert_array_equal(column.predict(x), flat.predict(x)[:, None])


def test_frames_of_inputs_and_of_targets(plane):
    x, y = plane
    names = [f"x{n}" for n in range(5)]
    frame, targets = pd.DataFrame(x, columns=names), pd.DataFrame(y, columns=["a", "b"])
    fitted = gr.Regressor(**SMALL).fit(frame, targets)
    assert fitted.feature_names_in_.tolist() == names
    assert fitted.score(frame, targets) > 0.95


@pytest.mark.slow
def test_partial_fit_goes_on_with_other_rows(plane):
    x, y = plane
    parts = gr.Regressor(**SMALL | {"learning_rate": 0.05})
    for _ in range(12):
        parts.partial_fit(x[:100], y[:100])
        parts.partial_fit(x[100:], y[100:])
    assert parts.score(x, y) > 0.9
    assert parts.n_iter_ == 24
    with pytest.raises(ValueError, match=r"shape \(100,\).*2 outputs"):
        parts.partial_fit(x[100:], y[100:, 0])


def test_wrong_targets_are_named(plane):
    x, y = plane
    with pytest.raises(ValueError, match="always 7: nothing to learn"):
        gr.Regressor().fit(x, np.full(200, 7.0))
    with pytest.raises(ValueError, match="y contains NaN"):
        gr.Regressor().fit(x, np.where(y > 1000, np.nan, y))
    with pytest.raises(ValueError, match=r"y has text, such as 'a'.*gr\.Classifier"):
        gr.Regressor().fit(x, ["1", "a"] * 100)
    for times in (np.arange(200).astype("M8[D]"), pd.date_range("2024", periods=200, tz="UTC")):
        with pytest.raises(ValueError, match=r"y has dates .*pandas.Timedelta"):
            gr.Regressor().fit(x, times)
    with pytest.raises(ValueError, match="is for classes"):
        gr.Regressor(loss="binary_crossentropy").fit(x, y)
    with pytest.raises(ValueError, match="1 sample"):
        gr.Regressor().fit(x[:1], y[:1])


def test_columns_may_be_declared_and_dropped():
    rng = np.random.default_rng(0)
    zips = rng.integers(10, 14, 200)
    frame = pd.DataFrame({"zip": zips, "noise": rng.normal(size=200)})
    y = np.array([5.0, -2.0, 8.0, 1.0])[zips - 10]
    settings = SMALL | {"epochs": 20, "columns": {"zip": "category"}, "drop_columns": ["noise"]}
    fitted = gr.Regressor(**settings).fit(frame, y)
    assert fitted.preprocessor_.feature_names == tuple(f"zip={code}" for code in range(10, 14))
    assert fitted.score(frame, y) > 0.95
    with pytest.raises(ValueError, match="Did you mean 'zip'"):
        gr.Regressor(columns={"zipp": "category"}).fit(frame, y)
