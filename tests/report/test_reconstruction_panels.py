"""An autoencoder's report shows samples beside their reconstructions, or the worst columns."""

import numpy as np
import pytest

import gradus as gr
from gradus.report.reconstruction_panels import generated_panels, reconstruction_panels
from gradus.report.report_builder import build_report

RNG = np.random.default_rng(0)


def test_columns_are_ordered_by_the_share_of_their_variance_that_is_lost():
    x = RNG.normal(size=(50, 3)) * [1, 10, 100] + [0, 5, 0]
    outputs = np.stack([x[:, 0], np.full(50, x[:, 1].mean()), 0.5 * x[:, 2]], axis=1)
    (panel,) = reconstruction_panels(x, outputs, columns=["exact", "mean", "half"])
    (shown,) = panel.figure.data
    half = 0.25 * (x[:, 2] ** 2).mean() / x[:, 2].var()
    assert list(shown.customdata) == ["mean", "half", "exact"]
    assert list(shown.x) == pytest.approx([1.0, half, 0.0])
    constant = np.concatenate([x, np.ones((50, 1))], axis=1)
    (panel,) = reconstruction_panels(constant[:, None], constant[:, None] * 0)
    assert "column 4" not in panel.figure.data[0].customdata


def test_images_are_shown_first_and_worst():
    x = RNG.uniform(size=(30, 64))
    outputs = x.copy()
    outputs[20] = 0
    outputs[25] /= 2
    first, worst = reconstruction_panels(x, outputs)
    assert (first.title, worst.title) == ("Reconstructions", "Worst reconstructions")
    drawn = np.array(worst.figure.data[0].z, float)
    for place, row in enumerate((20, 25)):
        np.testing.assert_allclose(drawn[:8, 9 * place : 9 * place + 8], x[row].reshape(8, 8))
    assert worst.figure.layout.yaxis.ticktext == ("input", "output")
    names = [f"a{number}" for number in range(64)]
    assert [panel.title for panel in reconstruction_panels(x, outputs, None, names)] == [
        "Columns by what is lost"
    ]
    assert reconstruction_panels({"a": x}, {"a": x}) == []


def test_the_report_of_a_denoising_autoencoder_has_the_noise_too():
    x = RNG.uniform(size=(12, 64)).astype(np.float32)
    coder = gr.DenoisingAutoencoder([4]).build(x)
    report = build_report(coder, x)
    assert report.metrics["test"].keys() == {"loss"}
    assert report.figures[0].figure.layout.yaxis.ticktext == ("input", "noisy", "output")


def test_generated_samples_stand_beside_the_data(rng):
    data, samples = rng.normal(size=(30, 3)), rng.normal(size=(20, 3))
    (panel,) = generated_panels(data, samples)
    assert [(points.name, len(points.x)) for points in panel.figure.data] == [
        ("data", 20), ("generated", 20),
    ]  # fmt: skip
    pictures = rng.uniform(size=(50, 64))
    (panel,) = generated_panels(pictures, pictures[:30])
    assert "below them two of generated samples" in panel.caption
    assert generated_panels(data[:, :1], samples[:, :1]) == []
    assert generated_panels({"a": data}, samples) == []


def test_the_report_of_a_gan_shows_samples(rng):
    gan = gr.GAN(gr.mlp([2]), gr.mlp([1]), code=2)
    gan.build(rng.normal(size=(8, 2)))
    report = build_report(gan, rng.normal(size=(8, 2)))
    assert [panel.title for panel in report.figures] == ["Generated samples"]
