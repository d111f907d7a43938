"""The column of a table that tells the target is found as it was read, and named."""

import numpy as np
import polars as pl
import pytest

import gradus as gr
from gradus.apps.cli import main
from gradus.experiments.preparation.leaks import telling_column_of
from gradus.experiments.run import Run

ROWS = 200


def make_table(**columns):
    rng = np.random.default_rng(0)
    bought = rng.integers(0, 2, ROWS)
    frame = {
        "age": rng.normal(40, 9, ROWS),
        "color": rng.choice(["red", "blue", "green"], ROWS),
        # Apart by far; half of the rows are near the largest, so that it is mapped by quantiles.
        "paid amount": 3.0 * bought + rng.normal(0, 0.05, ROWS),
        "bought": np.where(bought, "yes", "no"),
    }
    return pl.DataFrame({**frame, **columns})


def test_a_training_names_the_column_that_tells_the_class(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_table().write_csv("table.csv")
    assert main(["train", "table.csv", "--target", "bought", "--epochs", "30"]) == 0
    assert "1 note: leak-column. For details: gradus diagnose runs/table-1" in (
        capsys.readouterr().out
    )
    (finding,) = Run(tmp_path / "runs/table-1").findings
    assert finding.message == "Column 'paid amount' alone determines the class of every sample."
    assert "--drop-columns 'paid amount'" in finding.remedy
    dropped = ["--epochs", "30", "--drop-columns", "paid amount"]
    assert main(["train", "table.csv", "--target", "bought", *dropped]) == 0
    assert "leak-column" not in capsys.readouterr().out


def test_missing_numbers_and_targets_that_are_numbers():
    known = [None if i % 7 == 0 else float(i) for i in range(ROWS)]
    table = make_table(known=known, price=[2.0 * i for i in range(ROWS)])
    data = gr.data.load(table, target="price")
    assert telling_column_of(data, data.feature_names).column == "known"
    assert telling_column_of(data, ["age", "paid amount"]).first < 0.5
    assert telling_column_of(data, ["color"]) is None


@pytest.mark.parametrize("named", [True, False])
def test_a_frame_has_names_and_an_array_numbers(named):
    table = make_table(id=np.arange(ROWS) + 7).select("age", "id", "paid amount").cast(pl.Float32)
    y = (make_table()["bought"] == "yes").to_numpy().astype(int)
    model = gr.Model(gr.mlp([4, 1], "relu", "sigmoid"), "binary_crossentropy", seed=0)
    x = table if named else table.to_numpy()
    found = {f.code: f for f in model.check(x, y) if f.code.endswith("-column")}
    names = ("'id'", "'paid amount'") if named else ("1 of x", "2 of x")
    assert found["identifier-column"].message.startswith(f"Column {names[0]} numbers the rows")
    assert found["leak-column"].message.startswith(f"Column {names[1]} alone determines the class")
    remedy = "x.drop(columns=['id'])" if named else "np.delete(x, 1, axis=1)"
    assert remedy in found["identifier-column"].remedy
