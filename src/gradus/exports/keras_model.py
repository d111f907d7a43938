"""A trained network as a file of Keras 3."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gradus.bridges.keras.models import to_keras
from gradus.exports.trained import Trained, network_notes
from gradus.models.supervised import output_heads
from gradus.objectives.loss import takes_logits
from gradus.train.tasks.base import OutputObjective, Supervised


def keras_bytes(trained: Trained) -> bytes:
    """Return the content of a `.keras` file, which Keras loads on any of its backends.

    It holds the network, its weights, and what it is compiled with, as `gr.to_keras` says, which
    warns of what is not carried.

    Raises:
        GradusError: naming a layer that Keras does not have, or that Keras is not installed.
    """
    written = to_keras(trained.model)
    if written.optimizer is not None and not written.optimizer.built:
        written.optimizer.build(
            written.trainable_variables
        )  # or Keras warns when it loads the file
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what saving does within Keras
        path = Path(folder) / "model.keras"
        written.save(path)
        return path.read_bytes()


def keras_notes(trained: Trained) -> list[str]:
    """Return how predictions differ from those of the run, in sentences."""
    notes = network_notes(trained)
    if _ends_in_logits(trained.model):
        notes.append("the network ends in logits, so Keras predicts these, not probabilities")
    return notes


def _ends_in_logits(model: Any) -> bool:
    """Whether an output becomes a probability only in `predict`."""
    if not isinstance(model.task, Supervised):
        return False
    example = jax.tree.map(lambda a: np.zeros(a.shape, a.dtype), model.example)
    heads = output_heads(model.net, example)[0]

    def differs(objective: OutputObjective, head: Any) -> bool:
        link = objective.loss.link
        return takes_logits(link, head.activation) and head.activation != link

    found = jax.tree.map(
        differs, model.task.objectives, heads, is_leaf=lambda x: isinstance(x, OutputObjective)
    )
    return any(jax.tree.leaves(found))
