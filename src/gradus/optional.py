"""What pip installs: the name and version of gradus, and the packages of its extras."""

from __future__ import annotations

import contextlib
import functools
import importlib
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from gradus.errors import GradusError

DISTRIBUTION = "gradus-nn"  # on the package index the name gradus belongs to another project


@functools.cache
def installed_version() -> str:
    """Return the version of gradus that is installed."""
    return version(DISTRIBUTION)


def import_optional(name: str, use: str, extra: str = "search") -> Any:
    """Import and return an optional package.

    Args:
        name: the name of the package.
        use: what needs it, for the error.
        extra: the extra of gradus that installs it.

    Raises:
        GradusError: if it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise GradusError(
            f"{use} needs the package {name}, which is not installed: write "
            f"pip install '{DISTRIBUTION}[{extra}]'."
        ) from None


@contextlib.contextmanager
def quiet_optuna(optuna: Any) -> Iterator[None]:
    """Silence Optuna's logging and its warnings about experimental features."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
