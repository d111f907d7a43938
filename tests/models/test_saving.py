"""A model saved and loaded is the same: its predictions, its history, its further training."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import gradus as gr
from gradus import files, manifests
from gradus.errors import SavedError
from gradus.nn.penalties import L2, MaxNorm
from gradus.nn.pytree import pytree
from gradus.objectives.loss import Loss, pair
from gradus.optim.schedules import CosineDecay

RNG = np.random.default_rng(2)
X = RNG.normal(size=(60, 5)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32)
KIND = "sparse_categorical_crossentropy"


class Scale(gr.Layer):
    """A layer of one's own, with a weight, a setting and a sublayer."""

    def __init__(self, power=1.0):
        self.power = power

    def build(self, shape):
        self.factor = self.add_weight("factor", (shape[-1],), "ones")
        self.inner = gr.Dense(3, "tanh")

    def call(self, x):
        return self.inner(x * self.factor) ** self.power


@pytree
class Quartic(Loss):
    """A loss of one's own."""

    power: float = 4.0

    def values(self, y_true, y_pred):
        y, p = pair(y_true, y_pred)
        return (y - p) ** self.power


def network(units=6):
    return gr.Sequential(
        [
            gr.Dense(units, "relu", kernel_regularizer=L2(1e-3), kernel_constraint=MaxNorm(2.0)),
            gr.BatchNormalization(momentum=0.8),
            gr.Dropout(0.25),
            gr.Dense(2, "softmax").named("head"),
        ]
    )


def trained(net=None, loss=KIND, optimizer=None, y=Y, x=X, probes=False, **options):
    model = gr.Model(net or network(), loss, optimizer or gr.Adam(0.01), **options)
    model.fit(x, y, epochs=3, batch_size=20, verbose=False, probes=probes)
    return model


@pytest.fixture(scope="module")
def model():
    return trained(metrics=["accuracy", "confusion_matrix"], penalty=L2(1e-4), seed=7, probes=True)


@pytest.fixture
def folder(model, tmp_path):
    return model.save(tmp_path / "saved")


def assert_same_weights(one, other):
    assert one.weights.keys() == other.weights.keys()
    for name, value in one.weights.items():
        np.testing.assert_array_equal(value, other.weights[name], err_msg=name)


@pytest.mark.slow
def test_predictions_and_history_are_the_same(model, folder):
    loaded = gr.Model.load(folder)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.evaluate(X, Y)["loss"] == model.evaluate(X, Y)["loss"]
    assert loaded.summary() == model.summary()
    assert loaded.seed == 7
    assert set(loaded.history) == set(model.history)
    for name in model.history:
        np.testing.assert_array_equal(loaded.history[name], model.history[name])
    assert model.history.probes
    for name, values in model.history.probes.items():
        np.testing.assert_array_equal(loaded.history.probes[name], values)
    assert loaded.history.seconds == model.history.seconds


@pytest.mark.slow
def test_the_history_is_a_table_that_others_read(model, folder):
    import polars

    frame = polars.read_parquet(folder / "history.parquet")
    assert frame["epoch"].to_list() == [1, 2, 3]
    np.testing.assert_array_equal(frame["loss"].to_numpy(), model.history["loss"])


def test_weights_are_plain_safetensors_by_path(model, folder):
    stored = load_file(folder / "weights.safetensors")
    assert stored.keys() == model.weights.keys()
    np.testing.assert_array_equal(stored["head/kernel"], model.weights["head/kernel"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "optimizer", [gr.Adam(CosineDecay(0.05, 30)), gr.SGD(0.05, momentum=0.9), gr.RAdam(0.01)]
)
def test_training_goes_on_as_if_in_one_process(optimizer, tmp_path):
    one = trained(optimizer=optimizer)
    other = gr.Model.load(one.save(tmp_path))
    for each in (one, other):
        each.fit(X, Y, epochs=2, batch_size=20, verbose=False, probes=False)
    assert_same_weights(one, other)
    np.testing.assert_array_equal(one.history["loss"], other.history["loss"])
    assert len(other.history["loss"]) == 5


def test_a_model_built_and_never_trained_survives(tmp_path):
    model = gr.Model(network(), KIND).build(X)
    loaded = gr.Model.load(model.save(tmp_path))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.history.epochs == 0


@pytest.mark.slow
def test_several_inputs_outputs_and_integers_survive(tmp_path):
    x = {"a": X, "b": (np.arange(60) % 4).reshape(60, 1)}
    branches = {
        "a": gr.Dense(1),
        "b": gr.Sequential([gr.Embedding(4, 3), gr.Flatten(), gr.Dense(2, "softmax")]),
    }
    y = {"a": X[:, :1], "b": Y}
    model = trained(gr.Parallel(branches), {"a": "mse", "b": KIND}, y=y, x=x)
    loaded = gr.Model.load(model.save(tmp_path))
    for name, value in model.predict(x).items():
        np.testing.assert_array_equal(loaded.predict(x)[name], value)


@pytest.mark.slow
def test_frozen_layers_stay_frozen(tmp_path):
    net = network()
    net.layers[0].freeze()
    model = trained(net)
    loaded = gr.Model.load(model.save(tmp_path))
    before = loaded.weights["dense/kernel"]
    loaded.fit(X, Y, epochs=1, batch_size=20, verbose=False, probes=False)
    np.testing.assert_array_equal(loaded.weights["dense/kernel"], before)


def test_a_layer_frozen_after_it_was_built_stays_frozen(tmp_path):
    model = gr.Model(network(), KIND).build(X)
    model.net.layers[0].freeze()
    loaded = gr.Model.load(model.save(tmp_path))
    assert loaded.summary() == model.summary()
    assert not loaded.net.layers[0].trainable


FRESH = """
import sys
import numpy as np
sys.path.insert(0, {folder!r})
import gradus as gr
from {module} import Quartic, Scale
model = gr.Model.load({path!r}, custom=[Scale, Quartic])
x = np.load({x!r})
np.save({out!r}, model.predict(x))
"""


@pytest.mark.slow
def test_classes_of_ones_own_load_in_a_fresh_process(tmp_path):
    net = gr.Sequential([Scale(2.0), gr.Dense(1)])
    model = trained(net, Quartic(2.0), y=X[:, :1])
    path = model.save(tmp_path / "saved")
    with pytest.raises(SavedError, match=r"'Scale'.*custom=\[Scale\]"):
        gr.Model.load(path)
    x, out, here = tmp_path / "x.npy", tmp_path / "out.npy", Path(__file__)
    np.save(x, X)
    script = FRESH.format(
        folder=str(here.parent), module=here.stem, path=str(path), x=str(x), out=str(out)
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    np.testing.assert_array_equal(np.load(out), model.predict(X))


def test_nothing_is_pickled(folder, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("unpickled")

    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "load", refuse)
    gr.Model.load(folder)


@pytest.mark.slow
def test_saving_again_replaces_and_keeps_other_files(model, folder):
    (folder / "notes.txt").write_text("mine")
    other = trained(network(4))
    other.save(folder)
    with pytest.warns(UserWarning, match="no .keras file.*gr.export") as told:
        other.save(folder.parent / "saved.keras")
    assert told[0].filename == __file__
    np.testing.assert_array_equal(gr.Model.load(folder).predict(X), other.predict(X))
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name"),
    [(files, "write_arrays"), (manifests, "write_manifest"), (files, "_sync")],
)
def test_a_failing_disk_leaves_the_former_whole(model, folder, monkeypatch, module, name):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, name, full)
    with pytest.raises(SavedError, match="No space left on device"):
        trained(network(4)).save(folder)
    monkeypatch.undo()
    np.testing.assert_array_equal(gr.Model.load(folder).predict(X), model.predict(X))


DAMAGED = ["weights.safetensors", "training.safetensors", "history.parquet", "record.json"]


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_refused(folder, name):
    good = (folder / name).read_bytes()
    (folder / name).write_bytes(good[: len(good) // 2])
    with pytest.raises(SavedError, match=f"{name}.*cut short"):
        gr.Model.load(folder)
    middle = len(good) // 2
    (folder / name).write_bytes(good[:middle] + bytes([good[middle] ^ 4]) + good[middle + 1 :])
    with pytest.raises(SavedError, match=f"{name}.*altered"):
        gr.Model.load(folder)
    (folder / name).unlink()
    with pytest.raises(SavedError, match=f"{name}.*missing"):
        gr.Model.load(folder)


def test_what_is_no_model_is_refused(folder, tmp_path):
    with pytest.raises(SavedError, match="does not exist"):
        gr.Model.load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SavedError, match=r"no file 'model\.json'"):
        gr.Model.load(tmp_path / "empty")
    with pytest.raises(SavedError, match="is a file"):
        gr.Model.load(folder / "model.json")
    manifest = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(manifest | {"format": 2, "gradus": "9.0"}))
    with pytest.raises(SavedError, match=r"newer gradus \(9.0, format 2\)"):
        gr.Model.load(folder)
    del manifest["settings"]
    (folder / "model.json").write_text(json.dumps(manifest))
    with pytest.raises(SavedError, match="was altered since it was saved"):
        gr.Model.load(folder)


def test_what_cannot_be_saved_says_so(tmp_path):
    with pytest.raises(SavedError, match="call fit or build"):
        gr.Model(network(), KIND).save(tmp_path)
    model = trained(gr.Sequential([gr.Dense(2, lambda x: x)]), lambda y, p: p[:, 0] ** 2)
    with pytest.raises(SavedError, match=r"at net.layers\[0\].activation cannot be saved"):
        model.save(tmp_path)


# --- weights alone ----------------------------------------------------------------------------


def test_weights_go_by_the_names_of_layers(model, folder):
    other = gr.Model(network(), KIND, seed=3).build(X)
    assert other.load_weights(folder) == sorted(model.weights)
    assert_same_weights(other, model)


def test_weights_from_a_safetensors_file(tmp_path):
    model = gr.Model(gr.Sequential([gr.Dense(2)]), "mse").build(X)
    kernel = np.arange(10, dtype=np.float32).reshape(5, 2)
    save_file({"dense/kernel": kernel, "dense/bias": np.ones(2, np.float32)}, tmp_path / "w")
    model.load_weights(tmp_path / "w")
    np.testing.assert_allclose(model.predict(X), X @ kernel + 1, rtol=1e-5)
    (tmp_path / "w").write_bytes(b"not safetensors")
    with pytest.raises(SavedError, match="not a complete safetensors file"):
        model.load_weights(tmp_path / "w")


def test_weights_that_do_not_fit_name_the_layer_and_both_shapes(folder):
    other = gr.Model(network(9), KIND).build(X)
    before = other.weights
    with pytest.raises(SavedError, match=r"layer 'dense': its .* shape \((5, )?9,?\).*\((5, )?6"):
        other.load_weights(folder)
    for name, value in before.items():
        np.testing.assert_array_equal(other.weights[name], value)


def test_missing_weights_are_named_or_skipped(model, folder):
    net = gr.Sequential([gr.Dense(6, "relu"), gr.BatchNormalization(), gr.Dense(4).named("heads")])
    other = gr.Model(net, "mse").build(X)
    with pytest.raises(SavedError, match=r"no weights for layer 'heads'.*nearest there is 'head/"):
        other.load_weights(folder)
    before = other.weights["heads/kernel"]
    loaded = other.load_weights(folder, skip_missing=True)
    assert "dense/kernel" in loaded
    assert "heads/kernel" not in loaded
    np.testing.assert_array_equal(other.weights["dense/kernel"], model.weights["dense/kernel"])
    np.testing.assert_array_equal(other.weights["heads/kernel"], before)


def test_weights_that_nobody_needs_are_named(folder):
    other = gr.Model(gr.Sequential([gr.Dense(6), gr.BatchNormalization()]), "mse").build(X)
    with pytest.raises(SavedError, match="that the network does not have: head/bias, head/kernel"):
        other.load_weights(folder)


@pytest.mark.slow
def test_loaded_weights_are_those_that_fit_goes_on_from(model, folder):
    other = trained(seed=3)
    other.load_weights(folder)
    other.fit(X, Y, epochs=1, batch_size=20, verbose=False, probes=False)
    assert np.abs(other.weights["head/kernel"] - model.weights["head/kernel"]).max() < 0.1
    before = trained(seed=3).weights["head/kernel"]
    assert np.abs(other.weights["head/kernel"] - before).max() > 0.1


@pytest.mark.parametrize("dtype", ["int8", "uint8", "bool"])
def test_weights_that_are_not_floats_are_refused(tmp_path, dtype):
    model = gr.Model(gr.Dense(2), "mse").build(np.zeros((1, 3)))
    path = tmp_path / "weights.safetensors"
    save_file({"kernel": np.ones((3, 2), dtype), "bias": np.zeros(2, "float32")}, path)
    with pytest.raises(SavedError, match=f"kernel is {dtype}, but weights are floats"):
        model.load_weights(path)


def test_weights_that_are_not_finite_are_refused_and_wider_ones_converted(tmp_path):
    model = gr.Model(gr.Dense(2), "mse").build(np.zeros((1, 3)))
    path, kernel = tmp_path / "weights.safetensors", np.ones((3, 2))
    save_file({"kernel": kernel, "bias": np.zeros(2, "float16")}, path)
    model.load_weights(path)
    assert {value.dtype.name for value in model.weights.values()} == {"float32"}
    kernel[1, 1] = np.nan
    save_file({"kernel": kernel, "bias": np.zeros(2)}, path)
    with pytest.raises(SavedError, match="1 of the 6 numbers of kernel are NaN or infinite"):
        model.load_weights(path)
    header = b'{"kernel":{"dtype":"BF16","shape":[3,2],"data_offsets":[0,12]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(12))
    with pytest.raises(SavedError, match=r"BF16.*save them as float32"):
        model.load_weights(path)
