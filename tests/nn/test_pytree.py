"""Settings as pytrees: which of them share a structure, and so a program."""

import dataclasses
import importlib
import inspect
import itertools
import pkgutil

import jax
import numpy as np
import pytest

import gradus
from gradus.nn.pytree import pytree, static


@pytree
class Line:
    slope: float
    name: str = static(default="line")

    def __call__(self, x):
        return self.slope * x


@pytree
class Parabola:
    slope: float
    name: str = static(default="line")

    def __call__(self, x):
        return self.slope * x * x


def classes():
    """All pytree classes of gradus."""
    found = set()
    for module in pkgutil.walk_packages(gradus.__path__, "gradus."):
        if module.name != "gradus.__main__":
            for _, one in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if one.__module__.startswith("gradus.") and dataclasses.is_dataclass(one):
                    tree = getattr(one, "has_leaves", False) and not inspect.isabstract(one)
                    found |= {one} if tree else set()
    return sorted(found, key=lambda one: (one.__module__, one.__qualname__))


def alike(one):
    """Return an instance without running its checks, every field the same number."""
    made = object.__new__(one)
    vars(made).update({field.name: 0 for field in dataclasses.fields(one)})
    return made


def test_two_classes_with_the_same_fields_are_two_structures():
    assert jax.tree.structure(Line(2.0)) != jax.tree.structure(Parabola(2.0))
    assert jax.tree.structure([Line(2.0)]) == jax.tree.structure([Line(3.0)])
    assert jax.tree.structure(Line(2.0)) != jax.tree.structure(Line(2.0, "other"))


def test_no_two_classes_of_gradus_are_one_structure():
    structures = {one: jax.tree.structure(alike(one)) for one in classes()}
    assert len(structures) > 60
    for (one, a), (other, b) in itertools.combinations(structures.items(), 2):
        assert a != b, (one, other)


@pytest.mark.slow
def test_classes_with_the_same_fields_never_share_a_program():
    # Equality must distinguish structures, since hashes sometimes collide.
    apply = jax.jit(lambda curve, x: curve(x))
    for _ in range(30):
        kinds = [pytree(type("Kind", (one,), {"__annotations__": {}})) for one in (Line, Parabola)]
        assert [float(apply(kind(2.0), 3.0)) for kind in kinds] == [6.0, 18.0]


def test_a_pytree_is_rebuilt_as_it_was():
    line = Line(2.0, "mine")
    leaves, structure = jax.tree.flatten(line)
    assert leaves == [2.0]
    assert jax.tree.unflatten(structure, leaves) == line
    assert jax.tree.map(np.negative, line) == Line(-2.0, "mine")
    [(path, _)] = jax.tree_util.tree_flatten_with_path(line)[0]
    assert jax.tree_util.keystr(path) == ".slope"
    with pytest.raises(dataclasses.FrozenInstanceError):
        line.slope = 3.0
