"""A population: models of one structure, trained side by side as one compiled program.

The members' networks, optimisers and tasks are trees with the same structure; the leaves that
differ are stacked, those that do not are shared, and the training program is mapped over them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from gradus.errors import GradusError
from gradus.models import arguments
from gradus.models.model import Model
from gradus.models.samples import samples
from gradus.nn import randomness
from gradus.nn.network import replace
from gradus.nn.tree import canonical
from gradus.train import loop, probes
from gradus.train.history import History
from gradus.train.program import Data, Feed, Plan, run, skeleton, start
from gradus.train.stopping import Stopping

T = TypeVar("T")


def fit_all(
    models: Sequence[Model],
    x: Any,
    y: Any = None,
    *,
    batch_size: int | None = arguments.DEFAULT_BATCH,
    epochs: int = 10,
    validation_data: Any = None,
    shuffle_seed: int = 0,
    vital_signs: bool = True,
) -> list[Model]:
    """Train models of one structure side by side, each as `fit` would alone.

    They may differ in every number: the seed, the learning rate, a dropout rate, a penalty.

    Args:
        models: models that were not trained yet; each has its weights and history afterwards.
        x: inputs, as in `Model.fit`.
        y: targets, the same.
        batch_size: samples of a step; None for all.
        epochs: how often each sample is seen.
        validation_data: `(x, y)` to measure after each epoch.
        shuffle_seed: of the order of samples, which all members share.
        vital_signs: whether the layers' vital signs are recorded.

    Returns:
        The models.

    Raises:
        GradusError: if the models differ in structure.
    """
    given = samples(x, y, validation_data=validation_data, shuffle_seed=shuffle_seed)
    (x, y, weight), held, example = given.data, given.held, given.example
    tasks = [model.build(example)._ready(x, y) for model in models]
    count = len(jax.tree.leaves(x)[0])
    full = models[0].optimizer.full_batch
    regime = loop.Regime(
        epochs=arguments.whole("epochs", epochs),
        batch_size=arguments.batch_size(batch_size, count, full),
        seed=0,
        shuffle_seed=shuffle_seed,
        probes=vital_signs,
    )
    plan = loop.make_plan(count, regime, keep_best=False)
    stopping = Stopping("loss", "min")
    settings = [
        canonical((skeleton(model.net), model.optimizer, task, stopping))
        for model, task in zip(models, tasks, strict=True)
    ]
    carries = [
        start(model.net, model.optimizer, task, stopping, False)
        for model, task in zip(models, tasks, strict=True)
    ]
    carry, _ = stacked(carries, share=False)
    together, axes = stacked(settings)
    net, optimizer, task, stopping = together
    keys = jnp.stack([randomness.key(model.seed) for model in models])
    data, feed = jax.device_put(Data(x, y, weight)), None
    if isinstance(held, Data):
        feed = jax.device_put(loop.validation_feed(held, None))
    mapped = _mapped(plan, jax.tree.structure(together), axes)
    for model in models:
        model.history = History(*probes.names(model.net))
    for first in range(0, epochs, plan.epochs):
        span = min(plan.epochs, epochs - first)
        order = loop.draw_order(np.arange(count), plan, regime, first, span)
        carry, logs = mapped(
            carry, net, optimizer, task, stopping, Feed(data, order, np.int32(count)), feed,
            np.int32(span), np.int32(first), keys,
        )  # fmt: skip
        for index, model in enumerate(models):
            done = int(carry.epoch[index]) - first + int(carry.failed[index])
            model.history.extend(member(jax.device_get(logs), index), done)
    for index, model in enumerate(models):
        model._carry = member(carry, index)
        model.net = replace(model.net, model._carry.params | model._carry.state)
        model.history.stopped = "diverged" if bool(model._carry.failed) else ""
    return list(models)


def stacked(trees: Sequence[T], share: bool = True) -> tuple[T, tuple[int | None, ...]]:
    """Return trees of one structure as one, and the population axis of each leaf in turn.

    Args:
        trees: the members.
        share: whether a leaf that is the same in all is kept once, with the axis None.

    Raises:
        GradusError: if their structures differ.
    """
    structures = {jax.tree.structure(tree) for tree in trees}
    shapes = {tuple(jnp.shape(leaf) for leaf in jax.tree.leaves(tree)) for tree in trees}
    if len(structures) != 1 or len(shapes) != 1:
        raise GradusError(
            "These models differ in structure (layers, widths, activations, the kind of optimiser "
            "or loss), so that they are not one program: train each with fit."
        )
    columns = list(zip(*(jax.tree.leaves(tree) for tree in trees), strict=True))
    alike = [
        share and all(np.array_equal(leaf, column[0]) for leaf in column) for column in columns
    ]
    leaves = [
        column[0] if same else jnp.stack(column)
        for column, same in zip(columns, alike, strict=True)
    ]
    (structure,) = structures
    return jax.tree.unflatten(structure, leaves), tuple(None if same else 0 for same in alike)


def member(tree: T, index: int) -> T:
    """Return one member of a stacked tree."""
    made: T = jax.tree.map(lambda leaf: leaf[index], tree)
    return made


@functools.cache
def _mapped(plan: Plan, structure: Any, axes: tuple[int | None, ...]) -> Any:
    """Return the program mapped over a population, the same object for the same structure."""
    shared = (None,) * 4
    own = jax.tree.unflatten(structure, axes)
    return jax.jit(jax.vmap(functools.partial(run, plan=plan), in_axes=(0, *own, *shared, 0)))
