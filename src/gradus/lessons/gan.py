"""A generative adversarial network: a forger and a judge who teach each other.

A generator G turns random numbers z into samples. A discriminator D looks at a sample and says how
likely it is to be real, not made by G. They train against each other (Goodfellow et al. 2014): in
each step the discriminator first learns to tell real from made,

    minimise  −ln D(x) − ln(1 − D(G(z)))

and then the generator learns to be taken for real,

    minimise  −ln D(G(z))

The generator never sees a real sample. All it knows is which way the discriminator's judgement
would move if its own samples moved a little.

The data here are points around eight places on a ring. A generator may deceive the discriminator
with one of the eight alone, and make nothing else: this is called mode collapse. So it is counted
how many of the eight places the generator reaches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.page import Page
from gradus.report import style

MODES = 8
ANGLES = 2 * np.pi * np.arange(MODES) / MODES
CENTRES = 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
DEVIATION = 0.1


def lesson(
    page: Page, samples: int = 2048, epochs: int = 200, seeds: int = 8, seed: int = 0
) -> dict[str, float]:
    """Teach a generator a ring of eight Gaussians.

    Args:
        page: where the results are shown.
        samples: how many points there are to learn from.
        epochs: how often each is seen.
        seeds: how many networks are trained to count what they cover.
        seed: of the data and the first network.

    Returns:
        How many of the eight places are reached, in the mean and by the worst network, and the
        share of what is generated that lies at one of them.
    """
    rng = np.random.default_rng(seed)
    x = CENTRES[rng.integers(MODES, size=samples)] + rng.normal(0, DEVIATION, (samples, 2))

    watched, seen = network(seed), {}
    parts = 0, epochs // 12, epochs // 4, epochs - epochs // 12 - epochs // 4
    for part in parts:
        train(watched, x, part)
        seen[f"epoch {watched.history.epochs}"] = watched.sample(1000, seed)
    page.figure(
        points({"data": x[:1000]} | seen),
        "The data, and what one generator makes of 1000 random codes as it learns.",
    )
    page.figure(
        gr.figures.lines(
            {name: watched.history[f"{name}_loss"] for name in ("discriminator", "generator")},
            *("epoch", "loss"),
        ),
        "Neither loss falls to zero, since each network's task grows as the other learns. A judge "
        "who can do no better than guess has a loss of 2 ln 2 = 1.39.",
    )
    others = [network(seed + index) for index in range(1, seeds)]
    for model in others:
        train(model, x, epochs)
    rows = []
    for index, model in enumerate([watched, *others]):
        modes, near = coverage(model.sample(1000, seed))
        rows.append({"network": index + 1, "places of 8": modes, "share near one": near})
    page.table(
        rows,
        "How many of the eight places each network reaches (at least one in a hundred of what it "
        "makes lies within three standard deviations), and how much of it lies at any.",
    )
    places = [row["places of 8"] for row in rows]
    return {
        "mean_places": float(np.mean(places)),
        "fewest_places": float(np.min(places)),
        "share_near_a_place": float(np.mean([row["share near one"] for row in rows])),
    }


def network(seed: int) -> gr.GAN:
    """Return a generator and a discriminator, each with two hidden layers."""
    return gr.GAN(
        generator=gr.mlp([32, 32, 2]),
        discriminator=gr.mlp([32, 32, 1], "leaky_relu"),
        code=4,
        optimizer=gr.Adam(3e-3, beta_1=0.5),
        seed=seed,
    )


def train(model: gr.GAN, x: np.ndarray, epochs: int) -> None:
    """Train for some more epochs."""
    model.fit(x, batch_size=128, epochs=epochs, probes=False, verbose=False)


def coverage(made: np.ndarray) -> tuple[int, float]:
    """Return how many places samples reach, and the share of samples that lie near one."""
    distance = np.linalg.norm(made[:, None] - CENTRES, axis=2)  # (samples, modes)
    near = distance < 3 * DEVIATION
    return int((near.mean(axis=0) >= 0.01).sum()), float(near.any(axis=1).mean())


def points(clouds: Mapping[str, Any]) -> Any:
    """Return clouds of points side by side."""
    from plotly.subplots import make_subplots

    shown = make_subplots(1, len(clouds), subplot_titles=list(clouds), shared_yaxes=True)
    for column, cloud in enumerate(clouds.values(), 1):
        shown.add_scatter(
            x=np.float32(cloud[:, 0]),
            y=np.float32(cloud[:, 1]),
            mode="markers",
            marker={"size": 3, "opacity": 0.5, "color": style.pick(min(column - 1, 1))},
            showlegend=False,
            hoverinfo="skip",
            row=1,
            col=column,
        )
    shown.update_layout(template=style.template(), height=260, title_text="Learning a ring")
    shown.update_annotations(font={"size": 12, "color": style.MUTED})
    shown.update_xaxes(range=[-2.9, 2.9], showticklabels=False)
    shown.update_yaxes(range=[-2.9, 2.9], showticklabels=False, showgrid=False)
    return shown
