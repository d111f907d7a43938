"""Tuning: 256 settings side by side, and which of them mattered.

How large is the learning rate to be, how much momentum, how much dropout? Nothing says so but
trying. Three things make a search an honest and a cheap one:

- **At random, not on a grid.** Of four settings one or two usually decide, and nobody knows which.
  A grid of 256 trials tries each of four settings at four values only; 256 random trials try each
  at 256 (Bergstra & Bengio 2012).
- **Judged by samples of their own.** The best of 256 trials is the best by skill and by luck, and
  its score is flattered by the luck. So the samples that choose it are neither those that it learnt
  from nor those that say in the end how good it is.
- **Side by side.** The trials differ in numbers alone, so they are one program, compiled once. A
  tuner that starts one training after another compiles, or at least begins, 256 times.

After the search a second question can be asked of the same trials: which setting mattered? A forest
of decision trees learns to foretell the score from the settings. What it foretells varies, and each
setting explains a share of the variance by itself (Hutter et al. 2014). Most of it is often due to
one, and that is the one to spend the next search on.

The trials need not be thrown away either. Good networks with other weights make other mistakes, and
the mean of what the five best of them predict is often better than the best alone.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.page import Page
from gradus.lessons.pictures import pictures

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
    """Search for the settings of a network by 256 trials in one program.

    Args:
        page: where the results are shown.
        data: which pictures: "digits" or "mnist".
        trials: how many settings are tried.
        samples: how many pictures are learnt from and judged by, a quarter of them the latter.
        epochs: how often each is seen in a trial.
        alone: how many of the trials are trained by themselves too, to see how long they take.
        seed: of the search.

    Returns:
        How many unseen pictures are right without a search, with the best trial and with the five
        best; the seconds of the search and those of one trial after another; how many of these fit
        into the search's time, and the best score among them and among all; and the share of each
        setting in what the scores vary by.
    """
    flat = pictures(data, seed).flat
    x, y = flat.x[:samples], flat.y[:samples]
    sweep = gr.Sweep(model(**SPACE), trials, seed=seed)
    sweep.fit(x, y, epochs=epochs, validation_split=0.25, verbose=False)
    each = solo_seconds(sweep, x, y, epochs, alone)
    fitting = min(trials, max(1, int(sweep.seconds / each)))
    scores = np.array([trial.score for trial in sweep.trials])
    reached = np.fmax.accumulate(scores)
    page.table(
        [
            {
                "": "side by side",
                "seconds": sweep.seconds,
                f"trials in {sweep.seconds:.1f} s": trials,
                "best score": reached[-1],
            },
            {
                "": "one after another",
                "seconds": each * trials,
                f"trials in {sweep.seconds:.1f} s": fitting,
                "best score": reached[fitting - 1],
            },
        ],
        f"{trials} trials of {epochs} epochs. The seconds of one after another are extrapolated "
        f"from {alone - 1} trials, {each:.3f} s each, for which all was compiled already.",
    )
    page.figure(
        gr.figures.lines({"best so far": reached}, "trials", "right among those that choose"),
        "The best score so far, by trials.",
    )
    plain = model(**PLAIN)
    plain.fit(x, y, epochs=epochs, probes=False, verbose=False)
    right = {
        "plain settings": plain.evaluate(flat.x_test, flat.y_test)["accuracy"],
        "best trial": sweep.best.evaluate(flat.x_test, flat.y_test)["accuracy"],
        "five best together": sweep.ensemble(5).evaluate(flat.x_test, flat.y_test)["accuracy"],
    }
    page.table(
        [{"": name, "accuracy": share} for name, share in right.items()],
        "Right among pictures that had no part in the search. The best trial's score was "
        f"{reached[-1]:.4f}, and that was flattered by choosing it.",
    )
    best = sweep.ranking[0].settings(sweep.hypers)
    page.table(
        [{"setting": name, "value": str(value)} for name, value in best.items()],
        "The settings of the best trial.",
    )
    found = sweep.importance()
    page.figure(
        gr.figures.importance(found),
        "How much of what the scores vary by is due to each setting, and the score to expect at "
        "its values, whatever the others.",
    )
    first = next(iter(found.shares))
    page.text(
        f"The {first} mattered most: by itself it explains {found.shares[first]:.0%} of what the "
        "scores vary by."
    )
    return {
        "accuracy_plain": right["plain settings"],
        "accuracy_best": right["best trial"],
        "accuracy_five_best": right["five best together"],
        "seconds": sweep.seconds,
        "seconds_one_after_another": each * trials,
        "trials_one_after_another": fitting,
        "score": float(reached[-1]),
        "score_one_after_another": float(reached[fitting - 1]),
    } | {f"share_of_{name}": share for name, share in found.shares.items()}


SPACE: dict[str, Any] = {
    "rate": gr.log_uniform(1e-4, 10.0, name=RATE),
    "momentum": gr.uniform(0.0, 0.95, name="momentum"),
    "dropout": gr.uniform(0.0, 0.6, name="dropout"),
    "decay": gr.log_uniform(1e-6, 1e-1, name="penalty"),
    "seed": gr.int_uniform(0, 9999, name="seed"),
}
PLAIN: dict[str, Any] = {"rate": 0.01, "momentum": 0.0, "dropout": 0.0, "decay": 0.0, "seed": 0}


def model(rate: Any, momentum: Any, dropout: Any, decay: Any, seed: Any) -> gr.Model:
    """Return a classifier of ten classes; each setting may be a number or a set of numbers."""
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
    """Return the mean seconds of some trials of a sweep, at least two, each trained by itself."""
    began = 0.0
    for number, trial in enumerate(sweep.trials[:count]):
        one = trial.settings(sweep.hypers)
        trained = model(one[RATE], one["momentum"], one["dropout"], one["penalty"], one["seed"])
        trained.fit(x, y, epochs=epochs, validation_split=0.25, probes=False, verbose=False)
        if number == 0:  # which has compiled the program
            began = time.perf_counter()
    return (time.perf_counter() - began) / (count - 1)
