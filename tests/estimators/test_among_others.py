"""The estimators where scikit-learn's users put them: pipelines, searches, ensembles, tools."""

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

import gradus as gr

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
QUICK = {"layers": (), "epochs": 10, "learning_rate": 0.05, "random_state": 0}


@pytest.fixture(scope="module")
def tumors():
    x, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return x.iloc[:200, :4].assign(clinic=np.arange(200) % 3), y[:200].to_numpy()


@pytest.mark.parametrize(
    "make",
    [
        lambda net: make_pipeline(StandardScaler(), net),
        lambda net: make_pipeline(StandardScaler().set_output(transform="pandas"), net),
        lambda net: make_pipeline(
            make_column_transformer((OneHotEncoder(), ["clinic"]), remainder=MinMaxScaler()), net
        ),
        lambda net: GridSearchCV(net, {"learning_rate": [1e-4, 0.05]}, cv=2),
        lambda net: VotingClassifier([("net", net), ("line", LogisticRegression())], voting="soft"),
        lambda net: StackingClassifier([("net", net)], LogisticRegression(), cv=2),
        lambda net: CalibratedClassifierCV(net, cv=2),
        lambda net: gr.SearchCV(net, {"learning_rate": [1e-4, 0.05]}, n_iter=2, cv=2),
    ],
    ids=["pipeline", "frames", "columns", "grid", "voting", "stacking", "calibrated", "search"],
)
def test_it_works_inside(tumors, make):
    x, y = tumors
    estimator = make(gr.Classifier(**QUICK)).fit(x, y)
    assert estimator.score(x, y) > 0.85
    assert estimator.predict_proba(x).shape == (200, 2)


def test_cross_validation_and_importance(tumors):
    x, y = tumors
    assert cross_val_score(gr.Classifier(**QUICK), x, y, cv=2, scoring="roc_auc").min() > 0.9
    fitted = gr.Classifier(**QUICK).fit(x, y)
    importance = permutation_importance(fitted, x, y, n_repeats=3, random_state=0)
    means = pd.Series(importance.importances_mean, x.columns)
    assert means["clinic"] < 0.02 < means.max()


def test_transformed_targets(tumors):
    x, _ = tumors
    target = np.exp(x["mean radius"] / 5)
    regressor = gr.Regressor(**QUICK | {"epochs": 40}, l2=0.0)
    both = TransformedTargetRegressor(regressor, func=np.log, inverse_func=np.exp)
    with pytest.warns(UserWarning, match="'mean radius' determines y"):
        both.fit(x, target)
    assert both.score(x, target) > 0.9
