"""Which lessons there are, in which order, and how one is run.

A lesson is a module of this package. Its docstring is what it teaches: the first line its title,
the rest Markdown. Its function `lesson(page, ...)` is the experiment, in the library's public
names: it shows its results on the page and returns the numbers that make its point. All its other
arguments have defaults, the full size; tests give smaller ones.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gradus.errors import unknown
from gradus.lessons.page import Page

CHAPTERS: Mapping[str, tuple[str, ...]] = {
    "One unit": (
        "linear-regression",
        "logistic-regression",
        "exam",
        "scaling",
        "perceptron",
    ),
    "Networks": ("xor", "activations", "losses", "forward", "backprop"),
    "Learning": (
        "batch-size",
        "learning-rate",
        "local-minimum",
        "optimizers",
        "epochs",
        "overfitting",
    ),
    "Depth": ("initialization", "vanishing", "batch-norm"),
    "Codes": ("autoencoder", "stacked-autoencoder", "denoising", "embedding"),
    "Images and sequences": ("cnn", "rnn", "attention"),
    "Beyond": ("fine-tuning", "gan", "tuning"),
}
NAMES = tuple(name for names in CHAPTERS.values() for name in names)


class Lesson(NamedTuple):
    """One lesson.

    Attributes:
        name: what `gradus lesson` calls it: "batch-norm".
        title: its first line, without the full stop.
        text: what it teaches, in Markdown.
        run: the experiment, `run(page, **sizes)`, which returns the numbers that make the point.
        source: the experiment's source code, to read as an example.
    """

    name: str
    title: str
    text: str
    run: Callable[..., dict[str, float]]
    source: str

    @property
    def on_images(self) -> bool:
        """Whether it can run on MNIST instead of the small digits."""
        return "data" in inspect.signature(self.run).parameters


def find_lesson(name: str) -> Lesson:
    """Return the lesson of that name.

    Raises:
        GradusError: with the nearest name, if there is none.
    """
    order(name)
    module: Any = importlib.import_module(f"gradus.lessons.{name.replace('-', '_')}")
    text = str(inspect.getdoc(module)).partition("\n")[2].strip()
    return Lesson(name, title(name), text, module.lesson, inspect.getsource(module))


def run_lesson(
    name: str, quiet: bool = False, **sizes: Any
) -> tuple[Lesson, Page, dict[str, float]]:
    """Run a lesson and return it, its page and its numbers."""
    lesson, page = find_lesson(name), Page(quiet)
    return lesson, page, lesson.run(page, **sizes)


def lesson_files() -> list[str]:
    """Return the names of the lessons whose module is there, in their order."""
    return [name for name in NAMES if _file(name).is_file()]


def order(name: str) -> int:
    """Return a lesson's place among all.

    Raises:
        GradusError: with the nearest name, if there is no such lesson.
    """
    if name not in NAMES:
        raise unknown("lesson", name, NAMES)
    return NAMES.index(name)


def title(name: str) -> str:
    """Return a lesson's title, read from its file without importing what it imports."""
    text = str(ast.get_docstring(ast.parse(_file(name).read_text("utf-8"))))
    return text.partition("\n")[0].rstrip(".")


def _file(name: str) -> Path:
    return Path(__file__).parent / f"{name.replace('-', '_')}.py"
