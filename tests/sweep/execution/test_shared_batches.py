"""Sweeps on rows that are read in parts: each batch is read once, for all trials."""

import numpy as np
import polars as pl
import pytest

import gradus as gr
from gradus.data.streaming import parquet_rows, split_rows
from gradus.errors import DataError, GradusError
from gradus.sweep.execution import shared_batches
from gradus.sweep.execution.local import Local


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("rows") / "rows.parquet"
    x = rng.normal(size=(300, 2))
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x @ [2.0, -1.0]}).write_parquet(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_rows, "_check_files", lambda *_: [])  # faster
        return gr.data.stream(path, "y").split(0.2)


def model(rate, seed=3):
    return gr.Model(gr.Dense(1), "mse", gr.SGD(rate), seed=seed)


FIT = {"batch_size": 32, "epochs": 3, "probes": False, "verbose": False}


def test_trials_share_what_is_read_and_equal_trainings_alone(rows, monkeypatch):
    training, held_out = rows
    epochs, epoch = [], split_rows.RowBatches.epoch

    def counted(batches, number):
        epochs.append(number)
        return epoch(batches, number)

    sweep = gr.Sweep(model(gr.choice(0.001, 0.1)), search="grid", seeds=2)
    monkeypatch.setattr(split_rows.RowBatches, "epoch", counted)
    sweep.fit(training, validation_data=held_out, **FIT)
    assert epochs == [0, 0, 1, 2]  # the first one is of the rows held out
    monkeypatch.setattr(split_rows.RowBatches, "epoch", epoch)
    alone = model(0.1)
    history = alone.fit(training, validation_data=held_out, **FIT)
    same = next(m for m in sweep.member_models(sweep.trials[1]) if m.seed == 3)
    assert sweep.best_settings == {"optimizer.learning_rate": 0.1}
    np.testing.assert_array_equal(same.weights["kernel"], alone.weights["kernel"])
    np.testing.assert_array_equal(same.history["val_loss"], history["val_loss"])

    # Those that do not fit into memory together are trained one after another.
    monkeypatch.setattr(shared_batches.memory, "free_bytes", lambda: 1 << 24)
    monkeypatch.setattr(shared_batches, "STATE_MULTIPLE", 1 << 18)
    monkeypatch.setattr(split_rows.RowBatches, "epoch", counted)
    epochs.clear()
    narrow = gr.Sweep(model(gr.choice(0.001, 0.1)), search="grid")
    narrow.fit(training, validation_data=held_out, **FIT)
    assert epochs == [0, 0, 1, 2, 0, 1, 2]
    scores = [trial.scores[0] for trial in narrow.trials]
    assert scores == [trial.scores[0] for trial in sweep.trials]


def test_trials_that_ctrl_c_stops_keep_their_whole_epochs(rows, monkeypatch, tmp_path):
    """Two of three, which equal trainings as long; resumed, they are trained to their end."""

    def pressed(members, epoch, pool, train=shared_batches._train_epoch):
        if epoch == 2:
            raise KeyboardInterrupt
        train(members, epoch, pool)

    def swept():
        sweep = gr.Sweep(
            model(gr.choice(0.001, 0.1)), search="grid", seed=0, storage=tmp_path / "sweep.db"
        )
        return sweep.fit(rows[0], validation_data=rows[1], **FIT)

    with monkeypatch.context() as patch:
        patch.setattr(shared_batches, "_train_epoch", pressed)
        sweep = swept()
    assert sweep.interrupted
    assert [(trial.status, trial.epochs) for trial in sweep.trials] == [("stopped", 2)] * 2
    assert sweep.best_settings == {"optimizer.learning_rate": 0.1}
    alone = model(0.1, seed=sweep.best.seed)
    alone.fit(rows[0], validation_data=rows[1], **{**FIT, "epochs": 2})
    np.testing.assert_array_equal(sweep.best.weights["kernel"], alone.weights["kernel"])
    assert [(trial.status, trial.epochs) for trial in swept().trials] == [("finished", 3)] * 2
    sweep = gr.Sweep(model(gr.choice(0.001, 0.1)), search="grid")
    monkeypatch.setattr(shared_batches, "_train_epoch", lambda *_: pressed(None, 2, None))
    with pytest.raises(KeyboardInterrupt):  # before any epoch, nothing is known
        sweep.fit(rows[0], **FIT)


def test_rows_are_held_out_and_encoded_as_all(rows):
    whole = rows[0].encoded_by(rows[0].preprocessor())
    trained = model(0.1)
    trained.fit(whole, validation_split=0.25, **FIT)
    others, held_out = whole.hold_out(0.25, 0)
    expected = trained.evaluate(held_out)["loss"]
    assert trained.history["val_loss"][-1] == pytest.approx(expected, rel=1e-5)
    assert len(others) + len(held_out) == len(whole)
    assert held_out.encoding == whole.encoding
    sweep = gr.Sweep(model(gr.choice(0.1)), search="grid", seed=0)
    sweep.fit(whole, validation_split=0.25, **FIT)
    assert sweep.trials[0].score == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "fitting", "message"),
    [
        ({"cv": 3}, {}, "cv=3 needs all rows in memory, .* validation_data score the trials"),
        ({}, {"batch_size": gr.choice(8, 16)}, "batch_size = .* so it has one value: write that"),
        ({}, {"groups": [1, 2]}, "groups=.* needs all rows in memory"),
        ({"fuse": True}, {}, "fuse=True needs all rows in memory"),
        ({"executor": Local(width=2)}, {}, 'leave it out, or write "local" or Local'),
    ],
)
def test_what_needs_all_rows_is_named(rows, options, fitting, message):
    sweep = gr.Sweep(model(gr.choice(0.001, 0.1)), **options)
    with pytest.raises(GradusError, match=message):
        sweep.fit(rows[0], **{**FIT, **fitting})


def test_a_fault_of_a_trial_is_its_own(rows):
    optimizers = gr.choice({"sgd": gr.SGD(0.1), "lbfgs": gr.LBFGS()}, name="by")
    sweep = gr.Sweep(gr.Model(gr.Dense(1), "mse", optimizers), search="grid")
    sweep.fit(rows[0], validation_data=rows[1], **FIT)
    assert [trial.status for trial in sweep.trials] == ["finished", "failed"]
    assert "needs all samples at once" in sweep.trials[1].error


class Samples:
    """Numbered samples, like those of PyTorch's `Dataset`."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return X[index], X[index]


X = np.ones((8, 2), np.float32)
BATCH = [(X, X)]


@pytest.mark.parametrize(
    ("x", "validation", "message"),
    [
        (lambda: iter(BATCH), None, r"x \(a function\) gives samples in its own way"),
        (iter(BATCH), None, r"x \(a list_iterator\) .*: x, y = map\(np.concatenate, zip"),
        (Samples(), None, r"x \(a Samples\) .*: x, y = map\(np.stack, zip"),
        (X, lambda: iter(BATCH), r"validation_data \(a function\)"),
    ],
)
def test_samples_that_come_in_their_own_way_are_refused(x, validation, message):
    with pytest.raises(DataError, match=message):
        gr.Sweep(model(gr.choice(0.1))).fit(x, X, validation_data=validation, verbose=False)
