"""Activations as layers: values and gradients of Keras; seen as the activations that they are."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import gradus as gr
from gradus.diagnosis.record import Record
from gradus.diagnosis.recording import activation_name
from gradus.doctor.network_edits import edit_layers
from gradus.errors import GradusError, ShapeError
from gradus.nn.heads import record_heads
from gradus.nn.pytree import canonicalize

KERAS = keras.layers
X = np.random.default_rng(0).normal(0, 4, (3, 4, 5)).astype(np.float32)
COTANGENT = np.random.default_rng(1).normal(size=X.shape).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ReLU", {}),
        ("ReLU", {"max_value": 6.0}),
        ("ReLU", {"negative_slope": 0.3}),
        ("ReLU", {"max_value": 2.0, "negative_slope": 0.1, "threshold": 0.5}),
        ("LeakyReLU", {}),
        ("LeakyReLU", {"negative_slope": 0.01}),
        ("ELU", {}),
        ("ELU", {"alpha": 0.4}),
        ("Softmax", {}),
        ("Softmax", {"axis": 1}),
        ("Softmax", {"axis": -2}),
    ],
)
def test_values_and_gradients_are_those_of_keras(name, arguments):
    net = gr.init(getattr(gr, name)(**arguments), 0, X)
    theirs = getattr(KERAS, name)(**arguments)

    @jax.jit
    def both(x):
        return [jax.vjp(layer, x)[1](COTANGENT)[0] for layer in (net, theirs)], theirs(x)

    (ours, expected), outputs = both(X)
    np.testing.assert_allclose(net(X), outputs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_whole_numbers_are_taken_as_an_activation_takes_them():
    whole = np.array([[-2, 3]])
    for layer, wanted in [(gr.ReLU(), [0, 3]), (gr.ReLU(threshold=4.0), [0, 0])]:
        assert gr.init(layer, 0, whole)(whole).tolist() == [wanted]


def test_another_number_is_not_another_program():
    for make in (gr.LeakyReLU, gr.ELU, lambda slope: gr.ReLU(None, slope)):
        one, other = (canonicalize(gr.init(make(value), 0, X)) for value in (0.1, 0.2))
        assert jax.tree.structure(one) == jax.tree.structure(other)
        assert np.float32(0.1) in jax.tree.leaves(one)
    plain, leaky = gr.init(gr.ReLU(), 0, X), gr.init(gr.ReLU(None, 0.1), 0, X)
    assert jax.tree.structure(plain) != jax.tree.structure(leaky)


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (gr.ReLU(), "relu"),
        (gr.ReLU(6), "relu6"),
        (gr.ReLU(None, 0.1), "leaky_relu"),
        (gr.LeakyReLU(), "leaky_relu"),
        (gr.ELU(), "elu"),
        (gr.Softmax(), "softmax"),
    ],
)
def test_the_end_of_a_network_is_recognized(layer, name):
    net = gr.init(gr.Sequential([gr.Dense(3), layer]), 0, X)
    with record_heads() as recorder:
        head = recorder.head_of(net(X))
        logits = np.asarray(head.logits)
    assert head.activation == name == activation_name(layer)
    if name == "softmax":
        np.testing.assert_allclose(logits, X @ net.layers[0].kernel, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layer", [gr.ELU(3.0), gr.Activation("elu", 3.0)])
def test_an_elu_with_another_limit_is_not_taken_for_one_above_minus_1(layer):
    net = gr.init(layer, 0, X)
    with record_heads() as recorder:
        assert recorder.head_of(net(X)).activation == "linear"


def test_a_softmax_over_the_steps_ends_no_classifier():
    net = gr.init(gr.Softmax(axis=1), 0, X)
    with record_heads() as recorder:
        assert recorder.head_of(net(X)).activation == "linear"
    assert activation_name(net) == activation_name(gr.ReLU(2.0)) == ""


def test_a_softmax_over_steps_gives_nothing_to_those_that_are_not_real():
    x = np.array([[[1.0], [2.0], [0.0]], [[0.0], [0.0], [0.0]]], np.float32)
    net = gr.init(gr.Sequential([gr.Masking(), gr.Softmax(axis=1)]), 0, x)
    expected = np.array([1, np.e, 0]) / (1 + np.e)
    np.testing.assert_allclose(net(x)[0, :, 0], expected, rtol=1e-6)
    assert net(x)[1].tolist() == [[0.0], [0.0], [0.0]]
    grad = jax.grad(lambda x: jnp.sum(net(x) ** 2))(x)
    assert np.isfinite(grad).all()


def trained(*layers):
    rows = np.random.default_rng(2).normal(size=(40, 4)).astype(np.float32)
    labels = (rows[:, 0] > 0).astype(np.int32)
    model = gr.Model(gr.Sequential(list(layers)), "sparse_categorical_crossentropy")
    model.fit(rows, labels, epochs=1, probes=False, verbose=False)
    return model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "name"), [(gr.ReLU(), "relu"), (gr.Softmax(), "softmax"), (gr.ELU(), "elu")]
)
def test_a_model_is_that_with_the_named_activation(layer, name):
    one = trained(gr.Dense(4), layer.named("a"), gr.Dense(2), gr.Softmax())
    other = trained(gr.Dense(4), gr.Activation(name).named("a"), gr.Dense(2, "softmax"))
    assert one.history["loss"] == other.history["loss"]
    ours, theirs = (said(model.record) for model in (one, other))
    assert ours == theirs


def said(record: Record):
    """What the doctor knows of the layers and outputs."""
    layers = [(each.activation, each.is_activation, each.units) for each in record.layers]
    outputs = [(each.activation, each.before, each.shape) for each in record.outputs]
    return layers[:2], outputs


def test_an_edit_gives_a_layer_another_activation():
    net = gr.Sequential([gr.Dense(2), gr.Softmax().named("end")])
    edited, changes = edit_layers(
        net, lambda path, layer: {"activation": "sigmoid"} if path == "end" else {}
    )
    assert [str(change) for change in changes] == ['end.activation: "softmax" → "sigmoid"']
    assert repr(edited.layers[1]) == "Activation(activation='sigmoid')"
    assert edited.layers[1].__dict__["_name"] == "end"
    same, changes = edit_layers(net, lambda path, layer: {"activation": "softmax"})
    assert same.layers[1] is net.layers[1]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gr.ReLU(-1), r"ReLU\(max_value=-1\): write a number of at least 0"),
        (lambda: gr.ReLU(negative_slope=None), r"ReLU\(negative_slope=None\)"),
        (lambda: gr.LeakyReLU("0.1"), r"LeakyReLU\(negative_slope='0.1'\)"),
        (lambda: gr.LeakyReLU([0.1, 0.2]), r"gr.choice\(0.1, 0.2\)"),
        (lambda: gr.ELU(-1.0), r"ELU\(alpha=-1.0\)"),
        (lambda: gr.Softmax(0), r"Softmax\(axis=0\): .* the batch is axis 0"),
        (lambda: gr.Softmax(1.5), r"Softmax\(axis=1.5\): write a whole number"),
        (lambda: gr.init(gr.ReLU(None, np.ones(2)), 0, X), "write one number"),
    ],
)
def test_mistakes_say_what_to_write(make, words):
    with pytest.raises(GradusError, match=words):
        make()


def test_an_axis_that_is_not_there_is_told():
    for axis in (3, -3):
        with pytest.raises(ShapeError, match=f"axis={axis} but was given an input of 3 axes"):
            gr.init(gr.Softmax(axis), 0, X)
