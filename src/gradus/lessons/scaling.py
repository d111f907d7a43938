"""Feature scaling: steep in one direction, flat in another.

The columns of a table have many units: milligrams, percent, the hue of a color. Gradient descent
does not see units. It sees a loss that is very steep in the weights of columns with large numbers
and nearly flat in the weights of columns with small ones.

The second derivatives, the Hessian H, tell how steep. For one unit with a sigmoid and the
cross-entropy, the Hessian is

    H = 1/n Σ p (1 − p) x xᵀ

where x has a 1 appended for the bias; `p (1 − p)` is ¼ at the start, where all weights are zero and
p is ½, and never larger. The eigenvalues λ of H are the curvatures of the loss along its principal
axes. Along each axis, a step with learning rate η multiplies the remaining distance to the minimum
by about `1 − ηλ`. Two things follow:

1. η must stay below 2 divided by the largest λ, or the weights oscillate more and more widely in
   the steepest direction.
2. With such an η, the number of steps that the flattest direction needs is about the ratio of the
   largest λ to the smallest.

So this ratio, the condition number κ, determines how long gradient descent takes. To standardize
each column,

    x ← (x − mean) / standard deviation

puts them all on the same scale, and removes the one huge curvature that comes from their means
(LeCun, Bottou, Orr & Müller 1998). The unit is the same and the data carry the same information,
but only now does the unit learn.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.page import Page

GROWER = 2  # the third of the three growers


def lesson(page: Page, epochs: int = 300, seed: int = 0) -> dict[str, float]:
    """Train one unit on raw and on standardized inputs, and compute the loss's curvature.

    Args:
        page: the page to show the results on.
        epochs: training steps, each on all training samples.
        seed: seed of the split; a quarter of the samples is held out for testing.

    Returns:
        The condition number κ and the test accuracy for both kinds of input, and the test accuracy
        of always giving the more frequent answer.
    """
    wine = gr.data.load("wine")
    y = (np.asarray(wine.y) == GROWER).astype(np.int32)[:, None]
    train, test = gr.data.split(y[:, 0], 0.25, seed)
    mean, deviation = wine.x[train].mean(axis=0), wine.x[train].std(axis=0)
    inputs = {"raw": wine.x, "standardized": (wine.x - mean) / deviation}
    page.table(
        [
            {"column": name, "mean": m, "standard deviation": d}
            for name, m, d in zip(wine.feature_names, mean, deviation, strict=True)
        ],
        f"{len(y)} wines with thirteen measurements each. The task is to tell whether a wine comes "
        f"from the third of three growers, as {np.mean(y):.0%} of them do.",
    )
    page.text(
        "The same unit, with all weights at zero, learns from both by plain gradient descent. The "
        "learning rate is 1 divided by the largest λ, half of the largest rate that is safe at the "
        "start."
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
        f"The loss's curvatures, their ratio, and the test accuracy after {epochs} steps. Always "
        f"answering no would be right for {always_no:.1%} of the test wines.",
    )
    page.figure(
        gr.figures.curves_of({name: model.history for name, model in models.items()}, "loss"),
        "The loss after each step. The unit and the wines are the same; only the scales differ.",
    )
    figure = gr.figures.lines(
        {name: values[::-1] for name, values in curvatures.items()},
        "direction, from steepest to flattest",
        "curvature λ",
        log="y",
        title="Curvatures",
    )
    page.figure(
        figure, "The eigenvalues of the Hessian. The wider their range, the slower the training."
    )
    return {
        "raw_accuracy": rows[0]["test accuracy"],
        "standardized_accuracy": rows[1]["test accuracy"],
        "always_no_accuracy": always_no,
        "raw_condition_number": float(rows[0]["κ"]),
        "standardized_condition_number": float(rows[1]["κ"]),
    }


def curvature(x: np.ndarray) -> Any:
    """Return the eigenvalues of the Hessian at zero weights, smallest first."""
    design = np.column_stack([x, np.ones(len(x))]).astype(float)  # (n, d + 1)
    return np.linalg.eigvalsh(0.25 * design.T @ design / len(x))
