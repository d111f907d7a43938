"""Panels of a run on images: samples, as they are and augmented, mistakes, and filters."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from gradus.data.array_preprocessor import FEW_GRAY_LEVELS
from gradus.data.images import MODES
from gradus.nn.layer import Layer, named_layers
from gradus.nn.layers import augmentation
from gradus.nn.layers.containers import Sequential
from gradus.nn.layers.conv import Conv2D
from gradus.nn.network import fresh, init
from gradus.report.images import filters
from gradus.report.page import Panel, Picture

if TYPE_CHECKING:
    from gradus.models.model import Model

SAMPLES, MISTAKES = 16, 18  # pictures of a panel
LARGEST_SIDE = 96  # of a picture, in pixels


def sample_panels(
    model: Model, x: np.ndarray, labels: Sequence[str], files: Sequence[str] = ()
) -> list[Panel]:
    """Return panels of training images, and of what the augmentation makes of them.

    Args:
        model: the trained model.
        x: the inputs of the network, (n, height, width, channels).
        labels: the class of each, or another text.
        files: the name of each file, or none.
    """
    if not _are_pictures(x):
        return []
    rows = _of_every_label(labels)
    chosen = x[rows]
    texts, titles = [labels[row] for row in rows], [files[row] if files else "" for row in rows]
    panels = [
        Panel(
            "Samples",
            "Images of the training rows, as the network gets them.",
            None,
            pictures=pictures(chosen, texts, titles),
        )
    ]
    layers = _augmentations(model)
    if layers:
        random = fresh(init(Sequential(layers), 0, chosen), jax.random.key(0))
        changed = jax.jit(lambda images: random(images, training=True))(chosen)
        panels.append(
            Panel(
                "Augmented samples",
                "The same images with a random change, which is another one in every epoch.",
                None,
                pictures=pictures(np.asarray(changed).astype(x.dtype), texts, titles),
            )
        )
    return panels


def mistake_panels(
    x: np.ndarray,
    true: np.ndarray,
    outputs: np.ndarray,
    classes: Sequence[str],
    files: Sequence[str] = (),
) -> list[Panel]:
    """Return a panel of the images that the network gets wrong, where it is surest first.

    Args:
        x: the inputs of the network, (n, height, width, channels).
        true: labels, (n,).
        outputs: of the network: a column for each class, or one for the second of two.
        classes: their names.
        files: the name of each file, or none.
    """
    if not _are_pictures(x) or not classes:
        return []
    if outputs.shape[1] == 1:
        outputs = np.concatenate([1 - outputs, outputs], axis=1)
    predicted, sure = outputs.argmax(-1), outputs.max(-1)
    wrong = np.flatnonzero(predicted != np.asarray(true).reshape(-1))
    if not len(wrong):
        return []
    shown = wrong[np.argsort(-sure[wrong], kind="stable")][:MISTAKES]
    are_probabilities = outputs.min() >= 0 and outputs.max() <= 1
    texts = [
        f"{classes[int(true[row])]} → {classes[predicted[row]]}"
        + (f", {sure[row]:.0%}" if are_probabilities else "")
        for row in shown
    ]
    titles = [files[row] if files else "" for row in shown]
    named = f"the {len(shown)} of {len(wrong)} in which it is surest" * (len(shown) < len(wrong))
    caption = (
        f"Images that the network gets wrong{f': {named}' if named else ''}. The true class → the "
        "predicted one, and how probable the network says it is."
    )
    return [Panel("Mistakes", caption, None, pictures=pictures(x[shown], texts, titles))]


def filter_panels(model: Model) -> list[Panel]:
    """Return a panel of the kernels of the first convolution of images, if there is one."""
    for path, layer in named_layers(model.net):
        if isinstance(layer, Conv2D):
            caption = (
                "What each filter of the first convolution looks for: blue where bright pixels "
                "raise its output, orange where they lower it."
            )
            return [Panel("Filters", caption, filters(model, path))]
    return []


def pictures(x: np.ndarray, labels: Sequence[str], titles: Sequence[str]) -> list[Picture]:
    """Return images as pictures of a page, which hold their pixels as PNG.

    Args:
        x: (n, height, width, channels), bytes, or floats, whose range becomes that from black to
            white.
        labels: a text for each.
        titles: a text for each that is shown on hovering.
    """
    return [
        Picture(_data_uri(image), label, title)
        for image, label, title in zip(_as_bytes(x), labels, titles, strict=True)
    ]


def _are_pictures(x: Any) -> bool:
    return getattr(x, "ndim", 0) == 4 and len(x) > 0 and x.shape[3] in MODES


def _of_every_label(labels: Sequence[str]) -> np.ndarray:
    """Return the rows of some samples: the first of each label, then the second, …."""
    _, codes = np.unique(labels, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], codes[order])
    rank = np.empty(len(codes), int)
    rank[order] = np.arange(len(codes)) - starts
    return np.sort(np.lexsort((codes, rank))[:SAMPLES])


def _augmentations(model: Model) -> list[Layer]:
    layers = getattr(model.net, "layers", ())
    return [layer for layer in layers if type(layer).__module__ == augmentation.__name__]


def _as_bytes(x: np.ndarray) -> np.ndarray:
    """Return images as bytes from 0 to 255."""
    low, high = float(x.min()), float(x.max())
    if x.dtype == np.uint8:
        if high >= FEW_GRAY_LEVELS:
            return x
        low = 0.0
    scaled = (x.astype(np.float32) - low) / ((high - low) or 1.0)
    return np.round(255 * scaled).astype(np.uint8)


def _data_uri(image: np.ndarray) -> str:
    from PIL import Image

    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
