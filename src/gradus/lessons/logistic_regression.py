"""Logistic regression: one unit that outputs a probability.

Many questions have a yes-or-no answer, and often the best we can give is a probability. A unit with
a sigmoid provides one: it squeezes its weighted sum z into a number between 0 and 1, which is its
estimate of the probability of class 1.

    z = w·x + b,    p = 1 / (1 + e⁻ᶻ)

Where z = 0, p is one half; with two inputs, these points form a line, the boundary between the
classes.

What makes weights good? They should make the observed classes probable. The likelihood is the
product of the probabilities that the unit gives to the true classes. Its logarithm, a sum, is
easier to work with. Negated and divided by n, it is the loss that nearly every classifier uses, the
cross-entropy:

    L = −1/n Σ ( y log p + (1 − y) log(1 − p) )

Minimizing this loss maximizes the likelihood. Its gradient is simple:

    ∂L/∂w = 1/n Σ (p − y) x

which is "error times input", as for the line in the lesson `linear-regression`. The loss is convex,
a single bowl: if the classes overlap, it has exactly one lowest point, and every method that works
must find that point.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradus as gr
from gradus.drawing import style
from gradus.lessons.page import Page


def lesson(
    page: Page, samples: int = 200, epochs: int = 300, rate: float = 1.0, seed: int = 0
) -> dict[str, float]:
    """Separate two overlapping classes with one sigmoid unit; compare it with scikit-learn.

    Args:
        page: the page to show the results on.
        samples: number of points.
        epochs: training steps, each on all points.
        rate: the learning rate.
        seed: seed of the points and of the initial weights.

    Returns:
        The mean likelihood of a point before training, after training, and with scikit-learn's
        weights; the accuracy; and the largest difference between a weight and scikit-learn's.
    """
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(seed)
    y = np.arange(samples) % 2
    x = rng.normal(np.where(y[:, None] == 1, [0.9, 0.6], [-0.9, -0.6]), 1.0).astype(np.float32)
    page.text(
        f"There are {samples} points in two classes that overlap: no line gets all of them right. "
        "A unit with a sigmoid starts with random weights."
    )

    history: list[dict[str, np.ndarray]] = []  # the weights after each step

    def record(model: gr.Model, epoch: int, logs: Any) -> None:
        history.append(model.weights)

    net = gr.Sequential([gr.Dense(1, "sigmoid")])
    model = gr.Model(net, "binary_crossentropy", gr.SGD(rate), seed=seed).build(x)
    record(model, 0, None)
    model.fit(
        x,
        y[:, None],
        batch_size=None,
        epochs=epochs,
        callbacks=[record],
        verbose=False,
    )
    path = np.array(
        [[*weights["dense/kernel"][:, 0], *weights["dense/bias"]] for weights in history]
    )
    reference = LogisticRegression(C=np.inf, tol=1e-8).fit(x.astype(float), y)
    best = np.array([*reference.coef_[0], *reference.intercept_])

    steps = [step for step in (0, 1, 3, 10, 30, 100, epochs) if step <= epochs]
    weights_at = [*((f"step {n}", path[n]) for n in steps), ("scikit-learn", best)]
    page.table(
        [
            {"": name, "w₁": w1, "w₂": w2, "b": b, "likelihood": likelihood(x, y, (w1, w2, b))}
            for name, (w1, w2, b) in weights_at
        ],
        "The weights, and the mean likelihood of a point: the geometric mean of the probabilities "
        "that the unit gives to the true classes.",
    )
    page.figure(
        plot_boundaries(model, x, y, path[steps]),
        "The boundary p = ½ before training (faintest), after the steps above, and at the end "
        "(clearest).",
    )
    nearby = best + 0.3 * np.concatenate([np.eye(3), -np.eye(3)])
    page.table(
        [
            {"change": "none", "likelihood": likelihood(x, y, path[-1])},
            *(
                {"change": f"{name} {sign} 0.3", "likelihood": likelihood(x, y, point)}
                for (sign, name), point in zip(
                    [(sign, name) for sign in "+−" for name in ("w₁", "w₂", "b")],
                    nearby,
                    strict=True,
                )
            ),
        ],
        "This is the maximum: changing any of the three weights makes the data less likely.",
    )
    return {
        "likelihood_before": likelihood(x, y, path[0]),
        "likelihood_after": likelihood(x, y, path[-1]),
        "likelihood_scikit_learn": likelihood(x, y, best),
        "accuracy": float(np.mean(model.predict_classes(x) == y)),
        "difference_from_scikit_learn": float(np.abs(path[-1] - best).max()),
        "best_likelihood_nearby": max(likelihood(x, y, point) for point in nearby),
    }


def likelihood(x: np.ndarray, y: np.ndarray, weights: Any) -> float:
    """Return the geometric mean of the probabilities given to the true classes."""
    *w, b = np.asarray(weights, float)
    z = (x @ np.array(w) + b) * np.where(y == 1, 1, -1)  # p(true class) = sigmoid(z)
    return float(np.exp(-np.mean(np.logaddexp(0, -z))))


def plot_boundaries(model: gr.Model, x: np.ndarray, y: np.ndarray, path: np.ndarray) -> Any:
    """Plot the points, the model's output around them, and the boundary at some steps."""
    figure = gr.figures.decision_boundary(model, x, y)
    x1 = np.array([x[:, 0].min() - 1, x[:, 0].max() + 1])
    for (w1, w2, b), strength in zip(path, np.linspace(0.15, 1, len(path)), strict=True):
        line = {"color": style.translucent(style.INK, strength), "width": 2}
        figure.add_scatter(x=x1, y=-(w1 * x1 + b) / w2, mode="lines", line=line, showlegend=False)
    figure.update_xaxes(range=[x[:, 0].min() - 0.3, x[:, 0].max() + 0.3], title_text="x₁")
    figure.update_yaxes(range=[x[:, 1].min() - 0.3, x[:, 1].max() + 0.3], title_text="x₂")
    return figure
