"""What is exported, and to which file."""

import types

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError, SavedError

ROWS = np.ones((3, 4), np.float32)


@pytest.fixture
def model():
    return gr.Model(gr.mlp([2]), "mse").build(ROWS)


def message(error, *arguments, **options):
    with pytest.raises(error) as caught:
        gr.export(*arguments, **options)
    return str(caught.value)


def test_the_extension_is_the_format(model, tmp_path):
    path = gr.export(model, tmp_path / "M.STABLEHLO")
    assert path.stat().st_size > 1000
    assert gr.export(model, str(tmp_path / "m.stablehlo"), "stablehlo").exists()
    unknown = message(GradusError, model, tmp_path / "model.onx")
    assert "'.onx' is none. Did you mean '.onnx'?" in unknown
    assert "gr.to_torch" in message(GradusError, model, tmp_path / "model.pt")
    assert "'' is none" in message(GradusError, model, tmp_path / "model")
    assert "Did you mean 'onnx'?" in message(GradusError, model, tmp_path / "m.onnx", "onn")
    assert "preprocessor=…" in message(GradusError, model, tmp_path / "m.onnx", {"scaling": 1})
    both = message(GradusError, model, tmp_path / "m.stablehlo", format="onnx")
    assert "whose extension is .onnx" in both


def test_where_a_file_cannot_be_written(model, tmp_path):
    assert "'model.onnx', not a Model" in message(GradusError, "model.onnx", model)
    assert "create it first" in message(SavedError, model, tmp_path / "no" / "m.stablehlo")
    folder = tmp_path / "m.stablehlo"
    folder.mkdir()
    assert "is a folder" in message(SavedError, model, folder)


def test_what_can_be_exported(model, tmp_path, monkeypatch):
    out = tmp_path / "m.stablehlo"
    assert "trained model" in message(GradusError, gr.Dense(2), out)
    sweep = gr.Sweep(gr.Model(gr.Dense(gr.choice([1, 2])), "mse"))
    assert "sweep.best" in message(GradusError, sweep, out)
    estimator = types.SimpleNamespace(model_=None)
    assert "write its model_, and preprocessor=…" in message(GradusError, estimator, out)
    assert "no weights" in message(GradusError, gr.Model(gr.Dense(2), "mse"), out)
    assert "TablePreprocessor" in message(GradusError, model, out, preprocessor="standard")
    assert "There is no run" in message(SavedError, "nothing", out)
    assert "neither a run nor a saved model" in message(SavedError, tmp_path, out)
    assert "written of a run" in message(GradusError, model, tmp_path / "m.py")
    saved = model.save(tmp_path / "saved")
    assert gr.export(saved, out).exists()


def test_a_missing_package_is_named(model, tmp_path, monkeypatch):
    for package, file in (
        *(("onnx", "m.onnx"), ("flatbuffers", "m.stablehlo"), ("keras", "m.keras")),
    ):
        monkeypatch.setitem(__import__("sys").modules, package, None)
        text = message(GradusError, model, tmp_path / file)
        assert f"needs the package {package}" in text
        assert "pip install" in text


def test_a_file_is_replaced_only_by_a_whole_one(model, tmp_path):
    path = tmp_path / "m.stablehlo"
    path.write_text("before")
    message(GradusError, gr.Dense(2), path)
    assert path.read_text() == "before"
    gr.export(model, path)
    assert path.read_bytes() != b"before"
    assert [each.name for each in tmp_path.iterdir()] == ["m.stablehlo"]
