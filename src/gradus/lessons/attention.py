"""Attention: looking back for what matters.

A sequence is read step by step, and what matters now may have been said long ago. Attention lets
each step look at all the others and take from those that have what it asks for. Every step is
mapped, by three matrices that are learnt, to

    q, a query: what it asks for
    k, a key: what it answers to
    v, a value: what it has to say

A step compares its query with the keys of all steps, and a softmax turns the scores into weights,
which sum to 1. What it takes is the mean of the values with these weights:

    attention = softmax(q kᵀ / √d) v

Nothing in this knows the order of the steps, so each step is first given its position: waves of
different lengths are added to it. "Causal" means that a step may look back, but not ahead. A
Transformer (Vaswani et al. 2017) is a stack of blocks; each is attention, by which the steps
exchange what they know, and then two dense layers, by which each step digests it.

The task is to look back in a row of letters: find where the present letter stood last, and name
the letter that came after it. In `b e a d b`, the answer at the last `b` is `e`. That takes two
looks. A letter can be found by comparing, but the one that is wanted, `e`, does not itself say
that it came after a `b`. So in the first block each step learns who its predecessor was, and in
the second it is found by that. Language models find repetitions in just this way; the pair of
heads is called an induction head (Olsson et al. 2022, "In-context learning and induction heads").

Another network has no attention. There each step takes the plain mean of all that came before: it
knows which letters there were, and hardly where.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

import gradus as gr
from gradus.lessons.page import Page

LETTERS = "·abcdefgh"  # the first, a dot, says that the letter has not been there before
WIDTH = 32


class MeanSoFar(gr.Layer):
    """Give each step the mean of all steps up to it: weights that nobody has learnt."""

    def __init__(self) -> None:
        pass

    def call(self, x: Any) -> Any:
        """Return the means, `(batch, steps, features)`."""
        return jnp.cumsum(x, axis=1) / jnp.arange(1, x.shape[1] + 1)[:, None]


def lesson(page: Page, sequences: int = 3000, epochs: int = 10, seed: int = 0) -> dict[str, float]:
    """Teach looking back to a network with attention and to one without.

    Args:
        page: where the results are shown.
        sequences: how many are trained on.
        epochs: how often each is seen.
        seed: of the weights.

    Returns:
        The accuracy of both on new sequences, where there is an answer, and the share of the
        attention that the two blocks give to the step that matters.
    """
    x, y, _ = draw(sequences, seed=1)
    x_test, y_test, found = draw(1000, seed=2)
    page.text(
        f"Each of two networks reads {sequences:,} rows of {x.shape[1]} letters, drawn at random "
        f"from {len(LETTERS) - 1}, and says at each step which letter followed the last time."
    )
    blocks: dict[str, list[gr.Layer]] = {
        "attention": [gr.TransformerEncoder(1, 2 * WIDTH, 0, causal=True) for _ in range(2)],
        "mean": [without_attention() for _ in range(2)],
    }
    models, histories = {}, {}
    for name, own in blocks.items():
        start = [gr.Embedding(len(LETTERS), WIDTH), gr.PositionalEncoding()]
        end = [gr.LayerNorm(), gr.Dense(len(LETTERS), "softmax")]
        net = gr.Sequential([*start, *own, *end])
        loss, metrics = "sparse_categorical_crossentropy", ["accuracy"]
        models[name] = gr.Model(net, loss, gr.Adam(5e-3), metrics, seed=seed)
        histories[name] = models[name].fit(
            x, y, epochs=epochs, batch_size=64, probes=False, verbose=False
        )
    answered = y_test > 0
    said = {name: model.predict_classes(x_test) for name, model in models.items()}
    accuracy = {name: float((said[name] == y_test)[answered].mean()) for name in models}
    maps = list(gr.attention_weights(models["attention"].net, x_test).values())
    before, after = (np.asarray(weights)[:, 0] for weights in maps)  # (sequences, steps, steps)
    looked = {
        "previous": float(np.diagonal(before, -1, 1, 2).mean()),
        "answer": float(np.take_along_axis(after, found[..., None], 2)[..., 0][answered].mean()),
    }
    show(page, histories, x_test[0], y_test[0], {name: each[0] for name, each in said.items()})
    words = [LETTERS[code] for code in x_test[0]]
    page.figure(
        gr.figures.attention_map(before[0], words),
        "The first block, on the row above: each step (row) looks at the one before it. On average "
        f"it gives that step {looked['previous']:.0%} of its attention.",
    )
    page.figure(
        gr.figures.attention_map(after[0], words),
        "The second block: each step looks at the one after the last occurrence of its own letter, "
        f"where the answer stands. It has {looked['answer']:.0%} of the attention, where there is "
        "an answer.",
    )
    page.table(
        [{"network": name, "accuracy": share} for name, share in accuracy.items()],
        "How often each is right on new rows, at steps whose letter has been there before.",
    )
    return {
        "accuracy_with_attention": accuracy["attention"],
        "accuracy_without": accuracy["mean"],
        "share_on_the_previous_step": looked["previous"],
        "share_on_the_answer": looked["answer"],
    }


def draw(count: int, seed: int, steps: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows of letters, the answers, and at which step each stands (0: there is none)."""
    x = np.random.default_rng(seed).integers(1, len(LETTERS), (count, steps)).astype(np.int32)
    found = np.zeros_like(x)
    for now in range(steps):
        for earlier in range(now):  # a later one replaces it: the last counts
            found[x[:, earlier] == x[:, now], now] = earlier + 1
    return x, np.where(found > 0, np.take_along_axis(x, found, 1), 0).astype(np.int32), found


def without_attention() -> gr.Layer:
    """Return a block in which the mean stands for attention, and two dense layers digest it."""
    return gr.Residual([MeanSoFar(), gr.Dense(2 * WIDTH, "relu"), gr.Dense(WIDTH)])


def show(page: Page, histories: Any, x: Any, y: Any, said: dict[str, Any]) -> None:
    """Show the curves, and one row of letters with what the networks say."""
    page.figure(
        gr.figures.curves_of(histories, "accuracy"),
        "Right answers in each epoch. A step whose letter is new counts as well, and to say that "
        "it is needs no looking back.",
    )
    rows = {"read": x, "right": y, **said}
    page.table(
        [
            {"": name, **{str(step): LETTERS[code] for step, code in enumerate(codes, 1)}}
            for name, codes in rows.items()
        ],
        "One row, the right answers, and what the networks say.",
    )
