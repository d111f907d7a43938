"""Unknown attributes of models, layers, histories, and sweeps, told with what to write here."""

from __future__ import annotations

from typing import Never

from gradus.foreign_names.lookup import said_here
from gradus.foreign_names.table import ATTRIBUTES


def refuse_attribute(owner: object, name: str) -> Never:
    """Refuse an attribute that an object lacks; it is the `__getattr__` of a class.

    Python itself adds the nearest attribute where it shows the error.

    Args:
        owner: the object.
        name: the attribute.

    Raises:
        AttributeError: always; it says what a name of another library is here.
    """
    cls = type(owner)
    places = [base.__name__ for base in cls.__mro__]
    here = said_here(ATTRIBUTES, places, name)
    message = f"{cls.__name__!r} object has no attribute {name!r}"
    raise AttributeError(f"{message}.{here}" if here else message, name=name, obj=owner)
