"""Backpropagation: the chain rule, from the loss back to every weight.

To learn, a network must know for each weight how the loss changes when that weight is moved a
little: the loss's gradient. Backpropagation finds all of it in one pass, from the end to the start,
at about the price of two forward passes.

A change of a weight changes what comes after it, and that changes the loss; the chain rule
multiplies the two. So it is enough to know, for each layer, how the loss depends on the layer's
output, and to hand that back to the layer before. The network here is

    Z₁ = X W₁ + b₁      H = tanh(Z₁)      Z₂ = H W₂ + b₂      P = softmax(Z₂)

with the mean cross-entropy of n samples as its loss L. Going back:

    ∂L/∂Z₂ = (P − Y) / n                 softmax and cross-entropy together; Y has a 1 at the class
    ∂L/∂W₂ = Hᵀ ∂L/∂Z₂                   ∂L/∂b₂ = the sum over samples of ∂L/∂Z₂
    ∂L/∂H  = ∂L/∂Z₂ W₂ᵀ                  what is handed back through the layer
    ∂L/∂Z₁ = ∂L/∂H · (1 − H²)            times the derivative of tanh, number by number
    ∂L/∂W₁ = Xᵀ ∂L/∂Z₁                   ∂L/∂b₁ = the sum over samples of ∂L/∂Z₁

Every layer does the same three things: a gradient for its weights (input times what came back), one
for its bias, and one to hand back.

Whether a gradient is right can be checked without any calculus. Move one weight by a small h to
either side and look at the loss:

    ∂L/∂w ≈ (L(w + h) − L(w − h)) / 2h

Such a finite difference costs two forward passes for each weight, which is why nobody trains by it.
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
    """Find all gradients of a small network by hand, by the library, and by differences.

    Args:
        page: where the results are shown.
        seed: of the weights.

    Returns:
        The largest differences between the three, and what the library's own check finds.
    """
    model = gr.Model(
        gr.Sequential([gr.Dense(3), gr.Activation("tanh"), gr.Dense(2), gr.Activation("softmax")]),
        loss="sparse_categorical_crossentropy",
        seed=seed,
    ).build(X)
    weights = {name: model.weights[path].astype(float) for name, path in PATHS.items()}
    steps, by_hand = backward(weights)
    seen = gr.inside(model, X, Y)
    library = {
        name: seen[layer].gradients[weight]
        for name, (layer, weight) in ((n, path.split("/")) for n, path in PATHS.items())
    }
    measured = {name: differences(weights, name) for name in PATHS}

    given = {"∂L/∂Z₂": "dense_1", "∂L/∂H": "activation", "∂L/∂Z₁": "dense"}
    page.table(
        [
            {
                "": name,
                "first sample": ", ".join(f"{value:.5f}" for value in steps[name][0]),
                "library": ", ".join(f"{value:.5f}" for value in seen[layer].gradient[0]),
            }
            for name, layer in given.items()
        ],
        "What comes back through the layers, last first: the gradient by each layer's output.",
    )
    rows = [
        {
            "weight": f"{name}[{', '.join(str(place + 1) for place in where)}]",
            "chain rule": by_hand[name][where],
            "library": library[name][where],
            "finite difference": measured[name][where],
        }
        for name in PATHS
        for where in np.ndindex(weights[name].shape)
    ]
    page.table(rows, "The gradient by every weight of the network, found in three ways.")

    sizes = 10.0 ** np.arange(-13, 0.5, 0.5)
    page.figure(
        gr.figures.lines(
            {
                f"{digits} digits": (sizes, [error(weights, by_hand, h, kind) for h in sizes])
                for kind, digits in ((np.float64, 16), (np.float32, 7))
            },
            *("h", "largest error"),
            log="xy",
        ),
        "How far the finite difference is from the gradient. A large h leaves out the loss's bend, "
        "an error of order h²; a small one subtracts two numbers that are nearly equal, so that "
        "rounding remains. That is why gradients are checked with 16 digits.",
    )
    check = gr.check_gradients(model, X, Y)
    page.text(
        "`gr.check_gradients(model, x, y)` does the same for any network. Here its largest "
        f"relative error is {max(check.values()):.1e}."
    )
    return {
        "library_against_hand": largest(library, by_hand),
        "differences_against_hand": largest(measured, by_hand),
        "check_gradients": max(check.values()),
    }


def forward(weights: Weights, x: Any = X) -> tuple[np.ndarray, np.ndarray]:
    """Return what the hidden layer and the softmax make of the batch."""
    h = np.tanh(x @ weights["W₁"] + weights["b₁"])
    powers = np.exp(h @ weights["W₂"] + weights["b₂"])
    return h, powers / powers.sum(1, keepdims=True)


def loss(weights: Weights, x: Any = X) -> Any:
    """Return the mean cross-entropy."""
    return -np.log(forward(weights, x)[1][np.arange(len(Y)), Y]).mean()


def backward(weights: Weights) -> tuple[Weights, Weights]:
    """Return the gradients by the layers' outputs, and by the weights."""
    h, p = forward(weights)
    z2 = (p - np.eye(2)[Y]) / len(Y)
    back = z2 @ weights["W₂"].T
    z1 = back * (1 - h**2)
    steps = {"∂L/∂Z₂": z2, "∂L/∂H": back, "∂L/∂Z₁": z1}
    return steps, {"W₁": X.T @ z1, "b₁": z1.sum(0), "W₂": h.T @ z2, "b₂": z2.sum(0)}


def differences(weights: Weights, name: str, h: float = 1e-5, kind: Any = np.float64) -> np.ndarray:
    """Return the finite differences by each element of one weight."""
    found = np.zeros(weights[name].shape)
    for where in np.ndindex(found.shape):
        ends = []
        for step in (h, -h):
            moved = {each: value.astype(kind) for each, value in weights.items()}
            moved[name][where] += kind(step)
            ends.append(loss(moved, X.astype(kind)))
        found[where] = (ends[0] - ends[1]) / (2 * h)
    return found


def error(weights: Weights, exact: Weights, h: float, kind: Any) -> float:
    """Return the largest error of the finite differences of one step size."""
    return largest({name: differences(weights, name, h, kind) for name in weights}, exact)


def largest(one: Weights, other: Weights) -> float:
    """Return the largest difference between two gradients."""
    return float(max(np.abs(one[name] - other[name]).max() for name in one))
