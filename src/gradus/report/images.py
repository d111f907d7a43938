"""Figures made of pictures: samples, reconstructions, a layer's filters and its feature maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.errors import DataError, GradusError, unknown
from gradus.nn.layer import named_layers
from gradus.nn.network import fresh, recorded
from gradus.report import style

if TYPE_CHECKING:
    from gradus.models.model import Model

PAPER = "#EDF0F4"  # a value of zero: off white, so that a picture's edge is seen
MOST_CELL = 72  # width of a picture, in pixels
MOST_ROWS = 8  # channels of a filter, or samples of feature maps, one a row
MOST_COLUMNS = 16  # filters
IN_COLOUR = 3  # channels of a picture in colour


def images(
    array: Any,
    columns: int = 10,
    *,
    names: Sequence[object] | None = None,
    row_names: Sequence[object] | None = None,
    own_range: bool = False,
    title: str = "Images",
) -> Any:
    """Return pictures side by side, row after row.

    Grey values run from zero, off white, to the largest, black; where there are negative ones,
    from orange over zero to blue.

    Args:
        array: pictures `(n, h, w)`, `(n, h, w, 1)`, in colour `(n, h, w, 3)` with values up to 1
            or 255, or as rows of numbers of square pictures, `(n, side · side)`.
        columns: how many stand in a row.
        names: a word above each picture.
        row_names: a word beside each row.
        own_range: whether each picture's colours reach to its own largest value, not to that of
            all.
        title: what the figure shows.

    Raises:
        DataError: if these are no pictures.
    """
    pictures = as_pictures(array)
    if names is not None and len(names) < len(pictures):
        raise DataError(f"There are {len(pictures)} pictures but only {len(names)} names.")
    if own_range:
        most = np.abs(pictures).max(axis=tuple(range(1, pictures.ndim)), keepdims=True)
        pictures = pictures / np.where(most > 0, most, 1)
    columns = max(1, min(columns, len(pictures)))
    sides = pictures.shape[1:3]
    gaps = [max(1, round(side / 10)) for side in sides]
    if names is not None:
        gaps[0] = math.ceil(0.4 * sides[0])
    sheet = mosaic(pictures, columns, (gaps[0], gaps[1]))
    cell = min(MOST_CELL, 700 / columns)
    shown = style.figure(title, height=round(130 + cell * sheet.shape[0] / sides[1]))
    _draw(shown, sheet, pictures)
    across, down = ([(side - 1) / 2, side + gap] for side, gap in zip(sides, gaps, strict=True))
    if names is not None:
        for index, name in enumerate(names[: len(pictures)]):
            row, column = divmod(index, columns)
            shown.add_annotation(
                x=down[0] + column * down[1],
                y=row * across[1] - 0.6,
                text=style.text(name),
                showarrow=False,
                yanchor="bottom",
                font={"size": 11, "color": style.MUTED},
            )
    bare = {"showgrid": False, "showline": False, "ticks": "", "constrain": "domain"}
    shown.update_xaxes(showticklabels=False, constraintoward="left", **bare)
    top = -0.5 - (gaps[0] if names is not None else 0)
    shown.update_yaxes(
        scaleanchor="x",
        constraintoward="top",
        range=[sheet.shape[0] - 0.5, top],
        tickmode="array",
        tickvals=[across[0] + row * across[1] for row in range(len(row_names or ()))],
        ticktext=[style.text(name) for name in row_names or ()],
        showticklabels=row_names is not None,
        **bare,
    )
    return shown


def reconstructions(model: Any, x: Any, noisy: Any = None, count: int = 10) -> Any:
    """Return pictures above what became of them: the input, with noise if there was, the output.

    Args:
        model: a model that reproduces its inputs; or its outputs, an array like `x`.
        x: pictures as `images` takes them; the first are drawn.
        noisy: the same with noise, which the model is given instead.
        count: how many are drawn.

    Raises:
        DataError: if these are no pictures, or not as many of each.
    """
    rows = {"input": x} if noisy is None else {"input": x, "noisy": noisy}
    rows = {name: np.asarray(part)[:count] for name, part in rows.items()}
    given = list(rows.values())[-1]
    rows["output"] = (
        model.predict(given) if hasattr(model, "predict") else np.asarray(model)[:count]
    )
    pictures = {name: as_pictures(part) for name, part in rows.items()}
    if len({part.shape for part in pictures.values()}) > 1:
        shapes = ", ".join(f"{name} {part.shape}" for name, part in pictures.items())
        raise DataError(f"reconstructions needs pictures of one shape, as many of each: {shapes}.")
    every = np.concatenate(list(pictures.values()))
    return images(every, len(given), row_names=list(pictures), title="Reconstructions")


def filters(model: Model, layer: str | None = None) -> Any:
    """Return a layer's kernels as pictures: zero off white, positive blue, negative orange.

    Of a convolution `(h, w, channels, filters)` each filter is a column of its channels, of
    one channel a picture of its own; of one in one dimension `(k, channels, filters)`, each is a
    picture of k columns. Of a dense layer on square pictures, `(side · side, units)`, there is a
    picture for each unit: what it looks for. The first 64 of one channel are drawn, else 16
    filters of 8 channels.

    Args:
        model: a built model.
        layer: the layer's path; by default the first with a kernel.

    Raises:
        GradusError: if the model is not built, or there is no such layer.
        DataError: if its kernel is no picture.
    """
    _require_built(model, "filters")
    layers = dict(named_layers(model.net))
    kernels = {p: np.asarray(part.kernel) for p, part in layers.items() if hasattr(part, "kernel")}
    path = _chosen(layer, kernels)
    kernel, title = kernels[path], f"Filters of {path}" if path else "Filters"
    if kernel.ndim == 2:
        return images(kernel.T[: 4 * MOST_COLUMNS], MOST_COLUMNS // 2, title=title)
    if kernel.ndim == 3:
        kernel = kernel.transpose(1, 0, 2)[:, :, None]  # (channels, k, 1, filters)
    by_channel = np.moveaxis(kernel, (2, 3), (0, 1))  # (channels, filters, h, w)
    if len(by_channel) == 1:
        return images(by_channel[0][: 4 * MOST_COLUMNS], MOST_COLUMNS // 2, title=title)
    kept = by_channel[:MOST_ROWS, :MOST_COLUMNS]
    names = [f"channel {index + 1}" for index in range(len(kept))]
    flat = kept.reshape(-1, *kept.shape[2:])
    return images(flat, kept.shape[1], row_names=names, title=title)


def feature_maps(model: Model, x: Any, layer: str | None = None) -> Any:
    """Return what a convolution makes of pictures: one map for each of its filters.

    With several samples each has a row, up to eight of them, and the first 16 filters are drawn.
    Each map's colours reach to its own largest value.

    Args:
        model: a built model.
        x: inputs `(n, h, w, channels)`.
        layer: the layer's path; by default the first whose outputs are maps.

    Raises:
        GradusError: if the model is not built, or there is no such layer.
    """
    _require_built(model, "feature_maps")
    copy = fresh(model.net, recording=True)
    copy(np.asarray(x)[:MOST_ROWS])
    outputs = {
        path: np.asarray(output)
        for path, output in recorded(copy)[1].items()
        if getattr(output, "ndim", 0) == 4
    }
    path = _chosen(layer, outputs)
    maps = np.moveaxis(outputs[path], -1, 1)  # (n, filters, h, w)
    title = f"Feature maps of {path}" if path else "Feature maps"
    if len(maps) == 1:
        kept = maps[0][: 4 * MOST_COLUMNS]
        return images(kept, MOST_COLUMNS // 2, own_range=True, title=title)
    maps = maps[:, :MOST_COLUMNS]
    flat = maps.reshape(-1, *maps.shape[2:])
    names = [f"sample {index + 1}" for index in range(len(maps))]
    return images(flat, maps.shape[1], row_names=names, own_range=True, title=title)


# --- pictures as arrays ------------------------------------------------------------------------


def as_pictures(array: Any) -> np.ndarray:
    """Return pictures as `(n, h, w)`, or in colour as `(n, h, w, 3)`, float32.

    Raises:
        DataError: if they are none.
    """
    found = np.asarray(array, np.float32)
    if found.ndim == 2 and math.isqrt(found.shape[1]) ** 2 == found.shape[1]:
        found = found.reshape(len(found), math.isqrt(found.shape[1]), -1)
    if found.ndim == 4 and found.shape[-1] == 1:
        found = found[..., 0]
    if not found.size or not (
        found.ndim == 3 or (found.ndim == 4 and found.shape[-1] == IN_COLOUR)
    ):
        raise DataError(
            f"An array of shape {np.shape(array)} holds no pictures: write (n, h, w), "
            "(n, h, w, 1), (n, h, w, 3), or (n, side · side) for square ones."
        )
    return found


def mosaic(pictures: np.ndarray, columns: int, gaps: tuple[int, int]) -> np.ndarray:
    """Return pictures `(n, h, w, ...)` as one sheet, with `gaps` of NaN between them."""
    count, height, width = pictures.shape[:3]
    down, across = height + gaps[0], width + gaps[1]
    rows = -(-count // columns)
    shape = (rows * down - gaps[0], columns * across - gaps[1], *pictures.shape[3:])
    sheet = np.full(shape, np.nan, np.float32)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        top, left = row * down, column * across
        sheet[top : top + height, left : left + width] = picture
    return sheet


def _draw(shown: Any, sheet: np.ndarray, pictures: np.ndarray) -> None:
    """Draw a sheet of pictures, in colour or in grey."""
    most = float(np.nanmax(np.abs(pictures), initial=0)) or 1.0
    if sheet.ndim == 3:
        whole = 255 * sheet / (255 if most > 1 else 1)
        coloured = np.nan_to_num(np.clip(whole, 0, 255), nan=255).astype(np.uint8)
        shown.add_image(z=coloured, hoverinfo="skip")
        return
    signed = float(np.nanmin(pictures)) < 0
    scale = [[0, style.VERMILION], [0.5, PAPER], [1, style.BLUE]]
    shown.add_heatmap(
        z=sheet,
        zmin=-most if signed else 0,
        zmax=most,
        colorscale=scale if signed else [[0, PAPER], [1, style.INK]],
        showscale=False,
        hoverongaps=False,
        hovertemplate="%{z:.3g}<extra></extra>",
    )


def _chosen(layer: str | None, known: dict[str, Any]) -> str:
    """Return the path that was asked for, or the first.

    Raises:
        GradusError: if there is none such.
    """
    if layer is None and known:
        return next(iter(known))
    if layer not in known:
        raise unknown("layer", str(layer), known)
    return layer


def _require_built(model: Model, what: str) -> None:
    if not model.built:
        raise GradusError(f"{what}: the network has no weights yet; call fit first.")
