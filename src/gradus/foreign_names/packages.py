"""Packages of gradus that are called, or looked through, as if they were public: told what is."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Never

from gradus.errors import ArgumentError
from gradus.foreign_names.lookup import meaning_here, said_here
from gradus.foreign_names.module_names import PACKAGES


class Package(ModuleType):
    """A package that says what to write for `gr.train(…)`, and for `gr.nn.Linear`."""

    def __getattr__(self, name: str) -> Never:
        """Refuse what the package lacks.

        Raises:
            AttributeError: always.
        """
        message = f"module {self.__name__!r} has no attribute {name!r}."
        if not name.startswith("_"):  # which Python itself looks up
            public = name in sys.modules["gradus"].__all__
            message += f" Here it is gr.{name}." if public else meaning_here(name)
        raise AttributeError(message, name=name, obj=self)

    def __call__(self, *_: object, **__: object) -> Never:
        """Refuse a call.

        Raises:
            ArgumentError: always.
        """
        name = self.__name__.rpartition(".")[2]
        here = said_here({"gr": PACKAGES}, ["gr"], name)
        raise ArgumentError(f"gr.{name} is a package, not a function.{here}")


def explain_package(name: str) -> None:
    """Make the package of a name, such as "gradus.train", say what to write in its place."""
    sys.modules[name].__class__ = Package
