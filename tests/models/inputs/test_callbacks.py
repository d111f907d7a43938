"""Callbacks: functions, and objects in Keras's form, such as Keras's own."""

import os

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)


def fit(callbacks, epochs=3, **settings):
    model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse", gr.SGD(0.01))
    model.fit(X, X[:, 0], epochs=epochs, callbacks=callbacks, verbose=False, **settings)
    return model


class Recorder:
    def __init__(self):
        self.calls = []

    def on_train_begin(self, logs):
        self.calls.append(("begin", logs))

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append((epoch, logs["loss"]))

    def on_train_end(self, logs=None):
        self.calls.append(("end", self.model))


class Stop:
    def on_epoch_end(self, epoch, logs):
        self.model.stop_training = epoch == 1


class OldForm:
    def on_epoch_end(self, logs):
        raise AssertionError("training must not begin")


def test_an_object_is_called_as_in_keras():
    recorder, calls = Recorder(), []
    model = fit([recorder, lambda model, epoch, logs: calls.append((epoch, logs["loss"]))])
    losses = model.history["loss"].tolist()
    expected = [*enumerate(losses)]
    assert recorder.calls == [("begin", {}), *expected, ("end", model)]
    assert calls == [(epoch + 1, loss) for epoch, loss in expected]  # functions count from 1


def test_a_callback_ends_the_training():
    model = fit(Stop(), epochs=9)
    assert (model.history.epochs, model.history.stopped) == (2, "callback")
    model.fit(X, X[:, 0], epochs=2, verbose=False)  # the next training is not ended
    assert (model.history.epochs, model.history.stopped) == (4, "")
    assert fit(lambda model, epoch, logs: epoch == 2, epochs=9).history.epochs == 2


@pytest.mark.parametrize(
    ("callbacks", "words"),
    [
        (OldForm(), r"callbacks\[0\] is OldForm.on_epoch_end\(logs\), .* two arguments"),
        ([Recorder], r"callbacks\[0\] is the class Recorder: write Recorder\(…\)"),
    ],
)
def test_a_callback_of_another_form_is_told_before_training(callbacks, words):
    with pytest.raises(GradusError, match=words):
        fit(callbacks)


def test_a_learning_rate_changed_within_a_training_is_told():
    def slower(model, epoch, logs):
        model.learning_rate = 0.001

    with pytest.raises(GradusError, match=r"counts from the next fit on.*a schedule"):
        fit(slower)


@pytest.mark.slow
def test_callbacks_of_keras_work(tmp_path):
    os.environ.setdefault("KERAS_BACKEND", "jax")
    callbacks = pytest.importorskip("keras").callbacks
    lines = callbacks.CSVLogger(tmp_path / "log.csv")
    patience = callbacks.EarlyStopping("loss", min_delta=10, patience=2)
    model = fit([lines, patience, callbacks.TerminateOnNaN()], epochs=9)
    assert (model.history.epochs, model.history.stopped) == (3, "callback")
    table = np.genfromtxt(tmp_path / "log.csv", delimiter=",", names=True)
    np.testing.assert_allclose(table["loss"], model.history["loss"], rtol=1e-6)
    for theirs, here in [
        (callbacks.ModelCheckpoint(tmp_path / "w.keras"), 'checkpoint="run"'),
        (callbacks.EarlyStopping(restore_best_weights=True), "patience=5"),
    ]:
        with pytest.raises(GradusError, match=f"needs a model of Keras. Here it is .*{here}"):
            fit(theirs)
    assert any("TerminateOnNaN has on_batch_end, never called" in n for n in model.history.notes)


def test_the_epoch_that_diverges_has_a_number_of_its_own():
    seen = []
    model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse", gr.SGD(1e9))
    calls = [lambda model, epoch, logs: seen.append(epoch)]
    model.fit(X, X[:, 0], epochs=30, callbacks=calls, probes=False, verbose=False)
    assert model.history.stopped == "diverged"
    assert seen == list(range(1, len(seen) + 1))
