"""Whole models of Keras: their graphs, what they were compiled with, what is refused by name."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers as k

import gradus as gr

# Keras 3.15 does not know NumPy 2's protocol of copies yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def same_outputs(theirs, x, compiled=True):
    """Check that outputs are equal to Keras's, and those of the model carried back, too."""
    if compiled:
        theirs.compile("adam", "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("error" if compiled else "ignore")
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        ours = gr.from_keras(theirs)
        back = gr.to_keras(ours)
    x_keras = x if not isinstance(x, dict) else {name: x[name] for name in x}
    expected = theirs(x_keras, training=False)
    for y in (ours.predict(x), back(x_keras, training=False)):
        pairs = [(y, expected)]
        if isinstance(expected, dict):
            pairs = [(y[name], expected[name]) for name in expected]
        elif isinstance(expected, list | tuple):
            pairs = list(zip(y, expected, strict=True))
        for one, other in pairs:
            np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)
    return ours


def images(rng, *shape):
    return rng.normal(size=(3, *shape)).astype(np.float32)


# --- graphs ---------------------------------------------------------------------------------------


def test_residual_connections_and_branches(rng):
    x = start = keras.Input((6, 4))
    x = k.Add()([x, k.Dense(4)(k.Dense(5, "relu")(x))])
    x = k.Concatenate()([x, k.Dense(2)(x), k.Dense(3)(x)])
    x = x + k.Dense(9, "tanh")(x)
    x = k.Add()([k.Dense(4)(x), k.Dense(4)(x), k.Dense(4)(x)])
    model = keras.Model(start, k.Dense(2)(k.Flatten()(x)))
    ours = same_outputs(model, images(rng, 6, 4))
    kinds = [type(layer).__name__ for layer in ours.net.layers]
    assert kinds == ["Residual", "Parallel", "Residual", "Parallel", "Flatten", "Dense"]


def test_layers_that_merge_take_branches_and_inputs(rng):
    net = gr.Sequential(
        gr.Subtract(),
        gr.Parallel([gr.Dense(4), gr.Dense(4)], merge="average"),
        gr.Parallel([gr.Dense(4), gr.Dense(4)], merge="subtract"),
        gr.Parallel({"b": gr.Dense(3), "a": gr.Dense(2)}),
        gr.Concatenate(),
        gr.Parallel([gr.Dense(2), gr.Dense(2, "relu")]),
        gr.Maximum(),
    )
    x = {"b": images(rng, 5), "a": images(rng, 5)}
    model = gr.Model(net, "mse", seed=1).build(x)
    written = gr.to_keras(model)(x, training=False)
    np.testing.assert_allclose(written, model.predict(x), atol=1e-6)


def test_dense_connections_and_gates(rng):
    x = start = keras.Input((5, 5, 3))
    for _ in range(2):  # DenseNet
        x = k.Concatenate()([x, k.Conv2D(2, 3, padding="same")(x)])
    gate = k.Dense(7, "sigmoid")(k.GlobalAveragePooling2D(keepdims=True)(x))
    x = k.Multiply()([x, gate])  # squeeze and excitation
    same_outputs(keras.Model(start, x), images(rng, 5, 5, 3))


def test_attention_is_carried_with_its_mask(rng):
    x = start = keras.Input((5, 6))
    x = k.Add()([x, k.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)])
    x = k.MultiHeadAttention(3, 2, use_bias=False)(x, x)
    ours = same_outputs(keras.Model(start, x), images(rng, 5, 6))
    assert ours.net.layers[0].layers[0].causal is True


def test_a_transformer_of_gradus_is_one_in_keras(rng):
    net = gr.Sequential([gr.TransformerEncoder(2, 8, dropout=0.0), gr.Repeat(gr.Dense(4), 2)])
    x = images(rng, 5, 6)
    model = gr.Model(net, "mse").build(x)
    written = gr.to_keras(model)
    np.testing.assert_allclose(written(x), model.predict(x), atol=1e-5)
    np.testing.assert_allclose(gr.from_keras(written).predict(x), model.predict(x), atol=1e-6)


@pytest.mark.parametrize("merge", ["Average", "Maximum", "Minimum", "Subtract"])
def test_other_merges(rng, merge):
    start = keras.Input((4,))
    x = getattr(k, merge)()([k.Dense(3)(start), k.Dense(3, "tanh")(start)])
    same_outputs(keras.Model(start, x), images(rng, 4))


def test_operations_are_layers(rng):
    ops, start = keras.ops, keras.Input((6, 4))
    x = keras.applications.mobilenet_v2.preprocess_input(start)  # x / 127.5 - 1
    x = keras.applications.densenet.preprocess_input(k.Dense(3)(x))  # by feature
    x = ops.silu(x) - ops.minimum(ops.relu6(x), ops.leaky_relu(2.0 * x))
    x = ops.transpose(ops.squeeze(ops.expand_dims(1 - x, -1), -1), (0, 2, 1))
    x = ops.concatenate([ops.elu(x, 0.5), ops.softmax(-x, 1)], 1)
    x = k.RandomFlip()(ops.reshape(x, (-1, 6, 3, 2)))  # called with training=True
    x = k.Dropout(0.5)(ops.log_softmax(ops.gelu(x, approximate=False)), training=True)
    ours = same_outputs(keras.Model(start, k.Dense(2, "hard_silu")(x)), images(rng, 6, 4))
    assert ours.net.layers[1].offset == -1


def test_layers_that_are_shared_and_attend_to_others_are_a_graph(rng):
    zeta = keras.Input((5,), dtype="int32", name="zeta")
    alpha = keras.Input((7,), name="alpha")  # codes as well, which Keras takes as floats
    late = keras.Input((3,), name="late")
    embed, twin = k.Embedding(9, 4, name="embed"), k.Dense(4, "tanh", name="twin")
    left, right = embed(zeta), twin(twin(embed(alpha)))
    attend = k.MultiHeadAttention(2, 3, name="attend")
    crossed = attend(query=left, value=right, key=right, use_causal_mask=True)
    first = k.Dense(4)(crossed)  # what it returns goes on along three ways
    both = k.Concatenate(axis=1)([k.Add()([first, left]), k.Multiply()([first, twin(first)])])
    ends = k.Subtract()([k.GlobalAveragePooling1D()(both), k.Dense(4)(late)])
    model = keras.Model({"zeta": zeta, "alpha": alpha, "late": late}, k.Dense(2)(ends))
    codes = {n: rng.integers(0, 9, (3, size)) for n, size in (("zeta", 5), ("alpha", 7))}
    ours = same_outputs(model, {**codes, "late": images(rng, 3)})
    assert type(ours.net).__name__ == "Functional"
    assert ours.net.calls["twin/2"][0] == "twin"
    assert [path for path in ours.weights if path.startswith("twin")] == [
        "twin/kernel",
        "twin/bias",
    ]


def test_inputs_are_taken_in_their_order(rng):
    zeta, alpha = keras.Input((4,), name="zeta"), keras.Input((4,), name="alpha")
    pair = keras.Model([alpha, zeta], k.Subtract()([zeta, k.ReLU()(alpha)]), name="pair")
    model = keras.Model([zeta, alpha], k.Subtract()([zeta, pair([zeta, alpha])]))
    model.compile("adam", "mse")
    a, b = images(rng, 4), images(rng, 4)
    y = gr.from_keras(model).predict({"alpha": b, "zeta": a})
    np.testing.assert_allclose(y, a - (b - np.maximum(a, 0)), atol=1e-6)


def test_several_inputs_are_a_dict(rng):
    first, second = keras.Input((4,), name="zeta"), keras.Input((3,), name="alpha")
    x = k.Concatenate()([k.Dense(2)(first), second])
    model = keras.Model([first, second], k.Dense(2)(x))
    model.compile("adam", "mse")
    ours = gr.from_keras(model)
    a, b = images(rng, 4), images(rng, 3)
    expected = np.asarray(model([a, b]))
    np.testing.assert_allclose(ours.predict({"zeta": a, "alpha": b}), expected, atol=1e-5)
    back = gr.to_keras(ours)({"zeta": a, "alpha": b})
    np.testing.assert_allclose(back, expected, atol=1e-5)


@pytest.mark.parametrize("named", [False, True])
def test_several_outputs(rng, named):
    start = keras.Input((4,))
    x = k.Dense(5, "relu")(start)
    heads = [k.Dense(2, name="left")(x), k.Dense(3, "softmax", name="right")(x)]
    model = keras.Model(start, dict(zip(("left", "right"), heads, strict=True)) if named else heads)
    losses = {"left": "mse", "right": "categorical_crossentropy"}
    model.compile("sgd", losses if named else list(losses.values()))
    ours = same_outputs(model, images(rng, 4), compiled=False)
    expected = {"left", "right"} if named else 2
    objectives = ours.task.objectives
    assert (set(objectives) if named else len(objectives)) == expected


def test_a_model_at_every_step(rng):
    inner = [k.Conv2D(2, 2), k.BatchNormalization(), k.GlobalMaxPooling2D(), k.Dense(3)]
    each = keras.Sequential([keras.Input((4, 4, 1)), *inner], name="each_1.0")
    start = keras.Input((3, 4, 4, 1))
    model = keras.Model(start, k.GRU(2)(k.TimeDistributed(each)(start)))
    model.set_weights([rng.uniform(0.2, 1, w.shape) for w in model.get_weights()])
    same_outputs(model, images(rng, 3, 4, 4, 1))


def test_a_model_within_a_model_and_frozen_layers(rng):
    inside = keras.Input((4,))
    body = keras.Model(inside, k.Add()([inside, k.Dense(4)(inside)]), name="body")
    body.trainable = False
    model = keras.Sequential([keras.Input((4,)), body, k.Dense(2, name="head")])
    ours = same_outputs(model, images(rng, 4))
    assert set(ours.weights) == {
        *("body/residual/dense/kernel", "body/residual/dense/bias", "head/kernel", "head/bias"),
    } or all(path.startswith(("body/", "head/")) for path in ours.weights)
    assert [layer.frozen for layer in ours.net.layers] == [True, False]


def test_sequences_of_any_length(rng):
    path = k.Dropout(0.5, noise_shape=(None, 1, 1), name="path")
    last = k.GRU(2, recurrent_dropout=0.5)
    model = keras.Sequential([keras.Input((None, 3)), k.Conv1D(4, 3), path, last])
    model.compile("adam", "mse")
    changed = r"'path' \(Dropout\): noise_shape=.* becomes None.*recurrent_dropout=0.5 becomes 0.0"
    with pytest.warns(UserWarning, match=changed):
        ours = gr.from_keras(model)
    asked = ours.summary, lambda: gr.to_keras(ours), lambda: ours.save("never")
    for ask in (*asked, lambda: gr.export(ours, "never.onnx")):
        with pytest.raises(gr.GradusError, match=r"build\(x\)"):
            ask()
    for steps in (7, 12):
        x = images(rng, steps, 3)
        np.testing.assert_allclose(ours.predict(x), model(x), atol=1e-5)


# --- what is refused ------------------------------------------------------------------------------


class Twice(k.Layer):
    def call(self, x):
        return 2 * x


def test_masks_follow_the_steps_of_any_graph(rng):
    codes = keras.Input((6,), dtype="int32", name="codes")
    values = keras.Input((5, 4), name="values")
    twin = k.LSTM(4, return_sequences=True, name="twin")
    x = twin(k.Embedding(9, 4, mask_zero=True)(codes))
    x = k.GlobalAveragePooling1D()(k.Add()([x, twin(k.Dense(4)(x))]))
    y = k.GRU(3)(k.BatchNormalization()(k.Masking(-1.0)(values)))
    z = k.Bidirectional(k.SimpleRNN(2))(k.Masking()(values))
    model = keras.Model([codes, values], k.Dense(2)(k.Concatenate()([x, y, z])))
    series = images(rng, 5, 4)
    series[:, 3], series[:, 4] = -1, 0
    padded = rng.integers(1, 9, (3, 6)) * (np.arange(6) < 4)
    ours = same_outputs(model, {"codes": padded, "values": series})
    with pytest.raises(gr.GradusError, match=r"Name its arrays: {'codes': …, 'values': …}"):
        ours.predict((padded, series))


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = k.Dense(2)

    def call(self, x):
        return self.dense(x)


def functional(build):
    start = keras.Input((4, 4), name="start")
    return keras.Model(start, build(start))


def keys_apart(x):
    return k.MultiHeadAttention(2, 2, name="keys")(x, k.Dense(4)(x), k.Dense(4)(x))


def sometimes_causal(x):
    attend = k.MultiHeadAttention(2, 2, name="at_times")
    return attend(attend(x, x), x, use_causal_mask=True)


def attending_after_a_sum(x):
    x = k.Masking()(x)
    x = k.Add()([x, k.MultiHeadAttention(2, 2)(x, x)])
    return k.MultiHeadAttention(2, 2, name="unmasked")(x, x)


def padded_twice(x):
    twin = k.Conv1D(4, 1, name="twin")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it drops the mask
        return k.Add()([twin(x), twin(k.Masking()(x))])


def masked_by_two(x):
    x = k.Concatenate()([k.Masking()(x), k.Masking(1.0)(x)])
    return k.GlobalAveragePooling1D(name="both")(x)


def two_outputs_within(x):
    start = keras.Input((4, 4))
    halves = keras.Model(start, [k.Dense(2)(start), k.Dense(2)(start)], name="halves")
    return k.Add()(halves(x))


REFUSED = {
    "'both' .* called with a mask that is not that of one": masked_by_two,
    "'mine' .* called with a mask that is not that of one": (
        lambda x: k.LSTM(2, name="mine")(x, mask=keras.ops.any(keras.ops.not_equal(x, 0), -1))
    ),
    "Layer 'sum.* the operation Sum of keras.ops": keras.ops.sum,
    "Layer 'reshape.* the operation Reshape of": lambda x: keras.ops.reshape(x, (-1, 4)),
    "Layer 'true_divide.* the operation TrueDivide of": lambda x: 3.0 / x,
    "Layer 'gelu.* the operation Gelu of": keras.ops.gelu,
    "Layer 'add.* gets a mask, which Keras drops there and gradus passes on to 'mean'": (
        lambda x: k.GlobalAveragePooling1D(name="mean")(k.Masking()(x) + 1.0)
    ),
    "The model 'halves' within the model has several outputs": two_outputs_within,
    "Layer 'lambda' .Lambda. holds code": k.Lambda(lambda y: y, name="lambda"),
    "Twice": Twice(name="mine"),
    "Layer 'bins' .* gradus has no layer Discretization": k.Discretization([0.5], name="bins"),
    "Layer 'keys' .* keys that are not its values": keys_apart,
    "Layer 'at_times' .* causal in some of its calls": sometimes_causal,
    "'twin' .* gets a mask": padded_twice,
    "'unmasked' .* gets a mask here but none in Keras": attending_after_a_sum,
    "Layer 'start_from' .* called with initial_state=": (
        lambda x: k.GRU(4, name="start_from")(x, initial_state=k.Dense(4)(k.Flatten()(x)))
    ),
    "Layer 'norm' .* axis=1 cannot be carried": k.BatchNormalization(1, name="norm"),
    "Layer 'dense_x' .* Unknown activation 'celu'": (k.Dense(2, "celu", name="dense_x")),
    "Layer 'own' .* code of its author": k.Dense(2, keras.ops.abs, name="own"),
    "Layer 'act' .* activity_regularizer=OrthogonalRegularizer": (
        k.Dense(2, activity_regularizer=keras.regularizers.OrthogonalRegularizer(), name="act")
    ),
    "Layer 'first_dense' .* OrthogonalRegularizer": (
        k.Dense(
            2, kernel_regularizer=keras.regularizers.OrthogonalRegularizer(), name="first_dense"
        )
    ),
    "Layer 'spectral' .* SpectralNormalization": (
        k.SpectralNormalization(k.Dense(2), name="spectral")
    ),
    "Layer 'conv' .* data_format='channels_first'": (
        k.Conv1D(2, 2, data_format="channels_first", name="conv")
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_carried_is_named(message):
    with pytest.raises(gr.GradusError, match=message):
        gr.from_keras(functional(REFUSED[message]))


def test_images_that_are_enlarged_need_a_size():
    model = keras.Sequential(
        [keras.Input((None, 4, 1)), k.UpSampling2D(2, interpolation="bicubic")]
    )
    with pytest.raises(gr.GradusError, match="interpolation='bicubic' can be carried only for"):
        gr.from_keras(model)


def test_models_with_code_of_their_own_are_refused(rng):
    model = Own()
    with pytest.raises(gr.GradusError, match="no weights yet"):
        gr.from_keras(model)
    model(images(rng, 3))
    with pytest.raises(gr.GradusError, match="Own"):
        gr.from_keras(model)


def test_wrong_arguments():
    with pytest.raises(gr.GradusError, match="write a Keras 3 model"):
        gr.from_keras(gr.Dense(3))
    with pytest.raises(gr.GradusError, match="write a gradus Model"):
        gr.to_keras(keras.Sequential([k.Dense(3)]))
    with pytest.raises(gr.GradusError, match="no weights yet"):
        gr.to_keras(gr.Model(gr.Dense(3), "mse"))


def test_other_types_of_numbers_are_told_and_quantized_ones_refused(rng):
    mixed = keras.Sequential([keras.Input((3,)), k.Dense(2, dtype="mixed_bfloat16")])
    mixed.compile("adam", "mse")
    with pytest.warns(UserWarning, match="computed in float32 here, where Keras .* mixed_bfloat16"):
        gr.from_keras(mixed)
    quantized = keras.Sequential([keras.Input((3,)), k.Dense(2)])
    quantized.layers[0].quantize("int8")
    with pytest.raises(gr.GradusError, match="quantized"):
        gr.from_keras(quantized)


# --- training -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def classifier():
    """A Keras model, trained for some steps, with its data."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int32) + (x[:, 1] > 1)
    keras.utils.set_random_seed(0)
    first = k.Dense(8, "tanh", kernel_regularizer="l2", activity_regularizer="l1")
    layers = [first, k.BatchNormalization(), k.Dense(3)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss, metrics=["accuracy"])
    model.fit(x, y, batch_size=32, epochs=3, shuffle=False, verbose=0)
    return model, x, y


def test_training_goes_on_as_in_keras(classifier):
    model, x, y = classifier
    ours = gr.from_keras(model)
    np.testing.assert_allclose(ours.predict(x, logits=True), model(x), atol=1e-5)
    np.testing.assert_allclose(
        [ours.evaluate(x, y)[name] for name in ("loss", "accuracy")],
        model.evaluate(x, y, verbose=0, batch_size=32),
        rtol=1e-5,
    )
    before = ours.evaluate(x, y)["loss"]
    for epochs, error in ((1, 5e-6), (20, 1e-4)):
        ours.fit(x, y, batch_size=None, epochs=epochs, probes=False, verbose=False)
        model.fit(x, y, batch_size=32, epochs=epochs, shuffle=False, verbose=0)
        for mine, theirs in zip(ours.weights.values(), model.get_weights(), strict=True):
            np.testing.assert_allclose(mine, theirs, atol=error)
    assert ours.evaluate(x, y)["loss"] < before


def test_training_goes_on_in_keras(classifier):
    model, x, y = classifier
    ours = gr.from_keras(model)
    ours.fit(x, y, batch_size=None, epochs=3, probes=False, verbose=False)
    back = gr.to_keras(ours)
    assert int(back.optimizer.iterations) == int(model.optimizer.iterations) + 3
    ours.fit(x, y, batch_size=None, epochs=1, probes=False, verbose=False)
    back.fit(x, y, batch_size=32, epochs=1, shuffle=False, verbose=0)
    for mine, theirs in zip(ours.weights.values(), back.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=5e-6)


def test_what_a_model_is_compiled_with_is_carried(classifier):
    model, x, y = classifier
    ours = gr.from_keras(model, optimizer=gr.SGD(0.1), metrics=["accuracy", gr.metrics.AUC()])
    with pytest.warns(UserWarning, match="the metric 'auc' is not carried"):
        back = gr.to_keras(ours)
    assert float(back.optimizer.learning_rate) == pytest.approx(0.1)
    loss, accuracy = back.evaluate(x, y, verbose=0)
    mine = ours.evaluate(x, y)
    np.testing.assert_allclose([loss, accuracy], [mine["loss"], mine["accuracy"]], rtol=1e-5)
