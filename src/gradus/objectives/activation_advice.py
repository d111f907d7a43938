"""Which final activations suit which losses."""

from __future__ import annotations

from gradus.objectives import targets
from gradus.objectives.loss import FUSED_HEADS, Loss
from gradus.objectives.losses import (
    CategoricalHinge,
    Hinge,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    RootMeanSquaredError,
)


def activation_warning(loss: Loss, head: str, output_shape: targets.Shape) -> str | None:
    """Return a warning if a network that ends in `head` does not suit `loss`, else None.

    Args:
        loss: the loss.
        head: the final activation of the network: "softmax", "log_softmax", "sigmoid", "linear",
            or any other name.
        output_shape: the shape of a batch of outputs; its first entry is ignored.
    """
    prefix = f"A {head} output with {loss.name}: "
    if head in ("softmax", "log_softmax") and output_shape[-1] == 1:
        return prefix + (
            "the softmax of one output is always 1, whatever the weights, so nothing is learned. "
            'Write Dense(1, "sigmoid") with binary_crossentropy, or Dense(2, "softmax").'
        )
    if loss.link is not None:
        return None if head in FUSED_HEADS[loss.link] else prefix + _unfused(loss.link, head)
    if isinstance(loss, Hinge | CategoricalHinge):
        return prefix + _HINGE if head in ("sigmoid", "softmax", "log_softmax", "relu") else None
    if isinstance(loss, Poisson):
        if head in ("linear", "tanh", "log_softmax"):
            return prefix + "a rate cannot be negative. End with softplus or exponential."
        if head in ("sigmoid", "softmax"):
            return prefix + "a rate may exceed 1. End with softplus or exponential."
    if isinstance(loss, MeanSquaredError | RootMeanSquaredError | MeanAbsoluteError):
        if head == "softmax":
            return prefix + (
                "where the softmax is confident of a wrong class its gradient vanishes, so the "
                "network hardly corrects such errors. Use categorical_crossentropy, or with "
                "integer labels sparse_categorical_crossentropy."
            )
        if head == "log_softmax":
            return prefix + "log-probabilities are not values to predict. End with linear."
    return None


_HINGE = "the margin is met at scores of -1 and 1, which it cannot reach freely. End with linear."


def _unfused(link: str, head: str) -> str:
    """Return why `head` does not suit a loss whose predictions are the `link` of logits."""
    if link == "softmax" and head == "sigmoid":
        return (
            "its outputs do not sum to 1, so the classes do not compete. End with softmax; for "
            "several labels per sample use binary_crossentropy."
        )
    if link == "sigmoid" and head in ("softmax", "log_softmax"):
        return (
            "its outputs compete, but the loss takes each for a separate yes or no. End with "
            "sigmoid; for one class among several use categorical_crossentropy or "
            "sparse_categorical_crossentropy."
        )
    return f"its outputs are not probabilities, and clipping stops the gradient. End with {link}."
