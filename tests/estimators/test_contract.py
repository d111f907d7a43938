"""scikit-learn's own checks of what an estimator must do."""

import warnings

import pytest
from sklearn.utils.estimator_checks import check_estimator

import gradus as gr

# With these the checks cost some ten CPU seconds; a linear model passes all that need a good score.
QUICK = {"layers": (), "epochs": 20, "learning_rate": 0.1}
STOCHASTIC = (
    "rows are drawn into mini-batches and scaled by what they are, so that a row of weight 2 "
    "trains another network than the row twice; test_classifier.py tests where they are the same"
)
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": STOCHASTIC,
    "check_sample_weight_equivalence_on_sparse_data": STOCHASTIC,
}


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [gr.Classifier(**QUICK), gr.Regressor(**QUICK)], ids=type)
def test_scikit_learn_checks_pass(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of findings: random labels cannot be learned
        results = check_estimator(estimator, expected_failed_checks=EXPECTED, on_skip=None)
    names = {status: set() for status in ("passed", "xfail", "skipped", "failed")}
    for result in results:
        names[result["status"]].add(result["check_name"])
    assert names["xfail"] == set(EXPECTED)
    assert names["failed"] == set()
    assert names["skipped"] <= {"check_array_api_input"}  # of arrays of other libraries
    assert len(names["passed"]) > 40
