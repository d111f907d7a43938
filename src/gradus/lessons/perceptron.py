"""The perceptron, and the line that it looks for.

A perceptron decides yes or no. It weighs its inputs, adds a bias, and says 1 if the sum is above
zero, else 0:

    ŷ = 1 if w·x + b > 0, else 0

With two inputs, `w·x + b = 0` is a straight line in the plane: on its one side the answer is 1, on
the other 0. To learn is to move that line. Frank Rosenblatt's rule (1958) looks at one sample after
another and moves it only after a wrong answer:

    w ← w + η (y − ŷ) x
    b ← b + η (y − ŷ)

If the answer should have been 1, the weights grow along `x`, and the next sum for that `x` is
larger; if it should have been 0, they shrink. If any line separates the two classes, the rule finds
one after finitely many mistakes (Novikoff 1962). A corner that lies on the line counts as 0.

AND and OR of two bits can be separated by a line. XOR, "one of them but not both", cannot, and it
takes four lines to see why. It would need

    b ≤ 0            for 0, 0
    w₁ + b > 0       for 1, 0
    w₂ + b > 0       for 0, 1
    w₁ + w₂ + b ≤ 0  for 1, 1

The two in the middle add up to `w₁ + w₂ + 2b > 0`, the outer two to `w₁ + w₂ + 2b ≤ 0`: both cannot
be true. No learning rule helps here. What helps is a second layer, as the lesson `xor` shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.page import Page
from gradus.report import style

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
TARGETS = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}


def lesson(page: Page, epochs: int = 30, seed: int = 0) -> dict[str, float]:
    """Teach AND, OR and XOR to a perceptron each.

    Args:
        page: where the results are shown.
        epochs: how often each sample is seen at most.
        seed: of the order of samples.

    Returns:
        How many of the four pairs each perceptron gets wrong in the end.
    """
    page.text(
        "Three perceptrons start with weights of zero and see the four pairs of bits, one at a "
        f"time. Each stops after an epoch without a mistake, or after {epochs} epochs."
    )
    histories, rows = {}, []
    for name, targets in TARGETS.items():
        model = gr.Perceptron()
        passed: list[Any] = []  # the weights after each epoch

        def remember(model: Any, epoch: int, logs: Any, passed: list[Any] = passed) -> None:
            passed.append(model.weights)

        histories[name] = model.fit(
            *(CORNERS, targets),
            epochs=epochs,
            shuffle_seed=seed,
            callbacks=[remember],
            verbose=False,
        )
        (w1, w2), (b,) = model.weights["kernel"][:, 0], model.weights["bias"]
        wrong = int(model.evaluate(CORNERS, targets)["errors"])
        rows.append({"": name, "epochs": len(passed), "w₁": w1, "w₂": w2, "b": b, "wrong": wrong})
        words = "no line is right at all corners" if wrong else "this one separates"
        page.figure(
            lines(name, model, targets, passed),
            f"The line after each epoch, the last one dark; {words}.",
        )
    page.table(rows, "What each learnt, and how many of the four pairs it still gets wrong.")
    page.figure(
        gr.figures.curves_of(histories, "errors"),
        "Mistakes in each epoch. AND and OR reach zero and stop there; XOR never does.",
    )
    return {f"wrong_on_{row['']}": row["wrong"] for row in rows}


def lines(name: str, model: gr.Perceptron, targets: Any, passed: list[Any]) -> Any:
    """Return the corners, what the model says around them, and its line after each epoch."""
    shown = gr.figures.decision_boundary(model, CORNERS, targets)
    pairs = [(weights["kernel"][:, 0], weights["bias"]) for weights in passed]
    drawn = [(w, b) for w, b in pairs if w.any()]  # weights of zero make no line
    for age, (w, b) in enumerate(reversed(drawn[-10:])):
        nearest, along = -b * w / (w @ w), np.array([-w[1], w[0]]) / np.hypot(*w)
        ends = nearest + np.array([[-3], [3]]) * along
        line = {"color": style.faint(style.INK, 1 if age == 0 else 0.35 * 0.8**age), "width": 2}
        shown.add_scatter(x=ends[:, 0], y=ends[:, 1], mode="lines", line=line, showlegend=False)
    shown.update_layout(title_text=name, height=360)
    shown.update_traces(marker_size=15, cliponaxis=False, selector={"mode": "markers"})
    shown.update_xaxes(range=[-0.08, 1.08], title_text="first bit", dtick=1)
    shown.update_yaxes(range=[-0.08, 1.08], title_text="second bit", dtick=1)
    return shown
