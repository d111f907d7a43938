"""Symptoms of a network's end, its loss, its targets, and its metrics."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus.objectives import losses

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
LABELS = np.arange(60) % 3
ONE_HOT = np.eye(3)[LABELS]
FLAGS = (RNG.uniform(size=(60, 3)) < 0.5).astype(float)
ONE_FLAG = FLAGS[:, :1]
RATES = RNG.poisson(4.0, size=(60, 1)).astype(float)
VALUES = 2 * X[:, :1] + X[:, 1:2]


def check(loss, activation, units, y, metrics=(), **data):
    net = gr.Sequential([gr.Dense(5, "tanh"), gr.Dense(units, activation)])
    return gr.Model(net, loss, metrics=metrics).check(X, y, **data)


def found(diagnosis):
    return [(finding.severity, finding.code) for finding in diagnosis]


FITS = [
    ("categorical_crossentropy", "softmax", 3, ONE_HOT),
    ("sparse_categorical_crossentropy", "log_softmax", 3, LABELS),
    ("sparse_categorical_crossentropy", None, 3, LABELS),
    ("sparse_categorical_crossentropy", "leaky_relu", 3, LABELS),
    ("bce", "sigmoid", 1, ONE_FLAG),
    ("bce", None, 3, FLAGS),
    ("focal", "sigmoid", 1, ONE_FLAG),
    ("kl_divergence", "softmax", 3, ONE_HOT),
    ("mse", None, 1, VALUES),
    ("mse", "sigmoid", 3, FLAGS),
    ("mse", "relu", 1, RATES),
    ("mse", "tanh", 1, np.tanh(VALUES)),
    ("hinge", "tanh", 1, 2 * ONE_FLAG - 1),
    ("categorical_hinge", None, 3, ONE_HOT),
    ("poisson", "softplus", 1, RATES),
    ("poisson", "exponential", 1, RATES),
    ("poisson", "relu", 1, RATES),
    ("poisson", "sigmoid", 1, ONE_FLAG),
]

MISFITS = [
    ("categorical_crossentropy", "sigmoid", 3, ONE_HOT, "fault", "do not sum to 1.*softmax"),
    ("categorical_crossentropy", "hard_sigmoid", 3, ONE_HOT, "fault", "do not sum to 1"),
    ("sparse_categorical_crossentropy", "relu", 3, LABELS, "fault", "cannot be negative"),
    ("sparse_categorical_crossentropy", "elu", 3, LABELS, "fault", "cannot be below -1"),
    ("sparse_categorical_crossentropy", "tanh", 3, LABELS, "fault", "between -1 and 1.*softmax"),
    ("sparse_categorical_crossentropy", "softsign", 3, LABELS, "fault", "between -1 and 1"),
    ("bce", "tanh", 1, ONE_FLAG, "fault", "between -1 and 1.*sigmoid"),
    ("bce", "relu", 1, ONE_FLAG, "fault", "cannot be negative.*sigmoid"),
    ("bce", "softmax", 3, FLAGS, "fault", "compete.*End with sigmoid"),
    ("bce", "softmax", 3, ONE_HOT, "note", "compete.*categorical_crossentropy"),
    ("bce", "hard_sigmoid", 1, ONE_FLAG, "note", "exactly 0 or 1"),
    ("mse", "softmax", 3, ONE_HOT, "note", "gradient vanishes.*categorical_crossentropy"),
    ("mse", "softmax", 3, FLAGS, "note", "several of a sample's labels.*binary_crossentropy"),
    ("mae", "log_softmax", 3, -ONE_HOT, "fault", "End with linear"),
    ("hinge", "sigmoid", 1, 2 * ONE_FLAG - 1, "fault", "End with linear"),
    ("categorical_hinge", "softmax", 3, ONE_HOT, "fault", "End with linear"),
    ("poisson", None, 1, RATES, "fault", "cannot be negative"),
    ("poisson", "tanh", 1, ONE_FLAG, "fault", "cannot be negative"),
    ("poisson", "sigmoid", 1, RATES, "fault", "may exceed 1"),
]


@pytest.mark.parametrize(("loss", "activation", "units", "y"), FITS)
def test_an_end_that_suits_its_loss_and_targets_has_no_finding(loss, activation, units, y):
    assert found(check(loss, activation, units, y)) == []


@pytest.mark.parametrize(("loss", "activation", "units", "y", "severity", "words"), MISFITS)
def test_an_end_that_does_not_suit_its_loss_is_told(loss, activation, units, y, severity, words):
    diagnosis = check(loss, activation, units, y)
    by_code = {finding.code: finding for finding in diagnosis}
    finding = by_code["output-loss"]
    assert (finding.severity, finding.layer) == (severity, "dense_1")
    # Of a probability under a loss of values or scores, the loss is the odd one.
    odd_loss = activation in ("sigmoid", "softmax") and loss in (
        "mse",
        "hinge",
        "categorical_hinge",
    )
    assert finding.category == ("loss-mismatch" if odd_loss else "output-activation")
    assert f"ends with {activation or 'linear'}, but the loss is" in finding.message
    assert re.search(words, str(finding))


@pytest.mark.parametrize("loss", ["mse", "bce"])
@pytest.mark.parametrize("activation", ["softmax", "log_softmax"])
def test_a_softmax_of_one_unit_is_a_fault(loss, activation):
    faults = [finding.code for finding in check(loss, activation, 1, ONE_FLAG).faults]
    assert "softmax-of-one" in faults
    assert "output-loss" not in faults


def test_a_softmax_of_a_softmax_is_a_fault_however_it_is_written():
    class Twice(gr.Layer):
        def __init__(self):
            self.dense = gr.Dense(3, "softmax")

        def call(self, x):
            return gr.softmax(self.dense(x))

    for net in (gr.Sequential([gr.Dense(3, "softmax"), gr.Activation("softmax")]), Twice()):
        diagnosis = gr.Model(net, "sparse_categorical_crossentropy").check(X, LABELS)
        assert found(diagnosis) == [("fault", "softmax-twice")]
        value = diagnosis.findings[0].evidence["largest probability"]["value"]
        assert value == pytest.approx(np.e / (np.e + 2))
    net = gr.Sequential([gr.Dense(3, "relu"), gr.Activation("softmax")])
    assert "softmax-twice" not in [f.code for f in gr.Model(net, "kl_divergence").check(X, ONE_HOT)]


@pytest.mark.parametrize(
    ("activation", "y", "words"),
    [
        ("relu", VALUES, "at least 0, but"),
        ("sigmoid", RATES, "at most 1, but"),
        ("tanh", 1e6 * VALUES, "from -1 to 1, but"),
        ("softplus", -1 - RATES, "at least 0, but"),
    ],
)
@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "log_cosh"])
def test_targets_that_the_end_cannot_reach_are_a_fault(loss, activation, y, words):
    diagnosis = check(loss, activation, 1, y)
    assert found(diagnosis) == [("fault", "output-range")]
    assert words in diagnosis.findings[0].message


def test_a_loss_of_numbers_on_classes_is_a_note():
    assert found(check("mse", None, 3, ONE_HOT)) == [("note", "loss-targets")]


def test_a_loss_with_the_wrong_sign_is_a_fault():
    def negative(y_true, y_pred):
        return -((y_true - y_pred) ** 2)

    def likelihood(y_true, y_pred):
        return jnp.sum(y_true * jnp.log(jnp.clip(y_pred, 1e-7, 1)), axis=-1)

    for loss, units, y in ((negative, 1, VALUES), (likelihood, 3, ONE_HOT)):
        diagnosis = check(loss, None, units, y)
        assert found(diagnosis) == [("fault", "loss-arithmetic")]
        assert f"The loss {loss.__name__} is largest where" in diagnosis[0].message
    for right in (lambda y, p: -negative(y, p), lambda y, p: jnp.abs(y - jnp.round(p))):
        assert found(check(right, None, 1, VALUES)) == []
    critic = check(lambda y, p: y * p, None, 1, 2 * ONE_FLAG - 1)
    assert found(critic) == []


def test_metrics_that_judge_something_else_are_noted():
    codes = found(check("mse", None, 1, VALUES, ["accuracy", "mae", "r2"]))
    assert codes == [("note", "metric-mismatch")]
    codes = found(check("sparse_categorical_crossentropy", "softmax", 3, LABELS, ["r2"]))
    assert codes == [("note", "metric-mismatch")]
    assert found(check("mse", "sigmoid", 1, ONE_FLAG, ["accuracy"])) == []
    assert found(check("bce", "sigmoid", 1, ONE_FLAG, ["accuracy", "auc", "mae"])) == []


def test_outputs_are_named_where_there_are_several():
    net = gr.Parallel({"a": gr.Dense(1, "softmax"), "b": gr.Dense(1)})
    diagnosis = gr.Model(net, {"a": "mse", "b": "mse"}).check(X, {"a": ONE_FLAG, "b": VALUES})
    assert found(diagnosis) == [("fault", "softmax-of-one")]
    assert "The output 'a' is" in diagnosis.findings[0].message
    assert diagnosis.findings[0].layer == "branches/a"


@pytest.mark.slow
def test_the_claim_holds_softmax_under_mse_stalls_where_crossentropy_does_not():
    z, y = jnp.array([[20.0, 0.0]]), np.array([[0.0, 1.0]])  # confident and wrong
    of_logits = losses.categorical_crossentropy.per_sample_from_logits
    sums = (
        lambda z: losses.mean_squared_error(y, jax.nn.softmax(z)).sum(),
        lambda z: of_logits(y, z).sum(),
    )
    squared, entropy = jax.jit(lambda z: [jax.grad(each)(z) for each in sums])(z)
    assert np.abs(squared).max() < 1e-6
    np.testing.assert_allclose(entropy, [[1, -1]], atol=1e-6)
