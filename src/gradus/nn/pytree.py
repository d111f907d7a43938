"""Settings as pytrees: frozen dataclasses whose numbers are leaves, so that no value recompiles."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, dataclass_transform

import jax
import numpy as np

from gradus import cache
from gradus.errors import GradusError

# Every way into gradus that computes passes this module, and what does not, such as
# `gradus --help`, never imports JAX: so the compilation cache is turned on here, once.
cache.enable()

T = TypeVar("T", bound=type)


def static(default: Any = dataclasses.MISSING) -> Any:
    """Declare a field of a `pytree` class that belongs to the program's structure, not its values.

    A static field must be hashable; a program is compiled anew for each of its values.
    """
    return dataclasses.field(default=default, metadata={"static": True})


@dataclass_transform(frozen_default=True, field_specifiers=(static,))
def pytree(cls: T) -> T:
    """Make a class a frozen dataclass and a JAX pytree; its fields, unless `static`, are leaves."""
    made: Any = dataclasses.dataclass(frozen=True)(cls)
    fields = dataclasses.fields(made)
    fixed = tuple(field.name for field in fields if field.metadata.get("static"))
    leaves = tuple(field.name for field in fields if field.name not in fixed)
    keys = tuple(map(jax.tree_util.GetAttrKey, leaves))

    def flatten(owner: Any) -> tuple[list[Any], tuple[Any, ...]]:
        held = vars(owner)
        return [held[name] for name in leaves], tuple([held[name] for name in fixed])

    def flatten_with_keys(owner: Any) -> tuple[list[Any], tuple[Any, ...]]:
        values, structure = flatten(owner)
        return list(zip(keys, values, strict=True)), structure

    def unflatten(structure: tuple[Any, ...], values: Any) -> Any:
        owner: Any = object.__new__(made)
        vars(owner).update(zip(fixed, structure, strict=True))
        vars(owner).update(zip(leaves, values, strict=True))
        return owner

    # Not `register_dataclass`: to JAX 0.10 and 0.12 two classes so registered are one structure if
    # their fields are alike, and now and then a program compiled for one loss was run for another.
    jax.tree_util.register_pytree_with_keys(made, flatten_with_keys, unflatten, flatten)
    made.has_leaves = True  # a layer that holds one has its leaves
    return made


def check_scalar(owner: object, name: str, value: Any) -> None:
    """Refuse a list, a tuple or a word where a setting is one number, or an array in a sweep.

    All else passes: within a program a setting is a tracer, in a sweep it may be a space.

    Raises:
        GradusError: naming the class of `owner` and the setting.
    """
    if not isinstance(value, list | tuple | str):
        return
    words = "write one number"
    if not isinstance(value, str):
        options = ", ".join(map(repr, value))
        words += f"; to try several write gr.choice({options}), for a range gr.uniform(low, high)"
    raise GradusError(f"{type(owner).__name__}({name}={value!r}): {words}.")


def canonicalize(tree: Any) -> Any:
    """Return `tree` with every Python number as a float32 array, an integer array left as it is.

    A Python float and an array of the same value would otherwise be two programs.
    """

    def convert(leaf: Any) -> Any:
        if isinstance(leaf, bool | int | float | np.floating | np.integer):
            return np.asarray(leaf, np.float32)
        return leaf

    return jax.tree.map(convert, tree)
