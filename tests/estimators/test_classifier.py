"""`Classifier`: what it learns, and its ways to go on."""

import copy
import pickle
import signal
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, train_test_split

import gradus as gr
from gradus.experiments.preparation.prepare import prepare_data
from gradus.experiments.settings.defaults import DataSummary, fill_defaults
from gradus.experiments.settings.experiment import Experiment

# Trainings here are too short to converge, and say so.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"layers": (4,), "epochs": 8, "learning_rate": 0.05, "dropout": 0.0, "random_state": 0}


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True, as_frame=True)
    return x.to_numpy(), y.to_numpy()


@pytest.fixture(scope="module")
def fitted(iris):
    return gr.Classifier(**SMALL).fit(*iris)


@pytest.mark.slow
def test_digits_are_learned_by_the_default_recipe():
    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, random_state=0)
    digits = gr.Classifier(random_state=0).fit(x, y)
    assert digits.score(x_test, y_test) > 0.96
    probabilities = digits.predict_proba(x_test)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (digits.classes_[probabilities.argmax(axis=1)] == digits.predict(x_test)).all()
    complete = fill_defaults(Experiment("digits"), DataSummary(len(x), "multiclass", False))
    chosen = digits.experiment_
    assert chosen.network == complete.network
    assert chosen.optimizer == complete.optimizer
    assert (chosen.penalty, chosen.loss) == (complete.penalty, complete.loss)
    assert digits.n_iter_ == complete.training.epochs == len(digits.loss_curve_)
    assert chosen.validation == 0  # where the recipe holds rows out only to train on them again


@pytest.mark.slow
def test_a_run_of_the_command_line_trains_the_same_network(iris, tmp_path):
    """With rows held out and the same seeds, the weights are those of `gradus train`."""
    np.savez(tmp_path / "iris.npz", x=iris[0], y=iris[1])
    section = {"epochs": 2, "refit": False}
    from gradus.experiments.fitting import fit_model, new_model
    from gradus.experiments.settings.experiment_file import check_experiment

    experiment = check_experiment(
        {
            "data": str(tmp_path / "iris.npz"), "validation": 0.2, "seed": 7, "shuffle_seed": 7,
            "network": {"layers": [4]}, "training": section,
        }
    )  # fmt: skip
    prepared = prepare_data(experiment)
    model = new_model(prepared)
    fit_model(model, prepared)
    ours = gr.Classifier((4,), epochs=2, validation=0.2, random_state=7)
    ours.fit(*iris)
    for name, weight in model.weights.items():
        np.testing.assert_array_equal(ours.model_.weights[name], weight)
    assert "val_loss" in ours.history_


@pytest.mark.parametrize(
    "labels",
    [np.array(["rose", "lily", "iris"]), np.array([3, -1, 10]), np.array([0.5, 1.5, 2.0]) * 2],
    ids=["text", "whole numbers", "floats"],
)
def test_classes_are_what_they_were(iris, fitted, labels):
    x, y = iris
    named = gr.Classifier(**SMALL).fit(x, labels[y])
    np.testing.assert_array_equal(named.classes_, np.sort(labels))
    assert named.predict(x).dtype == labels.dtype
    assert named.score(x, labels[y]) > 0.9


def test_names_of_classes_may_be_any_text(iris):
    x, y = iris
    labels = np.array(["", " a", "NA"])
    named = gr.Classifier(**SMALL).fit(x, labels[y])
    assert named.classes_.tolist() == ["", " a", "NA"]
    assert named.score(x, labels[y]) > 0.9


def test_a_fit_that_fails_leaves_no_model_of_other_data(iris):
    again = gr.Classifier(**SMALL | {"epochs": 1}).fit(*iris)
    with pytest.raises(gr.GradusError):
        again.set_params(epochs=0).fit(iris[0], iris[1] + 1)
    with pytest.raises(NotFittedError):
        again.predict(iris[0])


def test_an_interrupted_training_keeps_what_it_learned(iris, monkeypatch):
    import gradus.models.model as module

    run = module.run_training

    def stop(training, state, listeners, *others):
        def interrupt(*_):
            signal.raise_signal(signal.SIGINT)

        return run(training, state, [interrupt, *listeners], *others)

    monkeypatch.setattr(module, "run_training", stop)
    with pytest.warns(UserWarning, match="interrupted after epoch"):
        partly = gr.Classifier(**SMALL).fit(*iris)
    assert partly.predict(iris[0]).shape == (150,)


def test_two_classes_may_be_booleans(iris):
    x, y = iris
    binary = gr.Classifier(**SMALL).fit(x, y == 0)
    assert binary.predict(x).dtype == bool
    assert binary.score(x, y == 0) > 0.9
    assert binary.predict_proba(x).shape == (150, 2)


def test_the_seed_decides_everything(iris, fitted):
    again, other = gr.Classifier(**SMALL).fit(*iris), gr.Classifier(**SMALL)
    other.set_params(random_state=np.random.RandomState(1)).fit(*iris)
    np.testing.assert_array_equal(again.predict_proba(iris[0]), fitted.predict_proba(iris[0]))
    assert not np.array_equal(other.predict_proba(iris[0]), fitted.predict_proba(iris[0]))


def test_early_stopping_ends_on_rows_held_out(iris):
    stopping = gr.Classifier(**SMALL | {"epochs": 60}, validation=0.2, patience=1, min_delta=0.02)
    stopping.set_params(schedule="none").fit(*iris)
    history = stopping.history_
    assert stopping.n_iter_ < 60
    assert len(history["val_loss"]) == stopping.n_iter_
    assert history.best_epoch == stopping.n_iter_ - 1


def test_partial_fit_is_fit_epoch_by_epoch(iris):
    x, y = iris
    settings = SMALL | {"epochs": 3}
    whole = gr.Classifier(**settings, schedule="none", validation=0)
    parts = gr.Classifier(**settings)
    whole.fit(x, y)
    for _ in range(3):
        parts.partial_fit(x, y, classes=[0, 1, 2])
    np.testing.assert_array_equal(parts.predict_proba(x), whole.predict_proba(x))
    assert parts.n_iter_ == 3


def test_partial_fit_needs_all_classes_at_first(iris):
    x, y = iris
    with pytest.raises(ValueError, match="name all of them"):
        gr.Classifier(**SMALL).partial_fit(x, y)
    some = gr.Classifier(**SMALL)
    some.partial_fit(x[:100], y[:100], classes=[0, 1, 2])
    assert some.predict_proba(x).shape == (150, 3)
    for _ in range(20):  # classes that the first rows lacked
        some.partial_fit(x[50:], y[50:])
    assert (some.predict(x[50:]) == y[50:]).mean() > 0.9
    with pytest.raises(ValueError, match="y has the class 0, which is none"):
        gr.Classifier(**SMALL).partial_fit(x, y, classes=[1, 2])
    with pytest.raises(ValueError, match=r"has the classes \[0, 1, 9\]"):
        some.partial_fit(x, np.where(y == 2, 9, y))
    with pytest.raises(ValueError, match="classes"):
        some.partial_fit(x, y, classes=[0, 1, 2, 3])


def test_partial_fit_goes_on_after_fit(iris, fitted):
    more = copy.deepcopy(fitted)
    more.partial_fit(*iris)
    assert not np.array_equal(more.predict_proba(iris[0]), fitted.predict_proba(iris[0]))
    assert more.score(*iris) > 0.9  # of one epoch from new weights a third would be right


def test_warm_start_begins_with_the_last_weights(iris, fitted):
    warm = copy.deepcopy(fitted).set_params(warm_start=True, learning_rate=0.0, l2=0.0)
    warm.fit(*iris)
    np.testing.assert_array_equal(warm.predict_proba(iris[0]), fitted.predict_proba(iris[0]))
    with pytest.raises(ValueError, match=r"warm_start: y has the classes \[0, 1\]"):
        warm.fit(iris[0][:100], iris[1][:100])
    with pytest.raises(ValueError, match="2 features"):
        warm.fit(iris[0][:, :2], iris[1])
    with pytest.raises(ValueError, match="shape"):
        warm.set_params(layers=(5,)).fit(*iris)


@pytest.mark.slow
def test_a_weight_of_two_is_a_row_twice_where_all_rows_are_one_batch(iris):
    x, y = iris[0][::3] / 4, iris[1][::3]
    weight = np.arange(len(x)) % 3
    exact = SMALL | {"batch_size": "all", "scaling": "none", "epochs": 25}
    weighted = gr.Classifier(**exact).fit(x, y, sample_weight=weight)
    repeated = gr.Classifier(**exact).fit(x.repeat(weight, axis=0), y.repeat(weight))
    np.testing.assert_allclose(weighted.predict_proba(x), repeated.predict_proba(x), atol=1e-5)


def test_a_row_of_weight_zero_is_left_out_and_only_ratios_count(iris):
    x, y = iris
    weight = np.where(np.arange(150) % 2, 3.0, 0.0)
    weighted = gr.Classifier(**SMALL).fit(x, y, sample_weight=weight)
    without = gr.Classifier(**SMALL).fit(x[1::2], y[1::2], sample_weight=np.full(75, 8.0))
    np.testing.assert_array_equal(weighted.predict_proba(x), without.predict_proba(x))


def test_class_weights_are_weights_of_rows(iris):
    x, y = iris[0][:120], iris[1][:120]
    balanced = gr.Classifier(**SMALL, class_weight="balanced").fit(x, y)
    by_hand = gr.Classifier(**SMALL).fit(x, y, sample_weight=np.where(y == 2, 120 / 60, 120 / 150))
    np.testing.assert_allclose(balanced.predict_proba(x), by_hand.predict_proba(x), atol=1e-6)


def test_sparse_matrices_are_as_dense_ones(iris, fitted):
    x, y = iris
    thin = gr.Classifier(**SMALL).fit(sparse.csr_matrix(x), y)
    np.testing.assert_array_equal(thin.predict_proba(sparse.csc_array(x)), fitted.predict_proba(x))


def test_a_copy_is_the_same_and_goes_on_the_same(iris, fitted, tmp_path):
    x, y = iris
    joblib.dump(fitted, tmp_path / "iris.joblib")
    copies = [
        pickle.loads(pickle.dumps(fitted)),  # noqa: S301 - we made it
        joblib.load(tmp_path / "iris.joblib", mmap_mode="r"),
    ]
    assert b"jax" not in pickle.dumps(fitted.__getstate__()["model_"]["weights"])
    going_on = copy.deepcopy(fitted).partial_fit(x, y)
    for other in copies:
        np.testing.assert_array_equal(other.predict_proba(x), fitted.predict_proba(x))
        assert other.loss_curve_ == fitted.loss_curve_
        other.partial_fit(x, y)
        np.testing.assert_array_equal(other.predict_proba(x), going_on.predict_proba(x))


def test_own_networks_and_optimizers(iris):
    x, y = iris
    net = gr.Sequential([gr.Dense(6, "tanh"), gr.Dense(3, "softmax")])
    own = clone(gr.Classifier(network=net, optimizer=gr.SGD(0.1, momentum=0.9), epochs=20))
    assert own.set_params(random_state=0).fit(x, y).score(x, y) > 0.9
    assert [type(layer).__name__ for layer in own.model_.net.layers[0].layers] == ["Dense"] * 2
    assert not net.built
    with pytest.raises(ValueError, match=r"layers=\[3\].*the network, Sequential"):
        gr.Classifier([3], network=net).fit(x, y)
    with pytest.raises(ValueError, match=r"network=\[3\].*write a layer"):
        gr.Classifier(network=[3]).fit(x, y)


def test_what_a_loss_gives():
    assert hasattr(gr.Classifier(loss="focal"), "predict_proba")
    assert not hasattr(gr.Classifier(loss="hinge"), "predict_proba")
    assert hasattr(gr.Classifier(loss={"name": "brier"}), "predict_proba")  # `fit` refuses it


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dropout": gr.uniform(0, 0.5)}, r"Classifier\(dropout=uniform.*gr\.SearchCV"),
        ({"optimizer": gr.SGD(gr.log_uniform(1e-3, 1))}, r"log_uniform.*gr\.Sweep"),
        ({"layers": 64}, r"write a list, \[64\]"),
        ({"layers": "64, 32"}, r"write a list, \[64, 32\]"),
        ({"drop_columns": "a,b"}, r"write a list, \['a', 'b'\]"),
        ({"layers": (0,)}, r"layers\[0\] = "),
        ({"activation": "rleu"}, "Did you mean 'relu'"),
        ({"activation": np.tanh}, "activation = .*expected str, got"),
        ({"optimizer": "addam"}, "Did you mean 'adam'"),
        ({"optimizer": {"name": "sgd", "momentun": 0.9}}, "Did you mean 'momentum'"),
        ({"optimizer": gr.SGD(0.1), "learning_rate": 0.2}, "the optimizer, SGD"),
        ({"schedule": gr.schedules.CosineDecay(0.1, 10)}, r"optimizer=gr\.Adam\(schedule\)"),
        ({"epochs": 0}, "Classifier: epochs = 0"),
        ({"scaling": "std"}, "Did you mean 'standard'"),
        ({"metrics": ["r2"]}, "does not apply to 3 classes"),
        ({"random_state": -1}, r"random_state=-1.*at least 0"),
        ({"random_state": "a"}, r"random_state='a'.*whole number"),
        ({"loss": {"delta": 1.0}}, "has no name"),
        ({"class_weight": "balance"}, r'write "balanced".*\[0, 1, 2\]'),
        ({"class_weight": {"a": 2.0}}, r"a dict from classes"),
        ({"columns": 3}, "columns=3: write a dict"),
        ({"keep_columns": np.array(1j)}, "write a list"),
        ({"warm_start": "yes"}, "write True or False"),
        ({"columns": {"a": "category"}}, "of a data frame, but X is an array"),
    ],
    ids=str,
)
def test_wrong_settings_are_named(iris, settings, message):
    with pytest.raises(gr.GradusError, match=message):
        gr.Classifier(**settings).fit(*iris)


def test_wrong_data_are_named(iris, fitted):
    x, y = iris
    with pytest.raises(ValueError, match=r"NaN.*pandas\.DataFrame"):
        fitted.predict(np.where(x > 5, np.nan, x))
    with pytest.raises(ValueError, match=r"text.*pandas\.DataFrame"):
        gr.Classifier().fit(x.astype(str).astype(object) + "cm", y)
    with pytest.raises(ValueError, match="one class, 1"):
        gr.Classifier().fit(x, np.ones(150, int))
    with pytest.raises(ValueError, match="zero"):
        gr.Classifier().fit(x, y, sample_weight=np.zeros(150))
    with pytest.raises(gr.GradusError, match=r"of classes, gr\.Classifier\(class_weight="):
        gr.Classifier().fit(x, y, sample_weight="balanced")
    with pytest.raises(
        gr.GradusError, match=r"pass a data frame, such as pandas\.read_csv\('a\.csv'"
    ):
        gr.Classifier().fit("a.csv", "y")
    with pytest.raises(
        gr.GradusError, match=r"Unknown parameter of Classifier 'alpha'\. Here it is"
    ):
        GridSearchCV(gr.Classifier(), {"alpha": [0.1]}, error_score="raise").fit(x, y)
    with pytest.raises(ValueError, match="weights of all rows are zero"):
        gr.Classifier(class_weight=dict.fromkeys(range(3), 0)).fit(x, y)
    with pytest.raises(ValueError, match=r"of Hugging Face: write X\.to_pandas\(\)"):
        gr.Classifier().fit(SimpleNamespace(to_pandas=None, features={}, shape=(150, 4)), y)
    with pytest.raises(ValueError, match="X is a dict"):
        gr.Classifier().fit({"a": x[:, 0]}, y)
    with pytest.raises(ValueError, match=r"X is a map, but an estimator needs all rows"):
        gr.Classifier().fit(map(list, x), y)
    with pytest.raises(ValueError, match=rf"X has {(x > 6).sum()} masked entries: .*DataFrame"):
        gr.Classifier().fit(np.ma.masked_greater(x, 6), y)
    with pytest.raises(ValueError, match=r"y has 50 masked entries"):
        gr.Classifier().fit(x, np.ma.masked_equal(y, 2))
    with pytest.raises(ValueError, match=r"X is a structured array.*pandas\.DataFrame"):
        gr.Classifier().fit(np.rec.fromarrays(x.T), y)
    with pytest.raises(ValueError, match=r"X has more than one column named 'a'"):
        gr.Classifier().fit(pd.DataFrame(x, columns=list("abca")), y)
    with pytest.raises(ValueError, match=r"cannot be collected"):
        gr.Classifier().fit(pl.LazyFrame(x).select("absent"), y)
    with pytest.raises(ValueError, match="no columns"):
        gr.Classifier().fit(pd.DataFrame(index=range(150)), y)
    with pytest.raises(ValueError, match=r"drop_columns=\['a'\]"):
        gr.Classifier().fit(pd.DataFrame({"a": [[1, 2]] * 150, "b": x[:, 0]}), y)
    with pytest.raises(ValueError, match=r"list of arrays: write np\.stack\(X\)"):
        gr.Classifier().fit(list(np.zeros((150, 4, 4))), y)
    with pytest.raises(ValueError, match=r"missing value in row 2"):
        gr.Classifier().fit(x, np.array(["a", "b", None] * 50))
    with pytest.raises(ValueError, match="MultiLabelBinarizer"):
        gr.Classifier().fit(x, [["a"], ["a", "b"], ["b"]] * 50)
    with pytest.raises(ValueError, match="y is the text 'kind'"):
        gr.Classifier().fit(x, "kind")
    with pytest.raises(NotFittedError):
        gr.Classifier().predict(x)


def test_more_rows_per_step_than_there_are_is_told(iris):
    with pytest.warns(UserWarning, match="batch_size=400 is more than the 150 rows"):
        gr.Classifier(**SMALL | {"epochs": 40}, batch_size=400).fit(*iris)


# --- data frames ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def people():
    """200 people with missing values, words, and a column that only looks like one."""
    rng = np.random.default_rng(0)
    job = rng.choice(["cook", "judge", "smith"], 200)
    age = rng.integers(20, 60, 200).astype(float)
    rich = (age > 40) ^ (job == "judge")
    frame = pd.DataFrame({"age": age, "job": job, "person": [f"p{n}" for n in range(200)]})
    frame.loc[::17, "age"] = np.nan
    frame.loc[::23, "job"] = None
    return frame, np.where(rich, "rich", "poor")


@pytest.fixture(scope="module")
def of_people(people):
    with pytest.warns(UserWarning, match="column 'person'.*dropped"):
        return gr.Classifier(**SMALL | {"layers": (16,), "epochs": 30}).fit(*people)


def test_a_frame_is_taken_as_it_is(people, of_people):
    frame, y = people
    assert of_people.score(frame, y) > 0.85
    assert of_people.feature_names_in_.tolist() == ["age", "job", "person"]
    assert of_people.n_features_in_ == 3
    np.testing.assert_array_equal(
        of_people.predict_proba(pl.from_pandas(frame)), of_people.predict_proba(frame)
    )
    with pytest.warns(UserWarning, match="valid feature names"):
        values = of_people.predict_proba(frame.to_numpy())
    np.testing.assert_array_equal(values, of_people.predict_proba(frame))


def test_columns_in_another_order_are_an_error(people, of_people):
    with pytest.raises(ValueError, match="same order"):
        of_people.predict(people[0][["job", "age", "person"]])
    with pytest.raises(ValueError, match="now missing"):
        of_people.predict(people[0][["age", "job"]])
    with pytest.raises(ValueError, match=r"'age' is numbers.*'old'"):
        of_people.predict(people[0].assign(age="old"))


def test_unseen_categories_are_told(people, of_people):
    with pytest.warns(UserWarning, match="'pilot' in row 0"):
        of_people.predict(people[0].assign(job="pilot"))


def test_a_column_that_determines_the_classes_is_told(people):
    frame, y = people
    frame = frame[["age"]].assign(answer=np.where(y == "rich", 1, 0))
    with pytest.warns(UserWarning, match=r"'answer' determines y.*drop_columns=\['answer'\]"):
        gr.Classifier(**SMALL).fit(frame, y)


@pytest.mark.slow
def test_findings_are_warnings(iris):
    fast = gr.Classifier(**SMALL | {"learning_rate": 1e6}, optimizer="sgd")
    with pytest.warns(ConvergenceWarning, match="Classifier: SGD has a learning rate of 1e\\+06"):
        fast.fit(*iris)
    assert "rate-invalid" in [fault.code for fault in fast.findings_.faults]


def test_both_kinds_of_floats_give_the_same(iris, fitted):
    x, y = iris
    single = gr.Classifier(**SMALL).fit(x.astype(np.float32), y)
    np.testing.assert_allclose(
        single.predict_proba(x.astype(np.float32)), fitted.predict_proba(x), atol=1e-4
    )


def test_rows_held_out_of_a_frame_keep_its_names(iris):
    """No warning says that some part of the training has lost them."""
    x, y = pd.DataFrame(iris[0], columns=list("abcd")), iris[1]
    settings = SMALL | {"validation": 0.2, "patience": 2}
    weighted = gr.Classifier(**settings).fit(x, y, sample_weight=np.ones(150))
    plain = gr.Classifier(**settings).fit(x, y)
    np.testing.assert_array_equal(weighted.predict_proba(x), plain.predict_proba(x))
    np.testing.assert_array_equal(weighted.history_["val_loss"], plain.history_["val_loss"])
