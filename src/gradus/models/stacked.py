"""The stacked autoencoder: each layer trained as an autoencoder of its own, then the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.checks import whole_number
from gradus.data.arrays import as_tree
from gradus.errors import GradusError
from gradus.models.arguments import DEFAULT_BATCH
from gradus.models.autoencoder import (
    Autoencoder,
    BaseAutoencoder,
    DenoisingAutoencoder,
    make_encoder_decoder,
    noise_layer,
)
from gradus.models.encoder_decoder import dense_layers, make_encoder
from gradus.models.model import Model
from gradus.nn.layers.containers import Sequential
from gradus.nn.layers.dense import Dense
from gradus.nn.network import copy_structure
from gradus.train.history import History


class StackedAutoencoder(BaseAutoencoder):
    """An autoencoder of several layers that is pre-trained greedily, one layer at a time.

    `pretrain` trains an autoencoder of the first width on x, one of the second on the first one's
    code, and so on; their encoders are stacked, and their decoders in reverse. Then `fit` trains
    the whole autoencoder, or `classifier(10).fit(x, y)` a network of the encoders with an output
    layer on top (Hinton & Salakhutdinov 2006; Bengio et al. 2007, "Greedy layer-wise training of
    deep networks"). With noise it is a stacked denoising autoencoder: each one corrupts its own
    input (Vincent et al. 2010).

    Args:
        widths: of the layers, the code's last: `[256, 64, 16]`.
        noise: None, or as in `DenoisingAutoencoder`: "gaussian", "masking", "salt_and_pepper".
        level: how much noise.
        loss: what the first autoencoder's output and the whole one's are compared with x by; the
            others, which restore codes, have "mse".
        optimizer: a name or an optimiser, of all phases; each begins with a memory of its own.
        metrics: names, metrics or functions, of the whole.
        activation: of all layers but the output.
        output_activation: of the output.
        tied: whether the decoder's kernels are the encoder's, transposed.
        seed: of the weights and noise.

    Attributes:
        phases: the record of each phase by name, in their order: "autoencoder_1" and so on, then
            "fine_tuning" and "classifier". They are not saved with the model, but what each
            reached is in `history.notes`, which are.

    Raises:
        GradusError: for no widths, or an unknown noise, with the nearest name.
    """

    def __init__(
        self,
        widths: Sequence[int],
        noise: Any = None,
        level: float = 0.3,
        loss: Any = "mse",
        optimizer: Any = "adam",
        metrics: Any = (),
        activation: Any = "relu",
        output_activation: Any = None,
        tied: bool = False,
        seed: int = 0,
    ) -> None:
        if not isinstance(widths, list | tuple):
            raise GradusError(
                f"StackedAutoencoder({widths!r}): write a list of widths, the code's last: "
                "StackedAutoencoder([256, 64, 16])."
            )
        encoder = make_encoder(widths, activation, activation, "StackedAutoencoder")
        corruption = None if noise is None else noise_layer(noise, level)
        net = make_encoder_decoder(encoder, None, output_activation, tied, noise=corruption)
        super().__init__(net, loss, optimizer, metrics, seed=seed)
        self.settings = {
            "widths": widths,
            "noise": noise,
            "level": level,
            "loss": loss,
            "optimizer": optimizer,
            "metrics": metrics,
            "activation": activation,
            "output_activation": output_activation,
            "tied": tied,
            "seed": seed,
        }
        self.phases: dict[str, History] = {}

    def pretrain(
        self,
        x: Any,
        *,
        epochs: int | Sequence[int] = 10,
        batch_size: int | None = DEFAULT_BATCH,
        shuffle_seed: int = 0,
        validation_split: float = 0.0,
        patience: float | None = None,
        probes: bool = True,
        verbose: bool = True,
    ) -> dict[str, History]:
        """Train the layers one after the other, each as an autoencoder of what reaches it.

        While one is trained those before it stay as they are.

        Args:
            x: samples, `(n, ...)`.
            epochs: how often each layer's autoencoder sees each sample; a list for a number of
                each, 0 for one that is to stay as it is.
            batch_size: as in `Model.fit`, like the rest.
            shuffle_seed: of the order of samples and of the validation split.
            validation_split: the share of samples that is measured and not trained on.
            patience: epochs without improvement after which a phase ends.
            probes: whether the layers' vital signs are recorded.
            verbose: whether progress is shown.

        Returns:
            The record of each phase, by name.

        Raises:
            DataError: for data that cannot be trained on.
            GradusError: for settings that cannot be.
        """
        x = as_tree(x)
        self.build(x[:2])
        self.check_input(x)
        widths, codes, done = self.settings["widths"], x.reshape(len(x), -1), {}
        for index, rounds in enumerate(_each(epochs, len(widths))):
            phase = self._phase(index, codes)
            name = f"autoencoder_{index + 1}"
            if rounds:
                phase.fit(
                    codes,
                    epochs=rounds,
                    batch_size=batch_size,
                    shuffle_seed=shuffle_seed,
                    validation_split=validation_split,
                    patience=patience,
                    probes=probes,
                    verbose=verbose,
                )
                self.set_weights(_renamed(phase.weights, self._places(index)))
                self.history.notes.append(_said(name, codes.shape[1], widths[index], phase.history))
            done[name] = phase.history
            codes = phase.encode(codes)
        self.phases |= done
        return done

    def fit(self, x: Any, y: Any = None, **options: Any) -> History:
        """Fine-tune the whole autoencoder: all layers at once, to reproduce `x`.

        It may be called without `pretrain`; then it trains from scratch, and the history's notes
        say so.

        Args:
            x: samples, `(n, ...)`, which are their own targets.
            y: nothing.
            options: more of `Model.fit`'s, such as `epochs`, `batch_size` and `validation_data`.

        Raises:
            DataError: if `y` is given, or `x` cannot be trained on.
        """
        if not self.history.notes and not self.history.epochs:
            self.history.notes.append(
                "The layers were not pre-trained: this trains them all at once, from scratch. To "
                "pre-train them one by one call pretrain(x) first."
            )
        self.phases["fine_tuning"] = self.history
        self.phases["fine_tuning"] = super().fit(x, y, **options)
        return self.history

    def classifier(
        self,
        units: int,
        activation: Any = "softmax",
        loss: Any = "sparse_categorical_crossentropy",
        optimizer: Any = None,
        metrics: Any = ("accuracy",),
        penalty: Any = None,
    ) -> Model:
        """Return a model of the encoders as they are by now, with an output layer on top.

        Its layers are "encoder/dense", "encoder/dense_1" and so on, and "dense": so they can be
        frozen, or trained at another rate: `gr.Adam(layer_rates={"encoder": 0.1})`. Training it
        leaves the autoencoder as it is. Its record is among the `phases`, as "classifier".

        Args:
            units: of the output layer, such as the number of classes.
            activation: of the output layer.
            loss: as in `Model`.
            optimizer: as in `Model`; None for the autoencoder's.
            metrics: as in `Model`.
            penalty: as in `Model`.
        """
        net: Any = self.net
        encoder = copy_structure(net.encoder).named("encoder")
        optimizer = self.optimizer if optimizer is None else optimizer
        model = Model(
            Sequential([encoder, Dense(units, activation)]),
            loss,
            optimizer,
            metrics,
            penalty=penalty,
            seed=self.seed,
        )
        self.phases["classifier"] = model.history
        return model

    def _phase(self, index: int, codes: np.ndarray) -> BaseAutoencoder:
        """Return the autoencoder of one layer, with the weights that it has by now."""
        settings = self.settings
        options = {
            "optimizer": settings["optimizer"],
            "code_activation": settings["activation"],
            "output_activation": settings["activation"] if index else settings["output_activation"],
            "loss": "mse" if index else settings["loss"],
            "tied": settings["tied"],
            "seed": settings["seed"],
        }
        width, noise = [settings["widths"][index]], settings["noise"]
        phase: BaseAutoencoder = (
            Autoencoder(width, **options)
            if noise is None
            else DenoisingAutoencoder(width, noise=noise, level=settings["level"], **options)
        )
        phase.build(codes[:2])
        back = {own: whole for whole, own in self._places(index).items()}
        phase.set_weights(_renamed(self.weights, back))
        return phase

    def _places(self, index: int) -> dict[str, str]:
        """Return where the layers of one phase stand in the whole, by their paths."""
        net: Any = self.net
        first, last = index, len(dense_layers(net.encoder)) - 1 - index
        down = "dense_transposed" if self.settings["tied"] else "dense"
        return {
            "encoder/dense": f"encoder/{_numbered('dense', first)}",
            f"decoder/{down}": f"decoder/{_numbered(down, last)}",
        }


def _numbered(name: str, count: int) -> str:
    return f"{name}_{count}" if count else name


def _renamed(weights: dict[str, np.ndarray], places: dict[str, str]) -> dict[str, np.ndarray]:
    """Return those weights whose layers have a place, under its path."""
    found = {}
    for path, value in weights.items():
        layer, _, name = path.rpartition("/")
        if layer in places:
            found[f"{places[layer]}/{name}"] = value
    return found


def _said(name: str, inputs: int, units: int, history: History) -> str:
    """Return in a sentence what a phase reached."""
    first, last = history["loss"][0], history["loss"][-1]
    return (
        f"Pre-trained {name}, {inputs} → {units}: its loss fell from {first:.4g} in the first "
        f"epoch to {last:.4g} in the last."
    )


def _each(epochs: Any, count: int) -> list[int]:
    """Return the number of epochs of each phase.

    Raises:
        GradusError: for a list of another length, or no whole numbers.
    """
    listed = list(epochs) if isinstance(epochs, list | tuple) else [epochs] * count
    if len(listed) != count:
        raise GradusError(
            f"epochs={epochs!r}: write one number, or a list of {count}, one for each layer."
        )
    return [whole_number("epochs", number) for number in listed]
