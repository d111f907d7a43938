"""A trained model as plain arrays and settings, which scikit-learn's users pickle or copy."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from gradus.models.model import Model


def pack_model(model: Model) -> dict[str, Any]:
    """Return the settings, weights, and history of a trained model, without arrays of JAX."""
    state = model.train_state
    if state is not None:  # the best weights are those of the model
        state = jax.tree.map(np.asarray, dataclasses.replace(state, best=None))
    return {
        "settings": model.settings,
        "example": jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), model.example),
        "weights": model.weights,
        "train_state": state,
        "history": model.history,
        "record": model.record,
        "monitored": model.monitored,
    }


def unpack_model(packed: dict[str, Any]) -> Model:
    """Return the model that `pack_model` packed."""
    model = Model(**packed["settings"]).build(packed["example"])
    model.set_weights(packed["weights"])
    for name in ("train_state", "history", "record", "monitored"):
        setattr(model, name, packed[name])
    return model
