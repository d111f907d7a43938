"""The tasks of targets, by their names."""

from __future__ import annotations

from typing import Any

from gradus.checks import is_word
from gradus.errors import DataError, unknown

TASKS = ("binary", "multiclass", "classification", "multilabel", "regression", "multitask")


def check_task(task: Any) -> None:
    """Refuse what is no task, with the nearest."""
    if task is not None and not is_word(task, TASKS):
        raise unknown("task", task, TASKS)


def check_one_column(task: str | None, name: str) -> None:
    """Refuse the tasks of several columns for one."""
    if task in ("multilabel", "multitask"):
        raise DataError(f"task={task!r} is for several columns, but {name!r} is one: leave it out.")
