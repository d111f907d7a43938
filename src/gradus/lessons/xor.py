"""XOR: why a network needs a second layer, and a bend between the two.

XOR of two bits is 1 if one of them is 1 but not both. No straight line separates the ones from the
zeros, so no single unit can learn it, as the lesson `perceptron` shows. A network with one hidden
layer can:

    h = φ(x W₁ + b₁)        p = sigmoid(h W₂ + b₂)

Each hidden unit draws a line of its own, the activation φ bends the plane along it, and the last
unit needs to draw only one line through what has been bent.

Without a bend, two layers are no more than one. With φ(z) = z,

    (x W₁ + b₁) W₂ + b₂ = x (W₁ W₂) + (b₁ W₂ + b₂)

which is one matrix and one bias again: one straight line, however many layers there are.

One training proves little, since it depends on the weights that were drawn at the start. So a
hundred networks, each with its own first weights, train side by side as one program.
"""

from __future__ import annotations

import numpy as np

import gradus as gr
from gradus.lessons.page import Page

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
Y = np.array([[0], [1], [1], [0]])


def lesson(
    page: Page, seeds: int = 100, hidden: int = 8, epochs: int = 300, seed: int = 0
) -> dict[str, float]:
    """Train networks from many first weights on XOR, with and without a bend.

    Args:
        page: where the results are shown.
        seeds: how many networks of each kind.
        hidden: units of the hidden layer.
        epochs: steps of each, all four pairs in one batch.
        seed: of the first network; the others count on from it.

    Returns:
        The share of networks that get all four right, by activation; and how far a linear
        network's outputs are from those of one matrix.
    """
    page.text(
        f"{seeds} networks with {hidden} hidden units are trained with each of three activations: "
        "tanh, ReLU, and none at all."
    )
    curves, rows, numbers = {}, [], {}
    for name in ("tanh", "relu", "linear"):
        models = gr.fit_all(
            [network(name, hidden, seed + index) for index in range(seeds)],
            *(X, Y),
            batch_size=None,
            epochs=epochs,
            probes=False,
        )
        right = [(model.predict_classes(X) == Y[:, 0]).all() for model in models]
        solved = numbers[f"share_solved_{name}"] = float(np.mean(right))
        curves[name] = np.mean([model.history["accuracy"] == 1 for model in models], axis=0)
        loss = np.mean([model.history["loss"][-1] for model in models])
        rows.append({"activation": name, "share solved": solved, "mean loss": loss})
        if name == "tanh":
            boundary = gr.figures.decision_boundary(models[int(np.argmax(right))], X, Y)
    page.table(
        rows,
        "The share of networks that get all four pairs right. Without a bend the best that can be "
        "done is to say ½ to everything, with a loss of ln 2 = 0.693. In the ReLU networks that "
        "fail about half of the units are silent: 0 for all four pairs, where no gradient passes.",
    )
    page.figure(
        gr.figures.lines(curves, "epoch", "share of networks that are right"),
        "How many of the networks get all four right, by epoch.",
    )
    page.figure(
        boundary,
        "What a network with tanh says around the four pairs: it has bent a band for the ones.",
    )
    difference = collapse(page, network("linear", hidden, seed).build(X))
    return numbers | {"difference_from_one_matrix": difference}


def network(activation: str, hidden: int, seed: int) -> gr.Model:
    """Return a model with one hidden layer."""
    return gr.Model(
        gr.mlp([hidden, 1], activation, "sigmoid"),
        loss="binary_crossentropy",
        optimizer=gr.Adam(0.05),
        metrics=["accuracy"],
        seed=seed,
    )


def collapse(page: Page, model: gr.Model) -> float:
    """Show that two linear layers are one matrix, and return the largest difference."""
    w1, b1, w2, b2 = model.weights.values()
    matrix, bias = w1 @ w2, b1 @ w2 + b2
    layers, one = model.predict(X, logits=True)[:, 0], (X @ matrix + bias)[:, 0]
    page.table(
        [
            {"x": f"{a:g}, {b:g}", "two layers": two, "x·W + b": single}
            for (a, b), two, single in zip(X, layers, one, strict=True)
        ],
        f"A linear network's output before the sigmoid, layer by layer, and by the one "
        f"matrix W = W₁W₂ = ({matrix[0, 0]:.3f}, {matrix[1, 0]:.3f}) and b = {bias[0]:.3f}.",
    )
    return float(np.abs(layers - one).max())
