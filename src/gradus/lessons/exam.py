"""Will I pass? Two numbers in, one probability out.

A student studied for some hours, and slept for some hours the night before the exam. Will she pass?
Two numbers, and a yes or no that neither of them decides alone: this is a task for one unit with a
sigmoid.

    z = w₁ · study + w₂ · sleep + b
    p = sigmoid(z) = 1 / (1 + e⁻ᶻ)

Before training, the weights are random. The answers follow from them and say nothing about the
students: they may be right for more than half of them or for less. Training shows it 300 students
and their results, again and again. After each batch, it moves its weights a little in the direction
that would have made its answers less wrong.

We can read what the weights have learned. `w₁` is the amount by which an hour of study raises z,
and `exp(w₁)`, the odds ratio, is the factor by which it multiplies the odds of passing,
`p / (1 − p)`. The unit does not know why, and it has only seen students like these.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.page import Page

STUDY, SLEEP = 0.8, 0.5  # what an hour of each really adds to z
STUDENTS = {  # hours of study, hours of sleep
    "hardly studied, slept well": (1, 8),
    "did a bit of both": (5, 7),
    "studied all night": (9, 2),
    "studied and slept": (9, 8),
}


def lesson(
    page: Page, students: int = 300, epochs: int = 60, rate: float = 0.05, seed: int = 0
) -> dict[str, float]:
    """Train one unit to predict who passes an exam.

    Args:
        page: the page to show the results on.
        students: number of training samples; another 1,000 are for testing.
        epochs: number of epochs.
        rate: the learning rate.
        seed: seed of the students and of the initial weights.

    Returns:
        The test accuracy before and after training, the accuracy that knowledge of the true
        probabilities would give, the probability for a student who studied and slept, before and
        after, and the odds ratios of an hour of study and of sleep.
    """
    rng = np.random.default_rng(seed)
    x, y, _ = draw_students(rng, students)
    x_test, y_test, true_probability = draw_students(rng, 1000)
    # Scale hours from 0 to 10 and from 2 to 9 to numbers around zero (see the lesson "scaling").
    scale = gr.Rescaling((1 / 3, 1 / 2), (-5 / 3, -5.5 / 2))
    net = gr.Sequential([scale, gr.Dense(1, "sigmoid")])
    model = gr.Model(
        net, "binary_crossentropy", gr.Adam(rate), metrics=["accuracy"], seed=seed
    ).build(x)
    examples = np.array(list(STUDENTS.values()), np.float32)
    before = model.predict(examples)[:, 0], model.evaluate(x_test, y_test)["accuracy"]
    page.figure(
        plot_output(model, x, y, "Before"),
        "The unit's output before training, by random weights. The points are the students it will "
        f"learn from. It is right for {before[1]:.0%} of {len(x_test):,} others; a coin would be "
        "right for half.",
    )
    model.fit(x, y, epochs=epochs, verbose=False)
    after = model.predict(examples)[:, 0], model.evaluate(x_test, y_test)["accuracy"]
    best = float(np.mean((true_probability > 0.5) == (y_test > 0.5)))
    page.figure(
        plot_output(model, x, y, "After"),
        "The same unit after training. Paler colors mean less certainty. It is right for "
        f"{after[1]:.0%} of the others; whoever knows the true probabilities is right for "
        f"{best:.0%}.",
    )
    page.figure(
        gr.figures.learning_curves(model.history),
        "In each epoch, the unit sees every student once.",
    )
    page.table(
        [
            {"student": name, "study (h)": study, "sleep (h)": sleep, "p before": p, "p after": q}
            for (name, (study, sleep)), p, q in zip(
                STUDENTS.items(), before[0], after[0], strict=True
            )
        ],
        "Will I pass? The probability p before and after training.",
    )
    weights = model.weights["dense/kernel"][:, 0] / (3, 2)  # per hour
    page.text(
        "According to the unit, an hour of study multiplies the odds of passing by "
        f"{np.exp(weights[0]):.2f}, and an hour of sleep by {np.exp(weights[1]):.2f}. (The results "
        f"were drawn with {np.exp(STUDY):.2f} and {np.exp(SLEEP):.2f}, plus luck.)"
    )
    return {
        "accuracy_before": float(before[1]),
        "accuracy_after": float(after[1]),
        "accuracy_with_the_true_probabilities": best,
        "probability_before": float(before[0][-1]),
        "probability_after": float(after[0][-1]),
        "odds_ratio_of_study": float(np.exp(weights[0])),
        "odds_ratio_of_sleep": float(np.exp(weights[1])),
    }


def draw_students(
    rng: np.random.Generator, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw hours of study and sleep `(n, 2)`, results `(n, 1)`, and their true probabilities."""
    x = np.column_stack([rng.uniform(0, 10, count), rng.uniform(2, 9, count)])
    z = STUDY * (x[:, :1] - 5) + SLEEP * (x[:, 1:] - 5.5)
    p = 1 / (1 + np.exp(-z))
    return x.astype(np.float32), (rng.uniform(size=p.shape) < p).astype(np.int32), p


def plot_output(model: gr.Model, x: np.ndarray, y: np.ndarray, title: str) -> Any:
    """Plot the unit's output for all hours of study and sleep."""
    figure = gr.figures.decision_boundary(model, x, y[:, 0], ["fails", "passes"])
    figure.update_layout(title_text=title, height=400)
    figure.update_xaxes(title_text="study (hours)")
    figure.update_yaxes(title_text="sleep (hours)")
    return figure
