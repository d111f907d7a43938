"""Autoencoders: networks that learn to reproduce their input through a code."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from gradus.checks import is_word, whole_number
from gradus.data.array_trees import as_tree, check_finite
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
from gradus.train.tasks.reconstruction import Reconstruction

NOISES = {
    "gaussian": GaussianNoise,
    "masking": MaskingNoise,
    "salt_and_pepper": SaltAndPepperNoise,
}
# Predicts a network's outputs unchanged: a code is no probability, whatever the loss.
CODE_TASK = make_supervised("mse")


class BaseAutoencoder(Model):
    """The base of all autoencoders.

    Args:
        net: the network.
        loss: between the output and the input.
        optimizer: a name or an optimizer.
        metrics: names, metrics or functions.
        penalty: a penalty on every kernel.
        added: the name in the history of the loss that layers add.
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
            y: None.
            validation_data: other samples, to evaluate after each epoch.
            options: other arguments of `Model.fit`, such as `epochs`, `batch_size` and `patience`.

        Raises:
            DataError: if `y` is given, or `x` cannot be trained on.
            ShapeError: if the decoder's output does not have the shape of `x`.
        """
        if validation_data is not None:
            validation_data = as_validation_data(validation_data)
        return super().fit(x, y, validation_data=validation_data, **options)

    def encode(self, x: Any) -> np.ndarray:
        """Return the codes of samples `(n, ...)`, `(n, *code_shape)`."""
        self.require_built("encode")
        x = as_tree(x)
        check_finite(x)
        self.check_input(x)
        return np.asarray(inference.predict_batches(self._make_half(x[:1]), CODE_TASK, x))

    def decode(self, codes: Any) -> np.ndarray:
        """Return the samples, `(n, ...)`, decoded from codes `(n, *code_shape)`.

        Raises:
            ShapeError: for codes of another shape.
        """
        self.require_built("decode")
        codes = np.asarray(codes, np.float32)
        if codes.shape[1:] != self.code_shape or codes.ndim == 0:
            expected = ", ".join(["n", *map(str, self.code_shape)])
            raise ShapeError(f"codes has shape {codes.shape}: write ({expected}).")
        check_finite(codes, "codes")
        decoder = self._make_half(codes[:1], decoding=True)
        return np.asarray(inference.predict_batches(decoder, self.task, codes))

    def reconstruct(self, x: Any) -> np.ndarray:
        """Return samples `(n, ...)` after encoding and decoding, as `predict` does."""
        return np.asarray(self.predict(x))

    @property
    def code_shape(self) -> tuple[int, ...]:
        """The shape of one sample's code."""
        self.require_built("code_shape")
        return tuple(jax.eval_shape(self._make_half(self.example), self.example).shape[1:])

    def _make_half(self, example: Any, decoding: bool = False) -> Layer:
        net: Any = self.net
        return init(EncoderOrDecoder(net, decoding), self.seed, example)


class Autoencoder(BaseAutoencoder):
    """An autoencoder, which learns to reproduce its input through a code.

    With a code smaller than the input it must keep what matters most; a linear one keeps the same
    as the first principal components (Baldi & Hornik 1989; Hinton & Salakhutdinov 2006).

    Args:
        encoder: any network from samples to codes, or a list of widths, the code's last:
            `[128, 32]`; images are then flattened.
        decoder: any network from codes to samples; None for the encoder's mirror image, if the
            encoder consists of fully connected layers.
        loss: "mse", or "binary_crossentropy" for values in [0, 1]; or any other.
        optimizer: a name or an optimizer.
        metrics: names, metrics or functions.
        activation: of all layers but code and output, in an encoder given as widths.
        code_activation: of the code, in an encoder given as widths.
        output_activation: of a mirrored decoder's output. With "binary_crossentropy" None is as
            good as "sigmoid": reconstructions are probabilities either way.
        tied: whether a mirrored decoder's kernels are the encoder's, transposed; its biases are
            its own.
        sparsity: a penalty on the code: a number for `Sparsity(number)`, that is L1, or a
            `Sparsity` such as `Sparsity(0.1, target=0.05)`. The history records it as "sparsity".
        penalty: a penalty on every kernel, such as `L2(1e-4)`.
        seed: of the weights and noise.

    Raises:
        GradusError: for no widths, an encoder that has no mirror image, or tied weights with a
            decoder.

    Examples:
        >>> x = np.random.default_rng(0).normal(size=(32, 6))
        >>> model = gr.Autoencoder([4, 2])
        >>> history = model.fit(x, epochs=2, verbose=False)
        >>> model.encode(x).shape, model.reconstruct(x).shape
        ((32, 2), (32, 6))
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
    """An autoencoder that receives noisy input and learns to reproduce the clean input.

    It cannot merely copy, so its code must capture how values depend on each other (Vincent et al.
    2008, "Extracting and composing robust features with denoising autoencoders"). Noise is added in
    training only: `reconstruct` takes samples as they are, noisy or not.

    Args:
        encoder: as in `Autoencoder`.
        decoder: as in `Autoencoder`.
        noise: "gaussian" (N(0, level²) added), "masking" (a share `level` set to zero),
            "salt_and_pepper" (a share `level` set to 0 or 1), or a layer.
        level: the amount of noise, a hyperparameter that sweeps can vary; not used for a layer.
        loss: as in `Autoencoder`.
        optimizer: a name or an optimizer.
        metrics: names, metrics or functions.
        activation: of all layers but code and output, in an encoder given as widths.
        code_activation: of the code, in an encoder given as widths.
        output_activation: of a mirrored decoder's output.
        tied: whether a mirrored decoder's kernels are the encoder's, transposed.
        penalty: a penalty on every kernel.
        seed: of the weights and noise.

    Raises:
        GradusError: for an unknown noise, with the nearest name, and as `Autoencoder`.

    Examples:
        >>> x = np.random.default_rng(0).uniform(size=(32, 6))
        >>> model = gr.DenoisingAutoencoder([3], noise="masking", level=0.5)
        >>> history = model.fit(x, epochs=2, verbose=False)
        >>> model.reconstruct(model.add_noise(x)).shape
        (32, 6)
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
        """Return samples `(n, ...)` with noise as in training, drawn by `seed`."""
        x = as_tree(x)
        net: Any = self.net
        noise = init(net.noise, 0, x[:1])
        key = prng.make_key(whole_number("seed", seed))
        return np.asarray(fresh(noise, key)(x, training=True))


def as_validation_data(samples: Any) -> Any:
    """Return samples, which are their own targets, as validation data: a tuple of them."""
    return samples if isinstance(samples, tuple | list) else (samples,)


def noise_layer(noise: Any, level: float) -> Layer:
    """Return the noise layer of a name and a level; a layer is returned unchanged.

    Raises:
        GradusError: for an unknown noise, with the nearest name.
    """
    if isinstance(noise, Layer):
        return noise
    if not is_word(noise, NOISES):
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
    """Return the network of an encoder and a decoder, or the encoder's mirror image for None.

    Raises:
        GradusError: if the encoder has no mirror image, or the parts do not fit together.
    """
    if decoder is None:
        decoder = mirrored_decoder(dense_layers(encoder)[:-1], output_activation)
    elif not isinstance(decoder, Layer):
        raise GradusError(f"decoder={decoder!r}: write a layer such as Sequential([...]), or None.")
    elif tied:
        raise GradusError("tied=True makes the decoder from the encoder: leave decoder out.")
    elif output_activation is not None:
        raise GradusError(
            "output_activation is for a mirrored decoder: end your decoder with it instead."
        )
    if code is not None and not isinstance(code, Layer):
        raise GradusError(f"sparsity={code!r}: write a number, or Sparsity(0.1, target=0.05).")
    return EncoderDecoder(encoder, decoder, noise, code, tied)


def _check_code(net: EncoderDecoder) -> None:
    """Check that a code with a target for its mean activation lies between 0 and 1."""
    if getattr(net.code, "target", None) is None:
        return
    last = getattr(net.encoder, "layers", [net.encoder])[-1]
    activation = getattr(last, "activation", "sigmoid")
    if activation in (None, "linear", "relu", "tanh"):
        raise GradusError(
            f"Sparsity(target=…) needs a code between 0 and 1, but its activation is "
            f"{activation!r}: "
            "write code_activation='sigmoid', or leave the target out for L1."
        )
