"""Fine-tuning: what one task taught helps with the next.

A network with two hidden layers reads digits. Its last layer decides which digit an image shows;
the layers before it, the body, turn the image into features that make this decision possible. If
the body has learned something about images of digits in general, and not just about the digits that
it saw, then it is worth reusing for other digits when there are only a few samples of them.

So we train a network on the digits 0 to 4, and give its body to a new network for 5 to 9, which has
a new last layer. There are two ways to continue:

- *frozen*: the body stays as it is, and only the last layer learns. There are few weights to find,
  and few samples are enough; but the network can never learn what the body does not see.
- *fine-tuned*: all layers learn, the body at a tenth of the learning rate. So the body adapts, but
  does not forget what it knows before the new layer has learned to use it.

The experiment compares both with the same network trained from scratch. The old body helps most
with few samples. With more samples it helps less, and it matters more that the body can adapt
(Yosinski et al. 2014, "How transferable are features in deep neural networks?").

The digits are placed at random positions on a larger canvas. That a digit is the same wherever it
is, the body can learn from 0 to 4, of which there are many; a few samples of 5 to 9 cannot show it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import numpy as np

import gradus as gr
from gradus.lessons.cnn import scattered
from gradus.lessons.images import load_images
from gradus.lessons.page import Page

METHODS = ("from scratch", "frozen", "fine-tuned")


def lesson(
    page: Page,
    data: str = "digits",
    samples: int = 10_000,
    few: Sequence[int] = (5, 10, 20, 40),
    epochs: int = 60,
    members: int = 5,
    seed: int = 0,
) -> dict[str, float]:
    """Train a network on the digits 0 to 4, then three kinds of networks on a few of 5 to 9.

    Args:
        page: the page to show the results on.
        data: the images, "digits" or "mnist".
        samples: number of digits from 0 to 4; if they run out, they repeat at new positions.
        few: numbers of samples of each digit from 5 to 9, one experiment each.
        epochs: number of epochs on these few samples.
        members: number of networks of each kind, over which the accuracy is averaged.
        seed: seed of the positions and of the weights.

    Returns:
        The accuracy of each method on unseen digits from 5 to 9, with the fewest samples and with
        the most.
    """
    images, rng = load_images(data), np.random.default_rng(seed)
    low, high = np.flatnonzero(images.y < 5), np.flatnonzero(images.y >= 5)
    held_out = np.resize(np.flatnonzero(images.y_test >= 5), 1000)
    rows = np.resize(low, samples)
    x, y = scattered(images.x[rows], rng), images.y[rows]
    x_test, y_test = scattered(images.x_test[held_out], rng), images.y_test[held_out] - 5

    first = create_model("from scratch", "0 to 4", seed)
    first.fit(x, y, epochs=20, batch_size=128, probes=False, verbose=False)
    page.figure(gr.figures.images(x[:20]), "Digits from 0 to 4, each at a random position.")
    page.text(
        f"A network has learned to read {samples:,} such digits. The next task is to read 5 to 9, "
        f"with {few[0]} to {few[-1]} samples of each. We compare the mean accuracy of {members} "
        "networks on unseen digits."
    )
    accuracy: dict[str, list[float]] = {method: [] for method in METHODS}
    seeds = range(seed, seed + members)
    with tempfile.TemporaryDirectory() as folder:
        first.save(folder)
        for count in few:
            rows = np.concatenate([high[images.y[high] == digit][:count] for digit in range(5, 10)])
            x, y = scattered(images.x[rows], rng), images.y[rows] - 5
            # Models with the same structure train side by side; frozen ones have another structure.
            for methods in (("from scratch", "fine-tuned"), ("frozen",)):
                models = {
                    (method, member): create_second(method, x, folder, member)
                    for method in methods
                    for member in seeds
                }
                gr.fit_all([*models.values()], x, y, epochs=epochs, batch_size=25, probes=False)
                for method in methods:
                    scores = [models[method, member].evaluate(x_test, y_test) for member in seeds]
                    accuracy[method].append(float(np.mean([score["accuracy"] for score in scores])))
    page.figure(
        gr.figures.lines(
            {method: (list(few), values) for method, values in accuracy.items()},
            "samples of each digit",
            "accuracy on unseen digits",
            log="x",
        ),
        "With few samples, both ways to reuse the body beat training from scratch. With more, the "
        "frozen body falls behind the one that adapts.",
    )
    page.table(
        [
            {
                "samples of each digit": n,
                **{f"accuracy {method}": accuracy[method][i] for method in METHODS},
            }
            for i, n in enumerate(few)
        ],
        f"Mean accuracy of {members} networks on unseen digits from 5 to 9. Guessing gives 20%.",
    )
    return {
        f"accuracy_{method.replace(' ', '_').replace('-', '_')}_{word}": accuracy[method][index]
        for word, index in (("few", 0), ("many", -1))
        for method in METHODS
    }


def create_second(method: str, x: np.ndarray, folder: str, seed: int) -> gr.Model:
    """Create a network for 5 to 9, with the body saved in `folder` unless from scratch."""
    network = create_model(method, "5 to 9", seed).build(x)
    if method != "from scratch":
        network.load_weights(folder, skip_missing=True)  # the last layer has a new name
    return network


def create_model(method: str, digits: str, seed: int) -> gr.Model:
    """Create a network for one of the three methods, its last layer named after `digits`."""
    dense = [gr.Dense(128, "relu"), gr.Dense(64, "relu")]
    body = gr.Sequential([gr.Flatten(), *dense, gr.Dropout(0.3)]).named("body")
    if method == "frozen":
        body.freeze()
    net = gr.Sequential([body, gr.Dense(5, "softmax").named(digits)])
    optimizer = gr.Adam(3e-3, layer_rates={"body": 0.1 if method == "fine-tuned" else 1.0})
    return gr.Model(net, "sparse_categorical_crossentropy", optimizer, ["accuracy"], seed=seed)
