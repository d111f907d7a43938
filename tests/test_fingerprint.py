"""Fingerprints are equal if and only if settings, functions and data do the same."""

import functools

import jax
import numpy as np
import pytest

import gradus as gr
from gradus.fingerprint import digest, fingerprint

SCALE = 2.0


def loss_of(text, **names):
    """A function compiled from text, so that two may have one name."""
    space = {"np": np, **names}
    exec(text, space)  # noqa: S102 - the texts are those of this file
    return space["loss"]


def test_arrays_count_with_all_of_their_bytes():
    x = np.zeros((1000, 3), np.float32)
    for row in (0, 17, 999):
        other = x.copy()
        other[row, 1] = 1e-30
        assert digest(other) != digest(x)
    assert digest(x.astype(np.float64)) == digest(np.zeros((1000, 3)))
    for other in (x.reshape(3, 1000), x.astype(np.float64), x[:999]):
        assert digest(other) != digest(x)
        assert fingerprint({"x": other}) != fingerprint({"x": x})
    assert digest({"a": x}) != digest({"b": x})
    assert fingerprint(x[:, 0]) == fingerprint(np.ascontiguousarray(x[:, 0]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def loss(a, b): return (a - b) ** 2", "def loss(a, b): return abs(a - b)"),
        ("def loss(a, b): return 2 * a", "def loss(a, b): return 3 * a"),
        ("def loss(a, b, k=1): return a * k", "def loss(a, b, k=2): return a * k"),
        ("k = 1\ndef loss(a, b): return a * k", "k = 2\ndef loss(a, b): return a * k"),
        (
            "def inner(a): return a\ndef loss(a, b): return inner(a)",
            "def inner(a): return -a\ndef loss(a, b): return inner(a)",
        ),
        (
            "def make(k):\n  def loss(a, b): return a * k\n  return loss\nloss = make(1)",
            "def make(k):\n  def loss(a, b): return a * k\n  return loss\nloss = make(2)",
        ),
        (
            "def loss(a, b): return [x for x in a if x > 1]",
            "def loss(a, b): return [x for x in a if x > 2]",
        ),
    ],
)
def test_functions_are_what_they_do(one, other):
    assert fingerprint(loss_of(one)) == fingerprint(loss_of(one))
    assert fingerprint(loss_of(one)) != fingerprint(loss_of(other))
    assert fingerprint(jax.jit(loss_of(one))) != fingerprint(jax.jit(loss_of(other)))
    partial = functools.partial
    assert fingerprint(partial(loss_of(one), 1)) != fingerprint(partial(loss_of(one), 2))


def test_comments_lines_and_docstrings_do_not_matter():
    plain = loss_of("def loss(a, b): return a * 2")
    documented = loss_of('\n\ndef loss(a, b):\n    """Say."""\n    # why\n    return a * 2')
    assert fingerprint(plain) == fingerprint(documented)


def test_recursion_ends():
    assert fingerprint(loss_of("def loss(a, b): return loss(a, b) if a else b"))


def test_settings_of_own_classes_count_with_their_methods():
    def layer(factor):
        class Own(gr.Layer):
            def __init__(self, units):
                self.units = units

            def call(self, x):
                return factor * x

        return Own(3)

    assert fingerprint(layer(1)) == fingerprint(layer(1))
    assert fingerprint(layer(1)) != fingerprint(layer(2))
    assert fingerprint(gr.Dense(3)) != fingerprint(gr.Dense(4))
