"""The learning rate: the one number to get right first.

Gradient descent takes a step against the gradient, and the learning rate η sets its length:

    w ← w − η g

If η is far too small, training creeps and ends before it gets anywhere. A larger η makes everything
faster, up to a limit: when a step overshoots the bottom of the valley by more than the distance it
started from, every step makes things worse, and the loss diverges. On a parabola `L = ½ k w²`, the
gradient is `k w`, a step turns w into `(1 − η k) w`, and the limit is `η = 2/k`. The best rates lie
below it, within a factor of ten or so.

Nobody knows k for a network, but you can simply try learning rates, evenly spaced on a logarithmic
scale: 1e-4, 1e-3, 1e-2, … Here all of them are trained at once in one program: the learning rate is
an input of the program, so many rates are the same program with one more axis.

The range test (Smith 2017) is cheaper still: a single short training run during which the rate
grows step by step until the loss diverges. Shortly before that, the loss is lowest, and the rate
there is near the largest that works. So the test suggests a tenth of it: a careful rate to start
with, not the best one.
"""

from __future__ import annotations

import numpy as np

import gradus as gr
from gradus.lessons.images import load_images
from gradus.lessons.page import Page


def lesson(
    page: Page,
    data: str = "digits",
    trials: int = 19,
    samples: int = 1300,
    epochs: int = 10,
    seed: int = 0,
) -> dict[str, float]:
    """Train a network at many learning rates at once.

    Args:
        page: the page to show the results on.
        data: the images, "digits" or "mnist".
        trials: number of rates, from 1e-5 to 1e4.
        samples: number of training images.
        epochs: number of epochs.
        seed: seed of the initial weights, which are the same for every rate.

    Returns:
        The best rate, the accuracy on unseen images with the best, the smallest, and the largest
        rate, the rate that the range test suggests, and the one at which its loss is lowest.
    """
    flat = load_images(data, seed).flat
    x, y = flat.x[:samples], flat.y[:samples]
    rates = np.geomspace(1e-5, 1e4, trials)
    models = gr.fit_all(
        [network(rate, seed) for rate in rates],
        x,
        y,
        epochs=epochs,
        validation_data=(flat.x_test, flat.y_test),
        probes=False,
    )
    losses = np.array([model.history["val_loss"][-1] for model in models])
    accuracies = np.array([model.history["val_accuracy"][-1] for model in models])
    best = int(np.nanargmin(np.where(np.isfinite(losses), losses, np.nan)))
    page.table(
        [
            {"learning rate": float(f"{rate:.2g}"), "loss": loss, "accuracy": share}
            for rate, loss, share in zip(rates, losses, accuracies, strict=True)
        ],
        f"Loss and accuracy on unseen images after {epochs} epochs. Best rate: {rates[best]:.2g}.",
    )
    figure = gr.figures.lines({"loss": (rates, losses)}, "learning rate", "loss", log="xy")
    figure.add_vline(x=rates[best], line={"width": 1, "dash": "dot"})
    page.figure(
        figure, "The loss on unseen images by learning rate: creeping, learning, diverging."
    )
    histories = {
        f"η = {rates[index]:.2g}": models[index].history
        for index in sorted(
            {0, max(best - 4, 0), max(best - 2, 0), best, min(best + 2, trials - 1)}
        )
    }
    page.figure(
        gr.figures.curves_of(histories, "val_accuracy"),
        "Accuracy by epoch: at the best rate, and at rates below and above it.",
    )
    range_test = network(0.01, seed).find_learning_rate(x, y, lowest=1e-4, highest=1e2)
    near = int(np.abs(np.log(rates / range_test.suggestion)).argmin())
    page.figure(
        gr.figures.range_test(range_test),
        "A range test: one short training run while the rate grows. The running mean of the loss "
        f"is lowest at {10 * range_test.suggestion:.2g}, and the test suggests a tenth of that, "
        f"{range_test.suggestion:.2g}. In the table, the best rate is {rates[best]:.2g}, with an "
        f"accuracy of {accuracies[best]:.1%}; at {rates[near]:.2g}, the rate nearest to the "
        f"suggestion, it is {accuracies[near]:.1%}.",
    )
    return {
        "best_rate": float(rates[best]),
        "accuracy_best": float(accuracies[best]),
        "accuracy_smallest": float(accuracies[0]),
        "accuracy_largest": float(accuracies[-1]),
        "suggested_rate": range_test.suggestion,
        "rate_of_lowest_loss": 10 * range_test.suggestion,
    }


def network(rate: float, seed: int) -> gr.Model:
    """Create a ten-class classifier to train with plain gradient descent."""
    return gr.Model(
        gr.mlp([32, 10], "relu", "softmax"),
        loss="sparse_categorical_crossentropy",
        optimizer=gr.SGD(rate),
        metrics=["accuracy"],
        seed=seed,
    )
