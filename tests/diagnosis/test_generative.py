"""Symptoms of networks that make samples: generators and autoencoders."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import energy_distance

import gradus as gr
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import (
    GeneratedRecord,
    InputRecord,
    LayerRecord,
    OutputRecord,
    SettingsRecord,
    TargetRecord,
)
from gradus.diagnosis.references.generated import generated_record
from gradus.diagnosis.symptoms import examine
from gradus.diagnosis.training import LayerTraining, TrainingRecord
from gradus.models.inputs.training_data import make_training_data

X = np.random.default_rng(0).normal(0, 0.3, (480, 6)).astype(np.float32)
EPOCHS, RECORDS = 40, 12


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
    sound = trained_gan(0.003)
    assert codes(sound.diagnose()) == []
    assert sound.record.generated.distance < 0.1
    (fault,) = trained_gan(1e-5).diagnose().faults
    assert fault.code == "rate-low"
    assert "as far from the data as the data's mean" in fault.why  # a GAN's loss has no constant


def trained_gan(rate):
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 1024)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) + rng.normal(0, 0.05, (1024, 2))
    net = gr.mlp([32, 32, 2], "relu"), gr.mlp([32, 32, 1], "leaky_relu")
    gan = gr.GAN(*net, code=4, optimizer=gr.Adam(rate, beta_1=0.5))
    gan.fit(ring, epochs=100, batch_size=128, verbose=False)
    return gan


def test_the_distance_of_samples_is_that_of_scipy():
    rng = np.random.default_rng(1)
    data, made = rng.normal(size=(300, 1)), rng.normal(0.5, 2.0, size=(300, 1))
    found = generated_record(data, made)
    # SciPy's distance is the root of half of it, for one column, without the correction for equals.
    wanted = 2 * energy_distance(data[:, 0], made[:, 0]) ** 2
    constant = 2 * energy_distance(data[:, 0], [data.mean()]) ** 2
    assert found.distance == pytest.approx(wanted / constant, abs=0.02)
    assert abs(found.normal) < 0.03
    assert generated_record(data, data[:50]).distance == pytest.approx(0, abs=0.05)
    assert generated_record(data[:20], made) is None
    assert generated_record(np.ones((300, 1)), made) is None
    assert generated_record(data, np.full((9, 1), np.nan)) is None
    images = generated_record(rng.normal(size=(100, 20, 20, 1)), rng.normal(size=(100, 20, 20, 1)))
    assert images.distance < 0.1


@pytest.mark.parametrize(
    ("distance", "epochs", "found"),
    [(0.6, 40, "underfitting"), (1.0, 40, "underfitting"), (0.6, 9, "too-few-epochs")],
)
def test_samples_farther_than_those_of_a_normal_distribution_are_told(distance, epochs, found):
    made = gan_record(0.8, 0.7, 1.5)
    training = dataclasses.replace(made.training, epochs=epochs)
    made = dataclasses.replace(made, training=training)
    assert codes(examine(made)) == []
    for normal, expected in ((0.05, [("fault", found)]), (0.6, [])):
        judged = dataclasses.replace(made, generated=GeneratedRecord(distance, normal))
        assert codes(examine(judged)) == expected


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (gr.Autoencoder([8, 6]), ["identity-learned"]),
        (gr.Autoencoder([20], code_activation="tanh"), ["identity-learned"]),
        (gr.Autoencoder([8, 5]), []),
        (gr.Autoencoder([8, 6], code_activation="tanh"), []),
        (gr.Autoencoder([2, 8]), []),  # a narrow place before the code
        (gr.Autoencoder([20], sparsity=0.01), []),
        (gr.Autoencoder([20], penalty=gr.L2(1e-4)), []),
        (gr.DenoisingAutoencoder([20]), []),
        (gr.Autoencoder(gr.Sequential([gr.Dropout(0.3), gr.Dense(9)]), gr.Dense(6)), []),
        (gr.VariationalAutoencoder([8], code=6, loss="mse"), []),
    ],
)
def test_a_code_that_is_no_bottleneck_is_noted(model, expected):
    diagnosis = model.check(X)
    assert [each.code for each in diagnosis if each.code != "hidden-linear"] == expected


def autoencoder_record(path, spread=1.0, silent=0.0, loss=0.1, variance=1.0):
    """Return the record of an autoencoder whose code layer has some statistics."""
    flat = np.zeros(RECORDS)
    made = LayerTraining(flat, flat, flat, flat + silent, np.broadcast_to(spread, RECORDS))
    losses = np.full(EPOCHS, loss)
    training = TrainingRecord(
        EPOCHS, "", losses, None, {}, losses, np.arange(1, RECORDS + 1), {path: made}, {}
    )
    targets = TargetRecord(480, -1, 1, 0.0, 1.0, {"mean_squared_error": variance})
    output = OutputRecord("output", None, "linear", "", (6,), "mean_squared_error", None,
                          "values", {}, targets)  # fmt: skip
    layers = [
        LayerRecord(name, "Dense", "relu", units, 6, None, False)
        for name, units in (("encoder/dense", 3), ("code/mean", 2), ("decoder/dense", 6))
        if name == path or name != "code/mean"
    ]
    return Record(
        outputs=(output,),
        layers=tuple(layers),
        settings=SettingsRecord("Adam", 0.01, 32, 480),
        training=training,
    )


def test_a_code_that_is_the_same_for_all_samples_says_nothing():
    assert codes(examine(autoencoder_record("code/mean", 0.02, loss=1.0))) == [
        ("fault", "dead-code")
    ]
    assert codes(examine(autoencoder_record("code/mean", 0.02))) == [("note", "dead-code")]
    ends = np.array([0.02] * 11 + [0.2])
    for spread in (1.0, ends):
        assert codes(examine(autoencoder_record("code/mean", spread))) == []


def test_units_of_a_code_that_are_always_zero_are_noted():
    assert codes(examine(autoencoder_record("encoder/dense", silent=0.67))) == [
        ("note", "dead-code")
    ]
    assert codes(examine(autoencoder_record("encoder/dense", silent=0.34))) == []


def test_the_loss_of_a_variational_autoencoder_is_compared_with_that_of_a_constant():
    model = gr.VariationalAutoencoder([4], code=2, loss="mse")
    data = make_training_data(X, None)
    record = model.prepare_task(data)[1]
    half_sum = 0.5 * X.var(axis=0).sum()
    assert record.outputs[0].constant_loss == pytest.approx(half_sum, rel=1e-5)
    weighted = gr.Model(gr.mlp([4, 1]), "mse", loss_weights=3.0)
    record = weighted.prepare_task(make_training_data(X, X[:, 0] * X[:, 1]))[1]
    assert record.outputs[0].constant_loss == pytest.approx(3 * (X[:, 0] * X[:, 1]).var(), rel=1e-5)
