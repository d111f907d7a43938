"""Every public name has an example in its docstring, and the example is right."""

import doctest
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
OPTIONAL = ["torch"]  # packages that an example may need and that the tests can do without
FINDER = doctest.DocTestFinder(recurse=False)


def public_names():
    """The names of `gr` and of its modules: "gr.Dense", "gr.losses.Huber"."""
    for name in gr.__all__:
        value = getattr(gr, name)
        if inspect.ismodule(value):
            listed = getattr(value, "__all__", None) or [
                member
                for member, one in vars(value).items()
                if not member.startswith("_") and getattr(one, "__module__", "") == value.__name__
            ]
            for member in listed:
                one = getattr(value, member)
                if inspect.isclass(one) or inspect.isfunction(one):
                    yield f"gr.{name}.{member}", one
        elif inspect.isclass(value) or inspect.isfunction(value):
            yield f"gr.{name}", value


# By the module that defines them, so that `-k nn.layers` runs the examples of the layers.
CASES = {f"{name} ({value.__module__})": value for name, value in public_names()}


@pytest.mark.slow  # all of them
@pytest.mark.parametrize("name", CASES)
def test_the_example_of_a_public_name_is_right(name):
    value = CASES[name]
    names = {"gr": gr, "np": np, "jnp": jnp, "jax": jax}
    examples = [test for test in FINDER.find(value, name, globs=names) if test.examples]
    assert examples, f"{name} has no example in its docstring"
    # The documentation renders no other heading's examples as code.
    assert "Examples:\n" in (value.__doc__ or ""), f"the heading in {name} is not `Examples:`"
    for package in OPTIONAL:
        if any(f"import {package}\n" in one.source for test in examples for one in test.examples):
            pytest.importorskip(package)
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for test in examples:
        said = []
        result = runner.run(test, out=said.append)
        assert not result.failed, "".join(said)
