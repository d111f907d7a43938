"""Backpropagation: the chain rule, from the loss back to every weight.

To learn, a network needs the gradient of the loss: for each weight, how the loss changes when that
weight changes a little. Backpropagation computes the whole gradient in one pass from the last layer
to the first, at about the cost of two forward passes.

A change in a weight changes what comes after it, and that changes the loss. The chain rule
multiplies the two effects. So for each layer it is enough to know how the loss depends on the
layer's output, and to pass that on to the layer before. The network here is

    Z₁ = X W₁ + b₁      H = tanh(Z₁)      Z₂ = H W₂ + b₂      P = softmax(Z₂)

with the mean cross-entropy over n samples as its loss L. Going backward:

    ∂L/∂Z₂ = (P − Y) / n         softmax with cross-entropy; Y is one-hot
    ∂L/∂W₂ = Hᵀ ∂L/∂Z₂           ∂L/∂b₂ = the sum of ∂L/∂Z₂ over the samples
    ∂L/∂H  = ∂L/∂Z₂ W₂ᵀ          passed back through the layer
    ∂L/∂Z₁ = ∂L/∂H · (1 − H²)    times tanh's derivative, element by element
    ∂L/∂W₁ = Xᵀ ∂L/∂Z₁           ∂L/∂b₁ = the sum of ∂L/∂Z₁ over the samples

Every layer computes the same three things: the gradient of its weights (its input times what came
back), the gradient of its bias, and the gradient to pass back.

You can check a gradient without calculus. Move one weight by a small h in both directions and
look at the loss:

    ∂L/∂w ≈ (L(w + h) − L(w − h)) / 2h

Such a finite difference takes two forward passes for each weight, which is why nobody trains
with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.page import Page

X = np.array([[1, 2], [-1, 0.5], [0.5, -1.5]], np.float32)
Y = np.array([0, 1, 1])
PATHS = {
    "W₁": "dense/kernel",
    "b₁": "dense/bias",
    "W₂": "dense_1/kernel",
    "b₂": "dense_1/bias",
}
Weights = dict[str, np.ndarray]


def lesson(page: Page, seed: int = 0) -> dict[str, float]:
    """Compute the gradient of a small network in three ways, and compare them.

    Args:
        page: the page to show the results on.
        seed: seed of the weights.

    Returns:
        The largest differences from the gradient by hand, and the largest relative error that the
        library's own check finds.
    """
    model = gr.Model(
        gr.Sequential([gr.Dense(3), gr.Activation("tanh"), gr.Dense(2), gr.Activation("softmax")]),
        loss="sparse_categorical_crossentropy",
        seed=seed,
    ).build(X)
    weights = {name: model.weights[path].astype(float) for name, path in PATHS.items()}
    by_output, by_hand = backward(weights)
    values = gr.inside(model, X, Y)
    library = {
        name: values[layer].gradients[weight]
        for name, (layer, weight) in ((n, path.split("/")) for n, path in PATHS.items())
    }
    numerical = {name: differences(weights, name) for name in PATHS}

    layers = {"∂L/∂Z₂": "dense_1", "∂L/∂H": "activation", "∂L/∂Z₁": "dense"}
    page.table(
        [
            {
                "": name,
                "first sample": ", ".join(f"{value:.5f}" for value in by_output[name][0]),
                "library": ", ".join(f"{value:.5f}" for value in values[layer].gradient[0]),
            }
            for name, layer in layers.items()
        ],
        "What comes back through the layers, starting with the last: the gradient with respect to "
        "each layer's output.",
    )
    rows = [
        {
            "weight": f"{name}[{', '.join(str(i + 1) for i in index)}]",
            "chain rule": by_hand[name][index],
            "library": library[name][index],
            "finite difference": numerical[name][index],
        }
        for name in PATHS
        for index in np.ndindex(weights[name].shape)
    ]
    page.table(
        rows, "The gradient with respect to every weight of the network, computed in three ways."
    )

    sizes = 10.0 ** np.arange(-13, 0.5, 0.5)
    page.figure(
        gr.figures.lines(
            {
                f"{digits} digits": (sizes, [error(weights, by_hand, h, kind) for h in sizes])
                for kind, digits in ((np.float64, 16), (np.float32, 7))
            },
            "h",
            "largest error",
            log="xy",
        ),
        "The error of the finite difference. Because the weight moves in both directions, the "
        "second derivative of the loss cancels; the third one leaves an error of order h². A small "
        "h subtracts two nearly equal numbers, so rounding errors dominate. That is why gradients "
        "are checked with 16 digits.",
    )
    check = gr.check_gradients(model, X, Y)
    page.text(
        "`gr.check_gradients(model, x, y)` makes this comparison for any network. The largest "
        f"relative error here is {max(check.values()):.1e}."
    )
    return {
        "library_against_hand": largest(library, by_hand),
        "differences_against_hand": largest(numerical, by_hand),
        "check_gradients": max(check.values()),
    }


def forward(weights: Weights, x: Any = X) -> tuple[np.ndarray, np.ndarray]:
    """Return the outputs of the hidden layer and of the softmax."""
    h = np.tanh(x @ weights["W₁"] + weights["b₁"])
    exponentials = np.exp(h @ weights["W₂"] + weights["b₂"])
    return h, exponentials / exponentials.sum(1, keepdims=True)


def loss(weights: Weights, x: Any = X) -> Any:
    """Return the mean cross-entropy."""
    return -np.log(forward(weights, x)[1][np.arange(len(Y)), Y]).mean()


def backward(weights: Weights) -> tuple[Weights, Weights]:
    """Return the gradients with respect to the layers' outputs and to the weights."""
    h, p = forward(weights)
    dz2 = (p - np.eye(2)[Y]) / len(Y)
    dh = dz2 @ weights["W₂"].T
    dz1 = dh * (1 - h**2)
    outputs = {"∂L/∂Z₂": dz2, "∂L/∂H": dh, "∂L/∂Z₁": dz1}
    return outputs, {"W₁": X.T @ dz1, "b₁": dz1.sum(0), "W₂": h.T @ dz2, "b₂": dz2.sum(0)}


def differences(weights: Weights, name: str, h: float = 1e-5, kind: Any = np.float64) -> np.ndarray:
    """Return the finite difference for each element of a weight array."""
    gradient = np.zeros(weights[name].shape)
    for index in np.ndindex(gradient.shape):
        losses = []
        for step in (h, -h):
            moved = {key: value.astype(kind) for key, value in weights.items()}
            moved[name][index] += kind(step)
            losses.append(loss(moved, X.astype(kind)))
        gradient[index] = (losses[0] - losses[1]) / (2 * h)
    return gradient


def error(weights: Weights, exact: Weights, h: float, kind: Any) -> float:
    """Return the largest error of the finite differences with step size h."""
    return largest({name: differences(weights, name, h, kind) for name in weights}, exact)


def largest(one: Weights, other: Weights) -> float:
    """Return the largest difference between two gradients."""
    return float(max(np.abs(one[name] - other[name]).max() for name in one))
