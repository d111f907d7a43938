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
    made: Any = jax.tree_util.register_dataclass(dataclasses.dataclass(frozen=True)(cls))
    made.has_leaves = True  # a layer that holds one has its leaves
    return made


def one_number(owner: object, name: str, value: Any) -> None:
    """Refuse a list, a tuple or a word where a setting is one number, or an array in a sweep.

    All else passes, as JAX rebuilds settings with tracers and marks of its own for leaves.

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


def canonical(tree: Any) -> Any:
    """Return `tree` with every Python number as a float32 array, an integer array left as it is.

    A Python float and an array of the same value would otherwise be two programs.
    """

    def convert(leaf: Any) -> Any:
        if isinstance(leaf, bool | int | float | np.floating | np.integer):
            return np.asarray(leaf, np.float32)
        return leaf

    return jax.tree.map(convert, tree)
