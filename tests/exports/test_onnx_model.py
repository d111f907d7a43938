"""Models in onnxruntime: what goes in and comes out, by name, and what the file says of itself."""

import json

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError, ShapeError, TooLargeError
from gradus.exports import onnx_model
from gradus.exports.trained import as_trained
from gradus.models.ensemble_layers import EnsembleMembers, WeightedAverage

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
RNG = np.random.default_rng(3)
ROWS = RNG.normal(size=(6, 4)).astype(np.float32)
TABLE = {
    "age": [20.0, None, 40.0, 33.0, 51.0, 28.0],
    "job": ["cook", "judge", None, "cook", "judge", "cook"],
    "pay": [1e5, 2e5, 3e5, 1.5e5, 4e5, 2.5e5],
    "kind": ["low", "low", "high", "low", "high", "middle"],
}
FEEDS = {
    "age": np.array([np.nan, 1e9, 30.0]),
    "job": np.array(["", "baker", "cook"], object),
}


def fitted(target, drop, **options):
    return gr.data.TablePreprocessor.fit(TABLE, target, drop=[drop], **options)


def model_of(preprocessor, units, loss, activation=None):
    net = gr.Sequential([gr.Dense(8, "tanh"), gr.Dense(units, activation)])
    x = preprocessor.transform(TABLE)
    return gr.Model(net, loss, seed=2).build(x)


def later_rows(preprocessor):
    frame = {"age": [None, 1e9, 30.0], "job": [None, "baker", "cook"]}
    return preprocessor.transform(frame)


@pytest.mark.parametrize("activation", ["softmax", None])
def test_classes_have_names_and_probabilities(run_onnx, activation):
    preprocessor = fitted("kind", "pay")
    model = model_of(preprocessor, 3, "sparse_categorical_crossentropy", activation)
    found = run_onnx(model, FEEDS, preprocessor=preprocessor)
    ours = model.predict(later_rows(preprocessor))
    np.testing.assert_allclose(found["probabilities"], ours, atol=1e-6)
    np.testing.assert_allclose(found["probabilities"].sum(1), 1, atol=1e-6)
    assert found["prediction"].tolist() == preprocessor.inverse_target(ours).tolist()


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_two_classes_of_one_output(run_onnx, activation):
    preprocessor = two_classes()
    model = model_of(preprocessor, 1, "binary_crossentropy", activation)
    found = run_onnx(model, FEEDS, preprocessor=preprocessor)
    p = model.predict(later_rows(preprocessor))
    np.testing.assert_allclose(found["probabilities"], np.hstack([1 - p, p]), atol=1e-6)
    assert found["prediction"].tolist() == preprocessor.inverse_target(p).tolist()


def two_classes():
    table = TABLE | {"kind": ["yes", "no", "no", "yes", "yes", "no"]}
    return gr.data.TablePreprocessor.fit(table, "kind", drop=["pay"])


def test_a_hinge_has_scores(run_onnx):
    preprocessor = two_classes()
    model = model_of(preprocessor, 1, "hinge")
    found = run_onnx(model, FEEDS, preprocessor=preprocessor)
    ours = model.predict(later_rows(preprocessor))
    assert set(found) == {"prediction", "scores"}
    np.testing.assert_allclose(found["scores"], ours, atol=1e-6)
    names = np.array(preprocessor.target.class_names)
    assert found["prediction"].tolist() == names[(ours[:, 0] > 0).astype(int)].tolist()


def test_numbers_are_in_their_own_units(run_onnx):
    preprocessor = fitted("pay", "kind")
    model = model_of(preprocessor, 1, "mse")
    (values,) = run_onnx(model, FEEDS, preprocessor=preprocessor).values()
    ours = preprocessor.inverse_target(model.predict(later_rows(preprocessor)))[:, 0]
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, ours, rtol=1e-6)


def test_arrays_are_scaled_in_the_graph(run_onnx):
    x, y = 1e6 + RNG.normal(size=(9, 3)), RNG.normal(50, 9, (9, 2))
    preprocessor = gr.data.ArrayPreprocessor.fit(x, y)
    inputs = preprocessor.transform(x)
    model = gr.Model(gr.Dense(2), "mse").build(inputs)
    (values,) = run_onnx(model, {"x": x}, preprocessor=preprocessor).values()
    ours = preprocessor.inverse_target(model.predict(inputs))
    np.testing.assert_allclose(values, ours, rtol=1e-6)


def test_images_are_not_resized(run_onnx):
    x = RNG.integers(0, 255, (3, 4, 4, 1)).astype(np.uint8)
    preprocessor = gr.data.ArrayPreprocessor(size=(4, 4))
    model = gr.Model(gr.Sequential([gr.Flatten(), gr.Dense(2)]), "mse").build(x)
    (found,) = run_onnx(model, {"x": x}, preprocessor=preprocessor).values()
    np.testing.assert_allclose(found, model.predict(x), rtol=1e-5)
    notes = onnx_model.input_notes(as_trained(model, preprocessor))
    assert notes == ["the input takes images of 4 × 4: they are not resized"]


def test_several_inputs_and_outputs_have_their_names(run_onnx):
    x = {"image": RNG.integers(0, 255, (2, 4, 4, 1)).astype(np.uint8), "more": ROWS[:2]}
    branches = {"image": gr.Sequential([gr.Flatten(), gr.Dense(3)]), "more": gr.Dense(3)}
    heads = gr.Parallel({"label": gr.Dense(2), "price": gr.Dense(1)})
    net = gr.Sequential([gr.Parallel(branches, merge="add"), heads])
    model = gr.Model(net, {"label": "sparse_categorical_crossentropy", "price": "mse"}).build(x)
    found, ours = run_onnx(model, x), model.predict(x)
    assert set(found) == {"label", "price"}
    for name, value in ours.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5)


def test_any_number_of_samples(run_onnx):
    model = gr.Model(gr.mlp([3, 2]), "mse").build(ROWS)
    assert [run_onnx(model, {"x": ROWS[:n]})["output"].shape for n in (1, 5, 0)] == [
        *((1, 2), (5, 2), (0, 2))
    ]


def test_an_autoencoder(run_onnx):
    images = ROWS.reshape(6, 2, 2)
    for model, x in (
        (gr.Autoencoder([3, 2], code_activation="sigmoid"), ROWS),
        (gr.Autoencoder([3], tied=True), images),
        (gr.VariationalAutoencoder([3, 2]), ROWS),
    ):
        model.build(x)
        (found,) = run_onnx(model, {"x": x}).values()
        np.testing.assert_allclose(found, model.predict(x), atol=1e-5)


@pytest.mark.parametrize(
    ("units", "activation", "loss"),
    [
        (3, "softmax", "sparse_categorical_crossentropy"),
        (3, "hard_sigmoid", "categorical_crossentropy"),
        (1, None, "binary_crossentropy"),
        (1, "hard_sigmoid", "binary_crossentropy"),
        (1, None, "mse"),
    ],
)
def test_an_ensemble(run_onnx, units, activation, loss):
    nets = [gr.Sequential([gr.Dense(4, "tanh"), gr.Dense(units, activation)]) for _ in range(3)]
    task = gr.Model(nets[0], loss).task
    link = task.objectives.loss.link
    net = gr.Sequential([EnsembleMembers(nets, link), WeightedAverage((2.0, 0.5, 1.0), link)])
    model = gr.Model(net, task, seed=4).build(ROWS)
    (found,) = run_onnx(model, {"x": ROWS}).values()
    np.testing.assert_allclose(found, model.predict(ROWS), atol=1e-5)


def test_the_file_says_what_it_is(tmp_path):
    preprocessor = fitted("kind", "pay")
    model = model_of(preprocessor, 3, "sparse_categorical_crossentropy")
    path = gr.export(model, tmp_path / "model.onnx", preprocessor=preprocessor)
    file = onnx.load(path)
    assert (file.producer_name, file.producer_version) == ("gradus", gr.__version__)
    facts = {each.key: each.value for each in file.metadata_props}
    assert facts["target"] == "kind"
    assert json.loads(facts["classes"]) == ["high", "low", "middle"]
    assert json.loads(facts["columns"])["age"].startswith("number: ")
    described = {each.name: each.doc_string for each in file.graph.input}
    assert described == {
        "age": "a number; NaN if it is missing",
        "job": "text; empty if it is missing",
    }
    assert [each.doc_string for each in file.graph.output][1] == "of high, low, middle"


def test_columns_named_like_outputs_and_layers(run_onnx):
    table = {"prediction": [1.0, 2.0, 3.0, 5.0], "dense/kernel": [0.5, 0.1, 0.2, 0.3]}
    preprocessor = gr.data.TablePreprocessor.fit(table | {"y": [1.0, 2.0, 3.5, 4.0]}, "y")
    model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse").build(preprocessor.transform(table))
    feeds = {name: np.array(values) for name, values in table.items()}
    ((name, values),) = run_onnx(model, feeds, preprocessor=preprocessor).items()
    assert name == "prediction_1"
    ours = preprocessor.inverse_target(model.predict(preprocessor.transform(table)))
    np.testing.assert_allclose(values, ours[:, 0], rtol=1e-6)


def test_a_preprocessor_of_another_model_is_refused(tmp_path):
    def message(net, preprocessor, rows=ROWS):
        model = gr.Model(net, "mse").build(rows)
        with pytest.raises(ShapeError) as caught:
            gr.export(model, tmp_path / "model.onnx", preprocessor=preprocessor)
        return str(caught.value)

    table = fitted("pay", "kind")
    assert "(5,), but the network" in message(gr.Dense(1), table, ROWS[:, :2])
    codes = fitted("pay", "kind", preprocessing=gr.data.Preprocessing(one_hot_limit=0))
    assert "'categories': (1,)" in message(gr.Dense(1), codes)
    inputs = table.transform(TABLE)
    assert "outputs of shape (2,)" in message(gr.Dense(2), table, inputs)
    assert "has 3" in message(gr.Dense(1), fitted("kind", "pay"), inputs)
    arrays = gr.data.ArrayPreprocessor.fit(ROWS)
    assert "fitted to 4 columns" in message(gr.Dense(1), arrays, ROWS[:, :3])


class Doubled(gr.Layer):
    def call(self, x):
        return 2 * x


def test_what_cannot_be_exported_is_named(tmp_path):
    def message(net, loss="mse", error=GradusError):
        with pytest.raises(error) as caught:
            gr.export(gr.Model(net, loss).build(ROWS), tmp_path / "model.onnx")
        return str(caught.value)

    own = message(gr.Sequential([gr.Dense(4), Doubled()]))
    assert "Layer 'doubled' is a Doubled" in own
    assert "stablehlo" in own
    function = message(gr.Sequential([gr.Dense(4, lambda x: x * 2)]))
    assert "Layer 'dense' is a Dense" in function
    assert "activation" in function
    gan = gr.GAN(gr.Dense(4), gr.Dense(1), code=2).build(ROWS)
    with pytest.raises(GradusError, match="GeneratorAndDiscriminator"):
        gr.export(gan, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_file_has_a_largest_size(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_model, "LARGEST", 100)
    with pytest.raises(TooLargeError, match="StableHLO"):
        gr.export(gr.Model(gr.Dense(4), "mse").build(ROWS), tmp_path / "model.onnx")
