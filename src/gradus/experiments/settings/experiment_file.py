"""`experiment.toml`: read, checked, and written."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from gradus.checks import is_number
from gradus.data.table_sources import is_no_path, is_pattern
from gradus.errors import SavedError, nearest
from gradus.experiments.settings.commands import format_command
from gradus.experiments.settings.experiment import (
    NAMED_SECTIONS,
    SECTIONS,
    Experiment,
    ExperimentError,
    Settings,
    SweepSection,
    is_searchable,
    space_kind,
)
from gradus.files import replacing, user_path
from gradus.records import read_toml

FILE = "experiment.toml"
LONG_ARRAY = re.compile(r"^(\w+ = )\[\n    ([^\[\]]*),\n\]$", re.MULTILINE)  # an item a line
MAX_LINE = 100  # characters
NOTHING_SAID: tuple[Any, ...] = ({}, [], {"columns": {}})  # of a section or setting


def read_settings(path: str | Path) -> Settings:
    """Read the raw settings of a file; relative paths become absolute.

    Raises:
        ExperimentError: if the file is absent or not TOML.
    """
    path = user_path(path)
    try:
        raw = read_toml(path)
    except OSError as error:
        raise ExperimentError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    except SavedError as error:
        quotes = ' Text stands in quotes: target = "price".' * ("Invalid value" in str(error))
        raise ExperimentError(f"{error}{quotes}") from None
    for key in ("data", "test"):
        if isinstance(raw.get(key), str):
            raw[key] = absolute_source(raw[key], path.parent)
    return raw


def absolute_source(source: str, folder: Path) -> str:
    """Return a data source as an absolute path; a built-in name, an address, or "-" unchanged."""
    if is_no_path(source):
        return source
    path = folder / user_path(source)
    return str(path.resolve()) if path.exists() or path.suffix or is_pattern(source) else source


def check_experiment(raw: Mapping[str, Any], where: str = FILE) -> Experiment:
    """Validate raw settings and return their experiment.

    Raises:
        ExperimentError: for an unknown key, with the nearest, or a value of the wrong type or
            range.
    """
    if "data" not in raw:
        raise ExperimentError(f'{where} names no data to train on: write data = "…".')
    _reject_spaces(raw, where)
    check_keys(raw, where)
    try:
        experiment = msgspec.convert(raw, Experiment)
    except msgspec.ValidationError as error:
        raise ExperimentError(_explain_error(error, raw, where)) from None
    for section, settings in _sections_with_names(experiment).items():
        if "name" not in settings:
            raise ExperimentError(f'{where}: [{section}] has no name: write name = "…".')
    for section in NAMED_SECTIONS:
        for key in ("name", "learning_rate"):  # the defaults depend on these
            value = getattr(experiment, section).get(key)
            if isinstance(value, list):
                hint = suggest_choice(key, value)
                raise ExperimentError(
                    f"{where}: {section}.{key} = {value!r}: write one value.{hint}"
                )
    return experiment


def _sections_with_names(experiment: Experiment) -> dict[str, Any]:
    """Return the sections that name a schedule or a loss; several targets have a loss each."""
    several = experiment.loss and all(isinstance(s, Mapping) for s in experiment.loss.values())
    found: dict[str, Any] = {"schedule": experiment.schedule}
    if several:
        found |= {f"loss.{name}": section for name, section in experiment.loss.items()}
    else:
        found["loss"] = experiment.loss
    return {section: settings for section, settings in found.items() if settings}


def check_sweep_section(raw: Any, where: str = FILE) -> SweepSection:
    """Validate and return the section `[sweep]`.

    Raises:
        ExperimentError: as `check_experiment`.
    """
    if not isinstance(raw, Mapping):
        raise ExperimentError(
            f"{where}: sweep = {raw!r}: write a section, [sweep], with trials = 100."
        )
    check_keys(raw, f"{where} [sweep]", SweepSection)
    try:
        return msgspec.convert(raw, SweepSection)
    except msgspec.ValidationError as error:
        raise ExperimentError(_explain_error(error, raw, f"{where} [sweep]")) from None


@contextlib.contextmanager
def name_file_in_errors(file: str) -> Iterator[None]:
    """Add the file's name to errors of its settings that lack it."""
    try:
        yield
    except ExperimentError as error:
        if file in str(error) or not file.endswith(".toml"):
            raise
        raise ExperimentError(f"{file}: {error}") from None


def suggest_choice(key: str, value: Any) -> str:
    """Return a hint to write a list of values as a choice."""
    return f" To try each value, write {key} = {{choice = {json.dumps(value)}}} for gradus sweep."


def _reject_spaces(raw: Mapping[str, Any], where: str, path: str = "") -> None:
    """Reject spaces and the section `[sweep]`, which are for a sweep, not for one training."""
    for key, value in raw.items():
        kind = space_kind(value)
        if kind or (key == "sweep" and not path):
            command = format_command("sweep", where)
            problem = f"{path}{key} is a space, {kind} = {value[kind]}" if kind else "[sweep]"
            raise ExperimentError(f"{where}: {problem}: to try many settings, run {command}")
        if isinstance(value, Mapping):
            _reject_spaces(value, where, f"{path}{key}.")


def merge_settings(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> Settings:
    """Return the settings of `base`, updated by `overrides` section by section.

    A new `name` replaces the whole section: Adam's learning rate does not suit SGD.
    """
    merged = dict(base)
    for key, value in overrides.items():
        former = merged.get(key)
        if isinstance(value, Mapping) and isinstance(former, Mapping):
            same_name = "name" not in value or value["name"] == former.get("name")
            merged[key] = {**former, **value} if same_name else dict(value)
        else:
            merged[key] = value
    return merged


def write_experiment(path: Path, experiment: Experiment) -> None:
    """Write an experiment as TOML.

    Raises:
        SavedError: if the folder cannot be written.
    """
    settings = _without_none(msgspec.to_builtins(experiment))
    content = {key: value for key, value in settings.items() if value not in NOTHING_SAID}
    text = LONG_ARRAY.sub(_in_a_line, msgspec.toml.encode(content).decode())
    head = f"# To repeat this training: gradus train {path.name}\n"
    with replacing(path.parent) as folder:
        (folder / path.name).write_text(head + text.rstrip() + "\n", "utf-8")


def _in_a_line(array: re.Match[str]) -> str:
    """Return an array of TOML without its line breaks, if a line has room for it."""
    line = f"{array[1]}[{' '.join(array[2].split(chr(10) + '    '))}]"
    return line if len(line) <= MAX_LINE else array[0]


def _without_none(content: Settings) -> Settings:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in content.items()
        if value is not None
    }


def check_keys(raw: Mapping[str, Any], where: str, struct: Any = Experiment) -> None:
    """Check that every setting is known to an experiment, or to another struct.

    Raises:
        ExperimentError: naming the unknown setting, and the nearest known one.
    """
    known = [*struct.__struct_fields__] + ["sweep"] * (struct is Experiment)
    for key, value in raw.items():
        if key not in known:
            close = nearest(key, known)
            hint = _place_of(key) or (f" Did you mean {close!r}?" if close else "")
            raise ExperimentError(
                f"{where} has no setting {key!r}.{hint} Known: {', '.join(known)}."
            )
        if struct is Experiment and key in SECTIONS and isinstance(value, Mapping):
            check_keys(value, f"{where} [{key}]", SECTIONS[key])


def _place_of(key: str) -> str:
    """Return where a setting stands that was written elsewhere; "" for an unknown one."""
    if key in Experiment.__struct_fields__ and key not in SECTIONS:
        return f" {key!r} stands before the first section."
    found = [name for name, struct in SECTIONS.items() if key in struct.__struct_fields__]
    return f" {key!r} stands in the section [{found[0]}]." if found else ""


def _explain_error(error: msgspec.ValidationError, raw: Mapping[str, Any], where: str) -> str:
    """Return a message with the invalid setting and its value."""
    reason, _, path = str(error).partition(" - at `$.")
    path = path.rstrip("`")
    keys = tuple(path.partition("[")[0].split("."))
    value: Any = raw
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else value
    setting = f"{where}: {path or 'settings'} = {value!r}"
    known = _known_values(keys)
    if known and "enum" in reason:
        if (item := re.search(r"\[(\d+)\]$", path)) and isinstance(value, list):
            value = value[int(item[1])]
            setting = f"{where}: {path.removesuffix(item[0])} = {value!r}"
        close = nearest(str(value), known)
        hint = f" Did you mean {close!r}?" if close else ""
        return f"{setting} is unknown.{hint} Known: {', '.join(known)}."
    if "got `array`" in reason and is_searchable(keys):
        hint = suggest_choice(keys[-1], value)
    else:
        hint = _fraction_hint(keys[-1], reason, value) or _kind_hint(reason, value)
    return f"{setting}: {reason.lower().replace('`', '').replace(' | null', '')}.{hint}"


def _kind_hint(reason: str, value: Any) -> str:
    """Return what to write for a value of another kind; "" where nothing is near."""
    wanted = reason.partition("`")[2].partition("`")[0]
    if wanted.startswith("array") and isinstance(value, str | int | float):
        items = value.split(",") if isinstance(value, str) else [value]
        return f" Write a list, {[_plain(item) for item in items]!r}."
    if wanted.startswith(("int", "float")) and isinstance(value, str):
        number = _plain(value)
        return "" if isinstance(number, str) else f" Write {number}, without quotes."
    if wanted.startswith("str") and isinstance(value, list):
        return " Write one text; several files are a pattern, such as 'part-*.csv'."
    return ""


def _plain(item: Any) -> Any:
    """Return text that spells a number as that number, and percents as a share."""
    text = str(item).strip()
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    with contextlib.suppress(ValueError):
        return float(text.removesuffix("%")) / 100 if text.endswith("%") else item
    return item


def _fraction_hint(key: str, reason: str, value: Any) -> str:
    """Return what to write for degrees or percents in place of a fraction; "" for other faults."""
    if "float` <" not in reason or not is_number(value) or value <= 1:
        return ""
    if key == "rotation":
        return f" For {value:g} degrees write {value / 360:.3g}, a fraction of a full turn."
    return f" For {value:g} % write {value / 100:g}." if value < 100 else ""


def _known_values(keys: tuple[str, ...]) -> list[str]:
    """Return the literal values of a setting; none if it has other types."""
    *section, key = keys
    hint = get_type_hints(SECTIONS.get("".join(section), Experiment)).get(key)
    parts = (hint, *get_args(hint))
    literals = [part for part in parts if get_origin(part) is Literal]
    return [value for literal in literals for value in get_args(literal)]
