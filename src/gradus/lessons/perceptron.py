"""The perceptron: a line that separates two classes.

A perceptron answers yes or no. It computes a weighted sum of its inputs, adds a bias, and outputs 1
if the result is above zero and 0 otherwise:

    ŷ = 1 if w·x + b > 0, else 0

With two inputs, `w·x + b = 0` is a straight line in the plane: on one side of it the output is 1,
on the other 0. Learning means moving that line. Frank Rosenblatt's rule (1958) looks at one sample
at a time and moves the line only after a wrong answer:

    w ← w + η (y − ŷ) x
    b ← b + η (y − ŷ)

If the answer should have been 1, the rule adds a multiple of `x` to the weights, and the next sum
for that `x` is larger; if it should have been 0, it subtracts one. If any line separates the two
classes, the rule finds one after finitely many mistakes (Novikoff 1962).

A line can separate AND and OR of two bits. It cannot separate XOR, "one of them but not both", and
four inequalities show why. XOR would need

    b ≤ 0            for 0, 0
    w₁ + b > 0       for 1, 0
    w₂ + b > 0       for 0, 1
    w₁ + w₂ + b ≤ 0  for 1, 1

The two in the middle add up to `w₁ + w₂ + 2b > 0`, the first and the last to `w₁ + w₂ + 2b ≤ 0`.
Both cannot be true, so no learning rule helps. A second layer does, as the lesson `xor` shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import gradus as gr
from gradus.drawing import style
from gradus.lessons.page import Page

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
LINES = 10  # how many epochs' lines are drawn
TARGETS = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}


def lesson(page: Page, epochs: int = 30, seed: int = 0) -> dict[str, float]:
    """Train one perceptron each on AND, OR, and XOR.

    Args:
        page: the page to show the results on.
        epochs: the maximum number of epochs.
        seed: seed of the sample order.

    Returns:
        How many of the four inputs each perceptron still gets wrong after training.
    """
    page.text(
        "Three perceptrons start with weights of zero and a bias of −½, and see the four inputs "
        "one at a time. The weights change in steps of 1, so the half in the bias keeps every line "
        f"off the corners. Each stops after an epoch without a mistake, or after {epochs} epochs."
    )
    histories, rows = {}, []
    for name, targets in TARGETS.items():
        model = gr.Perceptron().build(CORNERS)
        model.set_weights({"bias": [-0.5]})
        path: list[Any] = []  # the weights after each epoch

        def record(model: Any, epoch: int, logs: Any, path: list[Any] = path) -> None:
            path.append(model.weights)

        histories[name] = model.fit(
            CORNERS,
            targets,
            epochs=epochs,
            shuffle_seed=seed,
            callbacks=[record],
            verbose=False,
        )
        (w1, w2), (b,) = model.weights["kernel"][:, 0], model.weights["bias"]
        wrong = int(model.evaluate(CORNERS, targets)["errors"])
        rows.append(
            {
                "target": name,
                "epochs": len(path),
                "w₁": w1,
                "w₂": w2,
                "b": b,
                "wrong": wrong,
            }
        )
        page.figure(plot_lines(name, model, targets, path), caption(path, wrong))
    page.table(
        rows,
        "The weights that each perceptron learned, and how many of the four inputs it gets wrong.",
    )
    page.figure(
        gr.figures.curves_of(histories, "errors"),
        "Mistakes in each epoch. AND and OR reach zero and stop; XOR never does.",
    )
    return {f"wrong_on_{row['target']}": row["wrong"] for row in rows}


def caption(path: Sequence[Any], wrong: int) -> str:
    """Describe the lines after the last epochs, and how many corners the last one gets wrong."""
    kernel, bias = path[-1]["kernel"], path[-1]["bias"][0]
    if kernel.any():
        last, subject = "the last one is the clearest", "It"
    else:
        last = "after the last epoch, both weights are zero, so there is no line"
        subject = f"The unit answers {int(bias > 0)} everywhere and"
    outcome = f"gets {wrong} of the four corners wrong" if wrong else "separates the classes"
    lines = (
        f"The line after each of the last {LINES} epochs"
        if len(path) > LINES
        else ("The line after each epoch")
    )
    return f"{lines}, where it crosses the figure; {last}. {subject} {outcome}."


def plot_lines(name: str, model: gr.Perceptron, targets: Any, path: list[Any]) -> Any:
    """Plot the corners, the model's output around them, and its line after the last epochs."""
    figure = gr.figures.decision_boundary(model, CORNERS, targets)
    pairs = [(weights["kernel"][:, 0], weights["bias"]) for weights in path]
    for age, (w, b) in enumerate(reversed(pairs[-LINES:])):
        if not w.any():  # weights of zero define no line
            continue
        nearest, along = -b * w / (w @ w), np.array([-w[1], w[0]]) / np.hypot(*w)
        ends = nearest + np.array([[-3], [3]]) * along
        line = {
            "color": style.translucent(style.INK, 1 if age == 0 else 0.35 * 0.8**age),
            "width": 2,
        }
        figure.add_scatter(x=ends[:, 0], y=ends[:, 1], mode="lines", line=line, showlegend=False)
    figure.update_layout(title_text=name, height=360)
    figure.update_traces(marker_size=15, cliponaxis=False, selector={"mode": "markers"})
    figure.update_xaxes(range=[-0.08, 1.08], title_text="first bit", dtick=1)
    figure.update_yaxes(range=[-0.08, 1.08], title_text="second bit", dtick=1)
    return figure
