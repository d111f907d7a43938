"""A network is a pytree, built from a seed, with weights by path; and its errors."""

import math
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError, ShapeError
from gradus.nn import initializers
from gradus.nn.network import recorded, weights, with_weights

X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
KEY = jax.random.key(0)


class MyDense(gr.Layer):
    """The user's layer of the design document."""

    def __init__(self, units):
        self.units = units

    def build(self, shape):
        self.kernel = self.add_weight("kernel", (shape[-1], self.units), "glorot_uniform")
        self.bias = self.add_weight("bias", (self.units,), "zeros")

    def call(self, x):
        return gr.sigmoid(x @ self.kernel + self.bias)


class Counter(gr.Layer):
    """A user's layer with state: it counts its calls in training, and the rows it received."""

    def build(self, shape):
        self.seen = self.add_weight("seen", (2,), "zeros", kind="state")

    def call(self, x, training):
        if training:
            self.seen = self.seen + jnp.array([1.0, x.shape[0]])
        return x


class Shared(gr.Layer):
    """A user's layer that calls one child twice and reads its weight."""

    def build(self, shape):
        self.inner = gr.Dense(shape[-1], "tanh")

    def call(self, x):
        return self.inner(self.inner(x)) @ self.inner.kernel.T


def sequential(*layers):
    return gr.Sequential(list(layers))


def same(a, b):
    a, b = weights(a), weights(b)
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def test_a_users_layer_works_wherever_a_built_in_one_does():
    net = sequential(gr.Dense(4), MyDense(5), gr.Residual([MyDense(5), Counter()]), MyDense(2))
    net = gr.init(net, 0, X)
    assert list(weights(net)) == [
        "dense/kernel", "dense/bias", "my_dense/kernel", "my_dense/bias",
        "residual/my_dense/kernel", "residual/my_dense/bias", "residual/counter/seen",
        "my_dense_1/kernel", "my_dense_1/bias",
    ]  # fmt: skip
    w = weights(net)
    mine = gr.init(MyDense(2), 0, X)
    z = X @ weights(mine)["kernel"]
    np.testing.assert_allclose(mine(X), 1 / (1 + np.exp(-z)), rtol=1e-5)
    copy = gr.fresh(net, training=True)
    y = copy(X)
    assert y.shape == (6, 2)
    np.testing.assert_array_equal(weights(copy)["residual/counter/seen"], [1, 6])
    np.testing.assert_array_equal(weights(net)["residual/counter/seen"], [0, 0])
    gradient = jax.jit(jax.grad(lambda p: with_weights(net, p)(X).sum()))(weights(net, "param"))
    assert all(np.abs(gradient[path]).max() > 0 for path in gradient)
    assert gradient.keys() == w.keys() - {"residual/counter/seen"}


def test_names_are_attributes_or_class_names_or_set_by_named():
    class Named(gr.Layer):
        def build(self, shape):
            self.encoder = sequential(gr.Dense(2), gr.Dense(2).named("code"))
            self.heads = [gr.Dense(1), gr.Dense(1), gr.Dense(1).named("last")]
            self.table = {"b": gr.Dense(1), "a": gr.Dense(1)}

        def call(self, x):
            x = self.encoder(x)
            return sum(layer(x) for layer in [*self.heads, *self.table.values()])

    net = gr.init(Named(), 0, X)
    kernels = [path for path in weights(net) if path.endswith("kernel")]
    assert [path.removesuffix("/kernel") for path in kernels] == [
        "encoder/dense", "encoder/code", "heads/dense", "heads/dense_1", "heads/last",
        "table/b", "table/a",
    ]  # fmt: skip
    assert net.heads[1].path == "heads/dense_1"
    assert list(weights(gr.fresh(net))) == list(weights(net))
    moved = with_weights(net, {})
    assert moved.heads[1].path == "heads/dense_1"
    for bad in ("a/b", "", None):
        with pytest.raises(GradusError, match="name"):
            gr.Dense(1).named(bad)


def test_two_layers_with_one_path_are_refused():
    class Clash(gr.Layer):
        def build(self, shape):
            self.layers = [gr.Dense(1)]
            self.dense = gr.Dense(1)

        def call(self, x):
            return self.dense(x) + self.layers[0](x)

    with pytest.raises(GradusError, match="Two layers have the path 'dense'"):
        gr.init(Clash(), 0, X)


def test_one_object_with_two_paths_is_refused():
    layer = gr.Dense(3)
    with pytest.raises(GradusError, match=r"'dense'.*'dense_1'.*two objects"):
        gr.init(sequential(layer, layer), 0, X)


@pytest.mark.slow
def test_a_layer_called_twice_shares_its_weights():
    net = gr.init(Shared(), 0, X)
    assert list(weights(net)) == ["inner/kernel", "inner/bias"]
    w = weights(net)["inner/kernel"]
    np.testing.assert_allclose(net(X), np.tanh(np.tanh(X @ w) @ w) @ w.T, rtol=1e-5, atol=1e-6)
    gradient = jax.grad(lambda p: with_weights(net, p)(X).sum())(weights(net, "param"))

    def by_hand(w):
        return jnp.sum(jnp.tanh(jnp.tanh(X @ w) @ w) @ w.T)

    np.testing.assert_allclose(gradient["inner/kernel"], jax.grad(by_hand)(w), rtol=1e-4, atol=1e-5)


def test_mistakes_in_a_layer_are_refused():
    class Array(gr.Layer):
        def build(self, shape):
            self.table = np.ones(3)

        def call(self, x):
            return x * self.table

    with pytest.raises(GradusError, match=r"Array\.table is a ndarray.*add_weight\('table'"):
        gr.fresh(gr.init(Array(), 0, X))

    class Elsewhere(gr.Layer):
        def build(self, shape):
            self.w = self.add_weight("kernel", (1,))

        def call(self, x):
            return x * self.w

    with pytest.raises(GradusError, match=r"'kernel' as self\.w.*'w'"):
        gr.init(Elsewhere(), 0, X)

    class Outside(gr.Layer):
        def __init__(self):
            self.w = self.add_weight("w", (1,))

    with pytest.raises(GradusError, match="belongs in build"):
        Outside()

    class Twice(gr.Layer):
        def build(self, shape):
            self.w = self.add_weight("w", (1,))
            self.w = self.add_weight("w", (1,))

    with pytest.raises(GradusError, match="twice"):
        gr.init(Twice(), 0, X)

    class Kind(gr.Layer):
        def build(self, shape):
            self.w = self.add_weight("w", (1,), kind="buffer")

    with pytest.raises(GradusError, match="'param' or 'state'"):
        gr.init(Kind(), 0, X)

    class Silent(gr.Layer):
        pass

    with pytest.raises(GradusError, match="has no call"):
        gr.init(Silent(), 0, X)

    class Wrong(gr.Layer):
        def build(self, shape):
            self.w = self.add_weight("w", (7, 2))

        def call(self, x):
            return x @ self.w

    with pytest.raises(ShapeError, match=r"'wrong' \(Wrong\) cannot take its input"):
        gr.init(sequential(Wrong()), 0, X)

    class Keras(gr.Layer):
        def __init__(self, **options):
            self.options = options

        def build(self, shape):
            self.kernel = self.add_weight(**self.options, shape=(7, 2))

    with pytest.raises(GradusError, match=r"add_weight needs name: write add_weight\(name=…\)"):
        gr.init(Keras(), 0, X)
    with pytest.raises(GradusError, match=r"add_weight has no argument 'trainable'.*kind=.state"):
        gr.init(Keras(name="kernel", trainable=False), 0, X)

    class More(gr.Layer):
        def call(self, x, train):
            return x

    with pytest.raises(GradusError, match=r"'more' \(More\): its call needs 'train'.*`training`"):
        gr.init(sequential(More()), 0, X)

    class Penalized(gr.Layer):
        def call(self, x):
            self.add_loss(x)
            return x

    with pytest.raises(ShapeError, match=r"'penalized' \(Penalized\) adds a loss of shape"):
        gr.init(sequential(Penalized()), 0, X)
    with pytest.raises(GradusError, match=r"Text\.hypers = 'rate' .* write \('rate',\)"):
        type("Text", (gr.Layer,), {"hypers": "rate"})


def test_training_and_randomness_need_a_fresh_copy_and_a_key():
    net = gr.init(sequential(gr.Dense(2), gr.Dropout(0.5)), 0, X)
    with pytest.raises(GradusError, match="fresh copy"):
        net(X, training=True)
    with pytest.raises(GradusError, match=r"'dropout'.*jax\.random\.key"):
        gr.fresh(net, training=True)(X)
    with pytest.raises(GradusError, match="fresh copy"):
        net.layers[1].random()
    for copy in (gr.Dense(2), gr.fresh(gr.Dense(2)), gr.fresh(sequential(gr.Dense(2)))):
        with pytest.raises(GradusError, match="not built"):
            copy(X)


def test_training_is_inherited_and_can_be_overridden_for_a_layer():
    class Part(gr.Layer):
        def build(self, shape):
            self.a, self.b = Counter(), Counter()

        def call(self, x):
            return self.b(self.a(x, training=False))

    copy = gr.fresh(gr.init(Part(), 0, X), training=True)
    copy(X)
    seen = weights(copy)
    assert seen["a/seen"].tolist() == [0, 0]
    assert seen["b/seen"].tolist() == [1, 6]


def test_a_seed_and_a_path_determine_the_weights():
    plain = gr.init(sequential(gr.Dense(4), gr.Dense(2)), 3, X)
    assert same(plain, gr.init(sequential(gr.Dense(4), gr.Dense(2)), 3, X))
    assert not same(plain, gr.init(sequential(gr.Dense(4), gr.Dense(2)), 4, X))
    more = sequential(
        gr.Flatten(), gr.Dense(4), gr.Dropout(0.1), gr.Activation("relu"), gr.Dense(2)
    )
    assert same(plain, gr.init(more, 3, X))
    kernels = [w for path, w in weights(plain).items() if "kernel" in path]
    assert not np.array_equal(kernels[0][:2, :2], kernels[1][:2, :2])
    # The draws of the weight's own generator, independent of the rest of the network.
    from gradus.rng import host_rng

    expected = initializers.draw_weight("glorot_uniform", host_rng(3, "dense/kernel"), (3, 4))
    np.testing.assert_array_equal(kernels[0], expected)


def test_init_neither_computes_nor_changes_what_it_is_given():
    calls = []

    class Look(gr.Layer):
        def call(self, x):
            calls.append(x)
            return x

    original = sequential(gr.Dense(2), Look())
    gr.init(original, 0, jax.ShapeDtypeStruct((6, 3), np.float32))
    assert not original.built
    assert not any(layer.built for layer in original.layers)
    assert len(calls) == 1
    assert isinstance(calls[0], jax.core.Tracer)


@pytest.mark.slow
def test_a_network_is_a_pytree_for_jit_grad_and_vmap():
    net = gr.init(sequential(gr.Dense(4, "relu"), gr.Dropout(0.5), gr.Dense(2)), 0, X)
    leaves, structure = jax.tree.flatten(net)
    again = jax.tree.unflatten(structure, leaves)
    assert same(net, again)
    assert jax.tree.structure(again) == structure
    np.testing.assert_array_equal(again(X), net(X))
    np.testing.assert_allclose(jax.jit(lambda n, x: n(x))(net, X), net(X), rtol=1e-6, atol=1e-6)
    gradient = jax.grad(lambda n: n(X).sum())(jax.tree.map(jnp.asarray, net))
    assert type(gradient) is gr.Sequential
    np.testing.assert_allclose(gradient.layers[2].bias, [6, 6])

    nets = [gr.init(sequential(gr.Dense(4, "tanh"), gr.Dense(2)), seed, X) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *nets)
    together = jax.vmap(lambda n, x: n(x), (0, None))(stacked, X)
    np.testing.assert_allclose(together, [n(X) for n in nets], rtol=1e-5, atol=1e-6)


def test_values_and_initializers_are_not_part_of_the_structure():
    def make(rate, initializer, momentum):
        net = sequential(
            gr.Dense(4, kernel_initializer=initializer),
            gr.Dropout(rate),
            gr.BatchNormalization(momentum),
        )
        return gr.init(net, 0, X)

    one = make(0.1, "he_normal", 0.9)
    two = make(0.5, initializers.RandomNormal(stddev=2.0), 0.5)
    assert jax.tree.structure(one) == jax.tree.structure(two)
    other = gr.init(sequential(gr.Dense(4, "relu"), gr.Dropout(0.1), gr.BatchNormalization()), 0, X)
    assert jax.tree.structure(one) != jax.tree.structure(other)


def test_freezing_moves_weights_from_param_to_state():
    net = gr.init(sequential(gr.Dense(2), sequential(gr.Dense(2), gr.BatchNormalization())), 0, X)
    everything = weights(net)
    assert weights(net, "param").keys() == {
        "dense/kernel", "dense/bias", "sequential/dense/kernel", "sequential/dense/bias",
        "sequential/batch_normalization/gamma", "sequential/batch_normalization/beta",
    }  # fmt: skip
    net.layers[1].freeze()
    assert weights(net, "param").keys() == {"dense/kernel", "dense/bias"}
    assert weights(net, "state").keys() == everything.keys() - {"dense/kernel", "dense/bias"}
    assert weights(gr.fresh(net), "param").keys() == {"dense/kernel", "dense/bias"}
    net.layers[1].unfreeze()
    assert len(weights(net, "param")) == 6


def test_recording_keeps_every_layers_inputs_and_outputs():
    net = gr.init(sequential(gr.Dense(2, "relu"), gr.Dense(1)), 0, X)
    copy = gr.fresh(net, recording=True)
    y = copy(X)
    inputs, outputs = recorded(copy)
    np.testing.assert_array_equal(inputs["dense_1"][0], outputs["dense"])
    np.testing.assert_array_equal(outputs[""], y)


def test_replacing_an_unknown_weight_is_an_error():
    net = gr.init(gr.Dense(2), 0, X)
    with pytest.raises(GradusError, match="no weights named weight"):
        with_weights(net, {"weight": 1})


FLOAT32 = """
import jax, numpy as np, jax.numpy as jnp
jax.config.update("jax_enable_x64", True)
import gradus as gr
from gradus.nn.network import weights, with_weights
from gradus.nn.pytree import canonicalize

def types(jaxpr):
    for equation in jaxpr.eqns:
        for var in equation.outvars:
            yield str(getattr(var.aval, "dtype", ""))
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple) else (value,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    yield from types(inner)

layers = [gr.Dense(4, "gelu"), gr.Activation("elu", 0.5), gr.Dropout(0.3), gr.BatchNormalization(),
          gr.LayerNormalization(), gr.PReLU(), gr.Maxout(4), gr.GaussianNoise(0.1),
          gr.MaskingNoise(0.1),
          gr.Rescaling(0.5, 1), gr.Residual([gr.Dense(4, "tanh")]), gr.Reshape((2, 2)),
          gr.Flatten(), gr.Parallel([gr.Dense(2), gr.Dense(2)], "concatenate"),
          gr.Dense(3, "softmax")]
for dtype in ("float32", "int32", "uint8", "bool"):
    x = jax.ShapeDtypeStruct((5, 3), dtype)
    net = canonicalize(gr.init(gr.Sequential(layers), 0, x))
    def loss(params, net, key, x):
        return gr.fresh(with_weights(net, params), key, training=True)(x).sum()
    jaxpr = jax.make_jaxpr(jax.grad(loss))(weights(net, "param"), net, jax.random.key(0), x)
    found = set(types(jaxpr.jaxpr))
    assert "float32" in found
    assert not found & {"float64", "float16", "bfloat16"}, found
    assert all(value.dtype == np.float32 for value in weights(net).values())
rows = [gr.ReLU(), gr.ReLU(6, 0.1, 0.5), gr.LeakyReLU(), gr.ELU(0.5), gr.Softmax(),
        gr.AlphaDropout(0.3), gr.GaussianDropout(0.3), gr.RMSNormalization(),
        gr.GroupNormalization(3), gr.UnitNormalization(), gr.Normalization(0.5, 2.0),
        gr.ActivityRegularization(0.1, 0.1), gr.RepeatVector(2),
        gr.Sequential(gr.Parallel([gr.Dense(3), gr.Dense(3)]), gr.Average())]
images = [gr.RandomZoom(0.1, 0.2), gr.RandomContrast(0.1), gr.RandomBrightness(0.1),
          gr.SpatialDropout2D(0.3), gr.SeparableConv2D(2, 2),
          gr.AveragePooling2D(), gr.TimeDistributed(gr.GlobalAveragePooling1D())]
for dtype in ("float32", "uint8", "bool"):
    for layer in (*rows, *images):
        x = jax.ShapeDtypeStruct((5, 3) if layer in rows else (5, 6, 6, 2), dtype)
        net = canonicalize(gr.init(layer, 0, x))
        call = lambda net, x: gr.fresh(net, jax.random.key(0), training=True)(x)
        found = set(types(jax.make_jaxpr(call)(net, x).jaxpr))
        assert "float32" in found or isinstance(layer, gr.RepeatVector), (layer, found)
        assert not found & {"float64", "float16", "bfloat16"}, (layer, dtype, found)
x = np.ones((1, 4, 4, 1), "uint8")  # JAX makes the weights of its interpolation in float64
assert gr.init(gr.Resizing(3, 3), 0, x)(x).dtype == np.float32
net = gr.init(gr.Embedding(5, 2), 0, jax.ShapeDtypeStruct((5, 3), "int32"))
assert net(np.zeros((5, 3), "int32")).dtype == np.float32
"""


@pytest.mark.slow
def test_every_layer_computes_in_float32_even_where_jax_may_use_float64():
    environment = os.environ | {"GRADUS_CACHE": "off"}
    done = subprocess.run(
        [sys.executable, "-c", FLOAT32],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class Scaled(gr.Layer):
    """Multiplies by a swept number and adds one of several."""

    hypers = ("factor", "shifts")

    def __init__(self, factor: float, shifts=(0.0, 1.0)) -> None:
        self.factor = factor
        self.shifts = shifts

    def call(self, x):
        return x * self.factor + self.shifts[1]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gr.Dropout([0.1, 0.2]), r"Dropout\(rate=\[0.1, 0.2\]\).*gr.choice\(0.1, 0.2\)"),
        (lambda: gr.GaussianNoise((0.1, 0.2)), r"GaussianNoise\(stddev=\(0.1, 0.2\)\).*gr.choice"),
        (lambda: Scaled("2"), r"Scaled\(factor='2'\): write one number\."),
    ],
)
def test_a_swept_setting_is_one_number(make, words):
    x = np.ones((8, 3), np.float32)

    def model(optimizer="adam"):
        return gr.Model(gr.Sequential([make(), gr.Dense(1)]), "mse", optimizer)

    with pytest.raises(GradusError, match=words):
        model().fit(x, x[:, :1], verbose=False)
    with pytest.raises(GradusError, match=words):
        gr.Sweep(model(gr.Adam(gr.choice(0.1)))).fit(x, x[:, :1], verbose=False)


@pytest.mark.parametrize("factor", [2, np.float32(2), np.full(3, 2.0, np.float32)])
def test_a_swept_setting_may_be_an_array(factor):
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(gr.init(Scaled(factor), 0, x)(x), 2 * x + 1)


def own_layer(function):
    class Own(gr.Layer):
        def call(self, x):
            return function(x)

    return Own()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (
            lambda x: x.permute(0, 1),
            r"uses 'permute' \(.* has not\. Write jnp\.transpose\(x, axes\)",
        ),
        (lambda x: x.numpy(), r"uses 'numpy'.*Write x, with functions of jax\.numpy"),
        (lambda x: x.fit(), r"uses 'fit'.*has not\. jax\.numpy has functions"),
        (lambda x: x if x.sum() > 0 else -x, r"decides on.*`.*if x\.sum\(\) > 0.*jnp\.where"),
        (np.asarray, r"gives an array to a function of NumPy.*jnp\.asarray"),
        (np.sin, r"gives an array to a function of NumPy"),
        (
            lambda x: x * float(x[0, 0]),
            r"reads an array .*\(test_network\.py, line \d+: .*float",
        ),
        (lambda x: x * math.sqrt(x.sum()), "reads an array as a Python number"),
        (lambda x: x * x.sum().item(), "reads an array as a Python number"),
        (lambda x: x[x > 0], r"picks elements by a condition.*jnp\.where"),
        (lambda x: [x, -x][x.astype(int).sum()], r"uses the value.*jnp\.take"),
    ],
)
def test_a_layer_that_needs_values_is_told_in_plain_words(function, words):
    net = sequential(own_layer(function), gr.Dense(1))
    with pytest.raises(GradusError, match=r"Layer 'own' \(Own\) " + words):
        gr.Model(net, "mse").fit(X, X[:, :1], verbose=False)


def test_a_layer_that_needs_values_in_training_only_is_told_too():
    class Own(gr.Layer):
        def call(self, x, training):
            return -x if training and x.sum() > 0 else x

    with pytest.raises(GradusError, match=r"'own' \(Own\) decides on.*lax\.cond"):
        gr.Model(sequential(Own(), gr.Dense(1)), "mse").fit(X, X[:, :1], verbose=False)
