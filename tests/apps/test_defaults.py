"""What is chosen where an experiment leaves it open, and how settings are merged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gradus.apps import spec
from gradus.apps.defaults import Facts, complete
from gradus.apps.spec import Experiment, Network, Training

facts = st.builds(
    Facts,
    rows=st.integers(2, 10**7),
    features=st.integers(1, 10_000),
    outputs=st.integers(1, 1000),
    task=st.sampled_from(["binary", "multiclass", "regression"]),
    image=st.booleans(),
)


@given(facts)
def test_nothing_is_left_open(facts):
    done = complete(Experiment("x"), facts)
    parts = [done.network, done.training]
    assert all(value is not None for part in parts for value in structs.asdict(part).values())
    assert done.optimizer["learning_rate"] > 0
    assert done.schedule["name"]
    assert done.loss["name"]
    assert 0 < done.validation < 0.5
    assert done.training.patience >= 1


@given(facts)
def test_what_is_complete_stays_as_it_is(facts):
    once = complete(Experiment("x"), facts)
    assert complete(once, facts) == once


def test_what_is_set_stays():
    given_ = Experiment(
        "x",
        validation=0.3,
        network=Network(layers=[], activation="tanh", dropout=0.0),
        optimizer={"name": "sgd"},
        loss={"name": "huber"},
        training=Training(epochs=1, batch_size="all", patience=0),
    )
    done = complete(given_, Facts(60_000, 784, 10, "multiclass", image=True))
    assert done.validation == 0.3
    assert done.network.layers == []
    assert (done.network.activation, done.network.dropout) == ("tanh", 0.0)
    assert done.optimizer == {"name": "sgd"}  # its own default rate, not Adam's
    assert done.schedule == {"name": "none"}
    assert done.loss == {"name": "huber"}
    assert (done.training.epochs, done.training.batch_size) == (1, "all")
    assert done.training.patience == 0


def test_more_rows_make_larger_batches_and_fewer_epochs():
    few, many = (complete(Experiment("x"), Facts(n, 9, 1, "regression", False)).training
                 for n in (100, 100_000))  # fmt: skip
    assert few.batch_size < many.batch_size
    assert few.epochs > many.epochs


def test_an_experiment_survives_the_file(tmp_path):
    done = complete(Experiment("digits"), Facts(1797, 64, 10, "multiclass", image=True))
    spec.write(tmp_path / "experiment.toml", done)
    assert spec.checked(spec.read(tmp_path / "experiment.toml")) == done


def test_a_new_name_begins_a_section_anew():
    below = {"optimizer": {"name": "adam", "learning_rate": 0.1}, "training": {"epochs": 3}}
    merged = spec.merged(below, {"optimizer": {"name": "sgd"}, "training": {"patience": 2}})
    assert merged == {"optimizer": {"name": "sgd"}, "training": {"epochs": 3, "patience": 2}}
    same = spec.merged(below, {"optimizer": {"name": "adam", "beta_1": 0.8}})
    assert same["optimizer"] == {"name": "adam", "learning_rate": 0.1, "beta_1": 0.8}


@pytest.mark.parametrize("source", ["digits", "mnist"])
def test_a_built_in_name_is_no_path(tmp_path, source):
    assert spec.located(source, tmp_path) == source


def test_many_rows_are_judged_by_accuracy_where_it_is_measured():
    many, few = (Facts(rows, 784, 10, "multiclass", image=True) for rows in (60_000, 300))
    monitor = {
        "many": complete(Experiment("x"), many).training.monitor,
        "few": complete(Experiment("x"), few).training.monitor,
        "unmeasured": complete(Experiment("x", metrics=[]), many).training.monitor,
        "unvalidated": complete(Experiment("x", validation=0.0), many).training.monitor,
    }
    assert monitor == {
        "many": "val_accuracy",
        "few": "val_loss",
        "unmeasured": "val_loss",
        "unvalidated": "loss",
    }
