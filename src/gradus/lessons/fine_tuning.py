"""Fine-tuning: what one task has taught helps with the next.

A network with two hidden layers reads digits. Its last layer says which digit it is; the layers
before it, its body, turn a picture into numbers from which that can be said. If the body has learnt
something about pictures of digits, and not just about those digits, then it is worth having when
other digits are to be read, and few samples of them are at hand.

So the body of a network that was trained on 0 to 4 is given to a new one for 5 to 9, which has a
new last layer. There are two ways to go on:

- *frozen*: the body stays as it is and only the last layer learns. There are few weights to find,
  and few samples suffice; but what the body does not see can never be learnt.
- *fine-tuned*: all layers learn, the body at a tenth of the rate, so that it is adapted and not
  forgotten before the new layer knows what it wants of it.

Both are compared with the same network from scratch. With few samples the old body is worth most.
The more there are, the less it is, and the more it matters that the body can adapt (Yosinski et al.
2014, "How transferable are features in deep neural networks?").

The digits stand in random places of a larger sheet. That a digit is the same wherever it stands,
the body can learn from 0 to 4, of which there are many; a few samples of 5 to 9 cannot tell.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import numpy as np

import gradus as gr
from gradus.lessons.cnn import scattered
from gradus.lessons.page import Page
from gradus.lessons.pictures import pictures

WAYS = ("from scratch", "frozen", "fine-tuned")


def lesson(
    page: Page,
    data: str = "digits",
    samples: int = 10_000,
    few: Sequence[int] = (5, 10, 20, 40),
    epochs: int = 60,
    members: int = 5,
    seed: int = 0,
) -> dict[str, float]:
    """Train a network on the digits 0 to 4, and three kinds of networks on a few of 5 to 9.

    Args:
        page: where the results are shown.
        data: which pictures: "digits" or "mnist".
        samples: how many of the digits 0 to 4, the same ones in other places where they run out.
        few: how many of each of the digits 5 to 9, one experiment each.
        epochs: how often these few are seen.
        members: networks of each kind, with other initial weights; their mean accuracy counts.
        seed: of the places and the weights.

    Returns:
        The accuracy of each way on unseen digits 5 to 9, with the fewest samples and the most.
    """
    found, rng = pictures(data), np.random.default_rng(seed)
    low, high = np.flatnonzero(found.y < 5), np.flatnonzero(found.y >= 5)
    held = np.resize(np.flatnonzero(found.y_test >= 5), 1000)
    rows = np.resize(low, samples)
    x, y = scattered(found.x[rows], rng), found.y[rows]
    x_test, y_test = scattered(found.x_test[held], rng), found.y_test[held] - 5

    first = model("from scratch", "0 to 4", seed)
    first.fit(x, y, epochs=20, batch_size=128, probes=False, verbose=False)
    page.figure(gr.figures.images(x[:20]), "Digits from 0 to 4, each in a place of its own.")
    page.text(
        f"A network has learnt to read {samples:,} such digits. Now it is about 5 to 9, of which "
        f"there are {few[0]} to {few[-1]} samples each. What counts is the mean accuracy of "
        f"{members} networks on digits that none of them has seen."
    )
    accuracy: dict[str, list[float]] = {way: [] for way in WAYS}
    seeds = range(seed, seed + members)
    with tempfile.TemporaryDirectory() as folder:
        first.save(folder)
        for count in few:
            rows = np.concatenate([high[found.y[high] == digit][:count] for digit in range(5, 10)])
            x, y = scattered(found.x[rows], rng), found.y[rows] - 5
            # Models of one structure train side by side, as one program; a frozen one has another.
            for ways in (("from scratch", "fine-tuned"), ("frozen",)):
                models = {
                    (way, each): begun(way, x, folder, each) for way in ways for each in seeds
                }
                gr.fit_all([*models.values()], x, y, epochs=epochs, batch_size=25, probes=False)
                for way in ways:
                    own = [models[way, each].evaluate(x_test, y_test) for each in seeds]
                    accuracy[way].append(float(np.mean([scores["accuracy"] for scores in own])))
    page.figure(
        gr.figures.lines(
            {way: (list(few), values) for way, values in accuracy.items()},
            *("samples of each digit", "accuracy on unseen digits"),
            log="x",
        ),
        "With few samples both ways to use the old body beat starting from scratch; with more, the "
        "frozen body falls behind the one that adapts.",
    )
    page.table(
        [
            {"samples of each digit": n, **{f"accuracy {way}": accuracy[way][i] for way in WAYS}}
            for i, n in enumerate(few)
        ],
        f"Mean accuracy of {members} networks on unseen digits from 5 to 9; chance is 20 %.",
    )
    return {
        f"accuracy_{way.replace(' ', '_').replace('-', '_')}_{word}": accuracy[way][index]
        for word, index in (("few", 0), ("many", -1))
        for way in WAYS
    }


def begun(way: str, x: np.ndarray, folder: str, seed: int) -> gr.Model:
    """Return a network for 5 to 9, with the body that was saved in `folder` unless from scratch."""
    made = model(way, "5 to 9", seed).build(x)
    if way != "from scratch":
        made.load_weights(folder, skip_missing=True)  # the last layer's have another name
    return made


def model(way: str, digits: str, seed: int) -> gr.Model:
    """Return a network to be trained in one of the three ways, its last layer named by `digits`."""
    dense = [gr.Dense(128, "relu"), gr.Dense(64, "relu")]
    body = gr.Sequential([gr.Flatten(), *dense, gr.Dropout(0.3)]).named("body")
    if way == "frozen":
        body.freeze()
    net = gr.Sequential([body, gr.Dense(5, "softmax").named(digits)])
    optimizer = gr.Adam(3e-3, layer_rates={"body": 0.1 if way == "fine-tuned" else 1.0})
    return gr.Model(net, "sparse_categorical_crossentropy", optimizer, ["accuracy"], seed=seed)
