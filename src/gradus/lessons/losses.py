"""Losses: what a network is told about its mistakes.

A loss turns a prediction ŷ and a target y into one number, zero or small when all is right. All
that training sees of it is its slope: how much a little more of ŷ would cost. So the shape decides
what is learnt.

For values there is the squared error (MSE) and the absolute one (MAE):

    MSE = (y − ŷ)²        MAE = |y − ŷ|

The slope of the square grows with the error, so a single target that is far off pulls as hard as
many that are near. Its best constant is the mean. The slope of the absolute error is ±1 wherever
it is, and its best constant is the median, which a few wild targets do not move. Huber's loss is a
square near zero and a line further out, and log-cosh is nearly the same without a seam.

For classes the network says a probability. Cross-entropy asks for its logarithm,

    −y ln ŷ − (1 − y) ln (1 − ŷ)

and grows without bound for one who is sure and wrong. With a sigmoid `ŷ = σ(z)` before it, the
slope by z is simply `ŷ − y`: the more wrong, the steeper. The squared error's slope by z is
`2 (ŷ − y) ŷ (1 − ŷ)`, which is nearly zero when ŷ is nearly 0 or 1, right or wrong: who is sure and
wrong learns nothing. This is why classifiers are trained with cross-entropy.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import gradus as gr
from gradus.lessons.page import Page
from gradus.lessons.pictures import pictures

SLOPE, INTERCEPT = 2.0, 1.0  # of the line that is to be found
VALUES = {
    "MSE": gr.losses.mean_squared_error,
    "MAE": gr.losses.mean_absolute_error,
    "Huber": gr.losses.huber,
    "log-cosh": gr.losses.log_cosh,
}


def lesson(
    page: Page, data: str = "digits", samples: int = 1000, epochs: int = 20, seed: int = 0
) -> dict[str, float]:
    """Compare losses: their shapes, on a line with outliers, and on pictures.

    Args:
        page: where the results are shown.
        data: which pictures: "digits" or "mnist".
        samples: how many of them are learnt from.
        epochs: how often each is seen.
        seed: of the line's noise, of the weights and of the pictures' order.

    Returns:
        How far each loss puts the line's slope off, how steep two losses are for one who is sure
        and wrong, and how many unseen pictures each gets right.
    """
    shapes(page)
    missed = outliers(page, seed)
    steepness = surely_wrong(page)
    accuracy = classifiers(page, data, samples, epochs, seed)
    return missed | steepness | accuracy


def shapes(page: Page) -> None:
    """Draw each loss over the error, or over the weighted sum before a sigmoid."""
    error = np.linspace(-4, 4, 161, dtype=np.float32)
    zeros = jnp.zeros((len(error), 1))
    curves = {name: (error, loss(zeros, error[:, None])) for name, loss in VALUES.items()}
    figure = gr.figures.lines(curves, "error ŷ − y", "loss")
    figure.update_yaxes(range=[0, 6])
    page.figure(figure, "Losses for values: the square rises ever more steeply, the others do not.")
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
        "Losses for a class, where the answer is yes. On the left, where the network is surely "
        "wrong, cross-entropy is steep and MSE is flat.",
    )


def outliers(page: Page, seed: int) -> dict[str, float]:
    """Fit a line to points of which one in ten is wildly off, by each loss."""
    draw = np.random.default_rng(seed)
    x = np.linspace(-1, 1, 60, dtype=np.float32)
    y = (SLOPE * x + INTERCEPT + 0.1 * draw.normal(size=x.shape)).astype(np.float32)
    y[-6:] -= 8  # the outliers, all at the right end
    rows = []
    shown = gr.figures.lines({"points": (x, y)}, "x", "y")
    shown.data[0].update(mode="markers", showlegend=True)
    for name, loss in VALUES.items():

        def cost(line: Any, loss: Any = loss) -> Any:
            return jnp.mean(loss(y[:, None], (line[0] * x + line[1])[:, None]))

        slope, intercept = gr.descend(cost, [0.0, 0.0], gr.Adam(0.05), 600)[-1]
        rows.append({"loss": name, "slope": slope, "intercept": intercept})
        shown.add_scatter(x=x, y=slope * x + intercept, name=name, mode="lines")
    truth = {"loss": "the line itself", "slope": SLOPE, "intercept": INTERCEPT}
    page.table([*rows, truth], "The line that each loss finds.")
    page.figure(shown, "Six wild points at the right end turn the line that MSE finds.")
    return {f"slope_off_{row['loss']}": float(abs(row["slope"] - SLOPE)) for row in rows}


def surely_wrong(page: Page, z: float = -6.0) -> dict[str, float]:
    """Look at the gradient of one unit that says no with certainty, and should say yes."""
    x = y = np.ones((1, 1), np.float32)
    found = {}
    for name, loss in (("cross_entropy", "binary_crossentropy"), ("mse", "mse")):
        model = gr.Model(gr.Dense(1, "sigmoid"), loss).build(x)
        model.set_weights({"kernel": [[z]], "bias": [0.0]})
        found[f"gradient_{name}"] = abs(float(gr.inside(model, x, y)[""].gradient[0, 0]))
    page.text(
        f"One unit gives the probability {float(jax.nn.sigmoid(z)):.4f} where the answer is yes. "
        f"The slope of cross-entropy by z is {found['gradient_cross_entropy']:.4f}, that of MSE "
        f"{found['gradient_mse']:.4f}: the same mistake, and hardly anything to learn from."
    )
    return found


def classifiers(page: Page, data: str, samples: int, epochs: int, seed: int) -> dict[str, float]:
    """Train one network by cross-entropy and one by MSE, at several learning rates each."""
    flat = pictures(data, seed).flat
    x, labels = flat.x[:samples], flat.y[:samples]
    classes = np.eye(10, dtype=np.float32)
    rates, histories, rows = (0.01, 0.1, 1.0, 10.0), {}, []
    for name, loss in (("cross-entropy", "categorical_crossentropy"), ("MSE", "mse")):
        models = gr.fit_all(
            [network(loss, rate, seed) for rate in rates],
            *(x, classes[labels]),
            epochs=epochs,
            validation_data=(flat.x_test, classes[flat.y_test]),
            probes=False,
        )
        for rate, model in zip(rates, models, strict=True):
            right = model.history["val_accuracy"]
            rows.append({"loss": name, "learning rate": rate, "accuracy": right[-1]})
        histories[name] = models[1].history
    page.table(
        rows,
        f"Right answers on unseen pictures after {epochs} epochs of plain SGD. With a rate tens of "
        "times larger MSE comes near, but its steps are then large wherever they are not needed.",
    )
    page.figure(
        gr.figures.curves_of(histories, "val_accuracy"),
        f"The same network at the same learning rate, {rates[1]}.",
    )
    return {
        "accuracy_cross_entropy": float(histories["cross-entropy"]["val_accuracy"][-1]),
        "accuracy_mse": float(histories["MSE"]["val_accuracy"][-1]),
    }


def network(loss: str, rate: float, seed: int) -> Any:
    """Return a classifier of ten classes with a sigmoid layer before."""
    net = gr.mlp([32, 10], "sigmoid", "softmax")
    return gr.Model(net, loss, gr.SGD(rate), metrics=["accuracy"], seed=seed)
