"""Finding what a foreign name is here, as the end of an error."""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from gradus.foreign_names.module_names import PACKAGES
from gradus.foreign_names.table import NAMES

_AT_GR = {"gr": NAMES | PACKAGES}
_RENAMED = re.compile(r"`(\w+)=")  # a row that is another argument


def said_here(
    table: Mapping[str, Mapping[str, str]],
    places: Iterable[str],
    name: str,
    arguments: Collection[str] = (),
) -> str:
    """Return, as the end of an error, what a foreign name is here; "" if none is known.

    Args:
        table: `ARGUMENTS`, `ATTRIBUTES`, or `WORDS`.
        places: where the name was written, the nearest first.
        name: such as "lr".
        arguments: what may be written there.
    """
    for place in places:
        row = table.get(place, {}).get(name, "")
        renamed = _RENAMED.match(row)
        if row and (renamed is None or renamed[1] in arguments):
            return f" Here it is {row.replace('`', '')}."
    return ""


def meaning_here(name: str) -> str:
    """Return the same for a name at `gr.…`, such as "EarlyStopping"."""
    return said_here(_AT_GR, ["gr"], name)


def module_here(name: str, modules: Mapping[str, str]) -> str:
    """Return the same for what is no foreign name, but in a module of gradus, such as "HeNormal".

    Args:
        name: what was looked for at `gr.…`.
        modules: the public modules, by the name that they have there.
    """
    for shown, path in modules.items():
        module = importlib.import_module(path)
        entries: Any = getattr(module, "REGISTRY", {})
        if name in entries:
            return f" Here it is gr.{shown}.{entries.find(name).__name__}."
        own = getattr(getattr(module, name, None), "__module__", None) == path
        if own or name in getattr(module, "__all__", ()):
            return f" Here it is gr.{shown}.{name}."
    return ""
