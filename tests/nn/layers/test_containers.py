"""Layers that contain layers: copies, layers one by one, each step, and functions."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError, ShapeError
from gradus.nn.network import added_losses
from gradus.serialization import deserialize, serialize

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32)


def test_it_is_its_copies_one_after_another():
    net = gr.init(gr.Repeat(gr.Dense(3, "tanh"), 2), 0, X)
    first, second = net.layers
    assert not np.array_equal(first.kernel, second.kernel)
    by_hand = np.tanh(np.tanh(X @ first.kernel) @ second.kernel)
    np.testing.assert_allclose(net(X), by_hand, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(gr.init(gr.Repeat(gr.Dense(3), 0), 0, X)(X), X)


def test_it_is_saved_and_loaded(tmp_path):
    net = gr.Sequential([gr.Repeat(gr.Dense(4, "relu"), 3), gr.Dense(2, "softmax")])
    model = gr.Model(net, "sparse_categorical_crossentropy").build(X)
    again = gr.Model.load(model.save(tmp_path / "m"))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.slow
def test_the_number_of_layers_is_a_hyperparameter():
    net = gr.Sequential([gr.Repeat(gr.Dense(4), gr.int_uniform(0, 2)), gr.Dense(2, "softmax")])
    model = gr.Model(net, "sparse_categorical_crossentropy")
    sweep = gr.Sweep(model, search="grid").fit(X, Y, epochs=1, verbose=False)
    assert [len(sweep.member_models(t)[0].net.layers[0].layers) for t in sweep.trials] == [0, 1, 2]
    whole = gr.Sequential(gr.choice([gr.Dense(2, "softmax")], [gr.Dense(3), gr.Dense(2)]))
    sweep = gr.Sweep(gr.Model(whole, "sparse_categorical_crossentropy"), search="grid")
    assert len(sweep.fit(X, Y, epochs=1, verbose=False).trials) == 2


def test_mistakes_say_what_to_write():
    with pytest.raises(
        GradusError, match=r"Repeat\(times=-1\): write a whole number of at least 0"
    ):
        gr.init(gr.Repeat(gr.Dense(3), -1), 0, X)
    for space, wrong in ((gr.int_uniform(-1, 1), "-1"), (gr.uniform(0.5, 2), "0.5")):
        with pytest.raises(GradusError, match=rf"Repeat\(times={wrong}\): .* at least 0"):
            gr.Repeat(gr.Dense(3), space)
    net = gr.Sequential([gr.Repeat(gr.Dense(3), gr.choice(-1)), gr.Dense(2, "softmax")])
    sweep = gr.Sweep(gr.Model(net, "sparse_categorical_crossentropy"), search="grid")
    with pytest.raises(GradusError, match=r"Repeat\(times=-1\)"):
        sweep.fit(X, Y, epochs=1, verbose=False)
    with pytest.raises(GradusError, match="write Dense"):
        gr.Repeat(gr.Dense, 2)


# --- layers one by one, a function, and each step ----------------------------------------------


def test_layers_one_by_one_are_a_list_of_them(tmp_path):
    one = gr.Sequential(gr.Dense(4, "tanh"), gr.Dense(2, "softmax"))
    other = gr.Sequential([gr.Dense(4, "tanh"), gr.Dense(2, "softmax")])
    assert repr(one) == repr(other)
    np.testing.assert_array_equal(gr.init(one, 0, X)(X), gr.init(other, 0, X)(X))
    model = gr.Model(one, "sparse_categorical_crossentropy").build(X)
    again = gr.Model.load(model.save(tmp_path / "m"))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    alone = gr.Sequential(gr.Dense(2)).named("one").freeze()
    kept = deserialize(serialize(alone))
    assert (repr(kept), kept.frozen, kept.__dict__["_name"]) == (repr(alone), True, "one")


@pytest.mark.slow
def test_layers_one_by_one_may_be_spaces():
    net = gr.Sequential(gr.choice(gr.Dense(3), gr.Dropout(0.1)), gr.Dense(2, "softmax"))
    sweep = gr.Sweep(gr.Model(net, "sparse_categorical_crossentropy"), search="grid")
    assert len(sweep.fit(X, Y, epochs=1, verbose=False).trials) == 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gr.Sequential(gr.Dense), "item 0 is the class Dense"),
        (lambda: gr.Sequential(gr.Dense(2), gr.Dense), "item 1 is the class Dense"),
        (lambda: gr.Sequential(gr.Dense(2), "relu"), "item 1 is 'relu'"),
        (lambda: gr.Sequential([gr.Dense(2)], gr.Dense(2)), "item 0 is .* not a layer"),
        (
            lambda: gr.Sequential([keras.layers.Dense(1)]),
            r"one of keras: .* gr.from_keras\(model\)",
        ),
        (lambda: gr.Sequential(3), r"takes a list of layers"),
        (lambda: gr.Residual(gr.Dense(2)), r"Residual takes a list of layers"),
        (lambda: gr.TimeDistributed(gr.Dense), "is the class Dense"),
        (lambda: gr.TimeDistributed("relu"), "not a layer"),
        (lambda: gr.Lambda("relu"), r"Lambda\(function='relu'\): write a function f\(x\)"),
        (lambda: gr.Lambda(lambda x, y: x), "is called as f"),
        (lambda: gr.Lambda(gr.Dense(2)), "this is a layer already"),
        (lambda: gr.Lambda(gr.Dense), "write a function"),
    ],
)
def test_what_is_no_layer_is_told(make, words):
    with pytest.raises(GradusError, match=words):
        make()


def test_a_function_is_a_layer_that_trains_but_is_not_saved(tmp_path):
    net = gr.Sequential(gr.Lambda(lambda x: x**2), gr.Dense(2, "softmax"))
    model = gr.Model(net, "sparse_categorical_crossentropy")
    model.fit(X, Y, epochs=1, probes=False, verbose=False)
    by_hand = gr.Model(gr.Sequential(gr.Identity(), gr.Dense(2, "softmax")), model.settings["loss"])
    by_hand.fit(X**2, Y, epochs=1, probes=False, verbose=False)
    np.testing.assert_allclose(model.predict(X), by_hand.predict(X**2), rtol=1e-5)
    with pytest.raises(GradusError, match=r"code is never stored.*your own class"):
        model.save(tmp_path / "m")
    kept = deserialize(serialize(gr.Lambda(gr.activations.mish)))
    assert kept.function is gr.activations.mish


def test_a_function_of_several_inputs_and_one_that_returns_nothing():
    x = {"a": X, "b": 2 * X}
    net = gr.init(gr.Lambda(lambda x: x["a"] * x["b"]), 0, x)
    np.testing.assert_allclose(net(x), 2 * X**2, rtol=1e-6)
    with pytest.raises(ShapeError, match="returned None"):
        gr.init(gr.Lambda(lambda x: None), 0, X)


FILM = np.random.default_rng(1).normal(size=(2, 3, 6, 6, 2)).astype(np.float32)


def test_each_step_goes_through_the_layer_as_in_keras():
    keras = pytest.importorskip("keras")
    net = gr.init(gr.TimeDistributed(gr.Conv2D(4, 3)), 0, FILM)
    theirs = keras.layers.TimeDistributed(keras.layers.Conv2D(4, 3))
    theirs.build(FILM.shape)
    theirs.set_weights([net.layer.kernel, net.layer.bias])
    np.testing.assert_allclose(net(FILM), theirs(FILM), rtol=1e-4, atol=1e-5)
    reader = gr.init(gr.TimeDistributed(gr.LSTM(5)), 0, FILM[..., 0])
    assert reader(FILM[..., 0]).shape == (2, 3, 5)
    with pytest.raises(ShapeError, match=r"takes sequences, shape \(batch, steps, ...\)"):
        gr.init(gr.TimeDistributed(gr.Dense(3)), 0, X)


def test_each_step_keeps_the_mask_and_what_its_layer_adds_to_the_loss():
    x = np.array([[[1.0, -2.0], [3.0, 1.0], [0.0, 0.0]]], np.float32)
    inner = gr.Sequential(gr.Dense(2, use_bias=False, kernel_initializer="ones"), gr.Sparsity(0.5))
    layers = gr.Masking(), gr.TimeDistributed(inner), gr.GlobalAveragePooling1D()
    copy = gr.fresh(gr.init(gr.Sequential(*layers), 0, x), training=True)
    assert copy(x).tolist() == [[1.5, 1.5]]  # the mean of −1 and 4
    (added,) = added_losses(copy)
    assert added.tolist() == [0.5 * (2 * 1 + 2 * 4)]


def test_a_softmax_of_each_step_is_the_head_of_the_network():
    """The loss then takes the logits, so that no second softmax is applied."""
    x = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float32)
    y = np.random.default_rng(1).integers(0, 3, (6, 5))
    found = []
    for last in (gr.Dense(3, "softmax"), gr.TimeDistributed(gr.Dense(3, "softmax"))):
        model = gr.Model(last, "sparse_categorical_crossentropy", seed=1).build(x)
        model.set_weights({path: np.full(w.shape, 0.3) * np.arange(w.size).reshape(w.shape)
                           for path, w in model.weights.items()})  # fmt: skip
        found.append((model.predict(x), model.evaluate(x, y)["loss"]))
    (plain, loss), (distributed, other) = found
    np.testing.assert_allclose(distributed, plain, rtol=1e-6)
    assert other == pytest.approx(loss, rel=1e-6)


# --- graphs ---------------------------------------------------------------------------------------


def test_a_graph_calls_its_layers_as_often_as_it_says(tmp_path):
    layers = {"twin": gr.Dense(3, "tanh"), "merge": gr.Subtract()}
    calls = {"z": ("twin", "x"), "a": ("twin", "z"), "b": ("merge", "z", "a")}
    net = gr.Functional(layers, calls, outputs={"last": "b", "first": "z"})
    model = gr.Model(net, {"last": "mse", "first": "mse"}, seed=1).build(X)
    kernel = model.weights["twin/kernel"]
    z = np.tanh(X @ kernel)
    predicted = gr.Model.load(model.save(tmp_path / "m")).predict(X)
    np.testing.assert_allclose(predicted["first"], z, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(predicted["last"], z - np.tanh(z @ kernel), rtol=1e-5, atol=1e-6)
    assert set(model.weights) == {"twin/kernel", "twin/bias"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"calls": {"y": ("dens", "x")}}, "Unknown layer 'dens'. Did you mean 'dense'"),
        ({"calls": {"y": ("dense", "X")}}, "Unknown input of 'y' 'X'. Did you mean 'x'"),
        ({"calls": {"y": "dense"}}, "write the name of a layer and those of its inputs"),
        ({"calls": {"x": ("dense", "x")}}, "two results or inputs are called 'x'"),
        ({"calls": [("dense", "x")]}, "takes dicts of layers and of calls"),
        ({"outputs": ["y", "z"]}, "Unknown output 'z'"),
        ({"layers": {"dense": gr.Dense(2), "more": gr.Dense(2)}}, "'more' is not called"),
        ({"layers": {"dense": 2}}, "item 0 is 2 .int., not a layer"),
    ],
)
def test_mistakes_in_a_graph_are_named(changed, message):
    given = {"layers": {"dense": gr.Dense(2)}, "calls": {"y": ("dense", "x")}, **changed}
    with pytest.raises(GradusError, match=message):
        gr.Functional(**given)


def test_a_graph_of_several_inputs_takes_all_of_them():
    net = gr.Functional({"add": gr.Add()}, {"y": ("add", "a", "b")}, inputs=["a", "b"])
    built = gr.init(net, 0, (X, X))
    np.testing.assert_allclose(built({"b": X, "a": X}), 2 * X)
    for wrong, given in ((X[None], "an array of"), ({"a": X}, "a dict of a")):
        with pytest.raises(ShapeError, match=rf"a dict of a, b, or a tuple .* given {given}"):
            built(wrong)
