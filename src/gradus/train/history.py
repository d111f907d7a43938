"""The record of a training: numbers by epoch, and layer statistics in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.drawing.notebook import records_table
from gradus.errors import counted
from gradus.foreign_names.attributes import refuse_attribute
from gradus.train.layer_statistics import unpack_statistics

if TYPE_CHECKING:
    from jaxtyping import PyTree, Shaped


class History(Mapping[str, np.ndarray]):
    """The record of a training, a mapping from names to arrays with one entry for each epoch.

    `history["val_loss"]` is an array of shape `(epochs,)`. The layer statistics are in `probes`:
    arrays of shape `(epochs, segments, layers)` or `(epochs, segments, weights)`, NaN where nothing
    was recorded; `layers` and `weights` are the paths along their last axes. The loss of each
    segment, `(epochs, segments)`, is `probes["loss"]`.

    Attributes:
        layers: paths of the layers with statistics.
        weights: paths of the trained weights.
        probes: the layer statistics by name: those of `train/layer_statistics.py`, and "loss".
        seconds: wall time of each call of the training program.
        compile_seconds: wall time of compiling it, or of reading it from the compilation cache.
        stopped: why training ended early: "patience", "target", "diverged", "interrupted",
            "callback", or "fault"; else "".
        best_epoch: the epoch, counted from 1, whose weights are kept; 0 if none was chosen.
        notes: messages to the user, in sentences.
        findings: what was found to be wrong, a `gradus.diagnosis.findings.Diagnosis`: before the
            training, and after it what the training showed; None before the first one.
    """

    if not TYPE_CHECKING:  # for mypy an unknown attribute stays a fault
        __getattr__ = refuse_attribute

    def __init__(self, layers: list[str] | None = None, weights: list[str] | None = None) -> None:
        self.layers = layers or []
        self.weights = weights or []
        self.probes: dict[str, np.ndarray] = {}
        self.seconds: list[float] = []
        self.compile_seconds = 0.0
        self.stopped = ""
        self.best_epoch = 0
        self.notes: list[str] = []
        self.findings: Any = None
        self._values: dict[str, np.ndarray] = {}

    def add_note(self, note: str) -> None:
        """Add a message to the user, once."""
        if note not in self.notes:
            self.notes.append(note)

    def extend(
        self, logs: Mapping[str, PyTree[Shaped[np.ndarray, "call ..."]]], epochs: int
    ) -> None:
        """Add the first `epochs` entries of the logs of one call of the training program.

        A number that only some calls have is NaN in the others.
        """
        before = self.epochs
        new = {name: np.asarray(values)[:epochs] for name, values in logs.items()}
        statistics: dict[str, np.ndarray] = {}
        if "probes" in new:
            vectors = new.pop("probes")
            statistics = unpack_statistics(vectors, len(self.layers), len(self.weights))
            statistics["loss"] = new.pop("segment_loss")
        self.probes = _concatenate(self.probes, statistics, before, epochs)
        self._values = _concatenate(self._values, new, before, epochs)

    def last(self) -> dict[str, float]:
        """Return the numbers of the last epoch, without arrays such as a confusion matrix."""
        return {name: float(values[-1]) for name, values in self.items() if values.ndim == 1}

    def frame(self) -> Any:
        """Return a Polars data frame with a row for each epoch."""
        import polars

        columns = {name: values for name, values in self.items() if values.ndim == 1}
        return polars.DataFrame({"epoch": np.arange(1, self.epochs + 1), **columns})

    @property
    def epochs(self) -> int:
        """How many epochs are recorded."""
        return len(next(iter(self._values.values()))) if self._values else 0

    def __getitem__(self, name: str) -> Shaped[np.ndarray, "epochs ..."]:
        from gradus.errors import unknown

        if name not in self._values:
            raise unknown("history entry", name, self._values) from None
        return self._values[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return the entry of a name, or `default` where there is none."""
        return self._values.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        if not self._values:
            return "History(no epochs yet)"
        shown = ", ".join(f"{name}={value:.4g}" for name, value in self.last().items())
        return f"History({counted(self.epochs, 'epoch')}; last: {shown})"

    def _repr_html_(self) -> str:
        """Return for a notebook the first, the best, and the last epoch."""
        rows = self.frame().to_dicts()
        shown = sorted({1, self.best_epoch or 1, self.epochs})
        return records_table([rows[number - 1] for number in shown if rows], repr(self))


def _concatenate(
    old: dict[str, Shaped[np.ndarray, "before ..."]],
    new: dict[str, Shaped[np.ndarray, "after ..."]],
    before: int,
    after: int,
) -> dict[str, Shaped[np.ndarray, "both ..."]]:
    """Join entries of `before` and of `after` epochs along the epochs, NaN where one is missing."""
    both = {}
    for name in [*old, *(name for name in new if name not in old)]:
        parts = [old.get(name), new.get(name)]
        shapes = [part.shape[1:] for part in parts if part is not None]
        shape = tuple(map(max, *shapes)) if len(shapes) > 1 else shapes[0]
        joined = np.full((before + after, *shape), np.nan, np.float32)
        for part, start in zip(parts, (0, before), strict=True):
            if part is not None:
                end = start + len(part)
                joined[(slice(start, end), *(slice(size) for size in part.shape[1:]))] = part
        both[name] = joined
    return both
