"""Overfitting: a network that memorizes its samples, and four remedies.

A network with more weights than there are samples can give each sample the right answer without
having learned anything general. Its training loss falls toward zero. On samples that it never saw,
the loss falls at first too, and then rises: the two curves diverge. That is overfitting.

There are four remedies:

- **Dropout** (Srivastava et al. 2014) sets a random share of the units to zero in each training
  step, so that no unit can rely on what another one remembers.
- **L2** adds `λ Σ w²` to the loss. Bending the output around a single sample takes large weights,
  and now these have a cost.
- **Early stopping** watches samples that are held out from training, and keeps the weights of the
  epoch at which their loss was lowest.
- **More data** leaves less to memorize. It is the best remedy of all, if you can get it.

Here the samples are points on two half-moons that overlap. Where they overlap, nobody can be sure,
and the right answer is a probability. A network that is sure there has learned noise, and the loss
on unseen points penalizes it for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import gradus as gr
from gradus.data import two_moons
from gradus.lessons.page import Page

SETTINGS = {"none": (0.0, 0.0), "dropout": (0.7, 0.0), "L2": (0.0, 3e-3)}
MORE = 8  # times as many samples, for more data
BATCH = 32


def lesson(
    page: Page,
    samples: int = 60,
    width: int = 128,
    epochs: int = 300,
    seeds: int = 3,
    seed: int = 0,
) -> dict[str, float]:
    """Train a far too large network on few points, with and without remedies.

    Args:
        page: the page to show the results on.
        samples: number of training points; as many again are held out for early stopping.
        width: number of units in each of the two hidden layers.
        epochs: number of epochs.
        seeds: number of networks per remedy.
        seed: seed of the points and of the first network.

    Returns:
        The loss on unseen points with each remedy; without any, also the lowest loss on unseen
        points and the training loss.
    """
    few, held, many, unseen = (
        points(count, 4 * seed + index)
        for index, count in enumerate((samples, samples, MORE * samples, 1000))
    )
    page.text(f"A network with {width**2 + 4 * width + 1:,} weights learns {samples} points.")
    steps = epochs * steps_per_epoch(samples)
    epochs_with_more = max(1, round(steps / steps_per_epoch(MORE * samples)))
    steps_with_more = epochs_with_more * steps_per_epoch(MORE * samples)
    trained: dict[str, Sequence[gr.Model]] = {}

    # The settings and the seeds are numbers, so all these networks train in one program.
    models = gr.fit_all(
        [
            network(width, *setting, seed + index)
            for setting in SETTINGS.values()
            for index in range(seeds)
        ],
        *few,
        batch_size=BATCH,
        epochs=epochs,
        validation_data=unseen,
        probes=False,
    )
    for index, name in enumerate(SETTINGS):
        trained[name] = models[index * seeds : (index + 1) * seeds]

    plain = [[network(width, 0, 0, seed + index) for index in range(seeds)] for _ in range(2)]
    trained["early stopping"], trained["more data"] = plain
    for model in trained["early stopping"]:
        model.fit(
            *few,
            batch_size=BATCH,
            epochs=epochs,
            validation_data=held,
            patience=20,
            probes=False,
            verbose=False,
        )
    gr.fit_all(
        trained["more data"],
        *many,
        batch_size=BATCH,
        epochs=epochs_with_more,
        probes=False,
    )
    pace = f"All took {steps:,} steps, except with early stopping"
    if steps_with_more != steps:
        pace += f" and, with more data, {steps_with_more:,}"
    return report(page, trained, few, unseen, pace)


def steps_per_epoch(samples: int) -> int:
    """Return the number of batches of an epoch."""
    return -(-samples // BATCH)


def points(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points of two moons, `(count, 2)`, and the moon of each, `(count, 1)`."""
    moons = two_moons(count, 0.3, seed)
    return moons.x, np.asarray(moons.y)[:, None]


def network(width: int, dropout: float, strength: float, seed: int) -> gr.Model:
    """Create a model with two hidden layers, dropout, and L2, either of which may be zero."""
    layers: list[gr.Layer] = []
    for _ in range(2):
        layers += [gr.Dense(width, "relu"), gr.Dropout(dropout)]
    return gr.Model(
        gr.Sequential([*layers, gr.Dense(1, "sigmoid")]),
        loss="binary_crossentropy",
        optimizer=gr.Adam(1e-2),
        metrics=["accuracy", "binary_crossentropy"],  # the loss without the L2 term
        penalty=gr.L2(strength),
        seed=seed,
    )


def report(
    page: Page, trained: Mapping[str, Sequence[gr.Model]], few: Any, unseen: Any, pace: str
) -> dict[str, float]:
    """Show the curves, the losses, and two boundaries; return the losses."""

    def curve(name: str, number: str) -> np.ndarray:
        return np.mean([model.history[number] for model in trained[name]], axis=0)

    curves = {
        "training": curve("none", "binary_crossentropy"),
        "unseen": curve("none", "val_binary_crossentropy"),
    }
    page.figure(
        gr.figures.lines(curves, "epoch", "loss"),
        "Without a remedy, the curves diverge: the training loss keeps falling, while the loss on "
        f"unseen points rises from epoch {curves['unseen'].argmin() + 1} on.",
    )
    rows = []
    for name, models in trained.items():
        results = [
            {"training": model.evaluate(*few), "unseen": model.evaluate(*unseen)}
            for model in models
        ]
        row: dict[str, Any] = {"remedy": name}
        for part in ("training", "unseen"):
            for number, label in (("binary_crossentropy", "loss"), ("accuracy", "accuracy")):
                row[f"{part} {label}"] = np.mean([scores[part][number] for scores in results])
        rows.append(row)
    page.table(
        rows,
        "Results at the end of training, averaged over the networks of each row. "
        f"{pace}. “Training” means the {len(few[0])} points; the "
        "networks with more data saw none of these.",
    )
    for name, words in (
        ("none", "Without a remedy, it bends around single points and is sure almost everywhere"),
        ("L2", "With L2, it is smooth, and unsure where the moons overlap"),
    ):
        page.figure(
            gr.figures.decision_boundary(trained[name][0], few[0], few[1][:, 0]),
            f"The output of the network around its training points. {words}.",
        )
    losses = {f"loss_{row['remedy'].replace(' ', '_')}": float(row["unseen loss"]) for row in rows}
    return losses | {
        "lowest_loss_none": float(curves["unseen"].min()),
        "training_loss_none": float(rows[0]["training loss"]),
    }
