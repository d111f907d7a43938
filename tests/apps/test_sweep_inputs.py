"""`gradus sweep` over preprocessing: each trial equals `gradus train` with its settings."""

import json
import tomllib

import numpy as np
import polars as pl
import pytest

import gradus as gr
from gradus.experiments.settings.spaces import to_toml

PREPARED = """
data = "flowers.csv"
target = "kind"
validation = 0.25
drop_columns = {choice = [["color"], []]}
[preprocessing]
scaling = {choice = ["none", "standard", "minmax"]}
[network]
layers = [4]
[optimizer]
name = "sgd"
learning_rate = 0.05
[training]
epochs = 8
refit = false
[sweep]
search = "grid"
"""


@pytest.fixture
def wide(flowers):
    """The flowers in small units, so that they are learned only if they are scaled."""
    table = pl.read_csv(flowers)
    wide = pl.when(pl.int_range(pl.len()) % 7 > 0).then(pl.col("width") * 1e5)
    table.with_columns(pl.col("size") * 1e5 + 2e5, wide).write_csv(flowers)
    flowers.with_name("mine.toml").write_text(PREPARED)
    return flowers


def write_without_spaces(path, name, **settings):
    """Write an experiment without spaces, with settings that replace those of a file."""
    raw = tomllib.loads(path.read_text())
    del raw["sweep"]
    raw["preprocessing"]["scaling"] = settings.pop("scaling")
    (path.parent / name).write_text(to_toml(raw | settings))
    return path.parent / name


@pytest.mark.slow
def test_each_preprocessing_is_that_of_its_training_alone(gradus, gradus_json, wide, work):
    record = gradus_json("sweep", "mine.toml", "--quiet")
    table = pl.read_parquet(f"{record['run']}/trials.parquet")
    assert len(table) == 6
    for row in table[[0, 4]].iter_rows(named=True):
        dropped = json.loads(row["drop_columns"].replace("'", '"'))
        file = write_without_spaces(
            work / "mine.toml", "one.toml", scaling=row["scaling"], drop_columns=dropped
        )
        alone = json.loads(gradus("train", file, "--quiet", "--json")[1])  # it may diverge
        assert alone["metrics"]["loss"] == pytest.approx(row["val_loss"], rel=1e-3)
        assert alone["metrics"]["accuracy"] == pytest.approx(row["val_accuracy"])
    best = record["best"]
    assert best["scaling"] != "none"
    saved = json.loads((work / record["run"] / "preprocessing.json").read_text())["fitted"]
    assert {c["scaling"] for c in saved["columns"] if c["kind"] == "number"} == {best["scaling"]}
    assert ("color" in {c["name"] for c in saved["columns"]}) == (best["drop_columns"] == "[]")
    again = gradus_json("train", f"{record['run']}/experiment.toml", "--quiet")
    assert again["metrics"] == pytest.approx(record["metrics"], rel=1e-3)
    tables = []
    for run in (record["run"], again["run"]):
        assert gradus("predict", run, wide, "--out", "out.csv")[0] == 0
        tables.append(pl.read_csv("out.csv"))
    assert tables[0]["prediction"].equals(tables[1]["prediction"])
    right = (tables[0]["prediction"] == pl.read_csv(wide)["kind"]).mean()
    assert right > 0.9
    found = gradus_json("evaluate", record["run"], wide)
    assert found["metrics"]["accuracy"] == pytest.approx(right)


@pytest.mark.slow
def test_a_sweep_over_preprocessings_resumes(gradus_json, wide):
    pytest.importorskip("optuna")
    whole = gradus_json("sweep", "mine.toml", "--quiet")
    gradus_json("sweep", "mine.toml", "--trials", 2, "--out", "part", "--quiet")
    rest = gradus_json("sweep", "--resume", "part", "--trials", 6, "--quiet")
    tables = [pl.read_parquet(f"{one['run']}/trials.parquet") for one in (whole, rest)]
    assert tables[0].equals(tables[1])
    folds = gradus_json("sweep", "mine.toml", "--cv", 2, "--trials", 2, "--quiet")
    again = gradus_json("train", f"{folds['run']}/experiment.toml", "--quiet")
    assert again["metrics"] == pytest.approx(folds["metrics"], rel=1e-3)


@pytest.mark.slow
def test_seeds_of_the_order_and_weights_of_classes(gradus_json, wide, work):
    more = "shuffle_seed = {int_uniform = [1, 2]}\n" + PREPARED.replace(
        "epochs = 8", 'epochs = 8\nclass_weight = {choice = ["balanced", "none"]}'
    )
    (work / "mine.toml").write_text(more)
    record = gradus_json("sweep", "mine.toml", "--scaling", "minmax", "--quiet")
    table = pl.read_parquet(f"{record['run']}/trials.parquet")
    assert len(table) == 8
    assert table["score"].n_unique() > 4
    experiment = tomllib.loads((work / record["run"] / "experiment.toml").read_text())
    assert experiment["shuffle_seed"] == record["best"]["shuffle_seed"]
    assert experiment["training"]["class_weight"] == record["best"]["class_weight"]
    assert experiment["validation_seed"] == 0  # all trials have the same validation rows
    again = gradus_json("train", f"{record['run']}/experiment.toml", "--quiet")
    assert again["metrics"] == pytest.approx(record["metrics"], rel=1e-3)


@pytest.mark.slow
def test_images_of_other_sizes_and_scalings(gradus, gradus_json, work):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (60, 6, 6, 1)).astype(np.uint8)
    labels = (images[:, :3].mean((1, 2, 3)) > images[:, 3:].mean((1, 2, 3))).astype(int)
    np.savez(work / "images.npz", x=images, y=labels)
    (work / "mine.toml").write_text(
        'data = "images.npz"\n[preprocessing]\nimage_size = {choice = [[4, 4], [6, 6]]}\n'
        'scaling = {choice = ["standard", "auto"]}\n[training]\nepochs = 2\nrefit = false\n'
        "[network]\nlayers = [4]\n"
    )
    record = gradus_json("sweep", "mine.toml", "--search", "grid", "--quiet")
    assert record["trials"] == 4
    run = work / record["run"]
    size = json.loads((run / "preprocessing.json").read_text())["fitted"]["size"]
    assert str(size).replace(" ", "") == record["best"]["image_size"].replace(" ", "")
    assert gr.load(run).model.weights["dense/kernel"].shape == (size[0] * size[1], 4)
    again = gradus_json("train", run / "experiment.toml", "--quiet")
    assert again["metrics"] == pytest.approx(record["metrics"], rel=1e-3)
    assert gradus("predict", run, "images.npz", "--out", "out.csv")[0] == 0
    assert gradus("report", run)[0] == 0


@pytest.mark.slow
def test_images_that_are_augmented(gradus, gradus_json, work):
    (work / "mine.toml").write_text(
        'data = "digits"\n[augmentation]\nflip = {choice = ["none", "vertical"]}\n'
        "shift = {uniform = [0.1, 0.3]}\nrotation = 0.05\n"
        "[network]\nconv = []\nlayers = [8]\n[training]\nepochs = 2\nrefit = false\n"
    )
    record = gradus_json("sweep", "mine.toml", "--trials", 3, "--quiet")
    table = pl.read_parquet(f"{record['run']}/trials.parquet")
    assert {"flip", "shift"} < set(table.columns)
    assert table["shift"].n_unique() == 3
    best, run = record["best"], work / record["run"]
    layers = list(gr.load(run).model.net.layers)
    turned = [layer for layer in layers if isinstance(layer, gr.RandomFlip)]
    assert [layer.mode for layer in turned] == [best["flip"]] * (best["flip"] != "none")
    shifted, rotated = layers[len(turned)], layers[len(turned) + 1]
    assert shifted.height_factor == shifted.width_factor == pytest.approx(best["shift"])
    assert rotated.factor == pytest.approx(0.05)
    assert isinstance(
        layers[len(turned) + 2], gr.Rescaling
    )  # augmentation precedes scaling and fills in black
    again = gradus_json("train", run / "experiment.toml", "--quiet")
    assert again["metrics"] == pytest.approx(record["metrics"], rel=1e-3)
    # Inference augments nothing: predictions of the same rows are equal.
    statuses = [gradus("predict", run, "digits", "--out", f"{k}.csv")[0] for k in range(2)]
    assert statuses == [0, 0]
    assert (work / "0.csv").read_bytes() == (work / "1.csv").read_bytes()


@pytest.mark.slow
def test_losses_with_different_target_encodings(gradus, gradus_json, work):
    losses = '["sparse_categorical_crossentropy", "mse", "categorical_crossentropy"]'
    (work / "mine.toml").write_text(
        f'data = "iris"\nloss.name = {{choice = {losses}}}\nnetwork.layers = [4]\n'
        "training.epochs = 2\ntraining.refit = false\n"
    )
    record = gradus_json("sweep", "mine.toml", "--search", "grid", "--quiet")
    assert record["statuses"] == {"finished": 3}
    assert record["monitor"] == "val_accuracy"  # losses of several kinds cannot be compared
    again = gradus_json("train", f"{record['run']}/experiment.toml", "--quiet")
    assert again["metrics"] == pytest.approx(record["metrics"], rel=1e-3)
    text = (work / "mine.toml").read_text()
    (work / "mine.toml").write_text(text + 'training.monitor = "val_loss"\n')
    status, _, err = gradus("sweep", "mine.toml")
    assert (status, "cannot be compared" in err) == (2, True)
