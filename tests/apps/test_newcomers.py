"""What newcomers to the command line get wrong is told at once, and a failed training says so."""

import numpy as np
import polars as pl
import pytest


@pytest.fixture
def houses(work):
    """A table with a number to predict, which is 3 a - b."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 60))
    b[:6] = np.nan
    frame = pl.DataFrame({"a": a, "b": b, "price": 3 * a - np.nan_to_num(b)}, nan_to_null=True)
    frame.write_csv("houses.csv")
    return "houses.csv"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ("--batch-size", 5000),
            '--batch-size 5000 is more than the 54 samples to train on: write at most 54, or "all"',
        ),
        (("--monitor", "val_acc"), "Unknown monitor 'val_acc'. Did you mean 'val_r2'?"),
        (("--class-weight", "balanced"), "--class-weight balanced is for classes, but"),
        (("--learning-rate", "0,01"), "--learning-rate 0,01: write 0.01, with a decimal point."),
        (("--validation", "20%"), "--validation 20%: write 0.2, a share of 1."),
        (("--dropout", "0,5"), "--dropout 0,5: write 0.5, with a decimal point."),
    ],
)
def test_wrong_flags_are_told_before_anything_is_shown(gradus, houses, work, flags, words):
    status, out, err = gradus("train", houses, "--target", "price", *flags)
    assert (status, out) == (2 if flags[1] in ("0,01", "0,5", "20%") else 1, "")
    assert words in err
    assert not list(work.glob("runs/*"))


def test_a_folder_of_tables_is_told(gradus, houses, work):
    (work / "tables").mkdir()
    for name in ("one.csv", "two.csv"):
        (work / "tables" / name).write_text((work / houses).read_text())
    options = ("--layers", "none", "--epochs", 2, "--refit", "no", "--quiet")
    status, out, _ = gradus("train", "tables", "--target", "price", *options)
    assert status == 0
    assert "one.csv, two.csv" in out


@pytest.mark.slow
def test_a_run_is_no_data_and_says_when_it_has_ended(gradus, houses):
    quick = ("--layers", "none", "--refit", "no", "--quiet")
    status, out, _ = gradus("train", houses, "--target", "price", "--epochs", 2, *quick)
    assert status == 0
    assert "missing become " in out
    run = "runs/houses-1"
    for command in ("train", "sweep"):
        status, _, err = gradus(command, run)
        assert status == 2
        assert f"'{run}' is the folder of a run, not data." in err
        assert f"gradus train {run}/experiment.toml" in err
        assert f"gradus train --resume {run}" in err
        status, _, err = gradus(command, "runs")
        assert (status, "'runs' is a folder of runs, not data." in err) == (2, True)
    status, out, _ = gradus("train", "--resume", run, "--quiet")
    assert status == 0
    assert f"{run} has ended after 2 epochs: nothing is left to train" in out
    status, out, err = gradus("train", "--resume", run, "--epochs", 4)
    assert (status, out) == (2, "")  # no plan of a training that is refused
    assert f"{run} was to train for 2 epochs, in which the schedule cosine lowers" in err
    assert f"To train anew: gradus train {run}/experiment.toml --epochs 4" in err


@pytest.mark.slow
def test_a_run_without_schedule_goes_on_for_more_epochs(gradus, gradus_json, houses):
    options = ("--target", "price", "--layers", "none", "--schedule", "none", "--refit", "no")
    assert gradus_json("train", houses, *options, "--epochs", 2, "--out", "run")["epochs"] == 2
    status, out, err = gradus("train", "--resume", "run", "--epochs", 4, "--quiet")
    assert (status, err) == (0, "")
    assert "has ended" not in out
    assert "4 epochs in" in out


@pytest.mark.slow
def test_a_training_that_diverges_fails(gradus, houses):
    """In its first epoch, too, of which there are no layer statistics to draw."""
    settings = ("--layers", "none", "--optimizer", "sgd", "--learning-rate", 1e30, "--epochs", 2)
    status, out, err = gradus("train", houses, "--target", "price", *settings, "--quiet")
    assert (status, err) == (1, "")
    assert "Training diverged in epoch 1" in out
    assert "gradus diagnose runs/houses-1" in out
    assert gradus("diagnose", "runs/houses-1")[0] == 0
