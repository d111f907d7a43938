"""Spaces in `experiment.toml`: `learning_rate = {log_uniform = [1e-4, 1e-1]}`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gradus import space
from gradus.apps.experiment_file import NAMED, SPACES, VARIED, Named, SpecError, as_space, may_vary
from gradus.errors import GradusError, nearest
from gradus.space import Choice, Space

MAKERS: dict[str, Callable[..., Any]] = {
    "uniform": space.uniform,
    "log_uniform": space.log_uniform,
    "int_uniform": space.int_uniform,
    "linspace": space.linspace,
    "logspace": space.logspace,
}


class Alternatives(Choice):
    """One of several names of a section, each with the settings that only it has."""

    @property
    def labels(self) -> list[Any]:
        """The names."""
        return [option["name"] for option in self.options]


def parse_spaces(raw: Mapping[str, Any], where: str) -> Named:
    """Return raw settings with `Space`s in the places of inline tables that stand for them.

    Args:
        raw: the settings of a file.
        where: the file.

    Raises:
        SpecError: for a space that cannot be, or that stands where none can.
    """
    taken: set[str] = set()
    parsed = dict(raw)
    for key, value in raw.items():
        if isinstance(value, Mapping) and as_space(value) is None:
            sub = _section(key, value, where, taken)
            parsed[key] = _alternatives(key, sub, where) if key in NAMED else sub
        else:
            parsed[key] = _parsed(value, (key,), where, taken)
    return parsed


def flatten_spaces(settled: Mapping[str, Any]) -> Named:
    """Return settings in which each section has its name's own settings beside its others."""
    made = dict(settled)
    for key in NAMED:
        section = settled.get(key)
        if isinstance(section, Mapping) and isinstance(section.get("name"), Mapping):
            made[key] = {**section, **section["name"]}
    return made


def to_toml(raw: Mapping[str, Any]) -> str:
    """Return raw settings as TOML, spaces as inline tables."""
    return "\n".join(_lines(raw, ())).strip() + "\n"


# --- from inline tables to spaces --------------------------------------------------------------


def _section(key: str, section: Mapping[str, Any], where: str, taken: set[str]) -> Named:
    return {name: _parsed(value, (key, name), where, taken) for name, value in section.items()}


def _parsed(value: Any, place: tuple[str, ...], where: str, taken: set[str]) -> Any:
    if isinstance(value, list):
        return [_parsed(one, (*place, str(k)), where, taken) for k, one in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    kind = as_space(value)
    if kind is None:
        _check_word(value, place, where)
        return {name: _parsed(one, (*place, name), where, taken) for name, one in value.items()}
    words = f"{where}: {'.'.join(place)} = {inline(value)}"
    if not may_vary(place):
        raise SpecError(f"{words}: {place[-1]} is the same for all trials; write one value.")
    given = value[kind]
    if not isinstance(given, list):
        raise SpecError(f"{words}: write a list, {{{kind} = [{inline(given)}, …]}}.")
    name = _name(place, taken)
    if kind == "choice":
        if not given:
            raise SpecError(f"{words}: there is nothing to choose from; write at least one value.")
        if place[-1] == "batch_size" and "all" in given:
            raise SpecError(f"{words}: beside other sizes write the number of rows, not all.")
        options = [_parsed(one, (*place, str(k)), where, taken) for k, one in enumerate(given)]
        return Choice(tuple(options), name=name)
    try:
        return MAKERS[kind](*given, name=name)
    except (GradusError, TypeError) as error:
        short = isinstance(error, TypeError)
        count = "the lowest, the highest" + ", and how many" * (kind in ("linspace", "logspace"))
        raise SpecError(f"{words}: write {count}." if short else f"{words}: {error}") from None


def _check_word(value: Mapping[str, Any], place: tuple[str, ...], where: str) -> None:
    """Refuse a table that looks like a space of a misspelt kind, or of several."""
    if len(value) > 1 and (kinds := [key for key in value if key in SPACES]):
        raise SpecError(
            f"{where}: {'.'.join(place)} = {inline(value)}: write {{{kinds[0]} = …}} and nothing "
            "beside it."
        )
    for key, given in value.items():
        close = nearest(key, SPACES)
        if len(value) == 1 and isinstance(given, list) and place[0] in (*VARIED, "training"):
            hint = f" Did you mean {close!r}?" if close else ""
            raise SpecError(
                f"{where}: {'.'.join(place)} = {inline(value)} is no space.{hint} Known: "
                f"{', '.join(SPACES)}."
            )


def _name(place: tuple[str, ...], taken: set[str]) -> str:
    """Return what tables call a space: what the flag of its place is called, or its place."""
    section, *rest = place
    words = rest or [section]
    if words == ["name"]:
        words = [section]
    elif section in ("schedule", "loss"):
        words = list(place)
    short = ".".join(words)
    name = short if short not in taken else ".".join(place)
    taken.add(name)
    return name


def _alternatives(key: str, section: Named, where: str) -> Named:
    """Return a section whose name is a choice, the tables of its names put into the options."""
    chosen = section.get("name")
    if not isinstance(chosen, Choice):
        return section
    names = [str(name) for name in chosen.options]
    own = {n: table for n, table in section.items() if n in names and isinstance(table, Mapping)}
    rest = {name: value for name, value in section.items() if name not in own and name != "name"}
    for name, value in rest.items():
        if isinstance(value, Mapping) and not isinstance(value, Space):
            close = nearest(name, names)
            hint = f" Did you mean [{key}.{close}]?" if close else ""
            raise SpecError(f"{where} [{key}.{name}]: {key} is none of that name.{hint}")
        both = [n for n, table in own.items() if name in table and isinstance(value, Space)]
        if both:
            raise SpecError(
                f"{where}: {name} has a space in [{key}] and another in [{key}.{both[0]}]: write "
                f"it in [{key}] for all, or in the tables of each."
            )
    options = tuple({"name": name, **own.get(name, {})} for name in names)
    return {"name": Alternatives(options, name=chosen.name), **rest}


# --- from settings to TOML ---------------------------------------------------------------------


def inline(value: Any) -> str:
    """Return a value as TOML on one line."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(name)} = {inline(one)}' for name, one in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inline, value))}]"
    return json.dumps(value, ensure_ascii=False)  # which is TOML for words, numbers, true, false


def _lines(table: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a table, its own values first and then the tables in it."""
    inner = {k: v for k, v in table.items() if isinstance(v, Mapping) and as_space(v) is None}
    plain = {k: v for k, v in table.items() if k not in inner and v is not None}
    if place and plain:
        yield f"\n[{'.'.join(map(_key, place))}]"
    yield from (f"{_key(name)} = {inline(value)}" for name, value in plain.items())
    for name, value in inner.items():
        yield from _lines(value, (*place, name))


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
