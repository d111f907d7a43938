"""A training that remedies change: the arguments of the model and of `fit`, and the data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from gradus.diagnosis.record_entries import SettingsRecord
from gradus.errors import GradusError
from gradus.models.autoencoder import (
    Autoencoder,
    BaseAutoencoder,
    DenoisingAutoencoder,
    as_validation_data,
)
from gradus.models.encoder_decoder import EncoderDecoder, TiedDecoder
from gradus.models.inputs.training_data import (
    TrainingData,
    apply_class_weight,
    make_training_data,
    split_validation,
)
from gradus.models.model import Model
from gradus.train.batches import Samples

VALIDATED = 0.2  # of the samples, where no validation data are given
MANY = 4  # layers with the same change: from as many on it is shown once


@dataclasses.dataclass(frozen=True)
class Change:
    """One change of an experiment.

    Attributes:
        where: what is changed, such as "optimizer.learning_rate".
        before: what it was, as code.
        after: what it is now, as code.
        setting: the setting of experiment.toml, such as "optimizer.learning_rate"; "" for none.
        value: its new value there.
    """

    where: str
    before: str
    after: str
    setting: str = ""
    value: Any = None

    def __str__(self) -> str:
        return f"{self.where}: {self.before} → {self.after}"


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """A training: that of a model, or one that differs from it by some changes.

    Attributes:
        name: what differs, in words; "as it is" for the model's own training.
        settings: the arguments of the model; of an autoencoder its network is one of them, in the
            place of the arguments that make it.
        fit: the arguments of `fit`: `batch_size`, `epochs`, `shuffle_seed`, and `OPTIONS`.
        data: the samples.
        target_scale: the mean and the deviation by which targets are scaled, or None.
        changes: what differs, change by change.
        model_class: the class of the model.
    """

    name: str
    settings: Mapping[str, Any]
    fit: Mapping[str, Any]
    data: TrainingData
    target_scale: tuple[np.ndarray, np.ndarray] | None = None
    changes: tuple[Change, ...] = ()
    model_class: type[Model] = Model

    @property
    def shown_changes(self) -> tuple[Change, ...]:
        """The changes of arguments, without those that only name settings of experiment.toml.

        Where many layers have the same one, it is shown once.
        """
        same: dict[tuple[str, ...], list[Change]] = {}
        for each in self.changes:
            if each.after:
                argument = each.where.rpartition(".")[2]
                same.setdefault((argument, each.before, each.after), []).append(each)
        return tuple(shown for equal in same.values() for shown in _shown(equal))

    def changed(self, *changes: Change, **fields: Any) -> Candidate:
        """Return the candidate with other fields, and with the changes in words."""
        return dataclasses.replace(self, changes=(*self.changes, *changes), **fields)

    def with_settings(self, *changes: Change, **settings: Any) -> Candidate:
        """Return the candidate with other arguments of the model.

        A network that was handed over with its weights keeps its layers, as new ones would have
        others: with another network it is the same candidate.
        """
        if "net" in settings and self.settings["net"].built:
            return self
        return self.changed(*changes, settings={**self.settings, **settings})

    def with_fit(self, *changes: Change, **arguments: Any) -> Candidate:
        """Return the candidate with other arguments of `fit`."""
        return self.changed(*changes, fit={**self.fit, **arguments})

    def make_model(self, seed: int = 0) -> Model:
        """Return an unbuilt model with the candidate's settings; `seed` is added to the model's."""
        settings = {**self.settings, "seed": self.settings["seed"] + seed}
        if isinstance(settings["net"], EncoderDecoder):
            settings |= _autoencoder_settings(settings.pop("net"))
        return self.model_class(**settings)

    @property
    def x(self) -> Any:
        """The inputs that are trained on."""
        return _rows(self.data.samples.x, self.data.rows)

    @property
    def y(self) -> Any:
        """The targets that are trained on, in their own units."""
        y = _rows(self.data.samples.y, self.data.rows)
        return y if self.target_scale is None else y * self.target_scale[1] + self.target_scale[0]

    @property
    def held_out(self) -> tuple[Any, Any]:
        """The inputs and the targets that are evaluated, in their own units."""
        held = self.data.validation
        if isinstance(held, Samples):
            x, y = held.x, held.y
        else:
            x, y = _rows(self.data.samples.x, held), _rows(self.data.samples.y, held)
        if self.target_scale is not None:
            y = y * self.target_scale[1] + self.target_scale[0]
        return x, y

    @property
    def held_out_weight(self) -> np.ndarray | None:
        """The weight of each sample that is evaluated; None for 1."""
        held = self.data.validation
        if isinstance(held, Samples):
            return held.weight
        weight = self.data.sample_weight
        return None if weight is None else weight[held]

    @property
    def with_known_monitor(self) -> Candidate:
        """The candidate with the loss as the number that ends it, where its metric is gone."""
        monitor, target = self.fit["monitor"], self.fit["target"]
        names = self.make_model().task.metric_names()
        if monitor is None or monitor.removeprefix("val_") in names:
            return self
        changes = []
        if self.fit["patience"] is not None or target is not None:  # else it ends nothing
            changes.append(
                Change("monitor", f'"{monitor}"', '"val_loss"', "training.monitor", "val_loss")
            )
        if target is not None:
            changes.append(Change("target", f"{target:g}", "None"))
        return self.with_fit(*changes, monitor="val_loss", mode="min", target=None)


def _shown(equal: list[Change]) -> list[Change]:
    """Return changes that differ by their layer only, as one if they are many."""
    if len(equal) < MANY:
        return equal
    where = f"{equal[0].where} to {equal[-1].where} ({len(equal)} layers)"
    return [dataclasses.replace(equal[0], where=where)]


def make_data(
    model: Model, x: Any, y: Any, validation_data: Any, seed: int, sample_weight: Any = None
) -> TrainingData:
    """Return the samples to compare trainings on: those given, or a part that is held out.

    Classes have the weights that they had in the training of the model.

    Raises:
        DataError: for data that cannot be trained on.
    """
    share = None if validation_data is not None else VALIDATED
    trained = _training_of(model)
    weights: Any = trained.class_weight if trained is not None else None
    if isinstance(weights, Mapping):
        weights = {int(label): weight for label, weight in weights.items()}
    if isinstance(model, BaseAutoencoder) and validation_data is not None:
        validation_data = as_validation_data(validation_data)
    return make_training_data(
        x, y, sample_weight, weights, share, validation_data, shuffle_seed=seed
    )


def unweighted_note(model: Model, data: TrainingData) -> str | None:
    """Return a note if the model was trained with weights of samples that the data lack."""
    trained = _training_of(model)
    if trained is None or not trained.sample_weight or data.sample_weight is not None:
        return None
    return "The model was trained with sample_weight, these trainings are not: pass it here, too."


def _autoencoder_settings(net: EncoderDecoder) -> dict[str, Any]:
    """Return the arguments that make an autoencoder of a network's encoder and decoder."""
    decoder = net.decoder
    mirrored = isinstance(decoder, TiedDecoder)
    settings: dict[str, Any] = {
        "encoder": net.encoder,
        "decoder": None if mirrored else decoder,
        "output_activation": decoder.output_activation
        if isinstance(decoder, TiedDecoder)
        else None,
        "tied": net.tied,
    }
    return settings | ({"sparsity": net.code} if net.noise is None else {"noise": net.noise})


def check_data(model: Model, data: TrainingData) -> None:
    """Check that a model can be trained on data.

    Raises:
        GradusError: if it cannot.
    """
    model.check_input(data.samples.x)
    model.checked_task(data)


def make_candidate(model: Model, data: TrainingData, seed: int) -> Candidate:
    """Return the training of a model as it is, on some data.

    Args:
        model: a model that was trained.
        data: the samples; without validation samples a part of them is held out.
        seed: draws that part, and the order of samples.

    Raises:
        GradusError: if the model was never trained, cannot be trained on the data, or makes its
            network itself, as a perceptron does.
    """
    trained = _training_of(model)
    if trained is None:
        raise GradusError(
            "The model was never trained, so there is no training to compare with: call "
            "fit(x, y) first."
        )
    settings = _settings_of(model)
    if data.validation is None:
        rows, held_out = split_validation(data.samples.x, data.samples.y, VALIDATED, None, seed)
        data = dataclasses.replace(data, rows=rows, validation=held_out)
    check_data(model, data)
    fit = {
        "batch_size": trained.batch_size or None,
        "epochs": trained.epochs,
        "shuffle_seed": seed,
        "patience": trained.patience or None,
        "min_delta": trained.min_delta,
        "monitor": trained.monitor or None,
        "mode": trained.mode or None,
        "target": trained.target,
        "restore_best": trained.keep_best,
        "shuffle": trained.shuffle,
    }
    return Candidate("as it is", settings, fit, data, model_class=type(model))


def _training_of(model: Model) -> SettingsRecord | None:
    """Return the settings of a model's training; None if it was never trained."""
    settings = model.record.settings if model.record is not None else None
    return settings if settings is not None and settings.epochs else None


def _settings_of(model: Model) -> Mapping[str, Any]:
    """Return the settings of other trainings of a model, the network one of them.

    Raises:
        GradusError: if its network cannot be told from its settings.
    """
    if "net" in model.settings:
        return model.settings
    if isinstance(model, Autoencoder | DenoisingAutoencoder):
        made = type(model)(**model.settings)  # its network, not built
        parts = ("loss", "optimizer", "metrics", "penalty", "seed")
        return {"net": made.net, **{name: model.settings[name] for name in parts}}
    raise GradusError(
        f"A gr.{type(model).__name__} has no other trainings, because its network follows from its "
        "arguments: train gr.Model(net, loss).fit(x, x) instead."
    )


def with_class_weights(candidate: Candidate) -> Candidate:
    """Return the candidate with samples that weigh more where their class is rare."""
    samples, before = candidate.data.samples, candidate.data.class_weight
    if before == "balanced":
        return candidate
    weight = apply_class_weight(candidate.data.sample_weight, samples.y, "balanced")
    samples = samples._replace(weight=weight)
    data = dataclasses.replace(candidate.data, samples=samples, class_weight="balanced")
    change = Change("class_weight", repr(before), '"balanced"', "training.class_weight", "balanced")
    return candidate.changed(change, data=data)


def with_scaled_targets(candidate: Candidate) -> Candidate:
    """Return the candidate with targets of mean 0 and deviation 1."""
    y = np.asarray(candidate.y, np.float64)
    mean, deviation = y.mean(axis=0), y.std(axis=0)
    scale = mean, np.where(deviation > 0, deviation, 1.0)

    def scaled(samples: Samples) -> Samples:
        return samples._replace(y=((samples.y - scale[0]) / scale[1]).astype(np.float32))

    data = dataclasses.replace(candidate.data, samples=scaled(candidate.data.samples))
    if isinstance(data.validation, Samples):
        data = dataclasses.replace(data, validation=scaled(data.validation))
    change = Change("y", "y", "(y - y.mean(0)) / y.std(0)")
    return candidate.changed(change, data=data, target_scale=scale)


def _rows(tree: Any, rows: np.ndarray | None) -> Any:
    return tree if rows is None else jax.tree.map(lambda a: a[rows], tree)
