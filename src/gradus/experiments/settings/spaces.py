"""Search spaces in `experiment.toml`: `learning_rate = {log_uniform = [1e-4, 1e-1]}`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gradus import space
from gradus.errors import GradusError, nearest
from gradus.experiments.settings.experiment import (
    NAMED_SECTIONS,
    SEARCHABLE_SECTIONS,
    SPACE_KINDS,
    ExperimentError,
    Settings,
    is_searchable,
    space_kind,
)
from gradus.space import Choice, Space


class SectionChoice(Choice):
    """A choice of a section's name, each option with the settings of its own table."""

    @property
    def labels(self) -> list[Any]:
        """The names."""
        return [option["name"] for option in self.options]


def parse_spaces(raw: Mapping[str, Any], where: str) -> Settings:
    """Return raw settings with `Space`s instead of the inline tables that describe them.

    Args:
        raw: the settings of a file.
        where: the file.

    Raises:
        ExperimentError: for an invalid space, or a space that is not allowed there.
    """
    used_names: set[str] = set()
    parsed = dict(raw)
    for key, value in raw.items():
        if isinstance(value, Mapping) and space_kind(value) is None:
            section = {
                name: _parse_value(part, (key, name), where, used_names)
                for name, part in value.items()
            }
            is_named = key in NAMED_SECTIONS
            parsed[key] = _merge_name_tables(key, section, where) if is_named else section
        else:
            parsed[key] = _parse_value(value, (key,), where, used_names)
    return parsed


def flatten_spaces(settings: Mapping[str, Any]) -> Settings:
    """Return resolved settings with the options of `SectionChoice`s merged into their sections."""
    flat = dict(settings)
    for key in NAMED_SECTIONS:
        section = settings.get(key)
        if isinstance(section, Mapping) and isinstance(section.get("name"), Mapping):
            flat[key] = {**section, **section["name"]}
    return flat


def to_toml(raw: Mapping[str, Any]) -> str:
    """Return raw settings as TOML, with spaces as inline tables."""
    return "\n".join(_toml_lines(raw, ())).strip() + "\n"


# --- from inline tables to spaces --------------------------------------------------------------


def _parse_value(value: Any, path: tuple[str, ...], where: str, used_names: set[str]) -> Any:
    if isinstance(value, list):
        return [
            _parse_value(part, (*path, str(index)), where, used_names)
            for index, part in enumerate(value)
        ]
    if not isinstance(value, Mapping):
        return value
    kind = space_kind(value)
    if kind is None:
        _check_misspelled_space(value, path, where)
        return {
            name: _parse_value(part, (*path, name), where, used_names)
            for name, part in value.items()
        }
    setting = f"{where}: {'.'.join(path)} = {inline_toml(value)}"
    if not is_searchable(path):
        raise ExperimentError(f"{setting}: {path[-1]} is the same for all trials; write one value.")
    arguments = value[kind]
    if not isinstance(arguments, list):
        raise ExperimentError(
            f"{setting}: write a list, {{{kind} = [{inline_toml(arguments)}, …]}}."
        )
    name = _space_name(path, used_names)
    if kind == "choice":
        if not arguments:
            raise ExperimentError(
                f"{setting}: there is nothing to choose; write at least one value."
            )
        if path[-1] == "batch_size" and "all" in arguments:
            raise ExperimentError(
                f'{setting}: in a choice, write the number of rows instead of "all".'
            )
        return Choice(tuple(_parse_value(arguments, path, where, used_names)), name=name)
    try:
        return getattr(space, kind)(*arguments, name=name)
    except (GradusError, TypeError) as error:
        expected = "the lowest, the highest" + ", and how many" * (kind in ("linspace", "logspace"))
        reason = f"write {expected}." if isinstance(error, TypeError) else str(error)
        raise ExperimentError(f"{setting}: {reason}") from None


def _check_misspelled_space(value: Mapping[str, Any], path: tuple[str, ...], where: str) -> None:
    """Reject a table that looks like a space of a misspelled kind, or of several kinds."""
    if len(value) > 1 and (kinds := [key for key in value if key in SPACE_KINDS]):
        raise ExperimentError(
            f"{where}: {'.'.join(path)} = {inline_toml(value)}: write {{{kinds[0]} = …}} and "
            "nothing beside it."
        )
    for key, arguments in value.items():
        close = nearest(key, SPACE_KINDS)
        searchable = path[0] in (*SEARCHABLE_SECTIONS, "training")
        if len(value) == 1 and isinstance(arguments, list) and searchable:
            hint = f" Did you mean {close!r}?" if close else ""
            raise ExperimentError(
                f"{where}: {'.'.join(path)} = {inline_toml(value)} is not a space.{hint} Known: "
                f"{', '.join(SPACE_KINDS)}."
            )


def _space_name(path: tuple[str, ...], used_names: set[str]) -> str:
    """Return the name of a space in tables: that of its flag if it is unique, or else its path."""
    section, *rest = path
    parts = rest or [section]
    if parts == ["name"]:
        parts = [section]
    elif section in ("schedule", "loss"):
        parts = list(path)
    short = ".".join(parts)
    name = short if short not in used_names else ".".join(path)
    used_names.add(name)
    return name


def _merge_name_tables(key: str, section: Settings, where: str) -> Settings:
    """Return a section whose name is a choice, with the tables of its names as options."""
    choice = section.get("name")
    if not isinstance(choice, Choice):
        return section
    names = [str(name) for name in choice.options]
    tables = {n: table for n, table in section.items() if n in names and isinstance(table, Mapping)}
    rest = {name: value for name, value in section.items() if name not in (*tables, "name")}
    for name, value in rest.items():
        if isinstance(value, Mapping) and not isinstance(value, Space):
            close = nearest(name, names)
            hint = f" Did you mean [{key}.{close}]?" if close else ""
            raise ExperimentError(
                f"{where} [{key}.{name}]: {name!r} is not in the choice of names.{hint}"
            )
        duplicates = [
            n for n, table in tables.items() if name in table and isinstance(value, Space)
        ]
        if duplicates:
            raise ExperimentError(
                f"{where}: {name} has a space in [{key}] and another in [{key}.{duplicates[0]}]: "
                f"write it in [{key}] for all names, or in the table of each."
            )
    options = tuple({"name": name, **tables.get(name, {})} for name in names)
    return {"name": SectionChoice(options, name=choice.name), **rest}


# --- from settings to TOML ---------------------------------------------------------------------


def inline_toml(value: Any) -> str:
    """Return a value as TOML on one line."""
    if isinstance(value, Mapping):
        pairs = (f"{_toml_key(name)} = {inline_toml(part)}" for name, part in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inline_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)  # valid TOML for text, numbers, true, false


def _toml_lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a table: its values, then its tables."""
    inner = {k: v for k, v in table.items() if isinstance(v, Mapping) and space_kind(v) is None}
    plain = {k: v for k, v in table.items() if k not in inner and v is not None}
    if path and plain:
        yield f"\n[{'.'.join(map(_toml_key, path))}]"
    yield from (f"{_toml_key(name)} = {inline_toml(value)}" for name, value in plain.items())
    for name, value in inner.items():
        yield from _toml_lines(value, (*path, name))


def _toml_key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
