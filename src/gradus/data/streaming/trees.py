"""Trees of arrays (dicts and tuples, None for nothing): their rows taken, joined, and stacked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gradus.errors import DataError


def leaves_of(tree: Any) -> list[Any]:
    """Return the arrays of a tree, in order.

    Examples:
        >>> leaves_of(({"a": 1, "b": 2}, None, 3))
        [1, 2, 3]
    """
    if isinstance(tree, dict):
        return [leaf for part in tree.values() for leaf in leaves_of(part)]
    if isinstance(tree, tuple):
        return [leaf for part in tree for leaf in leaves_of(part)]
    return [] if tree is None else [tree]


def with_leaves(tree: Any, leaves: Sequence[Any]) -> Any:
    """Return a tree with other arrays, in the order of `leaves_of`.

    Examples:
        >>> with_leaves(({"a": 1, "b": 2}, None, 3), "xyz")
        ({'a': 'x', 'b': 'y'}, None, 'z')
    """
    return _filled(tree, iter(leaves))


def _filled(tree: Any, leaves: Iterator[Any]) -> Any:
    """Return a tree with the next leaves.

    A function in `with_leaves` that calls itself would be a cycle, and keep all leaves until the
    next collection of garbage.
    """
    if isinstance(tree, dict):
        return {key: _filled(part, leaves) for key, part in tree.items()}
    if isinstance(tree, tuple):
        return tuple(_filled(part, leaves) for part in tree)
    return None if tree is None else next(leaves)


def take_rows(tree: Any, rows: np.ndarray) -> Any:
    """Return the rows with these numbers of each array."""
    return with_leaves(tree, [leaf.take(rows, axis=0) for leaf in leaves_of(tree)])


def join_rows(trees: Sequence[Any]) -> Any:
    """Return the rows of trees of one structure as one tree."""
    if len(trees) == 1:
        return trees[0]
    parts = zip(*map(leaves_of, trees), strict=True)
    return with_leaves(trees[0], [np.concatenate(arrays) for arrays in parts])


def count_rows(tree: Any) -> int:
    """Return the number of rows of the arrays of a tree."""
    return len(leaves_of(tree)[0])


def stack_items(items: list[Any]) -> Any:
    """Return items of one structure as a batch: what is a tuple or dict in each becomes one."""
    first = items[0]
    if isinstance(first, tuple):
        return tuple(stack_items(list(parts)) for parts in zip(*items, strict=True))
    if isinstance(first, dict):
        return {key: _stack_column(key, [item[key] for item in items]) for key in first}
    return _stacked(items, "the items")


def _stack_column(key: Any, values: list[Any]) -> Any:
    """Return what items have under a key as a batch.

    Raises:
        DataError: for text, or arrays of several shapes.
    """
    if isinstance(values[0], tuple | dict):
        return stack_items(values)
    if isinstance(values[0], str):
        raise DataError(
            f"{key!r} is text in each item, such as {values[0][:30]!r}: encode it as numbers "
            "(gr.data.TextVectorizer), or leave it out of the items."
        )
    return _stacked(values, repr(key))


def _stacked(values: list[Any], name: str) -> np.ndarray:
    """Return arrays as rows of one."""
    arrays = [np.asarray(value) for value in values]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise DataError(
            f"In a batch {name} have the shapes {' and '.join(map(str, shapes[:3]))}: make them "
            "alike, as by resizing images or padding sequences."
        )
    return np.stack(arrays)
