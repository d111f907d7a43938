"""Figures made of images: samples, reconstructions, filters and feature maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.checks import whole_number
from gradus.data.arrays import as_array
from gradus.drawing import style
from gradus.errors import DataError, GradusError, unknown
from gradus.nn.layer import named_layers
from gradus.nn.network import fresh, recorded

if TYPE_CHECKING:
    from gradus.models.model import Model

PAPER = "#EDF0F4"  # the color of zero: off-white, so that an image's edge is visible
MAX_IMAGE_WIDTH = 72  # in pixels
MAX_ROWS = 8  # channels of a filter, or samples of feature maps, one per row
MAX_COLUMNS = 16  # filters
RGB_CHANNELS = 3


def images(
    array: Any,
    columns: int = 10,
    *,
    names: Sequence[object] | None = None,
    row_names: Sequence[object] | None = None,
    own_range: bool = False,
    title: str = "Images",
) -> Any:
    """Draw images side by side, row by row.

    Gray levels run from zero, off-white, to the largest value, black. If any value is negative,
    colors run from orange (negative) through off-white (zero) to blue (positive).

    Args:
        array: images `(n, h, w)` or `(n, h, w, 1)`; in color `(n, h, w, 3)` with values up to 1
            or 255; or flattened square images, `(n, side · side)`.
        columns: images per row.
        names: a label above each image.
        row_names: a label beside each row.
        own_range: whether to scale each image's colors to its own largest value instead of the
            largest of all.
        title: title of the figure.

    Raises:
        DataError: if `array` has another shape, or there are fewer names than images.

    Examples:
        >>> figure = gr.figures.images(np.ones((4, 8, 8)), columns=2, names="abcd")
        >>> [label.text for label in figure.layout.annotations]
        ['a', 'b', 'c', 'd']
    """
    pictures = as_images(array)
    if names is not None and len(names) < len(pictures):
        raise DataError(f"There are {len(pictures)} images but only {len(names)} names.")
    if own_range:
        largest = np.abs(pictures).max(axis=tuple(range(1, pictures.ndim)), keepdims=True)
        pictures = pictures / np.where(largest > 0, largest, 1)
    columns = max(1, min(whole_number("columns", columns, 1), len(pictures)))
    sides = pictures.shape[1:3]
    gaps = [max(1, round(side / 10)) for side in sides]
    if names is not None:
        gaps[0] = math.ceil(0.4 * sides[0])
    sheet = mosaic(pictures, columns, (gaps[0], gaps[1]))
    image_width = min(MAX_IMAGE_WIDTH, 700 / columns)
    top = -0.5 - (gaps[0] if names is not None else 0)
    aspect = (sheet.shape[0] - 0.5 - top) / sheet.shape[1]
    widest = image_width * sheet.shape[1] / sides[1]
    figure = style.figure(title, height=round(84 + aspect * widest))
    # A page makes the figure as high as the images are where they have less room.
    figure.update_layout(margin_b=12, meta={"aspect": aspect, "widest": widest})
    _draw(figure, sheet, pictures)
    across, down = ([(side - 1) / 2, side + gap] for side, gap in zip(sides, gaps, strict=True))
    if names is not None:
        for index, name in enumerate(names[: len(pictures)]):
            row, column = divmod(index, columns)
            figure.add_annotation(
                x=down[0] + column * down[1],
                y=row * across[1] - 0.6,
                text=style.escape(name),
                showarrow=False,
                yanchor="bottom",
                font={"size": 11, "color": style.MUTED},
            )
    axis = {"showgrid": False, "showline": False, "ticks": "", "constrain": "domain"}
    figure.update_xaxes(showticklabels=False, constraintoward="left", **axis)
    figure.update_yaxes(
        scaleanchor="x",
        constraintoward="top",
        range=[sheet.shape[0] - 0.5, top],
        tickmode="array",
        tickvals=[across[0] + row * across[1] for row in range(len(row_names or ()))],
        ticktext=[style.escape(name) for name in row_names or ()],
        showticklabels=row_names is not None,
        **axis,
    )
    return figure


def reconstructions(model: Any, x: Any, noisy: Any = None, count: int = 10) -> Any:
    """Draw images above their reconstructions, with the noisy inputs between if given.

    Args:
        model: a model that reproduces its inputs; or its outputs, an array like `x`.
        x: images as in `images`; the first `count` are drawn.
        noisy: the same images with noise, the model's inputs instead of `x`.
        count: the number of images.

    Raises:
        DataError: if these are not images, or the shapes differ.

    Examples:
        >>> x = np.eye(3).reshape(1, 9)
        >>> gr.figures.reconstructions(0.5 * x, x).layout.yaxis.ticktext
        ('input', 'output')
    """
    rows = {"input": x} if noisy is None else {"input": x, "noisy": noisy}
    rows = {name: as_array(part, name)[:count] for name, part in rows.items()}
    inputs = list(rows.values())[-1]
    rows["output"] = (
        model.predict(inputs) if hasattr(model, "predict") else as_array(model, "model")[:count]
    )
    pictures = {name: as_images(part) for name, part in rows.items()}
    if len({part.shape for part in pictures.values()}) > 1:
        shapes = ", ".join(f"{name} {part.shape}" for name, part in pictures.items())
        raise DataError(
            f"reconstructions needs images of one shape, equally many of each: {shapes}."
        )
    every = np.concatenate(list(pictures.values()))
    return images(every, len(inputs), row_names=list(pictures), title="Reconstructions")


def filters(model: Model, layer: str | None = None) -> Any:
    """Draw a layer's kernels as images: zero off-white, positive blue, negative orange.

    A filter of a 2D convolution, kernel `(h, w, channels, filters)`, is a column of its channels,
    or with one channel a single image. A filter of a 1D convolution, `(k, channels, filters)`, is
    an image of k columns. A dense layer on square images, `(side · side, units)`, has an image per
    unit. At most 64 filters of one channel are drawn, otherwise 16 filters of 8 channels.

    Args:
        model: a built model.
        layer: the layer's path; by default the first with a kernel.

    Raises:
        GradusError: if the model is not built, or there is no such layer.
        DataError: if the kernel cannot be drawn as images.

    Examples:
        >>> net = gr.Sequential([gr.Conv2D(3, 2), gr.Flatten(), gr.Dense(1)])
        >>> model = gr.Model(net, "mse").build(np.ones((1, 5, 5, 1)))
        >>> gr.figures.filters(model, "conv2d").data[0].z.shape  # three of 2 × 2, side by side
        (2, 8)
    """
    require_built(model, "filters")
    layers = dict(named_layers(model.net))
    kernels = {p: np.asarray(part.kernel) for p, part in layers.items() if hasattr(part, "kernel")}
    path = _choose_layer(layer, kernels)
    kernel, title = kernels[path], f"Filters of {path}" if path else "Filters"
    if kernel.ndim == 2:
        return images(kernel.T[: 4 * MAX_COLUMNS], MAX_COLUMNS // 2, title=title)
    if kernel.ndim == 3:
        kernel = kernel.transpose(1, 0, 2)[:, :, None]  # (channels, k, 1, filters)
    by_channel = np.moveaxis(kernel, (2, 3), (0, 1))  # (channels, filters, h, w)
    if len(by_channel) == 1:
        return images(by_channel[0][: 4 * MAX_COLUMNS], MAX_COLUMNS // 2, title=title)
    drawn = by_channel[:MAX_ROWS, :MAX_COLUMNS]
    names = [f"channel {index + 1}" for index in range(len(drawn))]
    flat = drawn.reshape(-1, *drawn.shape[2:])
    return images(flat, drawn.shape[1], row_names=names, title=title)


def feature_maps(model: Model, x: Any, layer: str | None = None) -> Any:
    """Draw the outputs of a convolution on images: one map per filter.

    With several samples, each has a row: the first 8 samples and 16 filters are drawn. Each map's
    colors are scaled to its own largest value.

    Args:
        model: a built model.
        x: inputs `(n, h, w, channels)`.
        layer: the layer's path; by default the first with outputs of four axes.

    Raises:
        GradusError: if the model is not built, or there is no such layer.

    Examples:
        >>> x = np.ones((2, 5, 5, 1))
        >>> model = gr.Model(gr.Conv2D(3, 2), "mse").build(x)
        >>> gr.figures.feature_maps(model, x).layout.yaxis.ticktext
        ('sample 1', 'sample 2')
    """
    require_built(model, "feature_maps")
    net = fresh(model.net, recording=True)
    net(np.asarray(x)[:MAX_ROWS])
    outputs = {
        path: np.asarray(output)
        for path, output in recorded(net)[1].items()
        if getattr(output, "ndim", 0) == 4
    }
    path = _choose_layer(layer, outputs)
    maps = np.moveaxis(outputs[path], -1, 1)  # (n, filters, h, w)
    title = f"Feature maps of {path}" if path else "Feature maps"
    if len(maps) == 1:
        drawn = maps[0][: 4 * MAX_COLUMNS]
        return images(drawn, MAX_COLUMNS // 2, own_range=True, title=title)
    maps = maps[:, :MAX_COLUMNS]
    flat = maps.reshape(-1, *maps.shape[2:])
    names = [f"sample {index + 1}" for index in range(len(maps))]
    return images(flat, maps.shape[1], row_names=names, own_range=True, title=title)


# --- images as arrays --------------------------------------------------------------------------


def as_images(array: Any) -> np.ndarray:
    """Return images as `(n, h, w)`, or in color as `(n, h, w, 3)`, float32.

    Raises:
        DataError: if `array` has another shape.
    """
    stack = as_array(array, "images").astype(np.float32, copy=False)
    if stack.ndim == 2 and math.isqrt(stack.shape[1]) ** 2 == stack.shape[1]:
        stack = stack.reshape(len(stack), math.isqrt(stack.shape[1]), -1)
    if stack.ndim == 4 and stack.shape[-1] == 1:
        stack = stack[..., 0]
    if not stack.size or not (
        stack.ndim == 3 or (stack.ndim == 4 and stack.shape[-1] == RGB_CHANNELS)
    ):
        raise DataError(
            f"An array of shape {np.shape(array)} is not a batch of images: write (n, h, w), "
            "(n, h, w, 1), (n, h, w, 3), or (n, side · side) for square images."
        )
    return stack


def mosaic(pictures: np.ndarray, columns: int, gaps: tuple[int, int]) -> np.ndarray:
    """Return images `(n, h, w, ...)` as one sheet, with `gaps` of NaN between them."""
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


def _draw(figure: Any, sheet: np.ndarray, pictures: np.ndarray) -> None:
    """Draw a sheet of images, in color or in gray."""
    largest = float(np.nanmax(np.abs(pictures), initial=0)) or 1.0
    if sheet.ndim == 3:
        levels = 255 * sheet / (255 if largest > 1 else 1)
        colored = np.nan_to_num(np.clip(levels, 0, 255), nan=255).astype(np.uint8)
        figure.add_image(z=colored, hoverinfo="skip")
        return
    signed = float(np.nanmin(pictures)) < 0
    scale = [[0, style.VERMILION], [0.5, PAPER], [1, style.BLUE]]
    figure.add_heatmap(
        z=sheet,
        zmin=-largest if signed else 0,
        zmax=largest,
        colorscale=scale if signed else [[0, PAPER], [1, style.INK]],
        showscale=False,
        hoverongaps=False,
        hovertemplate="%{z:.3g}<extra></extra>",
    )


def _choose_layer(layer: str | None, known: dict[str, Any]) -> str:
    """Return the requested path, or by default the first.

    Raises:
        GradusError: if there is no such layer.
    """
    if layer is None and known:
        return next(iter(known))
    if layer not in known:
        raise unknown("layer", str(layer), known)
    return layer


def require_built(model: Model, what: str) -> None:
    """Refuse what is no model with weights.

    Args:
        model: what was given.
        what: the figure, for errors.
    """
    if not hasattr(model, "net"):
        raise GradusError(f"{what}(model={str(model)[:40]!r}): write a model, gr.Model(…).")
    if not model.built:
        raise GradusError(f"{what}: the network has no weights yet; call fit first.")
