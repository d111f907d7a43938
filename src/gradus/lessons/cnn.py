"""Convolution: the same small filter everywhere.

A fully connected layer has a separate weight for each pixel. What it learns about a stroke in one
place tells it nothing about the same stroke two pixels farther on: to read a digit anywhere in an
image, it must have seen it everywhere.

A convolutional layer looks through a small window, here 3 × 3 pixels, and slides it over the image.
At each position it computes the same weighted sum with the same weights `k`, its filter:

    z[i, j] = b + Σ k[p, q] · x[i + p, j + q]    over p, q = 0, 1, 2

The outputs of a filter at all positions form an image again, its *feature map*: bright where the
window showed what the filter looks for. A layer has many filters, each with its own map. Two things
follow from sharing the weights:

- there are few of them: 3 · 3 + 1 for each filter, however large the image is;
- if the image moves by a pixel, the maps move by a pixel and are otherwise the same. What was
  learned in one place is known everywhere.

Pooling then keeps the largest value of each 2 × 2 block of a map: it makes the maps smaller, and
the result depends less on the exact position. The next convolution looks at the maps of the first,
and so at patterns of patterns (Fukushima 1980; LeCun et al. 1998).

To see what that is worth, we put digits at random positions on a larger canvas, and train a
convolutional network (CNN) and a fully connected one (MLP) with the same number of weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.images import load_images
from gradus.lessons.page import Page


def lesson(
    page: Page, data: str = "digits", samples: int = 10_000, epochs: int = 60, seed: int = 0
) -> dict[str, float]:
    """Read digits at random positions with a CNN and an MLP of equal size.

    Args:
        page: the page to show the results on.
        data: the images, "digits" or "mnist".
        samples: maximum number of images.
        epochs: number of epochs.
        seed: seed of the positions and of the weights.

    Returns:
        The number of weights and the test accuracy of each network, and the largest difference
        between the CNN's first feature maps of a shifted digit and its shifted feature maps.
    """
    images = load_images(data)
    rng = np.random.default_rng(seed)
    x, y = scattered(images.x[:samples], rng), images.y[:samples]
    x_test, y_test = scattered(images.x_test[:samples], rng), images.y_test[:samples]
    side = x.shape[1]

    cnn = gr.Sequential(
        [
            gr.Conv2D(16, 3, activation="relu"),
            gr.MaxPooling2D(2),
            gr.Conv2D(32, 3, activation="relu"),
            gr.MaxPooling2D(2, padding="same"),
            gr.Flatten(),
            gr.Dense(10, "softmax"),
        ]
    )
    loss = "sparse_categorical_crossentropy"
    model = gr.Model(cnn, loss, gr.Adam(2e-3), metrics=["accuracy"], seed=seed).build(x)
    # Each unit of the MLP has a weight per pixel, a bias, and a weight for each of 10 outputs.
    width = round((count_weights(model) - 10) / (side * side + 1 + 10))
    mlp = gr.Sequential([gr.Flatten(), gr.Dense(width, "relu"), gr.Dense(10, "softmax")])
    models = {
        "MLP": gr.Model(mlp, loss, gr.Adam(2e-3), metrics=["accuracy"], seed=seed).build(x),
        "CNN": model,
    }

    page.text(
        f"{len(x):,} digits are placed at random positions on canvases of {side} × {side} pixels. "
        f"An MLP with {width} hidden units and a CNN with 16 and 32 filters see each of them "
        f"{epochs} times."
    )
    page.figure(gr.figures.images(x[:20]), "Some of the digits, each at its random position.")
    histories, rows = {}, []
    for name, network in models.items():
        histories[name] = network.fit(
            x,
            y,
            validation_data=(x_test, y_test),
            epochs=epochs,
            probes=False,
            verbose=False,
        )
        scores = [network.evaluate(*part)["accuracy"] for part in ((x, y), (x_test, y_test))]
        rows.append(
            {
                "": name,
                "weights": count_weights(network),
                "training accuracy": scores[0],
                "unseen accuracy": scores[1],
            }
        )
    page.table(
        rows,
        "Accuracy with the same number of weights. The MLP memorizes positions; the CNN learns "
        "shapes.",
    )
    page.figure(
        gr.figures.curves_of(histories, "val_accuracy"), "Accuracy on unseen digits by epoch."
    )
    page.figure(
        gr.figures.filters(model),
        "The 16 filters of the first layer: blue weights are positive, orange ones negative. Most "
        "filters are edges and strokes in one direction.",
    )
    # The first digit in two corners: its maps are the same except for the position.
    digit = images.x[:1]
    corners = np.concatenate([placed(digit, side, 0), placed(digit, side, side - digit.shape[1])])
    page.figure(
        gr.figures.feature_maps(model, corners),
        "The feature maps of a digit in two corners: the same maps, moved along with the digit.",
    )
    return {
        "mlp_weights": count_weights(models["MLP"]),
        "cnn_weights": count_weights(model),
        "mlp_accuracy": rows[0]["unseen accuracy"],
        "cnn_accuracy": rows[1]["unseen accuracy"],
        "difference_of_shifted_maps": shift_difference(model, digit, side),
    }


def placed(x: np.ndarray, side: int, at: int) -> np.ndarray:
    """Return images on empty canvases, `at` pixels from the top and from the left."""
    canvases = np.zeros((len(x), side, side, 1), np.float32)
    canvases[:, at : at + x.shape[1], at : at + x.shape[2]] = x
    return canvases


def scattered(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return each image at a random position on an empty canvas 1.5 times its size."""
    spare = x.shape[1] // 2
    canvases = placed(x, x.shape[1] + spare, 0)
    shifts = rng.integers(0, spare + 1, (len(x), 2))
    # Rows and columns that leave at one end reappear at the other, where everything is empty.
    return np.stack(
        [np.roll(canvas, s, (0, 1)) for canvas, s in zip(canvases, shifts, strict=True)]
    )


def count_weights(model: gr.Model) -> int:
    """Return the number of weights of a model."""
    return sum(int(weight.size) for weight in model.weights.values())


def shift_difference(model: gr.Model, x: np.ndarray, side: int) -> float:
    """Return how much the first layer's maps change, at most, if an image moves by a pixel."""
    net: Any = model.net
    convolve = net.layers[0]
    before, after = (np.asarray(convolve(placed(x, side, at))) for at in (1, 2))
    return float(np.abs(before[:, :-1, :-1] - after[:, 1:, 1:]).max())
