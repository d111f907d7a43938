"""The packages that only some sweeps need: imported when they are, and kept quiet."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Iterator
from typing import Any

from gradus.errors import GradusError


def import_optional(name: str, use: str, extra: str = "search") -> Any:
    """Return a package that not every installation has.

    Args:
        name: of the package.
        use: what needs it, for the error.
        extra: with which of gradus's extras it is installed.

    Raises:
        GradusError: if it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise GradusError(
            f"{use} needs the package {name}, which is not installed: write "
            f"pip install 'gradus[{extra}]'."
        ) from None


@contextlib.contextmanager
def quiet_optuna(optuna: Any) -> Iterator[None]:
    """Keep Optuna from logging, and from warning that a part of it is experimental."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
