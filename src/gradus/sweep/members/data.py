"""The samples of a sweep: the same for all trials, or as their hyperparameters say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from gradus.data.splitting.splits import k_folds
from gradus.errors import DataError, GradusError, unknown
from gradus.foreign_names.arguments import explain_arguments
from gradus.hyperparameters import Hyperparameter, is_active, resolve, space_locations
from gradus.models.inputs.streamed_data import data_to_fit
from gradus.models.inputs.training_data import (
    TrainingData,
    make_training_data,
    validation_share,
)
from gradus.space import Choice, Space, Value
from gradus.sweep.members.fold import Fold
from gradus.sweep.search.values import values_activating

# The arguments of `fit` that make samples.
DATA_ARGUMENTS = ("x", "y", "sample_weight", "class_weight", "validation_data")


@dataclasses.dataclass(frozen=True)
class PreparedInputs:
    """Inputs that a function makes from settings; see `prepared`.

    Attributes:
        make: the function.
        settings: its arguments, which may contain spaces.
    """

    make: Callable[..., Mapping[str, Any]]
    settings: Mapping[str, Any]

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `fit` that the function makes.

        Raises:
            GradusError: if it returns something else.
        """
        result = self.make(**self.settings)
        function = getattr(self.make, "__name__", "the function")
        if not isinstance(result, Mapping) or "x" not in result:
            raise GradusError(
                f"prepared({function}, …): {function} returned {type(result).__name__}. Return a "
                "dict with x, and with y, sample_weight, class_weight or validation_data if they "
                "depend on its settings."
            )
        for name in result:
            if name not in DATA_ARGUMENTS:
                raise unknown(f"argument of fit that {function} may return", name, DATA_ARGUMENTS)
        return dict(result)


@explain_arguments
def prepared(make: Callable[..., Mapping[str, Any]], **settings: Any) -> Any:
    """Return inputs for `Sweep.fit` that a function makes from hyperparameters.

    Args:
        make: returns a dict of arguments of `fit`: x, and y, sample_weight, class_weight or
            validation_data if they depend on the settings. It is called once for each of its
            settings that a trial has.
        settings: its arguments, with spaces.

    Examples:
        >>> x = np.linspace(-1, 1, 32, dtype="float32")
        >>> def powers(degree):
        ...     return {"x": np.stack([x**k for k in range(1, degree + 1)], 1)}
        >>> model = gr.Model(gr.Dense(1), "mse", gr.SGD(0.5))
        >>> sweep = gr.Sweep(model, search="grid")
        >>> inputs = gr.prepared(powers, degree=gr.choice(1, 2))
        >>> sweep.fit(inputs, x[:, None] ** 2, epochs=50, verbose=False).best_settings
        {'x.degree': 2}
    """
    return PreparedInputs(make, settings)


@dataclasses.dataclass(frozen=True)
class SharedOrder:
    """How rows that are read in parts come in batches, the same ones for all trials.

    Attributes:
        batch_size: rows of a batch.
        shuffle_seed: of their order.
        shuffle: whether each epoch has an order of its own.
    """

    batch_size: int
    shuffle_seed: int
    shuffle: bool

    def read(self, data: Mapping[str, Any], share: float, seed: int) -> TrainingData:
        """Return what members are trained on.

        Args:
            data: the arguments of `fit` in `DATA_ARGUMENTS`.
            share: of the rows, to hold out for validation; 0 for none.
            seed: by which they are held out.
        """
        rows = data["x"]
        if share:
            rows, held_out = rows.hold_out(validation_share(share), seed)
            data = {**data, "validation_data": held_out}
        samples, _ = data_to_fit(
            **{**data, "x": rows},
            **dataclasses.asdict(self),
            first_epoch=0,
            full_batch=False,
            epochs=1,
            steps_per_epoch=None,
            needs_arrays={},
            validation_split=None,
        )
        return samples


class SweepData:
    """The samples of all trials, each put on the device once, when a trial first needs it.

    Args:
        data: the arguments of `fit` in `DATA_ARGUMENTS`, with spaces.
        hypers: the hyperparameters of the sweep.
        validation_split: the fraction held out if there are no validation data.
        cv: the number of folds; None for a single validation set.
        seed: the seed of the hold-out.
        groups: of each row the group that stays in one fold, or None.
        times: of each row a time, before which the rows are that a fold is trained on, or None.
        order: of rows that are read in parts; else None.

    Attributes:
        names: the hyperparameters that decide the samples.
        fold_count: the number of folds.

    Raises:
        GradusError: for a continuous range, which would make new samples for every trial.
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        hypers: Mapping[str, Hyperparameter],
        validation_split: float,
        cv: int | None,
        seed: int,
        groups: Any = None,
        times: Any = None,
        order: SharedOrder | None = None,
    ) -> None:
        self.data, self.hypers = data, hypers
        self.validation_split, self.cv, self.seed = validation_split, cv, seed
        self.groups, self.times, self.order = groups, times, order
        for name, given in (("groups", groups), ("times", times)):
            if given is not None and not cv:
                raise GradusError(
                    f"{name} are those of folds: write Sweep(…, cv=5), or leave them out."
                )
        spaces = [location.space for location in space_locations(data)]
        self.names = [name for name, hyper in hypers.items() if _is_among(hyper.space, spaces)]
        self.fold_count = cv or 1
        self._samples: dict[Any, TrainingData] = {}
        self._folds: dict[Any, list[Fold]] = {}
        for name in self.names:
            if hypers[name].space.size is None:
                raise GradusError(
                    f"{name} = {hypers[name].space!r} would make new samples for every trial: "
                    "write a choice or a linspace."
                )

    def __reduce__(self) -> Any:
        """Pickle the arguments only, nothing on a device."""
        held_out = self.validation_split, self.cv, self.seed, self.groups, self.times, self.order
        return SweepData, (self.data, self.hypers, *held_out)

    def key(self, values: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
        """Return a key that trials with the same samples share."""
        active = [name for name in self.names if is_active(self.hypers, values, name)]
        return tuple((name, values[name]) for name in active)

    def data_for(self, values: Mapping[str, Value]) -> TrainingData:
        """Return the samples for some values, in host memory.

        Raises:
            DataError: for data that cannot be trained on.
            GradusError: for invalid weights or an invalid validation split.
        """
        key = self.key(values)
        if key not in self._samples:
            data = resolve(self.data, self.hypers, values) if self.names else dict(self.data)
            if isinstance(data["x"], PreparedInputs):
                data |= data["x"].arguments()
            keep_all = data["validation_data"] is not None or self.cv
            split = 0.0 if keep_all else self.validation_split
            if self.order is not None:
                self._samples[key] = self.order.read(data, split, self.seed)
                return self._samples[key]
            self._samples[key] = make_training_data(
                **data, validation_split=split, shuffle_seed=self.seed
            )
        return self._samples[key]

    def folds(self, values: Mapping[str, Value]) -> list[Fold]:
        """Return the folds that the members of a trial are trained on.

        Raises:
            GradusError: as `data_for`.
        """
        key = self.key(values)
        if key not in self._folds:
            self._folds[key] = self._make_folds(self.data_for(values))
        return self._folds[key]

    def variants(self) -> dict[str, TrainingData | str]:
        """Return the samples for each option of each choice, the other ones at their first value.

        A range of whole numbers is represented by its ends. The keys name the options; the value is
        the error message if the samples cannot be made.
        """
        variants = {"": self._data_or_error({})}
        for name in self.names:
            space = self.hypers[name].space
            size = space.size or 1
            for index in range(1, size) if isinstance(space, Choice) else {0, size - 1} - {0}:
                fraction = (index + 0.5) / size
                key = f" with {name} = {space.label(space.value_at(fraction))}"
                key += f" ({index})" * (key in variants)
                variants[key] = self._data_or_error({name: fraction})
        return variants

    def _data_or_error(self, fractions: Mapping[str, float]) -> TrainingData | str:
        try:
            return self.data_for(values_activating(self.hypers, fractions))
        except GradusError as error:
            return str(error)

    def _make_folds(self, data: TrainingData) -> list[Fold]:
        first = Fold.create(data)
        if self.cv is None:
            return [first]
        if data.validation is not None:
            raise GradusError("cv validates on each fold in turn: leave out validation_data.")
        y = data.samples.y
        count = len(jax.tree.leaves(data.samples.x)[0])
        if self.cv > count:
            raise DataError(
                f"cv={self.cv} is more folds than the {count} rows of x: write a "
                f"whole number from 2 to {count}."
            )
        rows = y if isinstance(y, np.ndarray | dict) else count
        pairs = k_folds(rows, self.cv, self.seed, groups=self.groups, times=self.times)
        return [first.with_rows(rows, held, k) for k, (rows, held) in enumerate(pairs)]


def _is_among(space: Space, spaces: list[Space]) -> bool:
    """Return whether a space is among some, by identity or by name."""
    return any(other is space or (other.name or "") == space.name for other in spaces)
