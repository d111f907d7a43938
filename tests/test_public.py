"""Every public name exists and has a docstring."""

import importlib
import inspect
import pkgutil

import pytest

import gradus

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(gradus.__path__, "gradus.")
    if module.name != "gradus.__main__"
)


def public(module):
    """Yield the public functions, classes and methods that a module defines."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            yield f"{module.__name__}.{name}", value, value
            for attribute, member in vars(value).items():
                if not attribute.startswith("_") and (
                    inspect.isfunction(member)
                    or isinstance(member, property | classmethod | staticmethod)
                ):
                    yield f"{module.__name__}.{name}.{attribute}", member, value
        elif inspect.isfunction(value):
            yield f"{module.__name__}.{name}", value, None


def inherited(name, owner):
    """The docstring of a method in a parent class."""
    return owner and any(
        getattr(vars(base).get(name), "__doc__", None) for base in owner.__mro__[1:-1]
    )


@pytest.mark.parametrize("name", ["gradus", *MODULES])
def test_every_public_name_has_a_docstring(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    missing = [
        path
        for path, value, owner in public(module)
        if not (getattr(value, "__doc__", None) or inherited(path.split(".")[-1], owner))
    ]
    # A dataclass without a docstring gets its signature as one.
    made = [
        path
        for path, value, _ in public(module)
        if inspect.isclass(value) and (value.__doc__ or "").startswith(f"{value.__name__}(")
    ]
    assert missing + made == []


def test_every_public_name_can_be_imported():
    for name in gradus.__all__:
        assert getattr(gradus, name) is not None
    assert set(gradus.__all__) <= set(dir(gradus))
    with pytest.raises(AttributeError, match="'Dense'"):
        gradus.Denes  # noqa: B018
