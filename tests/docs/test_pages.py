"""What the README and the pages show is run: Python top to bottom, command lines by the CLI."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE = ROOT / "docs" / "site"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [str(page.relative_to(ROOT)) for page in PAGES if SITE not in page.parents]


def blocks(page: str, *languages: str) -> list[str]:
    wanted = "|".join(languages)
    return re.findall(rf"```(?:{wanted})\n(.*?)```", (ROOT / page).read_text(), re.S)


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]


def test_pages_are_found():
    assert {"README.md", "docs/index.md", "docs/how-to/tables.md"} <= set(WITH_PYTHON)


def run_here(command, run=subprocess.run, **options):
    """Run a command line of gradus in this process, which has imported it."""
    from gradus.apps.cli import main

    if command[:3] != [sys.executable, "-m", "gradus"]:
        return run(command, **options)
    assert main(command[3:]) == 0
    return subprocess.CompletedProcess(command, 0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras 3.15
@pytest.mark.parametrize("page", WITH_PYTHON)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "run", run_here)
    code = "\n".join(blocks(page, "python"))
    assert "import gradus as gr" in code
    exec(compile(code, page, "exec"), {"__name__": "__main__"})  # noqa: S102 - it is our own page
    printed = " ".join(capsys.readouterr().out.split()).replace('"', "'")
    for shown in blocks(page, "text"):  # what the code prints, in order; ... stands for anything
        parts = [re.escape(part) for part in " ".join(shown.split()).split("...")]
        found = re.search(".*?".join(parts).replace('"', "'"), printed)
        assert found, shown
        printed = printed[found.end() :]


def command_lines(page: str) -> list[str]:
    """The commands of a page: lines of a terminal, and those quoted in the text."""
    text = (ROOT / page).read_text()
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    lines += re.findall(r"`(gradus [a-z]+ [^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    return [line.split("  #")[0] for line in lines if line.startswith("gradus ")]


@pytest.mark.slow
def test_the_command_lines_of_the_readme_run(tmp_path, monkeypatch, capsys):
    from gradus.apps.cli import main

    data = Path(os.environ.get("GRADUS_DATA", ROOT.parent / "shared" / "data")) / "tabular"
    if not data.is_dir():
        pytest.skip("the tables of GRADUS_DATA are not here")
    for name in ("titanic.csv", "penguins.csv"):
        (tmp_path / name).symlink_to((data / name).resolve())
    monkeypatch.chdir(tmp_path)
    lines = [
        line.split("#")[0]
        for block in blocks("README.md", "console")
        for line in block.splitlines()
        if line.startswith("gradus ")
    ]
    assert len(lines) >= 4
    for line in lines:
        assert main(shortened(shlex.split(line)[1:])) == 0, line


def shortened(words):
    """A command that trains, with 2 epochs, and a sweep of 4 trials."""
    if words[0] not in ("train", "sweep"):
        return words
    kept = " ".join(words) if "--epochs" in words else " ".join([*words, "--epochs", "0"])
    fewer = re.sub(r"--trials \d+", "--trials 4", re.sub(r"--epochs \d+", "--epochs 2", kept))
    return fewer.split(" ")


@pytest.mark.parametrize("page", [page for page in PAGES if command_lines(page)])
def test_the_command_lines_of_a_page_are_understood(page):
    from gradus.apps.cli import app

    for line in command_lines(page):
        app.parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)
