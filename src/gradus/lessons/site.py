"""Lessons as pages: one that opens anywhere, or a whole course with a table of contents."""

from __future__ import annotations

import ast
import html
import inspect
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from gradus.errors import GradusError, SavedError
from gradus.lessons import catalog, formats
from gradus.lessons.blocks import FigureBlock, TableBlock, TextBlock
from gradus.lessons.catalog import CHAPTERS, Lesson
from gradus.lessons.page import Page

MOST_TILES = 4
PLOTLY = "plotly.js"  # of a course, beside its pages
STYLE = "default"  # of source code


class SitePage(NamedTuple):
    """Where a lesson stands in a course.

    Attributes:
        number: its number, from 1.
        total: how many lessons there are.
        before: the lesson before it, if there is one.
        after: the one after it.
    """

    number: int
    total: int
    before: Lesson | None
    after: Lesson | None


def write_lesson(
    path: str | Path,
    lesson: Lesson,
    page: Page,
    numbers: Mapping[str, float],
    place: SitePage | None = None,
) -> Path:
    """Write a lesson's page: what it teaches, what its experiment showed, and the source code.

    Args:
        path: the file.
        lesson: the lesson.
        page: what it showed when it ran.
        numbers: what it returned.
        place: where it stands in a course, whose pages share one file of Plotly; None for a page
            that has all inside.

    Returns:
        The path.

    Raises:
        SavedError: if it cannot be written.
    """
    from plotly.offline import get_plotlyjs

    content = (
        _pages()
        .get_template("lesson.html")
        .render(
            lesson=lesson,
            chapter=chapter_of(lesson.name),
            text=_linked(_markdown(lesson.text)) if place else _markdown(lesson.text),
            tiles=_tiles(numbers),
            rest=_tiles(numbers, MOST_TILES),
            blocks=[_block(block) for block in page.blocks],
            code=_highlighted(code_of(lesson.source)),
            style=_code_style() + _style(),
            plotly=None if place else get_plotlyjs(),
            place=place,
        )
    )
    return _write(Path(path), content)


def build_site(
    folder: str | Path,
    names: Sequence[str] | None = None,
    data: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Run lessons and write a course: `index.html` and a page for each.

    Args:
        folder: where to; it is made.
        names: which lessons; by default all, in their order.
        data: the data set of those on images, such as "mnist"; by default the small digits.
        say: told what each lesson took.

    Returns:
        The path of the index.

    Raises:
        GradusError: if lessons fail, after all others have run; it names them.
        SavedError: if a page cannot be written.
    """
    from plotly.offline import get_plotlyjs

    folder = made(Path(folder))
    wanted = catalog.lesson_files() if names is None else sorted(set(names), key=catalog.order)
    lessons, done, failed = [catalog.find_lesson(name) for name in wanted], [], {}
    _write(folder / PLOTLY, get_plotlyjs())
    for index, lesson in enumerate(lessons):
        neighbours = [None, *lessons, None]
        place = SitePage(index + 1, len(lessons), neighbours[index], neighbours[index + 2])
        sizes = {"data": data} if data is not None and lesson.on_images else {}
        begun = time.perf_counter()
        try:
            _, page, numbers = catalog.run_lesson(lesson.name, quiet=True, **sizes)
        except Exception as error:
            failed[lesson.name] = f"{type(error).__name__}: {error}"
        else:
            write_lesson(folder / f"{lesson.name}.html", lesson, page, numbers, place)
            done.append(lesson)
        if say is not None:
            words = f"  {failed[lesson.name]}" if lesson.name in failed else ""
            say(f"{lesson.name:<22}{time.perf_counter() - begun:7.1f} s{words}")
    index_page = _write(folder / "index.html", _index(done))
    if failed:
        raise GradusError(
            f"{len(failed)} of {len(lessons)} lessons failed: {', '.join(failed)}. "
            "Run one alone to see more: gradus lesson NAME."
        )
    return index_page


def chapter_of(name: str) -> str:
    """Return the title of the chapter that a lesson stands in."""
    return next(title for title, names in CHAPTERS.items() if name in names)


def summary(lesson: Lesson) -> str:
    """Return what a lesson's experiment does, in a sentence: the first line of its docstring."""
    return str(inspect.getdoc(lesson.run)).partition("\n")[0]


def made(folder: Path) -> Path:
    """Return a folder that is there, made if need be.

    Raises:
        SavedError: if it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SavedError(
            f"The folder {str(folder)!r} cannot be made: {error.strerror or error}."
        ) from error
    return folder


def code_of(source: str) -> str:
    """Return a module's source code without its docstring, which the page shows as text."""
    first = ast.parse(source).body[:1]
    if not first or ast.get_docstring(ast.parse(source)) is None:
        return source
    return "\n".join(source.splitlines()[first[0].end_lineno :]).strip() + "\n"


# --- the parts of a page -----------------------------------------------------------------------


def _index(lessons: Sequence[Lesson]) -> str:
    chapters = {
        title: [(lesson, summary(lesson)) for lesson in lessons if lesson.name in names]
        for title, names in CHAPTERS.items()
    }
    return (
        _pages()
        .get_template("index.html")
        .render(chapters={t: found for t, found in chapters.items() if found}, style=_style())
    )


def _tiles(numbers: Mapping[str, float], first: int = 0) -> list[tuple[str, str]]:
    """Return the label and the words of the key numbers, or of those that follow them."""
    words = [
        (formats.format_label(name), formats.format_lesson_number(name, v))
        for name, v in numbers.items()
    ]
    return words[first:] if first else words[:MOST_TILES]


def _block(block: TextBlock | TableBlock | FigureBlock) -> dict[str, Any]:
    """Return what the template needs of a part of the page."""
    if isinstance(block, TextBlock):
        return {"kind": "words", "html": _markdown(block.markdown)}
    if isinstance(block, TableBlock):
        columns = formats.format_table(block.rows)
        return {
            "kind": "table",
            "caption": block.caption,
            "columns": [(name, formats.numeric(block.rows, name)) for name in columns],
            "rows": list(zip(*columns.values(), strict=True)),
        }
    title, height, chart = _chart(block.figure)
    return {
        "kind": "figure",
        "title": title,
        "caption": block.caption,
        "height": height,
        "chart": chart,
    }


def _chart(figure: Any) -> tuple[str, int, Any]:
    """Return a figure's title, height, and the rest as JSON that may stand in a page's script."""
    from markupsafe import Markup
    from plotly.graph_objects import Figure as Plot

    copy = Plot(figure)  # the page's own keeps its title
    title = html.unescape(re.sub("<[^>]*>", " ", copy.layout.title.text or ""))
    legend = sum(trace.showlegend is not False for trace in copy.data) > 1
    copy.layout.title = None
    copy.layout.margin.t = 44 if legend or copy.layout.annotations else 16
    return title, copy.layout.height or 360, Markup(copy.to_json().replace("<", "\\u003c"))  # noqa: S704


def _markdown(text: str) -> Any:
    """Return Markdown as HTML; HTML in it is shown letter by letter."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    reader = MarkdownIt("commonmark", {"html": False, "typographer": True})
    return Markup(reader.enable(["table", "smartquotes"]).render(text))  # noqa: S704


def _linked(text: str) -> Any:
    """Return a text with "the lesson `xor`" as a link to that lesson's page."""
    from markupsafe import Markup

    names = "|".join(sorted(catalog.lesson_files(), key=len, reverse=True))
    link = r'\1<a href="\2.html"><code>\2</code></a>'
    return Markup(re.sub(rf"(\blesson\s)<code>({names})</code>", link, str(text)))  # noqa: S704


def _highlighted(code: str) -> str:
    from markupsafe import Markup
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return Markup(highlight(code, PythonLexer(), HtmlFormatter(style=STYLE, cssclass="code")))  # noqa: S704


def _code_style() -> str:
    from pygments.formatters import HtmlFormatter

    return str(HtmlFormatter(style=STYLE, cssclass="code").get_style_defs(".code"))


def _style() -> str:
    return _source("lesson.css")


def _pages() -> Any:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _source(name: str) -> str:
    return resources.files("gradus.lessons").joinpath(name).read_text("utf-8")


def _write(path: Path, content: str) -> Path:
    """Write a file under another name first, so that it is never half there."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(content, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise SavedError(
            f"The page cannot be written to {str(path)!r}: {error.strerror or error}. "
            "Write it to a folder that exists, has room and may be written to."
        ) from error
    return path
