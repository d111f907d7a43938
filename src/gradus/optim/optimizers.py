"""Optimizers, each with its update rule, its source, and the convention it follows.

Names and defaults are Keras's; the arithmetic is Optax's. In formulas w is a weight, g its
gradient, η the learning rate, ε `epsilon`, t the number of the step, counted from 1.
"""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from gradus.errors import GradusError
from gradus.kernels.updates import Rule
from gradus.nn.pytree import pytree, static
from gradus.optim.base import LearningRate, Optimizer
from gradus.optim.schedules import Number
from gradus.registry import Registry

REGISTRY = Registry("optimizer")


def get(optimizer: str | Optimizer) -> Optimizer:
    """Return the optimizer of a name, with default settings; an optimizer is returned unchanged.

    Raises:
        GradusError: for an unknown name (with the nearest one) or any other type.

    Examples:
        >>> gr.optimizers.get("adam").learning_rate
        0.001
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, str):
        return REGISTRY.find(optimizer)()
    if isinstance(optimizer, type) and issubclass(optimizer, Optimizer):
        return optimizer()
    raise GradusError(
        f"optimizer={optimizer!r} is neither a name nor an optimizer;"
        ' write a name such as "adam" or an optimizer such as gr.Adam(0.001).'
    )


@REGISTRY.add("sgd", "gd", "gradient_descent")
@pytree
class SGD(Optimizer):
    """Gradient descent: w ← w - η g; the batch size makes it stochastic, mini-batch, or full.

    With `momentum` μ: v ← μ v + g, w ← w - η v (Polyak, 1964). With `nesterov` too:
    w ← w - η (μ v + g) (Nesterov, 1983; this form: Sutskever et al., 2013).

    The learning rate is outside the velocity, as in Optax and PyTorch; in Keras it is inside. Both
    are equal while the rate is constant. `momentum=None`, the default, keeps no velocity;
    `momentum=0.0` computes the same with one, so it can be swept from 0 upward.

    Examples:
        >>> gr.descend(lambda w: w**2, 1.0, gr.SGD(0.25), steps=2).tolist()
        [1.0, 0.5, 0.25]
        >>> gr.descend(lambda w: w**2, 1.0, gr.SGD(0.25, momentum=0.5), steps=2).tolist()
        [1.0, 0.5, 0.0]
    """

    starts_at_zero: ClassVar[bool] = True

    learning_rate: LearningRate = 0.01
    momentum: Number | None = None
    nesterov: bool = static(default=False)

    def __post_init__(self) -> None:
        """Refuse `nesterov` without `momentum`."""
        super().__post_init__()
        if self.momentum is None and self.nesterov is True:
            raise GradusError(
                "SGD(nesterov=True) has no momentum to look ahead with;"
                " write SGD(momentum=0.9, nesterov=True)."
            )

    def transformation(self, learning_rate: jax.Array) -> optax.GradientTransformation:
        """Return the rule above."""
        if self.momentum is None:
            return optax.scale(-learning_rate)
        velocity = optax.trace(self.momentum, nesterov=self.nesterov)
        return optax.chain(velocity, optax.scale(-learning_rate))

    def _native_rule(self, rate: jax.Array, step: jax.Array) -> Rule | None:
        if self.momentum is None:
            return Rule("sgd", rate)
        return Rule("nesterov" if self.nesterov else "momentum", rate, self.momentum)


@REGISTRY.add("momentum")
def _momentum() -> SGD:
    return SGD(momentum=0.9)


@REGISTRY.add("nesterov", "nag")
def _nesterov() -> SGD:
    return SGD(momentum=0.9, nesterov=True)


@REGISTRY.add("adagrad")
@pytree
class Adagrad(Optimizer):
    """Adagrad: s ← s + g², w ← w - η g / √(s + ε); s starts at `initial_accumulator_value`.

    ε is inside the root, as in Keras and Optax. Source: Duchi, Hazan & Singer, 2011.

    Examples:
        >>> print(gr.descend(lambda w: w**2, 1.0, gr.Adagrad(0.1), steps=3).round(3))
        [1.    0.901 0.835 0.782]
    """

    initial_accumulator_value: Number = 0.1
    epsilon: Number = 1e-7

    def transformation(self, learning_rate: jax.Array) -> optax.GradientTransformation:
        """Return the rule above."""
        root = optax.scale_by_rss(self.initial_accumulator_value, self.epsilon)
        return optax.chain(root, optax.scale(-learning_rate))


@REGISTRY.add("adadelta")
@pytree
class Adadelta(Optimizer):
    """Adadelta: s ← ρ s + (1-ρ) g², u = g √(d + ε) / √(s + ε), d ← ρ d + (1-ρ) u², w ← w - η u.

    The paper has no η, that is, η = 1; the default is Keras's. Source: Zeiler, 2012.

    Examples:
        >>> print(gr.descend(lambda w: w**2, 1.0, gr.Adadelta(1.0), steps=3).round(4))
        [1.     0.9986 0.9972 0.9957]
    """

    starts_at_zero: ClassVar[bool] = True

    rho: Number = 0.95
    epsilon: Number = 1e-7

    def transformation(self, learning_rate: jax.Array) -> optax.GradientTransformation:
        """Return the rule above."""
        return optax.chain(
            optax.scale_by_adadelta(self.rho, self.epsilon), optax.scale(-learning_rate)
        )


@REGISTRY.add("rmsprop")
@pytree
class RMSprop(Optimizer):
    """RMSprop: s ← ρ s + (1-ρ) g², w ← w - η g / √(s + ε).

    With `centered` the square of the running mean of g is subtracted from s. With `momentum` μ:
    v ← μ v + η g / √(s + ε), w ← w - v. ε is inside the root, as in Keras; no bias correction.
    Source: Tieleman & Hinton, 2012; centered: Graves, 2013.

    Examples:
        >>> print(gr.descend(lambda w: w**2, 1.0, gr.RMSprop(0.1), steps=3).round(3))
        [1.    0.684 0.499 0.369]
    """

    starts_at_zero: ClassVar[bool] = True

    rho: Number = 0.9
    momentum: Number | None = None
    epsilon: Number = 1e-7
    centered: bool = static(default=False)

    def transformation(self, learning_rate: jax.Array) -> optax.GradientTransformation:
        """Return the rule above."""
        scale = optax.scale_by_stddev if self.centered else optax.scale_by_rms
        parts = [scale(self.rho, self.epsilon), optax.scale(-learning_rate)]
        if self.momentum is not None:
            parts.append(optax.trace(self.momentum))
        return optax.chain(*parts)

    def _native_rule(self, rate: jax.Array, step: jax.Array) -> Rule | None:
        if self.centered or self.momentum is not None:
            return None
        return Rule("rmsprop", rate, self.rho, epsilon=self.epsilon)


@REGISTRY.add("adam")
@pytree
class Adam(Optimizer):
    """Adam: m ← β₁ m + (1-β₁) g, v ← β₂ v + (1-β₂) g², w ← w - η m̂ / (√v̂ + ε).

    m̂ = m / (1-β₁ᵗ), v̂ = v / (1-β₂ᵗ); ε is added to the root of v̂, as in the paper, PyTorch, and
    Optax. Keras adds it to the root of v, which makes the first steps smaller where g is near ε.
    Source: Kingma & Ba, 2015.

    Examples:
        >>> print(gr.descend(lambda w: w**2, 1.0, gr.Adam(0.1), steps=3).round(3))
        [1.    0.9   0.8   0.702]
    """

    starts_at_zero: ClassVar[bool] = True

    beta_1: Number = 0.9
    beta_2: Number = 0.999
    epsilon: Number = 1e-7

    def transformation(self, learning_rate: jax.Array) -> optax.GradientTransformation:
        """Return the rule above."""
        return _adam(learning_rate, self.beta_1, self.beta_2, self.epsilon)

    def _native_rule(self, rate: jax.Array, step: jax.Array) -> Rule | None:
        step_size, epsilon = _corrected(rate, self.beta_1, self.beta_2, self.epsilon, step)
        return Rule("adam", -step_size, self.beta_1, self.beta_2, epsilon)


@REGISTRY.add("adamw")
@pytree
class AdamW(Adam):
    """Adam with decoupled weight decay: w ← w - η (m̂ / (√v̂ + ε) + λ w), λ = `weight_decay`.

    The decay is multiplied by η, as in Keras, PyTorch, and Optax; in the paper it is not.
    Source: Loshchilov & Hutter, 2019.

    Examples:
        >>> optimizer = gr.AdamW(0.1, weight_decay=0.5)
        >>> print(gr.descend(lambda w: w**2, 1.0, optimizer, steps=3).round(3))
        [1.    0.85  0.708 0.575]
    """

    starts_at_zero: ClassVar[bool] = True

    weight_decay: Number | None = 0.004


@REGISTRY.add("adamax")
@pytree
class Adamax(Adam):
    """Adamax: m ← β₁ m + (1-β₁) g, u ← max(β₂ u, |g| + ε), w ← w - η m̂ / u, m̂ = m / (1-β₁ᵗ).

    ε is inside the maximum, as in Optax and PyTorch; Keras adds it to u. Source: Kingma & Ba,
    2015.

    Examples:
        >>> print(gr.descend(lambda w: w**2, 1.0, gr.Adamax(0.1), steps=3).round(3))
        [1.    0.9   0.805 0.715]
    """

    starts_at_zero: ClassVar[bool] = True

    def transformation(self, learning_rate: jax.Array) -> optax.GradientTransformation:
        """Return the rule above."""
        return optax.chain(
            optax.scale_by_adamax(self.beta_1, self.beta_2, self.epsilon),
            optax.scale(-learning_rate),
        )


@REGISTRY.add("nadam")
@pytree
class Nadam(Adam):
    """Adam with Nesterov momentum: w ← w - η (β₁ m / (1-β₁ᵗ⁺¹) + (1-β₁) g / (1-β₁ᵗ)) / (√v̂ + ε).

    β₁ is constant, as in Optax; Keras and PyTorch let it grow from β₁ / 2. Source: Dozat, 2016.

    Examples:
        >>> print(gr.descend(lambda w: w**2, 1.0, gr.Nadam(0.1), steps=3).round(3))
        [1.    0.853 0.742 0.641]
    """

    starts_at_zero: ClassVar[bool] = True

    def transformation(self, learning_rate: jax.Array) -> optax.GradientTransformation:
        """Return the rule above."""
        return optax.chain(
            optax.scale_by_adam(self.beta_1, self.beta_2, self.epsilon, nesterov=True),
            optax.scale(-learning_rate),
        )


@REGISTRY.add("radam")
@pytree
class RAdam(Adam):
    """Adam with rectified first steps: w ← w - η r m̂ / (√v̂ + ε), or w - η m̂ while ρ < 5.

    ρ∞ = 2 / (1-β₂) - 1, ρ = ρ∞ - 2 t β₂ᵗ / (1-β₂ᵗ),
    r² = (ρ-4) (ρ-2) ρ∞ / ((ρ∞-4) (ρ∞-2) ρ). Source: Liu et al., 2020.

    Examples:
        >>> print(gr.descend(lambda w: w**2, 1.0, gr.RAdam(0.1), steps=3).round(3))
        [1.    0.8   0.621 0.462]
    """

    starts_at_zero: ClassVar[bool] = True

    def transformation(self, learning_rate: jax.Array) -> optax.GradientTransformation:
        """Return the rule above."""
        return optax.chain(
            optax.scale_by_radam(self.beta_1, self.beta_2, self.epsilon),
            optax.scale(-learning_rate),
        )


@REGISTRY.add("lion")
@pytree
class Lion(Optimizer):
    """Lion: w ← w - η sign(β₁ m + (1-β₁) g), then m ← β₂ m + (1-β₂) g.

    Every weight changes by η, so use an η 3 to 10 times smaller than Adam's. Source: Chen et al.,
    2023.

    Examples:
        >>> print(gr.descend(lambda w: w**2, 1.0, gr.Lion(0.1), steps=3).round(3))
        [1.  0.9 0.8 0.7]
    """

    starts_at_zero: ClassVar[bool] = True

    beta_1: Number = 0.9
    beta_2: Number = 0.99

    def transformation(self, learning_rate: jax.Array) -> optax.GradientTransformation:
        """Return the rule above."""
        return optax.chain(
            optax.scale_by_lion(self.beta_1, self.beta_2), optax.scale(-learning_rate)
        )


@REGISTRY.add("muon")
@pytree
class Muon(Optimizer):
    """Momentum with orthogonalized updates for matrices, and Adam for all other weights.

    For a matrix (n, p): m ← μ m + (1-μ) g, then w ← w - η s O, where O is the orthogonal matrix
    nearest to m (to μ m̂ + (1-μ) ĝ with `nesterov`), found by `ns_steps` Newton-Schulz steps.
    s = `rms_rate` · √max(n, p) makes O's elements as large as Adam's, so both share one η; with
    `rms_rate=None`, s = √max(1, p / n). Every array with two axes counts as a matrix.
    Source: Jordan et al., 2024; the scale: Liu et al., 2025.

    Examples:
        >>> path = gr.descend(lambda w: (w**2).sum(), np.eye(2), gr.Muon(1.0), steps=2)
        >>> print(path[:, 0, 0].round(2))
        [1.   0.69 0.37]
    """

    momentum: Number = 0.95
    beta_1: Number = 0.9
    beta_2: Number = 0.999
    epsilon: Number = 1e-7
    rms_rate: Number | None = 0.2
    nesterov: bool = static(default=True)
    ns_steps: int = static(default=5)

    def transformation(self, learning_rate: jax.Array) -> optax.GradientTransformation:
        """Return the rule above."""
        return optax.contrib.muon(
            learning_rate,
            ns_steps=self.ns_steps,
            beta=self.momentum,
            eps=self.epsilon,
            nesterov=self.nesterov,
            adam_b1=self.beta_1,
            adam_b2=self.beta_2,
            consistent_rms=self.rms_rate,
        )


@REGISTRY.add("lbfgs", "l-bfgs")
@pytree
class LBFGS(Optimizer):
    """Limited-memory BFGS with a zoom line search, for small problems on the full data.

    w ← w - α η H g, where H approximates the inverse Hessian from the last `memory_size` steps,
    and the line search finds α by evaluating the loss. `update` needs `value` and `value_fn`.
    Source: Liu & Nocedal, 1989; the line search: Nocedal & Wright, 2006, algorithms 3.5 and 3.6.

    Examples:
        >>> print(gr.descend(lambda w: (w - 3) ** 2, 1.0, gr.LBFGS(), steps=2).round(2))
        [1. 2. 3.]
    """

    full_batch: ClassVar[bool] = True

    learning_rate: LearningRate = 1.0
    memory_size: int = static(default=10)
    max_linesearch_steps: int = static(default=20)

    def transformation(self, learning_rate: jax.Array) -> optax.GradientTransformation:
        """Return the rule above."""
        options = "clipnorm", "clipvalue", "global_clipnorm", "weight_decay", "layer_rates"
        for option in options:
            if getattr(self, option) is not None:
                raise GradusError(
                    f"LBFGS({option}=…): its line search is correct only for the unmodified"
                    f" gradient of the loss; leave {option} out (for decay write an L2 penalty)."
                )
        search = optax.scale_by_zoom_linesearch(
            self.max_linesearch_steps, initial_guess_strategy="one"
        )
        return optax.lbfgs(learning_rate, self.memory_size, linesearch=search)


def _adam(
    learning_rate: jax.Array, b1: Any, b2: Any, epsilon: Any
) -> optax.GradientTransformationExtraArgs:
    """Adam with its bias corrections folded into two scalars.

    η m̂ / (√v̂ + ε) = (η c / (1-β₁ᵗ)) m / (√v + ε c), c = √(1-β₂ᵗ). Optax divides every element
    two more times, which made a step of a small network on a CPU take 1.2 to 1.7 times as long.
    """

    def init(params: Any) -> tuple[Any, Any]:
        return optax.tree.zeros_like(params), optax.tree.zeros_like(params)

    def update(
        gradients: Any, state: tuple[Any, Any], params: Any = None, *, step: jax.Array, **_: Any
    ) -> tuple[Any, tuple[Any, Any]]:
        step_size, scaled_epsilon = _corrected(learning_rate, b1, b2, epsilon, step)
        rest1, rest2 = 1 - b1, 1 - b2
        m = jax.tree.map(lambda m, g: b1 * m + rest1 * g, state[0], gradients)
        v = jax.tree.map(lambda v, g: b2 * v + rest2 * (g * g), state[1], gradients)
        return jax.tree.map(lambda m, v: step_size * m / (jnp.sqrt(v) + scaled_epsilon), m, v), (
            m,
            v,
        )

    return optax.GradientTransformationExtraArgs(init, update)


def _corrected(
    learning_rate: jax.Array, b1: Any, b2: Any, epsilon: Any, step: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the two scalars of `_adam`: -η c / (1-β₁ᵗ) and ε c."""
    t = step.astype(jnp.float32)
    correction = jnp.sqrt(1 - b2**t)
    return -learning_rate * correction / (1 - b1**t), epsilon * correction
