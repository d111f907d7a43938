"""The flags of `gradus train` and `sweep`, and where in an experiment each belongs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

DATA = Group.create_ordered("Data")
NETWORK = Group.create_ordered("Network")
LEARNING = Group.create_ordered("Learning")
SWEEP = Group.create_ordered("Sweep")


def _widths(_: Any, tokens: Any) -> list[int]:
    """Read "128,64"; "none" is no hidden layer."""
    text = tokens[0].value
    if text.strip().lower() in ("", "none", "0"):
        return []
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f'--layers {text}: write widths such as "128,64", or "none".') from None


def _names(_: Any, tokens: Any) -> list[str]:
    """Read "accuracy,f1"."""
    return [part.strip() for part in tokens[0].value.split(",") if part.strip()]


def _flag(place: str, group: Group, help: str, **options: Any) -> Any:  # noqa: A002
    """Return a flag's parameter, which knows its place in an experiment: "training.epochs"."""
    return _Place(place), Parameter(group=group, help=help, **options)


@dataclass(frozen=True)
class _Place:
    name: str


_LIST = {"converter": _names, "n_tokens": 1, "negative": ""}


@Parameter(name="*")
@dataclass(frozen=True)
class TrainOptions:
    """Whatever is not given is taken from the experiment, or chosen for the data."""

    target: Annotated[str | None, *_flag("target", DATA, "The column of a table to learn.")] = None
    task: Annotated[
        Literal["binary", "multiclass", "classification", "regression"] | None,
        *_flag("task", DATA, "What the target is, where the data mislead."),
    ] = None
    test: Annotated[
        str | None, *_flag("test", DATA, "A file of the same kind, measured at the end.")
    ] = None
    validation: Annotated[
        float | None, *_flag("validation", DATA, "Share of rows held out to stop early by.")
    ] = None
    drop_columns: Annotated[
        list[str] | None, *_flag("drop_columns", DATA, "Columns not to use: a,b.", **_LIST)
    ] = None
    keep_columns: Annotated[
        list[str] | None,
        *_flag("keep_columns", DATA, "Columns to use in spite of their looks.", **_LIST),
    ] = None
    scaling: Annotated[
        Literal["auto", "standard", "normal", "minmax", "none"] | None,
        *_flag("preprocessing.scaling", DATA, "How numbers are scaled."),
    ] = None
    flip: Annotated[
        Literal["none", "horizontal", "vertical", "horizontal_and_vertical"] | None,
        *_flag("augmentation.flip", DATA, "Mirror images at random in training."),
    ] = None
    shift: Annotated[
        float | None, *_flag("augmentation.shift", DATA, "Shift images by this share at most.")
    ] = None
    rotation: Annotated[
        float | None,
        *_flag("augmentation.rotation", DATA, "Turn images by at most this share of a full turn."),
    ] = None
    layers: Annotated[
        list[int] | None,
        *_flag(
            "network.layers",
            NETWORK,
            'Units of the hidden layers: 128,64, or "none".',
            converter=_widths,
            n_tokens=1,
            negative="",
        ),
    ] = None
    activation: Annotated[
        str | None, *_flag("network.activation", NETWORK, "Of the hidden layers: relu, tanh, ….")
    ] = None
    dropout: Annotated[
        float | None, *_flag("network.dropout", NETWORK, "Share dropped after each hidden layer.")
    ] = None
    batch_norm: Annotated[
        bool | None, *_flag("network.batch_norm", NETWORK, "Normalise each hidden layer.")
    ] = None
    initializer: Annotated[
        str | None, *_flag("network.initializer", NETWORK, "How kernels are drawn: he_normal, ….")
    ] = None
    optimizer: Annotated[
        str | None, *_flag("optimizer.name", LEARNING, "sgd, adam, adamw, rmsprop, muon, ….")
    ] = None
    learning_rate: Annotated[
        float | None, *_flag("optimizer.learning_rate", LEARNING, "How far a step goes.")
    ] = None
    momentum: Annotated[
        float | None, *_flag("optimizer.momentum", LEARNING, "Of sgd, rmsprop and muon.")
    ] = None
    weight_decay: Annotated[
        float | None, *_flag("optimizer.weight_decay", LEARNING, "Decoupled decay of weights.")
    ] = None
    clipnorm: Annotated[
        float | None, *_flag("optimizer.clipnorm", LEARNING, "Largest norm of a gradient.")
    ] = None
    schedule: Annotated[
        str | None,
        *_flag("schedule.name", LEARNING, "Of the rate: none, cosine, one_cycle, plateau, …."),
    ] = None
    loss: Annotated[
        str | None, *_flag("loss.name", LEARNING, "What is minimised: mae, huber, focal, ….")
    ] = None
    metrics: Annotated[
        list[str] | None, *_flag("metrics", LEARNING, "Measured each epoch: accuracy,f1.", **_LIST)
    ] = None
    l1: Annotated[float | None, *_flag("penalty.l1", LEARNING, "Penalty on Σ|w|.")] = None
    l2: Annotated[float | None, *_flag("penalty.l2", LEARNING, "Penalty on Σw².")] = None
    class_weight: Annotated[
        Literal["balanced", "none"] | None,
        *_flag("training.class_weight", LEARNING, "Whether rare classes weigh more."),
    ] = None
    epochs: Annotated[
        int | None, *_flag("training.epochs", LEARNING, "How often each row is seen at most.")
    ] = None
    batch_size: Annotated[
        int | Literal["all"] | None,
        *_flag("training.batch_size", LEARNING, 'Rows of a step, or "all".'),
    ] = None
    patience: Annotated[
        int | None,
        *_flag(
            "training.patience", LEARNING, "Epochs without improvement to stop after; 0: never."
        ),
    ] = None
    monitor: Annotated[
        str | None, *_flag("training.monitor", LEARNING, "What is watched: val_loss, ….")
    ] = None
    seed: Annotated[int | None, *_flag("seed", LEARNING, "Of weights, dropout and noise.")] = None
    shuffle_seed: Annotated[
        int | None, *_flag("shuffle_seed", LEARNING, "Of the rows' order and the validation part.")
    ] = None

    def settings(self) -> dict[str, Any]:
        """Return the given flags as an experiment's settings, section by section."""
        found: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                *section, key = _place_of(field.name).split(".")
                inner = found.setdefault(section[0], {}) if section else found
                inner[key] = value
        return found


@Parameter(name="*")
@dataclass(frozen=True)
class SweepOptions:
    """How a sweep tries settings."""

    trials: Annotated[int | None, Parameter(group=SWEEP, help="How many settings are tried.")] = (
        None
    )
    search: Annotated[
        str | None, Parameter(group=SWEEP, help="How they are chosen: random, sobol, grid, ….")
    ] = None
    seeds: Annotated[
        int | None, Parameter(group=SWEEP, help="With how many seeds each is trained.")
    ] = None
    cv: Annotated[
        int | None, Parameter(group=SWEEP, help="On how many folds each is validated in turn.")
    ] = None
    strategy: Annotated[
        str | None, Parameter(group=SWEEP, help="How far each is trained: full, halving, ….")
    ] = None
    storage: Annotated[
        str | None,
        Parameter(group=SWEEP, help="Where trials are kept: a file, or a database's URL."),
    ] = None

    def settings(self) -> dict[str, Any]:
        """Return the given flags as those of the section `[sweep]`."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in given.items() if value is not None}


def _place_of(name: str) -> str:
    from typing import get_type_hints

    hints = get_type_hints(TrainOptions, include_extras=True)
    return next(part.name for part in hints[name].__metadata__ if isinstance(part, _Place))
