"""Figures of attention weights: which step attends to which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.data.arrays import as_array
from gradus.drawing import style
from gradus.errors import DataError

MAX_TOKENS = 40  # up to which the axes show every token


def attention_map(
    weights: Any, tokens: Sequence[object] | None = None, keys: Sequence[object] | None = None
) -> Any:
    """Draw how much each step (row) attends to each step (column), one panel per head.

    Args:
        weights: attention weights, rows that sum to 1, `(queries, keys)` or
            `(heads, queries, keys)`.
        tokens: names of the rows, and of the columns too if there are as many.
        keys: names of the columns.

    Raises:
        DataError: if the weights have another shape, or the number of names differs from the
            number of steps.

    Examples:
        >>> figure = gr.figures.attention_map([[0.9, 0.1], [0.3, 0.7]], ["the", "cat"])
        >>> figure.layout.xaxis.ticktext
        ('the', 'cat')
    """
    panels = as_array(weights, "weights", wide=True)
    panels = panels[None] if panels.ndim == 2 else panels
    if panels.ndim != 3 or not panels.size:
        raise DataError(
            f"attention_map draws (queries, keys) or (heads, queries, keys), not {panels.shape}: "
            "for one sample of a batch, write weights[0]."
        )
    heads, queries, sources = panels.shape
    if keys is None and tokens is not None and len(tokens) == sources:
        keys = tokens
    x_ticks, y_ticks = _ticks(keys, sources), _ticks(tokens, queries)
    panel_height = max(160, min(420, 24 * queries))
    figure = style.figure(
        "Attention",
        heads,
        110 + (panel_height + 46) * heads,
        vertical_spacing=60 / (panel_height + 60) / heads if heads > 1 else None,
        subplot_titles=[f"head {index + 1}" for index in range(heads)] if heads > 1 else None,
    )
    for row, head in enumerate(panels, 1):
        figure.add_heatmap(
            z=head,
            zmin=0,
            zmax=1,
            colorscale=[[0, "#F7F9FB"], [1, style.BLUE]],
            showscale=False,
            xgap=1,
            ygap=1,
            customdata=[[(y, x) for x in x_ticks["ticktext"]] for y in y_ticks["ticktext"]],
            hovertemplate="%{customdata[0]} at %{customdata[1]}: %{z:.1%}<extra></extra>",
            row=row,
            col=1,
        )
    axis = {"showgrid": False, "showline": False, "tickmode": "array"}
    figure.update_xaxes(**axis, **x_ticks, showticklabels=sources <= MAX_TOKENS)
    figure.update_yaxes(
        **axis, **y_ticks, showticklabels=queries <= MAX_TOKENS, autorange="reversed"
    )
    figure.update_xaxes(title_text="attends to", row=heads)
    return figure


def _ticks(names: Sequence[object] | None, size: int) -> dict[str, Any]:
    """Return the tick positions and labels of an axis.

    Raises:
        DataError: if the number of names is not `size`.
    """
    if names is not None and len(names) != size:
        raise DataError(f"There are {size} steps but {len(names)} names.")
    texts = [style.escape(name) for name in (range(1, size + 1) if names is None else names)]
    return {"tickvals": np.arange(size), "ticktext": texts}
