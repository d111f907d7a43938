"""gradus's layers by their public names, which are Keras's where Keras has such a layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gradus.errors import GradusError, nearest
from gradus.nn.layer import Layer
from gradus.serialization import settings_class


def own_layer(name: str, where: str = "") -> Any:
    """Return the class of a layer.

    Args:
        name: such as "Dense".
        where: what is to be carried, for the error.

    Raises:
        GradusError: if there is none of that name, with the nearest.
    """
    cls = settings_class(name)
    if cls is not None and issubclass(cls, Layer) and is_own_layer(cls):
        return cls
    close = nearest(name, [each.__name__ for each in _classes_below(Layer) if is_own_layer(each)])
    hint = f" The nearest is {close}." if close else ""
    raise GradusError(f"{where}: gradus has no layer {name}.{hint}")


def is_own_layer(cls: type) -> bool:
    """Return whether a class is one of gradus's layers."""
    return cls.__module__.startswith("gradus.nn.layers.")


def _classes_below(base: type[Layer]) -> Iterator[type[Layer]]:
    """Yield the classes of layers, however far they are derived."""
    for cls in base.__subclasses__():
        yield cls
        yield from _classes_below(cls)
