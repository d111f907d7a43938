"""What the README and the guide show is run: Python top to bottom, command lines by the CLI."""

import os
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.S)


@pytest.mark.parametrize("page", ["README.md", "docs/guide.md"])
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(blocks(page, "python"))
    assert "gr.Model(" in code
    exec(compile(code, page, "exec"), {"__name__": "__main__"})  # noqa: S102 - it is our own page


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
        assert main(shlex.split(line)[1:]) == 0, line
