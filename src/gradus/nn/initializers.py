"""Initializers: draw a weight's first values on the host, from a NumPy generator.

An initializer is any function `f(generator, shape)` that returns an array of that shape. Those
here are frozen dataclasses, so two with equal settings are equal.

Names that Keras has mean the same as in Keras. So the normal forms of LeCun, Glorot, and He are
normal distributions truncated at two standard deviations and widened to the standard deviation of
the formula; `truncated=False` is the plain normal of the papers, with the same standard deviation.
In formulas, n_in and n_out are a weight's fans: see `fans`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast, dataclass_transform

import numpy as np

from gradus.checks import function, is_word
from gradus.errors import GradusError
from gradus.foreign_names.arguments import explain_methods
from gradus.nn.pytree import check_fields
from gradus.registry import Registry
from gradus.space import Space

Shape = tuple[int, ...]
Initializer = Callable[[np.random.Generator, Shape], np.ndarray]

T = TypeVar("T", bound=type)

REGISTRY = Registry("initializer")

MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("truncated_normal", "normal", "uniform")
# The standard deviation of a standard normal truncated at ±2: √(1 - 4 φ(2) / (2 Φ(2) - 1)).
_TRUNCATED_STDDEV = 0.87962566103423978


@dataclass_transform(frozen_default=True)
def _settings(cls: T) -> T:
    """Make a class a frozen dataclass whose wrong arguments are told."""
    made: Any = dataclass(frozen=True)(cls)
    return cast("T", explain_methods(made))


def get(initializer: str | Initializer) -> Initializer:
    """Return the initializer of a name, with default settings; a function is returned unchanged.

    Raises:
        GradusError: for an unknown name (with the nearest one) or any other type.

    Examples:
        >>> gr.initializers.get("he_normal")
        HeNormal(mode='fan_in', truncated=True)
    """
    if isinstance(initializer, str):
        return REGISTRY.find(initializer)()
    if isinstance(initializer, type) and REGISTRY.name_of(initializer):
        return initializer()
    if callable(initializer):
        return cast("Initializer", function("initializer", initializer, "f(generator, shape)"))
    raise GradusError(
        f"initializer={initializer!r} is neither a name nor a function;"
        ' write a name such as "glorot_uniform", an initializer such as'
        " gr.initializers.Constant(0.1), or a function f(generator, shape)."
    )


def draw_weight(
    initializer: str | Initializer, generator: np.random.Generator, shape: Shape
) -> np.ndarray:
    """Return a float32 weight of `shape`, drawn by `initializer`, which may be a user's function.

    Raises:
        GradusError: if its result is not an array of finite numbers of that shape.

    Examples:
        >>> generator = np.random.default_rng(0)
        >>> gr.initializers.draw_weight("glorot_uniform", generator, (4, 3)).shape
        (4, 3)
    """
    shape = tuple(shape)
    with np.errstate(over="ignore", invalid="ignore"):  # told below
        value = np.asarray(get(initializer)(generator, shape))
    if value.shape != shape:
        raise GradusError(
            f"The initializer {initializer!r} returned an array of shape {value.shape} for a"
            f" weight of shape {shape}; write f(generator, shape) so that it returns that shape."
        )
    if not np.issubdtype(value.dtype, np.floating) and value.dtype.kind not in "iub":
        raise GradusError(
            f"The initializer {initializer!r} returned values of type {value.dtype};"
            " it must return real numbers."
        )
    with np.errstate(over="ignore"):
        value = value.astype(np.float32, copy=False)
    if not np.isfinite(value).all():
        raise GradusError(
            f"The initializer {initializer!r} returned numbers that are NaN or too large for "
            "float32, so nothing can be learned: write smaller ones."
        )
    return value


def fans(shape: Shape) -> tuple[int, int]:
    """Return (n_in, n_out): how many inputs feed one output, and how many outputs one input feeds.

    A dense kernel is `(in, out)`. A convolution's is `(*window, in, out)`, and both fans are
    multiplied by the window's size. Both fans of a vector of length n are n. Grouped convolutions
    are not special: `in` is that of the kernel.

    Examples:
        >>> gr.initializers.fans((784, 10)), gr.initializers.fans((3, 3, 16, 32))
        ((784, 10), (144, 288))
    """
    if len(shape) < 2:
        n = math.prod(shape)
        return n, n
    window = math.prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window


@REGISTRY.add("zeros")
@_settings
class Zeros:
    """All 0: right for biases, wrong for kernels, whose units would all remain equal.

    Examples:
        >>> gr.initializers.Zeros()(np.random.default_rng(0), (3,)).tolist()
        [0.0, 0.0, 0.0]
    """

    def __call__(self, generator: np.random.Generator, shape: Shape) -> np.ndarray:
        """Return zeros."""
        return np.zeros(shape, np.float32)


@REGISTRY.add("ones")
@_settings
class Ones:
    """All 1.

    Examples:
        >>> gr.initializers.Ones()(np.random.default_rng(0), (3,)).tolist()
        [1.0, 1.0, 1.0]
    """

    def __call__(self, generator: np.random.Generator, shape: Shape) -> np.ndarray:
        """Return ones."""
        return np.ones(shape, np.float32)


@REGISTRY.add("constant")
@_settings
class Constant:
    """All `value`.

    Examples:
        >>> gr.initializers.Constant(0.5)(np.random.default_rng(0), (3,)).tolist()
        [0.5, 0.5, 0.5]
    """

    value: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self, generator: np.random.Generator, shape: Shape) -> np.ndarray:
        """Return an array filled with the value."""
        return np.full(shape, self.value, np.float32)


@REGISTRY.add("identity")
@_settings
class Identity:
    """The identity matrix times `gain`; ones on the main diagonal if it is not square.

    Examples:
        >>> gr.initializers.Identity(gain=2.0)(np.random.default_rng(0), (2, 2)).tolist()
        [[2.0, 0.0], [0.0, 2.0]]
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self, generator: np.random.Generator, shape: Shape) -> np.ndarray:
        """Return the matrix; GradusError unless `shape` has two axes."""
        if len(shape) != 2:
            raise GradusError(f"The identity initializer needs a matrix, not the shape {shape}.")
        return self.gain * np.eye(*shape, dtype=np.float32)


@REGISTRY.add("random_normal", "normal")
@_settings
class RandomNormal:
    """Normal: N(mean, stddev²).

    Examples:
        >>> w = gr.initializers.RandomNormal(stddev=0.1)(np.random.default_rng(0), (100, 500))
        >>> round(float(w.std()), 2)
        0.1
    """

    mean: float = 0.0
    stddev: float = 0.05

    def __post_init__(self) -> None:
        check_fields(self)
        _check_not_negative(self, stddev=self.stddev)

    def __call__(self, generator: np.random.Generator, shape: Shape) -> np.ndarray:
        """Draw from the distribution."""
        return _affine(generator.standard_normal(shape, np.float32), self.stddev, self.mean)


@REGISTRY.add("truncated_normal")
@_settings
class TruncatedNormal:
    """Normal truncated at two standard deviations: N(mean, stddev²) given |x - mean| ≤ 2 stddev.

    As in Keras, `stddev` is that of the untruncated normal; the truncated one's is 0.8796 times it.

    Examples:
        >>> w = gr.initializers.TruncatedNormal(stddev=0.1)(np.random.default_rng(0), (100, 500))
        >>> round(float(abs(w).max()), 2)
        0.2
    """

    mean: float = 0.0
    stddev: float = 0.05

    def __post_init__(self) -> None:
        check_fields(self)
        _check_not_negative(self, stddev=self.stddev)

    def __call__(self, generator: np.random.Generator, shape: Shape) -> np.ndarray:
        """Draw from the distribution."""
        return _affine(_truncated_normal(generator, shape), self.stddev, self.mean)


@REGISTRY.add("random_uniform", "uniform")
@_settings
class RandomUniform:
    """Uniform: U(minval, maxval).

    Examples:
        >>> w = gr.initializers.RandomUniform(-0.1, 0.1)(np.random.default_rng(0), (100, 500))
        >>> round(float(w.min()), 2), round(float(w.max()), 2)
        (-0.1, 0.1)
    """

    minval: float = -0.05
    maxval: float = 0.05

    def __post_init__(self) -> None:
        check_fields(self)
        if _are_numbers(self.minval, self.maxval) and self.minval > self.maxval:
            raise GradusError(
                f"RandomUniform(minval={self.minval!r}, maxval={self.maxval!r}): minval must not"
                " be greater than maxval."
            )

    def __call__(self, generator: np.random.Generator, shape: Shape) -> np.ndarray:
        """Draw from the distribution."""
        width = self.maxval - self.minval
        return _affine(generator.random(shape, np.float32), width, self.minval)


@REGISTRY.add("variance_scaling")
@_settings
class VarianceScaling:
    """Mean 0 and variance scale / n, where n is n_in, n_out or their mean, by `mode`.

    Args:
        scale: the variance times the fan.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "truncated_normal" (at 2σ, then widened to the variance), "normal", or
            "uniform": U(-r, r) with r = √(3 scale / n).

    Examples:
        >>> initializer = gr.initializers.VarianceScaling(2.0, "fan_in", "normal")
        >>> w = initializer(np.random.default_rng(0), (50, 1000))
        >>> round(float(w.std()), 2)
        0.2
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"

    def __post_init__(self) -> None:
        check_fields(self)
        _check_not_negative(self, scale=self.scale)
        _check_choice(self, "mode", self.mode, MODES)
        _check_choice(self, "distribution", self.distribution, DISTRIBUTIONS)

    def __call__(self, generator: np.random.Generator, shape: Shape) -> np.ndarray:
        """Draw from the distribution."""
        return _scaled(generator, shape, self.scale, self.mode, self.distribution)


@REGISTRY.add("lecun_normal")
@_settings
class LecunNormal:
    """LeCun normal: σ = 1 / √n_in. Source: LeCun et al., 1998 ("Efficient BackProp").

    With `truncated=False` it is also the fan-in form of Xavier initialization.

    Examples:
        >>> w = gr.initializers.LecunNormal()(np.random.default_rng(0), (100, 500))
        >>> round(float(w.std()), 2)
        0.1
    """

    truncated: bool = True

    def __call__(self, generator: np.random.Generator, shape: Shape) -> np.ndarray:
        """Draw from the distribution."""
        return _scaled(generator, shape, 1.0, "fan_in", _normal_name(self.truncated))


@REGISTRY.add("lecun_uniform")
@_settings
class LecunUniform:
    """LeCun uniform: U(-r, r), r = √(3 / n_in), σ = 1 / √n_in. Source: LeCun et al., 1998.

    Examples:
        >>> w = gr.initializers.LecunUniform()(np.random.default_rng(0), (300, 500))
        >>> round(float(w.max()), 2)
        0.1
    """

    def __call__(self, generator: np.random.Generator, shape: Shape) -> np.ndarray:
        """Draw from the distribution."""
        return _scaled(generator, shape, 1.0, "fan_in", "uniform")


@REGISTRY.add("glorot_normal", "xavier_normal")
@_settings
class GlorotNormal:
    """Glorot (Xavier) normal: σ = √(2 / (n_in + n_out)). Source: Glorot & Bengio, 2010.

    `mode="fan_in"` is the fan-in form of the textbooks: σ = 1 / √n_in.

    Examples:
        >>> w = gr.initializers.GlorotNormal()(np.random.default_rng(0), (100, 100))
        >>> round(float(w.std()), 2)
        0.1
    """

    mode: str = "fan_avg"
    truncated: bool = True

    def __post_init__(self) -> None:
        _check_choice(self, "mode", self.mode, MODES)

    def __call__(self, generator: np.random.Generator, shape: Shape) -> np.ndarray:
        """Draw from the distribution."""
        return _scaled(generator, shape, 1.0, self.mode, _normal_name(self.truncated))


@REGISTRY.add("glorot_uniform", "xavier_uniform")
@_settings
class GlorotUniform:
    """Glorot (Xavier) uniform: U(-r, r), r = √(6 / (n_in + n_out)). Source: Glorot & Bengio, 2010.

    `mode="fan_in"` has r = √(3 / n_in), so σ = 1 / √n_in.

    Examples:
        >>> w = gr.initializers.GlorotUniform()(np.random.default_rng(0), (200, 400))
        >>> round(float(w.max()), 2)
        0.1
    """

    mode: str = "fan_avg"

    def __post_init__(self) -> None:
        _check_choice(self, "mode", self.mode, MODES)

    def __call__(self, generator: np.random.Generator, shape: Shape) -> np.ndarray:
        """Draw from the distribution."""
        return _scaled(generator, shape, 1.0, self.mode, "uniform")


@REGISTRY.add("he_normal", "kaiming_normal")
@_settings
class HeNormal:
    """He normal, for ReLU: σ = √(2 / n_in). Source: He et al., 2015.

    `mode="fan_avg"` is √2 × Xavier: σ = 2 / √(n_in + n_out).

    Examples:
        >>> w = gr.initializers.HeNormal()(np.random.default_rng(0), (50, 1000))
        >>> round(float(w.std()), 2)
        0.2
    """

    mode: str = "fan_in"
    truncated: bool = True

    def __post_init__(self) -> None:
        _check_choice(self, "mode", self.mode, MODES)

    def __call__(self, generator: np.random.Generator, shape: Shape) -> np.ndarray:
        """Draw from the distribution."""
        return _scaled(generator, shape, 2.0, self.mode, _normal_name(self.truncated))


@REGISTRY.add("he_uniform", "kaiming_uniform")
@_settings
class HeUniform:
    """He uniform, for ReLU: U(-r, r), r = √(6 / n_in). Source: He et al., 2015.

    `mode="fan_avg"` is √2 × Xavier: r = √(12 / (n_in + n_out)).

    Examples:
        >>> w = gr.initializers.HeUniform()(np.random.default_rng(0), (150, 500))
        >>> round(float(w.max()), 2)
        0.2
    """

    mode: str = "fan_in"

    def __post_init__(self) -> None:
        _check_choice(self, "mode", self.mode, MODES)

    def __call__(self, generator: np.random.Generator, shape: Shape) -> np.ndarray:
        """Draw from the distribution."""
        return _scaled(generator, shape, 2.0, self.mode, "uniform")


@REGISTRY.add("orthogonal")
@_settings
class Orthogonal:
    """A random matrix with orthonormal columns (or rows, if it is wide), times `gain`.

    All axes but the last form the rows. Uniform over such matrices: the Q of a normal matrix, with
    signs set by the diagonal of R. Source: Saxe, McClelland & Ganguli, 2014.

    Examples:
        >>> w = gr.initializers.Orthogonal()(np.random.default_rng(0), (4, 2))
        >>> print(abs(w.T @ w).round(3))
        [[1. 0.]
         [0. 1.]]
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self, generator: np.random.Generator, shape: Shape) -> np.ndarray:
        """Draw the matrix; GradusError if `shape` has fewer than two axes."""
        if len(shape) < 2:
            raise GradusError(
                f"The orthogonal initializer needs two axes or more, not the shape {shape}."
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = generator.standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(tall)
        q *= np.where(np.diag(r) < 0, -1, 1)
        matrix = q if rows >= columns else q.T
        return (self.gain * matrix).reshape(shape).astype(np.float32)


def _scaled(
    generator: np.random.Generator, shape: Shape, scale: float, mode: str, distribution: str
) -> np.ndarray:
    """Draw with mean 0 and variance scale / fan."""
    fan_in, fan_out = fans(shape)
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    stddev = math.sqrt(scale / max(1.0, fan))
    if distribution == "uniform":
        limit = math.sqrt(3) * stddev
        return _affine(generator.random(shape, np.float32), 2 * limit, -limit)
    if distribution == "normal":
        return _affine(generator.standard_normal(shape, np.float32), stddev)
    return _affine(_truncated_normal(generator, shape), stddev / _TRUNCATED_STDDEV)


def _truncated_normal(generator: np.random.Generator, shape: Shape) -> np.ndarray:
    """Draw from the standard normal given |z| ≤ 2, redrawing what falls outside (4.6 %)."""
    z = generator.standard_normal(math.prod(shape), np.float32)
    outside = np.flatnonzero(np.abs(z) > 2)
    while outside.size:
        z[outside] = generator.standard_normal(outside.size, np.float32)
        outside = outside[np.abs(z[outside]) > 2]
    return z.reshape(shape)


def _affine(z: np.ndarray, factor: float, offset: float = 0.0) -> np.ndarray:
    return np.asarray(z * np.float32(factor) + np.float32(offset), np.float32)


def _normal_name(truncated: bool) -> str:
    return "truncated_normal" if truncated else "normal"


def _are_numbers(*values: Any) -> bool:
    # A sweep's space is replaced by a number before anything is drawn.
    return all(isinstance(value, int | float | np.number) for value in values)


def _check_not_negative(initializer: Any, **settings: Any) -> None:
    for name, value in settings.items():
        if _are_numbers(value) and value < 0:
            raise GradusError(
                f"{type(initializer).__name__}({name}={value!r}): it must not be negative."
            )


def _check_choice(initializer: Any, setting: str, value: Any, allowed: tuple[str, ...]) -> None:
    if not isinstance(value, Space) and not is_word(value, allowed):
        raise GradusError(
            f"{type(initializer).__name__}({setting}={value!r}): write one of"
            f" {', '.join(map(repr, allowed))}."
        )
