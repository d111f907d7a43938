"""Vanishing gradients: why deep networks once could not be trained.

On its way back through a network, each layer multiplies the gradient by the derivative of the
activation and by the weights:

    ∂L/∂x = (∂L/∂y × φ'(z)) Wᵀ        for a layer y = φ(z), z = x W + b

Twenty layers multiply it twenty times. The derivative of the sigmoid is never above ¼, so twenty
sigmoid layers shrink the gradient by a factor of `4²⁰`, a million million, unless large weights
compensate. The first layers then hardly learn: they stay as random as they were initialized, and
what they pass on is of little use to the later layers. Hochreiter described this in 1991.

What helps? The slope of tanh is 1 at zero. The slope of ReLU is 1 for every positive input, but for
the half of the inputs that are negative it is 0; with Xavier's initial weights, the gradient still
shrinks, by √½ per layer. He's initial weights (2015), with twice the variance, compensate for
exactly that. Batch normalization (Ioffe & Szegedy 2015) resets the sums in each layer to mean 0 and
standard deviation 1, whatever the weights are. The gradient then does not vanish but grows on its
way back, with ReLU by about 1.2 per layer, which makes very deep networks hard to train in turn
(Yang et al. 2019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.images import load_images
from gradus.lessons.page import Page

# For each name: the activation, the initial weights, and whether to use batch normalization.
KINDS = {
    "sigmoid": ("sigmoid", "glorot_normal", False),
    "tanh": ("tanh", "glorot_normal", False),
    "ReLU": ("relu", "glorot_normal", False),
    "ReLU, He": ("relu", "he_normal", False),
    "ReLU, He, batch norm": ("relu", "he_normal", True),
}


def lesson(
    page: Page,
    data: str = "digits",
    depth: int = 20,
    width: int = 50,
    epochs: int = 20,
    kinds: Sequence[str] = tuple(KINDS),
    seed: int = 0,
) -> dict[str, float]:
    """Compare the gradients in the layers of deep networks, and what the networks learn.

    Args:
        page: the page to show the results on.
        data: the images, "digits" or "mnist".
        depth: number of hidden layers.
        width: number of units in each.
        epochs: number of epochs.
        kinds: the networks, among `KINDS`.
        seed: seed of the images and of the weights.

    Returns:
        For each network, how many times smaller the gradient is in the first hidden layer than in
        the last, and the accuracy on unseen images.
    """
    flat = load_images(data, seed).flat
    curves, rows, numbers = {}, [], dict[str, float]()
    for name in kinds:
        model = network(*KINDS[name], depth, width, seed).build(flat.x)
        norms = curves[name] = gradients(model, flat.x[:256], flat.y[:256])
        model.fit(
            flat.x[:3000],
            flat.y[:3000],
            batch_size=128,
            epochs=epochs,
            probes=False,
            verbose=False,
        )
        accuracy = model.evaluate(flat.x_test, flat.y_test)["accuracy"]
        ratio = norms[-1] / norms[0]
        rows.append(
            {
                "network": name,
                "first layer": norms[0],
                "last layer": norms[-1],
                "last / first": ratio,
                "accuracy": accuracy,
            }
        )
        numbers |= {f"gradient_ratio_{name}": ratio, f"accuracy_{name}": accuracy}
    page.figure(
        gr.figures.lines(curves, "layer", "size of the gradient", log="y"),
        "The norm of the gradient with respect to each hidden layer's outputs, before training, "
        f"in networks with {depth} hidden layers. The gradient comes from the right.",
    )
    page.table(
        rows,
        f"The norms at both ends, their ratio, and the accuracy on unseen images after {epochs} "
        f"epochs.{on_batch_norm(rows, depth)}",
    )
    return numbers


def on_batch_norm(rows: Sequence[Mapping[str, Any]], depth: int) -> str:
    """Return sentences on batch normalization after He's weights, "" if one is not among them."""
    found = {row["network"]: row for row in rows}
    without, batch_norm = found.get("ReLU, He"), found.get("ReLU, He, batch norm")
    if without is None or batch_norm is None:
        return ""
    growth = 1 / batch_norm["last / first"]
    change = "grows" if growth > 1 else "shrinks"
    times = max(growth, 1 / growth)
    share, other = batch_norm["accuracy"], without["accuracy"]
    verdict = "less" if share < other else "more"
    return (
        f" With batch normalization, the gradient {change} by a factor of {times:.3g} on its way "
        f"back, {times ** (1 / (depth - 1)):.2f} per layer, and the network gets {verdict} right "
        f"than with He's weights alone: {share:.1%} against {other:.1%}."
    )


def network(
    activation: str, initializer: str, batch_norm: bool, depth: int, width: int, seed: int
) -> gr.Model:
    """Create a deep model."""
    layers: list[gr.Layer] = []
    for _ in range(depth):
        layers.append(gr.Dense(width, kernel_initializer=initializer))
        if batch_norm:
            layers.append(gr.BatchNormalization())
        layers.append(gr.Activation(activation))
    return gr.Model(
        gr.Sequential([*layers, gr.Dense(10, "softmax")]),
        loss="sparse_categorical_crossentropy",
        optimizer=gr.Adam(3e-3),
        metrics=["accuracy"],
        seed=seed,
    )


def gradients(model: gr.Model, x: np.ndarray, y: np.ndarray) -> list[float]:
    """Return the gradient's norm at each hidden layer's outputs, first layer first."""
    values = gr.inside(model, x, y, training=True)
    return [
        float(np.linalg.norm(layer.gradient))
        for path, layer in values.items()
        if path.startswith("activation")
    ]
