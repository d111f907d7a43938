"""How important each column of a table is to a trained network, by permutation."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import polars as pl

from gradus.data import Dataset, TablePreprocessor, Target
from gradus.data.targets import require_target
from gradus.errors import DataError
from gradus.experiments.preparation.outputs import decide_classes, losses_of
from gradus.models.model import Model
from gradus.objectives.loss import Loss
from gradus.rng import seeded_rng

ROWS, REPEATS = 500, 5  # that are permuted, and how often
TINY = 1e-7  # the least probability whose logarithm counts
MAX_COLUMNS = 200
NUMBERS = 2**26  # of the inputs that exist at once


def column_importance(
    model: Model, data: Dataset, preprocessor: TablePreprocessor, seed: int = 0
) -> dict[str, Any]:
    """Return by how much a score falls if the values of a column are shuffled among the rows.

    0 means that the network makes no use of the column, or has the same from another one (Breiman
    2001; Fisher et al. 2019). `score_name` says which score it is.

    Args:
        model: the trained model.
        data: a table that was not trained on, with targets.
        preprocessor: of the model.
        seed: of the rows and their order.

    Returns:
        The mean fall over `REPEATS` orders, by column, the largest first; of several targets that
        have a task each, that of each.

    Raises:
        DataError: if the data have no targets, or the table too many columns.
    """
    names = [name for name, *_ in preprocessor.column_rows()]
    if data.y is None or len(names) > MAX_COLUMNS:
        raise DataError(f"The importance of {len(names)} columns cannot be told.")
    rng = seeded_rng(seed)
    rows = np.sort(rng.permutation(len(data))[:ROWS])
    frame = data.x[rows]
    permuted = [
        frame.with_columns(frame[name][rng.permutation(len(rows))].alias(name))
        for name in names
        for _ in range(REPEATS)
    ]
    # Many at once: preprocessing and network take a block of rows in the time of a few.
    frames = [frame, *permuted]
    step = max(1, NUMBERS // (len(rows) * max(1, len(preprocessor.feature_names))))
    predicted = [
        model.predict(preprocessor.transform(pl.concat(frames[at : at + step])))
        for at in range(0, len(frames), step)
    ]
    outputs = jax.tree.map(lambda *parts: np.concatenate(parts), *predicted)
    target, loss = require_target(preprocessor.target), losses_of(model)
    if not target.parts:
        return _falls(names, outputs, data.y[rows], loss, target)
    return {
        part.name: _falls(names, outputs[part.name], data.y[part.name][rows], loss[part.name], part)
        for part in target.parts
    }


def _falls(
    names: list[str], outputs: np.ndarray, y: np.ndarray, loss: Loss, target: Target
) -> dict[str, float]:
    """Return the falls of a target's score, from the outputs for rows as they are, and permuted."""
    blocks = outputs.reshape(len(names) * REPEATS + 1, len(y), *outputs.shape[1:])
    whole, *others = (_score(block, y, loss, target) for block in blocks)
    falls = whole - np.reshape(others, (len(names), REPEATS)).mean(axis=1)
    order = np.argsort(-falls, kind="stable")
    return {names[index]: float(falls[index]) for index in order}


def score_name(loss: Loss, target: Target) -> str:
    """Return the score of `column_importance`.

    It is "R²" of a regression, its mean over several targets; the mean "log-likelihood" of the true
    class, which tells more on few rows than the accuracy; or "accuracy" where the outputs are no
    probabilities.
    """
    if target.task == "regression":
        return "R²"
    return "accuracy" if loss.link is None and loss.kind == "flags" else "log-likelihood"


def _score(outputs: np.ndarray, y: np.ndarray, loss: Loss, target: Target) -> float:
    """Return the score of outputs."""
    kind = score_name(loss, target)
    if kind == "accuracy":
        labels = decide_classes(outputs, loss, target)
        return float(np.mean(labels == y))
    if target.task == "multilabel":
        said = np.where(y == 1, outputs, 1 - outputs)
        return float(np.mean(np.log(np.maximum(said, TINY))))
    if kind == "log-likelihood":
        if outputs.shape[1] == 1:
            outputs = np.concatenate([1 - outputs, outputs], axis=1)
        said = outputs[np.arange(len(y)), y]
        return float(np.mean(np.log(np.maximum(said, TINY))))
    values: Any = target.inverse(outputs).reshape(len(y), -1)
    true = y.reshape(len(y), -1)
    spread = np.square(true - true.mean(axis=0)).sum(axis=0)
    rest = np.square(true - values).sum(axis=0)
    return float(np.mean(np.where(spread > 0, 1 - rest / np.where(spread > 0, spread, 1), 0.0)))
