"""Activations: the bend in every unit, and its slope.

A layer multiplies and adds: `z = X·W + b`. However many such layers follow one another, together
they are one matrix again. So after each stands an activation, a function that bends:

    a = f(z)

Going back through the network, the chain rule multiplies by its slope, `f'(z)`, once for each
layer. Slopes below one therefore shrink what earlier layers learn from.

The sigmoid `σ(z) = 1 / (1 + e⁻ᶻ)` has the slope `σ'(z) = σ(z) (1 − σ(z))`. A product of two
numbers that add up to one is largest where both are ½, so it is at most ¼, at z = 0: ten layers
leave less than a millionth. Far from zero the slope is all but gone, and the unit is called
saturated. The hyperbolic tangent has a slope of up to 1, but saturates too.

ReLU, `max(z, 0)`, passes the slope 1 wherever it is active and none elsewhere; a unit that is
active for no sample learns no more. Leaky ReLU, ELU and SELU let something through below zero;
GELU, SiLU and softplus round the corner off. PReLU learns its slope, and maxout takes the largest
of several straight lines.

The step has slope zero everywhere: with it no gradient passes, which is why the perceptron has a
rule of its own. Softmax is not a function of one number but of all of a layer's: it makes
probabilities of them, and stands at the end.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import gradus as gr
from gradus.lessons.page import Page

KINDS = {
    "Steps and S-shaped": ("step", "sign", "hard_sigmoid", "sigmoid", "tanh", "softsign"),
    "Rectifiers": ("linear", "relu", "relu6", "leaky_relu", "elu", "selu"),
    "Smooth rectifiers": ("softplus", "gelu", "silu", "mish", "exponential"),
}


def lesson(page: Page, points: int = 401, reach: float = 6.0) -> dict[str, float]:
    """Draw every activation and its derivative, and look for the steepest place of each.

    Args:
        page: where the results are shown.
        points: at how many places each is looked at, an odd number so that 0 is among them.
        reach: from −reach to reach.

    Returns:
        The steepest slope of some, and what the sigmoid's leaves of a gradient after ten layers.
    """
    z = np.linspace(-reach, reach, points, dtype=np.float32)
    rows, steepest = [], {}
    for kind, names in KINDS.items():
        values, slopes = {}, {}
        for name in names:
            values[name], slopes[name] = value_and_slope(getattr(gr.activations, name), z)
            steepest[name] = float(np.abs(slopes[name]).max())
            rows.append(
                {
                    "activation": name,
                    "lowest": values[name].min(),
                    "highest": values[name].max(),
                    "steepest slope": steepest[name],
                    "slope at −5": slopes[name][np.abs(z + 5).argmin()],
                    "slope at 5": slopes[name][np.abs(z - 5).argmin()],
                }
            )
        for what, curves, limits in (
            ("f(z)", values, [-2, 3]),  # an exponential would flatten all others
            ("f'(z)", slopes, [-0.2, 1.9]),
        ):
            figure = gr.figures.lines({n: (z, c) for n, c in curves.items()}, "z", what)
            figure.update_yaxes(range=limits)
            page.figure(figure, f"{kind}: {'the values' if curves is values else 'the slopes'}.")
    page.table(rows, f"What each makes of z from −{reach:g} to {reach:g}, and how steep it is.")
    left = steepest["sigmoid"] ** 10
    page.text(
        f"The sigmoid's slope is nowhere above {steepest['sigmoid']:.4f}: through ten layers of it "
        f"a gradient keeps at most {left:.1e} of itself, the weights in between aside. Through ten "
        "active ReLUs it keeps all."
    )
    page.figure(maxout(z), "Maxout: the largest of three straight lines, which are learnt.")
    two = softmax_of_two(z)
    page.text(
        "Of two numbers z and 0, softmax makes σ(z) and 1 − σ(z): with two classes it is the "
        f"sigmoid. (The largest difference found here: {two:.1e}.)"
    )
    return {
        "steepest_sigmoid": steepest["sigmoid"],
        "steepest_tanh": steepest["tanh"],
        "steepest_relu": steepest["relu"],
        "steepest_step": steepest["step"],
        "left_after_ten_sigmoids": left,
        "softmax_of_two_from_sigmoid": two,
    }


def value_and_slope(activation: Any, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return f(z) and f'(z), the latter by JAX's automatic differentiation."""
    values, slopes = jax.vmap(jax.value_and_grad(activation))(jnp.asarray(z))
    return np.asarray(values), np.asarray(slopes)


def maxout(z: np.ndarray) -> Any:
    """Return the figure of one maxout unit of one input."""
    layer: Any = gr.init(gr.Maxout(1, pieces=3), 0, z[:, None])
    layer.kernel, layer.bias = jnp.array([[-0.5, 0.2, 1.0]]), jnp.array([-0.5, 0.3, -1.0])
    lines = z[:, None] * np.asarray(layer.kernel) + np.asarray(layer.bias)
    curves = {f"line {index + 1}": (z, line) for index, line in enumerate(lines.T)}
    unit = {"maxout": (z, np.asarray(layer(z[:, None]))[:, 0])}
    figure = gr.figures.lines(unit | curves, "z", "f(z)")
    figure.data[0].line.width = 7  # and so seen under the lines
    return figure


def softmax_of_two(z: np.ndarray) -> float:
    """Return how far the softmax of (z, 0) is from (σ(z), 1 − σ(z))."""
    pairs = jnp.stack([jnp.asarray(z), jnp.zeros_like(z)], axis=-1)
    first = gr.softmax(pairs)[:, 0]
    return float(jnp.abs(first - gr.sigmoid(z)).max())
