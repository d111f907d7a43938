"""XOR: why a network needs a hidden layer and a nonlinearity.

XOR of two bits is 1 if exactly one of them is 1. No straight line separates the ones from the
zeros, so no single unit can learn it, as the lesson `perceptron` shows. A network with one hidden
layer can:

    h = φ(x W₁ + b₁)        p = sigmoid(h W₂ + b₂)

Each hidden unit draws a line of its own, and the activation φ bends the plane along it. In the bent
plane, the output unit needs only one line.

Without a nonlinearity, two layers are no more powerful than one. With φ(z) = z,

    (x W₁ + b₁) W₂ + b₂ = x (W₁ W₂) + (b₁ W₂ + b₂)

which is again one matrix and one bias: a single straight line, however many layers there are.

A single training run proves little, because its outcome depends on the random initial weights. So
a hundred networks for each activation, each with its own initial weights, train side by side in one
program.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import gradus as gr
from gradus.lessons.page import Page

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
Y = np.array([[0], [1], [1], [0]])


def lesson(
    page: Page, seeds: int = 100, hidden: int = 8, epochs: int = 300, seed: int = 0
) -> dict[str, float]:
    """Train many networks on XOR, with and without a nonlinearity.

    Args:
        page: the page to show the results on.
        seeds: number of networks per activation.
        hidden: number of hidden units.
        epochs: number of epochs, each one step on all four inputs.
        seed: seed of the first network; the others use the seeds that follow.

    Returns:
        The share of networks that get all four inputs right, by activation, and the largest
        difference between a linear network's outputs and those of a single matrix.
    """
    page.text(
        f"For each of three activations (tanh, ReLU, and none), we train {seeds} networks with "
        f"{hidden} hidden units."
    )
    curves, rows, numbers = {}, [], {}
    for name in ("tanh", "relu", "linear"):
        models = gr.fit_all(
            [network(name, hidden, seed + index) for index in range(seeds)],
            X,
            Y,
            batch_size=None,
            epochs=epochs,
            probes=False,
        )
        solved_xor = [(model.predict_classes(X) == Y[:, 0]).all() for model in models]
        solved = numbers[f"share_solved_{name}"] = float(np.mean(solved_xor))
        curves[name] = np.mean([model.history["accuracy"] == 1 for model in models], axis=0)
        loss = np.mean([model.history["loss"][-1] for model in models])
        rows.append({"activation": name, "share solved": solved, "mean loss": loss})
        if name == "tanh":
            shown = models[int(np.argmax(solved_xor))]
        if name == "relu":
            failed = [model for model, right in zip(models, solved_xor, strict=True) if not right]
    page.table(
        rows,
        "The share of networks that get all four inputs right. Without a nonlinearity, the best a "
        "network can do is to answer ½ every time, for a loss of ln 2 = 0.693." + on_dead(failed),
    )
    page.figure(
        gr.figures.lines(curves, "epoch", "share of networks"),
        "The share of networks that get all four inputs right, by epoch.",
    )
    page.figure(
        gr.figures.decision_boundary(shown, X, Y),
        f"The output of a tanh network around the four inputs{on_band(shown)}.",
    )
    difference = compare_with_one_matrix(page, network("linear", hidden, seed).build(X))
    return numbers | {"difference_from_one_matrix": difference}


def network(activation: str, hidden: int, seed: int) -> gr.Model:
    """Create a model with one hidden layer."""
    return gr.Model(
        gr.mlp([hidden, 1], activation, "sigmoid"),
        loss="binary_crossentropy",
        optimizer=gr.Adam(0.05),
        metrics=["accuracy"],
        seed=seed,
    )


def on_dead(failed: Sequence[gr.Model]) -> str:
    """Return a sentence on the dead units of the ReLU networks that fail, "" if none fails."""
    if not failed:
        return ""
    dead = []
    for model in failed:
        kernel, bias = list(model.weights.values())[:2]
        dead.append(int((X @ kernel + bias <= 0).all(axis=0).sum()))
    return (
        f" In the ReLU networks that fail, {np.mean(dead):.1f} of the {len(bias)} hidden units are "
        "dead on average: they output 0 for all four inputs, and no gradient passes."
    )


def on_band(model: gr.Model) -> str:
    """Return which class lies in a band between the corners of the other, "" if neither does."""
    for label, between in enumerate(("zeros", "ones")):
        start, end = X[Y[:, 0] == label]
        line = start + np.linspace(0, 1, 101, dtype=np.float32)[:, None] * (end - start)
        if (model.predict_classes(line) == label).all():
            return f": the {between} lie in a band, with a {['one', 'zero'][label]} on either side"
    return ""


def compare_with_one_matrix(page: Page, model: gr.Model) -> float:
    """Show that two linear layers equal one matrix; return the largest difference."""
    w1, b1, w2, b2 = model.weights.values()
    matrix, bias = w1 @ w2, b1 @ w2 + b2
    two_layers, one_matrix = model.predict(X, logits=True)[:, 0], (X @ matrix + bias)[:, 0]
    page.table(
        [
            {"x": f"{a:g}, {b:g}", "two layers": two, "x·W + b": one}
            for (a, b), two, one in zip(X, two_layers, one_matrix, strict=True)
        ],
        "The output of an untrained linear network before the sigmoid, computed layer by layer and "
        f"with the single matrix W = W₁W₂ = ({matrix[0, 0]:.3f}, {matrix[1, 0]:.3f}) and "
        f"b = {bias[0]:.3f}.",
    )
    return float(np.abs(two_layers - one_matrix).max())
