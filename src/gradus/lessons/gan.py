"""Generative adversarial networks: a forger and a detective who train each other.

A generator G turns random numbers z into samples. A discriminator D looks at a sample and estimates
the probability that it is real and not made by G. The two train against each other (Goodfellow et
al. 2014). In each step, the discriminator first learns to tell real samples from generated ones,

    minimize  −ln D(x) − ln(1 − D(G(z)))

and then the generator learns to make its samples pass as real,

    minimize  −ln D(G(z))

The generator never sees a real sample. All it knows is how the discriminator's output would change
if its own samples changed a little.

The data here are points around eight centers on a ring. A generator can fool the discriminator with
one of the eight alone and never produce the others: this is called mode collapse. So we count how
many of the eight modes the generator reaches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import gradus as gr
from gradus.drawing import style
from gradus.lessons.page import Page

MODES = 8
ANGLES = 2 * np.pi * np.arange(MODES) / MODES
CENTERS = 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
DEVIATION = 0.1


def lesson(
    page: Page, samples: int = 2048, epochs: int = 200, seeds: int = 8, seed: int = 0
) -> dict[str, float]:
    """Train a generator on a ring of eight Gaussians.

    Args:
        page: the page to show the results on.
        samples: number of training points.
        epochs: number of epochs.
        seeds: number of GANs whose modes are counted.
        seed: seed of the data and of the first GAN.

    Returns:
        The number of modes reached, on average and by the worst GAN, and the share of generated
        samples that lie near a mode.
    """
    rng = np.random.default_rng(seed)
    x = CENTERS[rng.integers(MODES, size=samples)] + rng.normal(0, DEVIATION, (samples, 2))

    models = [network(seed + index) for index in range(seeds)]
    parts = 0, epochs // 12, epochs // 4, epochs - epochs // 12 - epochs // 4
    generated: list[dict[str, np.ndarray]] = [{} for _ in models]
    for model, clouds in zip(models, generated, strict=True):
        for part in parts:
            train(model, x, part)
            clouds[f"epoch {model.history.epochs}"] = model.sample(1000, seed)
    coverages = [coverage(model.sample(1000, seed)) for model in models]
    reached = [modes for modes, _ in coverages]
    ranking = sorted(range(seeds), key=lambda index: coverages[index])  # from worst to best
    middle, worst = ranking[seeds // 2], ranking[0]
    page.figure(
        plot_clouds({"data": x[:1000]} | generated[middle]),
        f"The data, and what GAN {middle + 1} makes of 1,000 random codes as it learns. It reaches "
        f"{reached[middle]} of the {MODES} modes, as {reached.count(reached[middle])} of the "
        f"{seeds} GANs do.",
    )
    if reached[worst] < reached[middle]:
        page.figure(
            plot_clouds({"data": x[:1000]} | generated[worst]),
            f"The same for GAN {worst + 1}, the worst of the {seeds}: it reaches only "
            f"{reached[worst]} modes.",
        )
    history = models[middle].history
    page.figure(
        gr.figures.lines(
            {name: history[f"{name}_loss"] for name in ("discriminator", "generator")},
            "epoch",
            "loss",
        ),
        f"The losses of GAN {middle + 1}. Neither falls to zero, because each network's task gets "
        "harder as the other learns. A discriminator that can do no better than guess has a loss "
        "of 2 ln 2 = 1.39.",
    )
    rows = [
        {"GAN": number, "modes reached": modes, "share near a mode": near}
        for number, (modes, near) in enumerate(coverages, 1)
    ]
    page.table(
        rows,
        "The number of modes that each GAN reaches, and the share of its samples that lie near "
        "one. Near means within three standard deviations; a mode counts as reached if at least "
        "1% of the samples lie near it.",
    )
    return {
        "mean_modes": float(np.mean(reached)),
        "fewest_modes": float(np.min(reached)),
        "share_near_a_mode": float(np.mean([row["share near a mode"] for row in rows])),
    }


def network(seed: int) -> gr.GAN:
    """Create a GAN whose generator and discriminator have two hidden layers each."""
    return gr.GAN(
        generator=gr.mlp([32, 32, 2]),
        discriminator=gr.mlp([32, 32, 1], "leaky_relu"),
        code=4,
        optimizer=gr.Adam(3e-3, beta_1=0.5),
        seed=seed,
    )


def train(model: gr.GAN, x: np.ndarray, epochs: int) -> None:
    """Train for more epochs."""
    model.fit(x, batch_size=128, epochs=epochs, probes=False, verbose=False)


def coverage(samples: np.ndarray) -> tuple[int, float]:
    """Return the number of modes reached, and the share of samples near a mode."""
    distance = np.linalg.norm(samples[:, None] - CENTERS, axis=2)  # (samples, modes)
    near = distance < 3 * DEVIATION
    return int((near.mean(axis=0) >= 0.01).sum()), float(near.any(axis=1).mean())


def plot_clouds(clouds: Mapping[str, Any]) -> Any:
    """Plot clouds of points side by side."""
    from plotly.subplots import make_subplots

    figure = make_subplots(1, len(clouds), subplot_titles=list(clouds), shared_yaxes=True)
    for column, cloud in enumerate(clouds.values(), 1):
        figure.add_scatter(
            x=np.float32(cloud[:, 0]),
            y=np.float32(cloud[:, 1]),
            mode="markers",
            marker={"size": 3, "opacity": 0.5, "color": style.pick(min(column - 1, 1))},
            showlegend=False,
            hoverinfo="skip",
            row=1,
            col=column,
        )
    figure.update_layout(template=style.template(), height=220, title_text="Learning a ring")
    figure.update_layout(margin={"l": 8, "r": 8, "b": 16})
    figure.update_annotations(font={"size": 12, "color": style.MUTED})
    limits = {"range": [-3.4, 3.4], "showticklabels": False, "constrain": "domain"}
    figure.update_xaxes(**limits)
    figure.update_yaxes(**limits, showgrid=False)
    for column in range(1, len(clouds) + 1):  # equal scales: the ring is a circle
        figure.update_yaxes(scaleanchor=f"x{column}", col=column)
    return figure
