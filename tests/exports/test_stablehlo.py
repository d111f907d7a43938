"""A network as StableHLO, read and called by JAX alone."""

import subprocess
import sys

import jax.export
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError

RNG = np.random.default_rng(5)
ROWS = RNG.normal(size=(6, 4)).astype(np.float32)
CODES = np.array([[3, 1, 0], [1, 0, 0]], np.int32)
IMAGES = RNG.integers(0, 255, (3, 8, 8, 1)).astype(np.uint8)

NETWORKS = {
    "sparse": (ROWS, lambda: [gr.Dense(3, "sigmoid"), gr.Sparsity(0.1, 0.2), gr.Sparsity(0.1)]),
    "images": (IMAGES, lambda: [gr.Rescaling(1 / 255), gr.Conv2D(2, 3), gr.MaxPooling2D(2)]),
    "merged": (
        ROWS,
        lambda: [
            gr.Parallel([gr.Dense(3), gr.Dense(1)]),
            gr.Average(),
            gr.ActivityRegularization(0.1),
            gr.Parallel([gr.Dense(2), gr.Dense(2)], merge="subtract"),
        ],
    ),
    "every picture": (
        IMAGES[:, None].repeat(2, 1),
        lambda: [gr.TimeDistributed(gr.Sequential(gr.Resizing(4, 3), gr.Flatten())), gr.GRU(2)],
    ),
    "masks": (CODES, lambda: [gr.Embedding(4, 2, mask_zero=True), gr.GRU(3)]),
    "attention": (CODES, lambda: [gr.Embedding(4, 4, mask_zero=True), gr.TransformerEncoder(2, 3)]),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_predicts_the_same_for_any_number_of_samples(name, tmp_path):
    x, make = NETWORKS[name]
    model = gr.Model(gr.Sequential(make()), "mse").build(x)
    exported = jax.export.deserialize(gr.export(model, tmp_path / "m.stablehlo").read_bytes())
    for rows in (x, x[:1]):
        np.testing.assert_allclose(exported.call(rows), model.predict(rows), atol=1e-6)


def test_outputs_are_those_of_predict(tmp_path):
    heads = gr.Parallel({"label": gr.Dense(2), "price": gr.Dense(1)})
    losses = {"label": "sparse_categorical_crossentropy", "price": "mse"}
    model = gr.Model(heads, losses).build(ROWS)
    exported = jax.export.deserialize(gr.export(model, tmp_path / "m.stablehlo").read_bytes())
    found, ours = exported.call(ROWS), model.predict(ROWS)
    np.testing.assert_allclose(found["label"].sum(1), 1, atol=1e-6)  # probabilities
    for name, values in ours.items():
        np.testing.assert_allclose(found[name], values, atol=1e-6)


def test_platforms_are_chosen(tmp_path):
    model = gr.Model(gr.Dense(2), "mse").build(ROWS)
    path = gr.export(model, tmp_path / "m.stablehlo", platforms=("cpu", "tpu"))
    assert jax.export.deserialize(path.read_bytes()).platforms == ("cpu", "tpu")
    with pytest.raises(GradusError, match="Unknown platform 'gpu'"):
        gr.export(model, path, platforms="gpu")
    with pytest.raises(GradusError, match="platforms=7"):
        gr.export(model, path, platforms=7)
    with pytest.raises(GradusError, match="is for StableHLO"):
        gr.export(model, tmp_path / "m.onnx", platforms="cpu")


class Normed(gr.Layer):
    def call(self, x):
        return x / len(x)


def test_a_layer_that_counts_samples_is_told_how(tmp_path):
    model = gr.Model(Normed(), "mse").build(ROWS)
    with pytest.raises(GradusError, match=r"x\.shape\[0\]"):
        gr.export(model, tmp_path / "m.stablehlo")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_file_needs_no_gradus(tmp_path):
    path = gr.export(gr.Model(gr.Dense(2), "mse").build(ROWS), tmp_path / "m.stablehlo")
    code = (
        "import sys, jax, numpy as np; from pathlib import Path;"
        f"exported = jax.export.deserialize(Path({str(path)!r}).read_bytes());"
        "print(exported.call(np.ones((3, 4), np.float32)).shape, 'gradus' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(3, 2) False"
