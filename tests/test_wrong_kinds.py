"""Every public function and class answers arguments of a wrong kind, whichever they are."""

import contextlib
import inspect

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError

WRONG = [
    *("x", b"x", 3, 3.7, -1, 10**30, 1 + 2j, float("nan"), None, [], {}, (1, "a"), object()),
    *(len, gr.Dense, np.array([1, 2]), np.array("x")),
]
# What takes arrays of JAX within a program, where nothing can be checked.
ARRAYS = {"relu", "sigmoid", "softmax", "binary_accuracy"}


def public():
    """Yield what can be called, by its name: of gradus, of its data, and of its figures."""
    places = {"gr": (gr, gr.__all__), "gr.data": (gr.data, gr.data.__all__)}
    places["gr.figures"] = (gr.figures, gr.figures.__all__)
    for place, (module, names) in places.items():
        for name in names:
            value = getattr(module, name)
            of_gradus = str(getattr(value, "__module__", "")).startswith("gradus")
            if not callable(value) or not of_gradus or name in ARRAYS:
                continue
            if inspect.isclass(value) and (
                issubclass(value, Exception) or inspect.isabstract(value)
            ):
                continue
            yield f"{place}.{name}", value


PUBLIC = dict(public())


@pytest.mark.parametrize("name", PUBLIC)
def test_arguments_of_a_wrong_kind_are_refused_or_taken(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    called = PUBLIC[name]
    parameters = inspect.signature(called).parameters.values()
    needed = [p for p in parameters if p.default is p.empty]
    if not needed or any(p.kind is p.VAR_KEYWORD for p in needed):
        return
    for wrong in WRONG:
        positional = [wrong for p in needed if p.kind is not p.KEYWORD_ONLY]
        named = {p.name: wrong for p in needed if p.kind is p.KEYWORD_ONLY}
        with contextlib.suppress(GradusError):
            called(*positional, **named)
