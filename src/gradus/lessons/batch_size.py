"""Batch size: many rough steps, or few smooth ones.

The gradient of the loss is a mean over all samples. One need not wait for all of them:

* **full batch** takes the mean over all samples: one exact step an epoch;
* **mini-batch** takes it over a few, such as 32, drawn anew each time;
* **online** takes each sample by itself: as many steps as there are samples.

The gradient of a batch of b samples is the true one plus noise, and since it is a mean of b
numbers that hardly depend on one another, the noise falls with the root of b:

    deviation of the gradient ∝ 1 / √b

So an online path staggers, and a full-batch path is smooth. But an epoch costs the same number of
multiplications in all three, and the online path has made a thousand steps by the time the full
batch makes one. In between lies what everybody uses: a mini-batch makes many steps, its noise is
mild, and 32 rows multiplied together take less time than one after another. How much less depends
on the machine and the network.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import gradus as gr
from gradus.lessons.page import Page
from gradus.lessons.pictures import pictures


def lesson(
    page: Page,
    data: str = "digits",
    samples: int = 1280,
    epochs: int = 10,
    rate: float = 0.05,
    seed: int = 0,
) -> dict[str, float]:
    """Train one network online, by mini-batches and by the full batch, for as many epochs.

    Args:
        page: where the results are shown.
        data: which pictures: "digits" or "mnist".
        samples: how many of them are learnt from.
        epochs: how often each is seen.
        rate: the learning rate, the same for all.
        seed: of the weights and of the order of samples.

    Returns:
        How many steps each took, how many unseen pictures it gets right, and how many times noisier
        the gradient of one sample is than that of sixteen.
    """
    page.figure(
        straggling(rate=0.1, steps=60, seed=seed),
        "Two weights of a straight line, fitted to 64 points: sixty steps online, in batches of "
        "eight, and with all points.",
    )
    flat = pictures(data, seed).flat
    x, y = flat.x[:samples], flat.y[:samples]
    sizes = {"online": 1, "mini-batch": 32, "full batch": samples}
    histories, rows = {}, []
    for name, size in sizes.items():
        model = network(rate, seed)
        histories[name] = model.fit(
            *(x, y),
            batch_size=size,
            epochs=epochs,
            validation_data=(flat.x_test, flat.y_test),
            shuffle_seed=seed,
            probes=False,
            verbose=False,
        )
        rows.append(
            {
                "": name,
                "batch size": size,
                "steps": epochs * -(-samples // size),
                "seconds": sum(model.history.seconds),
                "accuracy": model.history["val_accuracy"][-1],
            }
        )
    page.table(rows, f"The same network after {epochs} epochs at the learning rate {rate:g}.")
    page.figure(
        gr.figures.curves_of(histories, "val_loss"),
        "The loss on unseen pictures by epoch. An epoch is one step of the full batch.",
    )
    spread = noise(network(rate, seed).build(x), x, y, seed)
    page.figure(
        gr.figures.lines(
            {
                "measured": (list(spread), list(spread.values())),
                "1 / √b": (list(spread), [spread[1] / np.sqrt(size) for size in spread]),
            },
            *("batch size b", "noise of the gradient"),
            log="xy",
        ),
        "How far the gradient of a batch is from that of all samples, as a multiple of the latter.",
    )
    page.text(
        f"Sixteen times the batch makes the gradient {spread[1] / spread[16]:.1f} times less "
        "noisy; the root of 16 is 4."
    )
    steps = {f"steps_{row['']}": row["steps"] for row in rows}
    accuracy = {f"accuracy_{row['']}": float(row["accuracy"]) for row in rows}
    return steps | accuracy | {"noise_of_1_over_16": spread[1] / spread[16]}


def network(rate: float, seed: int) -> gr.Model:
    """Return a classifier of ten classes, trained by plain gradient descent."""
    return gr.Model(
        gr.mlp([512, 10], "relu", "softmax"),
        loss="sparse_categorical_crossentropy",
        optimizer=gr.SGD(rate),
        metrics=["accuracy"],
        seed=seed,
    )


def noise(model: gr.Model, x: Any, y: Any, seed: int, draws: int = 100) -> dict[int, float]:
    """Return, for some batch sizes, the gradient's mean distance from that of all samples.

    It is that of the last layer's weights, and a batch's is the mean of its samples': of each the
    product of what the layer was given and of the loss's gradient by the logits.
    """
    draw = np.random.default_rng(seed)
    last = gr.inside(model, x, y)["dense_1"]
    each = len(x) * np.einsum("ni,nj->nij", last.inputs, last.gradient)
    exact = each.mean(axis=0)
    found = {}
    for size in (1, 4, 16, 64):
        batches = [draw.choice(len(x), size, replace=False) for _ in range(draws)]
        squares = [np.sum((each[rows].mean(axis=0) - exact) ** 2) for rows in batches]
        found[size] = float(np.sqrt(np.mean(squares) / np.sum(exact**2)))
    return found


def straggling(rate: float, steps: int, seed: int) -> Any:
    """Return the paths of two weights over the loss of all points, for three batch sizes.

    This is a training loop of one's own: gradient, then update.
    """
    draw = np.random.default_rng(seed)
    x = draw.uniform(-1, 1, 64).astype(np.float32)
    y = (1.5 * x - 0.5 + 0.4 * draw.normal(size=64)).astype(np.float32)

    def loss(w: Any, x: Any = x, y: Any = y) -> Any:
        return jnp.mean((w[0] * x + w[1] - y) ** 2)

    optimizer, paths = gr.SGD(rate), {}
    step = jax.jit(lambda w, state, x, y: optimizer.update(jax.grad(loss)(w, x, y), state, w))
    for name, size in (("online", 1), ("batches of 8", 8), ("full batch", 64)):
        w, path = jnp.array([-1.0, 1.0]), []
        state = optimizer.init(w)
        for _ in range(steps):
            path.append(w)
            rows = draw.choice(64, size, replace=False)
            w, state = step(w, state, x[rows], y[rows])
        paths[name] = np.stack(path)
    return gr.figures.paths(loss, paths)
