"""The commands `gradus lesson` and `gradus lessons`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gradus.apps.output import Output

if TYPE_CHECKING:
    from gradus.lessons.catalog import Lesson

Json = Annotated[bool, Parameter(negative="", help="Print one JSON object on standard output.")]
Data = Annotated[
    str | None, Parameter(help='For lessons on images: "mnist" or its like instead of "digits".')
]


def lesson(
    name: Annotated[str, Parameter(help="Which one; `gradus lessons` lists them.")],
    /,
    *,
    data: Data = None,
    out: Annotated[str, Parameter(help="The folder for the page.")] = ".",
    json: Json = False,
) -> int:
    """Learn one idea: run its experiment, print what it shows, and write a page with the figures.

    gradus lesson xor
    """
    from gradus.apps.runs import finite_or_none
    from gradus.lessons import site, terminal
    from gradus.lessons.page import Page

    found = _found(name, data)
    folder = site.made(Path(out))
    show, stream = Output(json), sys.stderr if json else sys.stdout
    terminal.print_lesson(found.title, found.text, stream)
    begun, page = time.perf_counter(), Page(stream=stream)
    numbers = found.run(page, **({} if data is None else {"data": data}))
    seconds = time.perf_counter() - begun
    terminal.print_numbers(numbers, stream)
    path = site.write_lesson(folder / f"{name}.html", found, page, numbers)
    show.say(f"{seconds:.1f} s. The page with the figures is {path}")
    plain = {key: float(value) for key, value in numbers.items()}
    about = {"lesson": name, "title": found.title, "page": str(path), "seconds": seconds}
    show.result(finite_or_none({**about, "numbers": plain}))
    return 0


def lessons(
    *,
    build: Annotated[
        str | None, Parameter(help="Run them, and write them as a course into this folder.")
    ] = None,
    only: Annotated[str | None, Parameter(help="Which, with commas between: xor,cnn.")] = None,
    data: Data = None,
    json: Json = False,
) -> int:
    """List the lessons, or run them and write them as a course of pages.

    gradus lessons --build course
    """
    from gradus.lessons import catalog

    show, names = Output(json), catalog.lesson_files()
    if only is not None:
        asked = [_known(name.strip()) for name in only.split(",")]
        names = [name for name in names if name in asked]
    if build is not None:
        from gradus.lessons import site

        index = site.build_site(build, names, data, show.say)
        show.say(f"The course begins at {index}")
        show.result({"index": str(index), "lessons": names})
        return 0
    listed = []
    for chapter, among in catalog.CHAPTERS.items():
        found = [(name, catalog.title(name)) for name in among if name in names]
        if found:
            show.say(chapter)
        for name, title in found:
            show.say(f"  {name:<21} {title}")
            listed.append({"chapter": chapter, "lesson": name, "title": title})
    show.say()
    show.say(f"To take one: gradus lesson {names[0]}")
    show.result({"lessons": listed})
    return 0


def _found(name: str, data: str | None) -> Lesson:
    from gradus.apps.experiment_file import SpecError
    from gradus.lessons import catalog

    found = catalog.find_lesson(_known(name))
    if data is not None and not found.on_images:
        raise SpecError(f"The lesson {name!r} is not about images: leave out --data.")
    return found


def _known(name: str) -> str:
    from gradus.apps.experiment_file import SpecError
    from gradus.errors import unknown
    from gradus.lessons import catalog

    if name not in catalog.NAMES:
        raise SpecError(str(unknown("lesson", name, catalog.NAMES)))
    return name
