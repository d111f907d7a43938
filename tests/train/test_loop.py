"""The host's side of training: plans, orders, pace, history and progress."""

import os
import signal

import jax
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.train import loop, training_program
from gradus.train.history import History
from gradus.train.progress import TrainingProgress

X = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32)


def model():
    net = gr.Sequential([gr.Dense(4, "relu"), gr.Dense(2, "softmax")])
    return gr.Model(net, "sparse_categorical_crossentropy", gr.Adam(0.01), ["accuracy"])


@pytest.mark.parametrize(("count", "batch"), [(50, 16), (48, 16), (5, 5), (7, 1), (3, 2)])
def test_an_order_is_a_permutation_of_the_rows_filled_up(count, batch):
    rows = np.arange(count) * 3
    config = training_program.FitConfig(4, batch, 0, 7)
    shape = training_program.program_shape(count, config, False)
    draw = training_program.SampleOrder(rows, shape, config)
    order = draw(0, 4)
    assert order.shape == (shape.max_epochs, -(-count // batch), batch)
    assert order.dtype == np.int32
    for epoch in order[:4].reshape(4, -1):
        assert sorted(epoch[:count]) == list(rows)
        assert set(epoch) <= set(rows)
    # An epoch's order depends on its number, not on the call in which it is drawn.
    draw.draw_ahead(3, 4)  # only epoch 3 is left
    np.testing.assert_array_equal(draw(2, 2)[:2], order[2:4])
    other_config = training_program.FitConfig(4, batch, 0, 8)
    other = training_program.SampleOrder(rows, shape, other_config)(0, 4)
    assert not np.array_equal(other[:4], order[:4])


def test_the_pace_grows_to_calls_of_half_a_second_and_no_further():
    pace = loop.EpochsPerCall(64)
    assert pace.epochs == 1
    pace.observe(1, 30.0)  # compiled
    assert pace.epochs == 1
    pace.observe(1, 0.001)
    assert pace.epochs == 8
    pace.observe(8, 0.008)
    assert pace.epochs == 64
    pace.observe(64, 64.0)
    assert pace.epochs == 1


@pytest.mark.slow
def test_a_listener_ends_training_and_all_listeners_are_called():
    def stop_at_3(model, epoch, logs):
        return epoch == 3

    seen = []
    history = model().fit(
        X, Y, epochs=9, probes=False, verbose=False,
        callbacks=[
            lambda m, epoch, logs: seen.append((epoch, logs["loss"], m.weights)), stop_at_3,
        ],
    )  # fmt: skip
    assert [epoch for epoch, _, _ in seen] == [1, 2, 3]
    assert history.stopped == "callback"
    assert (
        model().fit(X, Y, epochs=3, callbacks=stop_at_3, probes=False, verbose=False).stopped == ""
    )
    np.testing.assert_allclose([loss for _, loss, _ in seen], history["loss"])
    assert not np.array_equal(seen[0][2]["dense/kernel"], seen[2][2]["dense/kernel"])


@pytest.mark.slow
def test_callbacks_change_no_bit():
    plain, watched = model(), model()
    one = plain.fit(X, Y, epochs=5, probes=False, verbose=False)
    two = watched.fit(X, Y, epochs=5, probes=False, verbose=False, callbacks=[lambda *_: None])
    np.testing.assert_array_equal(one["loss"], two["loss"])
    jax.tree.map(np.testing.assert_array_equal, plain.weights, watched.weights)


def test_a_history_is_a_mapping_with_a_frame():
    history = History(["dense"], ["dense/kernel"])
    history.extend({"loss": np.array([3.0, 2.0, 0.0]), "confusion": np.ones((3, 2, 2))}, 2)
    history.extend({"loss": np.array([1.0]), "val_loss": np.array([5.0])}, 1)
    assert list(history) == ["loss", "confusion", "val_loss"]
    assert history.epochs == 3
    np.testing.assert_array_equal(history["loss"], [3, 2, 1])
    np.testing.assert_array_equal(history["val_loss"], [np.nan, np.nan, 5])
    assert history["confusion"].shape == (3, 2, 2)
    frame = history.frame()
    assert frame.columns == ["epoch", "loss", "val_loss"]
    assert frame["epoch"].to_list() == [1, 2, 3]
    with pytest.raises(GradusError, match="val_loss"):
        history["val_los"]
    assert "3 epochs" in repr(history)
    assert "no epochs" in repr(History())


@pytest.mark.slow
def test_trainings_of_different_kinds_join_in_one_history():
    m = model()
    m.fit(X, Y, epochs=2, batch_size=16, verbose=False)
    m.fit(X, Y, epochs=2, batch_size=None, validation_split=0.2, probes=False, verbose=False)
    history = m.fit(X, Y, epochs=2, batch_size=1, verbose=False)
    assert history.epochs == 6
    assert all(len(values) == 6 for values in history.values())
    assert np.isfinite(history["val_loss"]).tolist() == [False, False, True, True, False, False]
    assert {len(values) for values in history.probes.values()} == {6}
    assert history.frame().height == 6


@pytest.mark.slow
def test_plain_lines_say_epoch_numbers_and_rate(capsys):
    model().fit(X, Y, epochs=4)
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("epoch 4/4  ")
    for word in ("loss ", "accuracy ", "samples/s"):
        assert word in line
    assert "left" not in line
    model().fit(X, Y, epochs=1, probes=False, verbose=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_ctrl_c_ends_training_cleanly_and_keeps_what_was_learned():
    m = model()

    def press(m, epoch, logs):
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    history = m.fit(X, Y, epochs=50, probes=False, verbose=False, callbacks=[press])
    assert history.stopped == "interrupted"
    assert history.epochs in (2, 3)
    assert signal.getsignal(signal.SIGINT) is before
    assert m.fit(X, Y, epochs=1, probes=False, verbose=False).stopped == ""

    with TrainingProgress(False, 1, 1):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
