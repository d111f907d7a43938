"""Hyperparameter tuning: 256 settings side by side, and which of them mattered.

How large should the learning rate be, how much momentum, how much dropout? Only trying tells. Three
things make a search honest and cheap:

- **Random, not on a grid.** Of four hyperparameters, one or two usually decide, and nobody knows
  which. A grid of 256 trials tries each of the four at only four values; 256 random trials try each
  at 256 (Bergstra & Bengio 2012). Here the four are the learning rate, momentum, dropout, and the
  L2 penalty. A fifth number, the seed, is drawn with them, so that each trial has its own initial
  weights; there is nothing to tune in it.
- **Judged on separate samples.** The best of 256 trials is the best by skill and by luck, and luck
  inflates its score. So the samples that select it are neither those that it learned from nor those
  that finally tell how good it is.
- **Side by side.** The trials differ only in numbers, so they are one program, compiled once. A
  tuner that starts one training run after another compiles, or at least starts, 256 times.

After the search, the same trials can answer a second question: which hyperparameter mattered? A
forest of decision trees learns to predict the score from the hyperparameters. Its predictions vary,
and each hyperparameter by itself explains a share of the variance (Hutter et al. 2014). Often most
of it is due to one, and that is the one to focus on in the next search.

There is no need to throw the trials away, either. Good networks with different weights make
different mistakes, and the mean of the predictions of the best five is often better than the best
network alone.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.images import load_images
from gradus.lessons.page import Page

RATE = "learning rate"


def lesson(
    page: Page,
    data: str = "digits",
    trials: int = 256,
    samples: int = 1300,
    epochs: int = 30,
    alone: int = 8,
    seed: int = 0,
) -> dict[str, float]:
    """Search for the hyperparameters of a network with 256 trials in one program.

    Args:
        page: the page to show the results on.
        data: the images, "digits" or "mnist".
        trials: number of trials.
        samples: number of images for training and validation; a quarter is for validation.
        epochs: number of epochs per trial.
        alone: number of trials to train one after another too, to time them.
        seed: seed of the search.

    Returns:
        The accuracy on unseen images without a search, with the best trial, and with the best five;
        the seconds of the search and of one trial after another; how many of the latter fit into
        the time of the search; the best score of all and among those; and the share of the scores'
        variance that each hyperparameter explains.
    """
    flat = load_images(data, seed).flat
    x, y = flat.x[:samples], flat.y[:samples]
    sweep = gr.Sweep(create_model(**SPACE), trials, seed=seed)
    sweep.fit(x, y, epochs=epochs, validation_split=0.25, verbose=False)
    seconds_each = solo_seconds(sweep, x, y, epochs, alone)
    trials_in_time = min(trials, max(1, int(sweep.seconds / seconds_each)))
    scores = np.array([trial.score for trial in sweep.trials])
    best_so_far = np.fmax.accumulate(scores)
    page.table(
        [
            {
                "": "side by side",
                "seconds": sweep.seconds,
                f"trials in {sweep.seconds:.1f} s": trials,
                "best score": best_so_far[-1],
            },
            {
                "": "one after another",
                "seconds": seconds_each * trials,
                f"trials in {sweep.seconds:.1f} s": trials_in_time,
                "best score": best_so_far[trials_in_time - 1],
            },
        ],
        f"{trials} trials of {epochs} epochs. The time of one after another is extrapolated from "
        f"{alone - 1} trials at {seconds_each:.3f} s each, for which the program was already "
        "compiled.",
    )
    page.figure(
        gr.figures.lines({"best so far": best_so_far}, "trials", "validation accuracy"),
        "The best score so far, by number of trials.",
    )
    default = create_model(**DEFAULTS)
    default.fit(x, y, epochs=epochs, probes=False, verbose=False)
    accuracy = {
        "default settings": default.evaluate(flat.x_test, flat.y_test)["accuracy"],
        "best trial": sweep.best.evaluate(flat.x_test, flat.y_test)["accuracy"],
        "best five together": sweep.ensemble(5).evaluate(flat.x_test, flat.y_test)["accuracy"],
    }
    page.table(
        [{"": name, "accuracy": share} for name, share in accuracy.items()],
        "Accuracy on images that had no part in the search. The best trial's score was "
        f"{best_so_far[-1]:.4f}, a number inflated by the selection.",
    )
    best = sweep.ranking[0].settings(sweep.hypers)
    page.table(
        [
            {
                "hyperparameter": name,
                "value": f"{value:.3g}" if isinstance(value, float) else str(value),
            }
            for name, value in best.items()
        ],
        "The hyperparameters of the best trial.",
    )
    importance = sweep.importance()
    page.figure(
        gr.figures.importance(importance),
        "The share of the scores' variance due to each hyperparameter, and the score to expect at "
        "each of its values, averaged over the others.",
    )
    most_important = next(iter(importance.shares))
    page.text(
        f"The {most_important} mattered most: by itself it explains "
        f"{importance.shares[most_important]:.0%} of the scores' variance."
    )
    return {
        "accuracy_default": accuracy["default settings"],
        "accuracy_best": accuracy["best trial"],
        "accuracy_best_five": accuracy["best five together"],
        "seconds": sweep.seconds,
        "seconds_one_after_another": seconds_each * trials,
        "trials_one_after_another": trials_in_time,
        "score": float(best_so_far[-1]),
        "score_one_after_another": float(best_so_far[trials_in_time - 1]),
    } | {f"share_of_{name}": share for name, share in importance.shares.items()}


SPACE: dict[str, Any] = {
    "rate": gr.log_uniform(1e-4, 10.0, name=RATE),
    "momentum": gr.uniform(0.0, 0.95, name="momentum"),
    "dropout": gr.uniform(0.0, 0.6, name="dropout"),
    "decay": gr.log_uniform(1e-6, 1e-1, name="penalty"),
    "seed": gr.int_uniform(0, 9999, name="seed"),
}
DEFAULTS: dict[str, Any] = {"rate": 0.01, "momentum": 0.0, "dropout": 0.0, "decay": 0.0, "seed": 0}


def create_model(rate: Any, momentum: Any, dropout: Any, decay: Any, seed: Any) -> gr.Model:
    """Create a ten-class classifier; each argument is a number or a search space."""
    net = gr.Sequential(
        [gr.Dense(64, "relu"), gr.Dropout(dropout), gr.Dense(64, "relu"), gr.Dense(10, "softmax")]
    )
    return gr.Model(
        net,
        loss="sparse_categorical_crossentropy",
        optimizer=gr.SGD(rate, momentum=momentum),
        metrics=["accuracy"],
        penalty=gr.L2(decay),
        seed=seed,
    )


def solo_seconds(sweep: gr.Sweep, x: Any, y: Any, epochs: int, count: int) -> float:
    """Return the mean seconds of at least two trials of a sweep, each trained separately."""
    start = 0.0
    for number, trial in enumerate(sweep.trials[:count]):
        values = trial.settings(sweep.hypers)
        names = (RATE, "momentum", "dropout", "penalty", "seed")
        model = create_model(*(values[name] for name in names))
        model.fit(x, y, epochs=epochs, validation_split=0.25, probes=False, verbose=False)
        if number == 0:  # the first trial compiles the program
            start = time.perf_counter()
    return (time.perf_counter() - start) / (count - 1)
