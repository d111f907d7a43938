"""Batch normalisation: learning faster, from almost any initial weights.

How large the initial weights are decides whether a deep network learns at all, as the lesson
`initialization` shows. Batch normalisation (Ioffe & Szegedy 2015) takes that worry away. Between
the sum z of a unit and its activation it puts

    ẑ = (z − μ) / √(σ² + ε)        y = γ ẑ + β

where μ and σ² are the mean and the variance of that unit's sums over the mini-batch. Whatever the
weights are, ẑ has mean 0 and variance 1. Weights ten times as large make z, μ and σ ten times as
large, and ẑ stays what it was. γ and β are learned, so that the network may undo it where that
helps. ε, here 0.001, only keeps the division finite.

After training there may be one sample only and no batch, so a running mean of μ and of σ², kept
while training, takes their place.

The authors claimed that training becomes faster, and depends less on the initial weights. Here the
deviation of the initial weights is changed over more than three powers of ten, with batch
normalisation and without.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import gradus as gr
from gradus.lessons.page import Page
from gradus.lessons.pictures import pictures

GOOD = 0.75  # of an accuracy: the network has learnt
FAST = 0.9


def lesson(
    page: Page,
    data: str = "digits",
    scales: int = 16,
    depth: int = 5,
    width: int = 50,
    epochs: int = 15,
    seed: int = 0,
) -> dict[str, float]:
    """Train with and without batch normalisation from weights of many scales.

    Args:
        page: where the results are shown.
        data: which pictures: "digits" or "mnist".
        scales: how many standard deviations of the initial weights, from 0.001 to 3.
        depth: how many hidden layers.
        width: units of each.
        epochs: how often each picture is seen.
        seed: of the pictures and the weights.

    Returns:
        The share of scales from which a network learns, and the epochs that it takes from the best
        scale to 90 % in training, without and with batch normalisation.
    """
    flat = pictures(data, seed).flat
    deviations = np.logspace(-3, 0.5, scales)
    accuracy, histories, numbers = {}, {}, dict[str, float]()
    for name, batch_norm in (("without", False), ("with", True)):
        # Initial weights are numbers, so that all scales are one program.
        models = gr.fit_all(
            [network(batch_norm, deviation, depth, width, seed) for deviation in deviations],
            *(flat.x[:3000], flat.y[:3000]),
            batch_size=64,
            epochs=epochs,
            probes=False,
        )
        accuracy[name] = np.array(
            [model.evaluate(flat.x_test, flat.y_test)["accuracy"] for model in models]
        )
        takes = [epochs_to(FAST, model.history["accuracy"], epochs) for model in models]
        histories[f"{name}, σ = {deviations[np.argmin(takes)]:.2g}"] = models[
            int(np.argmin(takes))
        ].history
        numbers[f"share_of_scales_{name}"] = float(np.mean(accuracy[name] > GOOD))
        numbers[f"epochs_to_90_percent_{name}"] = min(takes)
    page.figure(
        gr.figures.lines(
            {f"{name} batch norm": (deviations, values) for name, values in accuracy.items()},
            *("standard deviation of the initial weights", "accuracy on unseen pictures"),
            log="x",
        ),
        f"The accuracy on unseen pictures after {epochs} epochs, from initial weights of each "
        "scale. At 10 % a network has learnt nothing, or has diverged. With batch normalisation "
        "only the smallest scales fail, at which the variance of the sums is far below ε.",
    )
    page.figure(
        gr.figures.curves_of(histories, "accuracy"),
        "Learning from the scale that suits each best: with batch normalisation it is faster.",
    )
    page.table(
        [
            {"σ": deviation, **{f"accuracy {name}": accuracy[name][i] for name in accuracy}}
            for i, deviation in enumerate(deviations)
        ],
        "The first figure's numbers, without and with batch normalisation.",
    )
    return numbers


def network(batch_norm: bool, deviation: float, depth: int, width: int, seed: int) -> gr.Model:
    """Return a model with ReLU layers whose initial weights have a given standard deviation."""
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


def epochs_to(goal: float, accuracy: Sequence[float] | np.ndarray, most: int) -> int:
    """Return after how many epochs an accuracy is reached, or one more than the most."""
    reached = np.flatnonzero(np.asarray(accuracy) >= goal)
    return int(reached[0]) + 1 if len(reached) else most + 1
