"""Every lesson is in one chapter, teaches something, and needs only a page to run."""

import inspect
from pathlib import Path

import pytest

import gradus.lessons
from gradus.errors import GradusError
from gradus.lessons import catalog

FRAME = {
    *("__init__", "blocks", "catalog", "formats", "images", "labels", "page", "site"),
    "terminal",
}


@pytest.mark.parametrize("name", catalog.lesson_files())
def test_a_lesson_has_a_title_a_text_and_an_experiment(name):
    lesson = catalog.find_lesson(name)
    assert lesson.title == catalog.title(name)
    assert 5 < len(lesson.title) < 90
    assert not lesson.title.endswith(".")
    assert len(lesson.text) > 300
    assert "$" not in lesson.text  # formulas are plain Unicode
    page, *sizes = inspect.signature(lesson.run).parameters.values()
    assert page.name == "page"
    assert all(size.default is not inspect.Parameter.empty for size in sizes)
    assert inspect.getdoc(lesson.run)
    assert lesson.source.startswith(('"""', 'r"""'))


def test_names_are_in_the_order_of_the_chapters_each_once():
    assert [name for names in catalog.CHAPTERS.values() for name in names] == list(catalog.NAMES)
    assert len(set(catalog.NAMES)) == len(catalog.NAMES)
    assert [catalog.position(name) for name in catalog.NAMES] == list(range(len(catalog.NAMES)))


def test_every_module_is_a_lesson_or_part_of_the_frame():
    modules = {path.stem for path in Path(gradus.lessons.__file__).parent.glob("*.py")}
    unknown = {name.replace("_", "-") for name in modules - FRAME} - set(catalog.NAMES)
    assert unknown == set()  # in no chapter


def test_an_unknown_lesson_comes_with_the_nearest():
    with pytest.raises(GradusError, match="Did you mean 'perceptron'"):
        catalog.find_lesson("perceptorn")
    with pytest.raises(GradusError, match="Unknown lesson 'nothing'"):
        catalog.position("nothing")


def test_only_lessons_on_images_take_data():
    assert not catalog.find_lesson("perceptron").on_images
    lesson = catalog.find_lesson("perceptron")._replace(run=lambda page, data="digits": {})
    assert lesson.on_images
