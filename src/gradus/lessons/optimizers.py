"""Optimizers: how each of them descends.

All optimizers start from the gradient g. They differ in what they remember of earlier gradients.

* **SGD** remembers nothing: `w ← w − η g`.
* **Momentum** remembers a velocity, `v ← μ v + g`, `w ← w − η v`. Components that alternate from
  step to step cancel; those that stay the same add up. **Nesterov** momentum evaluates the slope at
  the point to which the velocity is about to lead.
* **Adagrad** divides each weight's gradient by the root of the sum of its squared gradients, so
  weights with small gradients get equally long steps. Its steps can only shrink. **RMSprop** and
  **Adadelta** forget old squares and so keep going.
* **Adam** combines both: a mean of the gradients divided by the root of a mean of their squares,
  each corrected for having started at zero. AdamW adds weight decay, Nadam adds Nesterov's look
  ahead, and Adamax uses the largest gradient instead of the root. RAdam's first steps are those of
  momentum, until it knows the squares well enough. So a steep ravine limits its learning rate too,
  and at such a rate its later steps, like Adam's never much longer than η, are short.
* **Lion** moves each weight up or down by η, whatever the size of the gradient. **Muon** replaces a
  matrix of momenta with the nearest orthogonal matrix; for weights that are not a matrix, it is
  Nadam.
* **L-BFGS** estimates the curvature from its last steps and searches along a line. It needs the
  exact loss over all samples in every step.

A ravine shows the difference best. It is steep across and nearly flat along: `f = ½ (x² + 50 y²)`.
A learning rate that suits the flat direction is far too large for the steep one: in plain gradient
descent, η must stay below 2/50, and each step then leaves at least 96% of the distance along x.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.images import load_images
from gradus.lessons.page import Page

STEEP = 50.0  # the ratio of the curvature across the ravine to that along it
START = (-8.0, 1.0)
RAVINE_MOMENTUM, IMAGE_MOMENTUM = 0.8, 0.9
# Each with a learning rate that suits it in the ravine, as far as there is one.
RULES: dict[str, Any] = {
    "SGD": gr.SGD(0.036),
    "momentum": gr.SGD(0.02, momentum=RAVINE_MOMENTUM),
    "Nesterov": gr.SGD(0.02, momentum=RAVINE_MOMENTUM, nesterov=True),
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
LOWEST = 1e-8  # where the figure of the heights ends
RATES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # to try on the images


def ravine(point: Any) -> Any:
    """Return ½ (x² + 50 y²) at a point `(..., 2)`."""
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
    """Descend a ravine with every optimizer, then train a network with each.

    Args:
        page: the page to show the results on.
        data: the images, "digits" or "mnist".
        names: the optimizers, among `RULES`.
        steps: number of steps down the ravine.
        samples: number of training images.
        epochs: number of epochs.
        seed: seed of the weights and of the order of the images.

    Returns:
        For each optimizer, the height left above the bottom of the ravine, and the accuracy on
        unseen images at the best of five learning rates.
    """
    paths = {name: gr.descend(ravine, START, RULES[name], steps) for name in names}
    heights = {name: ravine(path) for name, path in paths.items()}
    for part in (names[: len(names) // 2], names[len(names) // 2 :]):
        page.figure(
            gr.figures.paths(ravine, {n: paths[n] for n in part}, (-9, 4), (-1.5, 1.5)),
            f"{steps} steps down the ravine, each optimizer at a rate that suits it there, as far "
            "as there is one."
            + f" Momentum is {RAVINE_MOMENTUM}."
            * bool({"momentum", "Nesterov"} & set(part)),
        )
    page.figure(
        gr.figures.lines(
            {name: np.maximum(height, LOWEST) for name, height in heights.items()},
            "step",
            "height",
            log="y",
        ),
        f"The height above the bottom of the ravine, {ravine(np.array(START)):g} at the start; a "
        f"height below {LOWEST:g} is drawn there."
        f"{on_heights(paths)}",
    )
    histories = {}
    rows: list[dict[str, Any]] = []
    for name in names:
        history, rate = best_on_images(name, data, samples, epochs, seed)
        histories[name] = history
        rows.append(
            {
                "optimizer": name,
                "height left": float(heights[name][-1]),
                "best rate": rate,
                "accuracy": float(history["val_accuracy"][-1]),
            }
        )
    page.table(
        rows,
        f"The height left after {steps} steps down the ravine, and the accuracy on unseen images "
        f"after {epochs} epochs at the best of five learning rates, with momentum "
        f"{IMAGE_MOMENTUM} where there is momentum.",
    )
    page.figure(
        gr.figures.curves_of(histories, "val_loss"), "The same training runs, epoch by epoch."
    )
    page.text(
        "L-BFGS takes one step per epoch, on all samples; the others take one for every 32 "
        "samples. The ranking of the optimizers holds only for this network and these images."
    )
    heights_left = {f"height_{row['optimizer']}": row["height left"] for row in rows}
    return heights_left | {f"accuracy_{row['optimizer']}": row["accuracy"] for row in rows}


def on_heights(paths: Mapping[str, Any]) -> str:
    """Say which optimizers hardly descend, and whether Muon's path is Nadam's."""
    text = ""
    for name, path in paths.items():
        if ravine(path[-1]) > ravine(path[0]) / 10:
            text += (
                f" {name} gets stuck high up, at {ravine(path[-1]):.2g}: at the rate "
                f"{RULES[name].learning_rate:g}, it is too slow along the ravine, and at a higher "
                "one, it first climbs the wall."
            )
    if {"Nadam", "Muon"} <= set(paths) and np.array_equal(paths["Nadam"], paths["Muon"]):
        text += " Muon takes the steps of Nadam, because a point is not a matrix."
    return text


def best_on_images(name: str, data: str, samples: int, epochs: int, seed: int) -> Any:
    """Return the best of several runs with one optimizer at different rates, and its rate."""
    flat = load_images(data, seed).flat
    optimizer_class = type(RULES[name])
    momentum = {"momentum": IMAGE_MOMENTUM}
    options = {"momentum": momentum, "Nesterov": momentum | {"nesterov": True}}
    models = gr.fit_all(
        [network(optimizer_class(rate, **options.get(name, {})), seed) for rate in RATES],
        flat.x[:samples],
        flat.y[:samples],
        batch_size=None if optimizer_class.full_batch else 32,
        epochs=epochs,
        validation_data=(flat.x_test, flat.y_test),
        probes=False,
    )
    losses = [model.history["val_loss"][-1] for model in models]
    best = int(np.argmin(np.where(np.isfinite(losses), losses, np.inf)))
    return models[best].history, RATES[best]


def network(optimizer: Any, seed: int) -> gr.Model:
    """Create a ten-class classifier."""
    return gr.Model(
        gr.mlp([32, 10], "relu", "softmax"),
        loss="sparse_categorical_crossentropy",
        optimizer=optimizer,
        metrics=["accuracy"],
        seed=seed,
    )
