"""Layers that contain layers, those of autoencoders and ensembles among them."""

from __future__ import annotations

import functools
from typing import Any

import jax

from gradus.exports.onnx.activations import activate
from gradus.exports.onnx.graph import Graph, Tensor
from gradus.exports.onnx.layers import array_of, axes, cannot_export, convert, converts, to_float
from gradus.exports.onnx.merging import merge_into_one
from gradus.models.encoder_decoder import (
    DenseTransposed,
    EncoderDecoder,
    TiedDecoder,
    dense_layers,
)
from gradus.models.variational import GaussianCode
from gradus.nn import activations
from gradus.nn.layers.attention import TransformerEncoder
from gradus.nn.layers.containers import (
    Functional,
    Lambda,
    Parallel,
    Repeat,
    Residual,
    Sequential,
    TimeDistributed,
)


@converts(Sequential, Repeat, TransformerEncoder)
def chain(graph: Graph, layer: Any, x: Any) -> Any:
    """One layer after another."""
    for each in layer.layers:
        x = convert(graph, each, x)
    return x


@converts(Residual)
def convert_residual(graph: Graph, layer: Residual, x: Tensor) -> Tensor:
    """`x + f(x)`."""
    return graph.op("Add", x, chain(graph, layer, x))


@converts(Parallel)
def convert_parallel(graph: Graph, layer: Parallel, x: Any) -> Any:
    """The outputs of all branches, or what they are merged into."""
    branches = layer.branches
    if isinstance(branches, dict):
        separate = isinstance(x, dict) and set(x) == set(branches)
        named = {n: convert(graph, b, x[n] if separate else x) for n, b in branches.items()}
        if layer.merge is None:
            return named
        outputs = list(named.values())
    else:
        outputs = [convert(graph, branch, x) for branch in branches]
        if layer.merge is None:
            return tuple(outputs)
    return merge_into_one(graph, layer.merge, outputs)


@converts(Functional)
def convert_functional(graph: Graph, layer: Functional, x: Any) -> Any:
    """Layers that are called in any order; one that is called twice shares its weights."""
    return layer.evaluate(x, functools.partial(convert, graph))


@converts(TimeDistributed)
def convert_time_distributed(graph: Graph, layer: TimeDistributed, x: Tensor) -> Any:
    """A layer applied to all steps of all samples as one batch."""
    steps, *shape = x.shape
    together = graph.op("Reshape", x, axes(-1, *shape)).replace(shape=tuple(shape), kind=x.kind)
    outputs = convert(graph, layer.layer, together)
    return jax.tree.map(lambda y: graph.op("Reshape", y, axes(-1, steps, *y.shape)), outputs)


@converts(Lambda)
def convert_lambda(graph: Graph, layer: Lambda, x: Tensor) -> Tensor:
    """An activation.

    Raises:
        GradusError: naming the layer, for any other function, which is code.
    """
    known = activations.REGISTRY.name_of(layer.function)
    if known is None:
        raise cannot_export(layer, "its function is Python code, not one of gradus's activations")
    return activate(graph, layer, known, to_float(graph, x))


@converts(EncoderDecoder)
def convert_autoencoder(graph: Graph, layer: EncoderDecoder, x: Tensor) -> Tensor:
    """The reconstruction of a sample."""
    return _decode(graph, layer, _encode(graph, layer, x))


def _encode(graph: Graph, layer: EncoderDecoder, x: Tensor) -> Tensor:
    steps = [layer.noise, layer.encoder, layer.code]
    return functools.reduce(
        lambda y, each: y if each is None else convert(graph, each, y), steps, x
    )


def _decode(graph: Graph, layer: EncoderDecoder, codes: Tensor) -> Tensor:
    layers = dense_layers(layer.encoder) if layer.tied else []
    kernels = [array_of(each, "kernel") for each in reversed(layers)]
    decoded: Tensor = convert(graph, layer.decoder, codes, *kernels)
    return decoded


@converts(TiedDecoder)
def convert_tied_decoder(graph: Graph, layer: TiedDecoder, x: Tensor, *kernels: Any) -> Tensor:
    """The mirror image of an encoder, with its kernels if they are shared."""
    remaining = iter(kernels)
    for each in layer.layers:
        own = [next(remaining)] if isinstance(each, DenseTransposed) else []
        x = convert(graph, each, x, *own)
    return x


@converts(DenseTransposed)
def convert_transposed(graph: Graph, layer: DenseTransposed, x: Tensor, kernel: Any) -> Tensor:
    """`activation(x @ kernelᵀ + bias)`."""
    product = graph.op("MatMul", to_float(graph, x), graph.weight("kernel", kernel.T))
    z = graph.op("Add", product, graph.weight("bias", array_of(layer, "bias")))
    return activate(graph, layer, layer.activation, z)


@converts(GaussianCode)
def convert_code(graph: Graph, layer: GaussianCode, x: Tensor) -> Tensor:
    """The mean of the code."""
    mean: Tensor = convert(graph, layer.mean, convert(graph, layer.flatten, x))
    return mean
