"""The figures of the pages are what the benchmarks' results render to; none is typed in."""

import importlib
from pathlib import Path

import pytest

from gradus.optional import installed_version

ROOT = Path(__file__).parents[2]


@pytest.fixture
def figures(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("figures")


def test_the_pages_show_what_the_results_render_to(figures):
    found = figures.blocks(ROOT / figures.RESULTS)
    shown = set()
    for page in figures.PAGES:
        text = (ROOT / page).read_text()
        assert figures.filled(text, found) == text, "run python benchmarks/figures.py"
        shown |= {match[2] for match in figures.BLOCK.finditer(text)}
    assert shown == set(found)  # and nothing is rendered that no page shows


def test_every_benchmark_has_results(figures):
    there = {path.stem for path in (ROOT / figures.RESULTS).glob("*.json")}
    assert there == set(figures.NAMES)


def test_a_figure_typed_into_a_page_is_replaced(figures):
    page = "a\n<!-- begin: x -->\n\n7 s\n\n<!-- end: x -->\nb\n"
    assert figures.filled(page.replace("7", "5"), {"x": "7 s"}) == page


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("<!-- begin: y -->\n<!-- end: y -->\n", "no result in benchmarks/results gives y"),
        ("<!-- begin: x -->\n", "markers do not pair up"),
        ("<!-- begin: x -->\n<!-- end: y -->\n", "markers do not pair up"),
    ],
)
def test_a_marker_without_its_figures_is_an_error(figures, page, message):
    with pytest.raises(ValueError, match=message):
        figures.filled(page, {"x": "7 s"})


def test_numbers_have_three_digits_and_none_that_were_not_recorded(figures):
    number = figures.common.number
    assert [number(value) for value in (0.250049, 0.25, 12.345, 313.0, 1024, None)] == [
        *("0.250", "0.25", "12.3", "313", "1,024", "–")
    ]  # fmt: skip


def test_a_goal_that_is_missed_is_called_so(figures):
    goal = figures.common.goal
    assert goal(1.49, 1.8) == "1.49 (goal 1.8, missed)"
    assert goal(1.49, 1.5, most=True) == "1.49 (goal ≤ 1.5)"
    assert goal(0.6, 0.5, most=True, unit=" s") == "0.6 s (goal ≤ 0.5 s, missed)"
    assert goal(3.5, None) == "3.5"


def test_results_name_the_version_that_is_installed(figures):
    assert figures.common.versions()["gradus"].startswith(installed_version())
