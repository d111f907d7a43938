"""Functions that are called in each epoch for its batches, and other ones, told apart."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gradus.errors import DataError


def batch_function(function: Callable[..., Any], name: str) -> Callable[[], Iterator[Any]]:
    """Return what begins an epoch, of a function that returns what to iterate over.

    Args:
        function: called without arguments.
        name: what errors call it: "x".

    Raises:
        DataError: if it needs arguments; when it is called, if it returns something else.
    """
    _check_takes_nothing(function, name)

    def start() -> Iterator[Any]:
        made = _called(function, name)
        if not isinstance(made, Iterable):
            raise DataError(
                f"{name} is a function that returned {made!r:.40}: it must return "
                "something to iterate over, each time from the beginning."
            )
        return iter(made)

    return start


def _called(function: Callable[[], Any], name: str) -> Any:
    """Return what a function returns; one written in C may tell only now that it needs more."""
    try:
        return function()
    except TypeError as error:
        if not inspect.isbuiltin(function):
            raise
        raise DataError(
            f"{name} is the function {function.__name__}, which is called without arguments in "
            f"each epoch: {error}."
        ) from None


def _check_takes_nothing(function: Callable[..., Any], name: str) -> None:
    """Refuse a function that cannot be called without arguments.

    Raises:
        DataError: naming them.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some of those written in C tell nothing
        return
    kinds = inspect.Parameter
    needed = [
        parameter.name
        for parameter in parameters
        if parameter.default is kinds.empty
        and parameter.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
    ]
    if needed:
        raise DataError(
            f"{name} is a function that needs {', '.join(needed)}: it is called without arguments "
            f"in each epoch: write lambda: function({', '.join(f'{n}=…' for n in needed)})."
        )
