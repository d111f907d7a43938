"""The vital signs of a network in training: what passes through its layers, and what moves them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradus.nn import activations
from gradus.nn.layer import Layer, children, walk
from gradus.nn.network import fresh, recorded, replace, weights

Values = dict[str, jax.Array]


def watched(net: Layer) -> list[str]:
    """Return the paths of the layers whose outputs are probed: those with weights or activation.

    A layer that holds layers is not: its parts are.
    """
    return [
        path
        for path, layer in walk(net)
        if not any(children(layer))
        and (layer.__dict__.get("_weights") or hasattr(layer, "activation"))
    ]


def probe(
    net: Layer,
    params: Values,
    state: Values,
    optimizer: Any,
    memory: Any,
    task: Any,
    batch: Any,
    key: jax.Array,
    scale: jax.Array,
) -> Values:
    """Look at the network as it stands, on one batch, without training it.

    Returns:
        Vectors. By layer, in the order of `watched`: "mean" and "deviation" of its outputs, the
        "saturated" share of them (where the activation's derivative is nearly zero; NaN where
        the activation does not saturate), and the share of "silent" units, whose output is zero
        on the whole batch. By weight, in the order of the params: the Euclidean norms of
        "gradient", "weight" and "update", what the optimiser would do with this gradient next.
    """

    def loss_of(params: Values) -> tuple[jax.Array, Any]:
        copy = fresh(replace(net, params | state), key, training=True, recording=True)
        value, _ = task.measure(copy, batch)
        outputs = recorded(copy)[1]
        return value, [(path, outputs[path]) for path in watched(net) if path in outputs]

    (value, outputs), gradients = jax.value_and_grad(loss_of, has_aux=True)(params)
    moved, _ = optimizer.update(
        gradients,
        memory,
        params,
        learning_rate_scale=scale,
        value=value,
        value_fn=lambda params: loss_of(params)[0],
    )
    updates = jax.tree.map(jnp.subtract, moved, params)
    layers = dict(walk(net))
    by_layer = [_outputs(layers[path], output) for path, output in outputs]
    found = {
        name: jnp.stack([one[name] for one in by_layer]) for name in (by_layer[0] if by_layer else ())
    }
    for name, tree in (("gradient", gradients), ("weight", params), ("update", updates)):
        found[name] = jnp.stack([jnp.sqrt(jnp.sum(jnp.square(tree[path]))) for path in params])
    return found


def names(net: Layer) -> tuple[list[str], list[str]]:
    """Return what the probes' vectors run over: the layers' paths and the trained weights'."""
    return watched(net), sorted(weights(net, "param"))


def _outputs(layer: Layer, output: jax.Array) -> Values:
    saturated = activations.facts(layer.__dict__.get("activation")).saturated
    axes = tuple(range(output.ndim - 1))
    return {
        "mean": jnp.mean(output),
        "deviation": jnp.std(output),
        "saturated": jnp.float32(jnp.nan) if saturated is None else jnp.mean(saturated(output), dtype=jnp.float32),
        "silent": jnp.mean(jnp.all(output == 0, axis=axes), dtype=jnp.float32),
    }
