"""The denoising autoencoder: to restore is to understand.

An autoencoder whose code has more numbers than the picture has pixels can simply copy. It then
restores everything and has learnt nothing. Instead of making the code small one can make the task
hard: give it a noisy picture and ask for the clean one (Vincent et al. 2008):

    x → x + noise → encoder → code → decoder → x̂        the loss: how far x̂ is from x

The noise is drawn anew each time a picture is seen, so that there is nothing to learn by heart.
What can be restored at all is restored from how pixels hang together: a stroke goes on, a loop
closes. So the code must hold strokes and loops, and not single pixels.

That has two uses. One is the obvious one: noisy pictures become clean. The other is the code. Where
only a few pictures have labels, a simple classifier does better on codes of strokes than on copies
of pixels. Plain and denoising autoencoders are compared below; they differ in nothing but the
noise, and are trained side by side, as one program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

import gradus as gr
from gradus.lessons.page import Page
from gradus.lessons.pictures import Pictures, pictures
from gradus.lessons.stacked_autoencoder import labelled


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
    """Train autoencoders with and without noise; restore digits, and read them by their codes.

    Args:
        page: where the results are shown.
        data: which pictures: "digits" or "mnist".
        samples: how many of them at most.
        units: the length of the code.
        level: the standard deviation of the noise; a pixel is between 0 and 1.
        per_class: how many digits of each class have a label.
        seeds: how many autoencoders of each kind.
        draws: how often the digits with a label are drawn.
        epochs: how often each picture is seen.
        seed: of the first autoencoder; the others count on from it.

    Returns:
        The error of noisy digits before and after restoring, the mean square of a pixel; and the
        mean accuracy of a classifier on codes, and on pixels, with few labels.
    """
    found = pictures(data).flat
    x = found.x[:samples]
    page.text(
        f"{len(x):,} digits of {x.shape[1]} pixels, codes of {units} numbers, and noise with a "
        f"standard deviation of {level:g}, where a pixel is between 0 and 1."
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
    noisy = shown.add_noise(found.x_test, seed=1)
    errors = {"noisy": distance(noisy, found.x_test)}
    for kind in kinds:
        errors[kind] = distance(models[kind, seed].reconstruct(noisy), found.x_test)
    page.figure(
        gr.figures.reconstructions(shown, found.x_test, noisy),
        "Unseen digits, the same with noise, and what the denoising autoencoder makes of these.",
    )
    page.table(
        [{"": name, "error": error} for name, error in errors.items()],
        "How far noisy digits are from clean ones as they are, and after each autoencoder, in the "
        "mean square of a pixel. The plain one copies the noise.",
    )
    for kind in kinds:
        page.figure(
            gr.figures.filters(models[kind, seed], "encoder/dense"),
            f"What units of the {kind} autoencoder look for: blue is for, orange against. "
            + ("They look as random as at the start." if kind == "plain" else "Strokes appear."),
        )
    views: dict[str, list[Any]] = {kind: [] for kind in kinds}
    for (kind, _), model in models.items():
        views[kind].append(model.encode)
    views["pixels"] = [np.asarray]
    scores = {
        name: float(np.mean([few_labels(found, view, per_class, draws, samples) for view in each]))
        for name, each in views.items()
    }
    page.table(
        [{"": name, "accuracy": score} for name, score in scores.items()],
        f"Accuracy on unseen digits of a logistic regression with {per_class} labels of each kind, "
        f"on the codes of either autoencoder and on the pixels: the mean of {seeds} autoencoders "
        f"and {draws} draws of labels.",
    )
    return {f"error_{name}": error for name, error in errors.items()} | {
        f"{name}_accuracy": score for name, score in scores.items()
    }


def few_labels(
    found: Pictures, view: Callable[[Any], Any], per_class: int, draws: int, samples: int
) -> float:
    """Return the mean accuracy of logistic regressions on a view of a few labelled pictures."""
    seen, unseen = view(found.x[:samples]), view(found.x_test)
    scores = []
    for draw in range(draws):
        rows = labelled(found.y[:samples], per_class, draw)
        judge = LogisticRegression(max_iter=1000).fit(seen[rows], found.y[rows])
        scores.append(judge.score(unseen, found.y_test))
    return float(np.mean(scores))


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the mean square of the difference of two arrays."""
    return float(np.mean((one - other) ** 2))
