"""Each group of the package imports only groups above it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gradus

ROOT = Path(gradus.__file__).parent
GROUPS = [
    ("errors", "registry", "parts", "describe", "files", "space", "settings", "cache"),
    ("nn",),
    ("objectives",),
    ("optim",),
    ("data",),
    ("train",),
    ("diagnosis",),
    ("models",),
    ("sweep",),
    ("doctor",),
    ("report",),
    ("lessons",),
    ("apps",),
]
RANK = {name: rank for rank, names in enumerate(GROUPS) for name in names}
# `gradus/__init__` gathers the public names and `__main__` is the command: they see all groups.
TOPMOST = len(GROUPS)
FILES = sorted(ROOT.rglob("*.py"))


def group_of(path):
    first = path.relative_to(ROOT).parts[0].removesuffix(".py")
    return TOPMOST if first in ("__init__", "__main__") else RANK[first]


def imports(tree):
    """Yield the dotted names that a module imports, wherever in it, and whether at its top."""
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write imports in full"
            yield from ((f"{node.module}.{alias.name}", id(node) in top) for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_arrow_points_the_wrong_way(path):
    mine, group = group_of(path), path.parent.name
    for name, _ in imports(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] != "gradus" or mine == TOPMOST:
            continue
        if (group, name) == ("lessons", "gradus"):  # a lesson is an example of the public names
            continue
        assert parts[1] in RANK or parts == ["gradus", "__version__"], f"{path.name} imports {name}"
        assert RANK.get(parts[1], 0) <= mine, f"{path.name} imports {name}, a later group"


@pytest.mark.parametrize("path", sorted((ROOT / "data").glob("*.py")), ids=lambda path: path.name)
def test_data_is_read_without_jax(path):
    for name, top in imports(ast.parse(path.read_text())):
        assert not (top and name.split(".")[0] in ("jax", "optax"))


def test_importing_gradus_imports_nothing_heavy():
    heavy = ["polars", "pandas", "sklearn", "PIL", "plotly", "keras", "optuna", "rich", "cyclopts"]
    code = (
        "import sys, gradus; gradus.Model, gradus.Adam, gradus.Dense;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
