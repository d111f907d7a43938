"""The variational autoencoder: a code that is a distribution, from which new samples are drawn."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.checks import whole_number
from gradus.data.arrays import as_tree
from gradus.models.autoencoder import BaseAutoencoder, make_encoder_decoder
from gradus.models.encoder_decoder import dense_layers, make_encoder, mirrored_decoder
from gradus.nn.layer import Layer
from gradus.nn.layers.dense import Dense
from gradus.nn.layers.reshaping import Flatten
from gradus.objectives.losses import MeanSquaredError
from gradus.rng import host_rng
from gradus.train.reconstruction import Reconstruction
from gradus.train.task import Supervised


class GaussianCode(Layer):
    """The code of a variational autoencoder, `(batch, units)`, drawn from N(μ, σ²) in training.

    μ and log σ² are two fully connected layers of the input; `z = μ + σ ε` with ε from N(0, 1), so
    that the gradient reaches both. To the loss is added, of each sample,
    `beta · KL(N(μ, σ²) ‖ N(0, 1)) = beta · ½ Σ (μ² + σ² − log σ² − 1)` (Kingma & Welling 2014,
    "Auto-encoding variational Bayes"). Outside training the code is μ.

    Args:
        units: the length of the code.
        beta: the divergence's share; a swept setting.
    """

    hypers = ("beta",)

    def __init__(self, units: int, beta: float = 1.0) -> None:
        self.units = units
        self.beta = beta

    def build(self, shape: Any) -> None:
        """Make the layers of μ and log σ²."""
        self.rows = Flatten()
        self.mean = Dense(self.units)
        self.log_variance = Dense(self.units)

    def call(self, x: Any, training: bool) -> Any:
        """Return codes, with their divergence added to the loss."""
        x = self.rows(x)
        mean, log_variance = self.mean(x), self.log_variance(x)
        variance = jnp.exp(log_variance)
        divergence = 0.5 * jnp.sum(mean**2 + variance - log_variance - 1, axis=-1)  # (batch,)
        self.add_loss(self.beta * divergence)
        if not training:
            return mean
        return mean + jnp.sqrt(variance) * jax.random.normal(self.random(), mean.shape)


class VariationalAutoencoder(BaseAutoencoder):
    """A variational autoencoder (Kingma & Welling 2014): samples are drawn by decoding noise.

    Its loss is the negative evidence lower bound of a sample, in nats:
    `−E log p(x | z) + beta · KL(q(z | x) ‖ N(0, 1))`. With "binary_crossentropy" `−log p(x | z)`
    is its sum over the sample's values; with "mse" half the sum of the squared errors, that is
    p = N(x̂, 1) without its constant; with another loss its sum. The history has the last term as
    "divergence". It is estimated by one draw of z in training, and by z = μ outside it.

    Args:
        encoder: any network from samples to what the code is made of, or a list of widths, the
            code not among them: `[256, 128]`.
        decoder: any network from codes `(batch, code)` to samples; None for the encoder's mirror
            image, where that is made of fully connected layers.
        code: the length of the code.
        beta: the divergence's share: 1 for the bound, more for a code whose numbers vary more
            independently (Higgins et al. 2017); a swept setting.
        loss: what samples are compared by.
        optimizer: a name or an optimiser.
        metrics: names, metrics or functions.
        activation: of all layers but the output, in an encoder given as widths.
        output_activation: of a mirrored decoder's output.
        seed: of the weights and the draws.

    Raises:
        GradusError: for no widths, or an encoder that has no mirror image.
    """

    def __init__(
        self,
        encoder: Any,
        decoder: Layer | None = None,
        code: int = 2,
        beta: float = 1.0,
        loss: Any = "binary_crossentropy",
        optimizer: Any = "adam",
        metrics: Any = (),
        activation: Any = "relu",
        output_activation: Any = None,
        seed: int = 0,
    ) -> None:
        first = make_encoder(encoder, activation, activation, "VariationalAutoencoder")
        units = whole_number("code", code, 1, "VariationalAutoencoder")
        if decoder is None:
            decoder, output_activation = (
                mirrored_decoder(dense_layers(first), output_activation),
                None,
            )
        net = make_encoder_decoder(
            first, decoder, output_activation, False, code=GaussianCode(units, beta)
        )
        super().__init__(net, loss, optimizer, metrics, added="divergence", seed=seed)
        self.settings = {
            "encoder": encoder,
            "decoder": decoder,
            "code": code,
            "beta": beta,
            "loss": loss,
            "optimizer": optimizer,
            "metrics": metrics,
            "activation": activation,
            "output_activation": output_activation,
            "seed": seed,
        }

    def build(self, x: Any) -> VariationalAutoencoder:
        """Draw the weights for samples like `x`, and take the loss's sum over a sample's values."""
        task: Any = self.task
        target = task.supervised.objectives
        share = 0.5 if isinstance(target.loss, MeanSquaredError) else 1.0
        values = math.prod(np.shape(jax.tree.leaves(as_tree(x))[0])[1:])
        summed = type(target)(target.loss, target.metrics, share * values)
        self.task = Reconstruction(Supervised(summed, task.supervised.penalty), task.added)
        super().build(x)
        return self

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """Return `n` new samples, `(n, ...)`, decoded from codes drawn from N(0, 1) by `seed`."""
        size = whole_number("n", n, 1), int(self.settings["code"])
        return self.decode(host_rng(whole_number("seed", seed), "codes").normal(size=size))
