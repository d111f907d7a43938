"""The parts of a data set: shares of test rows, groups that stay whole, and splits by time."""

import dataclasses
import datetime as dt

import numpy as np
import polars as pl
import pytest

from gradus.data import k_folds, load, two_moons
from gradus.diagnosis.symptoms import examine
from gradus.errors import DataError
from gradus.experiments.preparation.prepare import prepare_data
from gradus.experiments.preparation.prepare_in_memory import load_and_split
from gradus.experiments.preparation.splitting import order_values, split_data
from gradus.experiments.settings.experiment import Experiment, ExperimentError
from gradus.experiments.sweep_setup import set_up_sweep

ROWS = 120
RNG = np.random.default_rng(0)
WALK = np.cumsum(RNG.normal(size=ROWS))
TABLE = pl.DataFrame(
    {
        "day": [dt.date(2024, 1, 1) + dt.timedelta(days=row // 2) for row in range(ROWS)],
        "patient": [f"P{number}" for number in RNG.integers(0, 20, ROWS)],
        "size": RNG.normal(size=ROWS),
        "sold": WALK,
        "kind": np.where(np.arange(ROWS) < 100, RNG.choice(["a", "b"], ROWS), "late"),
    }
)


@pytest.fixture
def table(tmp_path):
    TABLE.write_csv(tmp_path / "table.csv")
    return str(tmp_path / "table.csv")


def parts_of(source, **settings):
    return load_and_split(Experiment(source, **settings)).parts


def test_a_share_of_test_rows_leaves_what_a_file_of_its_own_would(table, tmp_path):
    parts = parts_of(table, target="kind", test=0.25, validation=0.2)
    assert {name: len(part) for name, part in parts.items()} == {
        "training": 72, "validation": 18, "test": 30,
    }  # fmt: skip
    counts = np.bincount(parts["test"].y)
    assert np.abs(counts - 0.25 * np.bincount(load(table, "kind").y)).max() < 1  # stratified
    others = pl.concat([parts["training"].x, parts["validation"].x])
    order = TABLE.with_row_index().join(others, on=["size"], maintain_order="left")
    order.select(TABLE.columns).write_csv(tmp_path / "rest.csv")
    parts["test"].x.write_csv(tmp_path / "test.csv")
    files = parts_of(
        str(tmp_path / "rest.csv"), target="kind", test=str(tmp_path / "test.csv"), validation=0.2
    )
    for name, part in files.items():
        assert part.x["size"].to_list() == parts[name].x["size"].to_list()
    seeded = parts_of(table, target="kind", test=0.25, validation_seed=1)
    assert seeded["test"].x["size"].to_list() != parts["test"].x["size"].to_list()


@pytest.mark.parametrize(("share", "rows"), [(None, 8), (0.5, 8), (0.0, None)])
def test_a_validation_part_of_the_data_stands_in_for_a_share(share, rows):
    moons = dataclasses.replace(two_moons(32), validation=two_moons(8), test=two_moons(4))
    split = split_data(moons, Experiment("moons", validation=share))
    counts = {name: len(part) for name, part in split.parts.items()}
    assert (counts["training"], counts.get("validation"), counts["test"]) == (32, rows, 4)
    assert (split.summary.rows, split.summary.validation) == (40, 0.2)
    assert split.notes[0].endswith("is not used") == (rows is None)


def test_groups_stay_whole_and_are_no_input(table):
    prepared = prepare_data(Experiment(table, target="sold", group="patient", test=0.25))
    groups = [set(part.x["patient"]) for part in prepared.raw.values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == TABLE["patient"].n_unique()
    assert "patient" not in [name for name, *_ in prepared.columns]
    assert "day" in [name for name, *_ in prepared.columns]
    note = next(note for note in prepared.notes if "'patient'" in note)
    assert f"{len(groups[0])} in training" in note
    assert "no input" in note


@pytest.mark.parametrize("column", ["day", "sold"])
def test_the_latest_rows_are_the_test_part_and_those_before_validate(table, column):
    target = "kind" if column == "sold" else "sold"
    prepared = prepare_data(Experiment(table, target=target, split_by_time=column, test=0.2))
    training, validation, test = prepared.raw.values()
    assert training.x[column].max() < validation.x[column].min()
    assert validation.x[column].max() < test.x[column].min()
    assert len(test) == pytest.approx(24, abs=1)
    assert column in [name for name, *_ in prepared.columns]
    assert any(f"{column!r} stays an input" in note for note in prepared.notes)
    dropped = prepare_data(
        Experiment(table, target=target, split_by_time=column, drop_columns=[column])
    )
    assert column not in [name for name, *_ in dropped.columns]
    assert not any("stays an input" in note for note in dropped.notes)


def test_a_class_that_no_training_row_has_is_told(table):
    told = load_and_split(Experiment(table, target="kind", split_by_time="day")).notes
    assert not any("no training row" in note for note in told)  # validation is 12 of the late rows
    told = load_and_split(Experiment(table, target="kind", split_by_time="day", test=0.3)).notes
    assert "no training row has the class late, which can never be predicted right" in told


def test_the_folds_of_a_sweep_are_windows_of_time(table):
    raw = {"data": table, "target": "sold", "split_by_time": "day", "sweep": {"cv": 3, "trials": 1}}
    raw |= {"network": {"layers": []}, "optimizer": {"learning_rate": {"uniform": [0.1, 0.2]}}}
    setup = set_up_sweep(raw, {}, "sweep.toml")
    assert "in 3 windows of 'day', each later than its training rows" in setup.describe()[3]
    days = order_values(setup.prepared.raw["training"], setup.prepared.experiment)["times"]
    for train, held in k_folds(len(days), 3, times=days):
        assert days[train].max() < days[held].min()


def test_rows_in_the_order_of_time_name_the_flag_and_are_not_told_if_it_is_used(table):
    (found,) = examine(prepare_data(Experiment(table, target="sold")).record)
    assert found.code == "split-by-time"
    assert "--split-by-time day" in found.remedy
    by_time = Experiment(table, target="sold", split_by_time="day", test=0.2)
    assert not list(examine(prepare_data(by_time).record))  # nor that later inputs differ


def test_a_share_that_whole_groups_cannot_have_is_told():
    data = load(TABLE.with_columns(thirds=pl.int_range(ROWS) // 40), "sold")
    notes = split_data(data, Experiment("table", group="thirds", test=0.1)).notes
    assert [note.partition(", as")[0] for note in notes[1:]] == [
        "test has 33% of the rows instead of 10%", "validation has 50% of the rows instead of 10%",
    ]  # fmt: skip
    near = split_data(data, Experiment("table", group="patient", test=0.25)).notes
    assert len(near) == 1


def test_groups_of_one_row_and_groups_in_both_files_are_told(table):
    data = load(TABLE.with_columns(pl.int_range(ROWS).alias("row") * 7), "kind")
    split = split_data(data, Experiment("table", group="row"))
    assert any("this is a random split" in note for note in split.notes)
    both = load_and_split(Experiment(table, target="sold", group="patient", test=table))
    assert any("are in the test file, too" in note for note in both.notes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"test": 0.0}, "above 0 and below 1"),
        ({"test": 1.0}, "above 0 and below 1"),
        ({"test": 20.0}, "0.2 for 20 %"),
        ({"group": "patient", "split_by_time": "day"}, "leave out one"),
        ({"group": "sold"}, "is the target"),
        ({"split_by_time": "sold"}, "is the target"),
        ({"group": "patent"}, "Did you mean 'patient'"),
        ({"split_by_time": "patient"}, "needs dates or numbers.*patient=date"),
        ({"group": "patient", "keep_columns": ["patient"]}, "keep_columns"),
    ],
)
def test_settings_that_cannot_split_say_what_to_write(table, settings, message):
    with pytest.raises((DataError, ExperimentError), match=message):
        load_and_split(Experiment(table, target="sold", **settings))


def test_data_that_cannot_be_split_so_say_why():
    moons = two_moons(20)
    with pytest.raises(ExperimentError, match="names a column of a table"):
        split_data(moons, Experiment("two_moons", group="patient"))
    with_test = dataclasses.replace(moons, test=moons)
    with pytest.raises(ExperimentError, match="test part of its own, of 20 rows"):
        split_data(with_test, Experiment("two_moons", test=0.2))
    for values, message in (
        ([1] * ROWS, "'group' cannot split 120 rows: groups is always"),
        ([None, *range(1, ROWS)], "'group' is empty in 1 of 120 rows, the first of them row 1"),
    ):
        data = load(TABLE.with_columns(pl.Series("group", values)), "kind")
        with pytest.raises(DataError, match=message):
            split_data(data, Experiment("table", group="group"))
