"""Why inputs are scaled: steep one way, flat another.

A table has columns in all units: milligrams, percent, the hue of a colour. Gradient descent does
not see units. It sees a loss that is very steep in the weights of columns with large numbers and
nearly flat in those of columns with small ones.

How steep is told by the second derivatives, the Hessian H. For one unit with a sigmoid and the
cross-entropy it is

    H = 1/n Σ p (1 − p) x xᵀ

where x has a 1 appended, for the bias; `p (1 − p)` is ¼ at the start, where all weights are zero
and p is ½, and never more. The eigenvalues λ of H are the curvatures of the loss along its
principal axes. Along each, a step with learning rate η multiplies what is still missing by about
`1 − ηλ`. Two things follow:

1. η must stay below 2 divided by the largest λ, or the steepest direction swings ever wider.
2. With such an η the flattest direction needs about as many steps to get anywhere as the largest λ
   is times the smallest.

So the ratio of the curvatures, the condition number κ, says how long gradient descent takes. To
standardise each column,

    x ← (x − mean) / standard deviation

makes them alike, and takes away the one huge curvature that comes from their means (LeCun, Bottou,
Orr & Müller 1998). The unit is the same, the data say the same, and only now it learns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.page import Page

GROWER = 2  # the third of three


def lesson(page: Page, epochs: int = 300, seed: int = 0) -> dict[str, float]:
    """Train one unit on raw and on standardised inputs, and measure the loss's curvature.

    Args:
        page: where the results are shown.
        epochs: steps, each on all training samples.
        seed: of what is held out for testing, a quarter.

    Returns:
        By kind of input: the condition number κ and the accuracy on the samples held out; and that
        of always giving the answer that is right more often.
    """
    wine = gr.data.load("wine")
    y = (np.asarray(wine.y) == GROWER).astype(np.int32)[:, None]
    train, test = gr.data.split(y[:, 0], 0.25, seed)
    mean, deviation = wine.x[train].mean(axis=0), wine.x[train].std(axis=0)
    inputs = {"raw": wine.x, "standardised": (wine.x - mean) / deviation}
    page.table(
        [
            {"column": name, "mean": m, "standard deviation": d}
            for name, m, d in zip(wine.feature_names, mean, deviation, strict=True)
        ],
        f"{len(y)} wines, measured in thirteen ways. The question is whether a wine comes from the "
        f"third of three growers, as {np.mean(y):.0%} of them do.",
    )
    page.text(
        "The same unit, with weights of zero, learns from both by plain gradient descent, with "
        "half of the largest rate that is safe at the start, 1 divided by the largest λ."
    )
    curvatures = {name: curvature(x[train]) for name, x in inputs.items()}
    models, rows = {}, []
    for name, x in inputs.items():
        rate = 1 / curvatures[name].max()
        net = gr.Sequential([gr.Dense(1, "sigmoid", kernel_initializer="zeros")])
        models[name] = gr.Model(net, "binary_crossentropy", gr.SGD(rate), metrics=["accuracy"])
        models[name].fit(x[train], y[train], batch_size=None, epochs=epochs, verbose=False)
        rows.append(
            {
                "inputs": name,
                "largest λ": curvatures[name].max(),
                "smallest λ": curvatures[name].min(),
                "κ": curvatures[name].max() / curvatures[name].min(),
                "learning rate": rate,
                "test accuracy": models[name].evaluate(x[test], y[test])["accuracy"],
            }
        )
    always_no = float(np.mean(y[test] == 0))
    page.table(
        rows,
        f"The loss's curvatures, their ratio, and what was learnt in {epochs} steps. Always to say "
        f"no would be right for {always_no:.1%} of the wines held out.",
    )
    page.figure(
        gr.figures.curves_of({name: model.history for name, model in models.items()}, "loss"),
        "The loss after each step: the same unit, the same wines, only other units of measure.",
    )
    shown = gr.figures.lines(
        {name: values[::-1] for name, values in curvatures.items()},
        "direction, from the steepest to the flattest",
        "curvature λ",
        log="y",
        title="Curvatures",
    )
    page.figure(shown, "The eigenvalues of the Hessian: the wider they spread, the slower it is.")
    return {
        "raw_accuracy": rows[0]["test accuracy"],
        "standardised_accuracy": rows[1]["test accuracy"],
        "always_no_accuracy": always_no,
        "raw_condition_number": float(rows[0]["κ"]),
        "standardised_condition_number": float(rows[1]["κ"]),
    }


def curvature(x: np.ndarray) -> Any:
    """Return the eigenvalues of the Hessian where the weights are zero, the smallest first."""
    design = np.column_stack([x, np.ones(len(x))]).astype(float)  # (n, d + 1)
    return np.linalg.eigvalsh(0.25 * design.T @ design / len(x))
