"""Linear regression: a line fitted step by step.

The smallest model that learns is one unit with one weight and one bias. Its output is a number,

    ŷ = w x + b

and it is good if its outputs are close to the true values. The mean squared error measures that
over all n samples:

    L(w, b) = 1/n Σ (ŷ − y)²

Every pair `(w, b)` has a loss, so the loss is a landscape over a plane, here a smooth bowl. The
gradient is the direction in which the loss rises most steeply. Gradient descent takes a small step
in the opposite direction, again and again; the learning rate η sets the size of the step:

    w ← w − η ∂L/∂w,   ∂L/∂w = 2/n Σ (ŷ − y) x
    b ← b − η ∂L/∂b,   ∂L/∂b = 2/n Σ (ŷ − y)

For a line there is also a formula that gives the lowest point directly, least squares (Legendre
1805, Gauss 1809). Nobody needs gradient descent here, and that makes it a good place to watch it
work: it must arrive at the same point. For networks with many layers there is no such formula, and
small steps are all we have.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

import gradus as gr
from gradus.lessons.page import Page


def lesson(
    page: Page, samples: int = 40, epochs: int = 400, rate: float = 0.1, seed: int = 0
) -> dict[str, float]:
    """Fit a line to the length of a spring, by gradient descent and by least squares.

    Args:
        page: the page to show the results on.
        samples: number of measurements.
        epochs: steps of gradient descent, each on all measurements.
        rate: the learning rate η.
        seed: seed of the measurements and of the initial weights.

    Returns:
        The weight and the bias of both fits, and the larger of the two differences.
    """
    rng = np.random.default_rng(seed)
    load = rng.uniform(0, 3, (samples, 1)).astype(np.float32)  # kg
    length = (2 * load + 5 + rng.normal(0, 0.5, load.shape)).astype(np.float32)  # cm
    page.text(
        f"A spring is 5 cm long and stretches by 2 cm per kilogram of load. We measure its length "
        f"{samples} times, with errors of about half a centimeter. Can we recover the length and "
        "the stiffness from these measurements?"
    )

    path: list[Any] = []  # (w, b) after each step

    def record(model: gr.Model, epoch: int, logs: Any) -> None:
        path.append([model.weights["dense/kernel"][0, 0], model.weights["dense/bias"][0]])

    model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse", gr.SGD(rate), seed=seed).build(load)
    record(model, 0, None)
    model.fit(
        load,
        length,
        batch_size=None,
        epochs=epochs,
        callbacks=[record],
        verbose=False,
    )
    (w, b), (slope, intercept) = path[-1], np.polyfit(load[:, 0].astype(float), length[:, 0], 1)

    def loss(point: Any) -> Any:
        return jnp.mean((point[0] * load + point[1] - length) ** 2)

    steps = [step for step in (0, 1, 2, 5, 10, 50, epochs) if step <= epochs]
    page.table(
        [
            *({"": f"step {n}", "w": path[n][0], "b": path[n][1], "loss": loss(path[n])}
              for n in steps),
            {"": "least squares", "w": slope, "b": intercept, "loss": loss((slope, intercept))},
        ],
        "Weight (cm per kg), bias (cm), and loss (cm²) during training, and from the formula.",
    )  # fmt: skip
    surface = gr.figures.paths(loss, {"gradient descent": path}, y_range=(-1, 8))
    surface.update_layout(title_text="The loss landscape and the path down")
    surface.update_xaxes(title_text="weight w (cm per kg)")
    surface.update_yaxes(title_text="bias b (cm)")
    page.figure(
        surface,
        "Lines of equal loss. The path leads from the ring to the dot: first steeply down into the "
        "valley, then more and more slowly along its floor, where the slope is small.",
    )
    ends = np.array([0.0, 3.0])
    lines = {f"step {n}": (ends, path[n][0] * ends + path[n][1]) for n in (0, 2, 10, epochs)}
    figure = gr.figures.lines(lines, "load (kg)", "length (cm)", title="The line during training")
    figure.add_scatter(
        x=load[:, 0], y=length[:, 0], mode="markers", name="measured", marker={"color": "#616E7C"}
    )
    page.figure(figure, "The measurements, and the unit's line after some of the steps.")
    return {
        "weight": float(w),
        "bias": float(b),
        "least_squares_weight": float(slope),
        "least_squares_bias": float(intercept),
        "difference": float(max(abs(w - slope), abs(b - intercept))),
    }
