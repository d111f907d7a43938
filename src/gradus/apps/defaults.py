"""What is chosen where an experiment leaves it open: one pure function from data to settings."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from gradus.apps.spec import Experiment, Network, Training


@dataclass(frozen=True)
class Facts:
    """What the choice depends on.

    Attributes:
        rows: samples before any are held out.
        features: numbers of a sample, as the network sees it.
        outputs: classes, or numbers to predict.
        task: "binary", "multiclass" or "regression".
        image: whether samples are images.
    """

    rows: int
    features: int
    outputs: int
    task: str
    image: bool


def complete(experiment: Experiment, facts: Facts) -> Experiment:
    """Return the experiment with every open setting chosen; what is set stays as it is."""
    validation = experiment.validation
    if validation is None:
        validation = 0.1 if facts.rows >= 10_000 else 0.15
    optimizer = experiment.optimizer
    if "name" not in optimizer:
        optimizer = {"name": "adam", "learning_rate": 1e-3, **optimizer}
    return structs.replace(
        experiment,
        validation=validation,
        network=_network(experiment.network, facts),
        optimizer=optimizer,
        schedule=experiment.schedule or {"name": "none"},
        loss=experiment.loss or {"name": _LOSSES[facts.task]},
        metrics=_METRICS[facts.task] if experiment.metrics is None else experiment.metrics,
        training=_training(experiment.training, optimizer["name"], validation, facts),
    )


_LOSSES = {
    "binary": "binary_crossentropy",
    "multiclass": "sparse_categorical_crossentropy",
    "regression": "mean_squared_error",
}
_METRICS = {"binary": ["accuracy", "auc"], "multiclass": ["accuracy"], "regression": ["r2"]}
_RECTIFIERS = ("relu", "leaky_relu", "elu", "gelu", "silu", "swish", "softplus")


def _network(given: Network, facts: Facts) -> Network:
    activation = given.activation or "relu"
    initializer = "he_normal" if activation in _RECTIFIERS else "glorot_uniform"
    if activation == "selu":
        initializer = "lecun_normal"
    return Network(
        layers=_layers(facts) if given.layers is None else given.layers,
        activation=activation,
        dropout=_dropout(facts) if given.dropout is None else given.dropout,
        batch_norm=bool(given.batch_norm),
        initializer=given.initializer or initializer,
    )


def _layers(facts: Facts) -> list[int]:
    """Wide for many samples; an early stop, not a narrow layer, guards against overfitting."""
    if facts.image and facts.rows >= 10_000:
        return [512, 256]
    if facts.rows >= 10_000:
        return [256, 128]
    return [128, 64] if facts.rows >= 500 else [64, 32]


def _dropout(facts: Facts) -> float:
    if facts.image:
        return 0.25
    return 0.0 if facts.task == "regression" else 0.1


def _training(given: Training, optimizer: str, validation: float, facts: Facts) -> Training:
    batch: object = given.batch_size
    if batch is None:
        batch = "all" if optimizer in ("lbfgs", "l-bfgs") else _batch_size(facts.rows)
    patience = given.patience
    if patience is None:
        patience = _patience(facts.rows) if validation > 0 else 0
    return structs.replace(
        given,
        batch_size=batch,
        epochs=given.epochs or _epochs(facts.rows),
        patience=patience,
        monitor=given.monitor or ("val_loss" if validation > 0 else "loss"),
    )


def _batch_size(rows: int) -> int:
    """Some thousand steps, whatever the number of samples."""
    return 16 if rows < 500 else 32 if rows < 5000 else 128


def _epochs(rows: int) -> int:
    """Few samples make small epochs, so there are more of them; early stopping cuts them short."""
    return 300 if rows < 5000 else 100 if rows < 30_000 else 40


def _patience(rows: int) -> int:
    return 30 if rows < 5000 else 10 if rows < 30_000 else 5
