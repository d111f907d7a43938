"""The network of an autoencoder: an encoder and a decoder, with optional noise and code layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gradus.checks import whole_number
from gradus.errors import GradusError, ShapeError
from gradus.nn import activations
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.nn.layers.activation import Activation
from gradus.nn.layers.containers import Sequential
from gradus.nn.layers.dense import Dense
from gradus.nn.layers.dropout import Dropout, GaussianNoise, MaskingNoise, SaltAndPepperNoise
from gradus.nn.layers.reshaping import Flatten, Reshape

# The layers of an encoder that need no counterpart in its mirror image.
UNMIRRORED = (Flatten, Dropout, GaussianNoise, MaskingNoise, SaltAndPepperNoise)


class EncoderDecoder(Layer):
    """`x → decoder(code(encoder(noise(x))))`, of the shape of `x`.

    Args:
        encoder: from samples to the input of `code`, or to codes.
        decoder: from codes to samples; `build` sets the sample shape of a `TiedDecoder`.
        noise: a layer that corrupts the input in training, or None.
        code: a layer that turns the encoder's output into the code, such as `Sparsity`, or None.
        tied: whether the decoder, a `TiedDecoder`, uses the encoder's kernels.

    Raises:
        ShapeError: if the decoder's outputs are not shaped like samples; it names both shapes.
    """

    def __init__(
        self,
        encoder: Layer,
        decoder: Layer,
        noise: Layer | None = None,
        code: Layer | None = None,
        tied: bool = False,
    ) -> None:
        self.encoder = encoder
        self.decoder = decoder
        self.noise = noise
        self.code = code
        self.tied = tied

    def build(self, shape: Any) -> None:
        """Set the sample shape of a mirrored decoder."""
        if not isinstance(shape, tuple) or not all(isinstance(size, int) for size in shape):
            raise GradusError("An autoencoder takes one array as x, not several inputs.")
        if isinstance(self.decoder, TiedDecoder):
            self.decoder.shape = shape[1:]

    def call(self, x: Any) -> Any:
        """Return the reconstruction of `x`."""
        decoded = self.decode(self.encode(x))
        if decoded.shape != x.shape:
            raise ShapeError(
                f"The decoder makes samples of shape {tuple(decoded.shape[1:])}, but the input's "
                f"have {tuple(x.shape[1:])}: end it with a layer of that shape."
            )
        return decoded

    def encode(self, x: Any) -> Any:
        """Return the codes of `x`."""
        hidden = self.encoder(x if self.noise is None else self.noise(x))
        return hidden if self.code is None else self.code(hidden)

    def decode(self, codes: Any) -> Any:
        """Return the samples decoded from codes."""
        if not self.tied:
            return self.decoder(codes)
        kernels = [layer.kernel for layer in dense_layers(self.encoder)]
        return self.decoder(codes, *reversed(kernels))


class EncoderOrDecoder(Layer):
    """The encoder or the decoder of an `EncoderDecoder` as a network.

    Args:
        net: the network of both.
        decoding: whether it is the decoder.
    """

    def __init__(self, net: EncoderDecoder, decoding: bool = False) -> None:
        self.net = net
        self.decoding = decoding

    def call(self, x: Any) -> Any:
        """Return the codes of samples, or the samples decoded from codes."""
        return self.net.decode(x) if self.decoding else self.net.encode(x)


class TiedDecoder(Layer):
    """A decoder of fully connected layers, the mirror image of an encoder.

    Args:
        widths: the units of each layer but the last, whose units are the values of a sample.
        activations: of each layer but the last.
        output_activation: of the last.
        shape: of a sample; an `EncoderDecoder` sets it.
    """

    def __init__(
        self,
        widths: Sequence[int],
        activations: Sequence[Any],
        output_activation: Any = None,
        shape: Sequence[int] = (),
    ) -> None:
        self.widths = widths
        self.activations = activations
        self.output_activation = output_activation
        self.shape = shape

    def build(self, code: Any, *kernels: Any) -> None:
        """Make the layers, with their own kernels unless kernels are passed."""
        flat = len(self.shape) == 1
        widths = [*self.widths, math.prod(self.shape)]
        layer_activations = [*self.activations, self.output_activation if flat else None]
        self.layers: list[Layer] = [
            DenseTransposed(activation) if kernels else Dense(width, activation)
            for width, activation in zip(widths, layer_activations, strict=True)
        ]
        if not flat:  # the activation comes last, so that a loss recognizes it
            self.layers += [Reshape(tuple(self.shape)), Activation(self.output_activation)]

    def call(self, code: Any, *kernels: Any) -> Any:
        """Return samples; with the encoder's kernels, last to first, if they are passed."""
        y, remaining = code, iter(kernels)
        for layer in self.layers:
            y = layer(y, next(remaining)) if isinstance(layer, DenseTransposed) else layer(y)
        return y


class DenseTransposed(Layer):
    """A fully connected layer with another layer's kernel: `activation(x @ kernel.T + bias)`.

    `x` has shape `(batch, units)`, `kernel` `(d, units)`, `bias` `(d,)`, the output `(batch, d)`.

    Args:
        activation: a name, a function, or None for none.
    """

    def __init__(self, activation: Any = None) -> None:
        self.activation = activation

    def build(self, shape: tuple[int, ...], kernel: tuple[int, ...]) -> None:
        """Make `bias`."""
        self.bias = self.add_weight("bias", (kernel[0],), "zeros")

    def call(self, x: Any, kernel: Any) -> Any:
        """Return `activation(x @ kernel.T + bias)`."""
        return activations.get(self.activation)(as_float(x) @ kernel.T + self.bias)


def make_encoder(encoder: Any, activation: Any, code_activation: Any, owner: str) -> Layer:
    """Return the encoder for a list of widths; a layer is returned unchanged.

    Args:
        encoder: a layer, or widths, the code's last.
        activation: of all layers of such a list but the last.
        code_activation: of the last.
        owner: the name of the model, for an error.

    Raises:
        GradusError: for anything else, or no widths.
    """
    if isinstance(encoder, Layer):
        return encoder
    if not isinstance(encoder, Sequence) or isinstance(encoder, str) or not encoder:
        raise GradusError(
            f"{owner}({encoder!r}): write a layer such as Sequential([...]), or a list of widths, "
            f"the code's last: {owner}([128, 32])."
        )
    widths = [whole_number("encoder", width, 1, owner) for width in encoder]
    hidden = [Dense(width, activation) for width in widths[:-1]]
    return Sequential([Flatten(), *hidden, Dense(widths[-1], code_activation)])


def dense_layers(encoder: Layer) -> list[Dense]:
    """Return the fully connected layers of an encoder that has no other layers with weights.

    Raises:
        GradusError: naming another layer, which has no mirror image.
    """
    dense: list[Dense] = []
    for layer in encoder.layers if isinstance(encoder, Sequential) else [encoder]:
        if isinstance(layer, Dense) and not isinstance(layer.activation, Layer):
            dense.append(layer)
        elif not isinstance(layer, UNMIRRORED):
            raise GradusError(
                "Only an encoder of Dense layers has a mirror image, which tied weights and an "
                f"autoencoder without a decoder need; this one has {layer!r}. Write decoder=…"
            )
    return dense


def mirrored_decoder(layers: Sequence[Dense], output_activation: Any) -> TiedDecoder:
    """Return the decoder whose layers, before its last one, are these in reverse."""
    widths = tuple(layer.units for layer in reversed(layers))
    layer_activations = tuple(layer.activation for layer in reversed(layers))
    return TiedDecoder(widths, layer_activations, output_activation)
