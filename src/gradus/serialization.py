"""Converts settings to plain data and back: layers, losses, optimizers and so on as JSON.

An object is described by its class and its arguments that differ from their defaults:
`{"class": "Dense", "units": 128, "activation": "relu"}`. No file can import code: classes are
gradus's own, looked up by name, or passed by the caller. The keys beside arguments are Python
keywords, so no argument can have their names.
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

# The packages that define settings, and the modules whose names users write before them.
_PACKAGES = ("gradus.nn", "gradus.objectives", "gradus.optim", "gradus.train", "gradus.models")
_NAMESPACES = ("losses", "metrics", "penalties", "initializers", "activations", "schedules")
_CUSTOM = "custom."


def serialize(value: Any, where: str = "") -> Any:
    """Return `value` as dicts, lists, strings and numbers for `deserialize`.

    Args:
        value: settings: a layer, loss, metric, optimizer, schedule, penalty, initializer or task,
            built or not (weights are not settings); numbers, strings, arrays, or lists, tuples
            and dicts of any of these. A NumPy scalar becomes a Python number.
        where: the path of the value, for errors.

    Raises:
        SavedError: for a function without a name in gradus, such as a lambda, and for anything
            else that cannot be described; it says where it is and what to write.
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
        return {"dict": _check_keys(pairs, where)}
    if isinstance(value, np.ndarray) or _is_array(value):
        return _array(np.asarray(value))
    if isinstance(value, type):
        known = init_arg_names(value) is not None
        return {"type": _class_name(value)} if known else _reject(value, where)
    if is_configurable(value):
        return {"class": _class_name(type(value)), **_marks(value), **_arguments(value, where)}
    return _function(value, where)


def deserialize(data: Any, custom: Sequence[type] = ()) -> Any:
    """Return the settings that `serialize` described.

    Args:
        data: the result of `serialize`, through JSON or not.
        custom: the user's own classes that may occur in it.

    Raises:
        GradusError: for a `custom` that is no list of classes.
        SavedError: for a class that is neither gradus's nor in `custom`, arguments that it does not
            take, or invalid data.
    """
    check_custom(custom)
    return _restore(data, {_CUSTOM + cls.__name__: cls for cls in custom})


def check_custom(custom: Any) -> None:
    """Check that what was passed to load as the user's own classes are these, in a list.

    Raises:
        GradusError: if not.
    """
    if isinstance(custom, list | tuple) and all(isinstance(cls, type) for cls in custom):
        return
    given = custom.values() if isinstance(custom, Mapping) else (custom,)
    names = ", ".join(cls.__name__ if isinstance(cls, type) else "MyLayer" for cls in given)
    raise GradusError(f"custom={custom!r}: write a list of your classes, custom=[{names}].")


def _restore(data: Any, custom: Mapping[str, type]) -> Any:
    if isinstance(data, list):
        return [_restore(item, custom) for item in data]
    if not isinstance(data, Mapping):
        return data
    constructors: dict[str, Callable[[Any], Any]] = {
        "float": float,
        "tuple": lambda items: tuple(_restore(items, custom)),
        "dict": lambda pairs: dict(_restore(pairs, custom)),
        "array": lambda items: np.asarray(items, data["dtype"]).reshape(data["shape"]),
        "type": lambda name: _find_class(name, custom),
        "function": _find_function,
    }
    if "class" in data:
        return _construct(data, custom)
    for kind, construct in constructors.items():
        if kind in data:
            try:
                return construct(data[kind])
            except (KeyError, TypeError, ValueError) as error:
                if isinstance(error, GradusError):
                    raise
                raise SavedError(f"{data!r} is not a valid {kind!r}: {error}.") from None
    raise SavedError(f"{data!r} is not valid: it has no 'class'.")


def _construct(data: Mapping[str, Any], custom: Mapping[str, type]) -> Any:
    cls = _find_class(data["class"], custom)
    marks = ("class", "as", "is")
    arguments = {name: _restore(v, custom) for name, v in data.items() if name not in marks}
    try:
        value = cls(**arguments)
    except (TypeError, GradusError) as error:
        raise SavedError(f"{data['class']} does not take {arguments}: {error}") from None
    if "as" in data:
        value = value.named(data["as"])
    return value.freeze() if data.get("is") == "frozen" else value


def _arguments(value: Any, where: str) -> dict[str, Any]:
    """Return the serialized `__init__` arguments that differ from their defaults."""
    cls, arguments = type(value), {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if not hasattr(value, name):
            if name in getattr(cls, "build_only", ()):
                continue  # the layer is built, so it is no longer needed
            raise SavedError(
                f"{cls.__name__} cannot be saved: it does not keep its argument {name!r}. Write "
                f"self.{name} = {name} in __init__."
            )
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise SavedError(
                f"{cls.__name__} cannot be saved: give its __init__ named arguments instead of "
                f"{parameter}."
            )
        argument, default = getattr(value, name), parameter.default
        if argument is default:
            continue
        described = serialize(argument, f"{where}.{name}" if where else name)
        if not _is_default(described, argument, default):
            arguments[name] = described
    return arguments


def _is_default(described: Any, argument: Any, default: Any) -> bool:
    if default is inspect.Parameter.empty or type(argument) is not type(default):
        return False
    return bool(described == serialize(default))


def _marks(value: Any) -> dict[str, str]:
    """Return the state of a layer beside its arguments: its name, and whether it is frozen."""
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
    except TypeError:  # it is not hashable
        name = None
    return {"function": name} if name else _reject(value, where)


def _reject(value: Any, where: str) -> Any:
    location = f" at {where}" if where else ""
    if not callable(value):
        raise SavedError(
            f"{value!r} ({type(value).__name__}){location} cannot be saved: settings are numbers, "
            "strings, arrays, layers, losses and the like, or lists and dicts of them."
        )
    name = getattr(value, "__name__", "")
    known = [full.split(".")[-1] for full in _functions()[0]]
    close = nearest(name, known) if name and name != "<lambda>" else None
    hint = f" If it is gradus's own, write its name, {close!r}." if close else ""
    raise SavedError(
        f"The function {name or value!r}{location} cannot be saved, as code is never stored.{hint} "
        "Write the name of one of gradus's functions, such as 'relu' or 'mse', or your own class "
        "(a Layer, a Loss, ...) and pass it when loading: load(path, custom=[MyClass])."
    )


def _check_keys(pairs: list[list[Any]], where: str) -> list[list[Any]]:
    for key, _ in pairs:
        if not isinstance(key, str | int):
            raise SavedError(
                f"The dict at {where or 'the top'} has the key {key!r}: write a string."
            )
    return pairs


# --- names ------------------------------------------------------------------------------------


def _is_array(value: Any) -> bool:
    return all(hasattr(value, name) for name in ("__array__", "dtype", "shape"))


def _class_name(cls: type) -> str:
    """Return a class's name as a user writes it: "Dense", "losses.Huber", or "custom.Mine"."""
    if not cls.__module__.startswith("gradus."):
        return _CUSTOM + cls.__name__
    # `regression_losses` holds some of `losses`, as users write them.
    namespace = cls.__module__.split(".")[-1].split("_")[-1]
    return f"{namespace}.{cls.__name__}" if namespace in _NAMESPACES else cls.__name__


def settings_class(name: str) -> type | None:
    """Return gradus's own class of settings of a name: "Dense", or "losses.Huber"; None if none."""
    return _classes().get(name)


def _find_class(name: str, custom: Mapping[str, type]) -> type:
    classes = {**_classes(), **custom}
    if name in classes:
        return classes[name]
    if str(name).startswith(_CUSTOM):
        missing = name.removeprefix(_CUSTOM)
        passed = ", ".join(cls.__name__ for cls in custom.values()) or "none"
        raise SavedError(
            f"The custom class {missing!r} is needed (given: {passed}): write "
            f"load(path, custom=[{missing}])."
        )
    close = nearest(str(name), _classes())
    hint = f" The nearest is {close!r}." if close else ""
    raise SavedError(f"gradus has no {name!r}; a newer version may have saved this.{hint}")


def _find_function(name: str) -> Any:
    functions = _functions()[0]
    if name not in functions:
        raise SavedError(f"gradus has no function {name!r}; a newer version may have saved this.")
    return functions[name]


@functools.cache
def _modules() -> list[Any]:
    modules = []
    for package in map(importlib.import_module, _PACKAGES):
        infos = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        modules += [importlib.import_module(info.name) for info in infos]
    return modules


@functools.cache
def _classes() -> dict[str, type]:
    """Return gradus's settings classes by name."""
    classes: dict[str, type] = {}
    for module in _modules():
        for value in vars(module).values():
            if not inspect.isclass(value) or value.__module__ != module.__name__:
                continue
            if init_arg_names(value) is not None:
                classes[_class_name(value)] = value
    return classes


@functools.cache
def _functions() -> tuple[dict[str, Any], dict[Any, str]]:
    """Return gradus's registered functions by name, and their names."""
    functions = {}
    for module in _modules():
        for registry in vars(module).values():
            if not isinstance(registry, Registry):
                continue
            for name in registry:
                entry = registry.find(name)
                if inspect.isfunction(inspect.unwrap(entry)):
                    prefix = entry.__module__.split(".")[-1]
                    functions[f"{prefix}.{registry.name_of(entry)}"] = entry
    return functions, {entry: name for name, entry in functions.items()}
