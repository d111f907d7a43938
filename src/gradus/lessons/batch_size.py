"""Batch size: many noisy steps or a few smooth ones.

The gradient of the loss is a mean over all samples. There is no need to wait for all of them:

* **full batch** averages over all samples: one exact step per epoch;
* **mini-batch** averages over a few samples, such as 32, drawn at random each time;
* **online** uses one sample at a time: as many steps as there are samples.

The gradient of a batch of b samples is the true gradient plus noise. Since it is a mean of b nearly
independent terms, the noise falls with the square root of b:

    standard deviation of the gradient ∝ 1 / √b

So an online path zigzags, and a full-batch path is smooth. But an epoch takes the same number of
multiplications in all three cases, and the online path has taken a thousand steps by the time the
full batch takes one. In between lies what everybody uses: a mini-batch takes many steps, its noise
is mild, and multiplying 32 rows at once takes less time than multiplying them one by one. How much
less depends on the machine and the network.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import gradus as gr
from gradus.lessons.images import load_images
from gradus.lessons.page import Page


def lesson(
    page: Page,
    data: str = "digits",
    samples: int = 1280,
    epochs: int = 10,
    rate: float = 0.05,
    seed: int = 0,
) -> dict[str, float]:
    """Train a network online, with mini-batches, and with the full batch.

    Args:
        page: the page to show the results on.
        data: the images, "digits" or "mnist".
        samples: number of training images.
        epochs: number of epochs.
        rate: the learning rate, the same for all.
        seed: seed of the weights and of the order of the images.

    Returns:
        The number of steps and the accuracy on unseen images with each, and how many times noisier
        the gradient of one sample is than that of sixteen.
    """
    page.figure(
        plot_paths(rate=0.1, steps=60, seed=seed),
        "The two weights of a straight line fitted to 64 points: sixty steps online, with batches "
        "of eight, and with all points.",
    )
    flat = load_images(data, seed).flat
    x, y = flat.x[:samples], flat.y[:samples]
    sizes = {"online": 1, "mini-batch": 32, "full batch": samples}
    histories, rows = {}, []
    for name, size in sizes.items():
        model = network(rate, seed)
        histories[name] = model.fit(
            x,
            y,
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
    page.table(rows, f"The same network after {epochs} epochs with the learning rate {rate:g}.")
    page.figure(
        gr.figures.curves_of(histories, "val_loss"),
        "The loss on unseen images by epoch. With the full batch, an epoch is one step.",
    )
    deviation = noise(network(rate, seed).build(x), x, y, seed)
    page.figure(
        gr.figures.lines(
            {
                "measured": (list(deviation), list(deviation.values())),
                "1 / √b": (list(deviation), [deviation[1] / np.sqrt(size) for size in deviation]),
            },
            "batch size b",
            "noise of the gradient",
            log="xy",
        ),
        "The distance of a batch's gradient from the full gradient, relative to the full gradient.",
    )
    page.text(
        f"A batch 16 times as large makes the gradient {deviation[1] / deviation[16]:.1f} times "
        "less noisy; the square root of 16 is 4."
    )
    steps = {f"steps_{row['']}": row["steps"] for row in rows}
    accuracy = {f"accuracy_{row['']}": float(row["accuracy"]) for row in rows}
    return steps | accuracy | {"noise_of_1_over_16": deviation[1] / deviation[16]}


def network(rate: float, seed: int) -> gr.Model:
    """Create a ten-class classifier to train with plain gradient descent."""
    return gr.Model(
        gr.mlp([512, 10], "relu", "softmax"),
        loss="sparse_categorical_crossentropy",
        optimizer=gr.SGD(rate),
        metrics=["accuracy"],
        seed=seed,
    )


def noise(model: gr.Model, x: Any, y: Any, seed: int, draws: int = 100) -> dict[int, float]:
    """Return the relative distance of a batch's gradient from the full one, by batch size.

    This is the gradient with respect to the last layer's weights. For one sample, it is the outer
    product of the layer's input and the gradient with respect to the logits; for a batch, the mean.
    """
    rng = np.random.default_rng(seed)
    layer = gr.inside(model, x, y)["dense_1"]
    gradients = len(x) * np.einsum("ni,nj->nij", layer.inputs, layer.gradient)
    exact = gradients.mean(axis=0)
    relative = {}
    for size in (1, 4, 16, 64):
        batches = [rng.choice(len(x), size, replace=False) for _ in range(draws)]
        squares = [np.sum((gradients[rows].mean(axis=0) - exact) ** 2) for rows in batches]
        relative[size] = float(np.sqrt(np.mean(squares) / np.sum(exact**2)))
    return relative


def plot_paths(rate: float, steps: int, seed: int) -> Any:
    """Plot the paths of two weights over the loss landscape for three batch sizes.

    This is a training loop written by hand: compute the gradient, then update.
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, 64).astype(np.float32)
    y = (1.5 * x - 0.5 + 0.4 * rng.normal(size=64)).astype(np.float32)

    def loss(w: Any, x: Any = x, y: Any = y) -> Any:
        return jnp.mean((w[0] * x + w[1] - y) ** 2)

    optimizer, paths = gr.SGD(rate), {}
    step = jax.jit(lambda w, state, x, y: optimizer.update(jax.grad(loss)(w, x, y), state, w))
    for name, size in (("online", 1), ("batches of 8", 8), ("full batch", 64)):
        w, path = jnp.array([-1.0, 1.0]), []
        state = optimizer.init(w)
        for _ in range(steps):
            path.append(w)
            rows = rng.choice(64, size, replace=False)
            w, state = step(w, state, x[rows], y[rows])
        paths[name] = np.stack(path)
    figure = gr.figures.paths(loss, paths)
    figure.update_xaxes(title_text="slope")
    return figure.update_yaxes(title_text="intercept")
