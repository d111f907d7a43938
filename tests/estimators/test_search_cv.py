"""`SearchCV`: the numbers of scikit-learn's search, from one population."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import loguniform
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.model_selection import GroupKFold, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gradus as gr
from gradus.estimators.candidates import draw_candidates

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
QUICK = {"layers": (4,), "epochs": 4, "random_state": 0}
KNOWN = ["learning_rate", "dropout", "layers", "optimizer"]


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def search(iris):
    spaces = {"learning_rate": [1e-4, 0.1]}
    return gr.SearchCV(gr.Classifier(**QUICK), spaces, n_iter=2, cv=2, random_state=0).fit(*iris)


@pytest.mark.slow
def test_results_are_those_of_trainings_one_by_one(iris):
    """Frames, fractions held out, and candidates that share no program included."""
    x, y = pd.DataFrame(iris[0], columns=list("abcd")), iris[1]
    x.loc[::9, "b"] = np.nan
    estimator = gr.Classifier(**QUICK)
    spaces = [
        {"learning_rate": loguniform(1e-3, 0.3), "l2": [0.0, 0.01], "scaling": ["minmax"]},
        {"layers": [(4,), ()], "validation": [0.2], "patience": [1], "class_weight": ["balanced"]},
    ]
    settings = {"n_iter": 5, "cv": 2, "random_state": 1}
    ours = gr.SearchCV(estimator, spaces, **settings).fit(x, y)
    theirs = RandomizedSearchCV(estimator, spaces, **settings).fit(x, y)
    assert set(ours.cv_results_) == set(theirs.cv_results_)
    for name, expected in theirs.cv_results_.items():
        if "time" not in name:
            np.testing.assert_array_equal(ours.cv_results_[name], expected, err_msg=name)
            if name != "params":
                assert ours.cv_results_[name].dtype == expected.dtype, name
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_score_ == theirs.best_score_
    np.testing.assert_array_equal(ours.predict_proba(x), theirs.predict_proba(x))
    assert ours.score(x, y) == theirs.score(x, y)
    assert ours.feature_names_in_.tolist() == list("abcd")


@pytest.mark.slow
def test_the_best_candidate_is_trained_on_all_rows(iris, search):
    assert search.best_params_ == {"learning_rate": 0.1}
    best = clone(search.estimator).set_params(**search.best_params_)
    scores = cross_val_score(best, *iris, cv=2)
    np.testing.assert_array_equal(
        [search.cv_results_[f"split{k}_test_score"][1] for k in (0, 1)], scores
    )
    np.testing.assert_array_equal(search.predict(iris[0]), best.fit(*iris).predict(iris[0]))
    assert search.cv_results_["rank_test_score"].tolist() == [2, 1]
    assert search.n_features_in_ == 4
    assert search.classes_.tolist() == [0, 1, 2]
    assert is_classifier(search)
    assert is_regressor(gr.SearchCV(gr.Regressor(), {}))


@pytest.mark.slow
def test_several_scores_and_groups(iris):
    x, y = iris
    several = gr.SearchCV(
        gr.Classifier(**QUICK), {"learning_rate": [1e-4, 0.1]}, n_iter=2,
        scoring=["accuracy", "neg_log_loss"], refit="neg_log_loss", cv=GroupKFold(3),
    )  # fmt: skip
    groups = np.arange(150) % 3
    several.fit(x, y, groups=groups)
    assert several.multimetric_
    assert {"mean_test_accuracy", "split2_test_neg_log_loss"} <= set(several.cv_results_)
    assert several.score(x, y) < 0  # by the score that chose
    with pytest.raises(gr.GradusError, match="'accuracy', 'neg_log_loss'"):
        several.set_params(refit=True).fit(x, y, groups=groups)


@pytest.mark.slow
def test_weights_count_in_training(iris):
    x, y = iris
    weight = np.where(y == 0, 0.0, 1.0)
    search = gr.SearchCV(gr.Classifier(**QUICK), {"learning_rate": [0.1]}, n_iter=1, cv=2)
    search.fit(x, y, sample_weight=weight)
    assert search.best_estimator_.predict(x[y == 0]).min() > 0


def test_a_search_for_numbers(iris):
    x, y = load_diabetes(return_X_y=True)
    search = gr.SearchCV(
        gr.Regressor(**QUICK), {"learning_rate": [0.05, 0.0]}, n_iter=2, cv=2,
        scoring="neg_mean_absolute_error", refit=False,
    )  # fmt: skip
    search.fit(x, y)
    assert search.best_params_ == {"learning_rate": 0.05}
    assert not hasattr(search, "predict")
    assert not hasattr(search, "best_estimator_")


def test_a_candidate_that_fails_has_no_score(iris):
    spaces = {"learning_rate": [-1, 0.1]}
    with pytest.warns(FitFailedWarning, match=r"2 of 4 trainings failed.*learning_rate=-1"):
        search = gr.SearchCV(gr.Classifier(**QUICK), spaces, n_iter=2, cv=2).fit(*iris)
    mean, rank = (search.cv_results_[f"{each}_test_score"] for each in ("mean", "rank"))
    assert np.isnan(mean).sum() == 1
    assert rank[np.isnan(mean)] == 2
    with pytest.raises(gr.GradusError, match="All 2 trainings failed"):
        gr.SearchCV(gr.Classifier(**QUICK), {"l2": [-1]}, n_iter=1, cv=2).fit(*iris)


def test_spaces_are_drawn_as_distributions():
    spaces = {
        "learning_rate": gr.log_uniform(1e-4, 1e-1),
        "layers": gr.choice((8,), (16,)),
        "optimizer": gr.choice(gr.SGD(momentum=gr.uniform(0.5, 0.9)), "adam"),
    }
    drawn = draw_candidates(spaces, KNOWN, 200, 0, "Classifier")
    rates = np.log10([candidate["learning_rate"] for candidate in drawn])
    assert -4 <= rates.min() < rates.max() <= -1
    assert abs(rates.mean() + 2.5) < 0.2
    assert {candidate["layers"] for candidate in drawn} == {(8,), (16,)}
    momenta = [c["optimizer"].momentum for c in drawn if c["optimizer"] != "adam"]
    assert 60 < len(momenta) < 140
    assert 0.5 <= min(momenta) < 0.6
    assert 0.8 < max(momenta) <= 0.9
    assert drawn == draw_candidates(spaces, KNOWN, 200, 0, "Classifier")


def test_choices_alone_repeat_no_candidate():
    spaces = {"dropout": gr.linspace(0, 0.5, 3), "layers": [(8,), (16,)]}
    drawn = draw_candidates(spaces, KNOWN, 6, 0, "Classifier")
    assert len({tuple(candidate.items()) for candidate in drawn}) == 6


@pytest.mark.parametrize(
    ("spaces", "message"),
    [
        ({"lr": [0.1]}, "parameter of Classifier 'lr'. Here it is learning_rate=0.001"),
        ({"droput": [0.1]}, "parameter of Classifier 'droput'. Did you mean 'dropout'"),
        ({"learning_rate": 0.1}, "learning_rate=0.1: write a list"),
        ({"optimizer": "adam"}, "optimizer='adam': write a list"),
        ({"dropout": []}, r"dropout=\[\]: write a list"),
        (["dropout"], "write a dict"),
    ],
    ids=str,
)
def test_wrong_distributions_are_named(iris, spaces, message):
    with pytest.raises(gr.GradusError, match=message):
        gr.SearchCV(gr.Classifier(), spaces).fit(*iris)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_iter": 0}, "n_iter=0"),
        ({"cv": "five"}, "cv='five'.*number of folds"),
        ({"cv": [1, 2]}, "pairs of row numbers"),
        ({"cv": []}, r"cv=\[\] has no splits"),
        ({"cv": 100}, "cv=100: "),
        ({"scoring": ["accuracy", "f1_macro"]}, "refit=True: .* 'accuracy', 'f1_macro'"),
        ({"scoring": "acuracy"}, "Unknown scoring 'acuracy'. Did you mean 'accuracy'"),
        ({"scoring": {"a": 1}}, "write names or functions"),
        ({"scoring": lambda estimator: 0}, "is called as"),
        ({"refit": []}, "refit=.*True or False"),
        ({"random_state": "a"}, "random_state='a'"),
    ],
    ids=lambda value: value if isinstance(value, str) else ",".join(value),
)
def test_wrong_settings_of_a_search_are_named(iris, settings, message):
    with pytest.raises(gr.GradusError, match=message):
        gr.SearchCV(gr.Classifier(), {"dropout": gr.uniform(0, 1)}, **settings).fit(*iris)


def test_what_cannot_be_searched_is_told(iris):
    pipeline = make_pipeline(StandardScaler(), gr.Classifier())
    with pytest.raises(gr.GradusError, match="RandomizedSearchCV"):
        gr.SearchCV(pipeline, {}).fit(*iris)
    with pytest.raises(NotFittedError):
        gr.SearchCV(gr.Classifier(), {}).predict(iris[0])
