"""What pads a sequence changes nothing: not outputs, not statistics, not penalties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus.errors import DataError
from gradus.nn.network import added_losses

RNG = np.random.default_rng(0)
LENGTHS = [6, 4, 2, 1]
SHORT = RNG.normal(1, 2, (4, 6, 3)).astype(np.float32)
for row, length in zip(SHORT, LENGTHS, strict=True):
    row[length:] = 0
LONG = np.concatenate([SHORT, np.zeros((4, 6, 3), np.float32)], axis=1)


def called(layer, x, training=False):
    """The fresh copy of a masked network that was called, and its output."""
    net = gr.init(gr.Sequential([gr.Masking(), gr.Dense(3, "tanh"), layer]), 0, jnp.asarray(x))
    copy = gr.fresh(net, jax.random.key(0), training=training)
    return copy, np.asarray(copy(jnp.asarray(x)))


@pytest.mark.parametrize(
    "layer",
    [
        lambda: gr.Sequential([gr.MaxPooling1D(2), gr.GlobalAveragePooling1D()]),
        lambda: gr.Sequential([gr.AveragePooling1D(2), gr.GlobalAveragePooling1D()]),
        lambda: gr.Sequential(
            [gr.AveragePooling1D(3, strides=1, padding="same"), gr.GlobalAveragePooling1D()]
        ),
        lambda: gr.Sequential([gr.Conv1D(4, 3, padding="same"), gr.GlobalAveragePooling1D()]),
        lambda: gr.Sequential([gr.Conv1D(4, 3, padding="causal"), gr.GlobalMaxPooling1D()]),
        lambda: gr.Sequential([gr.Conv1D(4, 2, strides=2), gr.GlobalAveragePooling1D()]),
        lambda: gr.Sequential([gr.Conv1D(4, 2, strides=2), gr.MaxPooling1D(3), gr.LSTM(2)]),
        lambda: gr.Sequential([gr.SeparableConv1D(4, 2, strides=2), gr.GlobalMaxPooling1D()]),
        lambda: gr.Sequential([gr.UpSampling1D(2), gr.GlobalAveragePooling1D()]),
        lambda: gr.Sequential([gr.ZeroPadding1D(1), gr.GlobalAveragePooling1D()]),
        lambda: gr.Sequential([gr.Softmax(axis=1), gr.GlobalMaxPooling1D()]),
        lambda: gr.Sequential([gr.TimeDistributed(gr.Dense(2)), gr.GlobalAveragePooling1D()]),
        lambda: gr.Sequential([gr.BatchNormalization(), gr.GlobalAveragePooling1D()]),
        lambda: gr.Sequential([gr.GroupNormalization(3), gr.GlobalAveragePooling1D()]),
        lambda: gr.Sequential([gr.RMSNormalization(), gr.GlobalMaxPooling1D()]),
        lambda: gr.Sequential([gr.UnitNormalization(1), gr.GlobalAveragePooling1D()]),
        lambda: gr.Sequential([gr.SpatialDropout1D(0.5), gr.GlobalAveragePooling1D()]),
        lambda: gr.Sequential([gr.LayerNormalization(), gr.GlobalMaxPooling1D()]),
        lambda: gr.GRU(2),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_more_padding_changes_no_output(layer, training):
    short, long = called(layer(), SHORT, training)[1], called(layer(), LONG, training)[1]
    np.testing.assert_allclose(long, short, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "penalty", [gr.Sparsity(0.5), gr.Sparsity(0.5, 0.3), gr.ActivityRegularization(0.5, 0.1)]
)
def test_a_penalty_on_activity_is_that_of_the_real_steps(penalty):
    penalties = []
    for x in (SHORT, LONG):
        sigmoid = gr.Sequential([gr.Dense(2, "sigmoid"), penalty])
        penalties.append(np.asarray(added_losses(called(sigmoid, x, True)[0])[0]))
    np.testing.assert_allclose(penalties[1], penalties[0], rtol=1e-5)
    assert (penalties[0] > 0).all()


def test_batch_norm_has_the_statistics_of_the_real_steps():
    net = gr.init(
        gr.Sequential([gr.Masking(), gr.BatchNormalization(momentum=0.0)]), 0, jnp.asarray(SHORT)
    )
    copy = gr.fresh(net, training=True)
    y = np.asarray(copy(jnp.asarray(SHORT)))
    real = np.concatenate([row[:length] for row, length in zip(SHORT, LENGTHS, strict=True)])
    norm = copy.layers[1]
    np.testing.assert_allclose(norm.moving_mean, real.mean(0), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, real.var(0), rtol=1e-4)
    expected = (real - real.mean(0)) / np.sqrt(real.var(0) + 1e-3)
    got = np.concatenate([row[:length] for row, length in zip(y, LENGTHS, strict=True)])
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_windows_without_a_real_step_are_zero_and_not_real():
    for layer in (gr.MaxPooling1D(2), gr.AveragePooling1D(2)):
        net = gr.Sequential([gr.Masking(), layer])
        x = jnp.asarray([[[-2.0], [-4.0], [-6.0], [0.0], [0.0], [0.0]]])
        y = np.asarray(gr.init(net, 0, x)(x))[0, :, 0]
        expected = [-2, -6, 0] if isinstance(layer, gr.MaxPooling1D) else [-3, -6, 0]
        assert y.tolist() == expected


def test_a_code_without_a_vector_is_an_error_and_never_another_code():
    codes = jnp.array([[-1, 5, 4, -5]])
    net = gr.init(gr.Embedding(5, 2), 0, codes)
    vectors = np.asarray(net(codes))[0]
    assert np.isnan(vectors[[0, 1, 3]]).all()
    np.testing.assert_array_equal(vectors[2], net.embeddings[4])
    y = np.zeros((3, 1), np.float32)
    model = gr.Model(gr.Sequential([gr.Embedding(5, 2), gr.Flatten(), gr.Dense(1)]), "mse")
    for bad, words in ((7, "code 7 in row 1 .*0 to 4"), (-1, "code -1 in row 1 .*missing")):
        with pytest.raises(DataError, match=words):
            model.fit(np.array([[0, 1], [2, bad], [1, 1]]), y, verbose=False)
    model.fit(np.array([[0, 1], [2, 4], [1, 1]]), y, epochs=1, probes=False, verbose=False)
    with pytest.warns(RuntimeWarning, match="code 9 in row 1 .*not a number"):
        predicted = model.predict(np.array([[0, 1], [0, 9], [2, 2]]))
    assert np.isnan(predicted[:, 0]).tolist() == [False, True, False]
    with pytest.raises(DataError, match="code 9"):
        model.evaluate(np.array([[0, 9]]), y[:1])
    table = {"numbers": np.zeros((3, 1)), "categories": np.array([[0, 1], [2, 3], [1, -1]])}
    model = gr.Model(gr.Sequential([gr.ColumnEmbedding((4, 4)), gr.Dense(1)]), "mse")
    with pytest.raises(DataError, match="column 1, has the code -1 in row 2"):
        model.fit(table, y, verbose=False)
