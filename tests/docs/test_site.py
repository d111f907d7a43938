"""The documentation site: its menu has every page, its links lead somewhere, no name is missing."""

import importlib.util
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

import gradus

ROOT = Path(__file__).parents[2]
SITE = ROOT / "docs" / "site"
DOCS = sorted(page for page in (ROOT / "docs").rglob("*.md") if SITE not in page.parents)
OTHERS = ["README", "CONTRIBUTING", "CHANGELOG", "changes/README", "benchmarks/README"]
PAGES = [*DOCS, *(ROOT / f"{name}.md" for name in OTHERS)]
GENERATED = {"lessons.md", "reference/index.md"}


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("site_build", ROOT / "docs" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def in_menu(part):
    """Yield the pages of a part of the menu."""
    if isinstance(part, str):
        yield part
    else:
        for inner in part.values() if isinstance(part, dict) else part:
            yield from in_menu(inner)


def anchors(page):
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    titles = [re.sub(r"[^\w\- ]", "", t.lower()) for t in re.findall(r"^#+ +(.*)$", text, re.M)]
    return {title.strip().replace(" ", "-") for title in titles}


def test_the_menu_has_every_page(build):
    nav = tomllib.loads((ROOT / "docs" / "zensical.toml").read_text())["project"]["nav"]
    listed = list(in_menu(nav))
    own = {page.relative_to(ROOT / "docs").as_posix() for page in DOCS}
    assert len(listed) == len(set(listed))
    assert set(listed) | GENERATED == own | set(build.BORROWED.values()) | GENERATED


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.S)
    for target, anchor in re.findall(r"\]\((?![a-z]+:)([^)#\s]*)#?([^)\s]*)\)", text):
        found = (page.parent / target).resolve() if target else page
        made = found.is_relative_to(ROOT / "docs") and (
            found.relative_to(ROOT / "docs").as_posix() in GENERATED
        )
        assert made or found.exists(), target
        assert not anchor or anchor in anchors(found), f"{target}#{anchor}"


@pytest.mark.slow
def test_the_reference_has_every_package_and_public_name(build):
    names, pages = build.api()
    modules = {m.name: m.ispkg for m in pkgutil.walk_packages(gradus.__path__, "gradus.")}
    for name, is_package in {"gradus": True, **modules}.items():
        if not name.rpartition(".")[2].startswith("_"):
            path = f"reference/{name.replace('.', '/')}"
            assert f"{path}/index.md" if is_package else f"{path}.md" in pages
    shown = set(re.findall(r"`gr\.(\w+)`", names["reference/index.md"]))
    assert shown == set(gradus.__all__) - {"__version__"}


@pytest.mark.slow
def test_pages_are_laid_out_with_the_lessons(build, tmp_path):
    from gradus.lessons import catalog

    build.stage(tmp_path)
    page = (tmp_path / "docs" / "lessons.md").read_text()
    assert all(f"`{name}`" in page for name in catalog.lesson_files())
    assert "project/benchmarks.md" in (tmp_path / "docs" / "performance.md").read_text()


@pytest.mark.slow
def test_the_site_is_built(build, tmp_path, monkeypatch):
    """With the modules that define public names; the others' docstrings are read below."""
    pytest.importorskip("zensical")
    names = build.public_names(build.parsed(build.PACKAGE / "__init__.py"))
    public = {module for home, name in names for module in (home, f"{home}.{name}")}
    shown = [
        package._replace(parts=[module for module in package.parts if module.name in public])
        for package in build.packages()
    ]
    monkeypatch.setattr(build, "packages", lambda: shown)
    monkeypatch.setattr(build, "STAGE", tmp_path / "stage")
    monkeypatch.setattr(build, "SITE", tmp_path / "site")
    (tmp_path / "site" / "lessons").mkdir(parents=True)
    (tmp_path / "site" / "lessons" / "xor.html").write_text("a lesson")
    assert build.main() == 0
    assert (tmp_path / "site" / "lessons" / "xor.html").read_text() == "a lesson"
    assert (tmp_path / "site" / "reference" / "gradus" / "sweep" / "index.html").exists()


def documented(part):
    """Yield the docstrings of a module or a class, and of all that is defined in it."""
    for member in part.members.values():
        if not member.is_alias:
            if member.docstring:
                yield member.docstring
            if member.is_module or member.is_class:
                yield from documented(member)


@pytest.mark.slow
def test_docstrings_fit_their_signatures(build, caplog):
    """Of all modules, as the reference reads them."""
    griffe = pytest.importorskip("griffe")
    settings = griffe.load_extensions(str(ROOT / "docs" / "griffe_settings.py"))
    package = griffe.load("gradus", search_paths=[build.PACKAGE.parent], extensions=settings)
    parsed = [docstring.parse("google") for docstring in documented(package)]
    assert len(parsed) > 3000
    assert [record.getMessage() for record in caplog.records] == []


def test_code_in_a_line_breaks_between_words_and_in_no_flag(build):
    name = "GlobalAveragePoolingOfSequences"
    shown = f"<code>gradus train --split-by-time x-y</code> and <code>{name}</code>"
    assert build.INLINE_CODE.sub(build.breakable_code, shown) == (
        '<code>gradus train <span class="flag">--split-by-time</span> x-y</code> and '
        "<code>Global<wbr>Average<wbr>Pooling<wbr>Of<wbr>Sequences</code>"
    )
