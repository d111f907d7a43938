"""The forward pass: from inputs to a loss, number by number.

A network is a chain of simple steps. This lesson follows one small batch through all of them by
hand, in NumPy, and compares every number with what the library computes.

The batch is a matrix X with one sample in each row. A dense layer multiplies it by its weights and
adds its bias to every row:

    Z₁ = X W₁ + b₁

so that each unit computes `x₁ w₁ + x₂ w₂ + b`. An activation then transforms each number
separately. ReLU keeps positive numbers and sets all others to zero:

    H = max(0, Z₁)

A second layer computes one number for each class, the logits `Z₂ = H W₂ + b₂`. Softmax turns each
row of logits into probabilities, which are positive and sum to 1:

    pₖ = exp(zₖ) / Σⱼ exp(zⱼ)

The loss measures how wrong these are. Cross-entropy looks only at the probability of the true class
y. It is the mean over the samples of

    −ln p_y

It is 0 when the true class has probability 1, and grows without bound as that probability falls
to 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.page import Page

X = np.array([[1, 2], [-1, 0.5], [0.5, -1.5]], np.float32)
Y = np.array([0, 1, 1])
SAMPLES = ("sample 1", "sample 2", "sample 3")


def lesson(page: Page, seed: int = 0) -> dict[str, float]:
    """Follow a batch of three samples through two layers.

    Args:
        page: the page to show the results on.
        seed: seed of the weights, which have one decimal to keep the arithmetic simple.

    Returns:
        The loss by hand and from the library, and the largest difference in any number.
    """
    model = gr.Model(
        gr.Sequential([dense(3), gr.Activation("relu"), dense(2), gr.Activation("softmax")]),
        loss="sparse_categorical_crossentropy",
        seed=seed,
    ).build(X)
    w1, b1, w2, b2 = model.weights.values()

    page.table(matrix(X, "feature "), "The batch X: three samples of two features, x₁ and x₂.")
    page.table(
        matrix(np.vstack([w1, b1]), "unit ", ["w₁", "w₂", "b"]), "W₁, with b₁ in the last row."
    )

    z1 = X @ w1 + b1
    page.table(matrix(z1, "unit "), "Z₁ = X W₁ + b₁.")
    page.text(
        f"The first unit for the first sample: {product(X[0], w1[:, 0])} + {signed(b1[0])} = "
        f"{number(z1[0, 0])}."
    )
    h = np.maximum(0, z1)
    page.table(matrix(h, "unit "), "H = max(0, Z₁): negative numbers become zero.")

    page.table(
        matrix(np.vstack([w2, b2]), "class ", ["w₁", "w₂", "w₃", "b"]),
        "W₂, with b₂ in the last row.",
    )
    z2 = h @ w2 + b2
    page.table(matrix(z2, "class "), "Z₂ = H W₂ + b₂: the logits.")
    page.text(
        f"The first logit of the first sample: {product(h[0], w2[:, 0])} + {signed(b2[0])} = "
        f"{number(z2[0, 0])}."
    )
    exponentials = np.exp(z2)
    p = exponentials / exponentials.sum(1, keepdims=True)
    page.table(
        [
            {
                "": SAMPLES[i],
                **{f"exp(z) of class {k + 1}": exponentials[i, k] for k in range(2)},
                "sum": exponentials[i].sum(),
                **{f"p of class {k + 1}": p[i, k] for k in range(2)},
            }
            for i in range(3)
        ],
        "Softmax: each exponential divided by the sum of its row.",
    )
    losses = -np.log(p[np.arange(3), Y])
    loss = losses.mean()
    page.table(
        [
            {"": SAMPLES[i], "true class": Y[i] + 1, "its p": p[i, Y[i]], "−ln p": losses[i]}
            for i in range(3)
        ],
        f"Cross-entropy. The loss is the mean of the last column, {loss:.4f}.",
    )

    values = gr.inside(model, X)
    paths = {"Z₁": "dense", "H": "activation", "Z₂": "dense_1", "P": "activation_1"}
    by_hand = {"Z₁": z1, "H": h, "Z₂": z2, "P": p}
    differences = {
        name: np.abs(by_hand[name] - values[path].outputs).max() for name, path in paths.items()
    }
    library_loss = model.evaluate(X, Y)["loss"]
    differences["loss"] = abs(loss - library_loss)
    page.table(
        [{"": name, "largest difference": value} for name, value in differences.items()],
        "How far these numbers are from the library's. Both are rounded to seven digits.",
    )
    page.figure(gr.figures.forward_values(model, X), "The same numbers, as the library plots them.")
    return {
        "loss_by_hand": float(loss),
        "loss_by_the_library": library_loss,
        "largest_difference": float(max(differences.values())),
    }


def dense(units: int) -> gr.Dense:
    """Create a dense layer whose weights and biases have one decimal."""
    return gr.Dense(units, kernel_initializer=one_decimal, bias_initializer=one_decimal)


def one_decimal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw from the standard normal distribution, rounded to one decimal."""
    return generator.normal(size=shape).round(1)


def matrix(values: Any, column: str, rows: Any = SAMPLES) -> list[dict[str, Any]]:
    """Return a matrix as the rows of a table, with columns numbered from 1."""
    return [
        {"": name, **{f"{column}{k + 1}": value for k, value in enumerate(row)}}
        for name, row in zip(rows, values, strict=True)
    ]


def product(x: Any, w: Any) -> str:
    """Return `x·w` written out, term by term."""
    return " + ".join(f"{signed(a)} · {signed(b)}" for a, b in zip(x, w, strict=True))


def signed(value: float) -> str:
    """Return a number as text, in parentheses if it is negative."""
    return number(value) if value >= 0 else f"({number(value)})"


def number(value: float) -> str:
    """Return a number as text with up to four digits."""
    return f"{value:.4g}".replace("-", "−")
