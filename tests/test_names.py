"""One name means one thing in the whole package."""

import ast
from pathlib import Path

import pytest

import gradus

ROOT = Path(gradus.__file__).parent
# What many modules define with one meaning: a registry's `get`, a lesson, a symptom's `find`. The
# modules of the lessons are scripts of their own, and the commands are named as a user types them.
PROTOCOLS = {"find", "get", "lesson"}
SCRIPTS = ("lessons/", "apps/cli.py")
# Public names of two modules, which a user tells apart by the module: gr.schedules.Constant, and
# gr.initializers.Identity beside the layer, as in Keras; and gr.load, of a run, and gr.data.load.
NAMESPACED = {"Constant", "Identity", "load"}


def definitions(path):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def test_no_two_modules_define_the_same_name():
    homes = {}
    for path in sorted(ROOT.rglob("*.py")):
        where = path.relative_to(ROOT).as_posix()
        if where.startswith(SCRIPTS):
            continue
        for name in definitions(path):
            homes.setdefault(name, []).append(where)
    several = {name: found for name, found in homes.items() if len(found) > 1}
    assert set(several) - PROTOCOLS - NAMESPACED == set(), several


@pytest.mark.slow
def test_no_two_classes_of_the_package_have_the_same_name():
    homes = {}
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(path.name)
    several = {name: found for name, found in homes.items() if len(found) > 1}
    assert set(several) <= NAMESPACED, several
