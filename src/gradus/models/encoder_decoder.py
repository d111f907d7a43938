"""The network of an autoencoder: an encoder, a decoder, and what may stand between and before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gradus.checks import whole_number
from gradus.errors import GradusError, ShapeError
from gradus.nn import activations
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.nn.layers.containers import Sequential
from gradus.nn.layers.dense import Activation, Dense
from gradus.nn.layers.dropout import Dropout, GaussianNoise, MaskingNoise, SaltAndPepperNoise
from gradus.nn.layers.reshaping import Flatten, Reshape

# What stands beside fully connected layers in an encoder and needs no counterpart in its mirror.
PASSED_OVER = (Flatten, Dropout, GaussianNoise, MaskingNoise, SaltAndPepperNoise)


class EncoderDecoder(Layer):
    """`x → decoder(code(encoder(noise(x))))`, of the shape of `x`.

    Args:
        encoder: from samples to what the code is made of.
        decoder: from codes to samples; a `TiedDecoder` is told the samples' shape.
        noise: what corrupts the input in training, or None.
        code: what makes the code of the encoder's output, such as `Sparsity`, or None.
        tied: whether the decoder, a `TiedDecoder`, works with the encoder's kernels.

    Raises:
        ShapeError: if the decoder makes something else than samples; it names both shapes.
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
        """Tell a mirror what it is to restore."""
        if not isinstance(shape, tuple) or not all(isinstance(size, int) for size in shape):
            raise GradusError("An autoencoder takes one array as x, not several inputs.")
        if isinstance(self.decoder, TiedDecoder):
            self.decoder.shape = shape[1:]

    def call(self, x: Any) -> Any:
        """Return the reconstruction of `x`."""
        restored = self.decode(self.encode(x))
        if restored.shape != x.shape:
            raise ShapeError(
                f"The decoder makes samples of shape {tuple(restored.shape[1:])}, but the input's "
                f"have {tuple(x.shape[1:])}: end it with a layer of that shape."
            )
        return restored

    def encode(self, x: Any) -> Any:
        """Return the codes of `x`."""
        hidden = self.encoder(x if self.noise is None else self.noise(x))
        return hidden if self.code is None else self.code(hidden)

    def decode(self, codes: Any) -> Any:
        """Return the samples that codes stand for."""
        if not self.tied:
            return self.decoder(codes)
        kernels = [layer.kernel for layer in dense_layers(self.encoder)]
        return self.decoder(codes, *reversed(kernels))


class EncoderOrDecoder(Layer):
    """One half of a codec as a network of its own.

    Args:
        codec: the whole.
        decoding: whether it is the half from codes to samples.
    """

    def __init__(self, codec: EncoderDecoder, decoding: bool = False) -> None:
        self.codec = codec
        self.decoding = decoding

    def call(self, x: Any) -> Any:
        """Return the codes of `x`, or the samples."""
        return self.codec.decode(x) if self.decoding else self.codec.encode(x)


class TiedDecoder(Layer):
    """A decoder of fully connected layers, the mirror image of such an encoder.

    Args:
        widths: the units of each layer but the last, whose units are the values of a sample.
        activations: theirs.
        output_activation: of the last.
        shape: of a sample; a `EncoderDecoder` fills it in.
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
        """Make the layers, with kernels of their own if they are not given any."""
        flat = len(self.shape) == 1
        units = [*self.widths, math.prod(self.shape)]
        ends = [*self.activations, self.output_activation if flat else None]
        self.layers: list[Layer] = [
            DenseTransposed(end) if kernels else Dense(width, end)
            for width, end in zip(units, ends, strict=True)
        ]
        if not flat:  # the activation stands last, where a loss sees it
            self.layers += [Reshape(tuple(self.shape)), Activation(self.output_activation)]

    def call(self, code: Any, *kernels: Any) -> Any:
        """Return samples, made with the encoder's kernels, last to first, where they are given."""
        y, left = code, iter(kernels)
        for layer in self.layers:
            y = layer(y, next(left)) if isinstance(layer, DenseTransposed) else layer(y)
        return y


class DenseTransposed(Layer):
    """A fully connected layer with another one's kernel: `activation(x @ kernel.T + bias)`.

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
    """Return the encoder that was given, or that of a list of widths.

    Args:
        encoder: a layer, or widths, the code's last.
        activation: of all layers of such a list but the last.
        code_activation: of the last.
        owner: who is asking, for an error.

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
    """Return the fully connected layers of an encoder that has no others with weights.

    Raises:
        GradusError: naming another layer, which has no mirror image.
    """
    found = []
    for layer in encoder.layers if isinstance(encoder, Sequential) else [encoder]:
        if isinstance(layer, Dense) and not isinstance(layer.activation, Layer):
            found.append(layer)
        elif not isinstance(layer, PASSED_OVER):
            raise GradusError(
                "Only an encoder of Dense layers has a mirror image, which tied weights and an "
                f"autoencoder without a decoder need; this one has {layer!r}. Write decoder=…"
            )
    return found


def mirrored_decoder(layers: Sequence[Dense], output_activation: Any) -> TiedDecoder:
    """Return the decoder whose layers, before its last one, are these in reverse."""
    back = layers[::-1]
    widths, ends = (
        tuple(getattr(layer, name) for layer in back) for name in ("units", "activation")
    )
    return TiedDecoder(widths, ends, output_activation)
