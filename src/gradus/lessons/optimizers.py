"""Optimisers: how each of them goes down.

All begin with the gradient g, and differ in what they remember of earlier ones.

* **SGD** remembers nothing: `w ← w − η g`.
* **Momentum** remembers a velocity, `v ← μ v + g`, `w ← w − η v`. What points to and fro from step
  to step cancels, what stays the same adds up. **Nesterov**'s looks at the slope where the velocity
  is about to take it.
* **Adagrad** divides by the root of the sum of all squared gradients, each weight by its own, so
  that weights with small gradients get steps as long. Its steps only ever shrink. **RMSprop** and
  **Adadelta** forget old squares and so go on.
* **Adam** does both: a mean of the gradients over the root of a mean of their squares, each
  corrected for having begun at zero. AdamW adds weight decay, Nadam Nesterov's look ahead, Adamax
  takes the largest gradient instead of the root. RAdam's first steps are momentum's, until it
  knows the squares well enough, so that a ravine's edge holds for its rate too.
* **Lion** steps by η in each weight, up or down, whatever the gradient's size. **Muon** turns a
  matrix of momenta into the nearest orthogonal one; where there is no matrix it is Nadam.
* **L-BFGS** estimates the curvature from its last steps, and searches along a line. It needs the
  exact loss, of all samples, in every step.

A ravine shows the difference best. It is steep across and nearly flat along: `f = ½ (x² + 50 y²)`.
A rate that suits the flat direction is far too large for the steep one: for plain descent η must
stay below 2/50, and along x each step then leaves at least 96 % of the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.page import Page
from gradus.lessons.pictures import pictures

STEEP = 50.0  # times as steep across the ravine as along it
START = (-8.0, 1.0)
# Each with the learning rate that suits it on the ravine.
RULES: dict[str, Any] = {
    "SGD": gr.SGD(0.036),
    "momentum": gr.SGD(0.02, momentum=0.8),
    "Nesterov": gr.SGD(0.02, momentum=0.8, nesterov=True),
    "Adagrad": gr.Adagrad(1.5),
    "Adadelta": gr.Adadelta(200.0),
    "RMSprop": gr.RMSprop(0.1),
    "Adam": gr.Adam(0.5),
    "AdamW": gr.AdamW(0.5),
    "Adamax": gr.Adamax(0.5),
    "Nadam": gr.Nadam(0.5),
    "RAdam": gr.RAdam(0.036),
    "Lion": gr.Lion(0.08),
    "Muon": gr.Muon(0.5),
    "L-BFGS": gr.LBFGS(),
}
RATES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # that are tried on pictures


def ravine(point: Any) -> Any:
    """Return ½ (x² + 50 y²) of a point `(..., 2)`."""
    return 0.5 * (point[..., 0] ** 2 + STEEP * point[..., 1] ** 2)


def lesson(
    page: Page,
    data: str = "digits",
    names: Sequence[str] = tuple(RULES),
    steps: int = 100,
    samples: int = 1280,
    epochs: int = 10,
    seed: int = 0,
) -> dict[str, float]:
    """Let every optimiser go down a ravine, then train a network with each.

    Args:
        page: where the results are shown.
        data: which pictures: "digits" or "mnist".
        names: which optimisers.
        steps: down the ravine.
        samples: how many pictures are learnt from.
        epochs: how often each is seen.
        seed: of the weights and of the order of samples.

    Returns:
        For each optimiser the height that is left of the ravine, and how many unseen pictures are
        right at the best of five learning rates.
    """
    paths = {name: gr.descend(ravine, START, RULES[name], steps) for name in names}
    heights = {name: ravine(path) for name, path in paths.items()}
    for part in (names[: len(names) // 2], names[len(names) // 2 :]):
        page.figure(
            gr.figures.paths(ravine, {n: paths[n] for n in part}, (-9, 4), (-1.5, 1.5)),
            f"{steps} steps down the ravine, each optimiser at a rate that suits it there.",
        )
    page.figure(
        gr.figures.lines(
            {name: np.maximum(height, 1e-8) for name, height in heights.items()},
            *("step", "height"),
            log="y",
        ),
        "The height above the ravine's lowest place.",
    )
    histories = {}
    rows: list[dict[str, Any]] = []
    for name in names:
        history, rate = best_on_pictures(name, data, samples, epochs, seed)
        histories[name] = history
        rows.append(
            {
                "optimizer": name,
                "height after the ravine": float(heights[name][-1]),
                "best rate": f"{rate:g}",
                "accuracy": float(history["val_accuracy"][-1]),
            }
        )
    page.table(
        rows,
        f"What is left of the ravine after {steps} steps, and right answers on unseen pictures "
        f"after {epochs} epochs, at the best of five learning rates.",
    )
    page.figure(gr.figures.curves_of(histories, "val_loss"), "The same trainings, epoch by epoch.")
    page.text(
        "L-BFGS makes one step an epoch, with all samples, where the others make one for each 32. "
        "No order among the optimisers here is more than this network's and these pictures'."
    )
    left = {f"height_{row['optimizer']}": row["height after the ravine"] for row in rows}
    return left | {f"accuracy_{row['optimizer']}": row["accuracy"] for row in rows}


def best_on_pictures(name: str, data: str, samples: int, epochs: int, seed: int) -> Any:
    """Return the best training with an optimiser at several rates, side by side, and its rate."""
    flat = pictures(data, seed).flat
    rule = type(RULES[name])
    options = {"momentum": {"momentum": 0.9}, "Nesterov": {"momentum": 0.9, "nesterov": True}}
    models = gr.fit_all(
        [network(rule(rate, **options.get(name, {})), seed) for rate in RATES],
        *(flat.x[:samples], flat.y[:samples]),
        batch_size=None if rule.full_batch else 32,
        epochs=epochs,
        validation_data=(flat.x_test, flat.y_test),
        probes=False,
    )
    losses = [model.history["val_loss"][-1] for model in models]
    best = int(np.argmin(np.where(np.isfinite(losses), losses, np.inf)))
    return models[best].history, RATES[best]


def network(optimizer: Any, seed: int) -> gr.Model:
    """Return a classifier of ten classes."""
    return gr.Model(
        gr.mlp([32, 10], "relu", "softmax"),
        loss="sparse_categorical_crossentropy",
        optimizer=optimizer,
        metrics=["accuracy"],
        seed=seed,
    )
