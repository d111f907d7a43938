"""Logistic regression: one unit that says how probable it is.

Many questions want a yes or a no, and the honest answer is a probability. A unit with a sigmoid
gives one: it squeezes its weighted sum z into a number between 0 and 1, and means by it how
probable class 1 is.

    z = w·x + b,    p = 1 / (1 + e⁻ᶻ)

Where z = 0, p is one half; that line is the boundary between the classes.

What makes good weights? Those under which what really happened was probable. The likelihood is the
product of the probabilities that the unit gave to the true classes. Its logarithm is easier, as a
sum, and with the sign turned round and divided by n it is the loss that nearly every classifier
uses, the cross-entropy:

    L = −1/n Σ ( y log p + (1 − y) log(1 − p) )

To descend this loss is to climb the likelihood. Its gradient is short:

    ∂L/∂w = 1/n Σ (p − y) x

which is "how wrong, times input", as with the line of the lesson `linear-regression`. The loss is
convex, a single bowl: if the classes overlap there is exactly one lowest point, and all methods
that work must find the same one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.page import Page
from gradus.report import style


def lesson(
    page: Page, samples: int = 200, epochs: int = 300, rate: float = 1.0, seed: int = 0
) -> dict[str, float]:
    """Separate two overlapping clouds by one sigmoid unit, and compare it with scikit-learn's.

    Args:
        page: where the results are shown.
        samples: how many points.
        epochs: steps, each on all points.
        rate: the learning rate.
        seed: of the points and the first weights.

    Returns:
        The likelihoods of a point on average at first, in the end, and by scikit-learn; the
        accuracy; and the largest difference between a weight and scikit-learn's.
    """
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(seed)
    y = np.arange(samples) % 2
    x = rng.normal(np.where(y[:, None] == 1, [0.9, 0.6], [-0.9, -0.6]), 1.0).astype(np.float32)
    page.text(
        f"{samples} points of two kinds that overlap: no line gets all of them right. One unit "
        "with a sigmoid starts with random weights."
    )

    passed: list[dict[str, np.ndarray]] = []  # the weights after each step

    def remember(model: gr.Model, epoch: int, logs: Any) -> None:
        passed.append(model.weights)

    net = gr.Sequential([gr.Dense(1, "sigmoid")])
    model = gr.Model(net, "binary_crossentropy", gr.SGD(rate), seed=seed).build(x)
    remember(model, 0, None)
    model.fit(
        *(x, y[:, None]),
        batch_size=None,
        epochs=epochs,
        callbacks=[remember],
        verbose=False,
    )
    path = np.array(
        [[*weights["dense/kernel"][:, 0], *weights["dense/bias"]] for weights in passed]
    )
    theirs = LogisticRegression(C=np.inf, tol=1e-8).fit(x.astype(float), y)
    best = np.array([*theirs.coef_[0], *theirs.intercept_])

    steps = [step for step in (0, 1, 3, 10, 30, 100, epochs) if step <= epochs]
    marks = [*((f"step {n}", path[n]) for n in steps), ("scikit-learn", best)]
    page.table(
        [
            {"": name, "w₁": w1, "w₂": w2, "b": b, "likelihood": likelihood(x, y, (w1, w2, b))}
            for name, (w1, w2, b) in marks
        ],
        "The weights, and the likelihood of a point: the (geometric) mean of the probabilities "
        "that the unit gives to the true classes.",
    )
    page.figure(
        boundaries(model, x, y, path[steps]),
        "The boundary p = ½ at first (palest), after the steps above, and in the end (darkest).",
    )
    nearby = best + 0.3 * np.concatenate([np.eye(3), -np.eye(3)])
    page.table(
        [
            {"moved": "not at all", "likelihood": likelihood(x, y, path[-1])},
            *(
                {"moved": f"{name} {sign} 0.3", "likelihood": likelihood(x, y, point)}
                for (sign, name), point in zip(
                    [(sign, name) for sign in "+−" for name in ("w₁", "w₂", "b")],
                    nearby,
                    strict=True,
                )
            ),
        ],
        "It is the highest: moving any of the three numbers either way makes the data less likely.",
    )
    return {
        "likelihood_at_first": likelihood(x, y, path[0]),
        "likelihood_in_the_end": likelihood(x, y, path[-1]),
        "likelihood_by_scikit_learn": likelihood(x, y, best),
        "accuracy": float(np.mean(model.predict_classes(x) == y)),
        "difference_from_scikit_learn": float(np.abs(path[-1] - best).max()),
        "best_likelihood_nearby": max(likelihood(x, y, point) for point in nearby),
    }


def likelihood(x: np.ndarray, y: np.ndarray, weights: Any) -> float:
    """Return the geometric mean of the probabilities that the true classes are given."""
    *w, b = np.asarray(weights, float)
    z = (x @ np.array(w) + b) * np.where(y == 1, 1, -1)  # p(true class) = sigmoid(z)
    return float(np.exp(-np.mean(np.logaddexp(0, -z))))


def boundaries(model: gr.Model, x: np.ndarray, y: np.ndarray, path: np.ndarray) -> Any:
    """Return the points, what the model says around them, and the boundary at some steps."""
    shown = gr.figures.decision_boundary(model, x, y)
    across = np.array([x[:, 0].min() - 1, x[:, 0].max() + 1])
    for (w1, w2, b), strength in zip(path, np.linspace(0.15, 1, len(path)), strict=True):
        line = {"color": style.faint(style.INK, strength), "width": 2}
        shown.add_scatter(
            x=across, y=-(w1 * across + b) / w2, mode="lines", line=line, showlegend=False
        )
    shown.update_xaxes(range=[x[:, 0].min() - 0.3, x[:, 0].max() + 0.3], title_text="x₁")
    shown.update_yaxes(range=[x[:, 1].min() - 0.3, x[:, 1].max() + 0.3], title_text="x₂")
    return shown
