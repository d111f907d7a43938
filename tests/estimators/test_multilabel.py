"""`Classifier` with several labels of a row, and the logits of all kinds of targets."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, average_precision_score, get_scorer, roc_auc_score
from sklearn.neural_network import MLPClassifier

import gradus as gr

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"layers": (20,), "epochs": 60, "learning_rate": 0.03, "dropout": 0.0, "random_state": 0}


@pytest.fixture(scope="module")
def topics():
    return make_multilabel_classification(n_samples=80, n_classes=4, random_state=0)


@pytest.fixture(scope="module")
def fitted(topics):
    return gr.Classifier(**SMALL).fit(*topics)


def test_labels_are_as_those_of_scikit_learn(topics, fitted):
    x, y = topics
    theirs = MLPClassifier([20], max_iter=5, random_state=0).fit(x, y)
    for method in ("predict", "predict_proba", "predict_log_proba"):
        ours, expected = getattr(fitted, method)(x), getattr(theirs, method)(x)
        assert (ours.shape, ours.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(fitted.classes_, theirs.classes_)
    assert fitted.score(x, y) == accuracy_score(y, fitted.predict(x)) > 0.85
    np.testing.assert_array_equal(fitted.predict_proba(x) > 0.5, fitted.predict(x))


def test_logits_of_labels_are_those_of_the_probabilities(topics, fitted):
    x, y = topics
    logits = fitted.decision_function(x)
    np.testing.assert_allclose(expit(logits), fitted.predict_proba(x), atol=1e-6)
    assert get_scorer("roc_auc")(fitted, x, y) == roc_auc_score(y, logits)
    assert get_scorer("average_precision")(fitted, x, y) == average_precision_score(y, logits)


def test_labels_of_the_network_alone(topics, fitted, tmp_path):
    x, fitter = topics[0], fitted.preprocessor_
    outputs = fitted.model_.predict(fitter.transform(x))
    np.testing.assert_array_equal(fitter.inverse_target(outputs), fitted.predict(x))
    path = gr.export(fitted.model_, tmp_path / "model.onnx", preprocessor=fitter)
    session = pytest.importorskip("onnxruntime").InferenceSession(str(path))
    raw = np.asarray(x, np.float64)
    flags, likely = session.run(None, {session.get_inputs()[0].name: raw})
    np.testing.assert_array_equal(flags, fitted.predict(x))
    np.testing.assert_allclose(likely, fitted.predict_proba(x), atol=1e-6)


def test_labels_may_be_a_frame_flags_or_sparse(topics, fitted):
    x, y = topics
    short = SMALL | {"epochs": 2}
    expected = gr.Classifier(**short).fit(x, y).predict_proba(x)
    for labels in (pd.DataFrame(y), y.astype(bool), sparse.csr_matrix(y), y.tolist(), y * 1.0):
        same = gr.Classifier(**short).fit(x, labels)
        np.testing.assert_array_equal(same.predict_proba(x), expected)


def test_labels_go_on_in_partial_fit_and_warm_start(topics):
    x, y = topics
    parts, named = gr.Classifier(**SMALL), gr.Classifier(**SMALL)
    for _ in range(2):
        parts.partial_fit(x, y)
        named.partial_fit(x, y, classes=[0, 1, 2, 3])
    np.testing.assert_array_equal(parts.predict_proba(x), named.predict_proba(x))
    for wrong, message in ((y[:, :3], "4 labels"), (y[:, 0], "4 labels")):
        with pytest.raises(ValueError, match=message):
            parts.partial_fit(x, wrong)
        with pytest.raises(ValueError, match=message):
            parts.set_params(warm_start=True).fit(x, wrong)
    with pytest.raises(ValueError, match=r"4 labels.*classes=\[0, 1\]"):
        gr.Classifier(**SMALL).partial_fit(x, y, classes=[0, 1])
    two = gr.Classifier(**SMALL).partial_fit(x, y[:, 0], classes=[0, 1])
    with pytest.raises(ValueError, match=r"\(80, 4\).*2 classes"):
        two.partial_fit(x, y)


def test_labels_are_held_out_weighted_and_searched(topics):
    x, y = topics
    short = SMALL | {"epochs": 3}
    held = gr.Classifier(**short, validation=0.2, class_weight="balanced").fit(x, y)
    assert len(held.history_["val_accuracy"]) == 3
    search = gr.SearchCV(gr.Classifier(**short), {"learning_rate": [1e-5, 0.1]}, n_iter=2, cv=2)
    search.fit(x, y)
    assert search.best_params_ == {"learning_rate": 0.1}
    assert search.decision_function(x).shape == search.predict(x).shape == y.shape


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda y: y * 3, {}, r"more than 0 and 1: .* flags"),
        (lambda y: y + np.arange(4), {}, "train a Classifier for each"),
        (lambda y: y * 0, {}, "the same 4 labels in each row"),
        (lambda y: y, {"loss": "sparse_categorical_crossentropy"}, "several labels: write"),
        (lambda y: y, {"class_weight": {0: 1.0, 1: 2.0}}, "a list of such dicts"),
    ],
)
def test_wrong_labels_are_named(topics, change, settings, message):
    x, y = topics
    with pytest.raises(gr.GradusError, match=message):
        gr.Classifier(**settings).fit(x, change(y))


def test_one_hot_rows_may_be_meant_as_classes(topics):
    one_hot = np.eye(4)[np.arange(len(topics[0])) % 4]
    with (
        pytest.raises(gr.GradusError, match="several labels: write"),
        pytest.warns(UserWarning, match=r"exactly one of 4 labels.*argmax") as told,
    ):
        gr.Classifier(loss="sparse_categorical_crossentropy").fit(topics[0], one_hot)
    assert told[0].filename == __file__


@pytest.mark.parametrize(
    ("classes", "settings"), [(2, {}), (2, {"loss": "sparse_categorical_crossentropy"}), (3, {})]
)
def test_logits_of_classes_are_those_of_the_probabilities(classes, settings):
    x, y = load_iris(return_X_y=True)
    y = np.minimum(y, classes - 1)
    iris = gr.Classifier(**SMALL | {"epochs": 8} | settings).fit(x, y)
    logits, found = iris.decision_function(x), iris.predict_proba(x)
    expected = softmax(logits, axis=1) if classes == 3 else expit(logits)
    np.testing.assert_allclose(expected, found if classes == 3 else found[:, 1], atol=1e-6)
    np.testing.assert_allclose(iris.predict_log_proba(x), np.log(found))
    calibrated = CalibratedClassifierCV(FrozenEstimator(iris)).fit(x, y)
    assert calibrated.score(x, y) > 0.8
    if classes == 2:
        assert get_scorer("roc_auc")(iris, x, y) == roc_auc_score(y, found[:, 1])
