"""What Keras's `fit`, `predict`, and `evaluate` take, and a learning rate changed between fits."""

import dataclasses

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError, SavedError
from gradus.train.program import run_epochs

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 2)).astype(np.float32)
Y = X[:, :1] - 2 * X[:, 1:]


def model(rate=0.1, seed=0):
    return gr.Model(gr.Dense(1), "mse", gr.SGD(rate), seed=seed)


def by_hand(kernel, bias, epochs, rate, size):
    """Gradient descent on rows in their order, the last batch being short."""
    kernel, bias = kernel.astype(float), bias.astype(float)
    for _ in range(epochs):
        for start in range(0, len(X), size):
            x, y = X[start : start + size], Y[start : start + size]
            error = x @ kernel + bias - y
            kernel = kernel - rate * 2 * x.T @ error / len(x)
            bias = bias - rate * 2 * error.mean(0)
    return kernel, bias


def test_without_shuffling_samples_come_in_their_order():
    m = model().build(X)
    start = m.weights
    m.fit(X, Y, epochs=3, batch_size=8, shuffle=False, probes=False, verbose=False)
    kernel, bias = by_hand(start["kernel"], start["bias"], 3, 0.1, 8)
    np.testing.assert_allclose(m.weights["kernel"], kernel, rtol=1e-4)
    np.testing.assert_allclose(m.weights["bias"], bias, rtol=1e-4, atol=1e-6)
    with pytest.raises(GradusError, match="shuffle='x': write True or False"):
        m.fit(X, Y, shuffle="x")


def test_a_sweep_does_not_shuffle_either():
    sweep = gr.Sweep(model(gr.choice(0.05, 0.1)), search="grid")
    sweep.fit(X, Y, epochs=2, batch_size=8, shuffle=False, verbose=False, validation_data=(X, Y))
    alone = model(sweep.best_settings["optimizer.learning_rate"])
    alone.fit(X, Y, epochs=2, batch_size=8, shuffle=False, probes=False, verbose=False)
    np.testing.assert_allclose(sweep.best.weights["kernel"], alone.weights["kernel"], rtol=1e-5)


@pytest.mark.slow
def test_a_training_resumes_in_the_order_that_it_had(tmp_path):
    options = {"batch_size": 8, "probes": False, "verbose": False}
    model().fit(X, Y, epochs=2, shuffle=False, checkpoint=tmp_path / "run", **options)
    resumed = model()
    resumed.fit(X, Y, epochs=4, shuffle=False, resume=tmp_path / "run", **options)
    whole = model()
    whole.fit(X, Y, epochs=4, shuffle=False, **options)
    np.testing.assert_array_equal(resumed.weights["kernel"], whole.weights["kernel"])
    with pytest.raises(SavedError, match="shuffle"):
        model().fit(X, Y, epochs=4, resume=tmp_path / "run", **options)


def test_a_batch_size_changes_no_prediction():
    m = model().build(X)
    whole = m.predict(X)
    np.testing.assert_allclose(m.predict(X, batch_size=7, verbose=0), whole, rtol=1e-6)
    scores = m.evaluate(X, Y, batch_size=7, verbose=1)
    assert scores["loss"] == pytest.approx(np.mean((whole - Y) ** 2), rel=1e-5)
    for call in (lambda **o: m.predict(X, **o), lambda **o: m.evaluate(X, Y, **o)):
        with pytest.raises(GradusError, match="batch_size=0: write a whole number"):
            call(batch_size=0)
        with pytest.raises(GradusError, match="verbose='auto': write True or False"):
            call(verbose="auto")


def test_a_batch_size_has_its_name():
    """In Keras it is the second argument of predict, which here might be taken for logits."""
    m = model().build(X)
    with pytest.raises(GradusError, match=r"takes 1 \(x\); logits, batch_size, verbose are"):
        m.predict(X, 32)
    with pytest.raises(GradusError, match=r"takes 3 \(x, y, sample_weight\); batch_size, verbose"):
        m.evaluate(X, Y, None, 32)


def test_another_learning_rate_counts_from_the_next_fit_on(tmp_path):
    m = model(0.1)
    m.fit(X, Y, epochs=1, batch_size=None, probes=False, verbose=False)
    before = m.weights["kernel"]
    m.learning_rate = 0.025
    m.fit(X, Y, epochs=1, batch_size=None, probes=False, verbose=False)
    other = model(0.1)
    other.fit(X, Y, epochs=2, batch_size=None, probes=False, verbose=False)
    ratio = (m.weights["kernel"] - before) / (other.weights["kernel"] - before)
    np.testing.assert_allclose(ratio, 0.25, rtol=1e-4)  # a step is proportional to its rate
    np.testing.assert_allclose(m.history["learning_rate"], [0.1, 0.025])
    assert gr.Model.load(m.save(tmp_path / "m")).learning_rate == 0.025
    with pytest.raises(GradusError, match=r"SGD\(learning_rate='x'\)"):
        m.learning_rate = "x"


def test_another_rate_compiles_nothing():
    m = model(0.1)
    for _ in range(2):
        m.fit(X, Y, epochs=1, probes=False, verbose=False)
    size = run_epochs._cache_size()
    m.learning_rate = 0.05
    m.fit(X, Y, epochs=1, probes=False, verbose=False)
    assert run_epochs._cache_size() == size


@pytest.mark.slow
def test_a_schedule_and_another_optimizer_may_follow():
    m = model(0.1)
    for rate in (gr.schedules.ReduceOnPlateau(0.01), 0.02):
        m.fit(X, Y, epochs=1, probes=False, verbose=False)
        m.learning_rate = rate
    for optimizer in (gr.Adam(0.1), gr.SGD(0.1, momentum=0.9)):
        m.fit(X, Y, epochs=1, probes=False, verbose=False)
        m.optimizer = optimizer
    assert m.fit(X, Y, epochs=1, probes=False, verbose=False).epochs == 5


def test_settings_that_do_not_change_say_how_to_change_them():
    m = model()
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"write model\.learning_rate = 0\.3"):
        m.optimizer.learning_rate = 0.3
    with pytest.raises(AttributeError, match=r"dataclasses\.replace\(…, momentum=0\.9\)"):
        m.optimizer.momentum = 0.9
    assert gr.Perceptron().learning_rate == 1.0
