"""Autoencoders: networks that learn to give back their input through a code."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from gradus.checks import whole_number
from gradus.data.arrays import as_tree, check_finite
from gradus.errors import GradusError, ShapeError, unknown
from gradus.models.encoder_decoder import (
    EncoderDecoder,
    EncoderOrDecoder,
    dense_layers,
    make_encoder,
    mirrored_decoder,
)
from gradus.models.model import Model
from gradus.models.supervised import make_supervised
from gradus.nn import prng
from gradus.nn.layer import Layer
from gradus.nn.layers.dropout import GaussianNoise, MaskingNoise, SaltAndPepperNoise
from gradus.nn.layers.sparsity import Sparsity
from gradus.nn.network import fresh, init
from gradus.train import inference
from gradus.train.history import History
from gradus.train.reconstruction import Reconstruction

NOISES = {
    "gaussian": GaussianNoise,
    "masking": MaskingNoise,
    "salt_and_pepper": SaltAndPepperNoise,
}
# Predicts a network's outputs as they are: a code is no probability, whatever the loss.
AS_IT_IS = make_supervised("mse")


class BaseAutoencoder(Model):
    """What all autoencoders have in common; a base that is never used itself.

    Args:
        net: the network.
        loss: what the output is compared with the input by.
        optimizer: a name or an optimiser.
        metrics: names, metrics or functions.
        penalty: a penalty on every kernel.
        added: what the loss that layers add is called in the history.
        seed: of the weights and noise.
    """

    def __init__(
        self,
        net: EncoderDecoder,
        loss: Any,
        optimizer: Any,
        metrics: Any = (),
        penalty: Any = None,
        added: str = "",
        seed: int = 0,
    ) -> None:
        task = Reconstruction(make_supervised(loss, metrics, None, penalty), added)
        super().__init__(net, task, optimizer, seed=seed)

    def fit(self, x: Any, y: Any = None, *, validation_data: Any = None, **options: Any) -> History:
        """Train to reproduce `x` for `epochs` more epochs.

        Args:
            x: samples, `(n, ...)`, which are their own targets.
            y: nothing.
            validation_data: other samples, to measure after each epoch.
            options: more of `Model.fit`'s, such as `epochs`, `batch_size` and `patience`.

        Raises:
            DataError: if `y` is given, or `x` cannot be trained on.
            ShapeError: if the decoder's output does not have the shape of `x`.
        """
        if validation_data is not None and not isinstance(validation_data, tuple | list):
            validation_data = (validation_data,)
        return super().fit(x, y, validation_data=validation_data, **options)

    def encode(self, x: Any) -> np.ndarray:
        """Return the codes of samples `(n, ...)`, `(n, *code_shape)`."""
        self.require_built("encode")
        x = as_tree(x)
        check_finite(x)
        self.check_input(x)
        return np.asarray(inference.predict_batches(self._half(x[:1]), AS_IT_IS, x))

    def decode(self, codes: Any) -> np.ndarray:
        """Return the samples, `(n, ...)`, that codes `(n, *code_shape)` stand for.

        Raises:
            ShapeError: for codes of another shape.
        """
        self.require_built("decode")
        codes = np.asarray(codes, np.float32)
        if codes.shape[1:] != self.code_shape or codes.ndim == 0:
            wanted = ", ".join(["n", *map(str, self.code_shape)])
            raise ShapeError(f"codes has shape {codes.shape}: write ({wanted}).")
        check_finite(codes, "codes")
        return np.asarray(inference.predict_batches(self._half(codes[:1], True), self.task, codes))

    def reconstruct(self, x: Any) -> np.ndarray:
        """Return samples `(n, ...)` after encoding and decoding; it is `predict`."""
        return np.asarray(self.predict(x))

    @property
    def code_shape(self) -> tuple[int, ...]:
        """The shape of one sample's code."""
        self.require_built("code_shape")
        return tuple(jax.eval_shape(self._half(self.example), self.example).shape[1:])

    def _half(self, example: Any, decoding: bool = False) -> Layer:
        net: Any = self.net
        return init(EncoderOrDecoder(net, decoding), self.seed, example)


class Autoencoder(BaseAutoencoder):
    """An autoencoder: it learns to give back its input through a code.

    With a code smaller than the input it must keep what matters most; a linear one keeps what the
    first principal components do (Baldi & Hornik 1989; Hinton & Salakhutdinov 2006).

    Args:
        encoder: any network from samples to codes, or a list of widths, the code's last:
            `[128, 32]`; pictures are then taken as rows of numbers.
        decoder: any network from codes to samples; None for the encoder's mirror image, where
            that is made of fully connected layers.
        loss: "mse", or "binary_crossentropy" for values in [0, 1]; or any other.
        optimizer: a name or an optimiser.
        metrics: names, metrics or functions.
        activation: of all layers but code and output, in an encoder given as widths.
        code_activation: of the code, in an encoder given as widths.
        output_activation: of a mirrored decoder's output. With "binary_crossentropy" None is as
            good as "sigmoid": reconstructions are probabilities either way.
        tied: whether a mirrored decoder's kernels are the encoder's, transposed; its biases are
            its own.
        sparsity: a penalty on the code: a number for `Sparsity(number)`, that is L1, or a
            `Sparsity` such as `Sparsity(0.1, target=0.05)`. The history has it as "sparsity".
        penalty: a penalty on every kernel, such as `L2(1e-4)`.
        seed: of the weights and noise.

    Raises:
        GradusError: for no widths, an encoder that has no mirror image, or tied weights beside a
            decoder.
    """

    def __init__(
        self,
        encoder: Any,
        decoder: Layer | None = None,
        loss: Any = "mse",
        optimizer: Any = "adam",
        metrics: Any = (),
        activation: Any = "relu",
        code_activation: Any = None,
        output_activation: Any = None,
        tied: bool = False,
        sparsity: Any = None,
        penalty: Any = None,
        seed: int = 0,
    ) -> None:
        first = make_encoder(encoder, activation, code_activation, "Autoencoder")
        code = Sparsity(sparsity) if isinstance(sparsity, int | float) else sparsity
        net = make_encoder_decoder(first, decoder, output_activation, tied, code=code)
        _check_code(net)
        added = "" if code is None else "sparsity"
        super().__init__(net, loss, optimizer, metrics, penalty, added, seed)
        self.settings = {
            "encoder": encoder,
            "decoder": decoder,
            "loss": loss,
            "optimizer": optimizer,
            "metrics": metrics,
            "activation": activation,
            "code_activation": code_activation,
            "output_activation": output_activation,
            "tied": tied,
            "sparsity": sparsity,
            "penalty": penalty,
            "seed": seed,
        }


class DenoisingAutoencoder(BaseAutoencoder):
    """An autoencoder that is given noisy input and learns to give back the clean one.

    So that it cannot merely copy, and its code must hold how values hang together (Vincent et al.
    2008, "Extracting and composing robust features with denoising autoencoders"). There is noise
    in training alone: `reconstruct` takes samples as they are, noisy or not.

    Args:
        encoder: as in `Autoencoder`.
        decoder: the same.
        noise: "gaussian" (N(0, level²) added), "masking" (a share `level` set to zero),
            "salt_and_pepper" (a share `level` set to 0 or 1), or a layer.
        level: how much of it; a swept setting. It does not concern a layer.
        loss: as in `Autoencoder`, as the rest.
        optimizer: a name or an optimiser.
        metrics: names, metrics or functions.
        activation: of all layers but code and output, in an encoder given as widths.
        code_activation: of the code, in an encoder given as widths.
        output_activation: of a mirrored decoder's output.
        tied: whether a mirrored decoder's kernels are the encoder's, transposed.
        penalty: a penalty on every kernel.
        seed: of the weights and noise.

    Raises:
        GradusError: for an unknown noise, with the nearest name, and as `Autoencoder`.
    """

    def __init__(
        self,
        encoder: Any,
        decoder: Layer | None = None,
        noise: Any = "masking",
        level: float = 0.3,
        loss: Any = "mse",
        optimizer: Any = "adam",
        metrics: Any = (),
        activation: Any = "relu",
        code_activation: Any = None,
        output_activation: Any = None,
        tied: bool = False,
        penalty: Any = None,
        seed: int = 0,
    ) -> None:
        first = make_encoder(encoder, activation, code_activation, "DenoisingAutoencoder")
        net = make_encoder_decoder(
            first, decoder, output_activation, tied, noise=noise_layer(noise, level)
        )
        super().__init__(net, loss, optimizer, metrics, penalty, seed=seed)
        self.settings = {
            "encoder": encoder,
            "decoder": decoder,
            "noise": noise,
            "level": level,
            "loss": loss,
            "optimizer": optimizer,
            "metrics": metrics,
            "activation": activation,
            "code_activation": code_activation,
            "output_activation": output_activation,
            "tied": tied,
            "penalty": penalty,
            "seed": seed,
        }

    def add_noise(self, x: Any, seed: int = 0) -> np.ndarray:
        """Return samples `(n, ...)` with the noise of training, drawn by `seed`."""
        x = as_tree(x)
        net: Any = self.net
        noise = init(net.noise, 0, x[:1])
        key = prng.make_key(whole_number("seed", seed))
        return np.asarray(fresh(noise, key)(x, training=True))


def noise_layer(noise: Any, level: float) -> Layer:
    """Return the layer that a name and a level stand for, or the layer that was given.

    Raises:
        GradusError: for an unknown noise, with the nearest name.
    """
    if isinstance(noise, Layer):
        return noise
    if noise not in NOISES:
        raise unknown("noise", noise, NOISES)
    return NOISES[noise](level)


def make_encoder_decoder(
    encoder: Layer,
    decoder: Any,
    output_activation: Any,
    tied: bool,
    noise: Layer | None = None,
    code: Any = None,
) -> EncoderDecoder:
    """Return the network of an encoder with its decoder, or its mirror image if that is None.

    Raises:
        GradusError: if it has no mirror image, or parts do not go together.
    """
    if decoder is None:
        decoder = mirrored_decoder(dense_layers(encoder)[:-1], output_activation)
    elif not isinstance(decoder, Layer):
        raise GradusError(f"decoder={decoder!r}: write a layer such as Sequential([...]), or None.")
    elif tied:
        raise GradusError("tied=True makes the decoder out of the encoder: leave decoder out.")
    elif output_activation is not None:
        raise GradusError(
            "output_activation is a mirrored decoder's: end your own with it, and leave it out."
        )
    if code is not None and not isinstance(code, Layer):
        raise GradusError(f"sparsity={code!r}: write a number, or Sparsity(0.1, target=0.05).")
    return EncoderDecoder(encoder, decoder, noise, code, tied)


def _check_code(net: EncoderDecoder) -> None:
    """Refuse a share of active samples as target for a code that is no share."""
    if getattr(net.code, "target", None) is None:
        return
    last = getattr(net.encoder, "layers", [net.encoder])[-1]
    end = getattr(last, "activation", "sigmoid")
    if end in (None, "linear", "relu", "tanh"):
        raise GradusError(
            f"Sparsity(target=…) needs a code between 0 and 1, but its activation is {end!r}: "
            "write code_activation='sigmoid', or leave the target out for L1."
        )
