"""Several target columns: one regression, labels of which a row may have any, or a task of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data.columns.conversions import is_constant, to_numbers
from gradus.data.columns.labels import (
    infer_task,
    is_flags,
    is_numbers,
    regression_notes,
    regression_targets,
)
from gradus.data.tables import Table
from gradus.data.targets.target import Target
from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl

Classes = Mapping[str, Sequence[str]]
"""The classes of each of several targets; none of those that are numbers."""


@dataclass(frozen=True)
class SeveralTargets:
    """Several target columns of a table.

    Attributes:
        table: the rows that have them all, classes as they are spelled.
        task: "regression", "multilabel", or "multitask".
        notes: observations, in sentences.
        names: of the columns.
        tasks: of a "multitask", the task of each; None for one to infer.
        classes: of a "multitask", those of each that are known.
    """

    table: Table
    task: str
    notes: tuple[str, ...]
    names: tuple[str, ...]
    tasks: Mapping[str, str | None]
    classes: Classes

    @classmethod
    def of(
        cls,
        table: Table,
        names: Sequence[str],
        task: str | None = None,
        classes: Classes | Sequence[str] = (),
    ) -> SeveralTargets:
        """Return the columns, and what they are.

        Columns of 0 and 1 are labels, and others that are all numbers are one regression. Otherwise
        each has a task of its own.

        Args:
            table: with the columns.
            names: of the columns.
            task: as in `Target.fit`; "multitask" if each is to have a task of its own.
            classes: of each target, if the rows may lack some; empty for numbers.

        Raises:
            DataError: for a column that is empty, or not of the task.
        """
        known = classes if isinstance(classes, Mapping) else {}
        kind = _kind([table.frame[name] for name in names], task)
        tasks: dict[str, str | None] = {}
        if kind == "multitask":
            tasks = {name: _task_of(table, name, task, known) for name in names}
            for name, own in tasks.items():
                table = table.with_labels(name, own, known.get(name, ()))
        notes: list[str] = []
        for name in names:
            table, dropped = table.with_target(name)
            notes += dropped
        if kind == "regression" and task is None:
            notes += [
                f"the target {name!r} has {table.frame[name].n_unique()} different numbers, taken "
                "as a regression, as the others are; if they are classes, write task='multitask'"
                for name in names
                if infer_task(table.frame[name]) == "classification"
            ]
        return cls(table, kind, tuple(notes), tuple(names), tasks, known)

    @property
    def columns(self) -> list[pl.Series]:
        """The columns."""
        return [self.table.frame[name] for name in self.names]

    def fit(self) -> Target:
        """Return what is learned of the columns.

        Raises:
            DataError: for a column that cannot be a target, such as one that is always the same.
        """
        joined = ", ".join(self.names)
        if self.task == "multitask":
            parts = tuple(self._fit_one(name) for name in self.names)
            return Target(joined, self.task, columns=self.names, parts=parts)
        values = _numbers(self.columns)
        for name, constant, value in zip(
            self.names, is_constant(values, axis=0), values[0], strict=True
        ):
            if constant:
                raise DataError(
                    f"The target {name!r} is always {value:g}: nothing to learn. Leave it out."
                )
        if self.task == "multilabel":
            return Target(joined, self.task, self.names, columns=self.names)
        return replace(Target.from_outputs(values, joined), columns=self.names)

    def values(self) -> tuple[Any, Any]:
        """Return the targets and the names of their classes, as of a `Dataset`.

        Numbers may all be the same, as those of one row to evaluate.

        Raises:
            DataError: for classes that are none.
        """
        if self.task == "multilabel":
            return _numbers(self.columns).astype(np.int32), self.names
        if self.task == "regression":
            return _numbers(self.columns), ()
        found = {name: self._values_of(name) for name in self.names}
        return {n: y for n, (y, _) in found.items()}, {n: known for n, (_, known) in found.items()}

    def class_notes(self) -> list[str]:
        """Return notes on numbers that may be classes, and on names of classes."""
        if self.task != "multitask":
            return []
        notes = []
        for name, known in self.values()[1].items():
            column = self.table.frame[name]
            if known:
                notes += Target(name, "multiclass", known).class_name_notes()
            elif self.tasks[name] is None:
                notes += regression_notes(regression_targets(column), name)
        return notes

    def _fit_one(self, name: str) -> Target:
        classes, levels = self.classes.get(name, ()), self.table.format_of(name).levels
        return Target.fit_column(self.table.frame[name], self.tasks[name], classes, levels)

    def _values_of(self, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return the numbers or labels of a column, and its classes."""
        column = self.table.frame[name]
        if self.tasks[name] == "regression":
            return regression_targets(column), ()
        fitted = self._fit_one(name)
        if fitted.task == "regression":
            return regression_targets(column), ()
        return fitted.transform_column(column), fitted.class_names


def _kind(columns: Sequence[pl.Series], task: str | None) -> str:
    """Return "multilabel", "regression", or "multitask".

    Raises:
        DataError: for columns that are not of the task.
    """
    names = ", ".join(repr(column.name) for column in columns)
    flags = [column.name for column in columns if is_flags(column)]
    others = [column.name for column in columns if not is_numbers(column)]
    if task == "multitask":
        return task
    if task == "regression":
        if others:
            raise DataError(
                f"Of the targets {names}, {others[0]!r} is not numbers, so they cannot be a "
                f"regression: leave out task={task!r}, and each has a task of its own."
            )
        return task
    if len(flags) == len(columns):
        return "multilabel"
    if task == "multilabel":
        other = next(column.name for column in columns if column.name not in flags)
        raise DataError(
            f"Of the targets {names}, {other!r} has other values than 0 and 1, so they are no "
            f"labels of a row: leave out task={task!r}, and each has a task of its own."
        )
    return "regression" if task is None and not others and not flags else "multitask"


def _task_of(table: Table, name: str, task: str | None, classes: Classes) -> str | None:
    """Return the task of one of several targets, as `Target.fit_column` takes it."""
    if name in classes:
        return None if classes[name] else "regression"
    told = table.options.format_of(name).kind
    if told in ("number", "category"):
        return "regression" if told == "number" else "classification"
    return None if task == "multitask" else task


def _numbers(columns: Sequence[pl.Series]) -> np.ndarray:
    return np.stack([to_numbers(column) for column in columns], axis=1)
