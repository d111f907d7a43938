"""The stacked autoencoder: pictures without labels help where labels are few.

A label costs somebody's time; a picture often costs nothing. Say there are a thousand pictures of
digits, and somebody has looked at fifty of them. Can the others be of use?

The gradient of a deep network of sigmoid units starts out small in its lower layers, as the lesson
`vanishing` shows, and fifty labels are soon learnt by heart by the upper ones. The lower layers
stay nearly what chance has made them. Greedy layer-wise pre-training (Hinton, Osindero & Teh 2006;
Bengio et al. 2007) gives them something to do that needs no labels and is not far away:

1. Train an autoencoder on all pictures x: it finds a code h₁ from which x can be restored.
2. Train an autoencoder on h₁: it finds a code h₂ from which h₁ can be restored. Then one on h₂.
3. Stack the encoders, put an output layer on top, and train the whole on the labels: fine-tuning.

Each phase is a network with one hidden layer, which is easy to train, and those before it stay as
they are. What fine-tuning begins with are no longer random layers but ones that know how digits are
made. It was this that made deep networks trainable in 2006. Since then rectified units, better
first weights and normalisation have done so too, without pre-training, as the last row of the table
shows; the idea itself, to learn first from what has no labels, has stayed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import gradus as gr
from gradus.lessons.page import Page
from gradus.lessons.pictures import pictures

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
    """Train deep networks on few labels, with and without pre-training on all pictures.

    Args:
        page: where the results are shown.
        data: which pictures: "digits" or "mnist".
        samples: how many of them at most.
        widths: of the hidden layers.
        per_class: how many digits of each class have a label.
        seeds: how many networks of each kind, each with other labels.
        rounds: how often each phase of the pre-training sees each picture.
        epochs: steps on the labels, all of them in one batch.
        seed: of the first network; the others count on from it.

    Returns:
        The mean accuracy of each kind on unseen digits, what pre-training gains in the mean and at
        least, and the largest share of its first error that a phase was left with.
    """
    found = pictures(data).flat
    x, y = found.x[:samples], found.y[:samples]
    page.text(
        f"There are {len(x):,} digits, {per_class} of each kind with a label. Networks with hidden "
        f"layers of {', '.join(map(str, widths))} units are trained on these labels, from {seeds} "
        "seeds, which also draw which digits have one. Pre-trained or not, those of one seed have "
        "the same first weights and the same labels."
    )
    curves: dict[str, list[np.ndarray]] = {kind: [] for kind in KINDS}
    left = []
    for each in range(seed, seed + seeds):
        rows = labelled(y, per_class, each)
        for kind in KINDS:
            stack = stacked(widths, "relu" if "ReLU" in kind else "sigmoid", each)
            if kind == "pre-trained":
                phases = stack.pretrain(
                    x, epochs=rounds, batch_size=64, probes=False, verbose=False
                )
                left += [phase["loss"][-1] / phase["loss"][0] for phase in phases.values()]
            history = stack.classifier(10).fit(
                *(x[rows], y[rows]),
                validation_data=(found.x_test, found.y_test),
                batch_size=None,
                epochs=epochs,
                probes=False,
                verbose=False,
            )
            curves[kind].append(history["val_accuracy"])
    page.figure(
        gr.figures.curves_of(phases, "loss"),
        "The pre-training of the last network: the mean square of what each phase's autoencoder "
        "does not restore of its input, which is the code of the one before it.",
    )
    page.figure(
        gr.figures.lines(
            {kind: np.mean(each, axis=0) for kind, each in curves.items()},
            "steps on the labels",
            "accuracy on unseen digits",
        ),
        f"Accuracy on {len(found.y_test):,} unseen digits, the mean of {seeds} networks. Training "
        "from scratch for longer does not catch up.",
    )
    last = {kind: np.array([curve[-1] for curve in each]) for kind, each in curves.items()}
    page.table(
        [
            {
                "": kind,
                "mean accuracy": scores.mean(),
                "least accuracy": scores.min(),
                "largest accuracy": scores.max(),
            }
            for kind, scores in last.items()
        ],
        "Accuracy on unseen digits after the last step.",
    )
    gains = last["pre-trained"] - last["from scratch"]
    page.text(
        f"With the same {10 * per_class} labels pre-training gains {100 * gains.mean():.1f} "
        f"percentage points in the mean, and {100 * gains.min():.1f} at least. A network of "
        "rectified units gets there without it."
    )
    numbers = {
        "scratch_accuracy": last["from scratch"].mean(),
        "pretrained_accuracy": last["pre-trained"].mean(),
        "relu_accuracy": last["from scratch, ReLU"].mean(),
        "mean_gain": gains.mean(),
        "least_gain": gains.min(),
        "most_error_left_in_a_phase": max(left),
    }
    return {name: float(value) for name, value in numbers.items()}


def stacked(widths: Sequence[int], activation: str, seed: int) -> gr.StackedAutoencoder:
    """Return a stacked autoencoder that was not trained yet."""
    rate = 1e-3 if activation == "relu" else 3e-3
    return gr.StackedAutoencoder(
        list(widths), activation=activation, optimizer=gr.Adam(rate), seed=seed
    )


def labelled(y: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    """Return the rows of some digits of each class, drawn by `seed`."""
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [rng.permutation(np.flatnonzero(y == digit))[:per_class] for digit in range(10)]
    )
