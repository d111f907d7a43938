"""Learning-rate schedules: pytrees whose numbers are leaves, called with the step.

`schedule(step)` is the learning rate of update number `step`, counted from 0, as a float32 scalar.
Since every number is a leaf, another value does not recompile, and a vector of values under `vmap`
is a sweep. In formulas t is the step and η₀ the initial learning rate.
"""

from __future__ import annotations

import abc
import functools
import types
from collections.abc import Callable
from typing import Any, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np

from gradus.checks import as_result
from gradus.errors import GradusError
from gradus.nn.pytree import (
    AT_LEAST_ZERO,
    POSITIVE,
    Limit,
    check_fields,
    check_function,
    check_limits,
    check_scalar,
    pytree,
    static,
)
from gradus.registry import Registry
from gradus.space import Space

Number = float | jax.Array
PlateauState = dict[str, jax.Array]

REGISTRY = Registry("schedule")

_RATES = ("learning_rate", "initial_learning_rate", "end_learning_rate", "maximum", "target")
_STEPS = ("decay_steps", "total_steps", "steps", "patience", "cooldown", "min_delta")
# The valid values of each setting, in every schedule of gradus that has it.
_LIMITS: dict[str, Limit] = {
    **dict.fromkeys((*_RATES, *_STEPS), AT_LEAST_ZERO),
    **dict.fromkeys(("start", "minimum", "factor", "decay_rate", "alpha", "power"), AT_LEAST_ZERO),
    **dict.fromkeys(("every", "div_factor", "final_div_factor"), POSITIVE),
    "pct_start": ("from 0 to 1", lambda value: 0 <= value <= 1),
}


class Schedule(abc.ABC):
    """A learning rate that depends on the step; subclasses are decorated with `pytree`.

    Examples:
        >>> from gradus.nn.pytree import pytree
        >>> @pytree
        ... class InverseTime(gr.schedules.Schedule):
        ...     learning_rate: float
        ...
        ...     def __call__(self, step):
        ...         return self.learning_rate / (1 + step)
        >>> InverseTime(0.1)(3)
        0.025
    """

    def __post_init__(self) -> None:
        """Refuse what is not a number for a setting that is declared as one, or out of range."""
        check_fields(self)
        if type(self).__module__ == __name__:  # a user's own may mean something else
            check_limits(self, _LIMITS)

    @abc.abstractmethod
    def __call__(self, step: jax.Array) -> jax.Array:
        """Return the learning rate at `step`, float32."""


def get(schedule: str | float | Schedule | Callable[..., Any], **settings: Any) -> Schedule:
    """Return the schedule of a name with its settings, of a number, or of a plain function.

    Raises:
        GradusError: for an unknown name, or settings that the schedule does not have.

    Examples:
        >>> schedule = gr.schedules.get("cosine", initial_learning_rate=0.1, decay_steps=1000)
        >>> round(float(schedule(500)), 3)
        0.05
    """
    if isinstance(schedule, Schedule):
        return schedule
    if isinstance(schedule, str):
        create = REGISTRY.find(schedule)
        try:
            return create(**settings)
        except TypeError as error:
            reason = str(error).rstrip(".")
            raise GradusError(f"The schedule {schedule!r} cannot be created: {reason}.") from None
    if is_plain_function(schedule):
        return FromFunction(schedule)
    if isinstance(schedule, int | float | np.number | np.ndarray | jax.Array):
        return Constant(schedule)
    raise GradusError(
        f"{schedule!r} is not a schedule; write a number, a name such as 'cosine' with its"
        " settings, a schedule such as gr.schedules.CosineDecay(0.1, 1000), or a function of the"
        " step."
    )


def is_plain_function(value: object) -> TypeGuard[Callable[[jax.Array], Any]]:
    """Return whether `value` is a function, which must be wrapped to be part of a pytree.

    Examples:
        >>> [gr.schedules.is_plain_function(f) for f in (lambda t: 0.1, gr.schedules.Constant(0.1))]
        [True, False]
    """
    return isinstance(value, types.FunctionType | types.MethodType | functools.partial)


@REGISTRY.add("function")
@pytree
class FromFunction(Schedule):
    """A user's function of the step, written in `jax.numpy`, or an Optax schedule.

    Its numbers are part of the program: a new function recompiles and cannot be swept.

    Examples:
        >>> schedule = gr.schedules.FromFunction(lambda step: 0.1 / (1 + step))
        >>> round(float(schedule(3)), 3)
        0.025
    """

    function: Callable[[jax.Array], Any] = static()

    def __post_init__(self) -> None:
        check_function(self, "f(step)")

    def __call__(self, step: jax.Array) -> jax.Array:
        """Return function(t)."""
        rate = self.function(step)
        is_number = isinstance(rate, int | float) or getattr(rate, "shape", None) == ()
        if not is_number or np.iscomplexobj(rate):
            raise GradusError(
                f"The schedule function returned {as_result(rate)}: it must return one number, "
                "the learning rate of the step."
            )
        return _float(rate)


@REGISTRY.add("constant")
@pytree
class Constant(Schedule):
    """A constant rate: η(t) = η₀.

    Examples:
        >>> round(float(gr.schedules.Constant(0.1)(1000)), 3)
        0.1
    """

    learning_rate: Number

    def __call__(self, step: jax.Array) -> jax.Array:
        """Return the learning rate."""
        return _float(self.learning_rate)


@REGISTRY.add("step", "step_decay")
@pytree
class StepDecay(Schedule):
    """Step decay: η(t) = η₀ · factor^⌊t / every⌋, multiplied by `factor` after every `every` steps.

    Examples:
        >>> schedule = gr.schedules.StepDecay(0.1, every=100, factor=0.5)
        >>> [round(float(schedule(step)), 3) for step in (0, 99, 100, 200)]
        [0.1, 0.1, 0.05, 0.025]
    """

    initial_learning_rate: Number
    every: Number
    factor: Number = 0.5

    def __call__(self, step: jax.Array) -> jax.Array:
        """Return the learning rate at step t."""
        periods = jnp.floor(_float(step) / self.every)
        return _float(self.initial_learning_rate) * _float(self.factor) ** periods


@REGISTRY.add("piecewise", "piecewise_constant")
@pytree
class PiecewiseConstant(Schedule):
    """Piecewise constant: η(t) = values[k], where k is the number of `boundaries` ≤ t.

    There is one more value than boundaries, which must ascend. As in Optax, the value changes at
    step `boundaries[k]`; Keras's PiecewiseConstantDecay changes one step later.

    Examples:
        >>> schedule = gr.schedules.PiecewiseConstant((100, 200), (0.1, 0.05, 0.01))
        >>> [round(float(schedule(step)), 3) for step in (0, 100, 200)]
        [0.1, 0.05, 0.01]
    """

    boundaries: tuple[Number, ...]
    values: tuple[Number, ...]

    def __post_init__(self) -> None:
        both = (self.boundaries, self.values)
        for name, numbers in zip(("boundaries", "values"), both, strict=True):
            one = getattr(numbers, "shape", None) == ()
            if one or not (isinstance(numbers, list | tuple | Space) or hasattr(numbers, "shape")):
                raise GradusError(
                    f"PiecewiseConstant({name}={numbers!r}): write a tuple of numbers."
                )
            for value in numbers if isinstance(numbers, list | tuple) else ():
                if value is None:
                    raise GradusError(f"PiecewiseConstant({name}={numbers!r}): write numbers.")
                check_scalar(self, name, value)
        if all(isinstance(x, list | tuple) for x in both) and len(both[1]) != len(both[0]) + 1:
            raise GradusError(
                f"PiecewiseConstant has {len(both[0])} boundaries and {len(both[1])} values;"
                " give one more value than boundaries."
            )

    def __call__(self, step: jax.Array) -> jax.Array:
        """Return the learning rate at step t."""
        counts = len(self.boundaries), len(self.values)
        if counts[1] != counts[0] + 1 or jnp.shape(self.values[0]):
            raise GradusError(
                f"PiecewiseConstant has {counts[0]} boundaries and {counts[1]} values: give one "
                "more value than boundaries, each one number."
            )
        rate = _float(self.values[0])
        for boundary, value in zip(self.boundaries, self.values[1:], strict=True):
            rate = jnp.where(step >= jnp.asarray(boundary), value, rate)
        return _float(rate)


@REGISTRY.add("exponential", "exponential_decay")
@pytree
class ExponentialDecay(Schedule):
    """η(t) = η₀ · decay_rate^(t / decay_steps); with `staircase` the exponent is rounded down.

    With a `decay_rate` above 1 the rate grows, as a learning-rate finder needs.

    Examples:
        >>> schedule = gr.schedules.ExponentialDecay(0.1, decay_steps=100, decay_rate=0.5)
        >>> [round(float(schedule(step)), 3) for step in (0, 50, 100)]
        [0.1, 0.071, 0.05]
    """

    initial_learning_rate: Number
    decay_steps: Number
    decay_rate: Number
    staircase: bool = static(default=False)

    def __call__(self, step: jax.Array) -> jax.Array:
        """Return the learning rate at step t."""
        exponent = _float(step) / self.decay_steps
        if self.staircase:
            exponent = jnp.floor(exponent)
        return _float(self.initial_learning_rate) * _float(self.decay_rate) ** exponent


@REGISTRY.add("inverse_time", "inverse_time_decay")
@pytree
class InverseTimeDecay(Schedule):
    """η(t) = η₀ / (1 + decay_rate · t / decay_steps); with `staircase` t / decay_steps is floored.

    With `decay_steps=1` it is the `decay` of Keras's old optimizers.

    Examples:
        >>> schedule = gr.schedules.InverseTimeDecay(0.1, decay_steps=100, decay_rate=1.0)
        >>> [round(float(schedule(step)), 3) for step in (0, 100, 300)]
        [0.1, 0.05, 0.025]
    """

    initial_learning_rate: Number
    decay_steps: Number
    decay_rate: Number
    staircase: bool = static(default=False)

    def __call__(self, step: jax.Array) -> jax.Array:
        """Return the learning rate at step t."""
        quotient = _float(step) / self.decay_steps
        if self.staircase:
            quotient = jnp.floor(quotient)
        return _float(self.initial_learning_rate) / (1 + self.decay_rate * quotient)


@REGISTRY.add("polynomial", "polynomial_decay")
@pytree
class PolynomialDecay(Schedule):
    """η(t) = (η₀ - η₁) (1 - min(t / T, 1))^power + η₁, T = `decay_steps`; linear by default.

    Examples:
        >>> schedule = gr.schedules.PolynomialDecay(0.1, decay_steps=100, end_learning_rate=0.02)
        >>> [round(float(schedule(step)), 3) for step in (0, 50, 100, 500)]
        [0.1, 0.06, 0.02, 0.02]
    """

    initial_learning_rate: Number
    decay_steps: Number
    end_learning_rate: Number = 0.0001
    power: Number = 1.0

    def __call__(self, step: jax.Array) -> jax.Array:
        """Return the learning rate at step t."""
        remaining = 1 - _progress(step, self.decay_steps)
        span = _float(self.initial_learning_rate) - self.end_learning_rate
        return _float(span * remaining**self.power + self.end_learning_rate)


@REGISTRY.add("cosine", "cosine_decay")
@pytree
class CosineDecay(Schedule):
    """Half a cosine from η₀ down to α η₀ in T = `decay_steps` steps, then constant.

    η(t) = η₀ ((1 - α) (1 + cos(π min(t / T, 1))) / 2 + α). Source: Loshchilov & Hutter, 2017.

    Examples:
        >>> schedule = gr.schedules.CosineDecay(0.1, decay_steps=100)
        >>> [round(float(schedule(step)), 3) for step in (0, 50, 100)]
        [0.1, 0.05, 0.0]
    """

    initial_learning_rate: Number
    decay_steps: Number
    alpha: Number = 0.0

    def __call__(self, step: jax.Array) -> jax.Array:
        """Return the learning rate at step t."""
        fraction = _half_cosine(_progress(step, self.decay_steps))
        return _float(self.initial_learning_rate * (1 - (1 - self.alpha) * fraction))


@REGISTRY.add("warmup", "warm_up")
@pytree
class WarmUp(Schedule):
    """A linear rise from `start` to `target` in `steps` steps, then the schedule `then`, if any.

    η(t) = start + (target - start) t / steps for t < steps, then(t - steps) or `target` afterward.
    Source: Goyal et al., 2017.

    Examples:
        >>> schedule = gr.schedules.WarmUp(10, 0.1, then=gr.schedules.CosineDecay(0.1, 90))
        >>> [round(float(schedule(step)), 3) for step in (0, 5, 10, 100)]
        [0.0, 0.05, 0.1, 0.0]
    """

    steps: Number
    target: Number
    then: Schedule | None = None
    start: Number = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.then, ReduceOnPlateau):
            raise GradusError(
                "WarmUp(then=ReduceOnPlateau(…)) would never reduce the rate: a plateau must be the"
                " learning rate of the optimizer itself."
            )
        if is_plain_function(self.then):
            object.__setattr__(self, "then", FromFunction(self.then))
        if not isinstance(self.then, Schedule | Space | None):
            raise GradusError(
                f"WarmUp(then={self.then!r}): write a schedule, such as"
                " gr.schedules.CosineDecay(0.1, 1000), or leave it out."
            )

    def __call__(self, step: jax.Array) -> jax.Array:
        """Return the learning rate at step t."""
        t, steps = _float(step), _float(self.steps)
        warm_up = self.start + (_float(self.target) - self.start) * t / jnp.maximum(steps, 1)
        after = self.target if self.then is None else self.then(jnp.maximum(t - steps, 0))
        return _float(jnp.where(t < steps, warm_up, after))


@REGISTRY.add("one_cycle", "onecycle")
@pytree
class OneCycle(Schedule):
    """Half a cosine up to `maximum`, then half a cosine down to almost zero.

    From maximum / div_factor at 0 to `maximum` at ⌊pct_start · T⌋, then down to
    maximum / (div_factor · final_div_factor) at T = `total_steps`. Source: Smith & Topin, 2018.

    Examples:
        >>> schedule = gr.schedules.OneCycle(0.1, total_steps=100)
        >>> [round(float(schedule(step)), 3) for step in (0, 30, 100)]
        [0.004, 0.1, 0.0]
    """

    maximum: Number
    total_steps: Number
    pct_start: Number = 0.3
    div_factor: Number = 25.0
    final_div_factor: Number = 1e4

    def __call__(self, step: jax.Array) -> jax.Array:
        """Return the learning rate at step t."""
        peak = _float(self.maximum)
        first, total = peak / self.div_factor, _float(self.total_steps)
        last = first / self.final_div_factor
        turn = jnp.floor(self.pct_start * total)
        up = first + (peak - first) * _half_cosine(_progress(step, turn))
        after = _progress(step - turn, total - turn)
        down = peak + (last - peak) * _half_cosine(after)
        return _float(jnp.where(step < turn, up, down))


@REGISTRY.add("reduce_on_plateau", "plateau")
@pytree
class ReduceOnPlateau(Schedule):
    """A constant rate, multiplied by `factor` each time the monitored number stops improving.

    The schedule itself is constant. The training program carries the state: once per epoch
    (`train/program.py: end_epoch`) it calls `update` with the monitored number, its sign changed if
    higher is better, and it multiplies the rate by `state["scale"]`. The rules are those of Keras's
    ReduceLROnPlateau with mode="min".

    Args:
        learning_rate: the rate at the start.
        factor: the factor of each reduction.
        patience: how many observations without improvement lead to a reduction.
        min_delta: an improvement is a value below the best by more than this.
        cooldown: how many observations after a reduction do not count toward `patience`.
        minimum: the lowest rate.

    Examples:
        >>> schedule = gr.schedules.ReduceOnPlateau(0.1, factor=0.5, patience=2)
        >>> state = schedule.init_state()
        >>> for loss in (1.0, 1.0, 1.0):
        ...     state = schedule.update(state, loss)
        >>> float(state["scale"])
        0.5
    """

    learning_rate: Number
    factor: Number = 0.5
    patience: Number = 5
    min_delta: Number = 1e-4
    cooldown: Number = 0
    minimum: Number = 0.0

    def __call__(self, step: jax.Array) -> jax.Array:
        """Return the rate before any reduction."""
        return _float(self.learning_rate)

    def init_state(self) -> PlateauState:
        """Return the state before the first observation: scalars that a loop can carry."""
        return {
            "scale": jnp.ones((), jnp.float32),
            "best": jnp.full((), jnp.inf, jnp.float32),
            "wait": jnp.zeros((), jnp.int32),
            "cooldown": jnp.zeros((), jnp.float32),
        }

    def update(self, state: PlateauState, value: jax.Array) -> PlateauState:
        """Return the state after one more `value`, of which lower is better."""
        cooldown = jnp.maximum(state["cooldown"] - 1, 0)
        improved = value < state["best"] - self.min_delta
        # The observation that ends the cooldown already counts, as in Keras.
        exempt = improved | (cooldown > 0)
        previous_wait = jnp.where(state["cooldown"] > 0, 0, state["wait"])
        wait = jnp.where(exempt, 0, previous_wait + 1)
        rate = self.learning_rate * state["scale"]
        reduce = (wait >= self.patience) & ~exempt & (rate > self.minimum)
        reduced = jnp.maximum(state["scale"] * self.factor, self.minimum / self.learning_rate)
        return {
            "scale": _float(jnp.where(reduce, reduced, state["scale"])),
            "best": _float(jnp.where(improved, value, state["best"])),
            "wait": jnp.where(reduce, 0, wait).astype(jnp.int32),
            "cooldown": _float(jnp.where(reduce, self.cooldown, cooldown)),
        }


def _float(value: Any) -> jax.Array:
    """Return `value` as a strongly typed float32 array, since a loop cannot carry weak types."""
    return jnp.asarray(value, jnp.float32)


def _progress(step: Any, steps: Any) -> jax.Array:
    """Return the fraction of `steps` completed at `step`, in [0, 1]."""
    return jnp.clip(_float(step) / jnp.maximum(_float(steps), 1), 0, 1)


def _half_cosine(progress: jax.Array) -> jax.Array:
    """Return (1 - cos(π p)) / 2: from 0 at p = 0, smoothly, to 1 at p = 1."""
    return 0.5 * (1 - jnp.cos(jnp.pi * progress))
