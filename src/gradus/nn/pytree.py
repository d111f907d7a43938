"""Settings as pytrees: frozen dataclasses with numbers as leaves, so new values never recompile."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Never, TypeVar, dataclass_transform

import jax
import numpy as np

from gradus import cache
from gradus.checks import MAX_INT, as_written, flag, function, is_number, is_real_array
from gradus.errors import GradusError
from gradus.foreign_names.arguments import explain_arguments
from gradus.init_args import init_args, short_repr
from gradus.space import Space, given_values

# Whatever computes imports this module; what does not, such as `gradus --help`, never imports JAX.
# So the compilation cache is enabled here, once.
cache.enable()

T = TypeVar("T", bound=type)


def static(default: Any = dataclasses.MISSING) -> Any:
    """Declare a field of a `pytree` class as static: part of the program, not one of its inputs.

    A static field must be hashable; each of its values compiles another program.
    """
    return dataclasses.field(default=default, metadata={"static": True})


@dataclass_transform(frozen_default=True, field_specifiers=(static,))
def pytree(cls: T) -> T:
    """Make a class a frozen dataclass and a JAX pytree; all fields but `static` ones are leaves."""
    node_class: Any = dataclasses.dataclass(frozen=True, repr=False)(cls)
    node_class.__repr__ = short_repr
    node_class.__init__ = explain_arguments(node_class.__init__)
    node_class.__setattr__ = _refuse_change
    fields = dataclasses.fields(node_class)
    statics = tuple(field.name for field in fields if field.metadata.get("static"))
    leaves = tuple(field.name for field in fields if field.name not in statics)
    keys = tuple(map(jax.tree_util.GetAttrKey, leaves))

    def flatten(owner: Any) -> tuple[list[Any], tuple[Any, ...]]:
        values = vars(owner)
        return [values[name] for name in leaves], tuple([values[name] for name in statics])

    def flatten_with_keys(owner: Any) -> tuple[list[Any], tuple[Any, ...]]:
        values, structure = flatten(owner)
        return list(zip(keys, values, strict=True)), structure

    def unflatten(structure: tuple[Any, ...], values: Any) -> Any:
        owner: Any = object.__new__(node_class)
        vars(owner).update(zip(statics, structure, strict=True))
        vars(owner).update(zip(leaves, values, strict=True))
        return owner

    # Not `register_dataclass`: JAX 0.10 and 0.12 take two classes with the same fields for one
    # structure, and sometimes ran a program that was compiled for another loss.
    jax.tree_util.register_pytree_with_keys(node_class, flatten_with_keys, unflatten, flatten)
    node_class.has_leaves = True  # tells a layer that an attribute of this class has leaves
    return node_class


def _refuse_change(owner: Any, name: str, value: Any) -> Never:
    advice = f"write dataclasses.replace(…, {name}={value!r}) for another"
    if name in ("learning_rate", "lr"):
        advice = f"write model.learning_rate = {value!r}, which counts from the next fit on"
    raise dataclasses.FrozenInstanceError(f"{type(owner).__name__} does not change: {advice}.")


def check_scalar(owner: object, name: str, value: Any) -> None:
    """Refuse anything but a number, or None, for a setting that is one number.

    Arrays and spaces pass: in a program a setting is a tracer, in a sweep an array or a space. A
    whole number beyond 32 bits, which JAX cannot hold, becomes a float.

    Raises:
        GradusError: naming the class of `owner` and the setting.
    """
    if is_number(value) or value is None or isinstance(value, Space) or is_real_array(value):
        if isinstance(value, int) and abs(value) > MAX_INT and getattr(owner, name) is value:
            object.__setattr__(owner, name, float(value))
        return
    advice = "write one number"
    if isinstance(value, list | tuple) and value:
        options = ", ".join(map(repr, value))
        advice += f"; to try several write gr.choice({options}), for a range gr.uniform(low, high)"
    raise GradusError(f"{type(owner).__name__}({name}={value!r}): {advice}.")


def check_single(settings: Any) -> None:
    """Refuse arrays of several numbers for settings that are one number, at any depth.

    Under `vmap` they are the values of a sweep; a model has one value of each.

    Args:
        settings: a layer, a dataclass, or a list, tuple, or dict of them.

    Raises:
        GradusError: naming the class and the setting.
    """
    if isinstance(settings, list | tuple | dict):
        for each in settings.values() if isinstance(settings, dict) else settings:
            check_single(each)
        return
    declared = getattr(type(settings), "__dataclass_fields__", {})
    for name, value in init_args(settings):
        kind = str(declared[name].type) if name in declared else ""
        several = isinstance(value, np.ndarray | jax.Array) and value.shape != ()
        if (
            several
            and (kind.split(" ")[0] in ("Number", "float", "LearningRate"))
            and ("Array" not in kind and "tuple" not in kind)
        ):
            setting = as_written(name, value, type(settings).__name__)
            raise GradusError(f"{setting}: write one number; to try several write gr.choice(…).")
        if not several:
            check_single(value)


def check_given(owner: Any, name: str) -> None:
    """Refuse None for a setting that is not declared to be a number or None.

    Raises:
        GradusError: naming the class of `owner` and the setting.
    """
    declared = {field.name: str(field.type) for field in dataclasses.fields(owner)}[name]
    if getattr(owner, name) is None and "None" not in declared:
        raise GradusError(f"{type(owner).__name__}({name}=None): write one number.")


def check_fields(owner: Any) -> None:
    """Refuse what is no number, or no flag, in the fields of a dataclass that are declared so.

    Raises:
        GradusError: naming the class of `owner` and the field.
    """
    for field in dataclasses.fields(owner):
        if field.type in ("Number", "float", float):
            check_given(owner, field.name)
            check_scalar(owner, field.name, getattr(owner, field.name))
        if field.type in ("bool", bool):
            for value in given_values(getattr(owner, field.name)):
                flag(field.name, value, type(owner).__name__)


def check_function(owner: Any, form: str) -> None:
    """Refuse what cannot be called like `form` for the setting `function` of `owner`.

    Raises:
        GradusError: naming the class of `owner`.
    """
    for value in given_values(owner.function):
        function("function", value, form, type(owner).__name__)


Limit = tuple[str, Callable[[Any], bool]]
AT_LEAST_ZERO: Limit = ("0 or more", lambda value: value >= 0)
POSITIVE: Limit = ("greater than 0", lambda value: value > 0)
FRACTION: Limit = ("at least 0 and less than 1", lambda value: 0 <= value < 1)


def check_limits(owner: Any, limits: Mapping[str, Limit]) -> None:
    """Refuse plain numbers outside their range; arrays and spaces pass.

    Args:
        owner: the settings.
        limits: the valid values of some settings, in words and as a test, by name.

    Raises:
        GradusError: naming the class of `owner` and the setting.
    """
    for name, (bounds, is_valid) in limits.items():
        value = getattr(owner, name, None)
        if isinstance(value, int | float | np.number) and not is_valid(value):
            raise GradusError(f"{type(owner).__name__}({name}={value!r}): it must be {bounds}.")


def check_setting(
    owner: object, name: str, low: float, high: float = math.inf, several: bool = False
) -> None:
    """Refuse a setting of `owner` that is not a number in [low, high].

    Traced values, arrays, and spaces pass; a list or tuple passes only if the setting may be
    `several` numbers, None only if it is the default.

    Raises:
        GradusError: naming the class of `owner` and the setting.
    """
    value = getattr(owner, name)
    check_given(owner, name)
    for each in value if several and isinstance(value, list | tuple) else (value,):
        check_scalar(owner, name, each)
    if isinstance(value, int | float) and not low <= value <= high:
        span = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
        raise GradusError(f"{type(owner).__name__}({name}={value:g}): {name} must be {span}.")


def canonicalize(tree: Any) -> Any:
    """Return `tree` with every Python number as a float32 array; arrays stay as they are.

    Otherwise a Python float and an array of the same value would compile two programs.
    """

    def convert(leaf: Any) -> Any:
        if isinstance(leaf, bool | int | float | np.floating | np.integer):
            return np.asarray(leaf, np.float32)
        return leaf

    return jax.tree.map(convert, tree)
