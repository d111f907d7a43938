"""Will I pass? Two numbers in, one probability out.

A student has studied for some hours and slept for some hours the night before. Will she pass? Two
numbers, and a yes or no that neither decides alone: a task for one unit with a sigmoid.

    z = w₁ · study + w₂ · sleep + b
    p = sigmoid(z) = 1 / (1 + e⁻ᶻ)

Before training the weights are random, and so are its opinions: it is as good as someone who has
never seen a student. Training shows it 300 students and how they did. After each handful it moves
its weights a little in the direction that would have made its answers less wrong.

What the weights have learnt can be read. `w₁` says by how much an hour of study raises z, and
`exp(w₁)` by which factor it multiplies the odds `p / (1 − p)` of passing. The unit does not know
why, and it has only seen students like these.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.page import Page

STUDY, SLEEP = 0.8, 0.5  # what an hour of each adds to z in truth
STUDENTS = {  # hours of study, hours of sleep
    "has hardly studied, slept well": (1, 8),
    "has done a bit of both": (5, 7),
    "has studied all night": (9, 2),
    "has studied and slept": (9, 8),
}


def lesson(
    page: Page, students: int = 300, epochs: int = 60, rate: float = 0.05, seed: int = 0
) -> dict[str, float]:
    """Teach one unit who passes an exam.

    Args:
        page: where the results are shown.
        students: how many it learns from; another 1,000 test it.
        epochs: how often it sees each of them.
        rate: the learning rate.
        seed: of the students and the first weights.

    Returns:
        Its accuracy on the tested students before and after, that of who knows the
        true odds, and the
        probability that it gives to a student who has studied and slept, before and after.
    """
    rng = np.random.default_rng(seed)
    (x, y, _), (x_test, y_test, truth) = exams(rng, students), exams(rng, 1000)
    # Hours from 0 to 10 and from 2 to 9 become numbers around zero (see the lesson "scaling").
    centred = gr.Rescaling((1 / 3, 1 / 2), (-5 / 3, -5.5 / 2))
    net = gr.Sequential([centred, gr.Dense(1, "sigmoid")])
    model = gr.Model(
        net, "binary_crossentropy", gr.Adam(rate), metrics=["accuracy"], seed=seed
    ).build(x)
    asked = np.array(list(STUDENTS.values()), np.float32)
    before = model.predict(asked)[:, 0], model.evaluate(x_test, y_test)["accuracy"]
    page.figure(
        drawn(model, x, y, "Before"),
        "What the unit says before it has learnt anything; the points are the students.",
    )
    model.fit(x, y, epochs=epochs, verbose=False)
    after = model.predict(asked)[:, 0], model.evaluate(x_test, y_test)["accuracy"]
    page.figure(drawn(model, x, y, "After"), "The same unit after training; paler is less sure.")
    page.figure(
        gr.figures.learning_curves(model.history),
        "Each epoch, it has seen every student once more.",
    )
    page.table(
        [
            {"who": who, "study (h)": study, "sleep (h)": sleep, "p before": p, "p after": q}
            for (who, (study, sleep)), p, q in zip(
                STUDENTS.items(), before[0], after[0], strict=True
            )
        ],
        "Will I pass? The probability p before and after training.",
    )
    weights = model.weights["dense/kernel"][:, 0] / (3, 2)  # of an hour
    page.text(
        f"In its eyes an hour of study multiplies the odds of passing by {np.exp(weights[0]):.2f}, "
        f"an hour of sleep by {np.exp(weights[1]):.2f}. (The students were drawn with "
        f"{np.exp(STUDY):.2f} and {np.exp(SLEEP):.2f}, and luck.)"
    )
    return {
        "accuracy_before": float(before[1]),
        "accuracy_after": float(after[1]),
        "accuracy_of_who_knows_the_odds": float(np.mean((truth > 0.5) == (y_test > 0.5))),
        "probability_before": float(before[0][-1]),
        "probability_after": float(after[0][-1]),
        "odds_for_an_hour_of_study": float(np.exp(weights[0])),
        "odds_for_an_hour_of_sleep": float(np.exp(weights[1])),
    }


def exams(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hours of study and sleep `(n, 2)`, who passed `(n, 1)`, and how probable it was."""
    x = np.column_stack([rng.uniform(0, 10, count), rng.uniform(2, 9, count)])
    z = STUDY * (x[:, :1] - 5) + SLEEP * (x[:, 1:] - 5.5)
    p = 1 / (1 + np.exp(-z))
    return x.astype(np.float32), (rng.uniform(size=p.shape) < p).astype(np.int32), p


def drawn(model: gr.Model, x: np.ndarray, y: np.ndarray, title: str) -> Any:
    """Return what the unit says of any hours of study and sleep."""
    shown = gr.figures.decision_boundary(model, x, y[:, 0], ["fails", "passes"])
    shown.update_layout(title_text=title, height=400)
    shown.update_xaxes(title_text="study (hours)")
    shown.update_yaxes(title_text="sleep (hours)")
    return shown
