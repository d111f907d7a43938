"""Vanishing gradients: why deep networks once could not be trained.

On its way back through a network the gradient is multiplied in each layer by the derivative of the
activation and by the weights:

    ∂L/∂x = (∂L/∂y × φ'(z)) Wᵀ        for a layer y = φ(z), z = x W + b

Twenty layers multiply it twenty times. Sigmoid's derivative is nowhere above ¼, so that twenty
sigmoid layers make the gradient smaller by a factor of `4²⁰`, a million million, unless large
weights make up for it. The first layers then hardly learn: they stay as random as they were drawn,
and what they hand on is of little use to the others. Hochreiter described this in 1991.

What helps? The slope of tanh is 1 at zero. That of ReLU is 1 for every positive input, but half of
the inputs are negative, where it is 0; with weights by Xavier's rule the gradient still shrinks, by
√½ a layer. He's weights (2015), with twice the variance, make up for just that. Batch normalisation
(Ioffe & Szegedy 2015) sets the sums in each layer to mean 0 and deviation 1 anew, whatever the
weights are. The gradient then grows a little on its way back (Yang et al. 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import gradus as gr
from gradus.lessons.page import Page
from gradus.lessons.pictures import pictures

# By name: the activation, the initial weights, and whether there is batch normalisation.
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
    """Compare the gradients in each layer of deep networks, and what they learn.

    Args:
        page: where the results are shown.
        data: which pictures: "digits" or "mnist".
        depth: how many hidden layers.
        width: units of each.
        epochs: how often each picture is seen.
        kinds: which networks, of `KINDS`.
        seed: of the pictures and the weights.

    Returns:
        By kind of network, how many times smaller the gradient is in the first hidden layer than
        in the last, and the accuracy on unseen pictures.
    """
    flat = pictures(data, seed).flat
    curves, rows, numbers = {}, [], dict[str, float]()
    for name in kinds:
        model = network(*KINDS[name], depth, width, seed).build(flat.x)
        norms = curves[name] = gradients(model, flat.x[:256], flat.y[:256])
        model.fit(
            *(flat.x[:3000], flat.y[:3000]),
            batch_size=128,
            epochs=epochs,
            probes=False,
            verbose=False,
        )
        accuracy = model.evaluate(flat.x_test, flat.y_test)["accuracy"]
        factor = norms[-1] / norms[0]
        rows.append(
            {
                "network": name,
                "first layer": norms[0],
                "last layer": norms[-1],
                "last / first": factor,
                "accuracy": accuracy,
            }
        )
        numbers |= {f"shrinks_{name}": factor, f"accuracy_{name}": accuracy}
    page.figure(
        gr.figures.lines(curves, "layer", "size of the gradient", log="y"),
        f"The norm of the loss's gradient by each hidden layer's outputs, before training, at a "
        f"depth of {depth}. The gradient comes from the right.",
    )
    page.table(
        rows,
        "The same at both ends, the factor between them, and the accuracy on unseen pictures after "
        f"{epochs} epochs.",
    )
    return numbers


def network(
    activation: str, initializer: str, batch_norm: bool, depth: int, width: int, seed: int
) -> gr.Model:
    """Return a deep model."""
    layers: list[gr.Layer] = []
    for _ in range(depth):
        layers.append(gr.Dense(width, kernel_initializer=initializer))
        if batch_norm:
            layers.append(gr.BatchNorm())
        layers.append(gr.Activation(activation))
    return gr.Model(
        gr.Sequential([*layers, gr.Dense(10, "softmax")]),
        loss="sparse_categorical_crossentropy",
        optimizer=gr.Adam(3e-3),
        metrics=["accuracy"],
        seed=seed,
    )


def gradients(model: gr.Model, x: np.ndarray, y: np.ndarray) -> list[float]:
    """Return the norm of the gradient by each hidden layer's outputs, first layer first."""
    seen = gr.inside(model, x, y, training=True)
    return [
        float(np.linalg.norm(layer.gradient))
        for path, layer in seen.items()
        if path.startswith("activation")
    ]
