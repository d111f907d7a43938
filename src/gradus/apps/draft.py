"""Models as an experiment's settings say, where the settings may hold spaces."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gradus import space
from gradus.apps import defaults
from gradus.apps.build import build
from gradus.apps.defaults import Facts
from gradus.apps.spaces import flat
from gradus.apps.spec import Experiment, Named, checked
from gradus.data import Target
from gradus.models.model import Model
from gradus.nn.layer import Layer
from gradus.space import Choice, Hyper


@dataclass(frozen=True)
class Plan:
    """What all trials of a sweep share, and how one's settings become an experiment.

    Attributes:
        facts: of the data, by which open settings are chosen.
        target: what is learnt.
        entry: the layers before the first hidden one.
        rows: that a trial is trained on.
    """

    facts: Facts
    target: Target
    entry: list[Layer]
    rows: int

    def experiment(self, settled: Mapping[str, Any], where: str = "The experiment") -> Experiment:
        """Return the complete experiment of settings without spaces.

        Args:
            settled: the settings.
            where: their file, for messages.

        Raises:
            SpecError: for settings that cannot be.
        """
        return defaults.complete(checked(flat(settled), where), self.facts)

    def model(self, settled: Mapping[str, Any], where: str = "The experiment") -> Model:
        """Return the model that is trained with settings, as `gradus train` would make it."""
        chosen = self.experiment(settled, where)
        batch = chosen.training.batch_size
        steps = 1 if batch in ("all", None) else math.ceil(self.rows / int(str(batch)))
        return build(chosen, self.target, self.entry, steps)


class Draft(Model):
    """A model as settings say; one whose settings hold spaces is for `Sweep`.

    What depends on several settings (an initialiser on the activation, a schedule's length on the
    epochs) is chosen when all are known, as in a training alone.

    Args:
        plan: what all trials share.
        settings: of an experiment, from `spaces.parse`.
        seed: of the weights, dropout and noise.
    """

    def __init__(self, plan: Plan, settings: Named, seed: Any = 0) -> None:
        given = {"plan": plan, "settings": settings, "seed": seed}
        if space.find(given):
            super().__init__(space.choice(None), "mse")  # the network and the loss are still open
            self.settings, self.spaces = given, space.find(given)
        else:
            super().__init__(**{**plan.model(settings).settings, "seed": seed})


def check(plan: Plan, settings: Named, where: str) -> None:
    """Make a model at each end of every space, so that what cannot be is said before any training.

    Raises:
        SpecError: for settings that cannot be.
    """
    hypers = space.find(settings)
    for name, hyper in hypers.items():
        for share in _ends(hyper):
            settled = at(settings, hypers, {**dict.fromkeys(hypers, 0.0), name: share})
            plan.model(settled, where)


def at(settings: Named, hypers: Mapping[str, Hyper], shares: Mapping[str, float]) -> Named:
    """Return settings with the values at some shares of their spaces.

    A hyperparameter counts in this, with what it depends on, if its share is above 0.
    """
    from gradus.sweep.trial import drawn

    wanted = dict(shares)
    for name in [name for name, share in shares.items() if share > 0]:
        hyper = hypers[name]
        while hyper.parent:
            parent = hypers[hyper.parent]
            wanted[parent.name] = (hyper.option + 0.5) / (parent.space.size or 1)
            hyper = parent
    settled: Named = space.settle(settings, hypers, drawn(hypers, wanted))
    return settled


def _ends(hyper: Hyper) -> list[float]:
    """Return the shares of a space that are tried: of a choice all options, of a range its ends."""
    if isinstance(hyper.space, Choice):
        size = len(hyper.space.options)
        return [(place + 0.5) / size for place in range(size)]
    return [1e-12, 1 - 1e-12]
