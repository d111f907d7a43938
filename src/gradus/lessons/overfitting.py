"""Overfitting: a network that learns its samples by heart, and four things that help.

A network with more weights than there are samples can give each of them the answer that it should
have, without having understood anything. Its loss in training falls towards zero. On samples that
it never saw the loss falls at first too, and then rises: the two curves part. That is overfitting.

Four things are done about it:

- **Dropout** (Srivastava et al. 2014) sets a random share of the units to zero in each step of
  training, so that no unit can rely on what another one remembers.
- **L2** adds `λ Σ w²` to the loss. It takes large weights to bend the answer around a single
  sample, and now they cost something.
- **Early stopping** watches samples that are held out from training, and keeps the weights of the
  epoch at which their loss was lowest.
- **More data** leaves less to be learnt by heart. It is the best of all, where it can be had.

Here the samples are points of two half moons that overlap. Where they do, no one can be sure, and
the right answer is a probability. A network that is sure there has learnt noise, and the loss on
unseen points makes it pay for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import gradus as gr
from gradus.data import two_moons
from gradus.lessons.page import Page

SETTINGS = {"nothing": (0.0, 0.0), "dropout": (0.7, 0.0), "L2": (0.0, 3e-3)}
MORE = 8  # times as many samples are more data


def lesson(
    page: Page,
    samples: int = 60,
    width: int = 128,
    epochs: int = 300,
    seeds: int = 3,
    seed: int = 0,
) -> dict[str, float]:
    """Train a network far too large on few points, with and without what helps.

    Args:
        page: where the results are shown.
        samples: how many points to learn from; as many again are held out for early stopping.
        width: units of each of the two hidden layers.
        epochs: how often each point is seen.
        seeds: how many networks are trained of each kind.
        seed: of the points and the first network.

    Returns:
        The loss on unseen points by what was done; where nothing was, its lowest, and that in
        training too.
    """
    few, held, many, unseen = (
        points(count, 4 * seed + index)
        for index, count in enumerate((samples, samples, MORE * samples, 1000))
    )
    page.text(f"A network of {width**2 + 4 * width + 1:,} weights learns {samples} points.")
    trained: dict[str, Sequence[gr.Model]] = {}

    # The settings and the seeds are numbers, so that all these networks are one program.
    models = gr.fit_all(
        [
            network(width, *setting, seed + index)
            for setting in SETTINGS.values()
            for index in range(seeds)
        ],
        *few,
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
            *few, epochs=epochs, validation_data=held, patience=20, probes=False, verbose=False
        )
    gr.fit_all(
        trained["more data"],
        *many,
        epochs=max(1, epochs // MORE),  # as many steps as with few
        probes=False,
    )
    return report(page, trained, few, unseen)


def points(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points of two moons, `(count, 2)`, and on which they lie, `(count, 1)`."""
    moons = two_moons(count, 0.3, seed)
    return moons.x, np.asarray(moons.y)[:, None]


def network(width: int, dropout: float, strength: float, seed: int) -> gr.Model:
    """Return a model with two hidden layers, with dropout and L2, either of which may be zero."""
    layers: list[gr.Layer] = []
    for _ in range(2):
        layers += [gr.Dense(width, "relu"), gr.Dropout(dropout)]
    return gr.Model(
        gr.Sequential([*layers, gr.Dense(1, "sigmoid")]),
        loss="binary_crossentropy",
        optimizer=gr.Adam(1e-2),
        metrics=["accuracy", "binary_crossentropy"],  # the latter is the loss without L2's part
        penalty=gr.L2(strength),
        seed=seed,
    )


def report(
    page: Page, trained: Mapping[str, Sequence[gr.Model]], few: Any, unseen: Any
) -> dict[str, float]:
    """Show the curves, the losses and two boundaries, and return the losses."""

    def curve(name: str, number: str) -> np.ndarray:
        return np.mean([model.history[number] for model in trained[name]], axis=0)

    parting = {
        "training": curve("nothing", "binary_crossentropy"),
        "unseen": curve("nothing", "val_binary_crossentropy"),
    }
    page.figure(
        gr.figures.lines(parting, "epoch", "loss"),
        "The curves part: without any help the loss in training goes on falling, while that on "
        f"unseen points rises from epoch {parting['unseen'].argmin() + 1} on.",
    )
    rows = []
    for name, models in trained.items():
        found = [
            {"in training": model.evaluate(*few), "unseen": model.evaluate(*unseen)}
            for model in models
        ]
        row: dict[str, Any] = {"what is done": name}
        for part in ("in training", "unseen"):
            for number, words in (("binary_crossentropy", "loss"), ("accuracy", "accuracy")):
                row[f"{words} {part}"] = np.mean([each[part][number] for each in found])
        rows.append(row)
    page.table(
        rows,
        "At the end of training, the mean of several networks. All took as many steps, but for "
        f"early stopping. In training means on the {len(few[0])} points, of which the networks "
        "with more data saw none.",
    )
    for name, words in (
        ("nothing", "bends around single points and is sure almost everywhere"),
        ("L2", "is smooth, and unsure where the moons overlap"),
    ):
        page.figure(
            gr.figures.decision_boundary(trained[name][0], few[0], few[1][:, 0]),
            f"What the network says around the points that it learnt. With {name} it {words}.",
        )
    losses = {
        f"loss_{row['what is done'].replace(' ', '_')}": float(row["loss unseen"]) for row in rows
    }
    return losses | {
        "lowest_loss_nothing": float(parting["unseen"].min()),
        "training_loss_nothing": float(rows[0]["loss in training"]),
    }
