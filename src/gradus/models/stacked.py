"""The stacked autoencoder: each layer pre-trained as an autoencoder, then the whole trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.checks import whole_number
from gradus.data.array_trees import as_tree, check_same_length
from gradus.errors import GradusError
from gradus.models.autoencoder import (
    Autoencoder,
    BaseAutoencoder,
    DenoisingAutoencoder,
    make_encoder_decoder,
    noise_layer,
)
from gradus.models.encoder_decoder import dense_layers, make_encoder
from gradus.models.inputs.arguments import DEFAULT_BATCH
from gradus.models.model import Model
from gradus.nn.layers.containers import Sequential
from gradus.nn.layers.dense import Dense
from gradus.nn.network import copy_structure
from gradus.train.history import History

PRETRAINED = "Pre-trained"  # how the note on a phase begins


class StackedAutoencoder(BaseAutoencoder):
    """An autoencoder of several layers that is pre-trained greedily, one layer at a time.

    `pretrain` trains an autoencoder of the first width on x, one of the second width on its codes,
    and so on; their encoders are stacked, and their decoders in reverse. Then `fit` trains the
    whole autoencoder, or `classifier(10).fit(x, y)` a network of the encoders with an output layer
    on top (Hinton & Salakhutdinov 2006; Bengio et al. 2007, "Greedy layer-wise training of deep
    networks"). With noise it is a stacked denoising autoencoder: each autoencoder corrupts its own
    input (Vincent et al. 2010).

    Args:
        widths: of the layers, the code's last: `[256, 64, 16]`.
        noise: None, or as in `DenoisingAutoencoder`: "gaussian", "masking", "salt_and_pepper".
        level: the amount of noise.
        loss: between x and the output of the first autoencoder and of the whole; the other
            autoencoders, which reproduce codes, use "mse".
        optimizer: a name or an optimizer, for all phases; each phase begins with a new state.
        metrics: names, metrics or functions, of the whole.
        activation: of all layers but the output.
        output_activation: of the output.
        tied: whether the decoder's kernels are the encoder's, transposed.
        seed: of the weights and noise.

    Attributes:
        phases: the history of each phase by name, in order: "autoencoder_1" and so on, then
            "fine_tuning" and "classifier". They are not saved with the model, but `history.notes`,
            which is saved, has the losses of each.

    Raises:
        GradusError: for no widths, or an unknown noise, with the nearest name.

    Examples:
        >>> x = np.random.default_rng(0).normal(size=(32, 6))
        >>> model = gr.StackedAutoencoder([4, 2])
        >>> list(model.pretrain(x, epochs=1, verbose=False))
        ['autoencoder_1', 'autoencoder_2']
        >>> model.encode(x).shape
        (32, 2)
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
        shuffle: bool = True,
        shuffle_seed: int = 0,
        validation_split: float = 0.0,
        patience: float | None = None,
        probes: bool = True,
        verbose: bool = True,
    ) -> dict[str, History]:
        """Train the layers one after the other, each as an autoencoder of its inputs.

        The layers before it do not change meanwhile.

        Args:
            x: samples, `(n, ...)`.
            epochs: how often each layer's autoencoder sees each sample; a list for one number per
                layer, 0 to skip one.
            batch_size: samples of a step, as in `Model.fit`.
            shuffle: whether each epoch has an order of its own; False trains in the given order.
            shuffle_seed: of the order of samples and of the validation split.
            validation_split: the share of samples that is evaluated and not trained on.
            patience: epochs without improvement after which a phase ends.
            probes: whether layer statistics are recorded.
            verbose: whether progress is shown.

        Returns:
            The history of each phase, by name.

        Raises:
            DataError: for data that cannot be trained on.
            GradusError: for invalid settings.
        """
        x = as_tree(x)
        check_same_length(x)
        self.build(x)
        self.check_input(x)
        widths, codes = self.settings["widths"], x.reshape(len(x), -1)
        phases: dict[str, History] = {}
        for index, phase_epochs in enumerate(_epochs_per_phase(epochs, len(widths))):
            phase = self._make_phase(index, codes)
            name = f"autoencoder_{index + 1}"
            if phase_epochs:
                phase.fit(
                    codes,
                    epochs=phase_epochs,
                    batch_size=batch_size,
                    shuffle=shuffle,
                    shuffle_seed=shuffle_seed,
                    validation_split=validation_split,
                    patience=patience,
                    probes=probes,
                    verbose=verbose,
                )
                self.set_weights(_move_weights(phase.weights, self._layer_paths(index)))
                self.history.add_note(
                    _phase_note(name, codes.shape[1], widths[index], phase.history)
                )
            phases[name] = phase.history
            codes = phase.encode(codes)
        self.phases |= phases
        return phases

    def fit(self, x: Any, y: Any = None, **options: Any) -> History:
        """Fine-tune the whole autoencoder: all layers at once, to reproduce `x`.

        Without `pretrain` it trains from scratch, and the history's notes say so.

        Args:
            x: samples, `(n, ...)`, which are their own targets.
            y: None.
            options: other arguments of `Model.fit`, such as `epochs` and `batch_size`.

        Raises:
            DataError: if `y` is given, or `x` cannot be trained on.
        """
        if not self.history.notes and not self.history.epochs:
            self.history.add_note(
                "The layers were not pre-trained: this trains them all at once, from scratch. To "
                "pre-train them one by one, call pretrain(x) first."
            )
        self.phases["fine_tuning"] = self.history
        self.phases["fine_tuning"] = super().fit(x, y, **options)
        return self.history

    def _why_untrained(self) -> str:
        if not any(note.startswith(PRETRAINED) for note in self.history.notes):
            return super()._why_untrained()
        trained = [name for name, history in self.phases.items() if history.epochs]
        why = (
            "only single layers were trained, by pretrain. fit(x) trains the whole, which can be "
            "diagnosed then."
        )
        if trained:  # a saved model has no phases
            why += f" What pretrain showed is in model.phases[{trained[0]!r}].findings."
        return why

    def classifier(
        self,
        units: int,
        activation: Any = "softmax",
        loss: Any = "sparse_categorical_crossentropy",
        optimizer: Any = None,
        metrics: Any = ("accuracy",),
        penalty: Any = None,
    ) -> Model:
        """Return a model of the current encoders with an output layer on top.

        Its layers are "encoder/dense", "encoder/dense_1", … and "dense", so you can freeze
        the encoder or train it at another rate: `gr.Adam(layer_rates={"encoder": 0.1})`. Training
        it does not change the autoencoder. Its history is `phases["classifier"]`.

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

    def _make_phase(self, index: int, codes: np.ndarray) -> BaseAutoencoder:
        """Return the autoencoder of one layer, with that layer's current weights."""
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
        phase.build(codes)
        paths = {whole: own for own, whole in self._layer_paths(index).items()}
        phase.set_weights(_move_weights(self.weights, paths))
        return phase

    def _layer_paths(self, index: int) -> dict[str, str]:
        """Return the paths of one phase's layers in the whole, by their paths in the phase."""
        net: Any = self.net
        first, last = index, len(dense_layers(net.encoder)) - 1 - index
        name = "dense_transposed" if self.settings["tied"] else "dense"
        return {
            "encoder/dense": f"encoder/{_numbered('dense', first)}",
            f"decoder/{name}": f"decoder/{_numbered(name, last)}",
        }


def _numbered(name: str, count: int) -> str:
    return f"{name}_{count}" if count else name


def _move_weights(weights: dict[str, np.ndarray], paths: dict[str, str]) -> dict[str, np.ndarray]:
    """Return the weights of the layers in `paths`, under their new paths."""
    moved = {}
    for path, value in weights.items():
        layer, _, name = path.rpartition("/")
        if layer in paths:
            moved[f"{paths[layer]}/{name}"] = value
    return moved


def _phase_note(name: str, inputs: int, units: int, history: History) -> str:
    """Return the losses of a phase in a sentence."""
    first, last = history["loss"][0], history["loss"][-1]
    return (
        f"{PRETRAINED} {name}, {inputs} → {units}: its loss fell from {first:.4g} in the first "
        f"epoch to {last:.4g} in the last."
    )


def _epochs_per_phase(epochs: Any, count: int) -> list[int]:
    """Return the number of epochs of each phase.

    Raises:
        GradusError: for a list of another length, or anything but whole numbers.
    """
    listed = list(epochs) if isinstance(epochs, list | tuple) else [epochs] * count
    if len(listed) != count:
        raise GradusError(
            f"epochs={epochs!r}: write one number, or a list of {count}, one for each layer."
        )
    return [whole_number("epochs", number) for number in listed]
