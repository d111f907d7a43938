"""Convolution: the same small filter everywhere.

A fully connected layer has a weight of its own for each pixel. What it learns about a stroke in one
place it does not know of the same stroke two pixels further on: to read a digit wherever it stands,
it must have seen it in every place.

A convolutional layer looks through a small window, here of 3 × 3 pixels, and slides it over the
picture. In each place it computes the same weighted sum, with the same weights `k`, its filter:

    z[i, j] = b + Σ k[p, q] · x[i + p, j + q]    over p, q = 0, 1, 2

What a filter answers in all places is a picture again, its *feature map*: bright where the window
showed what the filter looks for. A layer has many filters, each with a map of its own. Two things
follow from sharing the weights:

- there are few of them: 3 · 3 + 1 for each filter, however large the picture is;
- if the picture moves by a pixel, the maps move by a pixel and are otherwise the same. What was
  learnt in one place is known in all others.

Pooling then keeps the largest value of each 2 × 2 pixels of a map: it makes the maps smaller, and
what is left depends less on the exact place. The next convolution looks at the maps of the first,
and so at patterns of patterns (Fukushima 1980; LeCun et al. 1998).

To see what that is worth, we put digits on a larger sheet, each in a random place, and give a
convolutional network (CNN) and a fully connected one (MLP) as many weights as each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.page import Page
from gradus.lessons.pictures import pictures


def lesson(
    page: Page, data: str = "digits", samples: int = 10_000, epochs: int = 60, seed: int = 0
) -> dict[str, float]:
    """Read digits in random places with a CNN, and with an MLP of as many weights.

    Args:
        page: where the results are shown.
        data: which pictures: "digits" or "mnist".
        samples: how many of them at most.
        epochs: how often each is seen.
        seed: of the places and the weights.

    Returns:
        Of each network the weights and the test accuracy, and how far the CNN's first feature maps
        of a shifted digit are from its shifted feature maps.
    """
    found = pictures(data)
    rng = np.random.default_rng(seed)
    x, y = scattered(found.x[:samples], rng), found.y[:samples]
    x_test, y_test = scattered(found.x_test[:samples], rng), found.y_test[:samples]
    side = x.shape[1]

    cnn = gr.Sequential(
        [
            gr.Conv2D(16, 3, activation="relu"),
            gr.MaxPool2D(2),
            gr.Conv2D(32, 3, activation="relu"),
            gr.MaxPool2D(2, padding="same"),
            gr.Flatten(),
            gr.Dense(10, "softmax"),
        ]
    )
    loss = "sparse_categorical_crossentropy"
    model = gr.Model(cnn, loss, gr.Adam(2e-3), metrics=["accuracy"], seed=seed).build(x)
    # A unit of the MLP has a weight for each pixel, a bias, and a weight for each of 10 outputs.
    width = round((size(model) - 10) / (side * side + 1 + 10))
    mlp = gr.Sequential([gr.Flatten(), gr.Dense(width, "relu"), gr.Dense(10, "softmax")])
    models = {
        "MLP": gr.Model(mlp, loss, gr.Adam(2e-3), metrics=["accuracy"], seed=seed).build(x),
        "CNN": model,
    }

    page.text(
        f"{len(x):,} digits stand in random places of sheets of {side} × {side} pixels. An MLP of "
        f"{width} hidden units and a CNN of 16 and 32 filters see each of them {epochs} times."
    )
    page.figure(gr.figures.images(x[:20]), "Digits, each in a place of its own.")
    histories, rows = {}, []
    for name, each in models.items():
        histories[name] = each.fit(
            *(x, y),
            validation_data=(x_test, y_test),
            epochs=epochs,
            probes=False,
            verbose=False,
        )
        scores = [each.evaluate(*part)["accuracy"] for part in ((x, y), (x_test, y_test))]
        rows.append(
            {"": name, "weights": size(each), "training": scores[0], "unseen digits": scores[1]}
        )
    page.table(
        rows, "Accuracy with as many weights: the MLP learns places by heart, the CNN shapes."
    )
    page.figure(
        gr.figures.curves_of(histories, "val_accuracy"), "Accuracy on unseen digits in each epoch."
    )
    page.figure(
        gr.figures.filters(model),
        "The 16 filters of the first layer: blue is what a filter looks for, orange what it shuns. "
        "Most are edges and strokes of one direction.",
    )
    # The first digit in two corners: its maps are the same but for the place.
    first = found.x[:1]
    corners = np.concatenate([placed(first, side, 0), placed(first, side, side - first.shape[1])])
    page.figure(
        gr.figures.feature_maps(model, corners),
        "What they answer to one digit in two corners: the same maps, moved as the digit is.",
    )
    return {
        "mlp_weights": size(models["MLP"]),
        "cnn_weights": size(model),
        "mlp_accuracy": rows[0]["unseen digits"],
        "cnn_accuracy": rows[1]["unseen digits"],
        "moved_maps_differ_by": moved_apart(model, first, side),
    }


def placed(x: np.ndarray, side: int, at: int) -> np.ndarray:
    """Return pictures on empty sheets, `at` pixels from the top and from the left."""
    sheets = np.zeros((len(x), side, side, 1), np.float32)
    sheets[:, at : at + x.shape[1], at : at + x.shape[2]] = x
    return sheets


def scattered(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return each picture in a random place of an empty sheet half as large again."""
    spare = x.shape[1] // 2
    sheets = placed(x, x.shape[1] + spare, 0)
    shifts = rng.integers(0, spare + 1, (len(x), 2))
    # Rows and columns that leave at one end come back at the other, where all is empty.
    return np.stack([np.roll(sheet, s, (0, 1)) for sheet, s in zip(sheets, shifts, strict=True)])


def size(model: gr.Model) -> int:
    """Return how many weights a model has."""
    return sum(int(weight.size) for weight in model.weights.values())


def moved_apart(model: gr.Model, x: np.ndarray, side: int) -> float:
    """Return the largest difference of the first layer's maps of a picture moved by one pixel."""
    net: Any = model.net
    convolve = net.layers[0]
    here, there = (np.asarray(convolve(placed(x, side, at))) for at in (1, 2))
    return float(np.abs(here[:, :-1, :-1] - there[:, 1:, 1:]).max())
