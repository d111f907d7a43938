"""The autoencoder: a picture in two numbers.

An autoencoder is given a picture and asked for the same picture back. That would be easy if it
could copy; but between input and output stands a layer of only a few units, the code:

    x → encoder → code → decoder → x̂        the loss: how far x̂ is from x

So it has to find out what pictures have in common, and put into the code only what tells them
apart. Nobody says what is in the pictures: the target is the input itself. Afterwards the encoder
is a way to say a picture in a few numbers, and the decoder a way to draw one.

If all layers are linear, the best that can be done is known: the code holds the first principal
components, the directions in which the data vary most (Pearson 1901; Baldi & Hornik 1989). A
picture is then a sum of a few fixed patterns. With hidden layers that bend, encoder and decoder can
follow the curved sheet on which the pictures lie, and a code of the same length holds more of them
(Hinton & Salakhutdinov 2006).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

import gradus as gr
from gradus.lessons.page import Page
from gradus.lessons.pictures import pictures

NEIGHBOURS = 10


def lesson(
    page: Page,
    data: str = "digits",
    samples: int = 10_000,
    codes: Sequence[int] = (2, 8),
    hidden: Sequence[int] = (128, 64),
    epochs: int = 150,
    seed: int = 0,
) -> dict[str, float]:
    """Train autoencoders with small codes on digits, and compare with principal components.

    Args:
        page: where the results are shown.
        data: which pictures: "digits" or "mnist".
        samples: how many of them at most.
        codes: the lengths of the codes; the first is drawn, and is 2.
        hidden: the widths of the encoder's hidden layers.
        epochs: how often each picture is seen.
        seed: of the weights.

    Returns:
        The error on unseen digits, by the code's length, of autoencoder and components, the mean
        square of a pixel; and how often neighbours in the plane tell which digit it is.
    """
    found = pictures(data).flat
    x, y = found.x[:samples], found.y[:samples]
    page.text(
        f"{len(x):,} digits of {x.shape[1]} pixels pass through codes of "
        f"{' and '.join(map(str, codes))} numbers. The encoder has hidden layers of "
        f"{' and '.join(map(str, hidden))} units, the decoder is its mirror image."
    )
    rows = []
    numbers: dict[str, float] = {}
    models, linear = {}, {}
    for length in codes:
        models[length] = gr.Autoencoder([*hidden, length], loss="mse", seed=seed)
        models[length].fit(x, epochs=epochs, verbose=False)
        linear[length] = PCA(length, random_state=seed).fit(x)
        restored = linear[length].inverse_transform(linear[length].transform(found.x_test))
        errors = {
            "autoencoder": models[length].evaluate(found.x_test)["loss"],
            "components": float(np.mean((restored - found.x_test) ** 2)),
        }
        rows.append({"code": length} | errors)
        numbers |= {f"{name}_error_{length}": error for name, error in errors.items()}
    page.table(
        rows,
        "The error on unseen digits, the mean square of a pixel, by the length of the code: of the "
        "autoencoder, and of as many principal components.",
    )
    for length, model in models.items():
        page.figure(
            gr.figures.reconstructions(model, found.x_test),
            f"Unseen digits, and what a code of {length} numbers has kept of them.",
        )
    plane = codes[0]
    views = {
        "autoencoder": (models[plane].encode(x), models[plane].encode(found.x_test)),
        "components": (linear[plane].transform(x), linear[plane].transform(found.x_test)),
    }
    for name, (seen, unseen) in views.items():
        judge = KNeighborsClassifier(NEIGHBOURS).fit(seen, y)
        share = float(judge.score(unseen, found.y_test))
        numbers[f"{name}_neighbours_accuracy"] = share
        page.figure(
            gr.figures.codes(unseen, found.y_test),
            f"Unseen digits in the plane of two numbers of the {name}, coloured by what they are, "
            f"which nobody had told. The {NEIGHBOURS} nearest neighbours say it rightly of "
            f"{100 * share:.0f} % of them.",
        )
    return numbers
