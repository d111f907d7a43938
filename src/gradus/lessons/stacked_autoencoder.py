"""The stacked autoencoder: unlabeled images help when labels are few.

A label costs somebody's time; an image often costs nothing. Suppose there are a thousand images of
digits, and somebody has labeled fifty of them. Can the others be of use?

The gradient of a deep network of sigmoid units starts out small in its lower layers, as the lesson
`vanishing` shows, and the upper layers soon memorize fifty labels. The lower layers stay almost as
random as they were initialized. Greedy layer-wise pre-training (Hinton, Osindero & Teh 2006; Bengio
et al. 2007) gives each of them a task that needs no labels and is close at hand:

1. Train an autoencoder on all images x: it finds a code h₁ from which x can be reconstructed.
2. Train an autoencoder on h₁: it finds a code h₂ from which h₁ can be reconstructed. Repeat
   with h₂.
3. Stack the encoders, put an output layer on top, and train everything on the labels: fine-tuning.

Each phase trains a network with one hidden layer, which is easy, and leaves the layers before it
unchanged. Fine-tuning then starts not from random layers but from layers that know how digits are
made. This is what made deep networks trainable in 2006. Since then, rectified units, better initial
weights, and normalization have done so without pre-training, as the last row of the table shows.
The idea itself, to learn first from unlabeled data, has stayed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import gradus as gr
from gradus.lessons.images import load_images
from gradus.lessons.page import Page

KINDS = ("from scratch", "pre-trained", "from scratch, ReLU")


def lesson(
    page: Page,
    data: str = "digits",
    samples: int = 5_000,
    widths: Sequence[int] = (100, 100, 100),
    per_class: int = 5,
    seeds: int = 4,
    rounds: int = 40,
    epochs: int = 600,
    seed: int = 0,
) -> dict[str, float]:
    """Train deep networks on few labels, with and without pre-training on all images.

    Args:
        page: the page to show the results on.
        data: the images, "digits" or "mnist".
        samples: maximum number of training images.
        widths: the widths of the hidden layers.
        per_class: number of labeled digits per class.
        seeds: number of networks of each kind, each with different labels.
        rounds: number of epochs in each phase of the pre-training.
        epochs: training steps on the labels, which are a single batch.
        seed: seed of the first network; the others use the seeds that follow.

    Returns:
        The mean accuracy of each kind on unseen digits, the mean and the smallest gain from
        pre-training, and the largest ratio of a phase's final error to its first.
    """
    images = load_images(data).flat
    x, y = images.x[:samples], images.y[:samples]
    page.text(
        f"There are {len(x):,} digits, of which {per_class} of each class have a label. Networks "
        f"with hidden layers of {', '.join(map(str, widths))} units train on these labels, with "
        f"{seeds} seeds, which also select the labeled digits. Pre-trained or not, networks with "
        "the same seed have the same initial weights and the same labels."
    )
    curves: dict[str, list[np.ndarray]] = {kind: [] for kind in KINDS}
    error_ratios = []
    for network_seed in range(seed, seed + seeds):
        rows = labeled_rows(y, per_class, network_seed)
        for kind in KINDS:
            activation = "relu" if "ReLU" in kind else "sigmoid"
            stack = stacked_autoencoder(widths, activation, network_seed)
            if kind == "pre-trained":
                phases = stack.pretrain(
                    x, epochs=rounds, batch_size=64, probes=False, verbose=False
                )
                error_ratios += [phase["loss"][-1] / phase["loss"][0] for phase in phases.values()]
            history = stack.classifier(10).fit(
                x[rows],
                y[rows],
                validation_data=(images.x_test, images.y_test),
                batch_size=None,
                epochs=epochs,
                probes=False,
                verbose=False,
            )
            curves[kind].append(history["val_accuracy"])
    page.figure(
        gr.figures.curves_of(phases, "loss"),
        "The pre-training of the last network: the mean squared reconstruction error in each "
        "phase, whose input is the code of the phase before.",
    )
    page.figure(
        gr.figures.lines(
            {kind: np.mean(each, axis=0) for kind, each in curves.items()},
            "steps",
            "accuracy on unseen digits",
        ),
        f"Accuracy on {len(images.y_test):,} unseen digits, averaged over {seeds} networks. Longer "
        "training from scratch does not catch up.",
    )
    final = {kind: np.array([curve[-1] for curve in each]) for kind, each in curves.items()}
    page.table(
        [
            {
                "": kind,
                "mean accuracy": scores.mean(),
                "lowest accuracy": scores.min(),
                "highest accuracy": scores.max(),
            }
            for kind, scores in final.items()
        ],
        "Accuracy on unseen digits after the last step.",
    )
    gains = final["pre-trained"] - final["from scratch"]
    page.text(
        f"With the same {10 * per_class} labels, pre-training gains {100 * gains.mean():.1f} "
        f"percentage points on average, and at least {100 * gains.min():.1f}. A network of "
        "rectified units gets there without it."
    )
    numbers = {
        "scratch_accuracy": final["from scratch"].mean(),
        "pretrained_accuracy": final["pre-trained"].mean(),
        "relu_accuracy": final["from scratch, ReLU"].mean(),
        "mean_gain": gains.mean(),
        "smallest_gain": gains.min(),
        "largest_error_ratio_of_a_phase": max(error_ratios),
    }
    return {name: float(value) for name, value in numbers.items()}


def stacked_autoencoder(widths: Sequence[int], activation: str, seed: int) -> gr.StackedAutoencoder:
    """Create an untrained stacked autoencoder."""
    rate = 1e-3 if activation == "relu" else 3e-3
    return gr.StackedAutoencoder(
        list(widths), activation=activation, optimizer=gr.Adam(rate), seed=seed
    )


def labeled_rows(y: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    """Return the rows of `per_class` digits of each class, selected by `seed`."""
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [rng.permutation(np.flatnonzero(y == digit))[:per_class] for digit in range(10)]
    )
