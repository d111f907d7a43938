"""A PyTorch `nn.Sequential` as a `Model` of gradus, and the other way."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.bridges.assembly import built_network, default_loss, tell
from gradus.bridges.torch.modules import SPATIAL, import_torch
from gradus.bridges.torch.reading import ModuleReader
from gradus.bridges.torch.recurrent import RECURRENT
from gradus.bridges.torch.writing import ModuleWriter
from gradus.errors import GradusError
from gradus.foreign_names.arguments import explain_arguments
from gradus.models.model import Model
from gradus.nn.layer import Layer
from gradus.nn.layers.containers import Sequential


@explain_arguments
def from_torch(
    module: Any, x: Any = None, *, loss: Any = None, optimizer: Any = "adam", metrics: Any = ()
) -> Model:
    """Return a PyTorch `nn.Sequential` with its weights as a model of gradus.

    Images and sequences of a convolution have the channels last in gradus: `(batch, height, width,
    channels)` for PyTorch's `(batch, channels, height, width)`. Kernels are transposed, and the
    weights after a `Flatten` are permuted, so that outputs on transposed images are equal. What is
    not carried is told in one warning.

    Args:
        module: of modules of `torch.nn` that gradus has layers for; nested ones too.
        x: a batch of inputs as PyTorch takes them, of which shape and type matter; not needed where
            the module begins with `Linear`.
        loss: the loss; None for one that fits the outputs, which is told.
        optimizer: the optimizer.
        metrics: the metrics.

    Returns:
        The model, built. Where the loss takes logits, `predict` returns probabilities, and
        `predict(x, logits=True)` what PyTorch returns; after `LogSoftmax`, PyTorch returns
        `log(predict(x))`.

    Raises:
        GradusError: for a module that gradus has not; it names the module.

    Examples:
        >>> import torch
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
        >>> model = gr.from_torch(net, loss="mse")
        >>> x = torch.ones(5, 4)
        >>> bool(np.allclose(model.predict(x.numpy()), net(x).detach(), atol=1e-6))
        True
    """
    torch = import_torch("from_torch")
    if not isinstance(module, torch.nn.Module):
        raise GradusError(f"from_torch({type(module).__name__}): write a torch.nn.Sequential.")
    shape, dtype = _shape_and_type(module, x)
    first = _first_with_layout(module)
    channels = (
        shape[1] if len(shape) >= 4 or (len(shape) == 3 and first.startswith(SPATIAL)) else None
    )
    reader = ModuleReader(len(shape), channels)
    net = Sequential(_layers_of(torch, module, reader, ""))
    if reader.pending is not None:
        reader.notes.append(f"of what {reader.pending} returns, the outputs of all steps are kept")
    if reader.flat_channels not in (None, 1):
        reader.notes.append("the flattened features at the end are in the order of channels last")
    given = shape
    if channels is not None:
        shape = (shape[0], *shape[2:], channels)
    example = np.zeros((2, *shape[1:]), dtype)
    try:
        built, _ = built_network(net, example, reader.given)
    except GradusError as error:
        raise GradusError(f"from_torch: inputs of shape {given} do not fit: {error}") from None
    if loss is None:
        loss = default_loss(built, example, reader.notes.append)
    model = Model(net, loss, optimizer, metrics)
    model.net = built
    model.build(example)
    tell("from_torch", reader.notes)
    return model


@explain_arguments
def to_torch(model: Model) -> Any:
    """Return a model's network as a PyTorch `nn.Sequential` with the same weights, to evaluate.

    It takes images and sequences of a convolution as PyTorch does, with the channels first. Loss
    and optimizer are not carried. After an LSTM, GRU, or RNN, which return a tuple, stands a
    `LastOutput`, which takes the output from it.

    Args:
        model: a model that has its weights, whose network is a chain of layers.

    Returns:
        The module, in evaluation mode; `train()` turns dropout on.

    Raises:
        GradusError: for a layer that PyTorch has no module for; it names the layer.

    Examples:
        >>> import torch
        >>> net = gr.Sequential([gr.Dense(3, "relu"), gr.Dense(2)])
        >>> model = gr.Model(net, "mse").build(np.zeros((1, 4)))
        >>> x = torch.ones(5, 4)
        >>> bool(np.allclose(gr.to_torch(model)(x).detach(), model.predict(x.numpy()), atol=1e-6))
        True
    """
    torch = import_torch("to_torch")
    if not isinstance(model, Model):
        raise GradusError(f"to_torch({type(model).__name__}): write a gradus Model.")
    model.require_built("to_torch")
    if not hasattr(model.example, "shape"):
        raise GradusError(
            "to_torch: a network of several inputs, or of unknown shape, is no chain."
        )
    writer = ModuleWriter(torch, model.net, model.example)
    module = torch.nn.Sequential(*writer.write(model.net)).eval()
    if writer.flat_channels not in (None, 1):
        tell("to_torch", ["the flattened features at the end are in the order of channels first"])
    return module


def _layers_of(torch: Any, module: Any, reader: ModuleReader, path: str) -> list[Layer]:
    """Return the layers of a module and of those within it."""
    if not isinstance(module, torch.nn.Sequential):
        return reader.read(module, path or "0")
    layers: list[Layer] = []
    for name, child in zip(module._modules, module, strict=True):  # named_children leaves out twins
        made = _layers_of(torch, child, reader, f"{path}.{name}" if path else name)
        if not name.isdigit() and isinstance(child, torch.nn.Sequential):
            made = [Sequential(made).named(name)]
        elif not name.isdigit() and made:
            made[-1].named(name)
        layers += made
    return layers


def _leaves(module: Any) -> list[Any]:
    """Return the modules that hold no others, in order."""
    return [each for each in module.modules() if not list(each.children())]


def _shape_and_type(module: Any, x: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and the type of a batch of PyTorch's inputs."""
    if x is None:
        first = _first_with_layout(module)
        if first != "Linear":
            raise GradusError(
                f"from_torch(module): a {first or 'module'} does not tell the shape of its inputs: "
                "write from_torch(module, x) with a batch of them, as PyTorch takes them."
            )
        features = next(each for each in _leaves(module) if hasattr(each, "in_features"))
        return (2, features.in_features), np.dtype(np.float32)
    if not hasattr(x, "shape") or len(x.shape) < 2:
        raise GradusError("from_torch(x=…): write a batch of inputs, an array or a tensor.")
    kind = str(getattr(x, "dtype", "float32")).rpartition(".")[2]
    whole = "int" in kind and type(_leaves(module)[0]).__name__ == "Embedding"
    return tuple(map(int, x.shape)), np.dtype(np.int32 if whole else np.float32)


def _first_with_layout(module: Any) -> str:
    """Return the kind of the first module that says where features are; "" if none does."""
    kinds = [type(each).__name__ for each in _leaves(module)]
    telling = ("Linear", "LayerNorm", "Embedding", "Flatten", "LastOutput", *RECURRENT)
    return next((k for k in kinds if k in telling or k.startswith(SPATIAL)), "")
