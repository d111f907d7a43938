"""For the reference: settings classes are read as the dataclasses that their decorator makes.

The reference is made from the source alone, where `@pytree` is a decorator like any other. A
decorator that is itself declared with `dataclass_transform` is shown as `@dataclass` here, so that
the settings get their signatures.
"""

from __future__ import annotations

from typing import Any

from griffe import Class, Expr, ExprCall, ExprKeyword, ExprName, Extension, Module


class _Dataclass(ExprName):
    """An expression that stands for `dataclasses.dataclass`."""

    @property
    def canonical_path(self) -> str:
        """What griffe's own extension looks for."""
        return "dataclasses.dataclass"


class Settings(Extension):
    """Runs before griffe's extension for dataclasses, on the whole package."""

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Look at every class of a package."""
        for module in _modules(pkg):
            for found in module.classes.values():
                if not found.is_alias:
                    self._read(found, pkg)

    def _read(self, found: Class, pkg: Module) -> None:
        for decorator in found.decorators:
            specifiers = _specifiers(decorator.value, pkg)
            if specifiers is not None:
                decorator.value = _Dataclass("dataclass", parent=found)
                for field in found.attributes.values():
                    if (
                        isinstance(field.value, ExprCall)
                        and str(field.value.function) in specifiers
                    ):
                        field.value = _default(field.value)


def _modules(module: Module) -> list[Module]:
    below = [part for part in module.modules.values() if not part.is_alias]
    return [module, *(m for part in below for m in _modules(part))]


def _specifiers(decorator: Any, pkg: Module) -> str | None:
    """Return what a decorator's `dataclass_transform` says, or None if it has none."""
    if isinstance(decorator, Expr) and decorator.canonical_path.startswith(f"{pkg.path}."):
        path = decorator.canonical_path.removeprefix(f"{pkg.path}.")
        try:
            made_by = pkg[path].decorators
        except (KeyError, AttributeError):
            return None
        return next((str(d.value) for d in made_by if "dataclass_transform" in str(d.value)), None)
    return None


def _default(call: ExprCall) -> Any:
    """Return the default that a field's declaration has, or None."""
    keywords = [a for a in call.arguments if isinstance(a, ExprKeyword) and a.name == "default"]
    return keywords[0].value if keywords else None
