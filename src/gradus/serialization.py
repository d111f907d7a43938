"""Settings as plain data and back: a layer, loss or optimiser as what JSON can hold.

An object is described by its class and those of its arguments that are not the default ones:
`{"class": "Dense", "units": 128, "activation": "relu"}`. Nothing is imported by a path that a
file names: classes are gradus's own, looked up by name, or those that the caller hands over.
The keys beside arguments are words that no argument of Python can be called by.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradus.errors import GradusError, SavedError, nearest
from gradus.init_args import init_arg_names, is_configurable
from gradus.registry import Registry

# Where gradus's own settings are, and the modules whose names a user writes before them.
_PACKAGES = ("gradus.nn", "gradus.objectives", "gradus.optim", "gradus.train", "gradus.models")
_NAMESPACES = ("losses", "metrics", "penalties", "initializers", "activations", "schedules")
_CUSTOM = "custom."


def serialize(value: Any, where: str = "") -> Any:
    """Return `value` as dicts, lists, strings and numbers, which `deserialize` turns back.

    Args:
        value: settings: a layer, loss, metric, optimiser, schedule, penalty, initialiser or task,
            built or not (weights are no settings); numbers, strings, arrays, or lists, tuples
            and dicts of any of these. A NumPy scalar becomes a Python number.
        where: what the value is called in an error.

    Raises:
        SavedError: for a function that has no name in gradus, such as a lambda, and for any
            other thing that cannot be described; it says where it is and what to write.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.generic):
        return serialize(value.item(), where)
    if isinstance(value, list):
        return [serialize(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if type(value) is tuple:
        return {"tuple": serialize(list(value), where)}
    if isinstance(value, Mapping):
        pairs = [[key, serialize(item, f"{where}[{key!r}]")] for key, item in value.items()]
        return {"dict": _checked(pairs, where)}
    if isinstance(value, np.ndarray) or _is_array(value):
        return _array(np.asarray(value))
    if isinstance(value, type):
        return (
            {"type": _name(value)} if init_arg_names(value) is not None else _refuse(value, where)
        )
    if is_configurable(value):
        return {"class": _name(type(value)), **_marks(value), **_arguments(value, where)}
    return _function(value, where)


def deserialize(data: Any, custom: Sequence[type] = ()) -> Any:
    """Return what `serialize` described.

    Args:
        data: from `serialize`, through JSON or not.
        custom: the classes of one's own that may occur in it.

    Raises:
        SavedError: for a class that is neither gradus's nor among `custom`, arguments that it
            does not take, or data that describe nothing.
    """
    own = {_CUSTOM + cls.__name__: cls for cls in custom}
    return _restore(data, own)


def _restore(data: Any, custom: Mapping[str, type]) -> Any:
    if isinstance(data, list):
        return [_restore(item, custom) for item in data]
    if not isinstance(data, Mapping):
        return data
    makers: dict[str, Callable[[Any], Any]] = {
        "float": float,
        "tuple": lambda items: tuple(_restore(items, custom)),
        "dict": lambda pairs: dict(_restore(pairs, custom)),
        "array": lambda items: np.asarray(items, data["dtype"]).reshape(data["shape"]),
        "type": lambda name: _find_class(name, custom),
        "function": _find_function,
    }
    if "class" in data:
        return _make(data, custom)
    for kind, make in makers.items():
        if kind in data:
            try:
                return make(data[kind])
            except (KeyError, TypeError, ValueError) as error:
                if isinstance(error, GradusError):
                    raise
                raise SavedError(f"{data!r} describes no {kind!r}: {error}.") from None
    raise SavedError(f"{data!r} describes nothing: it has no 'class'.")


def _make(data: Mapping[str, Any], custom: Mapping[str, type]) -> Any:
    cls = _find_class(data["class"], custom)
    marks = ("class", "as", "is")
    arguments = {name: _restore(v, custom) for name, v in data.items() if name not in marks}
    try:
        made = cls(**arguments)
    except (TypeError, GradusError) as error:
        raise SavedError(f"{data['class']} cannot be made of {arguments}: {error}") from None
    if "as" in data:
        made = made.named(data["as"])
    return made.freeze() if data.get("is") == "frozen" else made


def _arguments(value: Any, where: str) -> dict[str, Any]:
    """Return the described arguments of `__init__` that are not the default ones."""
    cls, found = type(value), {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if not hasattr(value, name):
            if name in getattr(cls, "build_only", ()):
                continue  # it has served its purpose, and the weights are drawn
            raise SavedError(
                f"{cls.__name__} cannot be saved: it does not keep its argument {name!r}. Write "
                f"self.{name} = {name} in __init__."
            )
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise SavedError(
                f"{cls.__name__} cannot be saved: give its __init__ plain arguments instead of "
                f"{parameter}."
            )
        argument, default = getattr(value, name), parameter.default
        if argument is default:
            continue
        described = serialize(argument, f"{where}.{name}" if where else name)
        if not _equal(described, argument, default):
            found[name] = described
    return found


def _equal(described: Any, argument: Any, default: Any) -> bool:
    if default is inspect.Parameter.empty or type(argument) is not type(default):
        return False
    return bool(described == serialize(default))


def _marks(value: Any) -> dict[str, str]:
    """Return what was done to a layer after it was made: its name, and that it is frozen."""
    marks = {}
    if isinstance(name := getattr(value, "__dict__", {}).get("_name"), str):
        marks["as"] = name
    if getattr(value, "trainable", True) is False:
        marks["is"] = "frozen"
    return marks


def _array(value: np.ndarray) -> dict[str, Any]:
    flat = [serialize(item) for item in value.reshape(-1).tolist()]
    numbers = [item["float"] if isinstance(item, dict) else item for item in flat]
    return {"array": numbers, "dtype": value.dtype.name, "shape": list(value.shape)}


def _function(value: Any, where: str) -> dict[str, str]:
    try:
        name = _functions()[1].get(value)
    except TypeError:  # it cannot be hashed
        name = None
    return {"function": name} if name else _refuse(value, where)


def _refuse(value: Any, where: str) -> Any:
    place = f" at {where}" if where else ""
    if not callable(value):
        raise SavedError(
            f"{value!r} ({type(value).__name__}){place} cannot be saved: settings are numbers, "
            "strings, arrays, and layers, losses and the like, or lists and dicts of them."
        )
    name = getattr(value, "__name__", "")
    known = [full.split(".")[-1] for full in _functions()[0]]
    close = nearest(name, known) if name and name != "<lambda>" else None
    hint = f" If it is gradus's own, write its name, {close!r}." if close else ""
    raise SavedError(
        f"The function {name or value!r}{place} cannot be saved, for code is never stored.{hint} "
        "Write the name of one that gradus has, such as 'relu' or 'mse', or a class of your own "
        "(a Layer, a Loss, ...) and hand it over on loading: load(path, custom=[MyClass])."
    )


def _checked(pairs: list[list[Any]], where: str) -> list[list[Any]]:
    for key, _ in pairs:
        if not isinstance(key, str | int):
            raise SavedError(
                f"The dict at {where or 'the top'} has the key {key!r}: write a string."
            )
    return pairs


# --- names ------------------------------------------------------------------------------------


def _is_array(value: Any) -> bool:
    return all(hasattr(value, name) for name in ("__array__", "dtype", "shape"))


def _name(cls: type) -> str:
    """Return a class's name as a user writes it: "Dense", "losses.Huber", or "custom.Mine"."""
    if not cls.__module__.startswith("gradus."):
        return _CUSTOM + cls.__name__
    module = cls.__module__.split(".")[-1]
    return f"{module}.{cls.__name__}" if module in _NAMESPACES else cls.__name__


def _find_class(name: str, custom: Mapping[str, type]) -> type:
    known = _classes()
    if name in known:
        return known[name]
    if name in custom:
        return custom[name]
    if str(name).startswith(_CUSTOM):
        bare = name.removeprefix(_CUSTOM)
        given = ", ".join(cls.__name__ for cls in custom.values()) or "none"
        raise SavedError(
            f"The class {bare!r}, not one of gradus's, is needed (given: {given}): write "
            f"load(path, custom=[{bare}])."
        )
    close = nearest(str(name), known)
    hint = f" The nearest is {close!r}." if close else ""
    raise SavedError(f"gradus has no {name!r}; a newer version may have saved this.{hint}")


def _find_function(name: str) -> Any:
    known = _functions()[0]
    if name not in known:
        raise SavedError(f"gradus has no function {name!r}; a newer version may have saved this.")
    return known[name]


@functools.cache
def _modules() -> list[Any]:
    found = []
    for package in map(importlib.import_module, _PACKAGES):
        modules = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        found += [importlib.import_module(info.name) for info in modules]
    return found


@functools.cache
def _classes() -> dict[str, type]:
    """Return gradus's settings classes by name."""
    found: dict[str, type] = {}
    for module in _modules():
        for value in vars(module).values():
            if not inspect.isclass(value) or value.__module__ != module.__name__:
                continue
            if init_arg_names(value) is not None:
                found[_name(value)] = value
    return found


@functools.cache
def _functions() -> tuple[dict[str, Any], dict[Any, str]]:
    """Return gradus's registered functions by name, and their names."""
    found = {}
    for module in _modules():
        for registry in vars(module).values():
            if not isinstance(registry, Registry):
                continue
            for name in registry:
                entry = registry.find(name)
                if inspect.isfunction(inspect.unwrap(entry)):
                    prefix = entry.__module__.split(".")[-1]
                    found[f"{prefix}.{registry.name_of(entry)}"] = entry
    return found, {entry: name for name, entry in found.items()}
