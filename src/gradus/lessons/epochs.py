"""Epochs: how often to show the samples, and when to stop.

An epoch is one pass over all training samples. After each, the network's wrong answers can be
counted: on the samples that it learns from, and on others that it never sees. Only the second count
says how good it is, for it is new questions that it will be asked.

The counts go through three stages. At first both fall fast: the network learns what most samples
have in common. Then they fall slowly: it learns what is rare. At last the wrong answers in training
still fall, but those on unseen samples rise again: the network learns by heart what is true of its
own samples alone.

What is there to be learnt by heart? Above all mistakes. In every collection of data some labels are
wrong. Here some of the training labels are made wrong on purpose; the unseen samples keep their
right ones. The lesson is old (Geman, Bienenstock & Doursat 1992): stop when the unseen samples are
served best, not when the training samples are. `fit(validation_split=0.2, patience=10)` does that.
"""

from __future__ import annotations

import numpy as np

import gradus as gr
from gradus.lessons.page import Page
from gradus.lessons.pictures import pictures


def lesson(
    page: Page,
    data: str = "digits",
    samples: int = 600,
    wrong: float = 0.2,
    epochs: int = 150,
    seeds: int = 5,
    seed: int = 0,
) -> dict[str, float]:
    """Count the wrong answers after each epoch, in training and on unseen pictures.

    Args:
        page: where the results are shown.
        data: which pictures: "digits" or "mnist".
        samples: how many to learn from.
        wrong: the share of them that get a label drawn at random.
        epochs: how often each is seen.
        seeds: how many networks are trained; the counts are their means.
        seed: of the pictures, the wrong labels, and the first network.

    Returns:
        The wrong answers in a hundred: in training at the end, on unseen pictures after one epoch,
        at their fewest and at the end; and the epoch of the fewest.
    """
    flat = pictures(data, seed).flat
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(flat.x))[:samples]
    x, labels = flat.x[rows], flat.y[rows].copy()
    spoilt = rng.random(samples) < wrong
    labels[spoilt] = rng.integers(10, size=spoilt.sum())

    models = gr.fit_all(
        [
            gr.Model(
                gr.mlp([128, 10], output_activation="softmax"),
                loss="sparse_categorical_crossentropy",
                optimizer=gr.Adam(2e-3),
                metrics=["accuracy"],
                seed=seed + index,
            )
            for index in range(seeds)
        ],
        *(x, labels),
        epochs=epochs,
        validation_data=(flat.x_test, flat.y_test),
        probes=False,
    )
    training, unseen = (
        100 - 100 * np.mean([model.history[name] for model in models], axis=0)
        for name in ("accuracy", "val_accuracy")
    )
    best = int(unseen.argmin())
    page.figure(
        gr.figures.lines(
            {"training": training, "unseen": unseen},
            *("epoch", "wrong answers in a hundred"),
            log="x",
        ),
        f"Wrong answers after each epoch, the mean of {seeds} networks. {100 * wrong:.0f} of a "
        "hundred training labels were drawn at random.",
    )
    shown = sorted({0, 1, 3, best, min(3 * best + 2, epochs - 1), epochs - 1})
    page.table(
        [
            {"epoch": each + 1, "training, %": training[each], "unseen, %": unseen[each]}
            for each in shown
        ],
        "The same in numbers: fast, then slowly, then up again on unseen pictures.",
    )
    return {
        "wrong_in_training_at_the_end": float(training[-1]),
        "wrong_unseen_after_one_epoch": float(unseen[0]),
        "wrong_unseen_at_best": float(unseen[best]),
        "wrong_unseen_at_the_end": float(unseen[-1]),
        "best_epoch": best + 1,
    }
