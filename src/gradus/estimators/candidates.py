"""The candidates of a search, drawn from scikit-learn's distributions and gradus's spaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sklearn.model_selection import ParameterSampler
from sklearn.utils import check_random_state

from gradus.checks import whole_number
from gradus.errors import GradusError
from gradus.estimators.settings import unknown_parameter
from gradus.hyperparameters import find_hyperparameters, has_spaces, resolve
from gradus.space import Choice
from gradus.sweep.search.values import values_at


class SpaceDistribution:
    """The values of a space, or of settings with spaces in them, as a distribution of SciPy's kind.

    Args:
        value: the space, or settings such as `SGD(momentum=gr.uniform(0, 0.9))`.
    """

    def __init__(self, value: Any) -> None:
        self.value, self.hypers = value, find_hyperparameters(value)

    def rvs(self, random_state: Any = None) -> Any:
        """Return a random value."""
        rng = check_random_state(random_state)
        values = values_at(self.hypers, {name: rng.uniform() for name in self.hypers})
        return resolve(self.value, self.hypers, values)


def draw_candidates(
    distributions: Any, known: Iterable[str], n_iter: Any, random_state: Any, owner: str
) -> list[dict[str, Any]]:
    """Return the parameters of the candidates.

    Args:
        distributions: a dict from the names of parameters to lists, distributions with `rvs`, or
            spaces; or a list of such dicts.
        known: the names of the parameters.
        n_iter: how many candidates; fewer if lists have fewer combinations, with a warning.
        random_state: of the draws.
        owner: the class of the estimator, for errors.

    Raises:
        GradusError: for an unknown name, or what is none of these.
    """
    given = [distributions] if isinstance(distributions, Mapping) else distributions
    if not isinstance(given, list | tuple) or not all(isinstance(one, Mapping) for one in given):
        raise GradusError(
            f"param_distributions={distributions!r}: write a dict from parameters to what is "
            'tried, such as {"learning_rate": gr.log_uniform(1e-4, 1e-1)}.'
        )
    names = list(known)
    spaces = [
        {name: _distribution(name, value, names, owner) for name, value in one.items()}
        for one in given
    ]
    if random_state is not None and not isinstance(random_state, np.random.RandomState):
        random_state = whole_number("random_state", random_state, 0, "SearchCV") % 2**32
    count = whole_number("n_iter", n_iter, 1, "SearchCV")
    return list(ParameterSampler(spaces, count, random_state=random_state))


def _distribution(name: str, value: Any, known: list[str], owner: str) -> Any:
    """Return what `ParameterSampler` draws a parameter from."""
    if name not in known:
        raise unknown_parameter(owner, name, known)
    if isinstance(value, Choice) and not has_spaces(list(value.options)):
        return list(value.options)  # which are drawn without repeating a candidate
    if has_spaces(value) and not isinstance(value, list | tuple):
        return SpaceDistribution(value)
    is_text = isinstance(value, str)
    if not hasattr(value, "rvs") and (is_text or not hasattr(value, "__len__") or not len(value)):
        raise GradusError(
            f"param_distributions: {name}={value!r}: write a list of values, a distribution of "
            "scipy.stats, or a space such as gr.uniform(0, 0.5)."
        )
    return value
