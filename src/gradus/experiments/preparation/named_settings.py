"""Optimizers, losses and schedules by name, with the settings of their sections."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from gradus.errors import GradusError, unknown
from gradus.experiments.settings.experiment import ExperimentError
from gradus.experiments.settings.experiment_file import suggest_choice


def require_name(settings: Mapping[str, Any], kind: str) -> str:
    """Return the name of a section.

    Raises:
        ExperimentError: if it has none.
    """
    name = settings.get("name")
    if not isinstance(name, str):
        raise ExperimentError(f'[{kind}] has no name: write name = "…".')
    return name


def apply_settings(default: Any, settings: Mapping[str, Any], kind: str) -> Any:
    """Return an optimizer or a loss with the settings of its section."""
    known = [field.name for field in dataclasses.fields(default)]
    changes = {key: value for key, value in settings.items() if key != "name"}
    for key, value in changes.items():
        if key not in known:
            raise unknown_setting(kind, settings, key, known)
        former = getattr(default, key)
        is_numeric = isinstance(former, int | float) or former is None
        if is_numeric and not isinstance(value, int | float):
            hint = suggest_choice(key, value) if isinstance(value, list) else ""
            raise ExperimentError(f"{kind}: {key} = {value!r}: write a number.{hint}")
    return dataclasses.replace(default, **changes)


def unknown_setting(
    kind: str, settings: Mapping[str, Any], key: str, known: Iterable[str]
) -> GradusError:
    """Return the error for an unknown setting, or for a table of a name that is not chosen."""
    name = settings["name"]
    if isinstance(settings[key], Mapping):
        return ExperimentError(
            f'[{kind}.{key}] applies only if the name is a choice with "{key}": write '
            f'name = {{choice = ["{name}", "{key}"]}} in [{kind}], or leave out the table.'
        )
    return unknown(f"setting of the {kind} {name!r}:", key, known)
