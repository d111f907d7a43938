"""A lesson's page works offline, shows what the lesson showed, and links its neighbors."""

import re

import numpy as np
import pytest

from gradus.drawing import style
from gradus.errors import GradusError, SavedError
from gradus.lessons import catalog, site
from gradus.lessons.catalog import Lesson
from gradus.lessons.page import Page

EVIL = '<script>alert("x")</script>'
SOURCE = f'"""Evil.\n\nText.\n"""\n\nx = 1 < 2 and "{EVIL[:8]}"\n'


def experiment(page, data="digits"):
    """Do nothing much."""
    page.text(f"It is **seen** on {data}. {EVIL}")
    page.table([{"who": EVIL, "loss": 0.5}, {"who": "b", "loss": np.float32(2)}], "Two losses.")
    figure = style.figure("A < B", height=300)
    figure.add_scatter(x=[1, 2], y=[3, 4], name=EVIL)
    page.figure(figure, f"A line. {EVIL}")
    return {f"number_{i}": float(i) for i in range(6)}


LESSON = Lesson(
    "perceptron", "One & only", f"See the lesson `xor`. {EVIL}\n\n    1 < 2", experiment, SOURCE
)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    path = tmp_path_factory.mktemp("alone") / "perceptron.html"
    page = Page(quiet=True)
    numbers = experiment(page)
    assert site.write_lesson(path, LESSON, page, numbers) == path
    return path.read_text("utf-8")


def assert_loads_nothing(reader, allowed=()):
    for tag, attrs in reader.tags:
        assert tag not in {"iframe", "object", "embed", "img", "base"}
        assert attrs.get("src") in (None, *allowed)
        assert not re.match(r"(https?:)?//", attrs.get("href") or "")
    policy = next(a["content"] for _, a in reader.tags if a.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_the_page_is_self_contained(alone, read):
    reader = read(alone)
    assert_loads_nothing(reader)
    assert reader.links() == []
    assert sum(len(script) > 1_000_000 for script in reader.scripts) == 1  # Plotly, once
    css = re.search(r"<style>(.*?)</style>", alone, re.DOTALL)[1]
    assert "url(" not in css
    assert "@import" not in css


def test_the_page_shows_text_blocks_numbers_and_code_in_order(alone, read):
    reader = read(alone)
    parts = [
        *("One & only", "See the lesson xor.", "The experiment", "It is seen on digits."),
        *("Two losses.", "A < B. A line.", "Key numbers", "number 0", "number 5"),
        *("The code", "gradus lesson perceptron --data mnist", 'x = 1 < 2 and "<script>"'),
    ]
    places = [reader.text.index(part) for part in parts]
    assert places == sorted(places)
    assert "Evil." not in reader.text  # the docstring is shown as text, not repeated in the code
    (chart,) = reader.charts
    assert "title" not in chart["layout"]
    assert ("h1", {}) in reader.tags
    drawn = next(a for _, a in reader.tags if a.get("class") == "chart")
    assert drawn["role"] == "img"
    assert "A line." in drawn["aria-label"]
    assert "300px" in drawn["style"]


def test_foreign_text_is_only_text(alone, read):
    reader = read(alone)
    assert not any("alert" in script for script in reader.scripts if len(script) < 1e5
                   and not script.startswith("{"))  # fmt: skip
    assert not any(name.startswith("on") for _, attrs in reader.tags for name in attrs)
    assert reader.text.count("alert(") >= 4
    assert len(reader.scripts) == 3  # the figure, Plotly, and the drawing code


def test_code_is_the_module_without_its_docstring():
    assert (
        site.code_without_docstring('"""Title.\n\nText.\n"""\n\nimport numpy\n') == "import numpy\n"
    )
    strip = site.code_without_docstring
    assert strip('"""Title.\n\nText.\n"""\n\nimport numpy\n') == "import numpy\n"
    assert strip("x = 1\n") == "x = 1\n"
    assert strip(catalog.find_lesson("perceptron").source).startswith("from __future__")


def test_a_page_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(SavedError, match="nowhere"):
        site.write_lesson(tmp_path / "nowhere" / "a.html", LESSON, Page(quiet=True), {})
    (tmp_path / "file").write_text("")
    with pytest.raises(SavedError, match="file"):
        site.make_folder(tmp_path / "file" / "folder")


@pytest.fixture
def stubs(monkeypatch):
    """Three lessons that take no time, one of which fails if it is asked to."""
    broken = set()

    def find(name):
        def run(page, data="digits"):
            if name in broken:
                raise ZeroDivisionError("by hand")
            return experiment(page, data)

        run.__doc__ = f"Do what {name} does.\n\nMore."
        return LESSON._replace(name=name, title=name.upper(), run=run)

    monkeypatch.setattr(catalog, "find_lesson", find)
    return broken


def test_a_course_has_an_index_and_links_to_neighbors(tmp_path, stubs, read):
    lines = []
    asked = ["gan", "perceptron", "xor"]
    index = site.build_site(tmp_path / "course", asked, "mnist", lines.append)
    files = {path.name: path for path in index.parent.iterdir()}
    assert set(files) == {"index.html", "plotly.js", *(f"{name}.html" for name in asked)}
    assert [line.split()[0] for line in lines] == ["perceptron", "xor", "gan"]
    reader = read(index.read_text("utf-8"))
    assert_loads_nothing(reader)
    assert reader.links() == ["perceptron.html", "xor.html", "gan.html"]
    for words in ("One unit", "Networks", "Going further", "PERCEPTRON", "Do what xor does."):
        assert words in reader.text
    assert "Deep networks" not in reader.text
    assert "More." not in reader.text
    page = read(files["xor.html"].read_text("utf-8"))
    assert_loads_nothing(page, allowed=["plotly.js"])
    assert page.links("prev") == ["perceptron.html"]
    assert page.links("next") == ["gan.html"]
    assert "lesson 2 of 3" in page.text
    assert "seen on mnist" in page.text
    assert "xor.html" in page.links()  # "the lesson `xor`" in the text
    assert files["xor.html"].stat().st_size < 200_000  # Plotly is a separate file
    assert all((index.parent / link).is_file() for link in page.links())
    assert read(files["perceptron.html"].read_text("utf-8")).links("prev") == []
    assert read(files["gan.html"].read_text("utf-8")).links("next") == []


def test_a_lesson_that_fails_is_named_after_the_others_ran(tmp_path, stubs, read):
    stubs.add("perceptron")
    lines = []
    with pytest.raises(GradusError, match="1 of 2 lessons failed: perceptron"):
        site.build_site(tmp_path, ["perceptron", "xor"], log=lines.append)
    assert (tmp_path / "xor.html").is_file()
    assert "ZeroDivisionError: by hand" in lines[0]
    assert read((tmp_path / "index.html").read_text()).links() == ["xor.html"]
