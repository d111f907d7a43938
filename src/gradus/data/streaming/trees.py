"""Trees of arrays (dicts and tuples, None for nothing): rows taken from them, and joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


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
    following = iter(leaves)

    def fill(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: fill(value) for key, value in part.items()}
        if isinstance(part, tuple):
            return tuple(map(fill, part))
        return None if part is None else next(following)

    return fill(tree)


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
