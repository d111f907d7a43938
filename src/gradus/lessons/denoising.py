"""The denoising autoencoder: to reconstruct is to understand.

An autoencoder whose code has more numbers than the image has pixels can simply copy. It then
reconstructs everything and has learned nothing. Instead of making the code small, we can make the
task hard: give the autoencoder a noisy image and ask for the clean one (Vincent et al. 2008):

    x → x + noise → encoder → code → decoder → x̂
    loss: how far x̂ is from x

The noise is different each time an image is shown, so there is nothing to memorize. The network can
remove it only by using how pixels are related: a stroke continues, a loop closes. So the code must
hold strokes and loops, not single pixels.

That has two uses. The first is the obvious one: noisy images become clean. The second is the code.
When only a few images have labels, a simple classifier does better on codes of strokes than on
copies of pixels. The experiment compares plain and denoising autoencoders, which differ only in the
noise and train side by side in one program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

import gradus as gr
from gradus.lessons.images import Images, load_images
from gradus.lessons.page import Page
from gradus.lessons.stacked_autoencoder import labeled_rows


def lesson(
    page: Page,
    data: str = "digits",
    samples: int = 5_000,
    units: int = 256,
    level: float = 0.5,
    per_class: int = 3,
    seeds: int = 4,
    draws: int = 5,
    epochs: int = 60,
    seed: int = 0,
) -> dict[str, float]:
    """Train autoencoders with and without noise, clean up digits, and classify their codes.

    Args:
        page: the page to show the results on.
        data: the images, "digits" or "mnist".
        samples: maximum number of training images.
        units: the length of the code.
        level: the standard deviation of the noise; a pixel is between 0 and 1.
        per_class: number of labeled digits per class.
        seeds: number of autoencoders of each kind.
        draws: number of random selections of labeled digits.
        epochs: number of epochs.
        seed: seed of the first autoencoder; the others use the seeds that follow.

    Returns:
        The mean squared error of noisy digits and of their reconstructions, and the mean accuracy
        of a classifier with few labels on codes and on pixels.
    """
    images = load_images(data).flat
    x = images.x[:samples]
    page.text(
        f"There are {len(x):,} digits of {x.shape[1]} pixels between 0 and 1. The codes have "
        f"{units} numbers, and the noise has a standard deviation of {level:g}."
    )
    kinds = {"plain": 0.0, "denoising": level}
    models = {
        (kind, each): gr.DenoisingAutoencoder(
            [units], noise="gaussian", level=noise, code_activation="relu", seed=each
        )
        for kind, noise in kinds.items()
        for each in range(seed, seed + seeds)
    }
    gr.fit_all(list(models.values()), x, epochs=epochs, probes=False)
    shown = models["denoising", seed]
    noisy = shown.add_noise(images.x_test, seed=1)
    errors = {"noisy": mean_squared_error(noisy, images.x_test)}
    for kind in kinds:
        errors[kind] = mean_squared_error(models[kind, seed].reconstruct(noisy), images.x_test)
    page.figure(
        gr.figures.reconstructions(shown, images.x_test, noisy),
        "Unseen digits, the same with noise, and the denoising autoencoder's reconstructions.",
    )
    page.table(
        [{"": name, "error": error} for name, error in errors.items()],
        "The mean squared error per pixel of noisy digits, and of their reconstructions by each "
        "autoencoder. The plain one copies the noise.",
    )
    for kind in kinds:
        page.figure(
            gr.figures.filters(models[kind, seed], "encoder/dense"),
            f"Weights of some units of the {kind} autoencoder: blue is positive, orange negative. "
            + ("They look as random as at the start." if kind == "plain" else "Strokes appear."),
        )
    encoders_of: dict[str, list[Any]] = {kind: [] for kind in kinds}
    for (kind, _), model in models.items():
        encoders_of[kind].append(model.encode)
    encoders_of["pixels"] = [np.asarray]
    scores = {
        name: float(
            np.mean([few_labels(images, encode, per_class, draws, samples) for encode in encoders])
        )
        for name, encoders in encoders_of.items()
    }
    page.table(
        [{"": name, "accuracy": score} for name, score in scores.items()],
        f"Accuracy on unseen digits of a logistic regression with {per_class} labels per class, on "
        f"the codes of either autoencoder and on the pixels, averaged over {seeds} autoencoders "
        f"and {draws} selections of labels.",
    )
    return {f"error_{name}": error for name, error in errors.items()} | {
        f"{name}_accuracy": score for name, score in scores.items()
    }


def few_labels(
    images: Images, encode: Callable[[Any], Any], per_class: int, draws: int, samples: int
) -> float:
    """Return the mean accuracy of logistic regressions trained on a few labeled images."""
    train, test = encode(images.x[:samples]), encode(images.x_test)
    scores = []
    for draw in range(draws):
        rows = labeled_rows(images.y[:samples], per_class, draw)
        classifier = LogisticRegression(max_iter=1000).fit(train[rows], images.y[rows])
        scores.append(classifier.score(test, images.y_test))
    return float(np.mean(scores))


def mean_squared_error(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean squared difference of two arrays."""
    return float(np.mean((a - b) ** 2))
