"""Default settings, and the merging of settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gradus.experiments.settings import experiment_file
from gradus.experiments.settings.defaults import (
    MANY_ROWS,
    DataSummary,
    default_spaces,
    fill_defaults,
)
from gradus.experiments.settings.experiment import (
    Experiment,
    ExperimentError,
    NetworkSection,
    PenaltySection,
    TrainingSection,
)

facts = st.builds(
    DataSummary,
    rows=st.integers(2, 10**7),
    task=st.sampled_from(["binary", "multiclass", "regression"]),
    image=st.booleans(),
) | st.builds(
    DataSummary,
    rows=st.integers(2, 10**7),
    task=st.sampled_from(["binary", "multiclass", "regression"]),
    image=st.just(True),
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
)


@pytest.mark.slow
@given(facts)
def test_every_setting_gets_a_default(facts):
    done = fill_defaults(Experiment("x"), facts)
    parts = [done.network, done.training, done.augmentation]
    assert all(value is not None for part in parts for value in structs.asdict(part).values())
    assert done.optimizer["learning_rate"] > 0
    assert done.schedule["name"]
    assert done.loss["name"]
    assert 0 < done.validation < 0.5
    is_fixed = not facts.image or done.network.conv
    assert done.training.patience >= 1 or (facts.rows < MANY_ROWS and is_fixed)


@given(facts)
def test_a_complete_experiment_stays_unchanged(facts):
    once = fill_defaults(Experiment("x"), facts)
    assert fill_defaults(once, facts) == once


def test_set_settings_stay():
    given_ = Experiment(
        "x",
        validation=0.3,
        network=NetworkSection(layers=[], activation="tanh", dropout=0.0),
        optimizer={"name": "sgd"},
        loss={"name": "huber"},
        training=TrainingSection(epochs=1, batch_size="all", patience=0),
    )
    done = fill_defaults(given_, DataSummary(60_000, "multiclass", image=True))
    assert done.validation == 0.3
    assert done.network.layers == []
    assert (done.network.activation, done.network.dropout) == ("tanh", 0.0)
    assert done.optimizer == {"name": "sgd"}  # its own default rate, not Adam's
    assert done.schedule == {"name": "none"}
    assert done.loss == {"name": "huber"}
    assert (done.training.epochs, done.training.batch_size) == (1, "all")
    assert done.training.patience == 0


def test_more_rows_make_larger_batches_and_fewer_epochs():
    few, many = (fill_defaults(Experiment("x"), DataSummary(n, "regression", False)).training
                 for n in (100, 100_000))  # fmt: skip
    assert few.batch_size < many.batch_size
    assert few.epochs > many.epochs


def test_few_rows_are_trained_for_a_fixed_time_without_early_stopping():
    for rows, epochs in ((100, 400), (900, 75), (4000, 75), (8, 1200)):
        done = fill_defaults(Experiment("x"), DataSummary(rows, "binary", False))
        assert done.schedule == {"name": "cosine"}
        assert (done.training.epochs, done.training.patience) == (epochs, 0)
        assert done.penalty.l2 == 0.005
    images = fill_defaults(Experiment("x"), DataSummary(900, "binary", image=True))
    assert (images.schedule, images.training.patience) == ({"name": "none"}, 30)
    assert (images.network.layers, images.penalty.l2) == ([256, 128], 0.0)
    chosen = Experiment("x", optimizer={"name": "sgd"}, penalty=PenaltySection(l2=0.0))
    done = fill_defaults(chosen, DataSummary(100, "binary", False))  # its rate does not fall
    assert (done.schedule, done.training.patience) == ({"name": "none"}, 30)
    assert done.penalty.l2 == 0.0
    assert fill_defaults(Experiment("x"), DataSummary(5000, "binary", False)).penalty.l2 == 0.0


def test_an_experiment_survives_the_file(tmp_path):
    done = fill_defaults(Experiment("digits"), DataSummary(1797, "multiclass", image=True))
    experiment_file.write_experiment(tmp_path / "experiment.toml", done)
    assert (
        experiment_file.check_experiment(
            experiment_file.read_settings(tmp_path / "experiment.toml")
        )
        == done
    )


def test_a_new_name_replaces_its_section():
    base = {"optimizer": {"name": "adam", "learning_rate": 0.1}, "training": {"epochs": 3}}
    merged = experiment_file.merge_settings(
        base, {"optimizer": {"name": "sgd"}, "training": {"patience": 2}}
    )
    assert merged == {"optimizer": {"name": "sgd"}, "training": {"epochs": 3, "patience": 2}}
    same = experiment_file.merge_settings(base, {"optimizer": {"name": "adam", "beta_1": 0.8}})
    assert same["optimizer"] == {"name": "adam", "learning_rate": 0.1, "beta_1": 0.8}


@pytest.mark.parametrize("source", ["digits", "mnist"])
def test_a_built_in_name_is_not_a_path(tmp_path, source):
    assert experiment_file.absolute_source(source, tmp_path) == source


def test_many_rows_are_monitored_by_accuracy_if_it_is_a_metric():
    many, few = (DataSummary(rows, "multiclass", image=True) for rows in (60_000, 300))
    monitor = {
        "many": fill_defaults(Experiment("x"), many).training.monitor,
        "few": fill_defaults(Experiment("x"), few).training.monitor,
        "unmeasured": fill_defaults(Experiment("x", metrics=[]), many).training.monitor,
        "unvalidated": fill_defaults(Experiment("x", validation=0.0), many).training.monitor,
    }
    assert monitor == {
        "many": "val_accuracy",
        "few": "val_loss",
        "unmeasured": "val_loss",
        "unvalidated": "loss",
    }


@pytest.mark.parametrize("section", ["schedule", "loss"])
def test_a_section_without_its_name_is_an_error(section):
    raw = {"data": "iris", section: {"delta": 2.0}}
    with pytest.raises(ExperimentError, match=rf"\[{section}\] has no name"):
        experiment_file.check_experiment(raw)


def test_a_rate_that_is_no_number_has_no_space_around_it():
    done = fill_defaults(Experiment("x"), DataSummary(rows=100, task="regression", image=False))
    rate = done.optimizer["learning_rate"]
    low, high = default_spaces(done)["optimizer"]["learning_rate"]["log_uniform"]
    assert (low, high) == pytest.approx((rate / 10, 10 * rate))
    odd = structs.replace(done, optimizer={"name": "adam", "learning_rate": {"low": 1e-4}})
    assert "optimizer" not in default_spaces(odd)  # the model that it builds has the error
