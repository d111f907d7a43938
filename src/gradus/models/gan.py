"""A generative adversarial network: a generator and a discriminator that compete."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import softplus

from gradus.checks import is_word, number, whole_number
from gradus.errors import DataError, GradusError, ShapeError, unknown
from gradus.models.model import Model
from gradus.nn import prng
from gradus.nn.layer import Layer
from gradus.nn.network import forward
from gradus.nn.pytree import pytree, static
from gradus.optim.optimizers import Adam
from gradus.rng import host_rng
from gradus.space import given_values
from gradus.train import inference
from gradus.train.batches import Batch
from gradus.train.tasks.base import Accumulators, Task, predictions

LOSSES = ("non_saturating", "least_squares")


class GeneratorAndDiscriminator(Layer):
    """A generator `G` and a discriminator `D` as one layer: `x → D(x), D(G(z))`.

    In training, each call draws new codes `z` from N(0, 1); otherwise every call uses the same
    codes, so that metrics do not fluctuate.

    Args:
        generator: from codes `(batch, code)` to samples like `x`.
        discriminator: from samples to one number each, `(batch, 1)`.
        code: the length of a code.
    """

    def __init__(self, generator: Layer, discriminator: Layer, code: int) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.code = code

    def call(self, x: Any, training: bool) -> tuple[Any, Any]:
        """Return the discriminator's outputs for real and for generated samples, (batch, 1)."""
        key = self.random() if training else prng.make_key(0)
        fake = self.generator(jax.random.normal(key, (x.shape[0], self.code), jnp.float32))
        if fake.shape != x.shape:
            raise ShapeError(
                f"The generator makes samples of shape {fake.shape[1:]}, but the data's have "
                f"{x.shape[1:]}: end it with a layer of that shape."
            )
        real_score, fake_score = self.discriminator(x), self.discriminator(fake)
        if real_score.shape != (x.shape[0], 1):
            raise ShapeError(
                f"The discriminator's output has shape {tuple(real_score.shape)}, but must be one "
                "number for each sample, (batch, 1): end it with Dense(1)."
            )
        return real_score, fake_score


@pytree
class DiscriminatorTask(Task):
    """What the discriminator learns: to tell real samples from generated ones.

    Non-saturating: `−(1 − s) log D(x) − s log(1 − D(x)) − log(1 − D(G(z)))`, with s the label
    smoothing (Goodfellow et al. 2014; one-sided smoothing: Salimans et al. 2016). Least squares:
    `½ (D(x) − (1 − s))² + ½ D(G(z))²` (Mao et al. 2017).

    Attributes:
        label_smoothing: s; the label of real samples is 1 − s.
        loss: "non_saturating" or "least_squares".
    """

    label_smoothing: float = 0.0
    loss: str = static(default="non_saturating")

    def measure(self, net: Layer, batch: Batch) -> tuple[jax.Array, Accumulators]:
        """Return the loss, and the sums of losses and of correct decisions."""
        real, fake = _scores(forward(net, batch.x), self.loss)
        label, squared = 1 - self.label_smoothing, self.loss == "least_squares"
        if squared:
            losses = 0.5 * (real - label) ** 2 + 0.5 * fake**2
        else:
            losses = label * softplus(-real) + (1 - label) * softplus(real) + softplus(fake)
        threshold = 0.5 if squared else 0.0
        correct = 0.5 * ((real > threshold).astype(jnp.float32) + (fake <= threshold))
        samples, total = jnp.sum(batch.present), jnp.sum(batch.weight * losses)
        correct = jnp.sum(batch.present * correct)
        return total / samples, {"loss": total, "correct": correct, "samples": samples}

    def compute(self, accumulators: Accumulators) -> dict[str, jax.Array]:
        """Return the discriminator's loss and its accuracy on real and generated samples."""
        samples = accumulators["samples"]
        return {
            "discriminator_loss": accumulators["loss"] / samples,
            "discriminator_accuracy": accumulators["correct"] / samples,
        }

    def metric_names(self) -> list[str]:
        """Return the names of the numbers that `compute` returns."""
        return ["discriminator_loss", "discriminator_accuracy"]


@pytree
class GeneratorTask(Task):
    """What the generator learns: to make the discriminator take its samples for real.

    Non-saturating: `−log D(G(z))` (Goodfellow et al. 2014), whose gradient does not vanish while
    the discriminator is confident; least squares: `½ (D(G(z)) − 1)²` (Mao et al. 2017).

    Attributes:
        loss: "non_saturating" or "least_squares".
    """

    loss: str = static(default="non_saturating")

    def measure(self, net: Layer, batch: Batch) -> tuple[jax.Array, Accumulators]:
        """Return the loss, and the sum of losses."""
        _, fake = _scores(forward(net, batch.x), self.loss)
        squared = self.loss == "least_squares"
        losses = 0.5 * (fake - 1) ** 2 if squared else softplus(-fake)
        samples, total = jnp.sum(batch.present), jnp.sum(batch.weight * losses)
        return total / samples, {"loss": total, "samples": samples}

    def compute(self, accumulators: Accumulators) -> dict[str, jax.Array]:
        """Return the generator's loss."""
        return {"generator_loss": accumulators["loss"] / accumulators["samples"]}

    def metric_names(self) -> list[str]:
        """Return the name of the number that `compute` returns."""
        return ["generator_loss"]


@pytree
class AdversarialTask(Task):
    """A discriminator and a generator that alternate: each step updates both, one after the other.

    Attributes:
        discriminator: what the discriminator learns.
        generator: what the generator learns.
    """

    discriminator: DiscriminatorTask
    generator: GeneratorTask

    def updates(self) -> tuple[tuple[str, Task], ...]:
        """Return the discriminator's update, then the generator's."""
        return ("discriminator", self.discriminator), ("generator", self.generator)

    def measure(self, net: Layer, batch: Batch) -> tuple[jax.Array, Accumulators]:
        """Return the sum of both losses, and the accumulators of both."""
        (loss_d, sums_d), (loss_g, sums_g) = (
            task.measure(net, batch) for _, task in self.updates()
        )
        return loss_d + loss_g, (sums_d, sums_g)

    def compute(self, accumulators: Accumulators) -> dict[str, jax.Array]:
        """Return the numbers of both; "loss" is the sum of their losses."""
        sums_d, sums_g = accumulators
        logs = self.discriminator.compute(sums_d) | self.generator.compute(sums_g)
        return {"loss": logs["discriminator_loss"] + logs["generator_loss"]} | logs

    def metric_names(self) -> list[str]:
        """Return the names of the numbers that `compute` returns."""
        return ["loss", *self.discriminator.metric_names(), *self.generator.metric_names()]

    def predict(self, heads: Any) -> jax.Array:
        """Return the discriminator's score of real samples, (batch, 1)."""
        loss = self.discriminator.loss
        score = _scores(heads, loss)[0][:, None]
        return score if loss == "least_squares" else jax.nn.sigmoid(score)


class GAN(Model):
    """A generative adversarial network (Goodfellow et al. 2014).

    A generator turns random codes into samples; a discriminator tells them from real ones. Each
    step is one update of the discriminator and then one of the generator, within the compiled
    program. An optimizer with `layer_rates={"generator": 0.5}` gives them different rates.

    Args:
        generator: any network from codes, `(batch, code)`, to samples.
        discriminator: any network from samples to one number each, with or without a sigmoid.
        code: the length of a code.
        loss: "non_saturating" or "least_squares".
        label_smoothing: how much the label of real samples is below 1.
        optimizer: a name or an optimizer, for both; by default Adam with a rate of 2e-4 and β₁ = ½
            (Radford et al. 2016).
        seed: of the weights, the codes, dropout and noise.

    Raises:
        GradusError: for an unknown loss, with the nearest name.

    Examples:
        >>> x = np.random.default_rng(0).normal(5, 1, size=(32, 2))
        >>> gan = gr.GAN(gr.mlp([8, 2]), gr.mlp([8, 1]), code=4)
        >>> history = gan.fit(x, epochs=2, verbose=False)
        >>> gan.sample(3).shape
        (3, 2)
    """

    def __init__(
        self,
        generator: Layer,
        discriminator: Layer,
        code: int = 64,
        loss: str = "non_saturating",
        label_smoothing: float = 0.0,
        optimizer: Any = None,
        seed: int = 0,
    ) -> None:
        if not is_word(loss, LOSSES):
            raise unknown("GAN loss", loss, LOSSES)
        for smoothing in given_values(label_smoothing):
            if number("label_smoothing", smoothing, 0) > 1:
                raise GradusError(
                    f"GAN(label_smoothing={smoothing:g}): it must be between 0 and 1."
                )
        for name, part in (("generator", generator), ("discriminator", discriminator)):
            if not isinstance(part, Layer):
                raise GradusError(f"GAN({name}=…) takes a layer such as Sequential([...]).")
        task = AdversarialTask(DiscriminatorTask(label_smoothing, loss), GeneratorTask(loss))
        optimizer = Adam(2e-4, beta_1=0.5) if optimizer is None else optimizer
        net = GeneratorAndDiscriminator(generator, discriminator, whole_number("code", code, 1))
        super().__init__(net, task, optimizer, seed=seed)
        self.settings = {
            "generator": generator,
            "discriminator": discriminator,
            "code": code,
            "loss": loss,
            "label_smoothing": label_smoothing,
            "optimizer": optimizer,
            "seed": seed,
        }

    def task_for(self, x: Any, y: Any, where: str = "y") -> Task:
        """Return the task, as any model does; a GAN has no targets."""
        if y is not None:
            raise DataError(
                "A GAN learns from samples alone: write fit(x), without y; for those of one class, "
                "fit(x[y == 3])."
            )
        return super().task_for(x, y, where)

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """Return `n` samples of the generator, `(n, ...)`, from codes drawn by `seed`."""
        codes = host_rng(whole_number("seed", seed), "codes").normal(
            size=(whole_number("n", n, 1), self.code)
        )
        return self.generate(codes)

    def generate(self, codes: Any) -> np.ndarray:
        """Return the generator's samples, `(n, ...)`, for codes `(n, code)`.

        Raises:
            ShapeError: for codes of another length.
        """
        self.require_built("generate")
        codes = np.asarray(codes, np.float32)
        if codes.ndim != 2 or codes.shape[1] != self.code:
            raise ShapeError(f"codes has shape {codes.shape}: write (n, {self.code}).")
        net: Any = self.net
        return np.asarray(inference.predict_batches(net.generator, self.task.generator, codes))

    @property
    def code(self) -> int:
        """The length of a code."""
        return int(self.settings["code"])


def _scores(heads: Any, loss: str) -> list[jax.Array]:
    """Return the scores `(batch,)` of each head: the logits, or for least squares the outputs."""
    squared = loss == "least_squares"
    return [(predictions(None, head) if squared else head.logits)[:, 0] for head in heads]
