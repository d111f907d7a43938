"""`gr.repair`: what helps is recommended, with its gain, and can be applied at once."""

import types

import numpy as np
import pytest

import gradus as gr
from gradus.errors import DataError

RNG = np.random.default_rng(1)
X = RNG.normal(size=(240, 3)).astype(np.float32)
Y = X[:, :1] * 300 + 900


def regression(optimizer):
    net = gr.Sequential([gr.Dense(8, "tanh"), gr.Dense(1)])
    made = gr.Model(net, "mse", optimizer)
    made.fit(X, Y, epochs=20, verbose=False)
    return made


@pytest.mark.slow
def test_the_repaired_model_predicts_in_units_and_is_better():
    broken = regression(gr.Adam(0.001))
    found = gr.repair(broken, X, Y)
    assert found.helped
    assert next(change.where for change in found.changes) == "y"
    assert found.diff().startswith("- y = y\n+ y = (y - y.mean(0)) / y.std(0)")
    assert found.model.evaluate(X, Y)["loss"] < 0.5 * broken.evaluate(X, Y)["loss"]
    assert found.model.predict(X).mean() == pytest.approx(900, rel=0.1)
    assert found.model.record.training.layers
    assert found.model.history.probes["gradient"].shape[0] == 20
    frame = found.frame()
    assert frame["helps"][0]
    assert frame["seeds"][0] == 3
    assert (frame["as_it_is"] - frame["error"])[0] > 2 * frame["noise"][0]
    assert 1 < found.trainings < 12 + 4
    assert "Repair: scaled targets" in repr(found)
    again = gr.repair(broken, X, Y)
    assert again.diff() == found.diff()
    np.testing.assert_array_equal(again.model.predict(X), found.model.predict(X))


def test_a_sound_model_has_nothing_to_mend():
    y = X[:, :1] + X[:, 1:2]
    sound = gr.Model(gr.Sequential([gr.Dense(8, "tanh"), gr.Dense(1)]), "mse", gr.Adam(0.02))
    sound.fit(X, y, epochs=40, verbose=False)
    found = gr.repair(sound, X, y)
    assert not found.helped
    assert (found.model, found.changes, found.settings, found.diff()) == (None, (), {}, "")
    assert "nothing was tried" in repr(found)
    assert found.frame().height == 0


def test_labels_that_the_inputs_do_not_tell_are_no_setting_s_fault():
    labels = np.random.default_rng(5).integers(0, 2, 240)
    net = gr.Sequential([gr.Dense(32, "relu"), gr.Dense(2, "softmax")])
    lost = gr.Model(net, "sparse_categorical_crossentropy", gr.Adam(0.05), metrics=["accuracy"])
    lost.fit(X, labels, epochs=60, validation_split=0.2, verbose=False, probes=False)
    assert "labels-shuffled" in [each.code for each in lost.diagnose()]
    found = gr.repair(lost, X, labels, budget=1, seeds=2)
    assert not found.helped
    assert any("labels are never changed" in note for note in found.notes)


def test_bad_arguments_are_refused():
    with pytest.raises(gr.GradusError, match=r"trained gr\.Model, not list"):
        gr.repair(["model"], X, Y)
    with pytest.raises(
        gr.GradusError, match=r"gradus repair runs/v in a shell.*gr\.load\('runs/v'\)"
    ):
        gr.repair("runs/v", X, Y)
    unfitted = gr.Model(gr.Dense(1), "mse")
    with pytest.raises(gr.GradusError, match="repair: the model was never trained"):
        gr.repair(unfitted, X, Y)
    with pytest.raises(gr.GradusError, match=r"not SimpleNamespace: give its \.model\."):
        gr.repair(types.SimpleNamespace(model=unfitted), X, Y)  # as a run has one
    trained = gr.Model(gr.Dense(1), "mse")
    trained.fit(X, Y, epochs=1, verbose=False)
    with pytest.raises(gr.GradusError, match="seeds"):
        gr.repair(trained, X, Y, seeds=1)
    with pytest.raises(gr.GradusError, match="budget"):
        gr.repair(trained, X, Y, budget=0)
    with pytest.raises(DataError):
        gr.repair(trained, X, Y[:-1])


def test_data_that_the_model_cannot_be_trained_on_are_refused():
    """Else a remedy would fit the network to labels that are one too high."""
    labels = np.arange(240) % 3
    net = gr.Sequential([gr.Dense(8, "tanh"), gr.Dense(3, "softmax")])
    trained = gr.Model(net, "sparse_categorical_crossentropy", gr.SGD(500.0))
    trained.fit(X, labels, epochs=2, verbose=False)
    for diagnose in (gr.repair, trained.diagnose):
        model = () if diagnose == trained.diagnose else (trained,)
        with pytest.raises(DataError, match="Subtract 1: write y - 1"):
            diagnose(*model, X, labels + 1)
        with pytest.raises(DataError, match=r"needs targets: give y, as in fit\(x, y\)"):
            diagnose(*model, X)
        with pytest.raises(gr.GradusError, match=r"x has samples of shape \(2,\)"):
            diagnose(*model, X[:, :2], labels)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["diverged", "symmetric-weights"])
def test_fit_repairs_what_it_had_to_end(fault):
    y = X[:, :1] + X[:, 1:2]
    drawn = "zeros" if fault == "symmetric-weights" else "glorot_uniform"
    net = gr.Sequential([gr.Dense(8, "relu", kernel_initializer=drawn), gr.Dense(1)])
    made = gr.Model(net, "mse", gr.SGD(100.0 if fault == "diverged" else 0.05))
    made.fit(X, y, epochs=30, on_fault="repair", verbose=False)
    assert made.evaluate(X, y)["loss"] < 0.2 * y.var()
    assert any("repaired" in note for note in made.history.notes)
    assert made.history.stopped == ""
    assert made.predict(X).shape == (240, 1)


@pytest.mark.slow
def test_an_autoencoder_is_repaired_and_stays_one():
    codes = RNG.normal(size=(160, 2))
    x = np.tanh(codes @ RNG.normal(size=(2, 6))).astype(np.float32)
    broken = gr.Autoencoder([8, 2], optimizer=gr.SGD(1e-5))
    broken.fit(x, epochs=15, verbose=False)
    found = gr.repair(broken, x, budget=1, seeds=2)
    assert found.helped
    assert isinstance(found.model, gr.Autoencoder)
    assert found.model.encode(x).shape == (160, 2)
    assert found.model.evaluate(x)["loss"] < broken.evaluate(x)["loss"]
    # The inputs are the targets, so they are not scaled, and the code keeps its width.
    assert not {change.where for change in found.changes} & {"x", "encoder/dense_1.units"}


def test_a_model_whose_network_is_not_known_before_is_not_repaired():
    words = r"A gr\.StackedAutoencoder has no other trainings"
    model = gr.StackedAutoencoder([2])
    model.fit(X, epochs=1, verbose=False)
    with pytest.raises(gr.GradusError, match=words):
        gr.repair(model, X)
