"""Symptoms of networks that make samples: generators and autoencoders."""

import numpy as np
import pytest

import gradus as gr
from gradus.diagnosis.record import InputRecord, LayerRecord, Record, SettingsRecord
from gradus.diagnosis.symptoms import examine
from gradus.diagnosis.training import LayerTraining, TrainingRecord

X = np.random.default_rng(0).normal(0, 0.3, (480, 6)).astype(np.float32)
EPOCHS, RECORDS = 40, 12
NONE = np.zeros(0)


def codes(diagnosis):
    return [(finding.severity, finding.code) for finding in diagnosis]


def gan_record(right, lost, spread, samples=480):
    """Return the record of a GAN by its discriminator's accuracy, and its generator's loss."""
    curves = {"discriminator_accuracy": right, "generator_loss": lost}
    curves = {name: np.broadcast_to(values, EPOCHS) for name, values in curves.items()}
    losses, flat = np.full(EPOCHS, 2.0), np.zeros(RECORDS)
    made = LayerTraining(flat, flat, flat, flat, np.broadcast_to(spread, RECORDS))
    training = TrainingRecord(
        EPOCHS, "", losses, None, curves, losses, np.arange(1, RECORDS + 1),
        {"generator/dense": made}, {},
    )  # fmt: skip
    return Record(
        inputs=(InputRecord("x", samples, False, 0.0, 1.0, 1.0, 0.0, spread=2.0),),
        layers=(LayerRecord("generator/dense", "Dense", "linear", 2, 4, None, False),),
        settings=SettingsRecord("Adam", 0.01, 32, samples),
        training=training,
    )


def test_a_discriminator_that_always_wins_starves_its_generator():
    assert codes(examine(gan_record(1.0, 8.0, 1.5))) == [("fault", "gan-starved")]
    assert codes(examine(gan_record(1.0, 0.5, 1.5))) == [("note", "gan-starved")]
    # It wins at first, loses once at the end, or there were few steps.
    first = np.where(np.arange(EPOCHS) < 30, 1.0, 0.7)
    once = np.where(np.arange(EPOCHS) == 35, 0.9, 1.0)
    for right in (first, once, 0.95):
        assert codes(examine(gan_record(right, 8.0, 1.5))) == []
    assert codes(examine(gan_record(1.0, 8.0, 1.5, samples=100))) == []


def test_a_generator_of_one_sample_has_collapsed():
    falls = np.array([1.0] * 9 + [0.15] * 3)  # of 2, the deviation of the data
    (finding,) = examine(gan_record(0.5, 0.7, falls))
    assert (finding.severity, finding.code) == ("fault", "gan-collapse")
    assert finding.evidence["deviation / data's"]["value"] == pytest.approx(0.075)
    assert codes(examine(gan_record(0.5, 0.7, 0.15))) == [("note", "gan-collapse")]
    recovers = np.array([1.0] * 9 + [0.15, 0.15, 0.4])
    for spread in (recovers, 0.3, np.nan):
        assert codes(examine(gan_record(0.5, 0.7, spread))) == []


@pytest.mark.slow
def test_a_sound_gan_has_no_finding():
    net = gr.mlp([16, 2], "relu"), gr.mlp([16, 1])
    gan = gr.GAN(*net, code=4, optimizer=gr.Adam(0.01, beta_1=0.5))
    gan.fit(X[:, :2], epochs=40, verbose=False)
    assert codes(gan.diagnose()) == []
