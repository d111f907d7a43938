"""Trials with different losses are scored by a common metric, or rejected."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.sweep.monitor import choose_monitor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = X[:, :1] + 0.1 * RNG.normal(size=(60, 1)).astype(np.float32)
LOSSES = gr.choice("mse", "mae")


@pytest.mark.parametrize(
    ("metrics", "monitor", "expected"),
    [
        (["accuracy"], None, "val_accuracy"),
        (["mae", "accuracy"], None, "val_mae"),
        ("r2", None, "val_r2"),
        ([len, "f1"], None, "val_f1"),
        (["own"], None, None),
        ([], None, None),
        (["accuracy"], "val_loss", "val_loss"),
    ],
)
def test_the_first_metric_with_a_known_direction_is_monitored(metrics, monitor, expected):
    assert choose_monitor({"loss": "mse", "metrics": metrics}, monitor) == expected


def test_without_validation_the_training_metric_is_monitored():
    assert choose_monitor({"metrics": ["mae"]}, None, validated=False) == "mae"
    net = gr.Sequential([gr.Dense(1)])
    model = gr.Model(net, "mse", gr.SGD(gr.choice(0.1, 0.01)), metrics=["mae"])
    sweep = gr.Sweep(model, 2).fit(X, Y, epochs=1, validation_split=0.0, verbose=False)
    assert sweep.monitor == "mae"
    assert sweep.mode == "min"


@pytest.mark.slow
def test_trials_with_different_losses_are_ranked_by_a_metric():
    model = gr.Model(gr.Dense(1), LOSSES, gr.SGD(gr.choice(0.3, 0.01, 0.001)), metrics=["mae"])
    held = X[:20], Y[:20]
    sweep = gr.Sweep(model, search="grid").fit(
        X[20:], Y[20:], epochs=5, validation_data=held, verbose=False
    )
    assert (sweep.monitor, sweep.mode) == ("val_mae", "min")
    errors = [
        np.abs(sweep.member_models(trial)[0].predict(held[0]) - held[1]).mean()
        for trial in sweep.ranking
    ]
    assert errors == sorted(errors)
    np.testing.assert_allclose([trial.score for trial in sweep.ranking], errors, rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "monitor", "words"),
    [
        ({"loss": LOSSES}, None, r"differ in loss .* metrics=\['accuracy'\], or metrics=\['mae'\]"),
        ({"loss": LOSSES, "metrics": ["mae"]}, "val_loss", r"write monitor='val_mae'\."),
        ({"loss": gr.losses.Huber(delta=gr.uniform(1, 2))}, "loss", r"differ in loss\.delta"),
        ({"loss": {"a": "mse", "b": LOSSES}}, "val_b_loss", r"differ in loss\.b"),
        ({"loss_weights": [1.0, gr.uniform(0, 1)]}, None, r"differ in loss_weights\.1"),
    ],
)
def test_losses_that_cannot_be_compared_are_rejected(settings, monitor, words):
    with pytest.raises(GradusError, match=words):
        choose_monitor(settings, monitor)


def test_a_custom_metric_can_be_called_a_loss():
    assert choose_monitor({"loss": LOSSES, "metrics": ["my_loss"]}, "val_my_loss") == "val_my_loss"


def test_the_sweep_rejects_them_before_training():
    with pytest.raises(GradusError, match="losses that cannot be compared"):
        gr.Sweep(gr.Model(gr.Dense(1), LOSSES), search="grid").fit(X, Y, verbose=False)


@pytest.mark.parametrize(
    "settings",
    [
        {"penalty": gr.L2(gr.log_uniform(1e-6, 1e-2))},
        {"net": gr.Sequential([gr.Dense(3, kernel_regularizer=gr.L1(gr.uniform(0, 0.1)))])},
    ],
    ids=["penalty", "regularizer"],
)
def test_losses_with_different_penalties_are_rejected(settings):
    for monitor in (None, "val_loss"):
        with pytest.raises(GradusError, match=r"cannot be compared.*write metrics=\['mse'\]"):
            choose_monitor({"loss": "mse", **settings}, monitor)
    assert choose_monitor({"loss": "mse", "metrics": ["mse"], **settings}, None) == "val_mse"


def test_a_loss_as_metric_excludes_penalties():
    net = gr.Sequential([gr.Dense(1)])
    penalty = gr.L2(gr.choice(0.0, 10.0))
    model = gr.Model(net, "mse", gr.SGD(0.0), metrics=["mse"], penalty=penalty)
    sweep = gr.Sweep(model, search="grid").fit(X, Y, epochs=1, verbose=False)
    scores = [trial.score for trial in sweep.trials]
    losses = [trial.metrics["val_loss"] for trial in sweep.trials]
    assert scores[0] == scores[1] == pytest.approx(losses[0])  # nothing was learned
    assert losses[1] > losses[0]
