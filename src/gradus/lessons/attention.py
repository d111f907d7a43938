"""Attention: looking back for what matters.

A network reads a sequence step by step, and what matters now may have come long ago. Attention lets
each step look at all the others and take information from those that have what it asks for. Three
learned matrices map every step to

    q, a query: what it asks for
    k, a key: what it answers to
    v, a value: what it has to say

A step compares its query with the keys of all steps, and a softmax turns the scores into weights
that sum to 1. Its output is the mean of the values with these weights:

    attention = softmax(q kᵀ / √d) v

Nothing in this knows the order of the steps, so each step first receives its position: waves of
different lengths are added to it. "Causal" means that a step can look back but not ahead. A
Transformer (Vaswani et al. 2017) is a stack of blocks. In each, the steps exchange what they know
through attention, and then each step processes it in two dense layers.

The task is to look back in a sequence of letters: find where the current letter last appeared, and
name the letter that followed it. In `b e a d b`, the answer at the last `b` is `e`. That takes two
looks. A letter can be found by comparison, but the wanted letter, `e`, does not itself say that it
followed a `b`. So in the first block, each step learns what its predecessor was, and in the second,
it is found by that. Language models contain such pairs too, a head that looks at the previous step
and one that looks for what followed the same thing before; the second is called an induction head
(Olsson et al. 2022, "In-context learning and induction heads").

A second network has no attention. There, each step takes the plain mean of everything before it: it
knows which letters came, but hardly where.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

import gradus as gr
from gradus.lessons.page import Page

LETTERS = "·abcdefgh"  # the first, a dot, means that the letter is new
WIDTH = 32


class MeanSoFar(gr.Layer):
    """Give each step the mean of all steps up to it: attention with fixed, equal weights."""

    def __init__(self) -> None:
        pass

    def call(self, x: Any) -> Any:
        """Return the means, `(batch, steps, features)`."""
        return jnp.cumsum(x, axis=1) / jnp.arange(1, x.shape[1] + 1)[:, None]


def lesson(page: Page, sequences: int = 3000, epochs: int = 10, seed: int = 0) -> dict[str, float]:
    """Train a network with attention, and one without, to look back.

    Args:
        page: the page to show the results on.
        sequences: number of training sequences.
        epochs: number of epochs.
        seed: seed of the weights.

    Returns:
        The accuracy of both on unseen sequences, where there is an answer, and the share of
        attention that the two blocks give to the step that matters.
    """
    x, y, _ = draw_sequences(sequences, seed=1)
    x_test, y_test, positions = draw_sequences(1000, seed=2)
    page.text(
        f"Two networks read {sequences:,} sequences of {x.shape[1]} letters, drawn at random from "
        f"an alphabet of {len(LETTERS) - 1}. At each step, they predict the letter that followed "
        "the current one last time."
    )
    blocks: dict[str, list[gr.Layer]] = {
        "attention": [gr.TransformerEncoder(1, 2 * WIDTH, 0, causal=True) for _ in range(2)],
        "mean": [without_attention() for _ in range(2)],
    }
    models, histories = {}, {}
    for name, layers in blocks.items():
        start = [gr.Embedding(len(LETTERS), WIDTH), gr.PositionalEncoding()]
        end = [gr.LayerNormalization(), gr.Dense(len(LETTERS), "softmax")]
        net = gr.Sequential([*start, *layers, *end])
        loss, metrics = "sparse_categorical_crossentropy", ["accuracy"]
        models[name] = gr.Model(net, loss, gr.Adam(5e-3), metrics, seed=seed)
        histories[name] = models[name].fit(
            x, y, epochs=epochs, batch_size=64, probes=False, verbose=False
        )
    answered = y_test > 0
    predicted = {name: model.predict_classes(x_test) for name, model in models.items()}
    accuracy = {name: float((predicted[name] == y_test)[answered].mean()) for name in models}
    weights = gr.attention_weights(models["attention"].net, x_test)
    # Each (sequences, steps, steps); there is one head.
    first_block, second_block = (np.asarray(block)[:, 0] for block in weights.values())
    on_answer = np.take_along_axis(second_block, positions[..., None], 2)
    attended = {
        "previous": float(np.diagonal(first_block, -1, 1, 2).mean()),
        "answer": float(on_answer[..., 0][answered].mean()),
    }
    first = {name: classes[0] for name, classes in predicted.items()}
    show_predictions(page, histories, x_test[0], y_test[0], first)
    letters = [LETTERS[code] for code in x_test[0]]
    page.figure(
        gr.figures.attention_map(first_block[0], letters),
        "The first block, on the sequence above. On average, a step (row) gives "
        f"{attended['previous']:.0%} of its attention to the one before it.",
    )
    page.figure(
        gr.figures.attention_map(second_block[0], letters),
        "The second block: a step whose letter has appeared before looks at the one after its last "
        f"occurrence, which is the answer. On average, it gets {attended['answer']:.0%} of the "
        "attention. Where the letter is new, there is no answer to look at.",
    )
    page.table(
        [{"network": name, "accuracy": share} for name, share in accuracy.items()],
        "Accuracy on unseen sequences, at steps whose letter has appeared before.",
    )
    return {
        "accuracy_with_attention": accuracy["attention"],
        "accuracy_without": accuracy["mean"],
        "share_on_the_previous_step": attended["previous"],
        "share_on_the_answer": attended["answer"],
    }


def draw_sequences(
    count: int, seed: int, steps: int = 12
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sequences of letters, the answers, and the step of each answer (0: none)."""
    x = np.random.default_rng(seed).integers(1, len(LETTERS), (count, steps)).astype(np.int32)
    positions = np.zeros_like(x)
    for now in range(steps):
        for earlier in range(now):  # the last occurrence counts
            positions[x[:, earlier] == x[:, now], now] = earlier + 1
    answers = np.where(positions > 0, np.take_along_axis(x, positions, 1), 0)
    return x, answers.astype(np.int32), positions


def without_attention() -> gr.Layer:
    """Create a block with the mean in place of attention, and two dense layers."""
    return gr.Residual([MeanSoFar(), gr.Dense(2 * WIDTH, "relu"), gr.Dense(WIDTH)])


def show_predictions(page: Page, histories: Any, x: Any, y: Any, predicted: dict[str, Any]) -> None:
    """Show the curves, and one sequence with the networks' predictions."""
    page.figure(
        gr.figures.curves_of(histories, "accuracy"),
        "Accuracy by epoch. This includes steps whose letter is new; to recognize those, it is "
        "enough to know which letters came, in whatever order.",
    )
    rows = {"input": x, "target": y, **predicted}
    page.table(
        [
            {"": name, **{str(step): LETTERS[code] for step, code in enumerate(codes, 1)}}
            for name, codes in rows.items()
        ],
        "One sequence, the correct answers, and the networks' predictions.",
    )
