"""Activations: the nonlinearity in every unit, and its slope.

A layer multiplies and adds: `z = X·W + b`. However many such layers follow one another, together
they equal a single matrix. So each layer is followed by an activation, a nonlinear function:

    a = f(z)

On the way back through the network, the chain rule multiplies by its slope, `f'(z)`, once for each
layer. Slopes below one therefore shrink the gradient that earlier layers learn from.

The sigmoid `σ(z) = 1 / (1 + e⁻ᶻ)` has the slope `σ'(z) = σ(z) (1 − σ(z))`. A product of two
numbers that add up to one is largest when both are ½, so the slope is at most ¼, at z = 0: ten
layers leave less than a millionth of the gradient. Far from zero the slope is almost zero, and the
unit is called saturated. The hyperbolic tangent has a slope of up to 1, but saturates too.

ReLU, `max(z, 0)`, has slope 1 where it is active and 0 elsewhere; a unit that is active for no
sample stops learning. Leaky ReLU, ELU, and SELU let something through below zero; GELU, SiLU, and
softplus round off the corner. PReLU learns its slope below zero, and maxout takes the largest of
several straight lines.

The step has slope zero everywhere, so no gradient passes through it, which is why the perceptron
has a learning rule of its own. Softmax is a function not of one number but of all the numbers in a
layer: it turns them into probabilities, and comes last.
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
    "Smooth rectifiers": ("softplus", "gelu", "silu", "hard_silu", "mish", "exponential"),
}

ENDS = np.array([-5, 5], np.float32)  # where the table gives the slope


def lesson(page: Page, points: int = 401, reach: float = 6.0) -> dict[str, float]:
    """Plot every activation and its derivative, and find the steepest slope of each.

    Args:
        page: the page to show the results on.
        points: number of values of z, an odd number so that 0 is among them.
        reach: the largest value of z; the smallest is −reach.

    Returns:
        The steepest slope of some activations, and the share of a gradient that ten sigmoids leave.
    """
    z = np.linspace(-reach, reach, points, dtype=np.float32)
    rows, steepest = [], {}
    for kind, names in KINDS.items():
        values, slopes = {}, {}
        for name in names:
            values[name], slopes[name] = value_and_slope(getattr(gr.activations, name), z)
            steepest[name] = float(np.abs(slopes[name]).max())
            at_minus_5, at_5 = value_and_slope(getattr(gr.activations, name), ENDS)[1]
            rows.append(
                {
                    "activation": name,
                    "lowest": values[name].min(),
                    "highest": values[name].max(),
                    "steepest slope": steepest[name],
                    "slope at −5": at_minus_5,
                    "slope at 5": at_5,
                }
            )
        for label, curves, limits in (
            ("f(z)", values, [-2, 3]),  # the exponential would flatten all the others
            ("f'(z)", slopes, [-0.2, 1.9]),
        ):
            figure = gr.figures.lines({n: (z, c) for n, c in curves.items()}, "z", label)
            figure.update_yaxes(range=limits)
            page.figure(figure, f"{kind}: {'the values' if curves is values else 'the slopes'}.")
    page.table(
        rows, f"The values and slopes of each activation for z from −{reach:g} to {reach:g}."
    )
    left = steepest["sigmoid"] ** 10
    page.text(
        f"The sigmoid's slope is never above {steepest['sigmoid']:.4f}. Apart from the weights in "
        f"between, ten sigmoid layers therefore leave at most {left:.1e} of a gradient. Ten active "
        "ReLUs leave all of it."
    )
    page.figure(
        maxout(z),
        "Maxout: the largest of three straight lines. A network learns them; here we chose them.",
    )
    difference = softmax_of_two(z)
    page.text(
        "Softmax turns the two numbers z and 0 into σ(z) and 1 − σ(z): for two classes it is the "
        f"sigmoid. (The largest difference here is {difference:.1e}.)"
    )
    return {
        "steepest_sigmoid": steepest["sigmoid"],
        "steepest_tanh": steepest["tanh"],
        "steepest_relu": steepest["relu"],
        "steepest_step": steepest["step"],
        "left_after_ten_sigmoids": left,
        "softmax_of_two_from_sigmoid": difference,
    }


def value_and_slope(activation: Any, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return f(z) and f'(z), computed by JAX's automatic differentiation."""
    values, slopes = jax.vmap(jax.value_and_grad(activation))(jnp.asarray(z))
    return np.asarray(values), np.asarray(slopes)


def maxout(z: np.ndarray) -> Any:
    """Plot one maxout unit with one input."""
    layer: Any = gr.init(gr.Maxout(1, pieces=3), 0, z[:, None])
    layer.kernel, layer.bias = jnp.array([[-0.5, 0.2, 1.0]]), jnp.array([-0.5, 0.3, -1.0])
    lines = z[:, None] * np.asarray(layer.kernel) + np.asarray(layer.bias)
    curves = {f"line {index + 1}": (z, line) for index, line in enumerate(lines.T)}
    unit = {"maxout": (z, np.asarray(layer(z[:, None]))[:, 0])}
    figure = gr.figures.lines(unit | curves, "z", "f(z)")
    figure.data[0].line.width = 7  # wide enough to show under the lines
    return figure


def softmax_of_two(z: np.ndarray) -> float:
    """Return the largest difference between the softmax of (z, 0) and (σ(z), 1 − σ(z))."""
    pairs = jnp.stack([jnp.asarray(z), jnp.zeros_like(z)], axis=-1)
    first = gr.softmax(pairs)[:, 0]
    return float(jnp.abs(first - gr.sigmoid(z)).max())
