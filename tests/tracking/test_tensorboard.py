"""Event files, read back by TensorBoard itself."""

import numpy as np
import pytest

import gradus as gr
from gradus.diagnosis.logs import read_log

accumulators = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard to read"
)


def read(folder):
    """The scalars, texts, and the names of the HParams page's settings in a folder."""
    from tensorboard.plugins.hparams import metadata

    events = accumulators.EventAccumulator(str(folder)).Reload()
    tags = events.Tags()
    scalars = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags["scalars"]}
    texts = {
        tag.removesuffix("/text_summary"): events.Tensors(tag)[0]
        .tensor_proto.string_val[0]
        .decode()
        for tag in tags["tensors"]
    }
    start = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    return scalars, texts, metadata.parse_session_start_info_plugin_data(start).hparams


@pytest.mark.slow
def test_a_training_is_in_the_folder_itself(train, tmp_path):
    history = train(gr.trackers.TensorBoard(tmp_path / "logs"))
    scalars, texts, settings = read(tmp_path / "logs")
    assert scalars.pop("epoch") == [(1, 1), (2, 2), (3, 3)]
    assert set(scalars) == {"loss", "val_loss", "mae", "val_mae", "learning_rate"}
    for name, points in scalars.items():
        assert points == [(n + 1, pytest.approx(value)) for n, value in enumerate(history[name])]
    assert "| optimizer.learning_rate | 0.1 |" in texts["settings"]
    assert texts["status"] == "finished"
    assert settings["optimizer.learning_rate"].number_value == 0.1
    assert settings["net.0"].string_value == "Dense(units=1)"
    assert all(finding.message in texts["findings"] for finding in history.findings)


def test_a_trial_is_in_a_folder_of_its_own(sweep, tmp_path):
    done = sweep("tensorboard")
    folders = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert folders == ["trial-0", "trial-1", "trial-2"]
    for trial in done.trials:
        scalars, _, settings = read(tmp_path / "logs" / f"trial-{trial.number}")
        mean = np.mean([history["val_loss"] for history in trial.histories], axis=0)
        assert [value for _, value in scalars["val_loss"]] == pytest.approx(mean)
        rate = trial.settings(done.hypers)["optimizer.learning_rate"]
        assert settings["optimizer.learning_rate"].number_value == rate


def test_gradus_reads_what_it_wrote(train, tmp_path):
    history = train(gr.trackers.TensorBoard(tmp_path))
    record = read_log(tmp_path)
    assert record.loss == pytest.approx(history["loss"])
    assert record.validation_loss == pytest.approx(history["val_loss"])
    assert record.epochs == 3


def test_gradus_reads_that_a_training_diverged(train, tmp_path):
    train(gr.trackers.TensorBoard(tmp_path), rate=1e30)
    assert read_log(tmp_path).stopped == "diverged"
    assert read(tmp_path)[1]["status"] == "diverged"


def test_epochs_that_a_resumed_training_repeats_are_there_once(tmp_path):
    tracker = gr.trackers.TensorBoard(tmp_path)
    for end in (3, 4):
        run = tracker.start("", {})
        for epoch in range(1, end):
            run.log(epoch, {"loss": 1 / epoch})
        run.end("finished", [])
    assert [step for step, _ in read(tmp_path)[0]["loss"]] == [1, 2, 3]


def test_a_folder_that_cannot_be_written_is_refused(train, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(gr.GradusError, match="cannot be written"):
        train(gr.trackers.TensorBoard(tmp_path / "file" / "logs"))
