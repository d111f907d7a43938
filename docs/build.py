"""Write the documentation site into docs/site: `make docs`, or `python docs/build.py`.

The pages of docs/ and of the project, and those that are generated (the reference, the list of
lessons), are laid out in build/docs, where Zensical makes the site of them. A course that
`make lessons` has built in docs/site/lessons stays there and is linked.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "gradus"
STAGE = ROOT / "build" / "docs"
SITE = ROOT / "docs" / "site"
BREAKABLE_DOT = "\u200b."  # before which a narrow menu may break a name
COURSE = "lessons"  # the folder of the built lessons within the site
# Pages that live elsewhere in the repository, and where they stand on the site.
BORROWED = {
    "benchmarks/README.md": "project/benchmarks.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changes.md",
}
INLINE_CODE = re.compile(r"<code>[^<]*</code>")
FLAG = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")
LONG_NAME, NEXT_WORD = re.compile(r"[A-Za-z]{25,}"), re.compile(r"(?<=[a-z])(?=[A-Z])")
OUTSIDE = re.compile(r'<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*')
LINK = re.compile(r"\[([^\]]*)\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)")


def main() -> int:
    """Build the site and return an exit status; a warning is an error."""
    shutil.rmtree(STAGE, ignore_errors=True)
    stage(STAGE)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(  # noqa: S603
        [*command, "-f", STAGE / "zensical.toml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout, end="")
    if done.returncode or "griffe:" in done.stdout:  # a docstring that does not fit its signature
        return done.returncode or 1
    finish(STAGE / "site")
    publish(STAGE / "site", SITE)
    print(f"The site begins at {SITE / 'index.html'}")
    if not (SITE / COURSE).is_dir():
        print("It has no lessons: `make lessons docs` runs them first, for some minutes.")
    return 0


# --- laying out the pages ----------------------------------------------------------------------


def stage(folder: Path) -> None:
    """Lay out all pages, pictures and the configuration in a folder."""
    pages = sources()
    for source, place in pages.items():
        target = folder / "docs" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".md":
            target.write_text(relinked((ROOT / source).read_text("utf-8"), source, pages), "utf-8")
        else:
            shutil.copyfile(ROOT / source, target)
    names, reference = api()
    made = {"lessons.md": lessons(), **names, **reference}
    for place, text in made.items():
        target = folder / "docs" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    (folder / "docs" / "assets" / "search-worker.js").write_text("")  # `finish` writes it
    (folder / "zensical.toml").write_text(json_as_toml(configuration(reference)), "utf-8")


def sources() -> dict[str, str]:
    """Return the files that are copied: the path in the repository, the path on the site."""
    own = [path for path in sorted((ROOT / "docs").rglob("*")) if SITE not in path.parents]
    suffixes = {".md", ".png", ".svg", ".css", ".js"}
    found = [path for path in own if path.suffix in suffixes]
    pages = {f"docs/{(p := path.relative_to(ROOT / 'docs').as_posix())}": p for path in found}
    return pages | BORROWED


def relinked(text: str, source: str, pages: dict[str, str]) -> str:
    """Return a page whose links between files of the repository are links between pages.

    A link to a file that is no page of the site becomes its text.
    """

    def moved(match: re.Match[str]) -> str:
        text, link, anchor = match[1], match[2], match[3] or ""
        target = os.path.normpath(Path(source).parent / link)
        if target in pages:
            link = os.path.relpath(pages[target], Path(pages[source]).parent)
        elif not target.startswith("docs/"):  # there it is a page that is generated
            return text
        return f"[{text}]({link}{anchor})"

    return LINK.sub(moved, text)


def configuration(reference: dict[str, str]) -> dict[str, Any]:
    """Return docs/zensical.toml with the reference's pages in `nav`."""
    config = tomllib.loads((ROOT / "docs" / "zensical.toml").read_text("utf-8"))
    project = config["project"]
    project |= {"docs_dir": "docs", "site_dir": "site"}
    handler = project["plugins"]["mkdocstrings"]["handlers"]["python"]
    handler["paths"] = [str(PACKAGE.parent)]
    handler["options"]["extensions"] = [str(ROOT / "docs" / "griffe_settings.py")]
    packages: list[Any] = []
    for place in reference:
        if place.endswith("/index.md"):
            packages.append({BREAKABLE_DOT.join(Path(place).parts[1:-1]): [place]})
        else:
            *_, section = packages[-1].values()
            section.append({Path(place).stem: place})
    chapter = next(part for part in project["nav"] if "Reference" in part)
    chapter["Reference"] = ["reference/index.md", *packages]
    return config


def json_as_toml(config: dict[str, Any]) -> str:
    """Return a configuration as TOML."""
    import tomli_w

    return tomli_w.dumps(config)


# --- the reference -----------------------------------------------------------------------------


class Module(NamedTuple):
    """A module, or a package with its modules.

    Attributes:
        name: its dotted name.
        tree: its code.
        parts: a package's modules; None for a module.
    """

    name: str
    tree: ast.Module
    parts: list[Module] | None = None

    @property
    def about(self) -> str:
        """The first line of its docstring."""
        return first_line(self.tree)

    @property
    def page(self) -> str:
        """Where its page stands."""
        path = self.name.replace(".", "/")
        return f"reference/{path}{'' if self.parts is None else '/index'}.md"


def packages() -> Iterator[Module]:
    """Yield `gradus` and every package in it with its modules, private ones left out."""
    for start in [PACKAGE / "__init__.py", *sorted(PACKAGE.rglob("*/__init__.py"))]:
        files = sorted(path for path in start.parent.glob("*.py") if path.stem[0] != "_")
        parts = [Module(dotted(path), parsed(path)) for path in files]
        yield Module(dotted(start), parsed(start), parts)


def api() -> tuple[dict[str, str], dict[str, str]]:
    """Return the page of the public names, and those of the packages and modules, by place."""
    found = list(packages())
    pages = {}
    for package in found:
        pages[package.page] = _package_page(package)
        for module in package.parts or ():
            pages[module.page] = f"::: {module.name}\n"
    return {"reference/index.md": _names_page(found)}, pages


def _package_page(package: Module) -> str:
    rows = [
        f"| [`{module.name.rpartition('.')[2]}`]({Path(module.page).name}) | {module.about} |"
        for module in package.parts or ()
    ]
    table = "\n".join(["| Module | |", "| --- | --- |", *rows])
    if package.name == "gradus":
        return f"# gradus\n\nWhat all packages share.\n\n{table}\n"
    return f"::: {package.name}\n\n## Modules\n\n{table}\n"


def _names_page(found: list[Module]) -> str:
    """Return the public names by package, as `gradus/__init__.py` imports them."""
    modules = {
        module.name: module for package in found for module in [package, *(package.parts or ())]
    }
    rows: dict[str, list[str]] = {}
    for home, name in public_names(modules["gradus"].tree):
        whole = f"{home}.{name}"  # of a module, or of what a module defines
        module = modules.get(whole)
        about = module.about if module else first_line(definition(modules[home].tree, name))
        subject = whole if home == "gradus" else ".".join(home.split(".")[:2])
        rows.setdefault(subject, []).append(f"| [`gr.{name}`][{whole}] | {about} |")
    parts = [NAMES]
    for subject in sorted(rows, key=lambda name: (modules[name].parts is None, name)):
        table = "\n".join(["| Name | |", "| --- | --- |", *rows[subject]])
        parts += [f"## {subject}", modules[subject].about, table]
    return "\n\n".join(parts) + "\n"


NAMES = """\
# Public names

`import gradus as gr` gives these names. The menu has a page for every module."""


def public_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the module and the name of each import under `if TYPE_CHECKING`."""
    for block in tree.body:
        if isinstance(block, ast.If):
            for node in block.body:
                if isinstance(node, ast.ImportFrom):
                    yield from ((str(node.module), alias.name) for alias in node.names)


def definition(tree: ast.Module, name: str) -> ast.AST | None:
    """Return the class or function of a name."""
    kinds = ast.ClassDef | ast.FunctionDef
    return next((n for n in tree.body if isinstance(n, kinds) and n.name == name), None)


def first_line(node: Any) -> str:
    """Return the first line of a docstring, ready for a table's cell."""
    text = (node is not None and ast.get_docstring(node)) or ""
    return text.partition("\n")[0].replace("|", r"\|")


def parsed(path: Path) -> ast.Module:
    """Return a file's code as a tree."""
    return ast.parse(path.read_text("utf-8"))


def dotted(path: Path) -> str:
    """Return the dotted name of a module's file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# --- the lessons -------------------------------------------------------------------------------


def lessons() -> str:
    """Return the page that lists the lessons, with links to those that are built."""
    command = [sys.executable, "-m", "gradus", "lessons", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    listed = json.loads(done.stdout)["lessons"]
    built = {path.stem for path in (SITE / COURSE).glob("*.html")}
    parts = ["# Lessons", LESSONS.format(count=len(listed))]
    if "index" in built:
        parts.append(f'Read them here: <a href="{COURSE}/index.html">the whole course</a>.')
    chapter = None
    for lesson in listed:
        if lesson["chapter"] != chapter:
            chapter = lesson["chapter"]
            parts.append(f"## {chapter}\n\n| Lesson | |\n| --- | --- |")
        name, title = lesson["lesson"], lesson["title"]
        shown = f'<a href="{COURSE}/{name}.html">{title}</a>' if name in built else title
        parts[-1] += f"\n| `{name}` | {shown} |"
    return "\n\n".join(parts) + "\n"


LESSONS = """\
Each of the {count} lessons teaches one idea of deep learning with an experiment that you run:

```console
gradus lessons                    # list the lessons
gradus lesson xor                 # run one, and write its page, xor.html
gradus lesson cnn --data mnist    # on MNIST instead of the small digits
gradus lessons --build course     # run all, and write a course of linked pages
```

A lesson's page contains the explanation, the figures, and the source code, which uses only public
names, so that you can start from it."""


# --- after Zensical ----------------------------------------------------------------------------


def finish(site: Path) -> None:
    """Complete a built site: the search works from a disk, and nothing is loaded from elsewhere.

    On a narrow page no flag is broken after its hyphens, and long names may be between words.

    Raises:
        ValueError: if a page loads a script, style or font from another host.
    """
    (worker,) = (site / "assets" / "javascripts" / "workers").glob("search.*.js")
    code = json.dumps(worker.read_text("utf-8"))
    (site / "assets" / "search-worker.js").write_text(f"window.__search_worker = {code}\n", "utf-8")
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        outside = OUTSIDE.search(text)
        if outside:
            raise ValueError(f"{page.relative_to(site)} loads from elsewhere: {outside[0]}")
        page.write_text(INLINE_CODE.sub(breakable_code, text), "utf-8")


def breakable_code(code: re.Match[str]) -> str:
    """Return inline code whose lines are broken between the words of a long name, not in a flag."""
    named = LONG_NAME.sub(lambda name: NEXT_WORD.sub("<wbr>", name[0]), code[0])
    return FLAG.sub(r'<span class="flag">\g<0></span>', named)


def publish(built: Path, site: Path) -> None:
    """Put a built site in the place of the last one, whose lessons stay."""
    site.mkdir(parents=True, exist_ok=True)
    for old in site.iterdir():
        if old.name == COURSE:
            continue
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    shutil.copytree(built, site, dirs_exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
