"""Figures of attention: which step looks at which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.errors import DataError
from gradus.report import style

MOST_WORDS = 40  # tokens up to which each is written beside the axes


def attention_map(
    weights: Any, tokens: Sequence[object] | None = None, keys: Sequence[object] | None = None
) -> Any:
    """Return how much each step (row) looks at each (column), a panel for each head.

    Args:
        weights: attention weights, rows that sum to 1, `(queries, keys)` or
            `(heads, queries, keys)`.
        tokens: the steps' names, of the rows, and of the columns too if there are as many.
        keys: those of the columns.

    Raises:
        DataError: if the weights have another shape, or there are not as many names as steps.
    """
    found = np.asarray(weights, float)
    found = found[None] if found.ndim == 2 else found
    if found.ndim != 3 or not found.size:
        raise DataError(
            f"attention_map draws (queries, keys) or (heads, queries, keys), not {found.shape}: "
            "of a batch write weights[0]."
        )
    heads, queries, sources = found.shape
    if keys is None and tokens is not None and len(tokens) == sources:
        keys = tokens
    marks = [_marks(names, size) for names, size in ((keys, sources), (tokens, queries))]
    each = max(160, min(420, 24 * queries))
    shown = style.figure(
        "Attention",
        heads,
        110 + (each + 46) * heads,
        vertical_spacing=60 / (each + 60) / heads if heads > 1 else None,
        subplot_titles=[f"head {index + 1}" for index in range(heads)] if heads > 1 else None,
    )
    for row, head in enumerate(found, 1):
        shown.add_heatmap(
            z=head,
            zmin=0,
            zmax=1,
            colorscale=[[0, "#F7F9FB"], [1, style.BLUE]],
            showscale=False,
            xgap=1,
            ygap=1,
            customdata=[[(y, x) for x in marks[0]["ticktext"]] for y in marks[1]["ticktext"]],
            hovertemplate="%{customdata[0]} at %{customdata[1]}: %{z:.1%}<extra></extra>",
            row=row,
            col=1,
        )
    bare = {"showgrid": False, "showline": False, "tickmode": "array"}
    shown.update_xaxes(**bare, **marks[0], showticklabels=sources <= MOST_WORDS)
    shown.update_yaxes(
        **bare, **marks[1], showticklabels=queries <= MOST_WORDS, autorange="reversed"
    )
    shown.update_xaxes(title_text="looks at", row=heads)
    return shown


def _marks(names: Sequence[object] | None, size: int) -> dict[str, Any]:
    """Return the places and the words of an axis.

    Raises:
        DataError: if there are not as many names as places.
    """
    if names is not None and len(names) != size:
        raise DataError(f"There are {size} steps but {len(names)} names of them.")
    texts = [style.text(name) for name in (range(1, size + 1) if names is None else names)]
    return {"tickvals": np.arange(size), "ticktext": texts}
