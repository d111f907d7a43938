"""Wrong arguments of public classes and functions, told in the words of who wrote them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from gradus.errors import ArgumentError, nearest
from gradus.foreign_names.lookup import said_here
from gradus.foreign_names.table import ARGUMENTS

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=type)

_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_FITTED = ("TablePreprocessor", "Target")  # classes that are not made by their arguments
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def explain_arguments(function: Callable[P, R], owner: type | None = None) -> Callable[P, R]:
    """Return a function whose wrong arguments are told, with what to write instead.

    A call costs nothing more: the arguments are looked at only where it failed.

    Args:
        function: a function, or a method.
        owner: the class of a method, which is told, too, if it is called on that.
    """

    @functools.wraps(function)
    def explained(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return function(*arguments, **options)
        except (TypeError, AttributeError):
            error = _called_on_class(function, owner, arguments)
            error = error or _wrong_arguments(function, arguments, options)
            if error is None:  # the call was right, and something in it failed
                raise
        raise error

    return explained


def explain_methods(cls: T) -> T:
    """Make a class explain wrong arguments of its `__init__` and of its public methods."""
    for name, member in list(vars(cls).items()):
        if name.startswith("_") and name != "__init__":
            continue
        if inspect.isfunction(member):
            setattr(cls, name, explain_arguments(member, cls))
        elif isinstance(member, classmethod):
            setattr(cls, name, _OfTheClass(explain_arguments(member.__func__)))
    return cls


class _OfTheClass(classmethod):  # type: ignore[type-arg]
    """A class method that an object refuses, as it returns a new one and leaves that as it is."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return super().__get__(instance, owner)
        name, made = self.__func__.__name__, type(instance).__name__

        def refuse(*_: Any, **__: Any) -> Any:
            raise ArgumentError(
                f"{name} returns a new {made}, and leaves this one as it is: write "
                f"{made}.{name}(…), and use what it returns."
            )

        return refuse


def _called_on_class(
    method: Callable[..., Any], owner: type | None, arguments: tuple[Any, ...]
) -> ArgumentError | None:
    """Return the error for a method without an object, as in `Sweep.fit(x, y)`; None if it has."""
    if owner is None or (arguments and isinstance(arguments[0], owner)):
        return None
    name, made = method.__name__, owner.__name__.removeprefix("Base")
    return ArgumentError(
        f"{name} was called on the class {made}, but is a method of an object: write "
        f"{made}(…).{name}(…)."
    )


def _wrong_arguments(
    function: Callable[..., Any], arguments: tuple[Any, ...], options: Mapping[str, Any]
) -> ArgumentError | None:
    """Return the error for arguments that a function does not take; None if it takes them."""
    signature = inspect.signature(function)
    try:
        signature.bind(*arguments, **options)
    except TypeError as error:
        name, parameters = function.__name__, list(signature.parameters.values())
        if not parameters or parameters[0].name not in ("self", "cls") or not arguments:
            return _explained(name, [name], parameters, arguments, options, str(error))
        cls = arguments[0] if isinstance(arguments[0], type) else type(arguments[0])
        name, places = _places(function, cls)
        return _explained(name, places, parameters[1:], arguments[1:], options, str(error))
    return None


def _places(function: Callable[..., Any], cls: type) -> tuple[str, list[str]]:
    """Return what a method is called for a user, and under which names the table may have it.

    `__init__` of a base that a subclass calls is that of the base; else it is that of the class
    that was written, as `Conv2D` has its `__init__` from a base.
    """
    method = function.__name__
    owner = cls
    if not _is_method(getattr(cls, method, None), function):
        owner = next((c for c in cls.__mro__ if _is_method(vars(c).get(method), function)), cls)
    classes = [c.__name__ for c in owner.__mro__]
    if method == "__init__":
        return owner.__name__, classes
    return method, [f"{name}.{method}" for name in classes]


def _is_method(member: Any, function: Callable[..., Any]) -> bool:
    plain = getattr(member, "__func__", member)  # of a class method
    return callable(plain) and inspect.unwrap(plain) is inspect.unwrap(function)


def _explained(
    name: str,
    places: list[str],
    parameters: list[inspect.Parameter],
    given: tuple[Any, ...],
    options: Mapping[str, Any],
    reason: str,
) -> ArgumentError:
    """Return the error for arguments that do not fit some parameters."""
    known = [p.name for p in parameters if p.kind not in _VARIADIC]
    listed = f" Its arguments: {', '.join(known)}." if known else " It takes none."
    for option in options:
        if option in known:
            continue
        here = said_here(ARGUMENTS, places, option, known)
        close = nearest(option, known)
        hint = here or (f" Did you mean {close!r}?{listed}" if close else listed)
        return ArgumentError(f"{name} has no argument {option!r}.{hint}")
    positional = [p.name for p in parameters if p.kind in _BY_POSITION]
    if len(given) > len(positional):
        rest = [name_ for name_ in known if name_ not in positional]
        many = len(rest) > 1
        by_name = "are written with their names" if many else "is written with its name"
        advice = f"; {', '.join(rest)} {by_name}" if rest else ""
        count = f"{len(positional)} ({', '.join(positional)})" if positional else "none"
        return ArgumentError(
            f"{name} was given {len(given)} argument{'s' * (len(given) > 1)} without names, but "
            f"takes {count}{advice}."
        )
    missing = [
        p.name
        for p in parameters[len(given) :]
        if p.default is p.empty and p.kind not in _VARIADIC and p.name not in options
    ]
    if missing:
        if name in _FITTED:
            return ArgumentError(f"{name} is made by its fit: write {name}.fit(…).")
        written = ", ".join(f"{argument}=…" for argument in missing)
        return ArgumentError(f"{name} needs {' and '.join(missing)}: write {name}({written}).")
    return ArgumentError(f"{name}: {reason}.{listed}")
