"""The autoencoder: an image in two numbers.

An autoencoder receives an image and must return the same image. That would be easy if it could copy
it, but between input and output there is a layer of only a few units, the code:

    x → encoder → code → decoder → x̂
    loss: how far x̂ is from x

So it has to find out what the images have in common, and put into the code only what distinguishes
them. Nobody tells it what the images show: the target is the input itself. After training, the
encoder describes an image in a few numbers, and the decoder draws an image from them.

If all layers are linear, the best solution is known: the code holds the first principal components,
the directions in which the data vary most (Pearson 1901; Baldi & Hornik 1989). An image is then a
sum of a few fixed patterns. With nonlinear hidden layers, the encoder and the decoder can follow
the curved surface on which the images lie, and a code of the same length preserves more of each
image (Hinton & Salakhutdinov 2006).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

import gradus as gr
from gradus.lessons.images import load_images
from gradus.lessons.page import Page

NEIGHBORS = 10


def lesson(
    page: Page,
    data: str = "digits",
    samples: int = 10_000,
    codes: Sequence[int] = (2, 8),
    hidden: Sequence[int] = (128, 64),
    epochs: int = 150,
    seed: int = 0,
) -> dict[str, float]:
    """Train autoencoders with small codes on digits; compare with principal components.

    Args:
        page: the page to show the results on.
        data: the images, "digits" or "mnist".
        samples: maximum number of training images.
        codes: the lengths of the codes; the first must be 2, and is plotted.
        hidden: the widths of the encoder's hidden layers.
        epochs: number of epochs.
        seed: seed of the weights.

    Returns:
        The mean squared error on unseen digits of autoencoder and components, by length of code;
        and the accuracy of classifying digits by their nearest neighbors in the plane.
    """
    images = load_images(data).flat
    x, y = images.x[:samples], images.y[:samples]
    page.text(
        f"{len(x):,} digits of {x.shape[1]} pixels pass through codes of "
        f"{' and '.join(map(str, codes))} numbers. The encoder has hidden layers of "
        f"{' and '.join(map(str, hidden))} units; the decoder is its mirror image."
    )
    rows = []
    numbers: dict[str, float] = {}
    models, linear = {}, {}
    for length in codes:
        models[length] = gr.Autoencoder([*hidden, length], loss="mse", seed=seed)
        models[length].fit(x, epochs=epochs, verbose=False)
        linear[length] = PCA(length, random_state=seed).fit(x)
        reconstructed = linear[length].inverse_transform(linear[length].transform(images.x_test))
        errors = {
            "autoencoder": models[length].evaluate(images.x_test)["loss"],
            "components": float(np.mean((reconstructed - images.x_test) ** 2)),
        }
        rows.append({"code": length} | errors)
        numbers |= {f"{name}_error_{length}": error for name, error in errors.items()}
    page.table(
        rows,
        "The mean squared error per pixel on unseen digits, by the length of the code: for the "
        "autoencoder, and for the same number of principal components.",
    )
    for length, model in models.items():
        page.figure(
            gr.figures.reconstructions(model, images.x_test),
            f"Unseen digits, and their reconstructions from a code of {length} numbers.",
        )
    plane = codes[0]
    views = {
        "autoencoder": (models[plane].encode(x), models[plane].encode(images.x_test)),
        "components": (linear[plane].transform(x), linear[plane].transform(images.x_test)),
    }
    for name, (train_codes, test_codes) in views.items():
        classifier = KNeighborsClassifier(NEIGHBORS).fit(train_codes, y)
        accuracy = float(classifier.score(test_codes, images.y_test))
        numbers[f"{name}_neighbors_accuracy"] = accuracy
        page.figure(
            gr.figures.codes(test_codes, images.y_test),
            f"Unseen digits in the plane of the two numbers of the {name}. The colors show the "
            f"true digits, which training did not use. The {NEIGHBORS} nearest neighbors classify "
            f"{accuracy:.0%} of the digits correctly.",
        )
    return numbers
