"""Writes lessons as HTML: a single self-contained page, or a course with a table of contents."""

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

from gradus.drawing import pages
from gradus.errors import GradusError, SavedError
from gradus.files import user_path
from gradus.lessons import catalog, formats
from gradus.lessons.blocks import FigureBlock, TableBlock, TextBlock
from gradus.lessons.catalog import CHAPTERS, Lesson
from gradus.lessons.labels import format_label
from gradus.lessons.page import Page

MAX_TILES = 4
PLOTLY = "plotly.js"  # the file that the pages of a course share
CODE_STYLES = ("default", "github-dark")  # of Pygments, for a light and for a dark page


class CoursePosition(NamedTuple):
    """The position of a lesson in a course.

    Attributes:
        number: its number, starting at 1.
        total: number of lessons in the course.
        previous: the lesson before it, if there is one.
        next: the lesson after it, if there is one.
    """

    number: int
    total: int
    previous: Lesson | None
    next: Lesson | None


def write_lesson(
    path: str | Path,
    lesson: Lesson,
    page: Page,
    numbers: Mapping[str, float],
    position: CoursePosition | None = None,
) -> Path:
    """Write a lesson's page: its text, the results of its experiment, and its source code.

    Args:
        path: the file to write.
        lesson: the lesson.
        page: what the lesson showed when it ran.
        numbers: what the lesson returned.
        position: its position in a course, whose pages share one Plotly file; None for a
            self-contained page.

    Returns:
        The path.

    Raises:
        SavedError: if it cannot be written.
    """
    tiles = [
        (format_label(name), formats.format_lesson_number(name, value))
        for name, value in numbers.items()
    ]
    content = (
        _templates()
        .get_template("lesson.html")
        .render(
            lesson=lesson,
            chapter=chapter_of(lesson.name),
            text=_link_lessons(_markdown(lesson.text)) if position else _markdown(lesson.text),
            tiles=tiles[:MAX_TILES],
            rest=tiles[MAX_TILES:],
            blocks=[_block(block) for block in page.blocks],
            code=_highlight(code_without_docstring(lesson.source)),
            style=_code_style() + _page_style(),
            plotly=None if position else pages.compressed_plotly(),
            drawing=pages.drawing_script(),
            position=position,
        )
    )
    return _write(user_path(path), content)


def build_site(
    folder: str | Path,
    names: Sequence[str] | None = None,
    data: str | None = None,
    log: Callable[[str], None] | None = None,
) -> Path:
    """Run lessons and write a course: `index.html` and a page for each lesson.

    Args:
        folder: the folder to write to; it is created if needed.
        names: the names of the lessons; all by default.
        data: the data set for lessons on images, such as "mnist"; the small digits by default.
        log: called with a line about each lesson and the time it took.

    Returns:
        The path of the index.

    Raises:
        GradusError: if lessons fail; the others run first, and the message names those that failed.
        SavedError: if a page cannot be written.
    """
    from plotly.offline import get_plotlyjs

    folder = make_folder(user_path(folder))
    names = catalog.lesson_files() if names is None else sorted(set(names), key=catalog.position)
    lessons, written, failed = [catalog.find_lesson(name) for name in names], [], {}
    _write(folder / PLOTLY, get_plotlyjs())
    padded = [None, *lessons, None]
    for index, lesson in enumerate(lessons):
        position = CoursePosition(index + 1, len(lessons), padded[index], padded[index + 2])
        sizes = {"data": data} if data is not None and lesson.on_images else {}
        start = time.perf_counter()
        try:
            _, page, numbers = catalog.run_lesson(lesson.name, quiet=True, **sizes)
        except Exception as error:
            failed[lesson.name] = f"{type(error).__name__}: {error}"
        else:
            write_lesson(folder / f"{lesson.name}.html", lesson, page, numbers, position)
            written.append(lesson)
        if log is not None:
            failure = f"  {failed[lesson.name]}" if lesson.name in failed else ""
            log(f"{lesson.name:<22}{time.perf_counter() - start:7.1f} s{failure}")
    index_page = _write(folder / "index.html", _index(written))
    if failed:
        raise GradusError(
            f"{len(failed)} of {len(lessons)} lessons failed: {', '.join(failed)}. "
            "Run one by itself to see more: gradus lesson NAME."
        )
    return index_page


def chapter_of(name: str) -> str:
    """Return the title of a lesson's chapter."""
    return next(title for title, names in CHAPTERS.items() if name in names)


def summary(lesson: Lesson) -> str:
    """Return what a lesson's experiment does: the first line of its docstring."""
    return str(inspect.getdoc(lesson.run)).partition("\n")[0]


def make_folder(folder: Path) -> Path:
    """Create a folder if it does not exist, and return it.

    Raises:
        SavedError: if it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SavedError(
            f"The folder {str(folder)!r} cannot be created: {error.strerror or error}."
        ) from error
    return folder


def code_without_docstring(source: str) -> str:
    """Return a module's source code without its docstring, which the page shows as text."""
    first = ast.parse(source).body[:1]
    if not first or ast.get_docstring(ast.parse(source)) is None:
        return source
    return "\n".join(source.splitlines()[first[0].end_lineno :]).strip() + "\n"


# --- parts of a page ---------------------------------------------------------------------------


def _index(lessons: Sequence[Lesson]) -> str:
    chapters = {
        title: [(lesson, summary(lesson)) for lesson in lessons if lesson.name in names]
        for title, names in CHAPTERS.items()
    }
    return (
        _templates()
        .get_template("index.html")
        .render(
            chapters={title: rows for title, rows in chapters.items() if rows},
            style=_page_style(),
        )
    )


def _block(block: TextBlock | TableBlock | FigureBlock) -> dict[str, Any]:
    """Return what the template needs to render a block."""
    if isinstance(block, TextBlock):
        return {"kind": "text", "html": _markdown(block.markdown)}
    if isinstance(block, TableBlock):
        columns = formats.format_table(block.rows)
        return {
            "kind": "table",
            "caption": block.caption,
            "columns": [(name, formats.is_numeric(block.rows, name)) for name in columns],
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
    """Return a figure's title, its height, and its JSON, escaped for a script element."""
    from markupsafe import Markup
    from plotly.graph_objects import Figure as Plot

    copy = Plot(figure)  # leaves the original's title unchanged
    title = html.unescape(re.sub("<[^>]*>", " ", copy.layout.title.text or ""))
    legend = sum(trace.showlegend is not False for trace in copy.data) > 1
    copy.layout.title = None
    copy.layout.margin.t = 44 if legend or copy.layout.annotations else 16
    return title, copy.layout.height or 360, Markup(copy.to_json().replace("<", "\\u003c"))  # noqa: S704


def _markdown(text: str) -> Any:
    """Convert Markdown to HTML; HTML in the source is escaped."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    reader = MarkdownIt("commonmark", {"html": False, "typographer": True})
    return Markup(reader.enable(["table", "smartquotes"]).render(text))  # noqa: S704


def _link_lessons(text: str) -> Any:
    """Turn phrases such as "the lesson `xor`" into links to those lessons' pages."""
    from markupsafe import Markup

    names = "|".join(sorted(catalog.lesson_files(), key=len, reverse=True))
    link = r'\1<a href="\2.html"><code>\2</code></a>'
    return Markup(re.sub(rf"(\blesson\s)<code>({names})</code>", link, str(text)))  # noqa: S704


def _highlight(code: str) -> str:
    from markupsafe import Markup
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    formatter = HtmlFormatter(cssclass="code")
    return Markup(highlight(code, PythonLexer(), formatter))  # noqa: S704


def _code_style() -> str:
    from pygments.formatters import HtmlFormatter

    light, dark = (
        HtmlFormatter(style=name, cssclass="code").get_style_defs(".code") for name in CODE_STYLES
    )
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def _page_style() -> str:
    return _read_resource("lesson.css") + pages.page_style()


def _templates() -> Any:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_read_resource),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _read_resource(name: str) -> str:
    return resources.files("gradus.lessons").joinpath(name).read_text("utf-8")


def _write(path: Path, content: str) -> Path:
    """Write a file under a temporary name first, so a partial file never appears."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(content, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise SavedError(
            f"The page cannot be written to {str(path)!r}: {error.strerror or error}. "
            "Choose a writable folder that exists and has free space."
        ) from error
    return path
