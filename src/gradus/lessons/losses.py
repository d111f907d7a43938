"""Losses: how a network is told about its mistakes.

A loss turns a prediction ŷ and a target y into one number, which is zero or small if the prediction
is right. Training sees only its slope: how much the loss changes if ŷ increases a little. So the
shape of the loss decides what the network learns.

For numeric targets there are the squared error (MSE) and the absolute error (MAE):

    MSE = (y − ŷ)²        MAE = |y − ŷ|

The slope of the squared error grows with the error, so a single outlier pulls as hard as many
points nearby. The best constant prediction is the mean. The slope of the absolute error is ±1
everywhere, and its best constant prediction is the median, which a few outliers do not move. The
Huber loss is a parabola near zero and a line farther out, and log-cosh is nearly the same without
the seam.

For classes, the network outputs a probability. Cross-entropy uses its logarithm,

    −y ln ŷ − (1 − y) ln (1 − ŷ)

and grows without bound if the network is confident and wrong. After a sigmoid, `ŷ = σ(z)`, its
slope with respect to z is simply `ŷ − y`: the more wrong, the steeper. The slope of the squared
error with respect to z is `2 (ŷ − y) ŷ (1 − ŷ)`, which is nearly zero when ŷ is close to 0 or 1,
whether right or wrong: a network that is confident and wrong learns almost nothing. This is why
classifiers are trained with cross-entropy. A larger learning rate can make up for small slopes to
some extent, so a fair comparison gives each loss a rate that suits it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import gradus as gr
from gradus.lessons.images import load_images
from gradus.lessons.page import Page

RATES = (0.01, 0.1, 1.0, 10.0)
SHARED_RATE = 0.1  # at which the two losses are compared
SLOPE, INTERCEPT = 2.0, 1.0  # of the true line
VALUES = {
    "MSE": gr.losses.mean_squared_error,
    "MAE": gr.losses.mean_absolute_error,
    "Huber": gr.losses.huber,
    "log-cosh": gr.losses.log_cosh,
}


def lesson(
    page: Page, data: str = "digits", samples: int = 1000, epochs: int = 20, seed: int = 0
) -> dict[str, float]:
    """Compare losses by their shapes, on a line with outliers, and on images.

    Args:
        page: the page to show the results on.
        data: the images, "digits" or "mnist".
        samples: number of training images.
        epochs: number of epochs.
        seed: seed of the line's noise, of the weights, and of the order of the images.

    Returns:
        The error of the line's slope with each loss, the gradients of two losses at a confident
        mistake, and, for each of the two, the accuracy on unseen images at the same learning rate
        and at its best of four, and that rate.
    """
    plot_shapes(page)
    slope_errors = fit_outliers(page, seed)
    gradients = confident_mistake(page)
    accuracy = compare_classifiers(page, data, samples, epochs, seed)
    return slope_errors | gradients | accuracy


def plot_shapes(page: Page) -> None:
    """Plot each loss over the error, or over the weighted sum before a sigmoid."""
    error = np.linspace(-4, 4, 161, dtype=np.float32)
    zeros = jnp.zeros((len(error), 1))
    curves = {name: (error, loss(zeros, error[:, None])) for name, loss in VALUES.items()}
    figure = gr.figures.lines(curves, "error ŷ − y", "loss")
    figure.update_yaxes(range=[0, 6])
    page.figure(
        figure,
        "Losses for numeric targets. The squared error gets ever steeper; the others do not.",
    )
    z = np.linspace(-6, 6, 161, dtype=np.float32)
    yes, probability = jnp.ones((len(z), 1)), gr.sigmoid(z)[:, None]
    curves = {
        "cross-entropy": (z, gr.losses.binary_crossentropy(yes, probability)),
        "focal": (z, gr.losses.binary_focal_crossentropy(yes, probability)),
        "MSE": (z, gr.losses.mean_squared_error(yes, probability)),
        "hinge (of z itself)": (z, gr.losses.hinge(yes, z[:, None])),
    }
    page.figure(
        gr.figures.lines(curves, "z, where ŷ = σ(z)", "loss"),
        "Losses for classes, where the true answer is yes. On the left, where the network is "
        "confident and wrong, cross-entropy is steep and MSE is flat.",
    )


def fit_outliers(page: Page, seed: int) -> dict[str, float]:
    """Fit a line with each loss to points of which one in ten is an outlier."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-1, 1, 60, dtype=np.float32)
    y = (SLOPE * x + INTERCEPT + 0.1 * rng.normal(size=x.shape)).astype(np.float32)
    y[-6:] -= 8  # the outliers, all at the right end
    rows = []
    figure = gr.figures.lines({"points": (x, y)}, "x", "y")
    figure.data[0].update(mode="markers", showlegend=True)
    for name, loss in VALUES.items():

        def cost(line: Any, loss: Any = loss) -> Any:
            return jnp.mean(loss(y[:, None], (line[0] * x + line[1])[:, None]))

        slope, intercept = gr.descend(cost, [0.0, 0.0], gr.Adam(0.05), 600)[-1]
        rows.append({"loss": name, "slope": slope, "intercept": intercept})
        figure.add_scatter(x=x, y=slope * x + intercept, name=name, mode="lines")
    truth = {"loss": "true line", "slope": SLOPE, "intercept": INTERCEPT}
    page.table([*rows, truth], "The line that each loss finds.")
    page.figure(figure, "Six outliers at the right end. They tilt the line of the MSE most.")
    return {f"slope_error_{row['loss']}": float(abs(row["slope"] - SLOPE)) for row in rows}


def confident_mistake(page: Page, z: float = -6.0) -> dict[str, float]:
    """Compute the gradient for one unit that is sure of no when the answer is yes."""
    x = y = np.ones((1, 1), np.float32)
    gradients = {}
    for name, loss in (("cross_entropy", "binary_crossentropy"), ("mse", "mse")):
        model = gr.Model(gr.Dense(1, "sigmoid"), loss).build(x)
        model.set_weights({"kernel": [[z]], "bias": [0.0]})
        gradients[f"gradient_{name}"] = abs(float(gr.inside(model, x, y)[""].gradient[0, 0]))
    page.text(
        f"One unit outputs the probability {float(jax.nn.sigmoid(z)):.4f} where the true answer is "
        "yes. With respect to z, cross-entropy has the slope "
        f"{gradients['gradient_cross_entropy']:.4f} and MSE {gradients['gradient_mse']:.4f}: for "
        "the same mistake, MSE gives the unit almost nothing to learn from."
    )
    return gradients


def compare_classifiers(
    page: Page, data: str, samples: int, epochs: int, seed: int
) -> dict[str, float]:
    """Train a network with cross-entropy and with MSE, each at several learning rates."""
    flat = load_images(data, seed).flat
    x, labels = flat.x[:samples], flat.y[:samples]
    classes = np.eye(10, dtype=np.float32)
    histories, rows, numbers, best_ones = {}, [], dict[str, float](), {}
    for name, loss in (("cross-entropy", "categorical_crossentropy"), ("MSE", "mse")):
        models = gr.fit_all(
            [network(loss, rate, seed) for rate in RATES],
            x,
            classes[labels],
            epochs=epochs,
            validation_data=(flat.x_test, classes[flat.y_test]),
            probes=False,
        )
        for rate, model in zip(RATES, models, strict=True):
            accuracy = model.history["val_accuracy"]
            rows.append({"loss": name, "learning rate": rate, "accuracy": accuracy[-1]})
        shares = [model.history["val_accuracy"][-1] for model in models]
        best = int(np.argmax(shares))
        for index in sorted({RATES.index(SHARED_RATE), best}):
            histories[f"{name}, rate {RATES[index]:g}"] = models[index].history
        key = name.replace("-", "_").lower()
        best_ones[name] = RATES[best], float(shares[best])
        numbers |= {
            f"accuracy_{key}_at_{SHARED_RATE:g}": float(shares[RATES.index(SHARED_RATE)]),
            f"best_accuracy_{key}": float(shares[best]),
            f"best_rate_{key}": RATES[best],
        }
    page.table(
        rows,
        f"Accuracy on unseen images after {epochs} epochs of plain SGD, at four learning rates. "
        + on_rates(best_ones),
    )
    page.figure(
        gr.figures.curves_of(histories, "val_accuracy"),
        f"The same network with both losses, at the same learning rate, {SHARED_RATE:g}, and with "
        "each loss at its best of the four.",
    )
    return numbers


def on_rates(best: Mapping[str, tuple[float, float]]) -> str:
    """Compare the two losses, each at its best learning rate."""
    (rate, accuracy), (mse_rate, mse_accuracy) = best["cross-entropy"], best["MSE"]
    times = mse_rate / rate
    needs = f"; MSE needs a rate {times:g} times as large" if times > 1 else ""
    return (
        f"At its best rate, {rate:g}, cross-entropy reaches {accuracy:.1%}; MSE reaches "
        f"{mse_accuracy:.1%} at its best, {mse_rate:g}{needs}."
    )


def network(loss: str, rate: float, seed: int) -> Any:
    """Create a ten-class classifier with a hidden sigmoid layer."""
    net = gr.mlp([32, 10], "sigmoid", "softmax")
    return gr.Model(net, loss, gr.SGD(rate), metrics=["accuracy"], seed=seed)
