"""What the trials of a sweep are trained on: the same samples for all, or what their values say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from gradus.data.splits import k_folds
from gradus.errors import DataError, GradusError, unknown
from gradus.hyperparameters import Hyperparameter, is_active, resolve, space_locations
from gradus.models.training_data import TrainingData, make_training_data
from gradus.space import Choice, Space, Value
from gradus.sweep.members.fold import Fold
from gradus.sweep.search.trial import values_reaching

# The arguments of `fit` that make samples.
DATA_ARGUMENTS = ("x", "y", "sample_weight", "class_weight", "validation_data")


@dataclasses.dataclass(frozen=True)
class PreparedInputs:
    """What a function makes of settings; see `prepared`.

    Attributes:
        make: the function.
        settings: its arguments, which may hold spaces.
    """

    make: Callable[..., Mapping[str, Any]]
    settings: Mapping[str, Any]

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `fit` that the function gives.

        Raises:
            GradusError: if it gives something else.
        """
        made = self.make(**self.settings)
        word = getattr(self.make, "__name__", "the function")
        if not isinstance(made, Mapping) or "x" not in made:
            raise GradusError(
                f"prepared({word}, …): {word} gave {type(made).__name__}; it is to return a dict "
                "with x, and with y, sample_weight, class_weight or validation_data where they "
                "depend on its settings."
            )
        for name in made:
            if name not in DATA_ARGUMENTS:
                raise unknown(f"argument of fit that {word} may return", name, DATA_ARGUMENTS)
        return dict(made)


def prepared(make: Callable[..., Mapping[str, Any]], **settings: Any) -> Any:
    """Return what stands in the place of `x` in `Sweep.fit`: inputs that a function makes.

        def scaled(kind):
            learnt = train.preprocessor(scaling=kind)
            return {"x": train.xy(learnt)[0], "validation_data": held.xy(learnt)}

        sweep.fit(gr.prepared(scaled, kind=gr.choice("standard", "minmax")), train.y)

    Args:
        make: returns a dict of `fit`'s arguments x, y, sample_weight, class_weight and
            validation_data, x at least; the others are else those that `fit` is given. It is
            called once for each of its settings that a trial has.
        settings: its arguments, with spaces.
    """
    return PreparedInputs(make, settings)


class SweepData:
    """The samples of each trial, put on the device when the first trial needs them, and once.

    Args:
        data: the arguments of `fit` in `DATA_ARGUMENTS`, with spaces.
        hypers: the hyperparameters of the sweep.
        share: of the samples that is held out where no others are given.
        cv: how many folds each trial is validated on; None for one part held out.
        seed: of what is held out.

    Attributes:
        names: the hyperparameters that decide the samples.
        fold_count: how many folds there are.

    Raises:
        GradusError: for a continuous range, which would make other samples for every trial.
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        hypers: Mapping[str, Hyperparameter],
        share: float,
        cv: int | None,
        seed: int,
    ) -> None:
        self.data, self.hypers = data, hypers
        self.share, self.cv, self.seed = share, cv, seed
        found = [place.space for place in space_locations(data)]
        self.names = [name for name, hyper in hypers.items() if _is_of(hyper.space, found)]
        self.fold_count = cv or 1
        self._samples: dict[Any, TrainingData] = {}
        self._folds: dict[Any, list[Fold]] = {}
        for name in self.names:
            if hypers[name].space.size is None:
                raise GradusError(
                    f"{name} = {hypers[name].space!r} would make other samples for every trial: "
                    "write a choice or a linspace."
                )

    def __reduce__(self) -> Any:
        """What lies on a device does not travel."""
        return SweepData, (self.data, self.hypers, self.share, self.cv, self.seed)

    def key(self, values: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
        """Return what trials have in common that are trained on the same samples."""
        counted = [name for name in self.names if is_active(self.hypers, values, name)]
        return tuple((name, values[name]) for name in counted)

    def data_for(self, values: Mapping[str, Value]) -> TrainingData:
        """Return the samples of some values, in the host's memory.

        Raises:
            DataError: for data that cannot be trained on.
            GradusError: for weights or a share that cannot be.
        """
        key = self.key(values)
        if key not in self._samples:
            data = resolve(self.data, self.hypers, values) if self.names else dict(self.data)
            if isinstance(data["x"], PreparedInputs):
                data |= data["x"].arguments()
            whole = data["validation_data"] is not None or self.cv
            share = 0.0 if whole else self.share
            self._samples[key] = make_training_data(
                **data, validation_split=share, shuffle_seed=self.seed
            )
        return self._samples[key]

    def folds(self, values: Mapping[str, Value]) -> list[Fold]:
        """Return what the members of a trial are trained on.

        Raises:
            GradusError: as `data_for`.
        """
        key = self.key(values)
        if key not in self._folds:
            self._folds[key] = self._make_folds(self.data_for(values))
        return self._folds[key]

    def variants(self) -> dict[str, TrainingData | str]:
        """Return the samples at each option of each choice, the others at their first.

        Of a range of whole numbers its end stands for the rest. The key says in words which option;
        where there are no such samples, the reason stands.
        """
        found = {"": self._data_or_reason({})}
        for name in self.names:
            space = self.hypers[name].space
            size = space.size or 1
            for place in range(1, size) if isinstance(space, Choice) else {0, size - 1} - {0}:
                share = (place + 0.5) / size
                words = f" with {name} = {space.label(space.value_at(share))}"
                words += f" ({place})" * (words in found)
                found[words] = self._data_or_reason({name: share})
        return found

    def _data_or_reason(self, shares: Mapping[str, float]) -> TrainingData | str:
        try:
            return self.data_for(values_reaching(self.hypers, shares))
        except GradusError as error:
            return str(error)

    def _make_folds(self, given: TrainingData) -> list[Fold]:
        first = Fold.create(given)
        if self.cv is None:
            return [first]
        if given.validation is not None:
            raise GradusError("cv validates on each fold in turn: leave out validation_data.")
        y = given.samples.y
        labelled = isinstance(y, np.ndarray) and y.dtype.kind in "iub" and y.ndim == 1
        count = len(jax.tree.leaves(given.samples.x)[0])
        if self.cv > count:
            raise DataError(
                f"cv={self.cv} is more folds than the {count} rows of x: write a "
                f"whole number from 2 to {count}."
            )
        pairs = k_folds(y if labelled else count, self.cv, self.seed)
        return [first.with_rows(rows, held, k) for k, (rows, held) in enumerate(pairs)]


def _is_of(space: Space, found: list[Space]) -> bool:
    """Whether a hyperparameter's space is among some, itself or by its name."""
    return any(one is space or (one.name or "") == space.name for one in found)
