"""Masks follow sequences through a network; padded steps count in no loss and no metric."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus.errors import ShapeError
from gradus.nn import mask_tracking
from gradus.nn.network import forward
from gradus.train.batches import Batch
from gradus.train.tasks.base import OutputObjective, Supervised

X = np.array([[[1, 2], [3, 4], [0, 0]], [[5, 6], [0, 0], [0, 0]]], np.float32)
MASK = np.array([[1, 1, 0], [1, 0, 0]], bool)
CODES = np.array([[3, 1, 0], [2, 0, 0]], np.int32)


class Seen(gr.Layer):
    """Sums its inputs over the steps that are real by its mask."""

    def call(self, x, mask):
        return x.sum(1) if mask is None else jnp.where(mask[..., None], x, 0).sum(1)


class Doubled(gr.Layer):
    """A user's layer without an argument `mask`."""

    def build(self, shape):
        self.inner = gr.Dense(shape[-1])

    def call(self, x):
        return self.inner(x) * 2


def between():
    """Layers that pass a mask on, so `Seen` after them receives it."""
    return [
        [gr.Dense(4, "tanh"), gr.Dropout(0.5)],
        [gr.Residual([gr.Dense(2), gr.Activation("relu")]), gr.LayerNormalization()],
        [Doubled(), gr.Sequential([gr.Dense(3)])],
        [gr.SimpleRNN(3, return_sequences=True)],
        [gr.Bidirectional(gr.SimpleRNN(3, return_sequences=True), "sum")],
        [gr.Parallel([gr.Dense(2), gr.SimpleRNN(2, return_sequences=True)], "concatenate")],
    ]


@pytest.mark.slow
@pytest.mark.parametrize("parts", between(), ids=lambda parts: type(parts[0]).__name__)
def test_layers_pass_a_mask_on(parts):
    net = gr.init(gr.Sequential([gr.Masking(), *parts, Seen()]), 0, X)
    until = gr.init(gr.Sequential([gr.Masking(), *parts]), 0, X)
    expected = np.where(MASK[..., None], until(X), 0).sum(1)
    np.testing.assert_allclose(net(X), expected, rtol=1e-5)  # on the built network alone
    np.testing.assert_allclose(jax.jit(lambda net, x: net(x))(net, X), expected, rtol=1e-5)
    with mask_tracking.tracking():
        np.testing.assert_array_equal(mask_tracking.get_mask(until(X)), MASK)


def test_a_mask_given_to_a_network_reaches_its_layers():
    net = gr.init(gr.Sequential([gr.Sequential([Doubled()]), Seen()]), 0, jnp.ones((2, 3, 2)))
    inner = net.layers[0](X)
    np.testing.assert_allclose(net(X, mask=MASK), np.where(MASK[..., None], inner, 0).sum(1))


def test_a_flattened_sequence_has_no_mask():
    for layer in (gr.Flatten(), gr.Reshape((6,)), gr.SimpleRNN(3)):
        net = gr.init(gr.Sequential([gr.Masking(), layer]), 0, X)
        with mask_tracking.tracking():
            assert mask_tracking.get_mask(net(X)) is None
    assert mask_tracking.get_mask(X) is None  # outside the block there are no masks


def test_a_sequence_read_backward_has_its_mask_flipped():
    net = gr.init(
        gr.Sequential([gr.Masking(), gr.GRU(2, return_sequences=True, go_backwards=True)]), 0, X
    )
    with mask_tracking.tracking():
        np.testing.assert_array_equal(mask_tracking.get_mask(net(X)), MASK[:, ::-1])


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_masking_masks_the_steps_that_equal_its_value(value):
    x = np.where(MASK[..., None], X, np.float32(value))
    x[0, 0, 0] = value  # a step with only one such feature is real
    net = gr.init(gr.Masking(value), 0, x)
    np.testing.assert_array_equal(net(x), np.where(MASK[..., None], x, 0))
    with mask_tracking.tracking():
        np.testing.assert_array_equal(mask_tracking.get_mask(net(x)), MASK)
    with pytest.raises(ShapeError, match=r"\(batch, steps, features\).*\(2, 3\)"):
        gr.init(gr.Masking(), 0, MASK)


def test_an_embedding_masks_the_code_zero():
    net = gr.init(gr.Sequential([gr.Embedding(4, 2, mask_zero=True), Seen()]), 0, CODES)
    table = np.asarray(net.layers[0].embeddings)
    np.testing.assert_allclose(net(CODES), [table[3] + table[1], table[2]], rtol=1e-6)
    with mask_tracking.tracking():
        assert mask_tracking.get_mask(gr.init(gr.Embedding(4, 2), 0, CODES)(CODES)) is None
    with pytest.raises(ShapeError, match="mask_zero"):
        gr.init(gr.Embedding(4, 2, mask_zero=True), 0, CODES[:, 0])


def per_step(units=3, activation="softmax"):
    parts = [gr.Embedding(4, 2, mask_zero=True), gr.Dense(units, activation)]
    return gr.init(gr.Sequential(parts), 0, CODES)


LABELS = np.array([[0, 2, 1], [1, 0, 2]], np.int32)


@pytest.mark.slow
def test_padded_steps_count_in_no_loss_and_no_metric():
    net = per_step()
    assert forward(net, CODES).mask.tolist() == MASK.tolist()
    assert forward(net, CODES + 1 - (CODES == 3)).mask.all()
    model = gr.Model(net, "sparse_categorical_crossentropy", metrics=["accuracy"])
    measured = model.evaluate(CODES, LABELS)
    p = np.asarray(model.predict(CODES))
    nll = -np.log([p[0, 0, 0], p[0, 1, 2], p[1, 0, 1]])
    # each sequence's mean over its real steps, then the mean of the sequences
    np.testing.assert_allclose(measured["loss"], (nll[:2].mean() + nll[2]) / 2, rtol=1e-5)
    right = [p[0, 0].argmax() == 0, p[0, 1].argmax() == 2, p[1, 0].argmax() == 1]
    np.testing.assert_allclose(measured["accuracy"], np.mean(right))


def test_metrics_of_values_count_only_real_steps():
    net = per_step(1, None)
    y = np.random.default_rng(0).normal(size=(2, 3, 1)).astype(np.float32)
    model = gr.Model(net, "rmse", metrics=["mae", "r2"])
    measured = model.evaluate(CODES, y)
    error, real = (y - model.predict(CODES))[MASK][:, 0], y[MASK][:, 0]
    squares = ((error[:2] ** 2).mean() + error[2] ** 2) / 2
    np.testing.assert_allclose(measured["loss"], np.sqrt(squares), rtol=1e-5)
    np.testing.assert_allclose(measured["mae"], np.abs(error).mean(), rtol=1e-5)
    spread = ((real - real.mean()) ** 2).sum()
    np.testing.assert_allclose(measured["r2"], 1 - (error**2).sum() / spread, rtol=1e-4)


def test_a_sequence_without_real_steps_has_no_loss_and_no_gradient():
    codes = np.array([[1, 2, 0], [0, 0, 0]], np.int32)
    task = Supervised(OutputObjective(gr.losses.get("sparse_categorical_crossentropy")))

    def loss(net, labels, weight):
        batch = Batch(codes, labels, jnp.asarray(weight), jnp.ones(2))
        return task.measure(gr.fresh(net), batch)[0]

    net = per_step()
    measured = jax.jit(jax.value_and_grad(loss))
    ones = np.ones(2, np.float32)
    both, gradient = measured(net, LABELS, ones)
    first, _ = measured(net, LABELS, np.array([1, 0], np.float32))
    assert both == first > 0
    others = np.where([[1, 1, 0], [0, 0, 0]], LABELS, 2).astype(np.int32)
    _, same = measured(net, others, ones)  # targets of padded steps do not matter
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(same), strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.isfinite(a).all()


@pytest.mark.slow
def test_training_uses_only_real_steps():
    """The targets of padded steps change no weight."""
    trained = []
    for filler in (0, 2):
        y = np.where(MASK, LABELS, filler).astype(np.int32)
        parts = [gr.Embedding(4, 2, mask_zero=True), gr.SimpleRNN(3, return_sequences=True)]
        net = gr.Sequential([*parts, gr.Dense(3, "softmax")])
        model = gr.Model(net, "sparse_categorical_crossentropy", gr.Adam(0.1))
        model.fit(CODES, y, epochs=3, probes=False, verbose=False)
        trained.append(model.weights)
    for path, value in trained[0].items():
        np.testing.assert_array_equal(value, trained[1][path])
