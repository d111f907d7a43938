"""Batch normalization: faster learning from almost any initial weights.

The size of the initial weights decides whether a deep network learns at all, as the lesson
`initialization` shows. Batch normalization (Ioffe & Szegedy 2015) removes that worry. Between the
weighted sum z of a unit and its activation, it inserts

    ẑ = (z − μ) / √(σ² + ε)        y = γ ẑ + β

where μ and σ² are the mean and the variance of that unit's sums over the mini-batch. Whatever the
weights are, ẑ has mean 0 and variance 1. Weights ten times as large make z, μ, and σ ten times as
large, and ẑ stays the same. γ and β are learned, so that the network can undo the normalization
where that helps. ε, here 0.001, only avoids a division by zero.

After training, there may be a single sample and no batch. Running means of μ and of σ², collected
during training, then take their place.

The authors claimed that training becomes faster and depends less on the initial weights. Here the
standard deviation of the initial weights varies over more than three orders of magnitude, with and
without batch normalization.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import gradus as gr
from gradus.lessons.images import load_images
from gradus.lessons.page import Page

LEARNED = 0.75  # the test accuracy of a network that has learned
GOAL = 0.9  # the training accuracy to reach


def lesson(
    page: Page,
    data: str = "digits",
    scales: int = 16,
    depth: int = 5,
    width: int = 50,
    epochs: int = 15,
    seed: int = 0,
) -> dict[str, float]:
    """Train from initial weights of many scales, with and without batch normalization.

    Args:
        page: the page to show the results on.
        data: the images, "digits" or "mnist".
        scales: number of standard deviations of the initial weights, from 0.001 to 3.
        depth: number of hidden layers.
        width: number of units in each.
        epochs: number of epochs.
        seed: seed of the images and of the weights.

    Returns:
        The share of scales from which a network learns, and the epochs to 90% training accuracy
        from the best scale, without and with batch normalization.
    """
    flat = load_images(data, seed).flat
    deviations = np.logspace(-3, 0.5, scales)
    accuracy, histories, numbers = {}, {}, dict[str, float]()
    for name, batch_norm in (("without", False), ("with", True)):
        # Initial weights are numbers, so all scales train in one program.
        models = gr.fit_all(
            [network(batch_norm, deviation, depth, width, seed) for deviation in deviations],
            flat.x[:3000],
            flat.y[:3000],
            batch_size=64,
            epochs=epochs,
            probes=False,
        )
        accuracy[name] = np.array(
            [model.evaluate(flat.x_test, flat.y_test)["accuracy"] for model in models]
        )
        epochs_taken = [epochs_to(GOAL, model.history["accuracy"], epochs) for model in models]
        histories[f"{name}, σ = {deviations[np.argmin(epochs_taken)]:.2g}"] = models[
            int(np.argmin(epochs_taken))
        ].history
        numbers[f"share_of_scales_{name}"] = float(np.mean(accuracy[name] > LEARNED))
        numbers[f"epochs_to_90_percent_{name}"] = min(epochs_taken)
    page.figure(
        gr.figures.lines(
            {f"{name} batch norm": (deviations, values) for name, values in accuracy.items()},
            "standard deviation of the initial weights",
            "accuracy on unseen images",
            log="x",
        ),
        f"Accuracy on unseen images after {epochs} epochs, by the scale of the initial weights. At "
        "10%, a network has learned nothing or has diverged. With batch normalization, only the "
        "smallest scales fail, where the variance of the sums is far below ε.",
    )
    page.figure(
        gr.figures.curves_of(histories, "accuracy"),
        "Training from the best scale of each: with batch normalization, it is faster.",
    )
    page.table(
        [
            {"σ": deviation, **{f"accuracy {name}": accuracy[name][i] for name in accuracy}}
            for i, deviation in enumerate(deviations)
        ],
        "The numbers of the first figure, without and with batch normalization.",
    )
    return numbers


def network(batch_norm: bool, deviation: float, depth: int, width: int, seed: int) -> gr.Model:
    """Create a model with ReLU layers and initial weights of a given standard deviation."""
    return gr.Model(
        gr.mlp(
            [width] * depth + [10],
            output_activation="softmax",
            batch_norm=batch_norm,
            kernel_initializer=gr.initializers.RandomNormal(0.0, float(deviation)),
        ),
        loss="sparse_categorical_crossentropy",
        optimizer=gr.SGD(0.1),
        metrics=["accuracy"],
        seed=seed,
    )


def epochs_to(goal: float, accuracy: Sequence[float] | np.ndarray, limit: int) -> int:
    """Return the number of epochs to reach an accuracy, or the limit plus one if it is not."""
    reached = np.flatnonzero(np.asarray(accuracy) >= goal)
    return int(reached[0]) + 1 if len(reached) else limit + 1
