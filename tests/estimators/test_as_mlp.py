"""What scikit-learn's own tests ask of its MLPs, asked of ours, where no other test does."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

import gradus as gr

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"layers": (4,), "epochs": 8, "learning_rate": 0.05, "dropout": 0.0, "random_state": 0}


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def test_a_larger_penalty_makes_smaller_weights(iris):
    sizes = []
    for strength in (0.0, 0.1, 1.0):
        model = gr.Classifier(**SMALL, l2=strength).fit(*iris).model_
        sizes.append([np.abs(v).sum() for k, v in model.weights.items() if "kernel" in k])
    assert (np.diff(sizes, axis=0) < 0).all()


def test_every_fit_of_a_warm_start_has_all_its_epochs(iris):
    warm = gr.Classifier(**SMALL, warm_start=True).fit(*iris)
    first = warm.loss_curve_
    again = warm.fit(*iris)
    assert len(first) == again.n_iter_ == len(again.loss_curve_) == 8
    assert again.loss_curve_[0] < first[0]


def test_verbose_shows_epochs(iris, capsys):
    gr.Classifier(**SMALL, verbose=True).fit(*iris)
    assert "epoch 8/8" in "".join(capsys.readouterr())


def test_numbers_too_large_to_scale_are_named():
    x = np.finfo(float).max * np.linspace(0.1, 1, 20).reshape(10, 2)
    with pytest.raises(ValueError, match=r"x has values as large as 1\.8e\+308; rescale it"):
        gr.Regressor().fit(x, x[:, 0] / 1e308)


def test_several_targets_in_a_search(iris):
    """(n, k) in and out, and R² is the mean of the columns'."""
    x, y = iris[0][:, :2], iris[0][:, 2:] * 10 + 5
    regressor = gr.Regressor(**SMALL | {"epochs": 2})
    search = gr.SearchCV(regressor, {"learning_rate": [0.01, 0.1]}, n_iter=2, cv=2).fit(x, y)
    predicted = search.predict(x)
    assert predicted.shape == y.shape
    r2 = 1 - ((y - predicted) ** 2).sum(axis=0) / ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(search.score(x, y), r2.mean(), rtol=1e-6)
