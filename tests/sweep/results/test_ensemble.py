"""An ensemble predicts the mean of its members' predictions and is saved as one model."""

import numpy as np
import pytest
from scipy.special import expit, logit

import gradus as gr
from gradus.errors import GradusError
from gradus.models.ensemble_layers import EnsembleMembers, WeightedAverage

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 5)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int32) + (X[:, 2] > 1)
LOSS = "sparse_categorical_crossentropy"


def classifier(width=4, **settings):
    rate = gr.uniform(0, 0.4)
    penalty = gr.L2(0.1)
    hidden = gr.Dense(width, "tanh", kernel_regularizer=penalty)
    net = gr.Sequential([hidden, gr.BatchNormalization(), gr.Dropout(rate), gr.Dense(3, "softmax")])
    optimizer = gr.Adam(gr.log_uniform(1e-3, 0.3))
    return gr.Model(net, LOSS, optimizer, metrics=["accuracy"], penalty=penalty, **settings)


@pytest.fixture(scope="module")
def sweep():
    return gr.Sweep(classifier(gr.choice(4, 6)), 8).fit(X, Y, epochs=3, verbose=False)


def mean(models, x, shares=None):
    return np.average([model.predict(x) for model in models], axis=0, weights=shares)


def by_hand(p, y):
    """The cross-entropy and the accuracy of probabilities."""
    return -np.log(p[np.arange(len(y)), y]).mean(), (p.argmax(1) == y).mean()


@pytest.mark.slow
def test_it_predicts_the_mean_of_the_best(sweep, tmp_path):
    best = [sweep.member_models(trial)[0] for trial in sweep.ranking[:5]]
    assert {model.net.layers[0].units for model in best} == {4, 6}  # two structures
    found, expected = sweep.ensemble(5), mean(best, X)
    np.testing.assert_allclose(found.predict(X), expected, rtol=2e-6, atol=1e-7)
    np.testing.assert_array_equal(found.predict_classes(X), expected.argmax(1))
    loss, accuracy = by_hand(expected, Y)
    assert found.evaluate(X, Y) == pytest.approx({"loss": loss, "accuracy": accuracy}, rel=1e-5)
    loaded = gr.Model.load(found.save(tmp_path / "run"))
    np.testing.assert_array_equal(loaded.predict(X), found.predict(X))
    assert loaded.evaluate(X, Y) == found.evaluate(X, Y)
    names = {file.suffix for file in (tmp_path / "run").iterdir()}
    assert names == {".json", ".safetensors", ".parquet"}
    number = sweep.ranking[0].number
    assert f"members/trial_{number}/dense/kernel" in loaded.weights
    np.testing.assert_array_equal(
        loaded.weights[f"members/trial_{number}/dense/kernel"], best[0].weights["dense/kernel"]
    )


@pytest.mark.slow
def test_more_than_all_trials_is_all(sweep):
    every = [sweep.member_models(trial)[0] for trial in sweep.trials]
    np.testing.assert_allclose(sweep.ensemble(99).predict(X), mean(every, X), rtol=2e-6, atol=1e-7)


@pytest.mark.slow
def test_seeds_and_folds_are_all_in_it():
    sweep = gr.Sweep(classifier(), 2, seeds=2, cv=2).fit(X, Y, epochs=1, verbose=False)
    models = sweep.member_models(sweep.ranking[0])
    found = sweep.ensemble(1)
    np.testing.assert_allclose(found.predict(X), mean(models, X), rtol=2e-6, atol=1e-7)
    assert len(found.net.layers[0].layers) == 4
    with pytest.raises(GradusError, match="one validation set"):
        sweep.ensemble(2, "greedy")


@pytest.mark.slow
@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_a_greedy_selection_equals_one_by_hand(monitor):
    held = X[60:], Y[60:]
    sweep = gr.Sweep(classifier(), 8, seed=2)
    sweep.fit(X[:60], Y[:60], epochs=3, validation_data=held, monitor=monitor, verbose=False)
    models = [sweep.member_models(trial)[0] for trial in sweep.ranking]
    each = np.array([model.predict(held[0]) for model in models], np.float64)

    def standing(bag):
        loss, accuracy = by_hand(np.mean(each[bag], axis=0), held[1])
        return (loss, loss) if monitor == "val_loss" else (-accuracy, loss)

    bag, path = [], []
    for _ in range(6):
        bag = min(([*bag, k] for k in range(8)), key=standing)
        path.append(bag)
    best = min(standing(one) for one in path)
    chosen = [one for one in path if standing(one) == best][-1]
    expected = each[chosen].mean(axis=0)
    found = sweep.ensemble(6, method="greedy")
    np.testing.assert_allclose(found.predict(held[0]), expected, rtol=1e-5, atol=1e-7)
    assert found.evaluate(*held)["loss"] == pytest.approx(by_hand(expected, held[1])[0], rel=1e-5)
    alone = sweep.best.evaluate(*held)
    assert found.evaluate(*held)["accuracy"] >= alone["accuracy"] - 1e-6


@pytest.mark.slow
def test_greedy_selection_uses_the_validation_split(sweep):
    rows = sweep._runner.factory.data.folds({})[0].data.validation
    found = sweep.ensemble(3, "greedy").evaluate(X[rows], Y[rows])
    assert found["accuracy"] >= sweep.ranking[0].score - 1e-6


@pytest.mark.slow
def test_outputs_are_averaged_as_their_losses_require(tmp_path):
    heads = {"class": gr.Dense(2), "flag": gr.Dense(1, "sigmoid"), "size": gr.Dense(1)}
    net = gr.Sequential([gr.Dense(4, "tanh"), gr.Parallel(heads)])
    losses = {"class": LOSS, "flag": "binary_crossentropy", "size": "mse"}
    y = {"class": (Y > 0).astype(int), "flag": Y[:, None] > 1, "size": X[:, :1]}
    sweep = gr.Sweep(gr.Model(net, losses, gr.Adam(gr.log_uniform(1e-3, 1))), 4)
    sweep.fit(X, y, epochs=2, verbose=False)
    models = [sweep.member_models(trial)[0].predict(X) for trial in sweep.ranking[:3]]
    found = sweep.ensemble(3)
    for name, values in found.predict(X).items():
        expected = np.mean([model[name] for model in models], axis=0)
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
    loaded = gr.Model.load(found.save(tmp_path))
    assert loaded.evaluate(X, y) == found.evaluate(X, y)


@pytest.mark.slow
def test_an_autoencoders_ensemble_reconstructs():
    model = gr.Autoencoder([2], optimizer=gr.Adam(gr.log_uniform(1e-3, 0.1)))
    sweep = gr.Sweep(model, 4).fit(X, epochs=2, verbose=False)
    models = [sweep.member_models(trial)[0] for trial in sweep.ranking[:4]]
    for method, many in (("best", 4), ("greedy", 1)):
        found = sweep.ensemble(many, method)
        np.testing.assert_allclose(found.predict(X), mean(models[:many], X), rtol=1e-5, atol=1e-6)
        assert found.evaluate(X)["loss"] == pytest.approx(
            np.square(mean(models[:many], X) - X).mean(), rel=1e-5
        )


@pytest.mark.slow
def test_masked_steps_are_ignored(rng):
    tokens = rng.integers(1, 5, (40, 6))
    tokens[:, 4:] = 0
    net = [gr.Embedding(5, 3, mask_zero=True), gr.LSTM(3, return_sequences=True)]
    net = gr.Sequential([*net, gr.Dense(2, "softmax")])
    rate = gr.log_uniform(1e-3, 1)
    sweep = gr.Sweep(gr.Model(net, LOSS, gr.Adam(rate), metrics=["accuracy"]), 3)
    y = (tokens > 2).astype(int)
    sweep.fit(tokens, y, epochs=2, verbose=False)
    models = [sweep.member_models(trial)[0] for trial in sweep.ranking]
    for method in ("best", "greedy"):
        found = sweep.ensemble(3, method)
        right = found.predict(tokens).argmax(-1) == y
        assert found.evaluate(tokens, y)["accuracy"] == pytest.approx(right[:, :4].mean())
    expected = mean(models, tokens)
    np.testing.assert_allclose(sweep.ensemble(3).predict(tokens), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_mean_of_extreme_probabilities_keeps_its_loss():
    """e⁻²⁰⁰ is zero in float32, but its logarithm is −200."""
    blend = WeightedAverage((1.0, 3.0), "softmax")
    logs = np.array([[[0.0, 0.0], [-200.0, -200.0]]], np.float32)
    blend = gr.init(blend, 0, logs)
    from gradus.nn.network import forward, fresh

    head = forward(fresh(blend), logs)
    np.testing.assert_allclose(head.logits, [[0, -200]])
    p = np.array([0.2, 0.9])
    odds = gr.init(WeightedAverage((1.0, 3.0), "sigmoid"), 0, logs)(
        logit(p)[None, None].astype(np.float32)
    )
    np.testing.assert_allclose(odds, [[p @ [0.25, 0.75]]], rtol=1e-6)
    certain = gr.init(WeightedAverage((1.0, 1.0), "sigmoid"), 0, logs)
    far = forward(fresh(certain), np.array([[[-200.0, -200.0]]], np.float32))
    np.testing.assert_allclose(far.logits, [[-200]])
    assert expit(-200.0) < 1e-80


@pytest.mark.slow
def test_an_ensemble_can_be_trained_further(sweep):
    found = sweep.ensemble(2)
    before = found.evaluate(X, Y)["loss"]
    found.fit(X, Y, epochs=3, probes=False, verbose=False)
    assert found.evaluate(X, Y)["loss"] < before
    assert "members" in gr.inside(found, X[:4])


@pytest.mark.slow
def test_mistakes_say_what_to_write(sweep):
    with pytest.raises(GradusError, match="Did you mean 'greedy'"):
        sweep.ensemble(3, "greed")
    with pytest.raises(GradusError, match="k=0"):
        sweep.ensemble(0)
    with pytest.raises(GradusError, match="'softmax', 'sigmoid' or None"):
        gr.init(EnsembleMembers([gr.Dense(2)], "softmaks"), 0, X)
    rate = gr.choice(1e25, 1e26)
    broken = gr.Sweep(gr.Model(gr.Dense(1), "mse", gr.SGD(rate)), 2)
    broken.fit(X, X[:, :1], epochs=4, verbose=False)
    with pytest.raises(GradusError, match="No trial of this sweep has a score"):
        broken.ensemble()
    model = gr.Model(gr.Dense(1, "sigmoid"), gr.choice("mse", "bce"), metrics=["accuracy"])
    mixed = gr.Sweep(model, search="grid")
    mixed.fit(X, Y[:, None] > 0, epochs=1, verbose=False)
    with pytest.raises(GradusError, match="losses of one kind"):
        mixed.ensemble()
    unheld = gr.Sweep(classifier(), 2).fit(
        X, Y, epochs=1, validation_split=0.0, monitor="loss", verbose=False
    )
    with pytest.raises(GradusError, match="needs a validation set"):
        unheld.ensemble(2, "greedy")
    with pytest.raises(GradusError, match="call fit"):
        gr.Sweep(classifier()).ensemble()
