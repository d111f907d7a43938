"""The variational autoencoder: its code is a distribution, from which new samples are drawn."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.checks import whole_number
from gradus.data.array_trees import as_tree
from gradus.models.autoencoder import BaseAutoencoder, make_encoder_decoder
from gradus.models.encoder_decoder import dense_layers, make_encoder, mirrored_decoder
from gradus.nn.arguments import check_numbers, check_sizes
from gradus.nn.layer import Layer
from gradus.nn.layers.dense import Dense
from gradus.nn.layers.reshaping import Flatten
from gradus.objectives.regression_losses import MeanSquaredError
from gradus.rng import host_rng
from gradus.train.tasks.base import OutputObjective, Supervised
from gradus.train.tasks.reconstruction import Reconstruction


class GaussianCode(Layer):
    """The code of a variational autoencoder, `(batch, units)`, drawn from N(μ, σ²) in training.

    Two fully connected layers compute μ and log σ²; `z = μ + σ ε` with ε from N(0, 1), so that the
    gradient reaches both. The layer adds to the loss of each sample
    `beta · KL(N(μ, σ²) ‖ N(0, 1)) = beta · ½ Σ (μ² + σ² − log σ² − 1)` (Kingma & Welling 2014,
    "Auto-encoding variational Bayes"). Outside training the code is μ.

    Args:
        units: the length of the code.
        beta: the weight of the divergence, a hyperparameter that sweeps can vary.
    """

    hypers = ("beta",)

    def __init__(self, units: int, beta: float = 1.0) -> None:
        self.units = units
        self.beta = beta
        check_sizes(self, "units")
        check_numbers(self, "beta", low=0)

    def build(self, shape: Any) -> None:
        """Make the layers of μ and log σ²."""
        self.flatten = Flatten()
        self.mean = Dense(self.units)
        self.log_variance = Dense(self.units)

    def call(self, x: Any, training: bool) -> Any:
        """Return codes, and add their divergence to the loss."""
        x = self.flatten(x)
        mean, log_variance = self.mean(x), self.log_variance(x)
        variance = jnp.exp(log_variance)
        divergence = 0.5 * jnp.sum(mean**2 + variance - log_variance - 1, axis=-1)  # (batch,)
        self.add_loss(self.beta * divergence)
        if not training:
            return mean
        return mean + jnp.sqrt(variance) * jax.random.normal(self.random(), mean.shape, mean.dtype)


class VariationalAutoencoder(BaseAutoencoder):
    """A variational autoencoder (Kingma & Welling 2014): it draws samples by decoding noise.

    Its loss is the negative evidence lower bound of a sample, in nats:
    `−E log p(x | z) + beta · KL(q(z | x) ‖ N(0, 1))`. With "binary_crossentropy" `−log p(x | z)`
    is its sum over the sample's values; with "mse" half the sum of the squared errors, that is
    p = N(x̂, 1) without its constant; with another loss its sum. The history records the last term
    as "divergence". The bound is estimated with one draw of z in training, else with z = μ.

    Args:
        encoder: any network from samples to the inputs of the code, or a list of widths without
            the code: `[256, 128]`.
        decoder: any network from codes `(batch, code)` to samples; None for the encoder's mirror
            image, if the encoder consists of fully connected layers.
        code: the length of the code.
        beta: the weight of the divergence: 1 for the bound, more for a code whose numbers vary
            more independently (Higgins et al. 2017); a hyperparameter that sweeps can vary.
        loss: between samples and reconstructions.
        optimizer: a name or an optimizer.
        metrics: names, metrics or functions.
        activation: of all layers but the output, in an encoder given as widths.
        output_activation: of a mirrored decoder's output.
        seed: of the weights and the draws.

    Raises:
        GradusError: for no widths, or an encoder that has no mirror image.

    Examples:
        >>> x = np.random.default_rng(0).uniform(size=(32, 6))
        >>> model = gr.VariationalAutoencoder([4], code=2)
        >>> history = model.fit(x, epochs=2, verbose=False)
        >>> sorted(history), model.sample(3).shape
        (['divergence', 'learning_rate', 'loss'], (3, 6))
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
            decoder = mirrored_decoder(dense_layers(first), output_activation)
            output_activation = None
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
        """Draw the weights for samples like `x`, and sum the loss over a sample's values."""
        task: Any = self.task
        objective = task.supervised.objectives
        factor = 0.5 if isinstance(objective.loss, MeanSquaredError) else 1.0
        values = math.prod(np.shape(jax.tree.leaves(as_tree(x))[0])[1:])
        summed = OutputObjective(objective.loss, objective.metrics, factor * values)
        self.task = Reconstruction(Supervised(summed, task.supervised.penalty), task.added)
        super().build(x)
        return self

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """Return `n` new samples, `(n, ...)`, decoded from codes drawn from N(0, 1) by `seed`."""
        size = whole_number("n", n, 1), int(self.settings["code"])
        return self.decode(host_rng(whole_number("seed", seed), "codes").normal(size=size))
