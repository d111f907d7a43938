"""Batch normalization: faster learning from almost any initial weights.

The size of the initial weights decides whether a deep network learns at all, as the lesson
`initialization` shows. With batch normalization (Ioffe & Szegedy 2015), it matters far less.
Between the weighted sum z of a unit and its activation, it inserts

    ẑ = (z − μ) / √(σ² + ε)        y = γ ẑ + β

where μ and σ² are the mean and the variance of that unit's sums over the mini-batch. ε, here 0.001,
avoids a division by zero. As long as σ² is far above ε, ẑ has mean 0 and variance 1, whatever the
weights are: weights ten times as large make z, μ, and σ ten times as large, and ẑ stays the same. γ
and β are learned, so that the network can undo the normalization where that helps. Only the pace
still depends on the scale: the larger the weights, the less a step of the same length changes ẑ.

After training, there may be a single sample and no batch. Running means of μ and of σ², collected
during training, then take their place.

The authors claimed that training becomes faster and depends less on the initial weights. Here the
standard deviation of the initial weights varies over more than three orders of magnitude, with and
without batch normalization.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    accuracy, diverged, histories, numbers = {}, {}, {}, dict[str, float]()
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
        diverged[name] = [m.history.epochs for m in models if m.history.stopped == "diverged"]
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
        f"Accuracy on unseen images after {epochs} epochs, by the scale of the initial weights. "
        f"{on_failures(deviations, accuracy, diverged, flat.x[:3000])}",
    )
    page.figure(
        gr.figures.curves_of(histories, "accuracy"),
        f"Training from the scale that is the first to reach {GOAL:.0%}: "
        + ", ".join(
            f"{name} batch normalization "
            + (f"after {taken} epochs" if taken <= epochs else f"not within {epochs} epochs")
            for name, taken in (
                (name, numbers[f"epochs_to_90_percent_{name}"]) for name in accuracy
            )
        )
        + ".",
    )
    page.table(
        [
            {"σ": deviation, **{f"accuracy {name}": accuracy[name][i] for name in accuracy}}
            for i, deviation in enumerate(deviations)
        ],
        "The numbers of the first figure, without and with batch normalization.",
    )
    return numbers


def on_failures(
    deviations: np.ndarray,
    accuracy: Mapping[str, np.ndarray],
    diverged: Mapping[str, Sequence[int]],
    x: np.ndarray,
) -> str:
    """Say from which scales networks learn, and why they do not from others."""
    text = ""
    for name, shares in accuracy.items():
        learned = deviations[shares > LEARNED]
        within = f", between {learned.min():.2g} and {learned.max():.2g}" if len(learned) else ""
        text += (
            f"{name.capitalize()} batch normalization, {len(learned)} of {len(deviations)} "
            f"networks exceed {LEARNED:.0%}{within}. "
        )
        if epochs := diverged[name]:
            text += (
                f"{len(epochs)} diverged, and such a network keeps the weights from before the "
                "epoch in which it did"
            )
            text += ": here the initial ones. " if max(epochs) == 1 else ". "
    if "with" in accuracy and accuracy["with"][0] <= LEARNED:
        variance = deviations[0] ** 2 * x.var(axis=0).sum()
        text += (
            f"From σ = {deviations[0]:.2g}, it does not help: the sums in the first layer have a "
            f"variance of {variance:.1g}, and ε is 0.001. "
        )
    return text.strip()


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
