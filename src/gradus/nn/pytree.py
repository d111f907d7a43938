"""Settings as pytrees: frozen dataclasses with numbers as leaves, so new values never recompile."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, TypeVar, dataclass_transform

import jax
import numpy as np

from gradus import cache
from gradus.errors import GradusError
from gradus.space import Space

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
    node_class: Any = dataclasses.dataclass(frozen=True)(cls)
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


def check_scalar(owner: object, name: str, value: Any) -> None:
    """Refuse anything but a number, or None, for a setting that is one number.

    Arrays and spaces pass: in a program a setting is a tracer, in a sweep an array or a space.

    Raises:
        GradusError: naming the class of `owner` and the setting.
    """
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    passes = is_number or value is None or isinstance(value, Space) or hasattr(value, "shape")
    if passes and not np.iscomplexobj(value):
        return
    advice = "write one number"
    if isinstance(value, list | tuple) and value:
        options = ", ".join(map(repr, value))
        advice += f"; to try several write gr.choice({options}), for a range gr.uniform(low, high)"
    raise GradusError(f"{type(owner).__name__}({name}={value!r}): {advice}.")


def check_given(owner: Any, name: str) -> None:
    """Refuse None for a setting that is not declared to be a number or None.

    Raises:
        GradusError: naming the class of `owner` and the setting.
    """
    declared = {field.name: str(field.type) for field in dataclasses.fields(owner)}[name]
    if getattr(owner, name) is None and "None" not in declared:
        raise GradusError(f"{type(owner).__name__}({name}=None): write one number.")


def check_number_fields(owner: Any) -> None:
    """Refuse what is no number in the fields of a dataclass that are declared as numbers.

    Raises:
        GradusError: naming the class of `owner` and the field.
    """
    for field in dataclasses.fields(owner):
        if field.type in ("Number", "float", float):
            check_given(owner, field.name)
            check_scalar(owner, field.name, getattr(owner, field.name))


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
