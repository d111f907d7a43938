"""The layout of the package: arrows between packages point one way, and no files form a cycle."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gradus

ROOT = Path(gradus.__file__).parent
# Each layer imports only layers above it, and its own modules.
LAYERS = [
    (
        "errors",
        "foreign_names",
        "records",
        "registry",
        "checks",
        "rng",
        "optional",
        "cache",
        "init_args",
        "space",
        "streams",
        "host_memory",
        "program_cache",
    ),
    ("fingerprint",),
    ("drawing",),
    ("kernels",),
    ("configuration", "hyperparameters", "files", "manifests", "folder_lock", "serialization"),
    ("nn",),
    ("objectives",),
    ("optim",),
    ("data",),
    ("tracking",),
    ("train",),
    ("diagnosis",),
    ("models",),
    ("bridges",),
    ("sweep",),
    ("doctor",),
    ("report",),
    ("lessons",),
    ("experiments",),
    ("exports",),
    ("serving",),
    ("estimators",),
    ("apps",),
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
# `gradus/__init__` gathers the public names and `__main__` is the command: they see all layers.
TOPMOST = len(LAYERS)
FILES = sorted(ROOT.rglob("*.py"))
# Subfolders of a package: each imports only those above it.
FOLDERS = {
    "nn": ["", "ops", "layers"],
    "data": ["columns", "reading", "splitting", "", "sources", "streaming"],
    "train": ["", "streaming"],
    "models": ["inputs", ""],
    "bridges": ["", "keras", "torch"],
    "sweep": ["search", "members", "execution", "strategies", "results", ""],
    "experiments": ["settings", "preparation", ""],
    "exports": ["onnx", ""],
}


def module_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def layer_of(path):
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


def imported_modules(path):
    """The modules of gradus that a file imports: in functions and for types too."""
    found = set()
    for name, _ in imports(ast.parse(path.read_text())):
        module = name
        while module and module not in MODULES:
            module = module.rpartition(".")[0]
        found.add(module)
    return found - {"", "gradus", module_of(path)}


def cycles(graph):
    """The groups of modules of which each can be reached from each (Tarjan 1972)."""
    order, low, stack, found = {}, {}, [], []

    def visit(node):
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in order:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == order[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_arrow_points_the_wrong_way(path):
    mine, package = layer_of(path), path.relative_to(ROOT).parts[0]
    for name, _ in imports(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] != "gradus" or mine == TOPMOST:
            continue
        if (package, name) == ("lessons", "gradus"):  # a lesson is an example of the public names
            continue
        assert parts[1] in RANK or parts == ["gradus", "__version__"], f"{path.name} imports {name}"
        assert RANK.get(parts[1], 0) <= mine, f"{path.name} imports {name}, a later layer"


@pytest.mark.slow
def test_no_cycle_of_imports():
    graph = {module: imported_modules(path) for module, path in MODULES.items()}
    assert cycles(graph) == []


def test_cycles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}}
    assert cycles(graph) == [["d", "e"], ["a", "b", "c"]]


@pytest.mark.parametrize("package", FOLDERS)
def test_folders_of_a_package_import_one_way(package):
    folders = FOLDERS[package]

    def folder_of(module):
        parts = module.split(".")[2:]
        return parts[0] if parts and parts[0] in folders else ""

    for module, path in MODULES.items():
        if not module.startswith(f"gradus.{package}."):
            continue
        for other in imported_modules(path):
            if other.startswith(f"gradus.{package}."):
                mine, theirs = folders.index(folder_of(module)), folders.index(folder_of(other))
                assert theirs <= mine, f"{module} imports {other}, in a later folder"


def test_the_layout_in_the_design_document_has_every_package_in_the_order_of_imports():
    page = (ROOT.parent.parent / "docs" / "design.md").read_text()
    tree = page.split("```")[1]
    top = re.findall(r"^├── (\w+)/|^└── (\w+)/", tree, re.MULTILINE)
    named = [first or last for first, last in top]
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert set(named) == packages
    assert named == sorted(named, key=RANK.__getitem__)
    for package, folders in FOLDERS.items():
        for folder in filter(None, folders):
            assert f"── {folder}/" in tree, f"{package}/{folder} is not in docs/design.md"


def test_every_package_is_small_enough_to_overlook():
    for folder in {path.parent for path in FILES}:
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        limit = 40 if folder.name == "lessons" else 20
        assert len(modules) <= limit, f"{folder.name}/ has {len(modules)} modules: divide it"


@pytest.mark.parametrize("path", sorted((ROOT / "data").glob("*.py")), ids=lambda path: path.name)
def test_data_is_read_without_jax(path):
    for name, top in imports(ast.parse(path.read_text())):
        assert not (top and name.split(".")[0] in ("jax", "optax"))


@pytest.mark.slow
def test_importing_gradus_imports_nothing_heavy():
    heavy = ["polars", "pandas", "sklearn", "PIL", "plotly", "keras", "optuna", "rich", "cyclopts"]
    code = (
        "import sys, gradus; gradus.Model, gradus.Adam, gradus.Dense;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
