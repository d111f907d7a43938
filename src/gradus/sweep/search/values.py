"""The values of a trial from fractions of its spaces, for its active hyperparameters only."""

from __future__ import annotations

from collections.abc import Mapping

from gradus.hyperparameters import Hyperparameter, is_active
from gradus.space import Value


def values_at(
    hypers: Mapping[str, Hyperparameter], fractions: Mapping[str, float]
) -> dict[str, Value]:
    """Return the values of the active hyperparameters at fractions of their spaces."""
    values: dict[str, Value] = {}
    for name, hyper in hypers.items():
        if is_active(hypers, values, name):
            values[name] = hyper.space.value_at(fractions[name])
    return values


def values_activating(
    hypers: Mapping[str, Hyperparameter], fractions: Mapping[str, float]
) -> dict[str, Value]:
    """Return the values at some fractions; the other hyperparameters get their first value.

    A hyperparameter with a fraction above 0 is active: the choices it depends on select its option.
    """
    targets = {**dict.fromkeys(hypers, 0.0), **fractions}
    for name in [name for name, fraction in fractions.items() if fraction > 0]:
        hyper = hypers[name]
        while hyper.parent:
            parent = hypers[hyper.parent]
            targets[parent.name] = (hyper.option + 0.5) / (parent.space.size or 1)
            hyper = parent
    return values_at(hypers, targets)
