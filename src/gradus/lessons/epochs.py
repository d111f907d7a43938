"""Epochs: how often to show the samples, and when to stop.

An epoch is one pass over all training samples. After each epoch, we can count the network's wrong
answers, both on the samples that it learns from and on others that it never sees. Only the second
count says how good the network is, because new questions are what it will be asked.

The counts go through three stages. At first both fall fast: the network learns what most samples
have in common. Then they fall slowly: it learns what is rare. Finally, the wrong answers in
training still fall, but those on unseen samples rise again: the network memorizes what is true of
its own samples alone.

What is there to memorize? Mistakes, above all. In every data set, some labels are wrong. Here, some
training labels are made wrong on purpose; the unseen samples keep their correct labels. The lesson
is old (Morgan & Bourlard 1990): stop when the results on unseen samples are best, not
when those on the training samples are. `fit(validation_split=0.2, patience=10)` does that.
"""

from __future__ import annotations

import numpy as np

import gradus as gr
from gradus.lessons.images import load_images
from gradus.lessons.page import Page


def lesson(
    page: Page,
    data: str = "digits",
    samples: int = 600,
    wrong: float = 0.2,
    epochs: int = 150,
    seeds: int = 5,
    seed: int = 0,
) -> dict[str, float]:
    """Count the wrong answers after each epoch, in training and on unseen images.

    Args:
        page: the page to show the results on.
        data: the images, "digits" or "mnist".
        samples: number of training images.
        wrong: the share of them that get a random label.
        epochs: number of epochs.
        seeds: number of networks, over which the results are averaged.
        seed: seed of the images, of the random labels, and of the first network.

    Returns:
        The percentage of wrong answers in training at the end, and on unseen images after one
        epoch, at its lowest, and at the end; and the epoch of the lowest.
    """
    flat = load_images(data, seed).flat
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(flat.x))[:samples]
    x, labels = flat.x[rows], flat.y[rows].copy()
    relabeled = rng.random(samples) < wrong
    labels[relabeled] = rng.integers(10, size=relabeled.sum())
    share_wrong = float(np.mean(labels != flat.y[rows]))

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
        x,
        labels,
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
            "epoch",
            "wrong answers (%)",
            log="x",
        ),
        f"Wrong answers after each epoch, averaged over {seeds} networks. Of the training labels, "
        f"{relabeled.mean():.1%} were drawn at random, and {share_wrong:.1%} are wrong. On unseen "
        f"images, the fewest answers are wrong after epoch {best + 1}.",
    )
    epochs_shown = sorted({0, 1, 3, best, min(3 * best + 2, epochs - 1), epochs - 1})
    page.table(
        [
            {"epoch": epoch + 1, "training, %": training[epoch], "unseen, %": unseen[epoch]}
            for epoch in epochs_shown
        ],
        "The same in numbers. On unseen images, the errors fall fast, then slowly, then rise "
        "again.",
    )
    return {
        "wrong_in_training_at_the_end": float(training[-1]),
        "wrong_unseen_after_one_epoch": float(unseen[0]),
        "wrong_unseen_at_best": float(unseen[best]),
        "wrong_unseen_at_the_end": float(unseen[-1]),
        "best_epoch": best + 1,
    }
