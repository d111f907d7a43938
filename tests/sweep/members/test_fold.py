"""A fold's validation batches: what weighs its samples."""

import numpy as np
import pytest

import gradus as gr

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
Y = (X[:, 0] > 0.4).astype(np.int32)


def val_losses(**weights):
    net = gr.Sequential([gr.Dense(2, "softmax")])
    model = gr.Model(net, "sparse_categorical_crossentropy", gr.SGD(gr.choice(0.0, 1e-12)))
    sweep = gr.Sweep(model, search="grid", cv=3)
    sweep.fit(X, Y, epochs=1, probes=False, verbose=False, **weights)
    return [trial.score for trial in sweep.trials]


def test_class_weights_count_in_training_only():
    plain = val_losses()
    assert val_losses(class_weight={0: 1.0, 1: 9.0}) == pytest.approx(plain, rel=1e-6)
    weight = np.where(Y == 1, 9.0, 1.0)
    weighted = val_losses(sample_weight=weight)
    assert weighted != pytest.approx(plain, rel=1e-3)
    both = val_losses(sample_weight=weight, class_weight={0: 5.0, 1: 1.0})
    assert both == pytest.approx(weighted, rel=1e-6)
