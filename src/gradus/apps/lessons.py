"""The commands `gradus lesson` and `gradus lessons`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gradus.apps.output import Json, Output
from gradus.drawing.status import doing

if TYPE_CHECKING:
    from gradus.lessons.catalog import Lesson

DataOption = Annotated[
    str | None, Parameter(help='For lessons on images: "mnist", for example, instead of "digits".')
]


def lesson(
    name: Annotated[str, Parameter(help="The lesson; gradus lessons lists them.")],
    /,
    *,
    data: DataOption = None,
    out: Annotated[str, Parameter(help="The folder of the page.")] = ".",
    json: Json = False,
) -> int:
    """Run the experiment of a lesson, print its results, and write a page with the figures.

    gradus lesson xor
    """
    from gradus.files import user_path
    from gradus.lessons import site, terminal
    from gradus.lessons.page import Page
    from gradus.records import finite_or_none

    opened = _find_lesson(name, data)
    folder = site.make_folder(user_path(out))
    output, stream = Output(json), sys.stderr if json else sys.stdout
    terminal.print_lesson(opened.title, opened.text, stream)
    doing("running the experiment")
    started, page = time.perf_counter(), Page(stream=stream)
    numbers = opened.run(page, **({} if data is None else {"data": data}))
    seconds = time.perf_counter() - started
    terminal.print_numbers(numbers, stream)
    path = site.write_lesson(folder / f"{name}.html", opened, page, numbers)
    output.print_line(f"{seconds:.1f} s. The page with the figures is {path}")
    result = {"lesson": name, "title": opened.title, "page": str(path), "seconds": seconds}
    floats = {key: float(value) for key, value in numbers.items()}
    output.print_json(finite_or_none({**result, "numbers": floats}))
    return 0


def lessons(
    *,
    build: Annotated[
        str | None, Parameter(help="Run the lessons, and write them as a course into this folder.")
    ] = None,
    only: Annotated[str | None, Parameter(help="Only these lessons: xor,cnn.")] = None,
    data: DataOption = None,
    json: Json = False,
) -> int:
    """List the lessons, or run them and write them as a course of pages.

    gradus lessons

    gradus lessons --build course
    """
    from gradus.lessons import catalog

    output, names = Output(json), catalog.lesson_files()
    if only is not None:
        wanted = [_check_name(name.strip()) for name in only.split(",")]
        names = [name for name in names if name in wanted]
    if build is not None:
        from gradus.lessons import site

        doing("running the lessons")
        index = site.build_site(build, names, data, output.print_line)
        output.print_line(f"The course begins at {index}")
        output.print_json({"index": str(index), "lessons": names})
        return 0
    listed = []
    for chapter, members in catalog.CHAPTERS.items():
        titles = {name: catalog.title(name) for name in members if name in names}
        if titles:
            output.print_line(chapter)
        for name, title in titles.items():
            output.print_line(f"  {name:<21} {title}")
            listed.append({"chapter": chapter, "lesson": name, "title": title})
    output.print_line()
    output.print_line(f"To start one: gradus lesson {names[0]}")
    output.print_json({"lessons": listed})
    return 0


def _find_lesson(name: str, data: str | None) -> Lesson:
    from gradus.experiments.settings.experiment import ExperimentError
    from gradus.lessons import catalog

    opened = catalog.find_lesson(_check_name(name))
    if data is not None and not opened.on_images:
        raise ExperimentError(f"The lesson {name!r} is not about images: leave out --data.")
    return opened


def _check_name(name: str) -> str:
    from gradus.errors import unknown
    from gradus.experiments.settings.experiment import ExperimentError
    from gradus.lessons import catalog

    if name not in catalog.NAMES:
        raise ExperimentError(str(unknown("lesson", name, catalog.NAMES)))
    return name
