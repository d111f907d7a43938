"""The learning rate: the one number to get right first.

Gradient descent takes a step against the gradient, and the learning rate η says how long it is:

    w ← w − η g

If η is far too small, training creeps and ends before it has arrived. As η grows all goes faster,
up to an edge: where a step overshoots the valley by more than it was away from its floor, each step
makes things worse, and the loss blows up. On a parabola `L = ½ k w²` the gradient is `k w`, a step
makes `(1 − η k) w` of w, and the edge is at `η = 2/k`. The best rates lie below it, within a factor
of ten or so.

Nobody knows k for a network, but rates can simply be tried, evenly spaced on a logarithmic scale:
1e-4, 1e-3, 1e-2, … Here all of them are trained at once, as one program: the learning rate is a
number that goes into it, so twenty rates are the same program with one axis more.

Cheaper still is the range test (Smith 2017): a single short training during which the rate grows
step by step, until the loss blows up.
"""

from __future__ import annotations

import numpy as np

import gradus as gr
from gradus.lessons.page import Page
from gradus.lessons.pictures import pictures


def lesson(
    page: Page,
    data: str = "digits",
    trials: int = 19,
    samples: int = 1300,
    epochs: int = 10,
    seed: int = 0,
) -> dict[str, float]:
    """Train one network at many learning rates at once.

    Args:
        page: where the results are shown.
        data: which pictures: "digits" or "mnist".
        trials: how many rates are tried, from 1e-5 to 1e4.
        samples: how many pictures are learnt from.
        epochs: how often each is seen.
        seed: of the weights, which are the same at each rate.

    Returns:
        The best rate, how many unseen pictures are right at it, at the smallest and at the largest,
        and the rate that the range test suggests.
    """
    flat = pictures(data, seed).flat
    x, y = flat.x[:samples], flat.y[:samples]
    rates = np.geomspace(1e-5, 1e4, trials)
    models = gr.fit_all(
        [network(rate, seed) for rate in rates],
        *(x, y),
        epochs=epochs,
        validation_data=(flat.x_test, flat.y_test),
        probes=False,
    )
    losses = np.array([model.history["val_loss"][-1] for model in models])
    right = np.array([model.history["val_accuracy"][-1] for model in models])
    best = int(np.nanargmin(np.where(np.isfinite(losses), losses, np.nan)))
    page.table(
        [
            {"learning rate": f"{rate:.2g}", "loss": loss, "accuracy": share}
            for rate, loss, share in zip(rates, losses, right, strict=True)
        ],
        f"After {epochs} epochs, on unseen pictures. The best: {rates[best]:.2g}.",
    )
    shown = gr.figures.lines({"loss": (rates, losses)}, "learning rate", "loss", log="xy")
    shown.add_vline(x=rates[best], line={"width": 1, "dash": "dot"})
    page.figure(shown, "The loss on unseen pictures by rate: creeping, learning, blowing up.")
    chosen = {
        f"η = {rates[index]:.2g}": models[index].history
        for index in sorted(
            {0, max(best - 4, 0), max(best - 2, 0), best, min(best + 2, trials - 1)}
        )
    }
    page.figure(
        gr.figures.curves_of(chosen, "val_accuracy"),
        "Right answers by epoch: at the best rate, below and above it.",
    )
    found = network(0.01, seed).find_learning_rate(x, y, lowest=1e-4, highest=1e2)
    page.figure(
        gr.figures.range_test(found),
        "A range test: one short training while the rate grows. It suggests "
        f"{found.suggestion:.2g}.",
    )
    return {
        "best_rate": float(rates[best]),
        "accuracy_best": float(right[best]),
        "accuracy_smallest": float(right[0]),
        "accuracy_largest": float(right[-1]),
        "suggested_rate": found.suggestion,
    }


def network(rate: float, seed: int) -> gr.Model:
    """Return a classifier of ten classes that is trained at a rate by plain gradient descent."""
    return gr.Model(
        gr.mlp([32, 10], "relu", "softmax"),
        loss="sparse_categorical_crossentropy",
        optimizer=gr.SGD(rate),
        metrics=["accuracy"],
        seed=seed,
    )
