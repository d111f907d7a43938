"""A metric that is never a number is said to be that; it is neither divergence nor stagnation."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.objectives.metrics import needs_of
from gradus.report.sweeps import scored

X = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
Y = (X[:, :1] > 0).astype(int)
QUIET = {"probes": False, "verbose": False}
ONE_CLASS = np.random.default_rng(1).normal(size=(10, 4)), np.ones((10, 1), int)


def model(rate=0.01):
    return gr.Model(gr.Dense(1, "sigmoid"), "binary_crossentropy", gr.Adam(rate), metrics=["auc"])


def test_early_stopping_does_not_count_epochs_without_a_number():
    history = model().fit(
        X, Y, epochs=6, validation_data=ONE_CLASS, monitor="val_auc", patience=2, **QUIET
    )
    assert (history.epochs, history.stopped, history.best_epoch) == (6, "", 0)
    assert np.isnan(history["val_auc"]).all()
    assert history.notes[1:] == [  # after the note on classes that validation lacks
        "val_auc is not a number in any epoch: it needs samples of both classes; no epoch is "
        "better than another by it, so early stopping did not act"
    ]


def test_a_metric_that_is_not_monitored_is_told_too_and_one_that_exists_is_not():
    history = model().fit(X, Y, epochs=2, validation_data=ONE_CLASS, **QUIET)
    assert history.notes[1:] == [  # after the note on classes that validation lacks
        "val_auc is not a number in any epoch: it needs samples of both classes"
    ]
    assert model().fit(X, Y, epochs=2, validation_split=0.2, **QUIET).notes == []


def test_a_sweep_says_that_the_score_does_not_exist_and_not_that_trials_diverged():
    sweep = gr.Sweep(model(gr.choice(1e-3, 1e-2)), search="grid")
    sweep.fit(X, Y, epochs=2, validation_data=ONE_CLASS, verbose=False)
    assert [trial.status for trial in sweep.trials] == ["finished", "finished"]
    with pytest.raises(GradusError, match="val_auc is not a number, as it needs samples of both"):
        sweep.best  # noqa: B018
    with pytest.raises(GradusError, match="val_auc is not a number"):
        scored(sweep)


def test_diverged_trials_are_said_to_have_diverged():
    net = gr.Model(gr.Dense(1), "mse", gr.SGD(gr.choice(1e30, 1e31)))
    sweep = gr.Sweep(net, search="grid").fit(X, X[:, :1], epochs=3, verbose=False)
    with pytest.raises(GradusError, match=r"\(2 diverged; .*Lower the learning rates"):
        sweep.best  # noqa: B018


def test_needs_are_found_by_the_name_in_a_history():
    assert needs_of("val_left_auc") == needs_of("auc") == "samples of both classes"
    assert needs_of("val_loss") == needs_of("accuracy") == needs_of("myauc") == ""
