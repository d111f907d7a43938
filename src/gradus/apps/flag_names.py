"""Errors about the settings of an experiment, for whoever gave flags and has no file."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import fields

from gradus.apps.experiment_sources import COMMAND_LINE
from gradus.apps.options import SweepOptions, TrainOptions, setting_path

_VALUE = r"true|false|\"[^\"…]+\"|'[^']*'|\[[^\]]*\]|[\w.+-]*\w"
_WORDS = {"true": "yes", "false": "no"}


@contextlib.contextmanager
def flags_in_errors(given: bool) -> Iterator[None]:
    """Name settings in errors as flags.

    Args:
        given: whether all of them are flags.
    """
    from gradus.errors import DataError
    from gradus.experiments.settings.experiment import ExperimentError

    try:
        yield
    except (DataError, ExperimentError) as error:
        if given:
            error.args = (as_flags(str(error).removeprefix(f"{COMMAND_LINE}: ")),)
        raise


def as_flags(message: str) -> str:
    """Return a message with the flags of `train` and `sweep` instead of settings.

    >>> as_flags("refit = true trains once more: write patience = 0, or refit = false.")
    '--refit yes trains once more: write --patience 0, or --refit no.'
    >>> as_flags("group = 'town' is no input: take it out of keep_columns.")
    '--group town is no input: take it out of --keep-columns.'
    """
    paths = [setting_path(field) for field in fields(TrainOptions)]
    names = {path.rpartition(".")[2] for path in paths} - {"name", "columns"}
    names |= {field.name for field in fields(SweepOptions)}
    longest = sorted(names, key=len, reverse=True)
    settings = rf"(?<![\w.'\"-])({'|'.join(longest)}) = ({_VALUE})( in \[\w+\])?"
    flags = re.sub(settings, lambda found: f"{_flag(found[1])} {_word(found[2])}", message)
    several = "|".join(name for name in longest if "_" in name)
    return re.sub(
        rf"(?<![\w.'\"-])({several})\b(?![='\"]| = )", lambda found: _flag(found[1]), flags
    )


def _flag(setting: str) -> str:
    return f"--{setting.replace('_', '-')}"


def _word(value: str) -> str:
    """Return a value of a file as it is written on the command line."""
    if value in _WORDS:
        return _WORDS[value]
    if value.startswith("["):
        return re.sub(r"[\[\]'\" ]", "", value)
    inner = value[1:-1] if value[0] in "'\"" else value
    return inner if re.fullmatch(r"[\w.,…-]+", inner) else value
