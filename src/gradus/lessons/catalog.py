"""The list of lessons, and how to find and run one.

A lesson is a module of this package. Its docstring is the text: the first line is the title, the
rest is Markdown. Its function `lesson(page, ...)` is the experiment, written with the library's
public names: it shows its results on the page and returns the numbers that make its point. All
other arguments have defaults, the full size; tests pass smaller ones.
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
    "Training": (
        "batch-size",
        "learning-rate",
        "local-minimum",
        "optimizers",
        "epochs",
        "overfitting",
    ),
    "Deep networks": ("initialization", "vanishing", "batch-norm"),
    "Representations": ("autoencoder", "stacked-autoencoder", "denoising", "embedding"),
    "Images and sequences": ("cnn", "rnn", "attention"),
    "Going further": ("fine-tuning", "gan", "tuning"),
}
NAMES = tuple(name for names in CHAPTERS.values() for name in names)


class Lesson(NamedTuple):
    """One lesson.

    Attributes:
        name: its name for `gradus lesson`, such as "batch-norm".
        title: the first line of its text, without the period.
        text: the rest of its text, in Markdown.
        run: the experiment, `run(page, **sizes)`, which returns the numbers that make the point.
        source: the source code of the module.
    """

    name: str
    title: str
    text: str
    run: Callable[..., dict[str, float]]
    source: str

    @property
    def on_images(self) -> bool:
        """Whether it can use MNIST instead of the small digits."""
        return "data" in inspect.signature(self.run).parameters


def find_lesson(name: str) -> Lesson:
    """Return the lesson with a name.

    Raises:
        GradusError: if there is no such lesson; it suggests the nearest name.
    """
    position(name)
    module: Any = importlib.import_module(f"gradus.lessons.{name.replace('-', '_')}")
    text = str(inspect.getdoc(module)).partition("\n")[2].strip()
    return Lesson(name, title(name), text, module.lesson, inspect.getsource(module))


def run_lesson(
    name: str, quiet: bool = False, **sizes: Any
) -> tuple[Lesson, Page, dict[str, float]]:
    """Run a lesson; return it, its page, and its numbers."""
    lesson, page = find_lesson(name), Page(quiet)
    return lesson, page, lesson.run(page, **sizes)


def lesson_files() -> list[str]:
    """Return the names of the lessons whose modules exist, in order."""
    return [name for name in NAMES if _path(name).is_file()]


def position(name: str) -> int:
    """Return the position of a lesson among all lessons.

    Raises:
        GradusError: if there is no such lesson; it suggests the nearest name.
    """
    if name not in NAMES:
        raise unknown("lesson", name, NAMES)
    return NAMES.index(name)


def title(name: str) -> str:
    """Return a lesson's title, read from its file without importing the module."""
    text = str(ast.get_docstring(ast.parse(_path(name).read_text("utf-8"))))
    return text.partition("\n")[0].rstrip(".")


def _path(name: str) -> Path:
    return Path(__file__).parent / f"{name.replace('-', '_')}.py"
