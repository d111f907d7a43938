"""Activations: functions of a layer's weighted sum, each with its formula, derivative, and range.

All are elementwise except softmax and log-softmax. They take an array of any shape (integers and
Python numbers become float32) and return one of the same shape and dtype. In formulas, x is the
input, y the output, and σ the logistic sigmoid.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import erf

from gradus.checks import function
from gradus.errors import GradusError
from gradus.kernels.epilogues import rectify
from gradus.nn import heads
from gradus.registry import Registry

Array = jax.Array
Activation = Callable[[Array], Array]

REGISTRY = Registry("activation")

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805
_INF = math.inf
_SATURATED = 5.0  # |x| from which an S-shaped activation counts as saturated


@dataclass(frozen=True)
class ActivationInfo:
    """The properties of an activation.

    Attributes:
        range: the smallest and largest output (reached or approached).
        derivative: dy/dx in closed form as a function of x; None if not elementwise.
        saturated: whether the derivative at each output y is (nearly) zero, as a function from y
            to an array of bool; None if y alone does not tell, or nothing saturates.

    Examples:
        >>> gr.activations.info("sigmoid").range
        (0, 1)
    """

    range: tuple[float, float] = (-_INF, _INF)
    derivative: Activation | None = None
    saturated: Activation | None = None


_INFOS: dict[Activation, ActivationInfo] = {}


def _activation(
    *names: str,
    range: tuple[float, float] = (-_INF, _INF),  # noqa: A002 - the word of mathematics
    derivative: Activation | None = None,
    saturated: Activation | None = None,
    of_defaults: bool = False,
) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Register an activation and its properties under `names`; its calls are recorded.

    With `of_defaults` the properties are those of its default settings, so calls with others are
    not recorded.
    """

    def register(function: Callable[..., Array]) -> Callable[..., Array]:
        @functools.wraps(function)
        def activation(x: Any, *settings: Any, **named: Any) -> Array:
            x = _float(x)
            y = function(x, *settings, **named)
            is_known = not (of_defaults and (settings or named))
            # Of all elements; a softmax looks at its axis first.
            if derivative is not None and is_known:
                heads.record_activation(names[0], x, y)
            return y

        return _register(activation, ActivationInfo(range, derivative, saturated), *names)

    return register


def _register(activation: Activation, properties: ActivationInfo, *names: str) -> Activation:
    _INFOS[activation] = properties
    return REGISTRY.add(*names)(activation)


def get(activation: str | Activation | None) -> Activation:
    """Return the activation of a name; a function is returned unchanged, None means `linear`.

    Raises:
        GradusError: for an unknown name (with the nearest one) or any other type.

    Examples:
        >>> gr.activations.get("relu") is gr.activations.relu
        True
    """
    if activation is None:
        return linear
    if isinstance(activation, str):
        return REGISTRY.find(activation)
    if callable(activation):
        return cast("Activation", function("activation", activation, "f(x)"))
    raise GradusError(
        f"activation={activation!r} is neither a name nor a function;"
        ' write a name such as "relu" or a function such as gr.activations.relu.'
    )


def info(activation: str | Activation | None) -> ActivationInfo:
    """Return the properties of an activation; of an unregistered function nothing is known.

    Examples:
        >>> gr.activations.info("tanh").range
        (-1, 1)
        >>> gr.activations.info("tanh").saturated(np.array([0.5, 1.0])).tolist()
        [False, True]
    """
    return _INFOS.get(get(activation), ActivationInfo())


def has_zero_gradient(activation: str | Activation | None) -> bool:
    """Return whether the derivative is zero everywhere, so no gradient passes.

    Examples:
        >>> [gr.activations.has_zero_gradient(name) for name in ("step", "step_ste", "relu")]
        [True, False, False]
    """
    return get(activation) in (step, sign)


def _float(x: Any) -> Array:
    """Return `x` as a floating-point array, at no cost if it is one already."""
    if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jnp.floating):
        return x
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.float32)


def _zero_where(condition: Array, x: Array) -> Array:
    # lax.select: jnp.where is a jitted function, which costs time in each trace.
    return lax.select(condition, lax.full_like(x, 0), x)


@_activation("linear", "identity", derivative=jnp.ones_like)
def linear(x: Array) -> Array:
    """Linear (identity): y = x; dy/dx = 1; range (-∞, ∞).

    Examples:
        >>> gr.activations.linear(jnp.array([-2.0, 3.0])).tolist()
        [-2.0, 3.0]
    """
    return x


@_activation("step", "heaviside", range=(0, 1), derivative=jnp.zeros_like)
def step(x: Array) -> Array:
    """Step: y = 1 where x > 0, else 0; dy/dx = 0; range {0, 1}.

    No gradient passes: see `straight_through`. Source: Rosenblatt, 1958 (the perceptron).

    Examples:
        >>> gr.activations.step(jnp.array([-2.0, 0.0, 3.0])).tolist()
        [0.0, 0.0, 1.0]
    """
    return (x > 0).astype(x.dtype)


@_activation("sign", range=(-1, 1), derivative=jnp.zeros_like)
def sign(x: Array) -> Array:
    """Sign: y = 1 where x > 0, 0 at 0, -1 where x < 0; dy/dx = 0; range {-1, 0, 1}.

    No gradient passes: see `straight_through`. Source: Widrow & Hoff, 1960 (Adaline).

    Examples:
        >>> gr.activations.sign(jnp.array([-2.0, 0.0, 3.0])).tolist()
        [-1.0, 0.0, 1.0]
    """
    return lax.sign(x)


@functools.cache
def straight_through(activation: Activation) -> Activation:
    """Return `activation` with the derivative of clip(x, -1, 1): 1 where |x| ≤ 1, else 0.

    The values are exactly those of `activation`; only the derivative is replaced, so gradients can
    train a step. Registered as "step_ste" and "sign_ste".
    Source: Bengio, Léonard & Courville, 2013; the clip: Hubara et al., 2016.

    Examples:
        >>> relaxed = gr.activations.straight_through(gr.activations.step)
        >>> float(relaxed(0.5)), float(jax.grad(relaxed)(0.5)), float(jax.grad(relaxed)(2.0))
        (1.0, 1.0, 0.0)
    """

    @functools.wraps(activation)
    def with_clipped_gradient(x: Any) -> Array:
        x = _float(x)
        clipped = _zero_where(lax.abs(x) > 1, x)
        # The parenthesis is exactly zero but has a derivative.
        y = lax.stop_gradient(activation(x)) + (clipped - lax.stop_gradient(clipped))
        name = REGISTRY.name_of(with_clipped_gradient)
        if name is not None:
            heads.record_activation(name, x, y)
        return y

    return with_clipped_gradient


def _within_one(x: Array) -> Array:
    return (jnp.abs(x) <= 1).astype(jnp.float32)


step_ste = _register(straight_through(step), ActivationInfo((0, 1), _within_one), "step_ste")
sign_ste = _register(straight_through(sign), ActivationInfo((-1, 1), _within_one), "sign_ste")


_SIGMOID_END = 1 / (1 + math.exp(-_SATURATED))


@_activation(
    "sigmoid",
    range=(0, 1),
    derivative=lambda x: lax.logistic(x) * (1 - lax.logistic(x)),
    saturated=lambda y: abs(y - 0.5) > _SIGMOID_END - 0.5,
)
def sigmoid(x: Array) -> Array:
    """Logistic sigmoid: y = σ(x) = 1 / (1 + exp(-x)); dy/dx = y (1 - y) ≤ ¼; range (0, 1).

    Saturated where |x| > 5. Source: Rumelhart, Hinton & Williams, 1986.

    Examples:
        >>> [round(float(gr.sigmoid(x)), 2) for x in (-2, 0, 2)]
        [0.12, 0.5, 0.88]
    """
    return lax.logistic(x)


@_activation(
    "hard_sigmoid",
    range=(0, 1),
    derivative=lambda x: (jnp.abs(x) < 3) / 6,
    saturated=lambda y: (y <= 0) | (y >= 1),
)
def hard_sigmoid(x: Array) -> Array:
    """Hard sigmoid: y = relu6(x + 3) / 6; dy/dx = 1/6 where |x| < 3, else 0; range [0, 1].

    Saturated where it is 0 or 1. Source: Courbariaux et al., 2015; this slope: Howard et al.,
    2019, and Keras 3.

    Examples:
        >>> gr.activations.hard_sigmoid(jnp.array([-3.0, 0.0, 4.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    return relu6(x + 3) * (1 / 6)


@_activation(
    "tanh",
    range=(-1, 1),
    derivative=lambda x: 1 - jnp.tanh(x) ** 2,
    saturated=lambda y: abs(y) > math.tanh(_SATURATED),
)
def tanh(x: Array) -> Array:
    """Hyperbolic tangent: y = (exp(2x) - 1) / (exp(2x) + 1); dy/dx = 1 - y² ≤ 1; range (-1, 1).

    Saturated where |x| > 5. Source: LeCun et al., 1998 ("Efficient BackProp").

    Examples:
        >>> [round(float(gr.activations.tanh(x)), 2) for x in (-2, 0, 2)]
        [-0.96, 0.0, 0.96]
    """
    return lax.tanh(x)


@_activation(
    "softsign",
    range=(-1, 1),
    derivative=lambda x: 1 / (1 + jnp.abs(x)) ** 2,
    saturated=lambda y: abs(y) > 0.9,
)
def softsign(x: Array) -> Array:
    """Softsign: y = x / (1 + |x|); dy/dx = 1 / (1 + |x|)²; range (-1, 1).

    Saturated where |y| > 0.9, that is |x| > 9, dy/dx < 0.01. Source: Turian et al., 2009.

    Examples:
        >>> gr.activations.softsign(jnp.array([-3.0, 0.0, 1.0])).tolist()
        [-0.75, 0.0, 0.5]
    """
    return x / (1 + lax.abs(x))


@_activation(
    "relu",
    range=(0, _INF),
    derivative=lambda x: jnp.where(x > 0, 1.0, 0.0),
)
def relu(x: Array) -> Array:
    """Rectified linear unit: y = max(x, 0); dy/dx = 1 where x > 0, else 0; range [0, ∞).

    Zero outputs are normal, so none counts as saturated; a unit that is zero for every sample is
    silent. Source: Nair & Hinton, 2010; Glorot, Bordes & Bengio, 2011.

    Examples:
        >>> gr.activations.relu(jnp.array([-2.0, 0.0, 3.0])).tolist()
        [0.0, 0.0, 3.0]
    """
    return rectify(x)


@_activation(
    "relu6",
    range=(0, 6),
    derivative=lambda x: jnp.where((x > 0) & (x < 6), 1.0, 0.0),
    saturated=lambda y: y >= 6,
)
def relu6(x: Array) -> Array:
    """ReLU with a ceiling: y = min(max(x, 0), 6); dy/dx = 1 where 0 < x < 6, else 0; range [0, 6].

    Saturated where it is 6; silent at 0, like ReLU. Source: Krizhevsky, 2010.

    Examples:
        >>> gr.activations.relu6(jnp.array([-2.0, 3.0, 8.0])).tolist()
        [0.0, 3.0, 6.0]
    """
    x = relu(x)
    return lax.select(x >= 6, lax.full_like(x, 6), x)


@_activation("leaky_relu", derivative=lambda x: jnp.where(x > 0, 1.0, 0.2))
def leaky_relu(x: Array, negative_slope: float = 0.2) -> Array:
    """Leaky ReLU: y = x where x > 0, else a·x; dy/dx = 1 or a; range (-∞, ∞).

    `negative_slope` is a, 0.2 as in Keras (the paper has 0.01). Source: Maas et al., 2013.

    Examples:
        >>> [round(float(gr.activations.leaky_relu(x, 0.1)), 2) for x in (-2, 0, 2)]
        [-0.2, 0.0, 2.0]
    """
    return lax.select(x > 0, x, x * negative_slope)


@_activation(
    "elu",
    range=(-1, _INF),
    derivative=lambda x: jnp.where(x > 0, 1.0, jnp.exp(x)),
    saturated=lambda y: y < math.expm1(-_SATURATED),
    of_defaults=True,
)
def elu(x: Array, alpha: float = 1.0) -> Array:
    """Exponential linear unit: y = x where x > 0, else α (exp(x) - 1); range (-α, ∞).

    dy/dx = 1 where x > 0, else α exp(x). Saturated where x < -5 (for α = 1).
    Source: Clevert, Unterthiner & Hochreiter, 2016.

    Examples:
        >>> [round(float(gr.activations.elu(x)), 2) for x in (-2, 0, 2)]
        [-0.86, 0.0, 2.0]
    """
    positive = x > 0
    # Positive inputs become zero first: their exponential may be infinite, and its derivative times
    # the zero that select passes back would be NaN.
    return lax.select(positive, x, alpha * lax.expm1(_zero_where(positive, x)))


@_activation(
    "selu",
    range=(-SELU_SCALE * SELU_ALPHA, _INF),
    derivative=lambda x: SELU_SCALE * jnp.where(x > 0, 1.0, SELU_ALPHA * jnp.exp(x)),
    saturated=lambda y: y < SELU_SCALE * SELU_ALPHA * math.expm1(-_SATURATED),
)
def selu(x: Array) -> Array:
    """Scaled ELU: y = λ elu(x, α), λ ≈ 1.0507, α ≈ 1.6733; range (-λα, ∞), λα ≈ 1.7581.

    dy/dx = λ where x > 0, else λα exp(x). Saturated where x < -5. Meant for LeCun-normal
    weights. Source: Klambauer et al., 2017.

    Examples:
        >>> [round(float(gr.activations.selu(x)), 2) for x in (-2, 0, 2)]
        [-1.52, 0.0, 2.1]
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


def _gelu_derivative(x: Array) -> Array:
    density = jnp.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return (1 + erf(x / math.sqrt(2))) / 2 + x * density


@_activation("gelu", range=(-0.16997121, _INF), derivative=_gelu_derivative)
def gelu(x: Array, approximate: bool = False) -> Array:
    """Gaussian error linear unit: y = x Φ(x), Φ the normal distribution; range (-0.17, ∞).

    dy/dx = Φ(x) + x φ(x), φ the normal density. With `approximate`, Φ(x) is
    ½ (1 + tanh(√(2/π) (x + 0.044715 x³))). Source: Hendrycks & Gimpel, 2016.

    Examples:
        >>> [round(float(gr.activations.gelu(x)), 2) for x in (-2, 0, 2)]
        [-0.05, 0.0, 1.95]
    """
    if approximate:
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))
        return 0.5 * x * (1 + lax.tanh(inner))
    return 0.5 * x * (1 + lax.erf(x * math.sqrt(0.5)))


def _silu_derivative(x: Array) -> Array:
    s = lax.logistic(x)
    return s * (1 + x * (1 - s))


@_activation("silu", "swish", range=(-0.27846455, _INF), derivative=_silu_derivative)
def silu(x: Array) -> Array:
    """SiLU (swish): y = x σ(x); dy/dx = σ(x) (1 + x (1 - σ(x))); range (-0.279, ∞).

    Source: Elfwing, Uchibe & Doya, 2018; Ramachandran, Zoph & Le, 2017 (swish).

    Examples:
        >>> [round(float(gr.activations.silu(x)), 2) for x in (-2, 0, 2)]
        [-0.24, 0.0, 1.76]
    """
    return x * lax.logistic(x)


@_activation(
    "softplus",
    range=(0, _INF),
    derivative=lax.logistic,
    saturated=lambda y: y < math.log1p(math.exp(-_SATURATED)),
)
def softplus(x: Array) -> Array:
    """Softplus: y = ln(1 + exp(x)); dy/dx = σ(x); range (0, ∞).

    Saturated where x < -5. Source: Dugas et al., 2001.

    Examples:
        >>> [round(float(gr.activations.softplus(x)), 2) for x in (-2, 0, 2)]
        [0.13, 0.69, 2.13]
    """
    magnitude = lax.abs(x)
    return 0.5 * (x + magnitude) + lax.log1p(lax.exp(-magnitude))  # max(x, 0) + …: no overflow


@_activation(
    "hard_silu",
    "hard_swish",
    range=(-0.375, _INF),
    derivative=lambda x: jnp.where(jnp.abs(x) < 3, (2 * x + 3) / 6, x > 0),
)
def hard_silu(x: Array) -> Array:
    """Hard SiLU, or hard swish: y = x relu6(x + 3) / 6; range [-0.375, ∞).

    dy/dx = (2x + 3) / 6 where |x| < 3, 0 below and 1 above. Source: Howard et al., 2019
    ("Searching for MobileNetV3").

    Examples:
        >>> gr.activations.hard_silu(jnp.array([-1.5, 0.0, 4.0])).tolist()
        [-0.375, 0.0, 4.0]
    """
    return x * hard_sigmoid(x)


def _mish_derivative(x: Array) -> Array:
    t = jnp.tanh(softplus(x))
    return t + x * (1 - t**2) * lax.logistic(x)


@_activation("mish", range=(-0.30884013, _INF), derivative=_mish_derivative)
def mish(x: Array) -> Array:
    """Mish: y = x tanh(softplus(x)); range (-0.309, ∞).

    dy/dx = t + x (1 - t²) σ(x), t = tanh(softplus(x)). Source: Misra, 2020.

    Examples:
        >>> [round(float(gr.activations.mish(x)), 2) for x in (-2, 0, 2)]
        [-0.25, 0.0, 1.94]
    """
    return x * lax.tanh(softplus(x))


@_activation("exponential", "exp", range=(0, _INF), derivative=jnp.exp)
def exponential(x: Array) -> Array:
    """Exponential: y = exp(x); dy/dx = y; range (0, ∞). The inverse link of Poisson regression.

    Examples:
        >>> [round(float(gr.activations.exponential(x)), 2) for x in (-2, 0, 2)]
        [0.14, 1.0, 7.39]
    """
    return lax.exp(x)


@_activation("softmax", range=(0, 1))
def softmax(x: Array, axis: int = -1) -> Array:
    """Softmax: y_i = exp(x_i) / Σ_j exp(x_j) along `axis`; range (0, 1), summing to 1.

    ∂y_i/∂x_j = y_i (δ_ij - y_j). Source: Bridle, 1990.

    Examples:
        >>> print(np.asarray(gr.softmax(jnp.array([1.0, 2.0, 3.0]))).round(2))
        [0.09 0.24 0.67]
    """
    exponentials = lax.exp(x - lax.stop_gradient(jnp.max(x, axis=axis, keepdims=True)))
    y = exponentials / jnp.sum(exponentials, axis=axis, keepdims=True)
    if axis in (-1, x.ndim - 1):
        heads.record_activation("softmax", x, y)
    return y


@_activation("log_softmax", range=(-_INF, 0))
def log_softmax(x: Array, axis: int = -1) -> Array:
    """Log-softmax: y_i = x_i - ln Σ_j exp(x_j) along `axis`; range (-∞, 0).

    ∂y_i/∂x_j = δ_ij - exp(y_j). Source: Bridle, 1990.

    Examples:
        >>> print(np.asarray(gr.activations.log_softmax(jnp.array([1.0, 2.0, 3.0]))).round(2))
        [-2.41 -1.41 -0.41]
    """
    shifted = x - lax.stop_gradient(jnp.max(x, axis=axis, keepdims=True))
    y = shifted - lax.log(jnp.sum(lax.exp(shifted), axis=axis, keepdims=True))
    if axis in (-1, x.ndim - 1):
        heads.record_activation("log_softmax", x, y)
    return y
