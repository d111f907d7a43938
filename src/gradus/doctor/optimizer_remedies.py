"""The remedies of the optimizer and its learning rate, one function each."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from gradus.diagnosis.record import Record
from gradus.diagnosis.recording import CLIPS
from gradus.doctor.candidate import Candidate, Change
from gradus.doctor.network_edits import code, has_attention, same
from gradus.doctor.remedy import Remedy
from gradus.optim import optimizers
from gradus.optim.base import Optimizer
from gradus.optim.optimizers import Adam
from gradus.optim.schedules import Schedule, WarmUp

RATES = ("learning_rate", "initial_learning_rate", "maximum", "target", "final", "minimum")
NOMINAL = ("target", "initial_learning_rate", "maximum", "learning_rate")  # of schedules
WARMED = 0.1  # of the steps


def rate_times(factor: float) -> Remedy:
    """Return the remedy of another learning rate."""

    def apply(candidate: Candidate, record: Record) -> Candidate:
        optimizer = optimizers.get(candidate.settings["optimizer"])
        rate = scaled_rate(optimizer.learning_rate, factor)
        before = _nominal_rate(optimizer, record)
        return _with_optimizer(candidate, optimizer, before * factor, learning_rate=rate)

    return Remedy(f"learning rate × {factor:g}", "rate-high" if factor < 1 else "rate-low", apply)


def usual_rate(raised: bool) -> Remedy:
    """Return the remedy of the rate that the optimizer has by default.

    It proves a rate to be too low, or too high: these are two remedies, each for one of the two.

    Args:
        raised: whether it applies to lower rates; else to higher ones.
    """

    def apply(candidate: Candidate, record: Record) -> Candidate:
        optimizer = optimizers.get(candidate.settings["optimizer"])
        field = next(f for f in dataclasses.fields(optimizer) if f.name == "learning_rate")
        usual = field.default if isinstance(field.default, float) else 0.01
        rate = _nominal_rate(optimizer, record)
        if rate == usual or (rate < usual) != raised:
            return candidate
        return _with_optimizer(candidate, optimizer, usual, learning_rate=usual)

    return Remedy("the optimizer's usual rate", "rate-low" if raised else "rate-high", apply)


def usual_settings(candidate: Candidate, record: Record) -> Candidate:
    """Give the optimizer the ε that it has by default, and let it clip nothing."""
    optimizer = optimizers.get(candidate.settings["optimizer"])
    usual: dict[str, Any] = {
        field.name: field.default
        for field in dataclasses.fields(optimizer)
        if field.name in ("epsilon", *CLIPS)
        and not same(getattr(optimizer, field.name), field.default)
    }
    changes = [
        Change(
            *(f"optimizer.{name}", code(getattr(optimizer, name)), code(value)),
            *(() if value is None else (f"optimizer.{name}", value)),
        )
        for name, value in usual.items()
    ]
    if not changes:
        return candidate
    return candidate.with_settings(*changes, optimizer=dataclasses.replace(optimizer, **usual))


def adam(candidate: Candidate, record: Record) -> Candidate:
    """Use Adam at its default rate."""
    before = optimizers.get(candidate.settings["optimizer"])
    after = optimizers.get("adam")
    if type(before) is type(after):
        return candidate
    # The rate is written, too: a run would else choose its own.
    named = {"name": "adam", "learning_rate": after.learning_rate}
    change = Change("optimizer", code(before), "Adam()", "optimizer", named)
    ended = _ended_schedule(before, after)
    return candidate.with_settings(change, *ended, optimizer=after)


def warm_up(candidate: Candidate, record: Record) -> Candidate:
    """Raise the rate of a network with attention from 0 over the first tenth of its steps."""
    optimizer = optimizers.get(candidate.settings["optimizer"])
    rate = candidate_rate(optimizer)
    if isinstance(rate, Schedule) or not has_attention(candidate.settings["net"]):
        return candidate
    batch = candidate.fit["batch_size"] or candidate.data.count
    steps = math.ceil(WARMED * candidate.fit["epochs"] * math.ceil(candidate.data.count / batch))
    after = f"WarmUp({steps}, {code(rate)})"
    change = Change("optimizer.learning_rate", code(rate), after)
    rising = dataclasses.replace(optimizer, learning_rate=WarmUp(steps, rate))
    return candidate.with_settings(change, optimizer=rising)


def adam_w(candidate: Candidate, record: Record) -> Candidate:
    """Let the weights of a network with attention decay, under Adam."""
    before = optimizers.get(candidate.settings["optimizer"])
    after = optimizers.get("adamw")
    if before.weight_decay is not None or not has_attention(candidate.settings["net"]):
        return candidate
    if isinstance(before, Adam):  # which may have a rate and a schedule that suit
        after = dataclasses.replace(after, learning_rate=before.learning_rate)
    change = Change("optimizer", code(before), code(after), "optimizer", {"name": "adamw"})
    return candidate.with_settings(change, optimizer=after)


def clipping(candidate: Candidate, record: Record) -> Candidate:
    """Clip the norm of all gradients together at 1."""
    optimizer = optimizers.get(candidate.settings["optimizer"])
    if optimizer.global_clipnorm is not None:
        return candidate
    change = Change("optimizer.global_clipnorm", "None", "1.0", "optimizer.global_clipnorm", 1.0)
    clipped = dataclasses.replace(optimizer, global_clipnorm=1.0)
    return candidate.with_settings(change, optimizer=clipped)


def with_schedule_to_its_end(after: Candidate, before: Candidate) -> Candidate:
    """Let a schedule that ends with a training also end with one of another number of steps.

    `gradus train` makes such schedules, by the steps that it takes: what it is told of the training
    after is the training that was tried.

    Args:
        after: the training with another batch size, or other epochs.
        before: the training without it.
    """
    optimizer = optimizers.get(after.settings["optimizer"])
    rate = optimizer.learning_rate
    (steps, epochs), (old_steps, old_epochs) = _length(after), _length(before)
    warmed = int(rate.steps) if isinstance(rate, WarmUp) else 0
    warm = int(warmed * steps / old_steps)
    ending = _ending(rate, old_steps * old_epochs - warmed, steps * epochs - warm)
    if ending is rate:
        return after
    if isinstance(ending, WarmUp):
        ending = dataclasses.replace(ending, steps=warm)
    change = Change("optimizer.learning_rate", code(rate), code(ending))
    changed = dataclasses.replace(optimizer, learning_rate=ending)
    return after.with_settings(change, optimizer=changed)


def _length(candidate: Candidate) -> tuple[int, int]:
    """Return the steps of an epoch, and the epochs."""
    batch = candidate.fit["batch_size"] or candidate.data.count
    return math.ceil(candidate.data.count / batch), candidate.fit["epochs"]


def _ending(rate: Any, before: float, after: float) -> Any:
    """Return a schedule of so many steps with as many as after; any other one as it is."""
    if isinstance(rate, WarmUp):
        then = _ending(rate.then, before, after)
        return rate if then is rate.then else dataclasses.replace(rate, then=then)
    for name in ("decay_steps", "total_steps"):
        if getattr(rate, name, None) == before:
            return dataclasses.replace(rate, **{name: after})
    return rate


def scaled_rate(rate: Any, factor: float) -> Any:
    """Return a learning rate, or a schedule of it, times a factor."""
    if not isinstance(rate, Schedule) or not dataclasses.is_dataclass(rate):
        return rate * factor
    changed = {
        field.name: scaled_rate(getattr(rate, field.name), factor)
        for field in dataclasses.fields(rate)
        if field.name in (*RATES, "then")
        and isinstance(getattr(rate, field.name), int | float | Schedule)
    }
    return dataclasses.replace(rate, **changed)


def _with_optimizer(
    candidate: Candidate, optimizer: Optimizer, rate: float, **fields: Any
) -> Candidate:
    before = candidate_rate(optimizer)
    after = dataclasses.replace(optimizer, **fields)
    change = Change(
        "optimizer.learning_rate",
        code(before),
        code(candidate_rate(after)),
        "optimizer.learning_rate",
        float(f"{rate:.6g}"),
    )
    return candidate.with_settings(change, *_ended_schedule(optimizer, after), optimizer=after)


def _ended_schedule(before: Optimizer, after: Optimizer) -> list[Change]:
    """Return the setting of a run whose schedule is gone, which the change of the rate shows."""
    if not isinstance(before.learning_rate, Schedule) or isinstance(after.learning_rate, Schedule):
        return []
    return [Change("schedule", "", "", "schedule", {"name": "none"})]


def _nominal_rate(optimizer: Optimizer, record: Record) -> float:
    """Return the learning rate, or the number for it that a schedule takes."""
    rate = optimizer.learning_rate
    if not isinstance(rate, Schedule):
        return float(rate)
    given = [getattr(rate, name) for name in NOMINAL if hasattr(rate, name)]
    if given:
        return float(given[0])
    return record.settings.learning_rate if record.settings is not None else math.inf


def candidate_rate(optimizer: Optimizer) -> Any:
    """Return the learning rate of an optimizer: a number, or its schedule."""
    rate = optimizer.learning_rate
    return rate if isinstance(rate, Schedule) else float(rate)
